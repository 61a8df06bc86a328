//! The search cluster as a sink: documents by bulk requests, several under way.

mod client;
mod document;
mod endpoint;
mod limiter;
#[cfg(test)]
mod secured;
mod sink;
mod time;
mod verdict;

pub use client::Search;
pub use document::{Settings, place, string};
pub use endpoint::{Entrance, Target, target};
pub use sink::IndexSink;
