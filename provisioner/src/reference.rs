//! The stack file's syntax within texts: references `${kind.name.output}`, and `$${` for a `${` that is none. Texts of a
//! spec have it until a kind takes them; what a kind gives back is the text itself.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

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

/// What begins a reference, and other languages' own variables.
const BEGIN: &str = "${";
/// What stands for [`BEGIN`] itself.
const ESCAPE: &str = "$${";

/// What has a meaning of its own within a text.
#[derive(Debug)]
enum Mark {
    /// It stands for [`BEGIN`].
    Escape,
    /// It stands for the output of a resource.
    Reference(Reference),
}

/// The first escape or reference of a text, and the bytes that it takes. Shell variables (`${HOME}`) and policy variables
/// (`${aws:username}`) are none: a reference has exactly three dotted parts of letters, digits, `_` and `-`.
fn next(text: &str) -> Option<(Range<usize>, Mark)> {
    let mut from = 0;
    while let Some(found) = text[from..].find(BEGIN) {
        let start = from + found;
        if text[..start].ends_with('$') {
            return Some((start - 1..start + BEGIN.len(), Mark::Escape));
        }
        if let Some((length, reference)) = reference_at(&text[start..]) {
            return Some((start..start + length, Mark::Reference(reference)));
        }
        from = start + BEGIN.len();
    }
    None
}

/// The reference that a text begins with, and its length.
fn reference_at(text: &str) -> Option<(usize, Reference)> {
    let body = text.strip_prefix(BEGIN)?;
    let end = body.find('}')?;
    Some((BEGIN.len() + end + 1, parse(&body[..end])?))
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
            while let Some((range, mark)) = next(rest) {
                if let Mark::Reference(reference) = mark {
                    found.insert(reference);
                }
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
    mapped(value, &|text| resolve_text(text, lookup)).into_owned()
}

fn resolve_text<'a>(text: &'a str, lookup: &dyn Fn(&Reference) -> Option<String>) -> Cow<'a, str> {
    if next(text).is_none() {
        return Cow::Borrowed(text);
    }
    // What stands between two references, as the text itself.
    let (mut resolved, mut between) = (String::with_capacity(text.len()), String::new());
    let mut rest = text;
    while let Some((range, mark)) = next(rest) {
        between.push_str(&rest[..range.start]);
        match mark {
            Mark::Escape => between.push_str(BEGIN),
            Mark::Reference(reference) => match lookup(&reference) {
                Some(output) => between.push_str(&output),
                None => {
                    resolved.push_str(&escaped_text(&between));
                    between.clear();
                    resolved.push_str(&rest[range.clone()]);
                }
            },
        }
        rest = &rest[range.end..];
    }
    between.push_str(rest);
    resolved.push_str(&escaped_text(&between));
    Cow::Owned(resolved)
}

/// The text that a text of a file means, each reference replaced; none where `lookup` doesn't know one.
pub fn meant<'a>(text: &'a str, lookup: &dyn Fn(&Reference) -> Option<String>) -> Option<Cow<'a, str>> {
    if next(text).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let (mut meant, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((range, mark)) = next(rest) {
        meant.push_str(&rest[..range.start]);
        match mark {
            Mark::Escape => meant.push_str(BEGIN),
            Mark::Reference(reference) => meant.push_str(&lookup(&reference)?),
        }
        rest = &rest[range.end..];
    }
    meant.push_str(rest);
    Some(Cow::Owned(meant))
}

/// The value without escapes where none is needed: two that mean the same are equal.
pub fn tidy(value: &Value) -> Cow<'_, Value> {
    mapped(value, &|text| if text.contains(ESCAPE) { resolve_text(text, &|_| None) } else { Cow::Borrowed(text) })
}

/// The value as a kind takes it: each escape is what it stands for.
pub fn plain(value: &Value) -> Cow<'_, Value> {
    mapped(value, &plain_text)
}

/// The text that a text of a file means: each escape is what it stands for.
pub fn plain_text(text: &str) -> Cow<'_, str> {
    if text.contains(ESCAPE) { Cow::Owned(text.replace(ESCAPE, BEGIN)) } else { Cow::Borrowed(text) }
}

/// The value of a kind as a file would have it: what looks like a reference is escaped.
pub fn escaped(value: &Value) -> Cow<'_, Value> {
    mapped(value, &escaped_text)
}

