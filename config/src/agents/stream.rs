//! The stream agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Agent, AgentConfig, Figure, Kind, Metric, Need, Parts, Role, Stops, Written};
use crate::connections::{KafkaConnection, WatchConfig};
use crate::tables::Table;
use crate::written::is_default;

/// The label of what is counted by table.
pub const TABLE: &str = "table";
/// The label of rejects, and of members that become no column: why, as a word.
pub const CAUSE: &str = "cause";
/// The label of records that are skipped: what they are, as a word.
pub const SKIPPED_KIND: &str = "what";
/// The label of what is quarantined by kind: `table`, `topic` or `partition`.
pub const KIND: &str = "kind";
/// The label of what is measured by partition: its topic,
pub const TOPIC: &str = "topic";
/// and its number.
pub const PARTITION: &str = "partition";

metrics! {
    /// Records taken in.
    RECORDS = Counter "records_total", Records;
    /// Their bytes.
    BYTES = Counter "bytes_total", Detail;
    /// Bytes of the data files committed: all together, and by table.
    BYTES_WRITTEN = Counter "bytes_written_total", Detail;
    /// Offsets between records that hold none.
    OFFSET_GAPS = Counter "offset_gaps_total", Detail;
    /// Records that retention removed before they were taken in.
    RECORDS_LOST = Counter "records_lost_total", Detail;
    /// How often the intake began again from the tables' offsets.
    RESTARTS = Counter "restarts_total", Detail;
    /// Rebalances of its consumer group in which the agent had part.
    REBALANCES = Counter "rebalances_total", Detail;
    /// How often another agent took this one's identity in the group, since its state directory was made.
    FENCED = Counter "fenced_total", Detail;
    /// How often the group took the agent for another one than its member, and it joined again at once under its identity.
    REJOINS = Counter "rejoins_total", Detail;
    /// Commits to tables.
    COMMITS = Counter "commits_total", Detail;
    /// Commits that another writer forestalled.
    COMMIT_CONFLICTS = Counter "commit_conflicts_total", Detail;
    /// How often other members of the group were asked to wait, because they were faster too often.
    COMMIT_TURNS = Counter "commit_turns_total", Detail;
    /// Rows committed: all of the declared tables together, and by table.
    ROWS = Counter "rows_committed_total", Detail;
    /// Data files committed, by table.
    FILES = Counter "files_total", Detail;
    /// Records that fit no table.
    DEAD_LETTERS = Counter "dead_letters_total", DeadLetters;
    /// Records that no table took, by cause, whatever became of them.
    REJECTS = Counter "rejects_total", Detail;
    /// Records that are no rows although nothing is wrong with them, by what they are: Debezium's tombstones, truncations and
    /// messages.
    SKIPPED = Counter "skipped_total", Detail;
    /// Members of rows that no column takes, left out or kept in the column `unknown`, by table.
    UNKNOWN_MEMBERS = Counter "unknown_members_total", Detail;
    /// Those of them that are kept although members become columns of the table, by table and cause.
    UNEVOLVED_MEMBERS = Counter "unevolved_members_total", Detail;
    /// Columns that were added to tables for members that no column took, by table.
    COLUMNS_ADDED = Counter "columns_added_total", Detail;
    /// Rows that were taken out of a commit because they can't be written, by table.
    REFUSED_ROWS = Counter "refused_rows_total", Detail;
    /// Tables, topics and partitions that can't go on while the rest does: all together, and by kind.
    QUARANTINED = Gauge "quarantined", Quarantined;
    /// How often something was put into quarantine.
    QUARANTINES = Counter "quarantines_total", Detail;
    /// Milliseconds since the newest record that is committed.
    FRESHNESS = Gauge "freshness_ms", Freshness;
    /// Records of the log that are not committed.
    LAG = Gauge "lag_records", Lag;
    /// Seconds for which the oldest record that is not committed has waited, in the partition where it is longest.
    LAG_AGE = Gauge "lag_seconds", LagAge;
    /// The same by partition, of the twenty where it is longest.
    PARTITION_LAG = Gauge "partition_lag_seconds", Detail;
    /// How long commits of all tables take.
    COMMIT_SECONDS = Histogram "commit_seconds", Detail;
    /// How old records are by Kafka's time when they are committed.
    COMMITTED_AFTER = Histogram "committed_after_seconds", Detail;
    /// Records of the log that are not taken in.
    UNREAD = Gauge "unread_records", Unread;
    /// Small data files that maintenance put together, by table.
    COMPACTED_FILES = Counter "maintenance_compacted_files_total", Detail;
    /// Small data files that maintenance leaves as they are because they can't be read exactly as the table's schema says,
    /// by table.
    UNSUITED_FILES = Gauge "maintenance_unsuited_files", Detail;
    /// Snapshots that maintenance let go, by table.
    EXPIRED_SNAPSHOTS = Counter "maintenance_expired_snapshots_total", Detail;
    /// Files that maintenance deleted because nothing refers to them, by table.
    DELETED_FILES = Counter "maintenance_deleted_files_total", Detail;
    /// Their bytes, by table.
    DELETED_BYTES = Counter "maintenance_deleted_bytes_total", Detail;
    /// What of the maintenance failed, by table; writing goes on.
    MAINTENANCE_FAILURES = Counter "maintenance_failures_total", Detail;
    /// Tables that the agent leaves alone because Glue's optimizers maintain them: 1 by table.
    BY_GLUE = Gauge "maintenance_by_glue", Detail;
    /// When maintenance of all tables ended last, in milliseconds since 1970.
    LAST_MAINTENANCE = Gauge "last_maintenance_unix_ms", Detail;
    /// When rows were committed last, in milliseconds since 1970.
    LAST_COMMIT = Gauge "last_commit_unix_ms", LastCommit;
}

