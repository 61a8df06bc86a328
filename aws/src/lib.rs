//! A connection to AWS by its own SDK crates: [`Aws`] makes a service's client when it is first used, and every call goes through
//! [`ask`], which repeats what failed for a passing reason and says in our own terms what went wrong.

mod ask;
mod classifier;
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
mod signing;
mod watch;
mod wire;

pub use ask::{ask, ask_all, ask_once};
pub use connection::{Aws, Options, Setup};
pub use credentials::assumed::Role;
pub use deadline::Deadline;
pub use errors::{Error, Kind as ErrorKind};
pub use flight::IN_FLIGHT;
pub use needed::Needed;
pub use objects::{Head, Listed, Object, Objects, Put};
