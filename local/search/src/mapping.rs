//! What type each field of an index has: the type of the first value seen, as dynamic mapping has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Whole numbers.
    Long,
    /// Other numbers.
    Float,
    /// True or false.
    Boolean,
    /// RFC 3339 times.
    Date,
    /// Text, and as a whole under `.keyword`.
    Text,
    /// An object with fields of its own.
    Object,
}

/// The fields of all indices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Mappings {
    indices: BTreeMap<String, BTreeMap<String, FieldType>>,
}

impl Mappings {
    /// The names of the indices, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.indices.keys().map(String::as_str)
    }

    /// Whether there is such an index.
    pub fn contains(&self, index: &str) -> bool {
        self.indices.contains_key(index)
    }

    /// Makes an empty index; false when there is one.
    pub fn create(&mut self, index: &str) -> bool {
        if self.contains(index) {
            return false;
        }
        self.indices.insert(index.to_owned(), BTreeMap::new());
        true
    }

    /// Forgets an index.
    pub fn remove(&mut self, index: &str) {
        self.indices.remove(index);
    }

    /// The type of a field in the first of the indices that knows it.
    pub fn field(&self, indices: &[String], field: &str) -> Option<FieldType> {
        indices.iter().find_map(|index| self.indices.get(index)?.get(field).copied())
    }

    /// Takes a document's fields in; whether any was new.
    ///
    /// # Errors
    /// A value doesn't fit the type that its field has; then nothing is taken in.
    pub fn learn(&mut self, index: &str, source: &Map<String, Value>) -> Result<bool, String> {
        let mut new = Vec::new();
        let known = self.indices.get(index);
        walk(source, "", &mut |path, value| check(known, &mut new, path, value))?;
        let changed = !new.is_empty() || known.is_none();
        let fields = self.indices.entry(index.to_owned()).or_default();
        fields.extend(new);
        Ok(changed)
    }

    /// The mapping of an index as `_mapping` answers it.
    pub fn describe(&self, index: &str) -> Value {
        let fields = self.indices.get(index).cloned().unwrap_or_default();
        let properties: Map<String, Value> = fields
            .into_iter()
            .map(|(name, field)| {
                let value = match field {
                    FieldType::Text => {
                        json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}})
                    }
                    other => json!({ "type": other }),
                };
                (name, value)
            })
            .collect();
        json!({ "mappings": { "properties": properties } })
    }
}

/// Calls back with the path and value of each scalar and of each object.
fn walk<'a>(
    source: &'a Map<String, Value>,
    prefix: &str,
    each: &mut impl FnMut(&str, &'a Value) -> Result<(), String>,
) -> Result<(), String> {
    for (name, value) in source {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        walk_value(value, &path, each)?;
    }
    Ok(())
}

fn walk_value<'a>(
    value: &'a Value,
    path: &str,
    each: &mut impl FnMut(&str, &'a Value) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| walk_value(value, path, each)),
        Value::Object(fields) => {
            each(path, value)?;
            walk(fields, path, each)
        }
        scalar => each(path, scalar),
    }
}

/// Checks a value against its field's type; a field not known yet is added to the new ones.
fn check(
    known: Option<&BTreeMap<String, FieldType>>,
    new: &mut Vec<(String, FieldType)>,
    path: &str,
    value: &Value,
) -> Result<(), String> {
    let field = known
        .and_then(|fields| fields.get(path).copied())
        .or_else(|| new.iter().find(|(name, _)| name == path).map(|(_, field)| *field));
    let Some(field) = field else {
        new.extend(type_of(value).map(|field| (path.to_owned(), field)));
        return Ok(());
    };
    let fits = match (field, value) {
        (_, Value::Null) | (FieldType::Object, Value::Object(_)) => true,
        (FieldType::Object, _) | (_, Value::Object(_)) => false,
        (FieldType::Long | FieldType::Float, Value::String(text)) => text.parse::<f64>().is_ok(),
        (FieldType::Long | FieldType::Float, value) => value.is_number(),
        (FieldType::Boolean, Value::String(text)) => text == "true" || text == "false",
        (FieldType::Boolean, value) => value.is_boolean(),
        (FieldType::Date, Value::String(text)) => is_date(text),
        (FieldType::Date, value) => value.is_i64(),
        (FieldType::Text, _) => true,
    };
    if fits {
        return Ok(());
    }
    let shown = value.to_string().chars().take(80).collect::<String>();
    let name = serde_json::to_value(field).unwrap_or_default();
    Err(format!("failed to parse field [{path}] of type [{}]: {shown}", name.as_str().unwrap_or_default()))
}

fn type_of(value: &Value) -> Option<FieldType> {
    Some(match value {
        Value::Null | Value::Array(_) => return None,
        Value::Bool(_) => FieldType::Boolean,
        Value::Number(number) if number.is_f64() => FieldType::Float,
        Value::Number(_) => FieldType::Long,
        Value::String(text) if is_date(text) => FieldType::Date,
        Value::String(_) => FieldType::Text,
        Value::Object(_) => FieldType::Object,
    })
}

/// Whether a text is an RFC 3339 time.
pub fn is_date(text: &str) -> bool {
    text.len() >= 20 && text.as_bytes()[4] == b'-' && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn the_first_value_decides_and_others_must_fit() {
        let mut mappings = Mappings::default();
        let first = json!({"n": 1, "t": "x", "at": "2026-01-01T00:00:00Z", "o": {"in": true}, "l": ["a", "b"]});
        assert_eq!(mappings.learn("i", &object(&first)), Ok(true));
        assert_eq!(mappings.learn("i", &object(&first)), Ok(false));
        assert_eq!(mappings.field(&["i".into()], "o.in"), Some(FieldType::Boolean));
        for (wrong, part) in [
            (json!({"n": "many", "new": 1}), "[n] of type [long]"),
            (json!({"at": "yesterday"}), "[at] of type [date]"),
            (json!({"o": 3}), "[o] of type [object]"),
            (json!({"t": {"a": 1}}), "[t] of type [text]"),
        ] {
            let reason = mappings.learn("i", &object(&wrong)).expect_err("does not fit");
            assert!(reason.contains(part), "{reason}");
        }
        assert_eq!(mappings.field(&["i".into()], "new"), None, "a refused document teaches nothing");
        assert_eq!(mappings.learn("i", &object(&json!({"n": "12", "t": 5}))), Ok(false));
    }
}
