//! The use cases that commands and `up` are made of: reaching an account, reading the state of a stack, carrying a plan
//! out, asking Athena, and talking with whoever types the commands.

pub mod base;
pub mod bounds;
pub mod cache;
pub mod carry;
pub mod connect;
pub mod deployers;
pub mod desired;
mod existing;
pub mod hints;
mod interruption;
mod loss;
pub mod maintain;
mod options;
mod ordered;
mod outcome;
pub mod programs;
pub mod query;
pub mod registries;
pub mod restore;
mod run_file;
mod state;
mod terminal;

pub use existing::of_others;
pub use interruption::until_interrupted;
pub use loss::{Loss, refuse_loss};
pub use options::{Global, region_name};
pub use outcome::Outcome;
pub use run_file::{Child, RunFile, made_secret, secret};
pub use state::{Snapshot, StackState, allowed, leased};
pub use terminal::{print, say};
