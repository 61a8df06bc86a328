//! What a deployer may do, in one program: each would link AWS's clients anew.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod apart;
mod boundary;
mod deployer;
mod granted;
