//! The units of metrics.

use aws_sdk_cloudwatchlogs::types::StandardUnit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::values::words;

/// A metric's unit, as CloudWatch names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Millionths of a second.
    Microseconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Kilobytes.
    Kilobytes,
    /// Megabytes.
    Megabytes,
    /// Gigabytes.
    Gigabytes,
    /// Terabytes.
    Terabytes,
    /// Bits.
    Bits,
    /// Kilobits.
    Kilobits,
    /// Megabits.
    Megabits,
    /// Gigabits.
    Gigabits,
    /// Terabits.
    Terabits,
    /// Hundredths.
    Percent,
    /// How many.
    Count,
    /// Bytes a second.
    #[serde(rename = "Bytes/Second")]
    BytesSecond,
    /// Kilobytes a second.
    #[serde(rename = "Kilobytes/Second")]
    KilobytesSecond,
    /// Megabytes a second.
    #[serde(rename = "Megabytes/Second")]
    MegabytesSecond,
    /// Gigabytes a second.
    #[serde(rename = "Gigabytes/Second")]
    GigabytesSecond,
    /// Terabytes a second.
    #[serde(rename = "Terabytes/Second")]
    TerabytesSecond,
    /// Bits a second.
    #[serde(rename = "Bits/Second")]
    BitsSecond,
    /// Kilobits a second.
    #[serde(rename = "Kilobits/Second")]
    KilobitsSecond,
    /// Megabits a second.
    #[serde(rename = "Megabits/Second")]
    MegabitsSecond,
    /// Gigabits a second.
    #[serde(rename = "Gigabits/Second")]
    GigabitsSecond,
    /// Terabits a second.
    #[serde(rename = "Terabits/Second")]
    TerabitsSecond,
    /// How many a second.
    #[serde(rename = "Count/Second")]
    CountSecond,
    /// No unit.
    None,
    /// What else somebody gave a filter; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Unit <=> StandardUnit);
