//! A restoration as `lakewright` asks for it and the agents' program reports it: a JSON object each, one a line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ShipperConfig;

/// What is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The shipper whose backup it is.
    pub config: ShipperConfig,
    /// Records of this time or later, in milliseconds since 1970; without it, from the first on.
    pub from_ms: Option<i64>,
    /// Records of before this time; without it, to the last.
    pub to_ms: Option<i64>,
    /// The topics, and sources of hosts, whose records are restored; of all when empty.
    pub only: Vec<String>,
    /// Where records go.
    pub into: Destination,
    /// Reads and counts, and restores nothing.
    pub dry_run: bool,
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Indices whose names begin so; those of the configuration, if none is given.
    Index(Option<String>),
    /// A topic.
    Topic(String),
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// How far it is.
    Reached(Reached),
    /// It is done.
    Restored(Restored),
    /// Nothing was done.
    Refused(Refusal),
}

/// How far a restoration is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Objects that are read, of those that may hold what is wanted.
    pub objects: u64,
    /// How many these are.
    pub of: u64,
    /// Records that were wanted.
    pub records: u64,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Records that were read and wanted, whatever became of them.
    pub records: u64,
    /// Objects that were read.
    pub objects: u64,
    /// Documents that are new in their index.
    #[serde(default)]
    pub new: u64,
    /// Documents that were in their index already.
    pub there: u64,
    /// Documents, new and there, of records that no index took as what they are.
    pub rejected: u64,
    /// Records that are in no index: the dead letters' file has them.
    #[serde(default)]
    pub refused: u64,
}

/// Why there is nothing to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no object of a backup.
    Empty {
        /// Where: `s3://BUCKET/PREFIX`.
        place: String,
    },
    /// It has nothing of a topic or source.
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
    /// It has nothing of the time.
    Nothing {
        /// The days of the first records of its first and its last object, where these have one.
        days: Option<(String, String)>,
    },
    /// Kafka has no such topic.
    NoTopic {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { place } => write!(formatter, "the backup {place} is empty"),
            Self::Unknown { name, names } => {
                write!(formatter, "the backup has nothing of `{name}`, but of {}", names.join(", "))
            }
            Self::Nothing { days: Some((first, last)) } => {
                write!(
                    formatter,
                    "the backup has no record of that time: its objects begin on days from {first} to {last}"
                )
            }
            Self::Nothing { days: None } => formatter.write_str("the backup has no record of that time"),
            Self::NoTopic { name } => write!(formatter, "Kafka has no topic `{name}`"),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_one_thing() {
        let reached = Said::Reached(Reached { objects: 1, of: 2, records: 3 });
        let text = serde_json::to_string(&reached).expect("written");
        assert_eq!(text, r#"{"reached":{"objects":1,"of":2,"records":3}}"#);
        let refused = Said::Refused(Refusal::Nothing { days: Some(("2026-01-02".into(), "2026-01-04".into())) });
        let text = serde_json::to_string(&refused).expect("written");
        assert_eq!(serde_json::from_str::<Said>(&text).expect("read"), refused);
    }
}
