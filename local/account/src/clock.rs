//! Times as AWS writes them, and how long resources take to change their state.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

/// Milliseconds since the epoch, now.
pub fn now() -> i64 {
    Utc::now().timestamp_millis()
}

/// `2026-01-02T03:04:05.678Z`, as the XML protocols and MSK write times.
pub fn iso(millis: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Seconds since the epoch with milliseconds as a fraction, as the JSON protocols write times.
pub fn epoch(millis: i64) -> Value {
    serde_json::json!(millis as f64 / 1000.0)
}

/// Whether resources take time to reach their states, as on AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delays {
    /// Every state is reached at once and every write is visible at once.
    #[default]
    None,
    /// States take as long as on AWS, and fresh writes stay invisible for a moment.
    Realistic,
    /// The same, each time multiplied by this factor.
    Scaled(f64),
}

impl Delays {
    /// What the times of AWS are multiplied by; 0 without delays.
    pub fn factor(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Realistic => 1.0,
            Self::Scaled(factor) => factor,
        }
    }

    /// The time, in milliseconds since the epoch, at which something begun at `from` and taking `seconds` is done.
    pub fn done_at(self, from: i64, seconds: i64) -> i64 {
        from + (seconds as f64 * 1000.0 * self.factor()).round() as i64
    }

    /// Whether a write made at `written` is visible at `now` to a reader that sees it `seconds` late.
    pub fn visible(self, written: i64, now: i64, seconds: i64) -> bool {
        self.done_at(written, seconds) <= now
    }
}

impl FromStr for Delays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let divisor = text.strip_prefix("realistic/").and_then(|text| text.parse::<f64>().ok());
        let factor = match text {
            "none" => return Ok(Self::None),
            "realistic" => return Ok(Self::Realistic),
            _ => divisor.map(f64::recip).or_else(|| text.parse().ok()),
        };
        match factor {
            Some(0.0) => Ok(Self::None),
            Some(factor) if factor.is_finite() && factor > 0.0 => Ok(Self::Scaled(factor)),
            _ => Err(format!("`{text}` is none of: none, realistic, realistic/60, a factor such as 0.01")),
        }
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("none"),
            Self::Realistic => out.write_str("realistic"),
            Self::Scaled(factor) => write!(out, "{factor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_none_realistic_or_a_part_of_that() {
        assert_eq!("none".parse(), Ok(Delays::None));
        assert_eq!("0".parse(), Ok(Delays::None));
        assert_eq!("realistic".parse(), Ok(Delays::Realistic));
        assert_eq!("0.01".parse(), Ok(Delays::Scaled(0.01)));
        assert_eq!("realistic/60".parse::<Delays>().map(|delays| delays.done_at(5, 1200)), Ok(20_005));
        for wrong in ["realistic/0", "realistic/x", "-1", "inf", "slow", ""] {
            assert!(wrong.parse::<Delays>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_delays_everything_is_done_and_visible_at_once() {
        assert_eq!(Delays::None.done_at(7, 1200), 7);
        assert!(Delays::None.visible(7, 7, 60));
        assert!(!Delays::Realistic.visible(7, 60_006, 60));
        assert!(Delays::Realistic.visible(7, 60_007, 60));
    }
}
