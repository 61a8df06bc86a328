//! One S3 request taken apart, and the answer to it.

use super::asks::Wanted;
use super::names::asked;
use super::{errors, scope};
use crate::account::Account;
use crate::credentials::Credentials;
use crate::error::AwsError;
use crate::protocol::query;
use crate::signature::Chain;
use crate::state::{State, Tags};
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// A request.
pub(super) struct Call {
    pub account: Arc<Account>,
    pub method: Method,
    pub headers: HeaderMap,
    pub bucket: String,
    pub key: String,
    pub query: Vec<(String, String)>,
    /// The account that asks.
    pub caller: String,
    /// The access key that signed.
    pub access_key: String,
    /// The region that the request was signed for.
    pub region: String,
    /// The name of the operation.
    pub operation: String,
    /// What the chunks of its body are signed with, if they are.
    pub chain: Option<Chain>,
}

impl Call {
    pub fn new(
        account: Arc<Account>,
        mut parts: Parts,
        caller: String,
        credentials: Credentials,
    ) -> Result<Self, AwsError> {
        let (operation, _) = asked(&parts);
        let path = query::decode(parts.uri.path(), false);
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if key.len() > 1024 {
            return Err(errors::error("KeyTooLongError"));
        }
        if key.contains('\0') {
            return Err(errors::because("InvalidArgument", "the local account takes no keys with a zero byte"));
        }
        Ok(Self {
            account,
            method: parts.method,
            headers: parts.headers,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            query: query::pairs(parts.uri.query().unwrap_or_default()),
            caller,
            access_key: credentials.access_key,
            region: credentials.region,
            operation,
            chain: parts.extensions.remove(),
        })
    }

    /// What the request wants, for those who judge it.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            operation: self.operation.clone(),
            bucket: &self.bucket,
            key: &self.key,
            query: &self.query,
            headers: &self.headers,
            account: &self.caller,
            access_key: &self.access_key,
            region: &self.region,
            tags: Tags::new(),
        }
    }

    /// Whether the query has the parameter.
    pub fn has(&self, name: &str) -> bool {
        self.query.iter().any(|(given, _)| given == name)
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query as a number.
    pub fn number(&self, name: &str) -> Result<Option<usize>, AwsError> {
        match self.parameter(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(errors::because("InvalidArgument", format!("Provided {name} not an integer"))),
            },
        }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Runs `work` on the documents of S3.
    pub fn transact<T>(&self, work: impl FnOnce(&mut State<'_>) -> Result<T, AwsError>) -> Result<T, AwsError> {
        self.account.transact_at(scope(), work)
    }

    /// The request's bucket, if the caller may use it and asked in its region.
    pub fn bucket(&self, state: &State<'_>) -> Result<Value, AwsError> {
        let bucket = self.named(state, &self.bucket)?;
        let region = bucket["region"].as_str().unwrap_or_default();
        if region != self.region {
            let message = format!(
                "the authorization header is malformed; the region '{}' is wrong; expecting '{region}'",
                self.region
            );
            return Err(errors::because("AuthorizationHeaderMalformed", message).field("Region", region));
        }
        Ok(bucket)
    }

    /// A bucket that the caller may use.
    pub fn named(&self, state: &State<'_>, name: &str) -> Result<Value, AwsError> {
        let bucket = state.get("s3/bucket", name).cloned();
        let bucket = bucket.ok_or_else(|| errors::error("NoSuchBucket").field("BucketName", name))?;
        let owner = bucket["owner"].as_str().unwrap_or_default();
        // Where policies are enforced, they have let in who isn't the owner.
        let stranger = owner != self.caller && !self.account.enforce;
        if stranger || self.header("x-amz-expected-bucket-owner").is_some_and(|expected| expected != owner) {
            return Err(errors::error("AccessDenied"));
        }
        Ok(bucket)
    }
}

/// An answer.
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::empty() }
    }

    /// An answer of one XML document.
    pub fn xml(document: String) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
            body: Body::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}")),
        }
    }

    /// The same answer with one more header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn into_response(self, request_id: &str) -> Response {
        let mut response = Response::new(self.body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let id = ("x-amz-request-id".to_owned(), request_id.to_owned());
        for (name, value) in self.headers.into_iter().chain([id]) {
            let name = HeaderName::try_from(name);
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
