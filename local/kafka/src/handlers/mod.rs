//! What each request does, for who may ask for it.

pub mod acls;
pub mod cluster;
pub mod configs;
pub mod fetch;
pub mod groups;
pub mod list_offsets;
pub mod offsets;
pub mod produce;
pub mod sasl;
pub mod topics;
pub mod transactions;

use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// Text for a response.
pub fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// Whether a client that names a leader epoch knows the present one (-1: it names none).
pub fn check_epoch(named: i32, epoch: i32) -> Result<(), ResponseError> {
    match named {
        ..0 => Ok(()),
        _ if named < epoch => Err(ResponseError::FencedLeaderEpoch),
        _ if named > epoch => Err(ResponseError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
