//! Inputs and errors of the JSON protocols.

use super::DEEPEST;
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
        Ok(value) if deeper(&value, DEEPEST) => {
            Err(AwsError::new("SerializationException", format!("the input is nested deeper than {DEEPEST}")))
        }
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(AwsError::new("SerializationException", "the input is not an object")),
        Err(error) => Err(AwsError::new("SerializationException", error.to_string())),
    }
}

/// Whether a value is nested deeper than that. The reader itself stops at 128.
fn deeper(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(items) => most == 0 || items.iter().any(|item| deeper(item, most - 1)),
        Value::Object(members) => most == 0 || members.values().any(|member| deeper(member, most - 1)),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_without_end_is_refused() {
        let nested =
            |depth: usize| input(format!("{}{}", "{\"a\":".repeat(depth - 1) + "{", "}".repeat(depth)).as_bytes());
        assert!(nested(DEEPEST).is_ok());
        for depth in [DEEPEST + 1, 200, 100_000] {
            assert_eq!(nested(depth).unwrap_err().code, "SerializationException", "{depth}");
        }
        let lists = format!("{{\"a\":{}{}}}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        assert_eq!(input(lists.as_bytes()).unwrap_err().code, "SerializationException");
    }
}
