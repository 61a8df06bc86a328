//! Times and sizes: numbers with a unit.

use std::str::FromStr;

/// A time span in milliseconds, written `"500ms"`, `"2s"`, `"5m"`, `"4h"`, `"7d"`, `"1h30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub u64);

impl Period {
    /// A span of so many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// A span of so many days.
    pub const fn days(days: u64) -> Self {
        Self::seconds(days * 86_400)
    }

    /// The whole days in it.
    pub fn in_days(self) -> u64 {
        self.0 / 86_400_000
    }
}

/// An age in whole days, 1 to 3650 of them, written `"90d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub Period);

impl Age {
    /// The days.
    pub fn in_days(self) -> u64 {
        self.0.in_days()
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_whole = |period: &Period| *period == Period::days(period.in_days());
        let period = text.parse::<Period>().ok().filter(is_whole);
        let period = period.filter(|period| (1..=3650).contains(&period.in_days()));
        period.map(Self).ok_or_else(|| "write whole days, as in \"90d\", 1 to 3650 of them".to_owned())
    }
}

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}d", self.in_days())
    }
}

/// The units that a time span is shown in, and their milliseconds, largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let milliseconds = lakewright_config::span(text)
            .filter(|span| !span.is_zero() && span.subsec_nanos().is_multiple_of(1_000_000))
            .and_then(|span| u64::try_from(span.as_millis()).ok());
        milliseconds
            .map(Self)
            .ok_or_else(|| "write a number and a unit: \"500ms\", \"2s\", \"5m\", \"4h\", \"7d\"".to_owned())
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = TIMES.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        let (unit, factor) = whole.unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// A size in bytes, written `"500 B"`, `"64 MB"`, `"1 GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// The units of size and their bytes.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        unit_value(text, &SIZES)
            .map(Self)
            .ok_or_else(|| "write a number and a unit: \"500 KB\", \"64 MB\", \"1 GiB\"".to_owned())
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = SIZES.iter().filter(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        let (unit, factor) = whole.max_by_key(|(_, factor)| *factor).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

/// The value of a number with a unit; `None` when it is none, zero or too large.
fn unit_value(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..end].parse().ok()?;
    let unit = text[end..].trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor).filter(|value| *value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_days() {
        for (text, shown) in [("90d", "90d"), ("48h", "2d"), ("3650d", "3650d")] {
            assert_eq!(text.parse::<Age>().expect(text).to_string(), shown);
        }
        for text in ["90", "36h", "3651d", "5 weeks", "0d", ""] {
            let said = text.parse::<Age>().expect_err(text);
            assert_eq!(said, "write whole days, as in \"90d\", 1 to 3650 of them", "{text}");
        }
    }

    #[test]
    fn times_and_sizes_round_trip() {
        for text in ["500ms", "2s", "5m", "4h", "7d"] {
            assert_eq!(text.parse::<Period>().expect(text).to_string(), text);
        }
        for text in ["500 B", "64 MB", "1 GiB"] {
            assert_eq!(text.parse::<Size>().expect(text).to_string(), text);
        }
        for text in ["", "5", "s", "0s", "0.5ms", "5 weeks", "99999999999999999999d"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        for (text, shown) in [("1h30m", "90m"), ("1.5s", "1500ms"), ("60 min", "1h")] {
            assert_eq!(text.parse::<Period>().expect(text).to_string(), shown);
        }
    }
}
