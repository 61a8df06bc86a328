//! EC2's errors that many operations share.

use serde_json::Value;

use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;

/// Returns the error for a value that EC2 refuses.
pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

/// Returns the error for a required parameter that is absent.
pub(super) fn missing(name: &str) -> AwsError {
    AwsError::new("MissingParameter", format!("The request must contain the parameter {name}"))
}

/// Returns the error for a resource that others depend on.
pub(super) fn dependency(what: &str, id: &str) -> AwsError {
    AwsError::new("DependencyViolation", format!("The {what} '{id}' has dependencies and cannot be deleted."))
}

/// Returns a required text.
pub(super) fn need<'a>(input: &'a Value, name: &str) -> Result<&'a str, AwsError> {
    input.need(name, missing)
}

/// Refuses a request with a parameter that the operation doesn't have, or that this account doesn't know.
pub(super) fn only(request: &Request, known: &[&str]) -> Result<(), AwsError> {
    let members = request.input.as_object().into_iter().flatten();
    match members.map(|(name, _)| name.as_str()).find(|name| *name != "DryRun" && !known.contains(name)) {
        Some(name) => Err(AwsError::new("UnknownParameter", format!("The parameter {name} is not recognized"))),
        None => Ok(()),
    }
}
