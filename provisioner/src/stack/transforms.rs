//! `[[agents.shipper.transforms]]`: what is done to records on their way to a sink. The types, their docs and their schema are
//! those of the agent's configuration.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use lakewright_config::agents::shipper::transforms::{Step, Transform};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};
use toml::de::DeValue;

use super::agents::Shipper;
use super::decode::{Decode, Decoder, Node};
use super::diagnostics::{Diagnostic, suggest};
use super::resource;
use crate::kind::schema;
use crate::names;

/// One transform as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformSection {
    /// The transform; none when it holds mistakes.
    pub value: Option<Transform>,
    /// Its settings as they are written.
    pub written: Value,
    /// The places of its settings and of what stands in them, in bytes: `when`, `fields.a`, `formats[1]`.
    pub places: BTreeMap<String, Range<usize>>,
    /// Where it stands, in bytes.
    pub span: Range<usize>,
}

impl TransformSection {
    /// Where a setting stands, or an item or key of it; the whole transform, if it isn't written.
    pub fn place(&self, setting: &str, item: Option<&str>) -> Range<usize> {
        let whole = || self.places.get(setting).unwrap_or(&self.span).clone();
        let Some(item) = item else { return whole() };
        let index = self.written[setting].as_array().and_then(|items| items.iter().position(|one| one == item));
        let path = index.map_or_else(|| format!("{setting}.{item}"), |index| format!("{setting}[{index}]"));
        self.places.get(&path).cloned().unwrap_or_else(whole)
    }
}

impl Shipper {
    /// The names of the topics that it reads, by which transforms choose.
    pub fn topics(&self) -> Vec<&str> {
        self.topics.iter().map(|topic| topic.value.as_str()).collect()
    }

    /// The names of the sources of its hosts, by which transforms choose. Their records are objects without a parser.
    pub fn logs(&self) -> Vec<&str> {
        let own = [names::APPLICATION_LOG, names::AGENTS_LOGS].into_iter().filter(|_| self.own_logs.value);
        let mut logs: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).chain(own).collect();
        logs.sort_unstable();
        logs.dedup();
        logs
    }

    /// How many days indices are kept.
    pub fn keep_days(&self) -> Option<u32> {
        self.keep_days.as_ref().map(|days| days.0 as u32)
    }
}

impl Decode for TransformSection {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let DeValue::Table(table) = node.get_ref() else {
            return decoder.wrong_type(node, "a table, as `{ type = \"parse_json\" }`");
        };
        let mut section = Self { span: node.span(), ..Self::placeholder() };
        let mut written = Map::new();
        for (key, value) in table {
            resource::note(key.get_ref(), value, &mut section.places);
            written.insert(key.get_ref().to_string(), resource::json(value, decoder)?);
        }
        section.written = Value::Object(written);
        section.read(decoder);
        Some(section)
    }

    fn placeholder() -> Self {
        Self { value: None, written: Value::Null, places: BTreeMap::new(), span: 0..0 }
    }
}

impl TransformSection {
    /// Makes the transform of what is written, or says all that keeps it from being one.
    fn read(&mut self, decoder: &mut Decoder) {
        let words = || Step::WORDS.iter().copied();
        let Some(word) = self.written.get("type") else {
            let diagnostic = Diagnostic::new(self.span.clone(), "a transform lacks `type`", "`type` is required");
            return decoder.push(diagnostic.help(format!("write one of {}", words().collect::<Vec<_>>().join(", "))));
        };
        let Some(schema) = word.as_str().and_then(|word| SCHEMAS.get(word)) else {
            let title = format!("there is no transform {word}");
            let diagnostic = Diagnostic::new(self.place("type", None), title, "no type of transform");
            return decoder.push(diagnostic.help(suggest(word.as_str().unwrap_or_default(), words(), "types")));
        };
        let mistakes = schema::mistakes(schema, &self.written);
        let word = word.as_str().unwrap_or_default();
        for mistake in &mistakes {
            let place = self.places.get(&mistake.path).or_else(|| {
                let setting = mistake.path.split(['.', '[']).next().unwrap_or_default();
                self.places.get(setting)
            });
            let title = match mistake.path.as_str() {
                "" => format!("`{word}` {}", mistake.what),
                path => format!("`{word}`: `{path}` {}", mistake.what),
            };
            let place = place.unwrap_or(&self.span).clone();
            let diagnostic = Diagnostic::new(place, title, format!("not a valid {word}"));
            decoder.push(mistake.fix.iter().fold(diagnostic, |all, fix| all.help(fix.clone())));
        }
        if mistakes.is_empty() {
            match serde_json::from_value(self.written.clone()) {
                Ok(transform) => self.value = Some(transform),
                Err(error) => {
                    let title = format!("`{word}`: {error}");
                    decoder.push(Diagnostic::new(self.span.clone(), title, format!("not a valid {word}")));
                }
            }
        }
    }
}

/// The schema of each type of transform, with the settings that all of them have.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let schema = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut generator = schema.into_generator();
    let common = generator.subschema_for::<Transform>().to_value();
    let steps = generator.subschema_for::<Step>().to_value();
    let variants = steps["oneOf"].as_array().cloned().unwrap_or_default();
    variants.into_iter().filter_map(|variant| with_common(variant, &common)).collect()
});

/// A variant's schema under its word.
fn with_common(mut variant: Value, common: &Value) -> Option<(String, Value)> {
    let word = variant["properties"]["type"]["const"].as_str()?.to_owned();
    let own = variant["properties"].as_object()?.clone();
    let mut properties = Map::new();
    let about = variant["description"].clone();
    properties.insert("type".to_owned(), serde_json::json!({ "const": word, "type": "string", "description": about }));
    properties.extend(own.into_iter().filter(|(name, _)| name != "type"));
    let common = common["properties"].as_object()?.iter();
    properties.extend(common.filter(|(name, _)| *name != "type").map(|(name, schema)| (name.clone(), schema.clone())));
    variant["properties"] = Value::Object(properties);
    variant["type"] = "object".into();
    variant["additionalProperties"] = false.into();
    Some((word, variant))
}

impl JsonSchema for TransformSection {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Transform".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let variants: Vec<&Value> = Step::WORDS.iter().filter_map(|word| SCHEMAS.get(*word)).collect();
        schemars::json_schema!({
            "description": "A transform of records on their way to a sink; `type` says which. docs/transforms.md shows each with an example.",
            "type": "object",
            "oneOf": variants,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_schema_and_every_setting_its_docs() {
        assert_eq!(SCHEMAS.len(), Step::WORDS.len());
        for (word, schema) in SCHEMAS.iter() {
            assert!(schema["description"].is_string(), "{word}");
            for (name, property) in schema["properties"].as_object().expect("settings") {
                assert!(property["description"].as_str().unwrap_or_default().len() > 8, "{word}.{name}: {property}");
            }
            for name in ["type", "from", "when", "on_error"] {
                assert!(schema["properties"][name].is_object(), "{word}.{name}");
            }
        }
        assert!(SCHEMAS["parse_regex"]["properties"]["pattern"].is_object());
    }
}
