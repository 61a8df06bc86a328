//! Errors in Elasticsearch's shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tantivy::TantivyError;

/// How many bytes of documents, names and what requests say an answer shows at most.
pub const MOST_BYTES: usize = 100 << 20;

/// An error as Elasticsearch answers it.
#[derive(Debug, Clone)]
pub struct SearchError {
    /// The HTTP status.
    pub status: u16,
    /// Its type, such as `index_not_found_exception`.
    pub kind: &'static str,
    /// The reason, for people.
    pub reason: String,
}

impl SearchError {
    /// A request that means nothing.
    pub fn parsing(reason: impl Into<String>) -> Self {
        Self { status: 400, kind: "parsing_exception", reason: reason.into() }
    }

    /// A request that lacks something.
    pub fn validation(reason: impl Into<String>) -> Self {
        let reason = format!("Validation Failed: 1: {};", reason.into());
        Self { status: 400, kind: "action_request_validation_exception", reason }
    }

    /// A query that doesn't fit what is searched.
    pub fn shard(reason: impl Into<String>) -> Self {
        Self { status: 400, kind: "query_shard_exception", reason: reason.into() }
    }

    /// A request that can't be served as it is.
    pub fn illegal(reason: impl Into<String>) -> Self {
        Self { status: 400, kind: "illegal_argument_exception", reason: reason.into() }
    }

    /// An answer of more bytes than may be.
    pub fn too_large(most: usize) -> Self {
        let reason = format!("[request] Data too large: the answer would have more than [{most}] bytes; ask for less");
        Self { status: 429, kind: "circuit_breaking_exception", reason }
    }

    /// An index that doesn't exist.
    pub fn no_index(name: &str) -> Self {
        Self { status: 404, kind: "index_not_found_exception", reason: format!("no such index [{name}]") }
    }

    /// Something else that doesn't exist.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self { status: 404, kind: "resource_not_found_exception", reason: reason.into() }
    }

    /// A mapping that can't be.
    pub fn mapping(reason: impl Into<String>) -> Self {
        Self { status: 400, kind: "mapper_parsing_exception", reason: reason.into() }
    }

    /// A failure of this program or its disk.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        Self { status: 503, kind: "unavailable_shards_exception", reason: error.to_string() }
    }

    /// The `error` member of an answer.
    pub fn body(&self) -> Value {
        json!({ "type": self.kind, "reason": self.reason })
    }
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        match error {
            // What was asked for can't be.
            TantivyError::InvalidArgument(_)
            | TantivyError::SchemaError(_)
            | TantivyError::FieldNotFound(_)
            | TantivyError::AggregationError(_) => Self::illegal(error.to_string()),
            error => Self::internal(error),
        }
    }
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        let mut error = self.body();
        error["root_cause"] = json!([self.body()]);
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": error, "status": self.status }))).into_response()
    }
}

/// The shards of an answer: there is one, and it answers.
pub fn shards() -> Value {
    json!({ "total": 1, "successful": 1, "skipped": 0, "failed": 0 })
}
