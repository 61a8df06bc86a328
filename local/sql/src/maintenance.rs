//! Maintaining the tables of models: Spark's procedures do it elsewhere, and this machine has no Spark.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lakewright_aws::Aws;
use lakewright_lake::maintain::{Known, Policy, Report, maintain};

/// Files that no snapshot refers to are younger than this while a run may still commit them.
const LEAST_ORPHANS_AGE: Duration = Duration::from_hours(1);
/// Orphans are looked for so often in the time that they must be old.
const ORPHANS_SHARE: u32 = 4;
/// Bytes that it may take.
const MEMORY: usize = 64 * 1024 * 1024;

/// How tables are maintained, and what is known of them from run to run.
#[derive(Debug, Clone)]
pub(crate) struct Maintenance {
    snapshots: Duration,
    known: Known,
    /// When orphans of a table were looked for.
    looked: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Maintenance {
    /// Snapshots are kept for so long after another took their place.
    pub(crate) fn new(snapshots: Duration) -> Self {
        Self { snapshots, known: Known::default(), looked: Arc::default() }
    }

    /// Maintains a table; what it says is for the log of the run. A failure isn't the run's.
    pub(crate) async fn of_table(&self, aws: &Aws, database: &str, name: &str) -> Option<String> {
        let policy = self.policy(&format!("{database}.{name}"));
        match Box::pin(maintain(aws, (database, name), &policy, &self.known, false)).await {
            Ok(report) => said(&report),
            Err(error) => Some(format!("maintenance failed: {error:#}")),
        }
    }

    fn policy(&self, table: &str) -> Policy {
        let age_ms = milliseconds(self.snapshots);
        let orphans = LEAST_ORPHANS_AGE.max(self.snapshots * 3);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked.get(table).is_none_or(|last| last.elapsed() >= orphans / ORPHANS_SHARE);
        if is_due {
            looked.insert(table.to_owned(), Instant::now());
        }
        Policy {
            max_age_ms: Some(age_ms),
            grace_ms: age_ms,
            orphans_age_ms: is_due.then(|| milliseconds(orphans)),
            held_at_most: orphans / 2,
            memory_bytes: MEMORY,
            ..Policy::default()
        }
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What became of a table, if anything did.
fn said(report: &Report) -> Option<String> {
    if !report.failures.is_empty() {
        return Some(format!("maintenance failed: {}", report.failures.join("; ")));
    }
    let snapshots = report.expired.as_ref().map_or(0, |expired| expired.snapshots);
    let files = report.deleted().files;
    (snapshots > 0 || files > 0).then(|| format!("{snapshots} old snapshots and {files} files are gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_are_looked_for_now_and_then() {
        let maintenance = Maintenance::new(Duration::from_secs(60));
        let first = maintenance.policy("shop.sales");
        assert_eq!((first.max_age_ms, first.grace_ms, first.orphans_age_ms), (Some(60_000), 60_000, Some(3_600_000)));
        assert_eq!(maintenance.policy("shop.sales").orphans_age_ms, None);
        assert_eq!(maintenance.policy("shop.users").orphans_age_ms, Some(3_600_000));
        let longer = Maintenance::new(Duration::from_secs(3600)).policy("shop.sales");
        assert_eq!((longer.orphans_age_ms, longer.held_at_most), (Some(10_800_000), Duration::from_secs(5400)));
    }
}
