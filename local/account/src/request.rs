//! One call of an operation: who calls, where, what, with which input.

use serde_json::Value;

/// A call as a service sees it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The account of the caller, 12 digits.
    pub account: String,
    /// The region of the credential scope.
    pub region: String,
    /// The access key of the caller.
    pub access_key: String,
    /// The operation's name, such as `CreateVpc`.
    pub operation: String,
    /// The input; read it with [`crate::fields::Fields`]. Names are those on the wire.
    pub input: Value,
    /// The id that goes into the answer.
    pub request_id: String,
}

impl Request {
    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE` in the caller's account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}
