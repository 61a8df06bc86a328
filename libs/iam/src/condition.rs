//! Conditions of statements.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::net::IpAddr;

use chrono::DateTime;
use serde_json::Value;

use crate::error::PolicyError;
use crate::keys::Keys;
use crate::members::object;
use crate::pattern::{Pattern, Style};

/// How a key's values are compared with a policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The same text.
    StringEquals,
    /// Another text.
    StringNotEquals,
    /// The same text, whatever the case.
    StringEqualsIgnoreCase,
    /// Another text, whatever the case.
    StringNotEqualsIgnoreCase,
    /// A text that the pattern matches.
    StringLike,
    /// A text that the pattern doesn't match.
    StringNotLike,
    /// The same as [`Operator::ArnLike`].
    ArnEquals,
    /// The same as [`Operator::ArnNotLike`].
    ArnNotEquals,
    /// An ARN that the pattern matches, each of its six parts for itself.
    ArnLike,
    /// An ARN that the pattern doesn't match.
    ArnNotLike,
    /// `true` or `false`.
    Bool,
    /// The same bytes, in base64.
    BinaryEquals,
    /// `true`: the key is absent; `false`: it is there.
    Null,
    /// The same number.
    NumericEquals,
    /// Another number.
    NumericNotEquals,
    /// A smaller number.
    NumericLessThan,
    /// A number not above.
    NumericLessThanEquals,
    /// A larger number.
    NumericGreaterThan,
    /// A number not below.
    NumericGreaterThanEquals,
    /// The same time.
    DateEquals,
    /// Another time.
    DateNotEquals,
    /// An earlier time.
    DateLessThan,
    /// A time not later.
    DateLessThanEquals,
    /// A later time.
    DateGreaterThan,
    /// A time not earlier.
    DateGreaterThanEquals,
    /// An address of the range.
    IpAddress,
    /// An address outside of the range.
    NotIpAddress,
}

/// Every operator by its name.
const OPERATORS: &[(&str, Operator)] = &[
    ("StringEquals", Operator::StringEquals),
    ("StringNotEquals", Operator::StringNotEquals),
    ("StringEqualsIgnoreCase", Operator::StringEqualsIgnoreCase),
    ("StringNotEqualsIgnoreCase", Operator::StringNotEqualsIgnoreCase),
    ("StringLike", Operator::StringLike),
    ("StringNotLike", Operator::StringNotLike),
    ("ArnEquals", Operator::ArnEquals),
    ("ArnNotEquals", Operator::ArnNotEquals),
    ("ArnLike", Operator::ArnLike),
    ("ArnNotLike", Operator::ArnNotLike),
    ("Bool", Operator::Bool),
    ("BinaryEquals", Operator::BinaryEquals),
    ("Null", Operator::Null),
    ("NumericEquals", Operator::NumericEquals),
    ("NumericNotEquals", Operator::NumericNotEquals),
    ("NumericLessThan", Operator::NumericLessThan),
    ("NumericLessThanEquals", Operator::NumericLessThanEquals),
    ("NumericGreaterThan", Operator::NumericGreaterThan),
    ("NumericGreaterThanEquals", Operator::NumericGreaterThanEquals),
    ("DateEquals", Operator::DateEquals),
    ("DateNotEquals", Operator::DateNotEquals),
    ("DateLessThan", Operator::DateLessThan),
    ("DateLessThanEquals", Operator::DateLessThanEquals),
    ("DateGreaterThan", Operator::DateGreaterThan),
    ("DateGreaterThanEquals", Operator::DateGreaterThanEquals),
    ("IpAddress", Operator::IpAddress),
    ("NotIpAddress", Operator::NotIpAddress),
];

