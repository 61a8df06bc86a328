//! The units of metrics.

use aws_sdk_cloudwatchlogs::types::StandardUnit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Defines the units, which the SDK names likewise, each with its text.
macro_rules! units {
    ($($(#[$doc:meta])* $unit:ident = $text:literal,)+) => {
        /// A metric's unit, as CloudWatch names it.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum Unit {
            $($(#[$doc])* #[serde(rename = $text)] $unit,)+
            /// What else somebody gave a filter; it can't be declared.
            #[serde(untagged)]
            #[schemars(skip)]
            Other(String),
        }

        impl From<&Unit> for StandardUnit {
            fn from(unit: &Unit) -> Self {
                match unit {
                    $(Unit::$unit => Self::$unit,)+
                    Unit::Other(other) => other.as_str().into(),
                }
            }
        }

        impl From<&StandardUnit> for Unit {
            fn from(unit: &StandardUnit) -> Self {
                match unit {
                    $(StandardUnit::$unit => Self::$unit,)+
                    other => Self::Other(other.to_string()),
                }
            }
        }
    };
}
units!(
    /// Seconds.
    Seconds = "Seconds",
    /// Millionths of a second.
    Microseconds = "Microseconds",
    /// Thousandths of a second.
    Milliseconds = "Milliseconds",
    /// Bytes.
    Bytes = "Bytes",
    /// Kilobytes.
    Kilobytes = "Kilobytes",
    /// Megabytes.
    Megabytes = "Megabytes",
    /// Gigabytes.
    Gigabytes = "Gigabytes",
    /// Terabytes.
    Terabytes = "Terabytes",
    /// Bits.
    Bits = "Bits",
    /// Kilobits.
    Kilobits = "Kilobits",
    /// Megabits.
    Megabits = "Megabits",
    /// Gigabits.
    Gigabits = "Gigabits",
    /// Terabits.
    Terabits = "Terabits",
    /// Hundredths.
    Percent = "Percent",
    /// How many.
    Count = "Count",
    /// Bytes a second.
    BytesSecond = "Bytes/Second",
    /// Kilobytes a second.
    KilobytesSecond = "Kilobytes/Second",
    /// Megabytes a second.
    MegabytesSecond = "Megabytes/Second",
    /// Gigabytes a second.
    GigabytesSecond = "Gigabytes/Second",
    /// Terabytes a second.
    TerabytesSecond = "Terabytes/Second",
    /// Bits a second.
    BitsSecond = "Bits/Second",
    /// Kilobits a second.
    KilobitsSecond = "Kilobits/Second",
    /// Megabits a second.
    MegabitsSecond = "Megabits/Second",
    /// Gigabits a second.
    GigabitsSecond = "Gigabits/Second",
    /// Terabits a second.
    TerabitsSecond = "Terabits/Second",
    /// How many a second.
    CountSecond = "Count/Second",
    /// No unit.
    None = "None",
);
