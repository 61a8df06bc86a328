//! Who asks.

use std::net::SocketAddr;

use crate::rights::Rights;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name that the client gives itself.
    pub client_id: String,
    /// Where it connects from.
    pub peer: SocketAddr,
    /// What it may do.
    pub rights: Rights,
}
