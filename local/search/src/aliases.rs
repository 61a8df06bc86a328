//! Other names of indices.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::SearchError;
use crate::members::Members;
use crate::pattern::matches;

/// What can be said of an alias without that it matters on one node.
const NO_MATTER: [&str; 4] = ["routing", "index_routing", "search_routing", "is_hidden"];

/// Other names of indices, with what is said of each in each index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Aliases(BTreeMap<String, BTreeMap<String, Value>>);

/// A change of the other names.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Gives indices names.
    Add { indices: Vec<String>, aliases: Vec<String>, body: Value },
    /// Takes names, or those that patterns fit, away from indices; whether one must be there.
    Remove { indices: Vec<String>, aliases: Vec<String>, must_exist: Option<bool> },
}

impl Aliases {
    /// The indices that a name stands for.
    pub fn of(&self, alias: &str) -> Option<impl Iterator<Item = &str>> {
        Some(self.0.get(alias)?.keys().map(String::as_str))
    }

    /// The indices that names stand for which fit a pattern.
    pub fn fitting(&self, pattern: &str) -> impl Iterator<Item = &str> {
        let found = self.0.iter().filter(move |(alias, _)| matches(pattern, alias));
        found.flat_map(|(_, indices)| indices.keys().map(String::as_str))
    }

    /// The index to which documents go that are sent to a name; none where it is no alias.
    ///
    /// # Errors
    /// There are several, of which none is the one.
    pub fn writable(&self, alias: &str) -> Result<Option<&str>, SearchError> {
        let Some(indices) = self.0.get(alias) else { return Ok(None) };
        let is_chosen = |body: &Value| body["is_write_index"].as_bool();
        let chosen = indices.iter().find(|(_, body)| is_chosen(body) == Some(true));
        let only = indices.iter().next().filter(|(_, body)| indices.len() == 1 && is_chosen(body) != Some(false));
        match chosen.or(only) {
            Some((index, _)) => Ok(Some(index)),
            None => Err(SearchError::illegal(format!(
                "no write index is defined for alias [{alias}]. The write index may be explicitly disabled using \
                 is_write_index=false or the alias points to multiple indices without one being designated as a write index"
            ))),
        }
    }

    /// The names of an index that fit one of some patterns, with what is said of each.
    pub fn named(&self, index: &str, patterns: &[&str]) -> Map<String, Value> {
        let fits = |alias: &str| patterns.iter().any(|pattern| *pattern == "_all" || matches(pattern, alias));
        let of = |(alias, indices): (&String, &BTreeMap<String, Value>)| {
            Some((alias.clone(), indices.get(index)?.clone())).filter(|(alias, _)| fits(alias))
        };
        self.0.iter().filter_map(of).collect()
    }

    /// Whether there is such a name.
    pub fn contains(&self, alias: &str) -> bool {
        self.0.contains_key(alias)
    }

    /// Forgets an index.
    pub fn forget(&mut self, index: &str) {
        self.0.values_mut().for_each(|indices| _ = indices.remove(index));
        self.0.retain(|_, indices| !indices.is_empty());
    }

    /// Makes changes, all or none; the names must be none of `indices`.
    ///
    /// # Errors
    /// One can't be made.
    pub fn change(&mut self, changes: &[Change], taken: &BTreeSet<&str>) -> Result<(), SearchError> {
        let mut changed = self.clone();
        for change in changes {
            match change {
                Change::Add { indices, aliases, body } => {
                    for alias in aliases {
                        if taken.contains(alias.as_str()) {
                            return Err(invalid(
                                alias,
                                "an index or data stream exists with the same name as the alias",
                            ));
                        }
                        for index in indices {
                            changed.0.entry(alias.clone()).or_default().insert(index.clone(), body.clone());
                        }
                    }
                }
                Change::Remove { indices, aliases, must_exist } => {
                    let mut is_found = false;
                    for (alias, there) in &mut changed.0 {
                        if aliases.iter().any(|pattern| pattern == "_all" || matches(pattern, alias)) {
                            for index in indices {
                                is_found |= there.remove(index).is_some();
                            }
                        }
                    }
                    if !is_found && must_exist.unwrap_or(true) {
                        let names = aliases.join(",");
                        return Err(SearchError {
                            status: 404,
                            kind: "aliases_not_found_exception",
                            reason: format!("aliases [{names}] missing"),
                        });
                    }
                }
            }
        }
        changed.0.retain(|_, indices| !indices.is_empty());
        for (alias, indices) in &changed.0 {
            if indices.values().filter(|body| body["is_write_index"] == true).count() > 1 {
                return Err(SearchError {
                    status: 500,
                    kind: "illegal_state_exception",
                    reason: format!("alias [{alias}] has more than one write index"),
                });
            }
        }
        *self = changed;
        Ok(())
    }
}

fn invalid(alias: &str, why: &str) -> SearchError {
    SearchError {
        status: 400,
        kind: "invalid_alias_name_exception",
        reason: format!("Invalid alias name [{alias}]: {why}"),
    }
}

