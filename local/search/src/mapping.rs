//! What type each field of an index has: that of its template, or else the type of the first value seen, as dynamic mapping has it.

mod learn;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use learn::Unfit;

use crate::aliases::{Aliases, Change};
use crate::answer::SearchError;
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
    /// Other names of indices.
    #[serde(default)]
    pub aliases: Aliases,
    /// How often the index was started.
    #[serde(default)]
    pub starts: u64,
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

    /// The index to which documents go that are sent to a name: its own, which need not exist, or that of an alias.
    ///
    /// # Errors
    /// The alias is of several, of which none is the one.
    pub fn writable(&self, name: &str) -> Result<String, SearchError> {
        Ok(self.aliases.writable(name)?.unwrap_or(name).to_owned())
    }

    /// The only index that a name stands for.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn only(&self, name: &str) -> Result<String, SearchError> {
        let Some(mut indices) = self.aliases.of(name) else {
            return if self.contains(name) { Ok(name.to_owned()) } else { Err(SearchError::no_index(name)) };
        };
        match (indices.next(), indices.next()) {
            (Some(only), None) => Ok(only.to_owned()),
            _ => Err(SearchError::illegal(format!(
                "alias [{name}] has more than one index associated with it, can't execute a single index op"
            ))),
        }
    }

    /// Changes the other names of indices, all or none.
    ///
    /// # Errors
    /// A change can't be made.
    pub fn rename(&mut self, changes: &[Change]) -> Result<(), SearchError> {
        let taken: BTreeSet<&str> = self.indices.keys().map(String::as_str).collect();
        self.aliases.change(changes, &taken)
    }

    /// Makes an empty index by its template and what a request says; false when there is one.
    ///
    /// # Errors
    /// What is said can't be.
    pub fn create(&mut self, index: &str, body: &Value) -> Result<bool, SearchError> {
        if self.contains(index) {
            return Ok(false);
        }
        if self.aliases.contains(index) {
            return Err(SearchError {
                status: 400,
                kind: "invalid_index_name_exception",
                reason: format!("Invalid index name [{index}], already exists as alias"),
            });
        }
        let made = Rules::of(&self.templates, index, body).map_err(SearchError::mapping)?;
        let fields = made.as_ref().map(|(rules, _)| rules.fields()).unwrap_or_default();
        let names = made.as_ref().map(|(_, names)| names.clone()).unwrap_or_default();
        let changes = names.into_iter().map(|(alias, said)| {
            crate::aliases::check(&alias)?;
            let body = crate::aliases::body(&said)?;
            Ok(Change::Add { indices: vec![index.to_owned()], aliases: vec![alias], body })
        });
        let changes = changes.collect::<Result<Vec<_>, SearchError>>()?;
        self.indices.insert(index.to_owned(), fields);
        if let Err(error) = self.rename(&changes) {
            self.indices.remove(index);
            return Err(error);
        }
        self.rules.extend(made.map(|(rules, _)| (index.to_owned(), rules)));
        Ok(true)
    }

    /// Gives an index more fields, or says more of those that it has.
    ///
    /// # Errors
    /// A field has another type already, or there would be too many.
    pub fn extend(&mut self, index: &str, body: &Value) -> Result<(), SearchError> {
        let known = self.indices.get(index).ok_or_else(|| SearchError::no_index(index))?;
        let mut rules = self.rules.get(index).cloned().unwrap_or_default();
        let fields = rules.extend(body, known).map_err(SearchError::illegal)?;
        self.indices.entry(index.to_owned()).or_default().extend(fields);
        self.rules.insert(index.to_owned(), rules);
        Ok(())
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
        self.aliases.forget(index);
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

    /// The fields with words or values that a pattern names in one of the indices, texts as a whole among them.
    pub fn fitting(&self, indices: &[String], pattern: &str) -> Vec<String> {
        let fields = indices.iter().filter_map(|index| self.indices.get(index)).flatten();
        let has_values = |kind: FieldType| {
            use FieldType::{Binary, Disabled, Flattened, GeoPoint, Object};
            !matches!(kind, Object | GeoPoint | Binary | Disabled | Flattened)
        };
        let wholes = |name: &String| {
            let whole = self.has_keyword(indices, name).then(|| format!("{name}.keyword"));
            std::iter::once(name.clone()).chain(whole)
        };
        let all = fields.filter(|(_, kind)| has_values(**kind)).flat_map(|(name, _)| wholes(name));
        let mut names: Vec<String> = all.filter(|name| matches(pattern, name)).collect();
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
        let is_new =
            self.create(index, &Value::Null).map_err(|error| Unfit { kind: error.kind, reason: error.reason })?;
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