impl Operator {
    /// The operator that this one denies, of those that deny one: it holds when none of a policy's values matches, and
    /// when the key is absent.
    fn denied(self) -> Option<Self> {
        Some(match self {
            Self::StringNotEquals => Self::StringEquals,
            Self::StringNotEqualsIgnoreCase => Self::StringEqualsIgnoreCase,
            Self::StringNotLike => Self::StringLike,
            Self::ArnNotEquals => Self::ArnEquals,
            Self::ArnNotLike => Self::ArnLike,
            Self::NumericNotEquals => Self::NumericEquals,
            Self::DateNotEquals => Self::DateEquals,
            Self::NotIpAddress => Self::IpAddress,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        OPERATORS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    fn style(self) -> Style {
        match self {
            Self::StringLike | Self::StringNotLike => Style::Text,
            Self::ArnEquals | Self::ArnNotEquals | Self::ArnLike | Self::ArnNotLike => Style::Text,
            _ => Style::Literal,
        }
    }

    fn takes_variables(self) -> bool {
        matches!(
            self,
            Self::StringEquals
                | Self::StringNotEquals
                | Self::StringEqualsIgnoreCase
                | Self::StringNotEqualsIgnoreCase
                | Self::StringLike
                | Self::StringNotLike
                | Self::ArnEquals
                | Self::ArnNotEquals
                | Self::ArnLike
                | Self::ArnNotLike
        )
    }
}

/// Which of a key's several values must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// Each of them; true when there is none.
    ForAllValues,
    /// One of them; false when there is none.
    ForAnyValue,
}

/// One line of a condition block: an operator, a key and the values that a policy names.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// For keys of several values.
    pub quantifier: Option<Quantifier>,
    /// How values are compared.
    pub operator: Operator,
    /// Whether it holds too when the key is absent.
    pub if_exists: bool,
    /// The key, as it is written.
    pub key: String,
    /// The policy's values; one of them must match.
    pub values: Vec<String>,
}

impl Condition {
    /// Reads a condition block.
    pub(crate) fn parse_all(place: &str, block: &Value) -> Result<Vec<Self>, PolicyError> {
        let mut conditions = Vec::new();
        for (name, keys) in object(place, block)? {
            let place = format!("{place}.{name}");
            let (quantifier, rest) = match name.split_once(':') {
                Some(("ForAllValues", rest)) => (Some(Quantifier::ForAllValues), rest),
                Some(("ForAnyValue", rest)) => (Some(Quantifier::ForAnyValue), rest),
                Some(_) => return Err(PolicyError::new(&place, "begins with neither ForAllValues nor ForAnyValue")),
                None => (None, name.as_str()),
            };
            let (plain, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |plain| (plain, true));
            let found = OPERATORS.iter().find(|(known, _)| *known == plain).map(|(_, operator)| *operator);
            let operator = found.ok_or_else(|| PolicyError::new(&place, "is no condition operator"))?;
            if operator == Operator::Null && if_exists {
                return Err(PolicyError::new(&place, "Null takes no IfExists"));
            }
            for (key, values) in object(&place, keys)? {
                let place = format!("{place}.{key}");
                let values = values_of(&place, values)?;
                check(&place, operator, &values)?;
                conditions.push(Self { quantifier, operator, if_exists, key: key.clone(), values });
            }
        }
        Ok(conditions)
    }

    /// The condition as a part of a sentence: `StringLike s3:prefix a, b`, the values sorted.
    pub fn words(&self) -> String {
        let quantifier = match self.quantifier {
            Some(Quantifier::ForAllValues) => "ForAllValues:",
            Some(Quantifier::ForAnyValue) => "ForAnyValue:",
            None => "",
        };
        let if_exists = if self.if_exists { "IfExists" } else { "" };
        let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        values.sort_unstable();
        format!("{quantifier}{}{if_exists} {} {}", self.operator.name(), self.key, values.join(", "))
    }

    /// Whether it holds of a request with these keys.
    pub(crate) fn holds(&self, keys: &Keys, variables: bool) -> bool {
        let there = keys.get(&self.key);
        if self.operator == Operator::Null {
            // Of several values each would be compared with "it is there"; there is one answer for all of them.
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == there.is_empty());
        }
        if there.is_empty() && self.if_exists {
            return true;
        }
        match self.quantifier {
            Some(Quantifier::ForAllValues) => there.iter().all(|value| self.matches(value, keys, variables)),
            Some(Quantifier::ForAnyValue) => there.iter().any(|value| self.matches(value, keys, variables)),
            None if there.is_empty() => self.operator.denied().is_some(),
            None if self.operator.denied().is_some() => there.iter().all(|value| self.matches(value, keys, variables)),
            None => there.iter().any(|value| self.matches(value, keys, variables)),
        }
    }

    /// Whether one value of the request fits the policy's values.
    fn matches(&self, value: &str, keys: &Keys, variables: bool) -> bool {
        let denied = self.operator.denied();
        let operator = denied.unwrap_or(self.operator);
        let fits = |wanted: &String| {
            let pattern = if variables && operator.takes_variables() {
                Pattern::resolved(wanted, operator.style(), keys)
            } else {
                Some(Pattern::plain(wanted, operator.style()))
            };
            pattern.is_some_and(|pattern| compare(operator, value, &pattern))
        };
        self.values.iter().any(fits) != denied.is_some()
    }
}

