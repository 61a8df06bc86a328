//! The configuration of each agent, as the provisioner publishes it and a host reads it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tables::Table;

/// How to reach the Kafka cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConnection {
    /// `host:port` pairs, separated by commas.
    pub bootstrap: String,
    /// How connections are protected.
    pub security: Security,
    /// The topics that the agent makes sure of before it begins, where nobody else can make them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<KafkaTopic>,
}

impl KafkaConnection {
    /// A connection in clear, as to a cluster on loopback.
    pub fn plaintext(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), security: Security::Plaintext, topics: Vec::new() }
    }
}

/// A topic as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has at least.
    pub partitions: u32,
    /// Its settings, `"retention.ms" = "86400000"`; those not named here are left as they are.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

/// How connections to Kafka are protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "protocol")]
pub enum Security {
    /// In clear: loopback only.
    Plaintext,
    /// TLS, the client not authenticated.
    Tls,
    /// TLS with SASL/OAUTHBEARER and a token that the AWS credentials sign, as MSK takes it.
    Iam {
        /// The cluster's region.
        region: String,
    },
    /// TLS with SASL/SCRAM-SHA-512; user name and password stand in a Secrets Manager secret as
    /// `{"username": …, "password": …}`.
    Scram {
        /// The secret's ARN or name.
        secret: String,
    },
}

/// Where an agent reports how it is doing: numbers in its log group, of which CloudWatch makes metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchConfig {
    /// The log group.
    pub log_group: String,
    /// The stack's name, a dimension of the metrics.
    pub stack: String,
    /// Seconds from one report to the next.
    pub every_seconds: u64,
}

/// The producer's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProducerConfig {
    /// The cluster.
    pub kafka: KafkaConnection,
    /// The topic of business facts; messages are `{"table": …, "data": {…}}`.
    pub facts_topic: String,
    /// The topic of user actions.
    pub actions_topic: String,
    /// How much to send, facts and actions together.
    pub rate: Rate,
    /// Makes a run repeatable.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Where the simulated clock starts, RFC 3339: with it and a seed, events are the same to the byte. Without it
    /// events happen when they are sent.
    #[serde(default)]
    pub start_time: Option<String>,
    /// The share of messages sent twice, 0 to 1.
    #[serde(default)]
    pub duplicates: f64,
    /// The share of messages broken on purpose, 0 to 1.
    #[serde(default)]
    pub broken: f64,
    /// The tables that facts are made for.
    pub tables: Vec<Table>,
    /// The application log.
    pub log: LogConfig,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

/// A log file with rotation, in the agent's log directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The file's name.
    pub file: String,
    /// The size in bytes at which it is renamed to `FILE.1`.
    pub rotate_bytes: u64,
    /// How many renamed files are kept.
    pub keep: u32,
}

/// How much the producer sends: `"max"`, `"500/s"`, `"100 MB / 4h"`, `"10 GB / h"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as it goes.
    Max,
    /// Events per second.
    Events(f64),
    /// Bytes per second.
    Bytes(f64),
}

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateError(pub String);

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no rate; write events per time (\"500/s\"), bytes per time (\"100 MB / 4h\", \"10 GB / h\") or \
             \"max\"",
            self.0
        )
    }
}

impl std::error::Error for RateError {}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError(text.to_owned());
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let (amount, time) = trimmed.split_once('/').ok_or_else(error)?;
        let (number, unit) = split_number(amount).ok_or_else(error)?;
        let (count, time_unit) = match split_number(time) {
            Some(pair) => pair,
            None => (1.0, time.trim()),
        };
        let seconds = count
            * match time_unit {
                "s" | "second" | "seconds" => 1.0,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                _ => return Err(error()),
            };
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "event" | "events" => None,
            "b" => Some(1.0),
            "kb" => Some(1e3),
            "mb" => Some(1e6),
            "gb" => Some(1e9),
            "tb" => Some(1e12),
            _ => return Err(error()),
        };
        let per_second = number / seconds;
        if !(per_second.is_finite() && per_second > 0.0) {
            return Err(error());
        }
        Ok(factor.map_or(Self::Events(per_second), |factor| Self::Bytes(per_second * factor)))
    }
}

