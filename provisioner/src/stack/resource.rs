//! `[resource.KIND.NAME]`: a single resource of a kind, for what the sections don't cover.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Number, Value};
use toml::de::DeValue;

use super::decode::{Decode, Decoder, Node};
use super::diagnostics::Diagnostic;
use super::tags::Tagged;
use crate::kinds;

/// The key of a resource that holds its tags.
pub const TAGS: &str = "tags";

/// A resource's spec as it is written; its kind checks it.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// The spec.
    pub spec: Value,
    /// The places of its fields and of what stands in them, in bytes, by their paths: `ingress`, `ingress[1]`,
    /// `ingress[1].cidr`.
    pub places: BTreeMap<String, Range<usize>>,
    /// Its tags, which no spec holds.
    pub tags: Tagged,
}

impl Decode for Own {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let DeValue::Table(table) = node.get_ref() else {
            return decoder.wrong_type(node, "a table: the fields of the resource");
        };
        let kind = decoder.keys().get(1).and_then(|kind| kinds::named(kind));
        let renamed = kind.map(|kind| kind.facts().renamed_fields).unwrap_or_default();
        let (mut spec, mut places, mut tags) = (Map::new(), BTreeMap::new(), Tagged::placeholder());
        for (key, value) in table {
            let written = key.get_ref().as_ref();
            if written == TAGS {
                note(TAGS, value, &mut places);
                tags = decoder.enter(TAGS, value).unwrap_or(tags);
                continue;
            }
            let new = renamed.iter().find(|(old, _)| *old == written).map(|(_, new)| *new);
            if let Some(new) = new {
                let address = decoder.keys()[1..].join(".");
                let title = format!("`{address}`: the field `{written}` is called `{new}`");
                let diagnostic = Diagnostic::new(key.span(), title, "the old name");
                if table.contains_key(new) {
                    decoder.push(diagnostic.help(format!("remove `{written}`: `{new}` has a value, too")));
                    continue;
                }
                decoder.warnings.push(diagnostic.help(format!("write `{new}`")));
            }
            let name = new.unwrap_or(written).to_owned();
            note(&name, value, &mut places);
            spec.insert(name, json(value, decoder)?);
        }
        Some(Self { spec: Value::Object(spec), places, tags })
    }

    fn placeholder() -> Self {
        Self { spec: Value::Null, places: BTreeMap::new(), tags: Tagged::placeholder() }
    }
}

/// Notes the places of a value and of all within it.
pub(super) fn note(path: &str, node: &Node<'_>, places: &mut BTreeMap<String, Range<usize>>) {
    places.insert(path.to_owned(), node.span());
    match node.get_ref() {
        DeValue::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| note(&format!("{path}[{index}]"), item, places));
        }
        DeValue::Table(table) => {
            table.iter().for_each(|(key, value)| note(&format!("{path}.{}", key.get_ref()), value, places));
        }
        _ => {}
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
        json_schema!({
            "type": "object",
            "description": "The fields of the kind, as docs/kinds.md lists them, and `tags`, if it carries any.",
        })
    }
}