/// What is said of an alias, as it is answered.
///
/// # Errors
/// It says what nothing here does.
pub fn body(value: &Value) -> Result<Value, SearchError> {
    if value.is_null() {
        return Ok(json!({}));
    }
    let mut members = Members::of(value, "alias")?;
    let said = settings(&mut members)?;
    members.end()?;
    Ok(said)
}

fn settings(members: &mut Members<'_>) -> Result<Value, SearchError> {
    let mut said = json!({});
    if let Some(is_chosen) = members.flag("is_write_index")? {
        said["is_write_index"] = json!(is_chosen);
    }
    for name in NO_MATTER {
        if let Some(value) = members.take(name) {
            match name {
                "routing" => {
                    said["index_routing"] = value.clone();
                    said["search_routing"] = value.clone();
                }
                name => said[name] = value.clone(),
            }
        }
    }
    Ok(said)
}

/// The names of an alias; none may be as no index is called.
///
/// # Errors
/// One is.
pub fn check(alias: &str) -> Result<(), SearchError> {
    if alias.is_empty()
        || alias.starts_with(['-', '_', '+'])
        || alias.contains([' ', '"', '*', '\\', '<', '|', ',', '>', '/', '?', '#', ':'])
    {
        return Err(invalid(alias, "it is empty, begins with - _ +, or has a space or one of *\\/?\"<>|,#:"));
    }
    Ok(())
}

/// The changes of a request, `{"actions": […]}`, in which the indices of an expression are found so.
///
/// # Errors
/// It is none.
pub fn changes(
    request: &Value,
    resolve: impl Fn(&str) -> Result<Vec<String>, SearchError>,
) -> Result<Vec<Change>, SearchError> {
    let mut members = Members::of(request, "aliases")?;
    let actions = members.take("actions").and_then(Value::as_array);
    members.end()?;
    let actions = actions.filter(|actions| !actions.is_empty());
    let actions = actions.ok_or_else(|| SearchError::illegal("No action specified"))?;
    let mut all = Vec::with_capacity(actions.len());
    for action in actions {
        let (kind, body) = Members::of(action, "actions")?.only()?;
        let mut members = Members::of(body, kind)?;
        let mut listed = |one: &str, many: &str| -> Result<Vec<String>, SearchError> {
            let found = match (members.take(one), members.take(many)) {
                (Some(Value::String(name)), None) | (None, Some(Value::String(name))) => {
                    name.split(',').map(str::to_owned).collect()
                }
                (None, Some(Value::Array(names))) => {
                    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            };
            if found.is_empty() {
                return Err(SearchError::illegal(format!("One of [{one}] or [{many}] is required")));
            }
            Ok(found)
        };
        let (indices, aliases) = (listed("index", "indices")?, listed("alias", "aliases")?);
        let mut resolved = Vec::new();
        for index in &indices {
            resolved.extend(resolve(index)?);
        }
        let change = match kind {
            "add" => {
                aliases.iter().try_for_each(|alias| check(alias))?;
                members.take("must_exist");
                Change::Add { indices: resolved, aliases, body: settings(&mut members)? }
            }
            "remove" => Change::Remove { indices: resolved, aliases, must_exist: members.flag("must_exist")? },
            other => {
                return Err(SearchError::parsing(format!(
                    "[aliases] action [{other}] isn't known here: add and remove are"
                )));
            }
        };
        members.end()?;
        all.push(change);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_indices() {
        let mut aliases = Aliases::default();
        let resolve = |name: &str| Ok(vec![name.to_owned()]);
        let mut change = |request: &Value| {
            let changes = changes(request, resolve).map_err(|error| error.status)?;
            aliases.change(&changes, &BTreeSet::from(["a", "b"])).map_err(|error| error.status)?;
            Ok::<_, u16>(aliases.clone())
        };
        let both = json!({"actions": [{"add": {"indices": ["a", "b"], "alias": "all"}}, {"add": {"index": "a", "alias": "one"}}]});
        let found = change(&both).expect("added");
        assert_eq!(found.of("all").map(Iterator::collect::<Vec<_>>), Some(vec!["a", "b"]));
        assert_eq!(found.writable("one").ok().flatten(), Some("a"));
        assert_eq!(found.writable("all").expect_err("two").status, 400);
        let chosen = json!({"actions": [{"add": {"index": "b", "alias": "all", "is_write_index": true}}]});
        assert_eq!(change(&chosen).expect("added").writable("all").ok().flatten(), Some("b"));
        // All or nothing.
        let half = json!({"actions": [{"remove": {"index": "a", "alias": "one"}}, {"remove": {"index": "a", "alias": "none"}}]});
        assert_eq!(change(&half), Err(404));
        let taken = json!({"actions": [{"add": {"index": "a", "alias": "b"}}]});
        assert_eq!(change(&taken), Err(400));
        for wrong in [
            json!({}),
            json!({"actions": [{"add": {"index": "a", "alias": "x", "filter": {}}}]}),
            json!({"actions": [{"drop": {"index": "a", "alias": "x"}}]}),
        ] {
            assert_eq!(change(&wrong), Err(400), "{wrong}");
        }
        let none = json!({"actions": [{"remove": {"index": "a", "alias": "o*"}}]});
        assert!(!change(&none).expect("removed").contains("one"));
    }
}
