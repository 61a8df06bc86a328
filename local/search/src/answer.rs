//! Errors in Elasticsearch's shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

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

    /// A request that can't be served as it is.
    pub fn illegal(reason: impl Into<String>) -> Self {
        Self { status: 400, kind: "illegal_argument_exception", reason: reason.into() }
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

impl From<tantivy::TantivyError> for SearchError {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::internal(error)
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
