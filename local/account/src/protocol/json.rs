//! Inputs and errors of the JSON protocols.

use crate::clock;
use crate::error::AwsError;
use chrono::DateTime;
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

/// Whether a member of that name holds a time, or a list of times: by these names CloudWatch calls them.
pub fn is_time(name: &str) -> bool {
    name.ends_with("Timestamp") || name == "Timestamps" || name == "LastModified"
}

/// Writes as numbers the times that a service of several protocols answered as texts.
pub fn times(value: &mut Value) {
    let number = |value: &mut Value| {
        if let Some(time) = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()) {
            *value = clock::epoch(time.timestamp_millis());
        }
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(times),
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            for (name, member) in members {
                match member {
                    Value::Array(items) if is_time(name) => items.iter_mut().for_each(number),
                    member if is_time(name) => number(member),
                    member => times(member),
                }
            }
        }
        _ => {}
    }
}
