//! What type each field of an index has: that of its template, or else the type of the first value seen, as dynamic mapping has it.

mod learn;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use learn::Unfit;

use crate::field::FieldType;
use crate::pattern::matches;
use crate::template::Rules;

/// A policy for indices of a certain age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// As it was put.
    pub body: Value,
    /// How often.
    pub version: u64,
}

/// The fields of all indices, and what they are made by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Mappings {
    indices: BTreeMap<String, BTreeMap<String, FieldType>>,
    /// What each index got from its template.
    #[serde(default)]
    rules: BTreeMap<String, Rules>,
    /// Index templates by name, as they were put.
    #[serde(default)]
    pub templates: BTreeMap<String, Value>,
    /// Policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Policy>,
}

impl Mappings {
    /// Those that a file holds; none where it doesn't exist.
    ///
    /// # Errors
    /// It can't be read.
    pub fn load(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// The names of the indices, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.indices.keys().map(String::as_str)
    }

    /// Whether there is such an index.
    pub fn contains(&self, index: &str) -> bool {
        self.indices.contains_key(index)
    }

    /// Makes an empty index by its template; false when there is one.
    pub fn create(&mut self, index: &str) -> bool {
        if self.contains(index) {
            return false;
        }
        let rules = Rules::of(&self.templates, index);
        let fields = rules.as_ref().map(Rules::fields).unwrap_or_default();
        self.indices.insert(index.to_owned(), fields);
        self.rules.extend(rules.map(|rules| (index.to_owned(), rules)));
        true
    }

    /// How many replicas an index has: one, unless its template says otherwise.
    pub fn replicas_of(&self, index: &str) -> usize {
        self.rules.get(index).map_or(1, |rules| rules.replicas)
    }

    /// How many replicas all indices have.
    pub fn replicas(&self) -> usize {
        self.names().map(|name| self.replicas_of(name)).sum()
    }

    /// Forgets an index.
    pub fn remove(&mut self, index: &str) {
        self.indices.remove(index);
        self.rules.remove(index);
    }

    /// The type of a field in the first of the indices that knows it; of what stands in an object that is kept flat, a text as a
    /// whole.
    pub fn field(&self, indices: &[String], field: &str) -> Option<FieldType> {
        indices.iter().find_map(|index| {
            let fields = self.indices.get(index)?;
            fields.get(field).copied().or_else(|| {
                let parents = field.match_indices('.').map(|(dot, _)| &field[..dot]);
                let mut types = parents.filter_map(|parent| fields.get(parent));
                types.any(|kind| *kind == FieldType::Flattened).then_some(FieldType::Keyword)
            })
        })
    }

    /// The fields with words or values that a pattern names in one of the indices.
    pub fn fitting(&self, indices: &[String], pattern: &str) -> Vec<String> {
        let fields = indices.iter().filter_map(|index| self.indices.get(index)).flatten();
        let found = fields.filter(|(name, kind)| **kind != FieldType::Object && matches(pattern, name));
        let mut names: Vec<String> = found.map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether values of a field are found as a whole under `.keyword` in one of the indices.
    pub fn has_keyword(&self, indices: &[String], field: &str) -> bool {
        indices.iter().any(|index| {
            let Some(kind) = self.indices.get(index).and_then(|fields| fields.get(field)) else { return false };
            match self.rules.get(index).and_then(|rules| rules.mapping(field, *kind)) {
                Some(mapping) => mapping["fields"]["keyword"]["type"] == "keyword",
                None => *kind == FieldType::Text,
            }
        })
    }

    /// Takes a document's fields in; whether any was new.
    ///
    /// # Errors
    /// A value doesn't fit the type that its field has, or there would be too many; then nothing is taken in.
    pub fn learn(&mut self, index: &str, source: &Map<String, Value>) -> Result<bool, Unfit> {
        let is_new = self.create(index);
        let (fields, rules) = (&self.indices[index], self.rules.get(index));
        match learn::new_fields(fields, rules, source) {
            Ok(new) => {
                let changed = is_new || !new.is_empty();
                self.indices.entry(index.to_owned()).or_default().extend(new);
                Ok(changed)
            }
            Err(unfit) => {
                // An index is made for the first document that it takes.
                if is_new {
                    self.remove(index);
                }
                Err(unfit)
            }
        }
    }

    /// The mapping of an index as `_mapping` answers it.
    pub fn describe(&self, index: &str) -> Value {
        let fields = self.indices.get(index).cloned().unwrap_or_default();
        let rules = self.rules.get(index);
        let properties: Map<String, Value> = fields
            .into_iter()
            .map(|(name, field)| {
                let known = rules.and_then(|rules| rules.mapping(&name, field)).cloned();
                let value = known.unwrap_or_else(|| match field {
                    FieldType::Text => {
                        json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}})
                    }
                    other => json!({ "type": other }),
                });
                (name, value)
            })
            .collect();
        json!({ "mappings": { "properties": properties } })
    }
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
            (json!({"o.in": "maybe"}), "[o.in] of type [boolean]"),
        ] {
            let unfit = mappings.learn("i", &object(&wrong)).expect_err("does not fit");
            assert!(unfit.reason.contains(part) && unfit.kind == "document_parsing_exception", "{unfit:?}");
        }
        assert_eq!(mappings.field(&["i".into()], "new"), None, "a refused document teaches nothing");
        assert_eq!(mappings.learn("i", &object(&json!({"n": "12", "t": 5}))), Ok(false));
    }

    #[test]
    fn names_and_depths_that_no_index_takes_are_refused() {
        let mut mappings = Mappings::default();
        for name in ["", ".", ".a", "a..b", "a. .b"] {
            let unfit = mappings.learn("i", &object(&json!({ "ok": 1, name: 1 }))).expect_err(name);
            assert_eq!(unfit.kind, "document_parsing_exception", "{name}");
            let unfit = mappings.learn("i", &object(&json!({ "in": { name: 1 } }))).expect_err(name);
            assert_eq!(unfit.kind, "document_parsing_exception", "{name}");
        }
        let deep = |levels: usize| (1..levels).fold(json!({ "a": 1 }), |inner, _| json!({ "a": inner }));
        let unfit = mappings.learn("i", &object(&deep(21))).expect_err("too deep");
        assert!(unfit.kind == "illegal_argument_exception" && unfit.reason.contains("mapping depth [20]"), "{unfit:?}");
        assert!(mappings.learn("i", &object(&json!({ ["a"; 21].join("."): 1 }))).is_err());
        assert_eq!(mappings.learn("i", &object(&deep(20))), Ok(true));
        assert_eq!(mappings.learn("j", &object(&json!({ "a.": 1, " ": 1 }))), Ok(true));
    }

    #[test]
    fn a_thousand_fields_are_enough() {
        let mut mappings = Mappings::default();
        assert_eq!(mappings.learn("i", &object(&json!({"n": 1}))), Ok(true));
        let many: Map<String, Value> = (0..1000).map(|number| (format!("m{number}"), json!(number))).collect();
        let unfit = mappings.learn("i", &many).expect_err("too many");
        assert_eq!(unfit.kind, "illegal_argument_exception");
        assert!(unfit.reason.contains("Limit of total fields [1000]"), "{unfit:?}");
        assert_eq!(mappings.learn("i", &object(&json!({"n": 1, "m": 1}))), Ok(true), "the index goes on");
    }
}
