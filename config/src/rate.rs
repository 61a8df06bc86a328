//! How much the producer sends.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::span::{self, span};

/// How much the producer sends: `"max"`, `"500/s"`, `"100 MB / 4h"`, `"10 GB / h"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as it goes.
    Max,
    /// Events per second.
    Events(f64),
    /// Bytes per second.
    Bytes(f64),
}

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateError(pub String);

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no rate; write events per time (\"500/s\"), bytes per time (\"100 MB / 4h\", \"10 GB / h\") or \
             \"max\"",
            self.0
        )
    }
}

impl std::error::Error for RateError {}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError(text.to_owned());
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let (amount, time) = trimmed.split_once('/').ok_or_else(error)?;
        let (number, unit) = split_number(amount).ok_or_else(error)?;
        let seconds = span::seconds(time.trim()).or_else(|| Some(span(time)?.as_secs_f64())).ok_or_else(error)?;
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "event" | "events" => None,
            "b" => Some(1.0),
            "kb" => Some(1e3),
            "mb" => Some(1e6),
            "gb" => Some(1e9),
            "tb" => Some(1e12),
            _ => return Err(error()),
        };
        let per_second = number / seconds;
        if !(per_second.is_finite() && per_second > 0.0) {
            return Err(error());
        }
        Ok(factor.map_or(Self::Events(per_second), |factor| Self::Bytes(per_second * factor)))
    }
}

/// The number a text begins with and the trimmed rest; `None` when it begins with none.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    Some((text[..end].replace('_', "").parse().ok()?, text[end..].trim()))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Events(rate) => write!(f, "{rate}/s"),
            Self::Bytes(rate) => write!(f, "{rate} B/s"),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["500/s", "100 MB / 4h", "10 GB / h", "max"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        for (text, rate) in [
            ("max", Rate::Max),
            ("500/s", Rate::Events(500.0)),
            ("120 events / min", Rate::Events(2.0)),
            ("10 GB / h", Rate::Bytes(1e10 / 3600.0)),
            ("100 MB / 4h", Rate::Bytes(1e8 / 14_400.0)),
            ("100 MB / 1h30m", Rate::Bytes(1e8 / 5400.0)),
        ] {
            assert_eq!(text.parse::<Rate>(), Ok(rate), "{text}");
            assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate), "{text}");
        }
        for text in ["", "fast", "10", "0/s", "5 MB / fortnight", "-3/s", "5 MB / 0h", "5 MB /"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
