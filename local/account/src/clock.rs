//! Times as AWS writes them, and how long resources take to change their state.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delays {
    /// Every state is reached at once and every write is visible at once.
    #[default]
    None,
    /// States take as long as a shortened AWS takes, and fresh writes stay invisible for a moment.
    Realistic,
}

impl Delays {
    /// The time, in milliseconds since the epoch, at which something begun at `from` and taking `seconds` is done.
    pub fn done_at(self, from: i64, seconds: i64) -> i64 {
        match self {
            Self::None => from,
            Self::Realistic => from + seconds * 1000,
        }
    }

    /// Whether a write made at `written` is visible at `now` to a reader that sees it `seconds` late.
    pub fn visible(self, written: i64, now: i64, seconds: i64) -> bool {
        self.done_at(written, seconds) <= now
    }
}
