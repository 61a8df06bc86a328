//! Declarations of raw-zone tables: columns, key and partitioning.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::column::Column;
use crate::column_type::ColumnType;
use crate::reading::{Reading, Registry};
use crate::written::{is_default, serde_as_text};

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
    /// What its rows are written to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sink: Sink,
    /// Its name in the Glue catalog, when it is a table that others made and own: it is written to and not maintained, and
    /// needs no [`raw_columns`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<String>,
}

/// What the rows of a table are written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// An Iceberg table of the Glue catalog.
    #[default]
    Iceberg,
    /// Parquet files in a folder, with a manifest for each commit.
    Parquet,
    /// Files of JSON, a row a line, compressed by gzip, with a manifest for each commit.
    Json,
}

impl Sink {
    /// Whether it is in the Glue catalog, where Iceberg's maintenance, queries and columns that are added belong; others are plain
    /// files.
    pub fn is_in_catalog(self) -> bool {
        match self {
            Self::Iceberg => true,
            Self::Parquet | Self::Json => false,
        }
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

/// The property of a catalog's table that says by which declaration its columns were changed last, as
/// [`Table::declaration`] gives it. An agent whose settings say otherwise leaves the table alone until they are the same.
pub const DECLARATION: &str = "lakewright.declaration";

/// What decides which members of messages become values of which columns.
#[derive(Serialize)]
struct Declaration<'a> {
    topic: &'a str,
    reading: Reading,
    /// Names, whether they are required, and what they were.
    columns: Vec<(&'a str, bool, Option<&'a str>)>,
}

impl Table {
    /// Whether it is a table of the Glue catalog that the stack made, and so maintains.
    pub fn is_own(&self) -> bool {
        self.sink.is_in_catalog() && self.existing.is_none()
    }

    /// Its name in the Glue catalog.
    pub fn catalog_name(&self) -> &str {
        self.existing.as_ref().unwrap_or(&self.name)
    }

    /// All columns of the Iceberg table.
    pub fn all_columns(&self) -> Vec<Column> {
        let declared = self.columns.iter().cloned();
        declared.chain(self.reading.added()).chain(raw_columns()).collect()
    }

    /// Sixteen hexadecimal digits that stand for how messages become rows. Types aren't part of it, for values are decoded
    /// by the Iceberg table's own, nor is what changes no value: comments, partitions, a registry's user.
    pub fn declaration(&self) -> String {
        let mut reading = self.reading.clone();
        if let Some(Registry::Confluent { login, .. }) = &mut reading.registry {
            *login = None;
        }
        let columns = self.columns.iter();
        let mut columns: Vec<_> =
            columns.map(|column| (column.name.as_str(), column.required, column.was.as_deref())).collect();
        columns.sort_unstable();
        let declaration = Declaration { topic: &self.topic, reading, columns };
        let text = serde_json::to_vec(&declaration).expect("a declaration is plain JSON");
        Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
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

    #[test]
    fn a_declaration_changes_with_what_messages_become_and_with_nothing_else() {
        let column = |name: &str| Column::new(name, ColumnType::Int);
        let table = Table {
            name: "sales".into(),
            database: "raw".into(),
            topic: "facts".into(),
            location: "s3://bucket/raw/sales".into(),
            columns: vec![column("id"), column("amount")],
            key: vec![],
            partition: vec![],
            reading: Reading::default(),
            sink: Sink::Iceberg,
            existing: None,
        };
        let changed = |change: &dyn Fn(&mut Table)| {
            let mut other = table.clone();
            change(&mut other);
            other.declaration() != table.declaration()
        };
        // Tables of every version before carry it: it must stay what it is.
        assert_eq!(table.declaration(), "f804273f4d13bd67");
        assert!(changed(&|table| table.columns.push(column("colour"))));
        assert!(changed(&|table| table.columns[1].was = Some("price".into())));
        assert!(changed(&|table| table.columns[1].required = true));
        assert!(changed(&|table| table.topic = "others".into()));
        assert!(changed(&|table| table.reading.path = "after".parse().expect("a path")));
        assert!(!changed(&|table| table.columns.reverse()));
        assert!(!changed(&|table| table.columns[1].column_type = ColumnType::Long));
        assert!(!changed(&|table| table.columns[1].doc = Some("of money".into())));
        let registry = |login: Option<&str>| {
            let login = login.map(str::to_owned);
            Some(Registry::Confluent { url: "https://registry".into(), login })
        };
        let of = |login| {
            let reading = Reading { registry: registry(login), ..Reading::default() };
            Table { reading, ..table.clone() }.declaration()
        };
        assert_eq!(of(None), of(Some("arn:aws:secretsmanager:eu-central-1:1:secret:a")));
        assert_ne!(of(None), table.declaration());
    }
}
