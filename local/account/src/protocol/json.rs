//! Inputs and errors of the JSON protocols.

use crate::error::AwsError;
use serde_json::{Value, json};

/// The input in a body; an empty body is an empty object.
pub fn input(body: &[u8]) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(AwsError::new("SerializationException", "the input is not an object")),
        Err(error) => Err(AwsError::new("SerializationException", error.to_string())),
    }
}

/// The error's body.
pub fn error(error: &AwsError) -> Value {
    let mut body = error.fields.clone();
    body.insert("__type".to_owned(), error.code.clone().into());
    body.insert("message".to_owned(), error.message.clone().into());
    Value::Object(body)
}