/// The number a text begins with and the trimmed rest; `None` when it begins with none.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    Some((text[..end].replace('_', "").parse().ok()?, text[end..].trim()))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Events(rate) => write!(f, "{rate}/s"),
            Self::Bytes(rate) => write!(f, "{rate} B/s"),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["500/s", "100 MB / 4h", "10 GB / h", "max"] })
    }
}

/// The stream agent's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// The cluster.
    pub kafka: KafkaConnection,
    /// The consumer group, also the writer's name in snapshot properties.
    pub group: String,
    /// The tables it writes; their topics are what it reads.
    pub tables: Vec<Table>,
    /// The dead-letter table's database, name and location; its columns are fixed.
    pub dead_letters: Table,
    /// The time in milliseconds after which rows are committed.
    pub commit_interval_ms: u64,
    /// The size in bytes of undecoded messages after which rows are committed before that.
    pub commit_bytes: u64,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

/// How to reach the search cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConnection {
    /// `http://host:port`, the host by a name that is looked up at each connection; `LAKEWRIGHT_SEARCH_URL` in the agent's
    /// environment wins over it.
    pub url: String,
}

/// The shipper's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipperConfig {
    /// The cluster.
    pub kafka: KafkaConnection,
    /// The consumer group.
    pub group: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// The search cluster.
    pub search: SearchConnection,
    /// An index is named `INDEX-YYYY.MM.DD` by the record's own day in UTC.
    pub index: String,
    /// The member of a record that holds its time, RFC 3339.
    pub time_field: String,
    /// The bucket of the log backup.
    pub backup_bucket: String,
    /// The prefix in it, without a slash at the end.
    pub backup_prefix: String,
    /// Backup objects hold the records of fixed ranges of so many offsets.
    pub backup_records: u64,
    /// A bulk request is sent at this size in bytes at the latest.
    pub bulk_bytes: u64,
    /// A bulk request is sent after this time in milliseconds at the latest.
    pub bulk_interval_ms: u64,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

/// The batch submitter's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// The EMR Serverless application's id.
    pub application_id: String,
    /// The role that jobs run as, an ARN.
    pub execution_role: String,
    /// The runner script, `s3://…/jobs/run_models.py`.
    pub entry_point: String,
    /// The models, `s3://…/models/manifest.json`: a [`Manifest`].
    pub manifest: String,
    /// Where jobs log, `s3://…`.
    pub log_location: String,
    /// Seconds from the start of one run to the start of the next.
    pub every_seconds: u64,
    /// Minutes after which a run is cancelled.
    pub timeout_minutes: u64,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

/// The models of a stack, in dependency order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The Glue database that models write to.
    pub database: String,
    /// Where their tables are, `s3://bucket/prefix`: a table stands in `LOCATION/NAME`.
    pub location: String,
    /// The models, each after those that it reads.
    pub models: Vec<Model>,
}

/// A warehouse table and the query that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The table's name.
    pub name: String,
    /// How the query's rows become the table's.
    pub materialization: Materialization,
    /// The columns that identify a row; required for `merge`.
    #[serde(default)]
    pub key: Vec<String>,
    /// One SELECT, table names qualified by their database.
    pub sql: String,
}

/// How a query's rows become a table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Materialization {
    /// A row replaces the one with its key; others stay.
    Merge,
    /// Rows are added.
    Append,
    /// The table holds the query's rows and nothing else.
    Replace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        for (text, rate) in [
            ("max", Rate::Max),
            ("500/s", Rate::Events(500.0)),
            ("120 events / min", Rate::Events(2.0)),
            ("10 GB / h", Rate::Bytes(1e10 / 3600.0)),
            ("100 MB / 4h", Rate::Bytes(1e8 / 14_400.0)),
        ] {
            assert_eq!(text.parse::<Rate>(), Ok(rate), "{text}");
            assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate), "{text}");
        }
        for text in ["", "fast", "10", "0/s", "5 MB / fortnight", "-3/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
