//! Commands typed against an account on this machine, in one program: each would link AWS's clients anew.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod compat;
mod deployers;
mod forged;
mod init;
mod memory;
mod move_roles;
mod no_account;
mod place;
mod record;
mod role;
mod saved_plans;
mod shop;
mod stack;
mod transforms;
