//! The error of an AWS operation: code, message, HTTP status and any further members of its shape.

use serde_json::{Map, Value};
use std::fmt;

/// An error as AWS answers it; the protocol gives it its shape on the wire.
#[derive(Clone, Debug)]
pub struct AwsError {
    /// AWS's own error code, such as `InvalidVpcID.NotFound`.
    pub code: String,
    /// The message for people.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Further members of a JSON error's shape.
    pub fields: Map<String, Value>,
    /// The code by which clients still know it, of a service that once spoke the query protocol.
    pub query_code: Option<String>,
}

/// The error code of an answer, as an extension of it, for the log of events.
#[derive(Clone, Debug)]
pub(crate) struct ErrorCode(pub String);

impl AwsError {
    /// An error with status 400.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: 400, fields: Map::new(), query_code: None }
    }

    /// The same error with another HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same error with one more member in its JSON shape.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// What most services say of a member that must be there, under the code that they have for it.
    pub fn null(code: &str, member: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        );
        Self::new(code, message)
    }

    /// The same with the member's name beginning with a small letter, as services with Java behind them write it.
    pub fn null_member(code: &str, member: &str) -> Self {
        let mut name = member.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        Self::null(code, &name)
    }

    /// A failure of this program or its disk, answered as AWS answers its own failures.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal failure");
        Self::new("InternalFailure", format!("the local account failed: {cause}")).status(500)
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}
