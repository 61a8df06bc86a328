//! The values that stack files write: numbers in a range, networks, and texts with a grammar.

mod retired;

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::str::FromStr;

use lakewright_config::{ColumnType, MemberPath, PartitionField, Rate, SortField};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::de::DeValue;

use super::decode::{Decode, Decoder, Node};
use super::diagnostics::{Diagnostic, nearest};
use super::units::{Age, Period, Size};
pub use retired::Retired;

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
    #[must_use]
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
    let text = match node.get_ref() {
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => String::decode(node, decoder)?,
    };
    match text.parse() {
        Ok(value) if matches!(node.get_ref(), DeValue::String(_)) => Some(value),
        Ok(_) => decoder.wrong_type(node, "a string"),
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
text_value!(Age, "an age in whole days", Self(Period::days(1)));
text_value!(Size, "a size", Self(1));
text_value!(Cidr, "a network", Self { address: Ipv4Addr::new(10, 0, 0, 0), prefix: 16 });
text_value!(Rate, "a rate", Self::Max);

/// The names of column types, and what each is called elsewhere.
const COLUMN_TYPES: &[(&str, &[&str])] = &[
    ("boolean", &[]),
    ("int", &["integer", "int32", "smallint", "tinyint"]),
    ("long", &["bigint", "int64"]),
    ("float", &["float32", "real"]),
    ("double", &["float64"]),
    ("decimal(P,S)", &["numeric", "number", "money"]),
    ("date", &[]),
    ("time", &[]),
    ("timestamp", &["datetime"]),
    ("timestamptz", &[]),
    ("string", &["text", "varchar", "char", "str"]),
    ("uuid", &["guid"]),
    ("binary", &["bytes", "blob", "bytea"]),
    ("fixed(N)", &[]),
    ("list<TYPE>", &["array"]),
    ("map<string, TYPE>", &["object", "dict"]),
    ("struct<NAME: TYPE>", &["record", "row", "tuple"]),
];

impl Decode for ColumnType {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        let error = match text.parse::<Self>() {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let title = format!("`{}` isn't a column type", decoder.path());
        let mut diagnostic = Diagnostic::new(node.span(), title, "can't be read");
        if error.reason.is_none() {
            let word = error.text.split(['(', '<']).next().unwrap_or_default().trim().to_lowercase();
            let foreign = COLUMN_TYPES.iter().find(|(_, others)| others.contains(&word.as_str()));
            let meant = foreign.map(|(name, _)| *name);
            let meant = meant.or_else(|| nearest(&word, COLUMN_TYPES.iter().map(|(name, _)| *name)));
            diagnostic = meant.into_iter().fold(diagnostic, |all, name| all.help(format!("did you mean `{name}`?")));
        }
        decoder.push(diagnostic.help(error.to_string()));
        None
    }

    fn placeholder() -> Self {
        Self::String
    }

    fn json(&self) -> Value {
        self.to_string().into()
    }
}

text_value!(
    PartitionField,
    "a partition",
    Self { transform: lakewright_config::Transform::Identity, column: String::new() }
);

text_value!(
    SortField,
    "a sort field",
    Self {
        by: PartitionField { transform: lakewright_config::Transform::Identity, column: String::new() },
        descending: false,
        nulls_first: true,
    }
);

text_value!(MemberPath, "a path", Self::default());

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

text_schema!(Period, r"^(\d+(\.\d+)? ?(ms|s|m|min|h|d) ?)+$", "5m");
text_schema!(Age, r"^(\d+ ?(h|d) ?)+$", "90d");
text_schema!(Size, r"^\d+ ?([KMGT]i?)?B$", "64 MB");
text_schema!(Cidr, r"^\d+\.\d+\.\d+\.\d+/\d+$", "10.20.0.0/16");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_divided() {
        let cidr: Cidr = "10.20.0.0/16".parse().expect("a network");
        assert_eq!(cidr.part(3, 2).to_string(), "10.20.64.0/19");
        assert!("10.20.1.0/16".parse::<Cidr>().expect_err("host bits").contains("10.20.0.0/16"));
        assert!("10.0.0.0/8".parse::<Cidr>().is_err());
    }
}
