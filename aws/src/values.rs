//! Looking into answers.

use std::slice;

use serde_json::Value;

/// The list `name` within `value`: nothing when it is absent or empty, one element when it is no array.
///
/// XML doesn't tell an empty list from an empty text, nor a repeated element that happens to stand once from another.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    match value.get(name) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(elements)) => elements,
        Some(Value::String(text)) if text.trim().is_empty() => &[],
        Some(other) => slice::from_ref(other),
    }
}

/// The text `name` within `value`; empty when it is absent.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_found_in_every_shape() {
        let value = json!({"many": ["a", "b"], "one": {"k": "v"}, "empty": "", "blank": "\n  ", "null": null});
        assert_eq!(list(&value, "many").len(), 2);
        assert_eq!(list(&value, "one"), [json!({"k": "v"})]);
        for name in ["empty", "blank", "null", "absent"] {
            assert!(list(&value, name).is_empty(), "{name}");
        }
    }
}
