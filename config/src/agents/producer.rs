//! The producer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Agent, AgentConfig, Figure, Kind, Metric, Need, Role, Stops, Written};
use crate::connections::{KafkaConnection, WatchConfig};
use crate::rate::Rate;
use crate::scenario::Scenario;
use crate::tables::Table;
use crate::written::is_default;

metrics! {
    /// Messages handed to Kafka, facts and actions together.
    EVENTS = Counter "events_total", Records;
    /// Their bytes.
    BYTES = Counter "bytes_total", Detail;
    /// Messages that Kafka has acknowledged.
    ACKNOWLEDGED = Counter "acknowledged_total", Detail;
    /// Messages that Kafka did not take.
    DELIVERY_ERRORS = Counter "delivery_errors_total", Detail;
    /// Messages sent a second time, as the configuration wants it.
    DUPLICATES = Counter "duplicates_total", Detail;
    /// Messages broken on purpose.
    BROKEN = Counter "broken_total", Detail;
    /// Messages that report what happened long before, as the scenario wants it.
    LATE = Counter "late_total", Detail;
    /// Entries of the application's log that were sent to its topic.
    LOGGED = Counter "logged_total", Detail;
    /// Messages that were due and were not sent, because too much waited already or the process stood still.
    DROPPED = Counter "dropped_total", Detail;
    /// How long messages took from when they were due until Kafka acknowledged them, in seconds.
    DELIVERY = Histogram "delivery_seconds", Detail;
}

/// What views show of it.
static SHOWS: &[Figure] = &[
    Figure::of(&EVENTS, "events", Written::Flow),
    Figure::of(&BYTES, "", Written::Bytes),
    Figure::of(&DELIVERY_ERRORS, "delivery errors", Written::Trouble),
    Figure::of(&DROPPED, "dropped", Written::Trouble),
];

/// What is known of it.
pub static ABOUT: About = About {
    agent: Agent::Producer,
    word: "producer",
    section: "agents.producer",
    needs: &[Need::Kafka],
    metrics: METRICS,
    shows: SHOWS,
    parts: None,
    stops: Stops::First,
};

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
    /// events happen when they are due.
    #[serde(default)]
    pub start_time: Option<String>,
    /// The share of messages sent twice, 0 to 1.
    #[serde(default)]
    pub duplicates: f64,
    /// The share of messages broken on purpose, 0 to 1.
    #[serde(default)]
    pub broken: f64,
    /// What happens beside a steady stream.
    #[serde(default, skip_serializing_if = "Scenario::is_none")]
    pub scenario: Scenario,
    /// The tables that facts are made for.
    pub tables: Vec<Table>,
    /// The application log.
    pub log: LogConfig,
    /// Where it reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

impl AgentConfig for ProducerConfig {
    const AGENT: Agent = Agent::Producer;
}

/// A log file with rotation, in the agent's log directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The file's name.
    pub file: String,
    /// The size in bytes at which it is renamed to `FILE.1`.
    pub rotate_bytes: u64,
    /// How many renamed files are kept.
    pub keep: u32,
    /// How its lines are written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: LogFormat,
    /// The share of requests that fail, each logged with a stack trace, 0 to 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub errors: f64,
    /// The topic that entries are sent to as well; without it, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// How the lines of a log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of `name=value` behind time and level; stack traces stand below it.
    #[default]
    Text,
    /// A JSON object on a line.
    Json,
}
