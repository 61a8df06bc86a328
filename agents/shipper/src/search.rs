//! The search cluster as a sink: documents by bulk requests, several under way.

mod ask;
mod client;
mod document;
mod dots;
mod endpoint;
mod limiter;
mod policies;
#[cfg(test)]
mod secured;
mod shape;
mod sink;
mod template;
mod templates;
mod time;
mod verdict;

pub use client::Search;
pub use document::{Settings, place, string};
pub use endpoint::{Entrance, Target, target};
pub use shape::Shape;
pub use sink::IndexSink;
pub use templates::Templates;