/// Whether a value of the request compares with a policy's as an operator that denies nothing demands.
fn compare(operator: Operator, value: &str, wanted: &Pattern) -> bool {
    let literal = || wanted.literal().unwrap_or_default();
    let ordered = |accepts: fn(std::cmp::Ordering) -> bool, read: fn(&str) -> Option<f64>| {
        let order = read(value).zip(read(&literal())).and_then(|(value, wanted)| value.partial_cmp(&wanted));
        order.is_some_and(accepts)
    };
    match operator {
        Operator::StringEquals | Operator::StringLike | Operator::BinaryEquals => wanted.matches(value),
        Operator::StringEqualsIgnoreCase | Operator::Bool => wanted.equals_ignoring_case(value),
        Operator::ArnEquals | Operator::ArnLike => wanted.matches_parts(value),
        Operator::NumericEquals => ordered(std::cmp::Ordering::is_eq, number),
        Operator::NumericLessThan => ordered(std::cmp::Ordering::is_lt, number),
        Operator::NumericLessThanEquals => ordered(std::cmp::Ordering::is_le, number),
        Operator::NumericGreaterThan => ordered(std::cmp::Ordering::is_gt, number),
        Operator::NumericGreaterThanEquals => ordered(std::cmp::Ordering::is_ge, number),
        Operator::DateEquals => ordered(std::cmp::Ordering::is_eq, seconds),
        Operator::DateLessThan => ordered(std::cmp::Ordering::is_lt, seconds),
        Operator::DateLessThanEquals => ordered(std::cmp::Ordering::is_le, seconds),
        Operator::DateGreaterThan => ordered(std::cmp::Ordering::is_gt, seconds),
        Operator::DateGreaterThanEquals => ordered(std::cmp::Ordering::is_ge, seconds),
        Operator::IpAddress => within(value, &literal()).unwrap_or(false),
        // Those that deny another were turned into it, and Null compares no values.
        _ => false,
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// Seconds since the epoch of an ISO 8601 time, a date alone, or of such seconds themselves.
fn seconds(text: &str) -> Option<f64> {
    let whole = if text.len() == 10 && text.contains('-') { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let read = DateTime::parse_from_rfc3339(&whole).ok().map(|time| time.timestamp_millis() as f64 / 1000.0);
    read.or_else(|| number(text))
}

/// Whether an address lies in a range, such as `10.0.0.0/8` or one address.
fn within(address: &str, range: &str) -> Option<bool> {
    let bits = |address: &str| {
        Some(match address.parse().ok()? {
            IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        })
    };
    let (base, length) = match range.split_once('/') {
        Some((base, length)) => (base, Some(length.parse::<u32>().ok()?)),
        None => (range, None),
    };
    let ((address, width), (base, same_width)) = (bits(address)?, bits(base)?);
    let length = length.unwrap_or(width).min(width);
    let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
    Some(width == same_width && address & mask == base & mask)
}

/// A value or a list of them; numbers and truth values count as their text.
fn values_of(place: &str, values: &Value) -> Result<Vec<String>, PolicyError> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(PolicyError::new(place, "must be text, a number or a truth value, or a list of them")),
    };
    match values {
        Value::Array(items) => items.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// Refuses values that an operator can't compare.
fn check(place: &str, operator: Operator, values: &[String]) -> Result<(), PolicyError> {
    let name = operator.name();
    let (fits, what): (fn(&str) -> bool, &str) = match operator {
        Operator::Bool | Operator::Null => {
            (|text| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"), "true or false")
        }
        Operator::IpAddress | Operator::NotIpAddress => {
            (|text| within(text.split('/').next().unwrap_or_default(), text).is_some(), "an address or a range")
        }
        _ if name.starts_with("Numeric") => (|text| number(text).is_some(), "a number"),
        _ if name.starts_with("Date") => (|text| seconds(text).is_some(), "a time"),
        _ => return Ok(()),
    };
    match values.iter().find(|value| !value.contains("${") && !fits(value)) {
        Some(value) => Err(PolicyError::new(place, format!("\"{value}\" isn't {what}"))),
        None => Ok(()),
    }
}
