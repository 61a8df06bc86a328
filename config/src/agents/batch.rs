//! The batch submitter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Agent, AgentConfig, Figure, Kind, Metric, Need, Role, Stops, Written};
use crate::connections::WatchConfig;

metrics! {
    /// Runs of the models that were waited for.
    RUNS = Counter "runs_total", Detail;
    /// Runs that failed or were cancelled.
    RUNS_FAILED = Counter "runs_failed_total", FailedRuns;
    /// When the last run ended, in milliseconds since 1970.
    LAST_RUN = Gauge "last_run_unix_ms", Detail;
    /// When the last run that succeeded ended, in milliseconds since 1970.
    LAST_SUCCESS = Gauge "last_success_unix_ms", LastSuccess;
    /// How long the last run took, in seconds.
    LAST_RUN_SECONDS = Gauge "last_run_seconds", Detail;
}

/// What views show of it.
static SHOWS: &[Figure] = &[
    Figure::of(&RUNS, "runs", Written::Count),
    Figure::of(&RUNS_FAILED, "failed", Written::Trouble),
    Figure::beside(&LAST_RUN, "last run", Written::Ago),
    Figure::beside(&LAST_RUN_SECONDS, "took", Written::Duration),
];

/// What is known of it.
pub static ABOUT: About = About {
    agent: Agent::Batch,
    word: "batch",
    section: "agents.batch",
    needs: &[Need::Models],
    metrics: METRICS,
    shows: SHOWS,
    parts: None,
    stops: Stops::Last,
};

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

impl AgentConfig for BatchConfig {
    const AGENT: Agent = Agent::Batch;
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
    /// How Spark maintains their tables after the run; without it, somebody else does, or nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<ModelMaintenance>,
}

/// How Spark maintains the tables of models, by Iceberg's procedures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelMaintenance {
    /// Milliseconds from one maintenance of a table to the next.
    pub every_ms: u64,
    /// How old, in milliseconds, a snapshot must be before it is let go.
    pub snapshots_age_ms: u64,
    /// How many snapshots are kept, however old.
    pub min_snapshots: u32,
    /// How old, in milliseconds, a file must be that nothing refers to before it is deleted. Iceberg refuses less than a day.
    pub orphans_age_ms: u64,
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
