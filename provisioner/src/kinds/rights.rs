//! How far the actions of the kinds go, service by service: each as far as one of the stack takes it, and no further.
//!
//! What carries tags is changed and deleted by the stack's tag, and made with it. What AWS knows by a name is looked at by that name
//! too: what isn't there has no tag. Reads without a limit show no more than lists that IAM can't limit: what things are called and
//! which tags they carry.

pub(super) mod code;
pub(super) mod identity;
pub(super) mod keys;
pub(super) mod messages;
pub(super) mod network;
pub(super) mod storage;
pub(super) mod streams;
pub(super) mod watch;
