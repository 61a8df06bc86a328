//! Reports: the metrics that CloudWatch makes of what agents send, which alarms and the dashboard are made of.

use crate::agents::Role;

/// The namespace of the metrics.
pub const NAMESPACE: &str = "Lakewright";
/// The dimension that names the agent by its word.
pub const AGENT: &str = "Agent";
/// The dimension that names the stack.
pub const STACK: &str = "Stack";

/// A metric of the reports.
#[derive(Debug, PartialEq, Eq)]
pub struct Reported {
    /// Its name.
    pub name: &'static str,
    /// CloudWatch's unit of it.
    pub unit: &'static str,
}

/// Declares metrics of the reports.
macro_rules! reported {
    ($( $(#[doc = $about:literal])+ $constant:ident = $name:literal, $unit:literal; )*) => {
        $( $(#[doc = $about])+ pub static $constant: Reported = Reported { name: $name, unit: $unit }; )*
    };
}

reported! {
    /// 1 with every report.
    HEARTBEAT = "Heartbeat", "Count";
    /// Records since the report before.
    RECORDS = "Records", "Count";
    /// Records that fit nowhere since the report before.
    DEAD_LETTERS = "DeadLetters", "Count";
    /// Runs that failed since the report before.
    FAILED_RUNS = "FailedRuns", "Count";
    /// Errors since the report before.
    ERRORS = "Errors", "Count";
    /// Parts of the work that stand still while the rest goes on.
    QUARANTINED = "Quarantined", "Count";
    /// Records that wait.
    LAG = "Lag", "Count";
    /// For how long records wait.
    LAG_SECONDS = "LagSeconds", "Seconds";
    /// The time since the last run that succeeded.
    FRESHNESS_SECONDS = "FreshnessSeconds", "Seconds";
}

/// What grows, with the role of the counters that it sums up.
pub static GROWING: [(&Reported, Role); 3] =
    [(&RECORDS, Role::Records), (&DEAD_LETTERS, Role::DeadLetters), (&FAILED_RUNS, Role::FailedRuns)];
