//! Reading the values of AWS's answers, which an XML answer gives as text.

use lakewright_aws::{list, text};
use serde_json::Value;

/// A text, if present and not empty.
pub(super) fn some_text(value: &Value, name: &str) -> Option<String> {
    Some(text(value, name)).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A whole number, written as one or as text; 0 if absent.
pub(super) fn number(value: &Value, name: &str) -> u32 {
    match value.get(name) {
        Some(Value::Number(number)) => number.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        _ => 0,
    }
}

/// A truth value, written as one or as text; false if absent.
pub(super) fn flag(value: &Value, name: &str) -> bool {
    match value.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// The texts of a list.
pub(super) fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
