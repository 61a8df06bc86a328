//! References `${kind.name.output}` in specs: finding them and putting values in their place.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::resource::Address;

/// A reference to an output of another resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The resource.
    pub address: Address,
    /// Its output.
    pub output: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address.output(&self.output))
    }
}

/// The next reference of a text and the bytes that it takes. Shell variables (`${HOME}`) and policy variables
/// (`${aws:username}`) are none: a reference has exactly three dotted parts of letters, digits, `_` and `-`.
fn next(text: &str) -> Option<(std::ops::Range<usize>, Reference)> {
    let mut from = 0;
    while let Some(found) = text[from..].find("${") {
        let start = from + found;
        let body = &text[start + 2..];
        if let Some(end) = body.find('}')
            && let Some(reference) = parse(&body[..end])
        {
            return Some((start..start + 2 + end + 1, reference));
        }
        from = start + 2;
    }
    None
}

fn parse(body: &str) -> Option<Reference> {
    let mut parts = body.split('.');
    let (kind, name, output) = (parts.next()?, parts.next()?, parts.next()?);
    let word = |text: &str, dash: bool| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || (dash && c == '-'))
    };
    (parts.next().is_none() && word(kind, false) && word(name, true) && word(output, false))
        .then(|| Reference { address: Address::new(kind, name), output: output.to_owned() })
}

/// All references within a value.
pub fn references(value: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some((range, reference)) = next(rest) {
                found.insert(reference);
                rest = &rest[range.end..];
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        _ => {}
    }
}

/// The value with every reference that `lookup` knows replaced by its text; others stay as they are written.
pub fn resolve(value: &Value, lookup: &dyn Fn(&Reference) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(resolve_text(text, lookup)),
        Value::Array(items) => Value::Array(items.iter().map(|item| resolve(item, lookup)).collect()),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, member)| (name.clone(), resolve(member, lookup))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

fn resolve_text(text: &str, lookup: &dyn Fn(&Reference) -> Option<String>) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((range, reference)) = next(rest) {
        resolved.push_str(&rest[..range.start]);
        match lookup(&reference) {
            Some(output) => resolved.push_str(&output),
            None => resolved.push_str(&rest[range.clone()]),
        }
        rest = &rest[range.end..];
    }
    resolved.push_str(rest);
    resolved
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_three_dotted_words_are_a_reference() {
        let value = json!({
            "a": "${vpc.main.id}",
            "b": ["arn:${bucket.raw-1.arn}/*", "${HOME} ${aws:username} ${a.b} ${a.b.c.d}"],
            "c": { "d": "${x${key.data.arn}}", "e": 7 },
        });
        let found: Vec<String> = references(&value).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["${bucket.raw-1.arn}", "${key.data.arn}", "${vpc.main.id}"]);
    }

    #[test]
    fn known_references_are_replaced_and_others_stay() {
        let value = json!(["${vpc.main.id}", "s3://${bucket.raw.name}/x-${vpc.main.id}"]);
        let resolved = resolve(&value, &|r| (r.address.kind == "vpc").then(|| "vpc-1".to_owned()));
        assert_eq!(resolved, json!(["vpc-1", "s3://${bucket.raw.name}/x-vpc-1"]));
    }
}
