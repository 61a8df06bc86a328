//! How the messages of a topic become rows of a table.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::column_type::{ColumnType, StructField};
use crate::written::{is_default, serde_as_text};

/// The most members that a path goes through.
const LONGEST_PATH: usize = 16;

/// How the messages of a table's topic become its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// How messages are written.
    #[serde(skip_serializing_if = "is_default")]
    pub format: Format,
    /// The registry of the schemas that messages are written by.
    #[serde(skip_serializing_if = "is_default")]
    pub registry: Option<Registry>,
    /// Where in a message the row's object stands; the message itself when it is empty.
    #[serde(skip_serializing_if = "is_default")]
    pub path: MemberPath,
    /// What of Kafka's record stands in columns of its own, beside a row's identity.
    #[serde(skip_serializing_if = "is_default")]
    pub kafka: Vec<KafkaPart>,
    /// What becomes of members that no column takes.
    #[serde(skip_serializing_if = "is_default")]
    pub unknown: Unknown,
    /// With [`Unknown::Evolve`]: so many columns come from messages at most; [`NEW_COLUMNS`] when it isn't set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_columns: Option<u32>,
    /// What becomes of records without a value.
    #[serde(skip_serializing_if = "is_default")]
    pub on_tombstone: OnTombstone,
    /// By column, how it is filled, where that isn't plain.
    #[serde(skip_serializing_if = "is_default")]
    pub columns: BTreeMap<String, Filling>,
}

/// How a column is filled from messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filling {
    /// The member that holds its values, when that isn't named like the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What the numbers count that stand for its times; without it times are texts. It holds for all times in the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
}

impl Reading {
    /// The member that holds a column's values, when that isn't named like the column.
    pub fn member(&self, column: &str) -> Option<&str> {
        self.columns.get(column)?.member.as_deref()
    }

    /// What the numbers count that stand for a column's times.
    pub fn unit(&self, column: &str) -> Option<TimeUnit> {
        self.columns.get(column)?.unit
    }

    /// The columns that a table has for it, after the declared ones.
    pub fn added(&self) -> Vec<Column> {
        let kafka = self.kafka.iter().map(|part| Column::new(part.column(), part.column_type()));
        let unknown = self.unknown.keeps().then(|| Column::new(UNKNOWN_COLUMN, ColumnType::String));
        kafka.chain(unknown).collect()
    }
}

/// How the messages of a topic are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON that names its table, `{"table": "sales", "data": {…}}`: several tables share a topic.
    #[default]
    Envelope,
    /// JSON of any shape: each message of the topic is a row of the one table.
    Json,
    /// Avro by schemas of a registry: each message of the topic is a row of the one table.
    Avro,
    /// Debezium's change events, in JSON or by schemas of a registry: each is a row of the one table.
    Debezium,
}

/// A registry of the schemas that messages are written by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "kind")]
pub enum Registry {
    /// AWS Glue's, of the agent's account and region.
    Glue,
    /// One that speaks Confluent's REST API.
    Confluent {
        /// Where it is, `https://registry.example.com`, without user and password.
        url: String,
        /// The ARN or the name of the Secrets Manager secret with user and password, `{"username": …, "password": …}`; without
        /// it, it is asked without them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<String>,
    },
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glue => f.write_str("Glue's schema registry"),
            Self::Confluent { url, .. } => write!(f, "the schema registry {url}"),
        }
    }
}

/// The column of members that no other column takes.
pub const UNKNOWN_COLUMN: &str = "unknown";

/// A part of a Kafka record besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KafkaPart {
    /// The key as text; a key that is no UTF-8 makes the record a reject.
    Key,
    /// The key as bytes.
    KeyBytes,
    /// The headers in their order; null when there are none.
    Headers,
    /// The time that the producer or the broker gave it.
    Timestamp,
}

