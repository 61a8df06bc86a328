//! Reading members of an operation's input, whatever protocol it came by.

use crate::error::AwsError;
use serde_json::Value;

/// Access to members by name. The XML protocols bring every scalar as text, the JSON ones typed: both read alike.
pub trait Fields {
    /// The member, unless absent or null.
    fn member(&self, name: &str) -> Option<&Value>;

    /// The member as text; absent for other shapes.
    fn text(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Value::as_str)
    }

    /// The member as a whole number, from a number or from digits.
    fn number(&self, name: &str) -> Option<i64> {
        let value = self.member(name)?;
        value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)).or_else(|| value.as_str()?.parse().ok())
    }

    /// The member as a truth value, from a boolean or from its text.
    fn flag(&self, name: &str) -> Option<bool> {
        let value = self.member(name)?;
        value.as_bool().or_else(|| value.as_str()?.parse().ok())
    }

    /// The elements of a list; empty when absent.
    fn list(&self, name: &str) -> &[Value] {
        self.member(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The elements of a list of texts; a single text counts as a list of one (a query parameter given once).
    fn texts(&self, name: &str) -> Vec<String> {
        match self.member(name) {
            Some(Value::String(text)) if !text.is_empty() => vec![text.clone()],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// The member as text, or the error that `missing` makes of its name.
    fn need(&self, name: &str, missing: fn(&str) -> AwsError) -> Result<&str, AwsError> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
    }
}

impl Fields for Value {
    fn member(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|value| !value.is_null())
    }
}
