//! A connection to AWS by its own SDK crates: [`Aws`] makes a service's client when it is first used, and every call goes through
//! [`ask`], which repeats what failed for a passing reason and says in our own terms what went wrong.

mod ask;
mod chain;
mod classifier;
mod connect;
mod connection;
mod credentials;
mod deadline;
mod endpoint;
pub mod errors;
mod flight;
mod needed;
mod objects;
mod owners;
mod retry;
mod roles;
mod signing;
mod watch;
mod wire;

pub use ask::{ask, ask_all, ask_once};
pub use connect::Options;
pub use connection::{Aws, Setup};
pub use deadline::Deadline;
pub use errors::{Error, Kind as ErrorKind};
pub use flight::IN_FLIGHT;
pub use needed::Needed;
pub use objects::{Head, Listed, Object, Objects, Put};
pub use roles::assumed::Role;
