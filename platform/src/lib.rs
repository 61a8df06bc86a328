//! What all programs need of the machine and the network: signals, pauses between attempts, files that others don't read or
//! that a crash leaves whole, HTTP to what is no AWS service, and HTTP endpoints of their own.

pub mod backoff;
pub mod durable;
pub mod http;
pub mod listen;
pub mod loopback;
pub mod private;
pub mod secret;
pub mod signals;
pub mod turn;

pub use backoff::Backoff;
