//! One changed value for people: on a line, or as a diff of lines when it is a text of many. What can hold a secret is
//! hidden, and what AWS or a file says acts on no terminal.

use std::borrow::Cow;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::kind::{AnyKind, CHANGES, Facts, HIDDEN};
use crate::kinds;
use crate::plain;
use crate::plan::Change;
use crate::reference::{self, resolve};
use crate::resource::Address;

/// What stands for what AWS will choose.
const UNKNOWN: &str = "(known after apply)";
/// Unchanged lines around a changed one.
const CONTEXT: usize = 2;
/// The width at which a value is written on lines of its own.
const WIDE: usize = 90;

/// A changed value, ready to be written.
pub enum Shown {
    /// Both on one line; `None` where there is none.
    Line {
        /// The live value.
        before: Option<String>,
        /// The desired value.
        after: Option<String>,
    },
    /// Lines with their signs: `-`, `+` and a space.
    Lines(Vec<(char, String)>),
    /// It changes, and neither value is shown.
    Hidden(&'static str),
}

/// What is known of a resource's kind; nothing of one that there isn't.
pub fn facts(address: &Address) -> Option<&'static Facts> {
    kinds::named(&address.kind).map(AnyKind::facts)
}

/// Whether a change decides who may do what, or what runs: it is shown in full.
pub fn is_reviewed(address: &Address, change: &Change) -> bool {
    facts(address).is_some_and(|facts| facts.review.contains(&change.field()))
}

/// The values before and after as they may be shown: what can hold a secret is hidden.
pub fn masked(address: &Address, change: &Change) -> (Value, Value) {
    match facts(address) {
        Some(facts) => (facts.masked(&change.path, &change.before), facts.masked(&change.path, &change.after)),
        None => (change.before.clone(), change.after.clone()),
    }
}

/// Where the change is, for people.
pub fn path(change: &Change) -> Cow<'_, str> {
    plain::line(&change.path)
}

/// The change for people.
pub fn shown(address: &Address, change: &Change) -> Shown {
    let (before, after) = masked(address, change);
    if before == after && change.before != change.after {
        return Shown::Hidden(CHANGES);
    }
    let after = if change.unknown { known(&after) } else { after };
    let (before, after) = (reference::plain(&before).into_owned(), reference::plain(&after).into_owned());
    let (old, new) = (lines_of(&before), lines_of(&after));
    if old.is_none() && new.is_none() {
        return Shown::Line { before: one_line(&before), after: one_line(&after) };
    }
    let text = |lines: Option<String>, value: &Value| lines.or_else(|| one_line(value)).unwrap_or_default();
    let (old, new) = (text(old, &before), text(new, &after));
    let diff = TextDiff::from_lines(&old, &new);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push((' ', "…".to_owned()));
        }
        for one in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let sign = match one.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push((sign, one.value().trim_end_matches('\n').to_owned()));
        }
    }
    Shown::Lines(lines)
}

/// The value with its references replaced by what people read for them.
fn known(value: &Value) -> Value {
    resolve(value, &|_| Some(UNKNOWN.to_owned()))
}

/// The value on one line; `None` for null.
fn one_line(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if [UNKNOWN, HIDDEN].contains(&text.as_str()) => Some(text.clone()),
        other => Some(plain::line(&other.to_string()).into_owned()),
    }
}

/// The value as a text of many lines, when it is one: a text with line breaks, JSON in a string, a large structure.
fn lines_of(value: &Value) -> Option<String> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("a JSON value can be written");
    let text = match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => Some(pretty(&inner)),
            _ if text.trim_end().contains('\n') => Some(text.clone()),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) if value.to_string().len() > WIDE => Some(pretty(value)),
        _ => None,
    };
    text.map(|text| plain::lines(&text).into_owned())
}

/// How many lines and bytes a value of many lines has; none of one that has one.
pub fn size(address: &Address, change: &Change) -> Option<(usize, usize)> {
    let text = lines_of(&masked(address, change).1)?;
    Some((text.trim_end().lines().count(), text.len()))
}
