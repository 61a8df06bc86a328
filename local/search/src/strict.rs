//! Documents as Elasticsearch and OpenSearch take them: objects in which no member stands twice, and none is of the index's own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::answer::SearchError;

/// Members that a document can't have, for the index has them.
const OWN: [&str; 9] =
    ["_doc_count", "_id", "_ignored", "_index", "_nested_path", "_routing", "_seq_no", "_source", "_version"];

/// A document.
///
/// # Errors
/// It is no JSON object, has a member twice at some depth, or one that is the index's own.
pub fn document(text: &[u8]) -> Result<Map<String, Value>, SearchError> {
    let refused = |reason: String| SearchError { status: 400, kind: "document_parsing_exception", reason };
    let found: Strict = serde_json::from_slice(text).map_err(|error| refused(format!("failed to parse: {error}")))?;
    let Value::Object(document) = found.0 else {
        return Err(refused("failed to parse: a document is a JSON object".to_owned()));
    };
    match document.keys().find(|name| OWN.contains(&name.as_str())) {
        None => Ok(document),
        Some(own) => Err(refused(format!("Field [{own}] is a metadata field and cannot be added inside a document"))),
    }
}

/// A value in which no object has a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom(format!("Duplicate field '{name}'")));
            }
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_member_stands_twice_and_none_is_of_the_index() {
        let sound = r#"{"a":{"b":[1,-2,0.5,null,true,"x"]},"c":"d"}"#;
        assert_eq!(
            Value::Object(document(sound.as_bytes()).expect("sound")),
            serde_json::from_str::<Value>(sound).expect("JSON")
        );
        for (text, part) in [
            (r#"{"@timestamp":1,"@timestamp":1}"#, "Duplicate field '@timestamp'"),
            (r#"{"a":[{"b":1,"b":2}]}"#, "Duplicate field 'b'"),
            (r#"{"_id":"x"}"#, "Field [_id] is a metadata field"),
            ("[1]", "a document is a JSON object"),
            ("{", "failed to parse"),
        ] {
            let error = document(text.as_bytes()).expect_err(text);
            assert!(error.reason.contains(part) && error.status == 400, "{error:?}");
        }
    }
}