/// What views show of it.
static SHOWS: &[Figure] = &[
    Figure::of(&ROWS, "rows", Written::Flow),
    Figure::of(&LAG, "lag", Written::Waiting),
    Figure::of(&FRESHNESS, "freshness", Written::Age),
    Figure::of(&FILES, "files", Written::Count),
    Figure::beside(&COMMITS, "commits", Written::Count),
    Figure::of(&DEAD_LETTERS, "dead letters", Written::Trouble),
];
/// What views show of each table.
const PARTS: Parts = Parts {
    of: "raw zone",
    one: TABLE,
    shows: &[Figure::of(&ROWS, "rows", Written::Flow), Figure::of(&FILES, "files", Written::Count)],
};

/// What is known of it.
pub static ABOUT: About = About {
    agent: Agent::Stream,
    word: "stream",
    section: "agents.stream",
    needs: &[Need::Kafka, Need::Tables],
    metrics: METRICS,
    shows: SHOWS,
    parts: Some(PARTS),
    stops: Stops::WhenLogIsRead,
};

/// The stream agent's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// The cluster.
    pub kafka: KafkaConnection,
    /// The name that the consumer group's follows from ([`consumer_group`]), also the writer's name in snapshot properties.
    pub group: String,
    /// The tables it writes; their topics are what it reads.
    pub tables: Vec<Table>,
    /// The dead-letter table's database, name and location; its columns are fixed.
    pub dead_letters: Table,
    /// The account that the tables' buckets must belong to: one whose name another account has taken is refused. Without it,
    /// whoever they belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The time in milliseconds after which rows are committed.
    pub commit_interval_ms: u64,
    /// The size in bytes of undecoded messages after which rows are committed before that.
    pub commit_bytes: u64,
    /// What becomes of a record that no table takes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_reject: OnReject,
    /// What happens where Kafka's retention removed records before they were taken in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_gap: OnGap,
    /// How it maintains its tables beside the writing; without it, that is somebody else's work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Where somebody else maintains its tables: the age in milliseconds from which on they delete files that nothing refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans_elsewhere_ms: Option<u64>,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

impl StreamConfig {
    /// The consumer group that the agent is a member of.
    pub fn consumer_group(&self) -> String {
        consumer_group(&self.group)
    }
}

/// The consumer group of agents with this `group`. Its members give up single partitions; members of the group of that very name,
/// which agents were before, give up all of them, and Kafka takes both kinds into no group together. Where to read on stands in the
/// tables: nothing is lost from one group to the other.
pub fn consumer_group(group: &str) -> String {
    format!("{group}-cooperative")
}

/// How tables are maintained: small files put together, old snapshots let go, files that nothing refers to deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// The time in milliseconds from the end of one round to the next.
    pub every_ms: u64,
    /// Snapshots that are younger, in milliseconds, are kept. Without it: as the table's properties say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots_max_age_ms: Option<u64>,
    /// So many snapshots of each branch are kept, however old. Without it: as the table's properties say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snapshots: Option<u32>,
    /// For how long, in milliseconds, a snapshot is kept after another took its place, so that running readers go on.
    #[serde(default = "one_hour")]
    pub readers_grace_ms: u64,
    /// The age in milliseconds from which on a file that nothing refers to is an orphan. Younger ones may be a writer's
    /// that hasn't committed yet.
    #[serde(default = "three_days")]
    pub orphans_age_ms: u64,
    /// The size in bytes of data files, where the table's `write.target-file-size-bytes` doesn't say.
    #[serde(default = "mebibytes_128")]
    pub target_file_size: u64,
    /// The memory in bytes that it may take, about; files get no larger than half of it.
    #[serde(default = "mebibytes_128")]
    pub memory: u64,
}

impl Maintenance {
    /// The least age of orphans in milliseconds where rows are committed once in so many: four commits and 15 minutes, for
    /// younger files may be a writer's that hasn't committed them yet. Files are held for half of it at most, two commits.
    pub fn least_orphans_age_ms(commit_interval_ms: u64) -> u64 {
        commit_interval_ms.saturating_mul(4).max(15 * 60_000)
    }
}

fn one_hour() -> u64 {
    3_600_000
}

fn three_days() -> u64 {
    3 * 86_400_000
}

fn mebibytes_128() -> u64 {
    128 * 1024 * 1024
}

impl Default for Maintenance {
    /// A round every ten minutes.
    fn default() -> Self {
        Self {
            every_ms: 600_000,
            snapshots_max_age_ms: None,
            min_snapshots: None,
            readers_grace_ms: one_hour(),
            orphans_age_ms: three_days(),
            target_file_size: mebibytes_128(),
            memory: mebibytes_128(),
        }
    }
}

/// What becomes of a record that no table takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// It goes to the table of dead letters, with the reason.
    #[default]
    DeadLetters,
    /// It is counted by its cause and left out.
    Skip,
    /// Its partition stands still before it until somebody decides; other partitions go on.
    Stop,
}

impl OnReject {
    /// Whether it becomes a row of the table of dead letters.
    pub fn is_kept(self) -> bool {
        match self {
            Self::DeadLetters => true,
            Self::Skip | Self::Stop => false,
        }
    }

    /// Whether nothing of its partition goes on before somebody has decided.
    pub fn stops(self) -> bool {
        match self {
            Self::Stop => true,
            Self::DeadLetters | Self::Skip => false,
        }
    }
}

/// What happens where Kafka's retention removed records before they were taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// They are counted as lost and reading goes on behind them: waiting would lose more.
    #[default]
    Skip,
    /// The partition stands still until somebody decides; other partitions go on.
    Fail,
}

impl AgentConfig for StreamConfig {
    const AGENT: Agent = Agent::Stream;
}