impl KafkaPart {
    /// The column that holds it.
    pub fn column(self) -> &'static str {
        match self {
            Self::Key => "kafka_key",
            Self::KeyBytes => "kafka_key_bytes",
            Self::Headers => "kafka_headers",
            Self::Timestamp => "kafka_timestamp",
        }
    }

    /// The column's type.
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::Key => ColumnType::String,
            Self::KeyBytes => ColumnType::Binary,
            Self::Timestamp => ColumnType::Timestamptz,
            Self::Headers => {
                let field = |name: &str, field_type| StructField { name: name.to_owned(), field_type };
                let header = vec![field("key", ColumnType::String), field("value", ColumnType::Binary)];
                ColumnType::List(Box::new(ColumnType::Struct(header)))
            }
        }
    }
}

/// What becomes of members that no column takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// They are counted and left out.
    #[default]
    Drop,
    /// The record is a reject.
    Reject,
    /// They stand as JSON in the column `unknown`.
    Keep,
    /// They become columns of the table; what can't become one stands as JSON in the column `unknown`.
    Evolve,
}

impl Unknown {
    /// Whether the table has the column `unknown` for them.
    pub fn keeps(self) -> bool {
        matches!(self, Self::Keep | Self::Evolve)
    }
}

/// So many columns of a table come from messages, unless its declaration says otherwise.
pub const NEW_COLUMNS: u32 = 100;
/// The most that a declaration may say.
pub const MOST_NEW_COLUMNS: u32 = 1000;

/// What becomes of records without a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTombstone {
    /// They are rejects.
    #[default]
    Reject,
    /// Each is a row with nothing but what Kafka's record says.
    Row,
}

/// What the numbers count that stand for times in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds since 1970, or since midnight.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
}

impl TimeUnit {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
        }
    }
}

/// The members that lead to an object inside of a message, written `payload.after`. Empty: the message itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberPath(Vec<String>);

impl MemberPath {
    /// The members' names, the outermost first.
    pub fn members(&self) -> &[String] {
        &self.0
    }

    /// Whether it is the message itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for MemberPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let members: Vec<String> = text.split('.').map(str::to_owned).collect();
        if members.iter().any(String::is_empty) {
            return Err(format!(
                "`{text}` is no path: write the members' names with dots between them, `payload.after`"
            ));
        }
        if members.len() > LONGEST_PATH {
            return Err(format!("the path `{text}` goes through {} members, more than {LONGEST_PATH}", members.len()));
        }
        Ok(Self(members))
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

serde_as_text!(MemberPath, "MemberPath", "payload.after");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_not_written() {
        assert_eq!(serde_json::to_string(&Reading::default()).expect("JSON"), "{}");
        let reading =
            Reading { format: Format::Json, path: "payload.after".parse().expect("a path"), ..Reading::default() };
        let text = serde_json::to_string(&reading).expect("JSON");
        assert_eq!(text, r#"{"format":"json","path":"payload.after"}"#);
        assert_eq!(serde_json::from_str::<Reading>(&text).expect("read"), reading);
    }

    #[test]
    fn what_is_asked_for_has_columns() {
        let kafka = vec![KafkaPart::Key, KafkaPart::Headers, KafkaPart::Timestamp];
        let reading = Reading { kafka, unknown: Unknown::Keep, ..Reading::default() };
        let columns: Vec<String> =
            reading.added().iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
        assert_eq!(
            columns,
            [
                "kafka_key string",
                "kafka_headers list<struct<key: string, value: binary>>",
                "kafka_timestamp timestamptz",
                "unknown string"
            ]
        );
        assert!(Reading::default().added().is_empty());
    }

    #[test]
    fn paths_name_members() {
        let path: MemberPath = "payload.after".parse().expect("a path");
        assert_eq!(path.members(), ["payload", "after"]);
        for wrong in ["", "a..b", ".a", "a.", &vec!["a"; 17].join(".")] {
            assert!(wrong.parse::<MemberPath>().is_err(), "{wrong}");
        }
    }
}
