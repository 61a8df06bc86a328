//! Which members of a document a hit shows.

use serde_json::{Map, Value};

use crate::answer::SearchError;
use crate::members::Members;
use crate::pattern::matches;

/// All, none, or those that patterns name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    hidden: bool,
    includes: Vec<String>,
    excludes: Vec<String>,
}

impl Sources {
    /// `true`, `false`, `"a.*"`, `["a", "b"]` or `{"includes": …, "excludes": …}`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn read(value: Option<&Value>) -> Result<Self, SearchError> {
        let mut found = Self { hidden: false, includes: Vec::new(), excludes: Vec::new() };
        match value {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => found.hidden = true,
            Some(value @ (Value::String(_) | Value::Array(_))) => found.includes = patterns(value)?,
            Some(value) => {
                let mut members = Members::of(value, "_source")?;
                for name in ["includes", "include"] {
                    found.includes.extend(members.take(name).map(patterns).transpose()?.unwrap_or_default());
                }
                for name in ["excludes", "exclude"] {
                    found.excludes.extend(members.take(name).map(patterns).transpose()?.unwrap_or_default());
                }
                members.end()?;
            }
        }
        Ok(found)
    }

    /// What is shown of a document; none where nothing is.
    pub fn of(&self, document: Value) -> Option<Value> {
        if self.hidden {
            return None;
        }
        match document {
            Value::Object(members) if !self.includes.is_empty() || !self.excludes.is_empty() => {
                Some(Value::Object(self.members("", members, self.includes.is_empty())))
            }
            other => Some(other),
        }
    }

    /// The members that are shown; all that aren't excluded, if they stand in one that is included.
    fn members(&self, prefix: &str, members: Map<String, Value>, inside: bool) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in members {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            if self.excludes.iter().any(|pattern| matches(pattern, &path)) {
                continue;
            }
            let inside = inside || self.includes.iter().any(|pattern| matches(pattern, &path));
            if let Some(value) = self.value(&path, value, inside) {
                shown.insert(name, value);
            }
        }
        shown
    }

    fn value(&self, path: &str, value: Value, inside: bool) -> Option<Value> {
        match value {
            Value::Object(members) => {
                let empty = members.is_empty();
                let shown = self.members(path, members, inside);
                (!shown.is_empty() || inside && empty).then_some(Value::Object(shown))
            }
            Value::Array(values) if values.iter().any(Value::is_object) => {
                let shown: Vec<Value> =
                    values.into_iter().filter_map(|value| self.value(path, value, inside)).collect();
                (!shown.is_empty() || inside).then_some(Value::Array(shown))
            }
            other => inside.then_some(other),
        }
    }
}

fn patterns(value: &Value) -> Result<Vec<String>, SearchError> {
    let wrong =
        || SearchError::parsing("[_source] must be true, false, names, or an object with includes and excludes");
    match value {
        Value::String(text) => Ok(text.split(',').map(|name| name.trim().to_owned()).collect()),
        Value::Array(values) => {
            values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_shown_by_patterns() {
        let document = json!({"a": 1, "o": {"b": 2, "c": [{"d": 3, "e": 4}]}, "ab": 5});
        for (wanted, shown) in [
            (json!(true), Some(document.clone())),
            (json!(false), None),
            (json!("a"), Some(json!({"a": 1}))),
            (json!(["a*", "o.b"]), Some(json!({"a": 1, "o": {"b": 2}, "ab": 5}))),
            (json!("o"), Some(json!({"o": {"b": 2, "c": [{"d": 3, "e": 4}]}}))),
            (json!({"includes": ["o.*"], "excludes": "o.c.e"}), Some(json!({"o": {"b": 2, "c": [{"d": 3}]}}))),
            (json!({"excludes": ["o"]}), Some(json!({"a": 1, "ab": 5}))),
            (json!("none"), Some(json!({}))),
        ] {
            assert_eq!(Sources::read(Some(&wanted)).expect("read").of(document.clone()), shown, "{wanted}");
        }
        for wrong in [json!(5), json!([5]), json!({"include_them": "a"})] {
            assert!(Sources::read(Some(&wrong)).is_err(), "{wrong}");
        }
    }
}
