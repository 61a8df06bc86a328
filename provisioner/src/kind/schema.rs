//! The one validator of specs: what a kind's JSON Schema, made from its types, doesn't take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use regex::Regex;
use serde_json::Value;

use crate::suggest::{nearest, suggest};

/// A value that a schema doesn't take.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The path to it, `columns[2].type`; empty for the whole spec.
    pub path: String,
    /// What is wrong with it, as what follows the path in a sentence.
    pub what: String,
    /// What would be right.
    pub fix: Option<String>,
    /// The text that is wrong by its length or its form.
    pub text: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}", self.what)?,
            path => write!(f, "`{path}` {}", self.what)?,
        }
        self.fix.iter().try_for_each(|fix| write!(f, " ({fix})"))
    }
}

/// What a schema doesn't take of a spec, all of it. Texts that hold references are known only after apply and not judged.
pub fn mistakes(schema: &Value, spec: &Value) -> Vec<Mistake> {
    let mut check = Check { root: schema, found: Vec::new() };
    check.value(schema, spec, "");
    check.found
}

struct Check<'a> {
    /// The schema that references lead into.
    root: &'a Value,
    found: Vec<Mistake>,
}

impl<'a> Check<'a> {
    fn mistake(&mut self, path: &str, what: String, fix: Option<String>) {
        self.found.push(Mistake { path: path.to_owned(), what, fix, text: None });
    }

    fn value(&mut self, schema: &'a Value, value: &Value, path: &str) {
        if let Some(target) = schema["$ref"].as_str() {
            return self.value(self.root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null), value, path);
        }
        if let Some(alternatives) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            return self.alternatives(schema, alternatives, value, path);
        }
        if !is_of(&schema["type"], value) {
            return self.mistake(
                path,
                format!("is {}, and must be {}", called(value), wanted(&schema["type"])),
                doc(schema),
            );
        }
        match value {
            Value::String(text) => self.text(schema, text, path),
            Value::Number(number) => {
                if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
                    let all: Vec<String> = all.iter().map(Value::to_string).collect();
                    return self.mistake(
                        path,
                        format!("can't be {value}"),
                        Some(format!("write one of {}", all.join(", "))),
                    );
                }
                let number = number.as_f64().unwrap_or_default();
                let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
                if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                    let range =
                        [least.map(|least| format!("at least {least}")), most.map(|most| format!("at most {most}"))];
                    let range: Vec<String> = range.into_iter().flatten().collect();
                    self.mistake(path, format!("can't be {value}: {}", range.join(", ")), doc(schema));
                }
            }
            Value::Array(items) => {
                let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
                let (count, one) = (items.len() as u64, |limit| if limit == 1 { "" } else { "s" });
                if let Some(least) = least.filter(|least| count < *least) {
                    self.mistake(path, format!("has {count} items: at least {least} item{}", one(least)), doc(schema));
                } else if let Some(most) = most.filter(|most| count > *most) {
                    self.mistake(path, format!("has {count} items: at most {most} item{}", one(most)), doc(schema));
                }
                for (at, item) in items.iter().enumerate().filter(|_| schema["items"].is_object()) {
                    self.value(&schema["items"], item, &format!("{path}[{at}]"));
                }
            }
            Value::Object(members) => self.members(schema, members, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, schema: &'a Value, text: &str, path: &str) {
        if let Some(all) = schema["enum"].as_array() {
            if !all.iter().any(|one| one == text) {
                self.none_of(all.iter(), text, path);
            }
            return;
        }
        // A text with a reference in it is known only when that is made.
        if text.contains("${") {
            return;
        }
        if let Some((what, fix)) = wrong(schema, text) {
            self.found.push(Mistake { path: path.to_owned(), what, fix, text: Some(text.to_owned()) });
        }
    }

    fn members(&mut self, schema: &'a Value, members: &serde_json::Map<String, Value>, path: &str) {
        let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let known = schema["properties"].as_object();
        let names = || known.into_iter().flatten().map(|(name, _)| name.as_str());
        for name in members.keys().filter(|_| schema["propertyNames"].is_object()) {
            if let Some((what, fix)) = wrong(&schema["propertyNames"], name) {
                self.mistake(path, format!("has a member whose name {what}"), fix.or_else(|| doc(schema)));
            }
        }
        let mut meant = BTreeSet::new();
        for (name, value) in members {
            let other = &schema["additionalProperties"];
            match known.and_then(|known| known.get(name)) {
                Some(member) => self.value(member, value, &under(name)),
                None if other == &Value::Bool(false) => {
                    meant.extend(nearest(name, names()));
                    let fix = suggest(name, names().collect::<Vec<_>>(), "fields");
                    self.mistake(&under(name), "is no field of it".to_owned(), Some(fix));
                }
                None if other.is_object() => self.value(other, value, &under(name)),
                None => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // One that is misspelt is reported once.
            if !members.contains_key(name) && !meant.contains(name) {
                let fix = known.and_then(|known| doc(&known[name]));
                self.mistake(path, format!("has no `{name}`"), fix);
            }
        }
    }

    fn alternatives(&mut self, schema: &'a Value, all: &'a [Value], value: &Value, path: &str) {
        let mut closest: Option<Vec<Mistake>> = None;
        for one in all {
            let mut check = Check { root: self.root, found: Vec::new() };
            match one.get("const") {
                Some(only) if only == value => return,
                Some(_) => continue,
                None => check.value(one, value, path),
            }
            if check.found.is_empty() {
                return;
            }
            // What is wrong inside of one says more than that none is of the type.
            let nearer = check.found.iter().any(|mistake| mistake.path != path || !mistake.what.contains("must be"));
            if closest.is_none() || nearer {
                closest = Some(check.found);
            }
        }
        match (value, closest) {
            (Value::String(text), None) => self.none_of(all.iter().filter_map(|one| one.get("const")), text, path),
            (_, Some(found)) => self.found.extend(found),
            (_, None) => self.mistake(path, format!("is {}, and must be a text", called(value)), doc(schema)),
        }
    }

    fn none_of<'b>(&mut self, all: impl Iterator<Item = &'b Value>, text: &str, path: &str) {
        let all: Vec<&str> = all.filter_map(Value::as_str).collect();
        self.mistake(path, format!("can't be `{text}`"), Some(suggest(text, all.iter().copied(), "values")));
    }
}

