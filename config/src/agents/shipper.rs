//! The shipper.

pub mod fields;
pub mod sources;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::fields::FieldType;
use self::sources::LocalSource;
use super::{About, Agent, AgentConfig, Figure, Kind, Metric, Need, Role, Stops, Written};
use crate::connections::{KafkaConnection, SearchConnection, WatchConfig};

/// The label of what is one sink's: `index` or `backup`.
pub const SINK: &str = "sink";
/// The label of the type of error for which documents were refused, or of why records were left out.
pub const REASON: &str = "reason";
/// The label of a transform: its number and its type, `3 types`.
pub const TRANSFORM: &str = "transform";
/// The label of what is one source's of the shipper's own host: its name. What is the topics' has none.
pub const SOURCE: &str = "source";
pub mod transforms;

metrics! {
    /// Documents that the search cluster has taken.
    INDEXED = Counter "documents_indexed_total", Records;
    /// Documents of those that were in the index already: sent twice, or put there by somebody else.
    THERE = Counter "documents_there_total", Detail;
    /// Documents that fit no index, kept in that of the rejected.
    REJECTED = Counter "rejected_total", DeadLetters;
    /// Records that are in no index, only in the backup and among the dead letters' file.
    REFUSED = Counter "refused_total", DeadLetters;
    /// Documents whose day is outside the window of daily indices.
    OUTSIDE = Counter "outside_total", Detail;
    /// Requests to the search cluster and to S3 that were tried again.
    RETRIES = Counter "bulk_retries_total", Detail;
    /// Objects written to the backup.
    BACKUP_OBJECTS = Counter "backup_objects_total", Detail;
    /// Records that the topic's retention deleted before a sink had them.
    LOST = Counter "lost_records_total", Detail;
    /// Records that are not shipped, by the pipe with the most of them; of files an estimate from their bytes.
    LAG = Gauge "lag_records", Lag;
    /// Documents that their index took only with the record under `flattened`.
    FLATTENED = Counter "documents_flattened_total", Detail;
    /// When the pipe that stands still the longest got on last, in milliseconds since 1970.
    LAST_COMMIT = Gauge "last_commit_unix_ms", LastCommit;
    /// Records that transforms left out of the index: a condition, a sample, or `on_error = "drop"`.
    DROPPED = Counter "transforms_dropped_total", Detail;
    /// Records that a transform couldn't be applied to.
    TRANSFORM_ERRORS = Counter "transform_errors_total", Detail;
    /// How many bulk requests may be under way.
    CONCURRENCY = Gauge "bulk_concurrency", Detail;
    /// Records that are not shipped to a sink; of files an estimate from their bytes.
    PIPE_LAG = Gauge "sink_lag_records", Detail;
    /// Bytes of the topics' records that are not shipped to a sink: an estimate, by the mean of those that were read.
    TOPICS_LAG = Gauge "topics_lag_bytes", Detail;
    /// How long the oldest of the topics' records that are not shipped to a sink has been there, in seconds, as far as the agent has seen.
    TOPICS_BEHIND = Gauge "topics_behind_seconds", Detail;
    /// Bytes of records that were read for a sink.
    PIPE_BYTES = Counter "sink_read_bytes_total", Detail;
    /// Bytes of records that a sink has in hand.
    PIPE_IN_HAND = Gauge "sink_in_hand_bytes", Detail;
    /// Documents and records that fit no index, kept among the dead letters.
    PIPE_REJECTED = Counter "sink_rejected_total", Detail;
    /// Records that are in no index.
    PIPE_REFUSED = Counter "sink_refused_total", Detail;
    /// Requests that were tried again.
    PIPE_RETRIES = Counter "sink_retries_total", Detail;
    /// Records that retention deleted before a sink had them.
    PIPE_LOST = Counter "sink_lost_records_total", Detail;
    /// Documents that were refused, by the type of the cluster's error.
    REASONS = Counter "sink_refusals_total", Detail;
    /// Records that were read of a source of this host for a sink.
    SOURCE_RECORDS = Counter "source_records_total", Detail;
    /// Bytes of a source of this host that were not read for a sink yet; of gzip files their packed bytes.
    SOURCE_LAG = Gauge "source_lag_bytes", Detail;
    /// How long there has been something unread of a source of this host, in seconds.
    SOURCE_BEHIND = Gauge "source_behind_seconds", Detail;
    /// Bytes of files that were gone before they were read.
    SOURCE_LOST = Counter "source_lost_bytes_total", Detail;
    /// Files and folders of a source that can't be read now.
    SOURCE_UNREADABLE = Gauge "source_unreadable_files", Detail;
}

/// What views show of it.
static SHOWS: &[Figure] = &[
    Figure::of(&INDEXED, "indexed", Written::Flow),
    Figure::of(&LAG, "lag", Written::Waiting),
    Figure::of(&REJECTED, "rejected", Written::Trouble),
    Figure::of(&REFUSED, "in no index", Written::Trouble),
    Figure::of(&LOST, "lost to retention", Written::Trouble),
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
    /// The consumer group of the index; that of the backup is [`backup_group`].
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
    /// A backup object is full at so many bytes of lines, before they are compressed.
    #[serde(default = "backup_bytes")]
    pub backup_bytes: u64,
    /// A backup object is written so many milliseconds after its first record at the latest.
    #[serde(default = "backup_interval_ms")]
    pub backup_interval_ms: u64,
    /// What versions before wrote by; it means nothing.
    #[serde(default, skip_serializing)]
    pub backup_records: Option<u64>,
    /// A bulk request is sent at this size in bytes at the latest.
    pub bulk_bytes: u64,
    /// A bulk request is sent after this time in milliseconds at the latest.
    pub bulk_interval_ms: u64,
    /// Whether bulk requests are compressed.
    #[serde(default)]
    pub gzip: bool,
    /// How many days before today have an index of their own; records of days before these go to `INDEX-outside`.
    #[serde(default = "days_back")]
    pub days_back: u32,
    /// How many days after today have one.
    #[serde(default = "days_ahead")]
    pub days_ahead: u32,
    /// A longer record, in bytes, goes in pieces to the dead letters' file in place of the index.
    #[serde(default = "max_record")]
    pub max_record: u64,
    /// The types of members of the topics' records in the index, by name or by path, `user.id`. The others' follow from what comes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldType>,
    /// How many days an index of a day is kept after it was made. Without it, until somebody deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
    /// What is done to records on their way to the index, in this order. The backup holds them as they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<transforms::Transform>,
    /// Sources on the shipper's own host, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, LocalSource>,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

/// The default of [`ShipperConfig::backup_bytes`].
pub const fn backup_bytes() -> u64 {
    64_000_000
}

/// The default of [`ShipperConfig::backup_interval_ms`].
pub const fn backup_interval_ms() -> u64 {
    300_000
}

/// The default of [`ShipperConfig::days_back`].
pub const fn days_back() -> u32 {
    30
}

/// The default of [`ShipperConfig::days_ahead`].
pub const fn days_ahead() -> u32 {
    1
}

/// The default of [`ShipperConfig::max_record`].
pub const fn max_record() -> u64 {
    10_000_000
}

/// The consumer group by which the backup is read, of a shipper with this group.
pub fn backup_group(group: &str) -> String {
    format!("{group}-backup")
}

impl AgentConfig for ShipperConfig {
    const AGENT: Agent = Agent::Shipper;
}
