//! The values that stack files write: numbers in a range, times, sizes, networks, and texts with a grammar.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::str::FromStr;

use lakewright_config::{ColumnType, PartitionField, Rate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::de::DeValue;

use super::decode::{Decode, Decoder, Node};
use super::diagnostics::Diagnostic;

impl Decode for String {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => decoder.wrong_type(node, "a string"),
        }
    }

    fn placeholder() -> Self {
        Self::new()
    }

    fn json(&self) -> Value {
        self.as_str().into()
    }
}

impl Decode for bool {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => decoder.wrong_type(node, "true or false"),
        }
    }

    fn placeholder() -> Self {
        false
    }

    fn json(&self) -> Value {
        (*self).into()
    }
}

/// A setting of Kafka: a string, a number or a boolean, kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting(pub String);

impl Decode for Setting {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        Some(Self(match node.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            _ => return decoder.wrong_type(node, "a string, a number or a boolean"),
        }))
    }

    fn placeholder() -> Self {
        Self(String::new())
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Setting".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Deref for Whole<MIN, MAX> {
    type Target = u64;

    fn deref(&self) -> &u64 {
        &self.0
    }
}

impl<const MIN: u64, const MAX: u64> Decode for Whole<MIN, MAX> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let DeValue::Integer(integer) = node.get_ref() else {
            return decoder.wrong_type(node, "a whole number");
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if (MIN..=MAX).contains(&number) => Some(Self(number)),
            _ => {
                let title = format!("`{}` is out of range", decoder.path());
                let label = if MAX == u64::MAX {
                    format!("must be at least {MIN}")
                } else {
                    format!("must be between {MIN} and {MAX}")
                };
                decoder.push(Diagnostic::new(node.span(), title, label));
                None
            }
        }
    }

    fn placeholder() -> Self {
        Self(MIN)
    }

    fn json(&self) -> Value {
        self.0.into()
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        if MAX == u64::MAX {
            json_schema!({ "type": "integer", "minimum": MIN })
        } else {
            json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
        }
    }
}

/// A share, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl Decode for Share {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let number = match node.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => integer.as_str().parse::<f64>().ok(),
            _ => return decoder.wrong_type(node, "a number between 0 and 1"),
        };
        match number {
            Some(number) if (0.0..=1.0).contains(&number) => Some(Self(number)),
            _ => {
                let title = format!("`{}` is out of range", decoder.path());
                decoder.push(
                    Diagnostic::new(node.span(), title, "must be between 0 and 1").help("one per cent is written 0.01"),
                );
                None
            }
        }
    }

    fn placeholder() -> Self {
        Self(0.0)
    }

    fn json(&self) -> Value {
        self.0.into()
    }
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

/// A time span in milliseconds, written `"500ms"`, `"2s"`, `"5m"`, `"4h"`, `"7d"`.
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

/// The units of time and their milliseconds, largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        unit_value(text, &TIMES)
            .map(Self)
            .ok_or_else(|| "write a number and a unit: \"500ms\", \"2s\", \"5m\", \"4h\", \"7d\"".to_owned())
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = TIMES.iter().find(|(_, factor)| self.0 >= *factor && self.0 % factor == 0);
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
        let whole = SIZES.iter().filter(|(_, factor)| self.0 >= *factor && self.0 % factor == 0);
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

/// An IPv4 network, `10.20.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The first address.
    pub address: Ipv4Addr,
    /// The length of the prefix.
    pub prefix: u8,
}

impl Cidr {
    /// The `index`-th of the equal parts that `bits` more bits of prefix make.
    pub fn part(self, bits: u8, index: u32) -> Self {
        let prefix = self.prefix + bits;
        let address = u32::from(self.address) + (index << (32 - u32::from(prefix)));
        Self { address: address.into(), prefix }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_network = || "write an IPv4 network as in \"10.20.0.0/16\"".to_owned();
        let (address, prefix) = text.split_once('/').ok_or_else(no_network)?;
        let address: Ipv4Addr = address.parse().map_err(|_| no_network())?;
        let prefix: u8 = prefix.parse().map_err(|_| no_network())?;
        if !(16..=28).contains(&prefix) {
            return Err("AWS takes networks from /16 to /28".to_owned());
        }
        let host_bits = u32::MAX >> prefix;
        if u32::from(address) & host_bits != 0 {
            let first = Ipv4Addr::from(u32::from(address) & !host_bits);
            return Err(format!("the network of that length begins at {first}: write \"{first}/{prefix}\""));
        }
        Ok(Self { address, prefix })
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Decodes a string by its grammar.
fn decode_text<T: FromStr<Err: ToString>>(node: &Node<'_>, decoder: &mut Decoder, what: &str) -> Option<T> {
    let text = String::decode(node, decoder)?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let title = format!("`{}` isn't {what}", decoder.path());
            decoder.push(Diagnostic::new(node.span(), title, "can't be read").help(error.to_string()));
            None
        }
    }
}

macro_rules! text_value {
    ($type:ty, $what:literal, $placeholder:expr) => {
        impl Decode for $type {
            fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
                decode_text(node, decoder, $what)
            }

            fn placeholder() -> Self {
                $placeholder
            }

            fn json(&self) -> Value {
                self.to_string().into()
            }
        }
    };
}

text_value!(Period, "a time span", Self(1000));
text_value!(Size, "a size", Self(1));
text_value!(Cidr, "a network", Self { address: Ipv4Addr::new(10, 0, 0, 0), prefix: 16 });
text_value!(Rate, "a rate", Self::Max);
text_value!(ColumnType, "a column type", Self::String);
text_value!(
    PartitionField,
    "a partition",
    Self { transform: lakewright_config::Transform::Identity, column: String::new() }
);

macro_rules! text_schema {
    ($type:ty, $pattern:literal, $example:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

text_schema!(Period, r"^\d+ ?(ms|s|m|h|d)$", "5m");
text_schema!(Size, r"^\d+ ?([KMGT]i?)?B$", "64 MB");
text_schema!(Cidr, r"^\d+\.\d+\.\d+\.\d+/\d+$", "10.20.0.0/16");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_round_trip() {
        for text in ["500ms", "2s", "5m", "4h", "7d"] {
            assert_eq!(text.parse::<Period>().expect(text).to_string(), text);
        }
        for text in ["500 B", "64 MB", "1 GiB"] {
            assert_eq!(text.parse::<Size>().expect(text).to_string(), text);
        }
        for text in ["", "5", "s", "0s", "5 weeks", "99999999999999999999d"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_divided() {
        let cidr: Cidr = "10.20.0.0/16".parse().expect("a network");
        assert_eq!(cidr.part(3, 2).to_string(), "10.20.64.0/19");
        assert!("10.20.1.0/16".parse::<Cidr>().expect_err("host bits").contains("10.20.0.0/16"));
        assert!("10.0.0.0/8".parse::<Cidr>().is_err());
    }
}
