//! Declarations of raw-zone tables: columns, key and partitioning.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// The declared columns in order; the Iceberg table carries [`raw_columns`] after them.
    pub columns: Vec<Column>,
    /// The columns that identify the fact that a row records.
    pub key: Vec<String>,
    /// How its files are divided.
    pub partition: Vec<PartitionField>,
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

/// Control characters, line breaks among them and tabs not: Glue takes none in a column's name and comment
/// (<https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html>).
pub const CONTROL: &str = r"[\x00-\x08\x0a-\x1f\uFFFE\uFFFF]";

/// The `not` of the schemas of texts that are one line.
fn more_than_a_line() -> serde_json::Value {
    let fix = "write it without line breaks and other control characters";
    serde_json::json!({"anyOf": [{"type": "string", "pattern": CONTROL, "description": fix}]})
}

/// An Iceberg type, written as Iceberg writes it: `string`, `decimal(12,2)`, `list<string>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 32-bit IEEE 754.
    Float,
    /// 64-bit IEEE 754.
    Double,
    /// Fixed point: precision (1 to 38) and scale (0 to precision).
    Decimal(u8, u8),
    /// A calendar date; in messages `YYYY-MM-DD`.
    Date,
    /// Microseconds without zone; in messages ISO 8601 without offset.
    Timestamp,
    /// Microseconds in UTC; in messages RFC 3339 with offset.
    Timestamptz,
    /// UTF-8 text.
    String,
    /// Bytes; in messages Base64.
    Binary,
    /// A list of one of the types above.
    List(Box<ColumnType>),
}

/// Why a text is no column type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnTypeError {
    /// The text.
    pub text: String,
    /// What is wrong with it, or `None` when it names no type at all.
    pub reason: Option<String>,
}

impl fmt::Display for ColumnTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "column type `{}`: {reason}", self.text),
            None => write!(
                f,
                "unknown column type `{}`; the types are boolean, int, long, float, double, decimal(P,S), date, \
                 timestamp, timestamptz, string, binary and list<TYPE>",
                self.text
            ),
        }
    }
}

impl std::error::Error for ColumnTypeError {}

impl FromStr for ColumnType {
    type Err = ColumnTypeError;

    fn from_str(text: &str) -> Result<Self, ColumnTypeError> {
        let error = |reason: Option<&str>| ColumnTypeError { text: text.to_owned(), reason: reason.map(str::to_owned) };
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(inner) = compact.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            return match inner.parse::<Self>()? {
                Self::List(_) => Err(error(Some("a list of lists is not supported"))),
                element => Ok(Self::List(Box::new(element))),
            };
        }
        if let Some(inner) = compact.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            let (precision, scale) =
                inner.split_once(',').ok_or_else(|| error(Some("write it as decimal(PRECISION,SCALE)")))?;
            let precision: u8 = precision.parse().map_err(|_| error(Some("the precision must be a number")))?;
            let scale: u8 = scale.parse().map_err(|_| error(Some("the scale must be a number")))?;
            if !(1..=38).contains(&precision) {
                return Err(error(Some("the precision must be between 1 and 38")));
            }
            if scale > precision {
                return Err(error(Some("the scale must not exceed the precision")));
            }
            return Ok(Self::Decimal(precision, scale));
        }
        Ok(match compact.as_str() {
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::Timestamptz,
            "string" => Self::String,
            "binary" => Self::Binary,
            _ => return Err(error(None)),
        })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::String => "string",
            Self::Binary => "binary",
            Self::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            Self::List(element) => return write!(f, "list<{element}>"),
        })
    }
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

macro_rules! serde_as_text {
    ($type:ty, $name:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    };
}

serde_as_text!(ColumnType, "ColumnType", "decimal(12,2)");
serde_as_text!(PartitionField, "PartitionField", "day(sold_at)");

/// The columns that every raw-zone table carries after its own: a row's identity and the time it came in.
///
/// `kafka_topic_id` is the topic's UUID in its hyphenated form; (`kafka_topic_id`, `kafka_partition`,
/// `kafka_offset`) is unique over all tables of a stack.
pub fn raw_columns() -> Vec<Column> {
    let column = |name: &str, column_type: ColumnType| Column {
        name: name.to_owned(),
        column_type,
        required: true,
        doc: None,
        was: None,
    };
    vec![
        column("kafka_topic_id", ColumnType::String),
        column("kafka_partition", ColumnType::Int),
        column("kafka_offset", ColumnType::Long),
        column("ingested_at", ColumnType::Timestamptz),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_types_round_trip() {
        for text in ["boolean", "int", "long", "decimal(12,2)", "list<string>", "timestamptz", "binary"] {
            assert_eq!(text.parse::<ColumnType>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn wrong_column_types_say_why() {
        for (text, part) in [
            ("txt", "unknown column type `txt`"),
            ("decimal(40,2)", "between 1 and 38"),
            ("decimal(4,6)", "must not exceed"),
            ("list<list<int>>", "a list of lists"),
        ] {
            let message = text.parse::<ColumnType>().expect_err(text).to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn partition_fields_round_trip() {
        for text in ["country", "day(sold_at)", "bucket(16, user_id)", "truncate(4, sku)"] {
            assert_eq!(text.parse::<PartitionField>().expect(text).to_string(), text);
        }
        assert!("weekly(sold_at)".parse::<PartitionField>().expect_err("no such").contains("no partition transform"));
    }
}
