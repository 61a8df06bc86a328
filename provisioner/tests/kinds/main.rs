//! The kinds against an account on this machine, in one program: each would link AWS's clients anew.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod account;
mod adoption;
mod catalog;
mod functions;
mod hosts;
mod job_run;
mod kept;
mod lease;
mod network;
mod owners;
mod parameter;
mod private;
mod queue;
mod sessions;
mod storage;
mod tagging;
mod zone;
