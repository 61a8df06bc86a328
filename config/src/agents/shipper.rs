//! The shipper.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Agent, AgentConfig, Figure, Kind, Metric, Need, Role, Stops, Written};
use crate::connections::{KafkaConnection, SearchConnection, WatchConfig};

metrics! {
    /// Documents that the search cluster has taken.
    INDEXED = Counter "documents_indexed_total", Records;
    /// Documents of those that were in the index already: sent twice, or put there by somebody else.
    THERE = Counter "documents_there_total", Detail;
    /// Documents that fit no index, kept in that of the rejected.
    REJECTED = Counter "rejected_total", DeadLetters;
    /// Records that are in no index, only in the backup.
    REFUSED = Counter "refused_total", DeadLetters;
    /// Bulk requests that were tried again.
    RETRIES = Counter "bulk_retries_total", Detail;
    /// Objects written to the backup.
    BACKUP_OBJECTS = Counter "backup_objects_total", Detail;
    /// Records of the log that are not shipped.
    LAG = Gauge "lag_records", Lag;
    /// When offsets were committed last, in milliseconds since 1970.
    LAST_COMMIT = Gauge "last_commit_unix_ms", LastCommit;
}

/// What views show of it.
static SHOWS: &[Figure] = &[
    Figure::of(&INDEXED, "indexed", Written::Flow),
    Figure::of(&LAG, "lag", Written::Waiting),
    Figure::of(&REJECTED, "rejected", Written::Trouble),
    Figure::of(&REFUSED, "in no index", Written::Trouble),
    Figure::beside(&BACKUP_OBJECTS, "backup objects", Written::Count),
];

/// What is known of it.
pub static ABOUT: About = About {
    agent: Agent::Shipper,
    word: "shipper",
    section: "agents.shipper",
    needs: &[Need::Kafka, Need::Search],
    metrics: METRICS,
    shows: SHOWS,
    parts: None,
    stops: Stops::WhenLogIsRead,
};

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
    /// The account that the bucket must belong to: one whose name another account has taken is refused. Without it, whoever
    /// it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
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

impl AgentConfig for ShipperConfig {
    const AGENT: Agent = Agent::Shipper;
}
