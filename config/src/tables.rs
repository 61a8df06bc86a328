//! Declarations of raw-zone tables: columns, key and partitioning.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::column_type::ColumnType;
use crate::reading::{Reading, is_default};

/// Types that are written as texts.
macro_rules! serde_as_text {
    ($type:ty, $name:literal, $example:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    };
}
pub(crate) use serde_as_text;

/// A table of the raw zone: what one kind of message becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The name in the Glue catalog and in a message's `table` member.
    pub name: String,
    /// The Glue database, `STACK_raw`.
    pub database: String,
    /// The topic whose messages become its rows.
    pub topic: String,
    /// Where its files are, `s3://bucket/prefix`, without a slash at the end.
    pub location: String,
    /// The declared columns in order; the Iceberg table carries those of `reading` and [`raw_columns`] after them.
    pub columns: Vec<Column>,
    /// The columns that identify the fact that a row records.
    pub key: Vec<String>,
    /// How its files are divided.
    pub partition: Vec<PartitionField>,
    /// How messages become its rows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reading: Reading,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, as Glue takes one: 255 characters at most, no line breaks.
    #[schemars(length(min = 1, max = 255), extend("not" = more_than_a_line()))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether a message without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What it means, for the catalog: 255 characters at most, no line breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), extend("not" = more_than_a_line()))]
    pub doc: Option<String>,
    /// The name that it had before; messages may still carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("not" = more_than_a_line()))]
    pub was: Option<String>,
}

impl Column {
    /// A column that may be missing in messages.
    pub fn new(name: &str, column_type: ColumnType) -> Self {
        Self { name: name.to_owned(), column_type, required: false, doc: None, was: None }
    }
}

/// Control characters, line breaks among them and tabs not: Glue takes none in a column's name and comment
/// (<https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html>).
pub const CONTROL: &str = r"[\x00-\x08\x0a-\x1f\uFFFE\uFFFF]";

/// The `not` of the schemas of texts that are one line.
fn more_than_a_line() -> serde_json::Value {
    let fix = "write it without line breaks and other control characters";
    serde_json::json!({"anyOf": [{"type": "string", "pattern": CONTROL, "description": fix}]})
}

/// A way from a column's values to partitions, as Iceberg defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// The value itself.
    Identity,
    /// Years since 1970.
    Year,
    /// Months since 1970.
    Month,
    /// Days since 1970.
    Day,
    /// Hours since 1970.
    Hour,
    /// A hash modulo the number of buckets.
    Bucket(u32),
    /// A prefix of that width.
    Truncate(u32),
}

/// A partition field, written `day(sold_at)`, `bucket(16, user_id)` or `country`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionField {
    /// The transform.
    pub transform: Transform,
    /// The source column.
    pub column: String,
}

impl PartitionField {
    /// The field's name in the partition spec, as Spark and PyIceberg name it: `sold_at_day`, `user_id_bucket`.
    pub fn name(&self) -> String {
        let suffix = match self.transform {
            Transform::Identity => return self.column.clone(),
            Transform::Year => "year",
            Transform::Month => "month",
            Transform::Day => "day",
            Transform::Hour => "hour",
            Transform::Bucket(_) => "bucket",
            Transform::Truncate(_) => "trunc",
        };
        format!("{}_{suffix}", self.column)
    }

    /// The transform as Iceberg's metadata writes it: `day`, `bucket[16]`, `identity`.
    pub fn iceberg_transform(&self) -> String {
        match self.transform {
            Transform::Identity => "identity".into(),
            Transform::Year => "year".into(),
            Transform::Month => "month".into(),
            Transform::Day => "day".into(),
            Transform::Hour => "hour".into(),
            Transform::Bucket(count) => format!("bucket[{count}]"),
            Transform::Truncate(width) => format!("truncate[{width}]"),
        }
    }
}

impl FromStr for PartitionField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((function, rest)) = text.split_once('(') else {
            return Ok(Self { transform: Transform::Identity, column: text.to_owned() });
        };
        let arguments = rest.strip_suffix(')').ok_or_else(|| format!("`{text}` lacks its closing parenthesis"))?;
        let (number, column) = match arguments.split_once(',') {
            None => (None, arguments.trim()),
            Some((number, column)) => {
                let number = number.trim();
                let parsed = number.parse::<u32>().ok().filter(|n| *n > 0);
                (
                    Some(parsed.ok_or_else(|| format!("`{number}` in `{text}` must be a positive number"))?),
                    column.trim(),
                )
            }
        };
        let transform = match (function.trim(), number) {
            ("identity", None) => Transform::Identity,
            ("year", None) => Transform::Year,
            ("month", None) => Transform::Month,
            ("day", None) => Transform::Day,
            ("hour", None) => Transform::Hour,
            ("bucket", Some(count)) => Transform::Bucket(count),
            ("truncate", Some(width)) => Transform::Truncate(width),
            _ => {
                return Err(format!(
                    "`{text}` is no partition transform; write COLUMN, year(COLUMN), month(COLUMN), day(COLUMN), \
                     hour(COLUMN), bucket(N, COLUMN) or truncate(N, COLUMN)"
                ));
            }
        };
        Ok(Self { transform, column: column.to_owned() })
    }
}

impl fmt::Display for PartitionField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match self.transform {
            Transform::Identity => f.write_str(column),
            Transform::Year => write!(f, "year({column})"),
            Transform::Month => write!(f, "month({column})"),
            Transform::Day => write!(f, "day({column})"),
            Transform::Hour => write!(f, "hour({column})"),
            Transform::Bucket(count) => write!(f, "bucket({count}, {column})"),
            Transform::Truncate(width) => write!(f, "truncate({width}, {column})"),
        }
    }
}

serde_as_text!(PartitionField, "PartitionField", "day(sold_at)");

/// The columns that every raw-zone table carries after its own: a row's identity and the time it came in.
///
/// `kafka_topic_id` is the topic's UUID in its hyphenated form; (`kafka_topic_id`, `kafka_partition`,
/// `kafka_offset`) is unique over all tables of a stack.
pub fn raw_columns() -> Vec<Column> {
    let column = |name: &str, column_type| Column { required: true, ..Column::new(name, column_type) };
    vec![
        column("kafka_topic_id", ColumnType::String),
        column("kafka_partition", ColumnType::Int),
        column("kafka_offset", ColumnType::Long),
        column("ingested_at", ColumnType::Timestamptz),
    ]
}

impl Table {
    /// All columns of the Iceberg table.
    pub fn all_columns(&self) -> Vec<Column> {
        let declared = self.columns.iter().cloned();
        declared.chain(self.reading.added()).chain(raw_columns()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_fields_round_trip() {
        for text in ["country", "day(sold_at)", "bucket(16, user_id)", "truncate(4, sku)"] {
            assert_eq!(text.parse::<PartitionField>().expect(text).to_string(), text);
        }
        assert!("weekly(sold_at)".parse::<PartitionField>().expect_err("no such").contains("no partition transform"));
    }
}
