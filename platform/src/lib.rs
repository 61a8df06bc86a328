//! What all programs need of the machine and the network: signals, pauses between attempts, HTTP to what is no AWS
//! service.

pub mod backoff;
pub mod http;
pub mod signals;

pub use backoff::Backoff;
