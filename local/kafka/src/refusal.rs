//! Why a request is refused.

use kafka_protocol::error::ResponseError;

/// A refusal as the protocol states it.
pub type Refusal = (ResponseError, String);
