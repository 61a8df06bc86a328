//! The members of a policy's JSON, each with its place.

use serde_json::{Map, Value};

use crate::error::PolicyError;

/// The members of an object.
pub fn object<'a>(place: &str, value: &'a Value) -> Result<&'a Map<String, Value>, PolicyError> {
    value.as_object().ok_or_else(|| PolicyError::new(place, "must be an object"))
}

/// Refuses members of other names than these.
pub fn known(place: &str, members: &Map<String, Value>, names: &[&str]) -> Result<(), PolicyError> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(PolicyError::new(place, format!("has an element {name}, which there isn't"))),
        None => Ok(()),
    }
}

/// A text or a list of at least one.
pub fn texts(place: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let refused = || PolicyError::new(place, "must be text or a list of texts");
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refused)).collect()
        }
        _ => Err(refused()),
    }
}