/// What is wrong with a text by a schema's lengths and patterns, as what follows its name in a sentence, and what would
/// be right.
fn wrong(schema: &Value, text: &str) -> Option<(String, Option<String>)> {
    let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
    let length = text.chars().count() as u64;
    if text.is_empty() && least.is_some_and(|least| least > 0) {
        return Some(("is empty".to_owned(), doc(schema)));
    }
    if let Some(least) = least.filter(|least| length < *least) {
        return Some((format!("is too short: at least {least} characters"), doc(schema)));
    }
    if let Some(most) = most.filter(|most| length > *most) {
        return Some((format!("has {length} characters, and may have {most}"), doc(schema)));
    }
    if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !fits(pattern, text)) {
        return Some((format!("can't be `{text}`: must fit {pattern}"), doc(schema)));
    }
    let mut refused = schema["not"]["anyOf"].as_array().into_iter().flatten();
    let refused = refused.find(|one| one["pattern"].as_str().is_some_and(|pattern| fits(pattern, text)))?;
    Some((format!("can't be `{text}`"), doc(refused)))
}

/// The first sentence that a schema says of itself.
fn doc(schema: &Value) -> Option<String> {
    let text = schema["description"].as_str()?.replace('\n', " ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    Some(text[..end].trim_end_matches('.').to_owned())
}

fn is_of(kind: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    match kind {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

fn wanted(kind: &Value) -> String {
    let kinds = match kind {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        kind => kind.as_str().into_iter().collect::<Vec<_>>(),
    };
    let word = |kind: &str| match kind {
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        _ => "a table",
    };
    kinds.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// Whether a text fits a pattern of a schema.
pub fn fits(pattern: &str, text: &str) -> bool {
    // Shared, not cloned: each clone of a `Regex` has no memory to match in until it makes its own.
    static COMPILED: Mutex<BTreeMap<String, Arc<Regex>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock();
    let regex = match compiled.get(pattern) {
        Some(regex) => Arc::clone(regex),
        None => {
            let regex = Arc::new(Regex::new(pattern).expect("a test compiles the patterns of all kinds"));
            compiled.insert(pattern.to_owned(), Arc::clone(&regex));
            regex
        }
    };
    drop(compiled);
    regex.is_match(text)
}

#[cfg(test)]
mod tests;