/// Code in another language as a file would have to have it: what can't be a reference, for its first word is no kind's
/// name, stands for itself.
pub fn code(text: &str, is_kind: impl Fn(&str) -> bool) -> Cow<'_, str> {
    // An escape that is there already stays one.
    if !text.contains(BEGIN) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((range, mark)) = next(rest) {
        out.push_str(&rest[..range.start]);
        if matches!(&mark, Mark::Reference(reference) if !is_kind(&reference.address.kind)) {
            out.push('$');
        }
        out.push_str(&rest[range.clone()]);
        rest = &rest[range.end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The text as a file has it: what would be read as something else is escaped.
pub fn escaped_text(text: &str) -> Cow<'_, str> {
    let needs = |start: &usize| text[..*start].ends_with('$') || reference_at(&text[*start..]).is_some();
    let places: Vec<usize> = text.match_indices(BEGIN).map(|(start, _)| start).filter(needs).collect();
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + places.len());
    let mut from = 0;
    for start in places {
        out.push_str(&text[from..start]);
        out.push('$');
        from = start;
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// The value with all its texts changed; itself where none changes.
fn mapped<'a>(value: &'a Value, change: &dyn Fn(&str) -> Cow<'_, str>) -> Cow<'a, Value> {
    let is_same = |part: &Cow<'_, Value>| matches!(part, Cow::Borrowed(_));
    match value {
        Value::String(text) => match change(text) {
            Cow::Owned(changed) => Cow::Owned(Value::String(changed)),
            Cow::Borrowed(_) => Cow::Borrowed(value),
        },
        Value::Array(items) => {
            let items: Vec<Cow<'_, Value>> = items.iter().map(|item| mapped(item, change)).collect();
            if items.iter().all(is_same) {
                return Cow::Borrowed(value);
            }
            Cow::Owned(Value::Array(items.into_iter().map(Cow::into_owned).collect()))
        }
        Value::Object(members) => {
            let members: Vec<(&String, Cow<'_, Value>)> =
                members.iter().map(|(name, member)| (name, mapped(member, change))).collect();
            if members.iter().all(|(_, member)| is_same(member)) {
                return Cow::Borrowed(value);
            }
            let members = members.into_iter().map(|(name, member)| (name.clone(), member.into_owned()));
            Cow::Owned(Value::Object(members.collect::<Map<_, _>>()))
        }
        _ => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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

    #[test]
    fn an_escape_stands_for_the_text_itself() {
        let value = json!("$${vpc.main.id} ${vpc.main.id} $${HOME}");
        assert_eq!(references(&value).len(), 1);
        let resolved = resolve(&value, &|_| Some("vpc-1".to_owned()));
        assert_eq!(resolved, json!("$${vpc.main.id} vpc-1 ${HOME}"), "what needs no escape has none");
        assert_eq!(*plain(&resolved), json!("${vpc.main.id} vpc-1 ${HOME}"));
        assert_eq!(*escaped(&plain(&resolved)), resolved);
        // What an output says is no reference, whatever it looks like.
        let resolved = resolve(&json!("${vpc.main.id}"), &|_| Some("${key.data.arn}".to_owned()));
        assert_eq!((references(&resolved).len(), plain(&resolved).into_owned()), (0, json!("${key.data.arn}")));
    }

    #[test]
    fn a_text_is_known_if_all_that_it_refers_to_is() {
        let known = |r: &Reference| (r.address.kind == "vpc").then(|| "${key.data.arn}".to_owned());
        for text in ["plain ${HOME}", "a $${key.data.arn} $${HOME} ${vpc.main.id} b"] {
            let resolved = resolve(&json!(text), &known);
            assert_eq!(meant(text, &known).map(|text| json!(text)), Some(plain(&resolved).into_owned()), "{text}");
        }
        assert_eq!(meant("${vpc.main.id} ${key.data.arn}", &known), None);
    }

    #[test]
    fn code_keeps_what_can_be_no_reference() {
        let is_kind = |kind: &str| kind == "bucket";
        let text = "`${event.detail.type} ${event.name} ${bucket.raw.arn} $${bucket.raw.arn}`";
        let code = code(text, is_kind);
        assert_eq!(code, "`$${event.detail.type} ${event.name} ${bucket.raw.arn} $${bucket.raw.arn}`");
        assert_eq!(references(&json!(code)).len(), 1);
        assert_eq!(plain_text(&code), "`${event.detail.type} ${event.name} ${bucket.raw.arn} ${bucket.raw.arn}`");
    }

    proptest! {
        #[test]
        fn every_text_can_be_written_so_that_it_means_itself(text in "[$a.{}\\-]{0,12}|[$]{0,3}\\{a\\.b\\.c\\}[$]{0,3}\\{") {
            let value = Value::String(text.clone());
            let written = escaped(&value);
            prop_assert!(references(&written).is_empty());
            prop_assert_eq!(&*plain(&written), &value);
            prop_assert_eq!(&*tidy(&written), &*written);
        }
    }
}
