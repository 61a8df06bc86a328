//! Credentials of roles, which STS gives to who may assume them.

pub mod assumed;
pub mod mfa;
mod session;
