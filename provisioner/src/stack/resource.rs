//! `[resource.KIND.NAME]`: a single resource of a kind, for what the sections don't cover.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Number, Value};
use toml::de::DeValue;

use super::decode::{Decode, Decoder, Node};

/// A resource's spec as it is written; its kind checks it.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// The spec.
    pub spec: Value,
    /// The places of its fields, in bytes.
    pub places: BTreeMap<String, Range<usize>>,
}

impl Decode for Own {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.get_ref() {
            DeValue::Table(table) => {
                let places = table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect();
                json(node, decoder).map(|spec| Self { spec, places })
            }
            _ => decoder.wrong_type(node, "a table: the fields of the resource"),
        }
    }

    fn placeholder() -> Self {
        Self { spec: Value::Null, places: BTreeMap::new() }
    }
}

pub(super) fn json(node: &Node<'_>, decoder: &mut Decoder) -> Option<Value> {
    Some(match node.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => return decoder.wrong_type(node, "a number of at most 64 bits"),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None => return decoder.wrong_type(node, "a finite number"),
        },
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| json(item, decoder)).collect();
            Value::Array(items?)
        }
        DeValue::Table(table) => {
            let member = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &Node<'_>)| {
                Some((key.get_ref().to_string(), json(value, decoder)?))
            };
            Value::Object(table.iter().map(member).collect::<Option<Map<_, _>>>()?)
        }
    })
}

impl JsonSchema for Own {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Resource".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "description": "The fields of the kind, as docs/kinds.md lists them." })
    }
}
