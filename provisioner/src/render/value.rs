//! One changed value for people: on a line, or as a diff of lines when it is a text of many.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::plan::Change;
use crate::plan::reference::resolve;

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
}

/// The change for people.
pub fn shown(change: &Change) -> Shown {
    let after = if change.unknown { known(&change.after) } else { change.after.clone() };
    let (old, new) = (lines_of(&change.before), lines_of(&after));
    if old.is_none() && new.is_none() {
        return Shown::Line { before: one_line(&change.before), after: one_line(&after) };
    }
    let text = |lines: Option<String>, value: &Value| lines.or_else(|| one_line(value)).unwrap_or_default();
    let (old, new) = (text(old, &change.before), text(new, &after));
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
pub fn one_line(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text == UNKNOWN => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The value as a text of many lines, when it is one: a text with line breaks, JSON in a string, a large structure.
pub fn lines_of(value: &Value) -> Option<String> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("a JSON value can be written");
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => Some(pretty(&inner)),
            _ if text.trim_end().contains('\n') => Some(text.clone()),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) if value.to_string().len() > WIDE => Some(pretty(value)),
        _ => None,
    }
}
