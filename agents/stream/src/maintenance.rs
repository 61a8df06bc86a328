//! Maintaining the agent's tables on a schedule, beside the writing and without disturbing it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::bail;
use lakewright_aws::Aws;
use lakewright_config::StreamConfig;
use lakewright_config::agents::stream::{self, Maintenance};
use lakewright_lake::maintain::{Known, Policy, Report, maintain, optimizers};
use lakewright_runtime::health::now_ms;
use lakewright_runtime::{Agent, CancellationToken};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What the least files need.
const LEAST_MEMORY: u64 = 16 * 1024 * 1024;
/// Orphans are looked for this often in the time that they must be old: all folders are listed for it.
const ORPHANS_SHARE: u32 = 4;
/// And at least once in this time.
const ORPHANS_EVERY: Duration = Duration::from_hours(24);

/// Says what is wrong with the settings, where rows are committed once in so many milliseconds.
pub(crate) fn check(maintenance: &Maintenance, commit_interval_ms: u64) -> anyhow::Result<()> {
    if maintenance.every_ms == 0 {
        bail!("`maintenance.every_ms` must be more than 0");
    }
    let least = Maintenance::least_orphans_age_ms(commit_interval_ms);
    if maintenance.orphans_age_ms < least {
        bail!(
            "`maintenance.orphans_age_ms` must be at least {least}, four commits and 15 minutes: younger files may be a \
             writer's that hasn't committed them yet"
        );
    }
    if maintenance.memory < LEAST_MEMORY {
        bail!("`maintenance.memory` must be at least {LEAST_MEMORY} bytes");
    }
    Ok(())
}

/// For how long a writer may hold files before it commits them, of tables that are maintained, here or elsewhere: those that are
/// held for longer might be taken for orphans.
pub(crate) fn held_at_most(config: &StreamConfig) -> Option<Duration> {
    let own = config.maintenance.as_ref().map(|maintenance| maintenance.orphans_age_ms);
    own.into_iter().chain(config.orphans_elsewhere_ms).min().map(half)
}

fn half(age_ms: u64) -> Duration {
    Duration::from_millis(age_ms / 2)
}

/// What the settings mean for the tables.
pub fn policy(maintenance: &Maintenance) -> Policy {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Policy {
        max_age_ms: maintenance.snapshots_max_age_ms.map(signed),
        min_snapshots: maintenance.min_snapshots.map(|number| number as usize),
        grace_ms: signed(maintenance.readers_grace_ms),
        orphans_age_ms: Some(signed(maintenance.orphans_age_ms)),
        held_at_most: half(maintenance.orphans_age_ms),
        target_bytes: maintenance.target_file_size,
        memory_bytes: usize::try_from(maintenance.memory).unwrap_or(usize::MAX),
        ..Policy::default()
    }
}

/// Maintains tables one after the other.
pub(crate) struct Maintainer {
    aws: Aws,
    /// Databases and names.
    tables: Vec<(String, String)>,
    settings: Maintenance,
    agent: Agent,
    /// Files that can't be rewritten.
    known: Known,
    /// Whose catalog it is, if that is known.
    account: Option<String>,
    /// Tables that Glue's optimizers maintain, by their names here.
    by_glue: BTreeSet<String>,
}

impl Maintainer {
    /// `None`: the tables are maintained by somebody else.
    pub(crate) fn of(config: &StreamConfig, aws: &Aws, agent: &Agent) -> Option<Self> {
        let tables = config.tables.iter().filter(|table| table.is_own()).chain([&config.dead_letters]);
        let tables = tables.map(|table| (table.database.clone(), table.name.clone())).collect();
        let settings = config.maintenance.clone()?;
        let (known, account, by_glue) = (Known::default(), config.account.clone(), BTreeSet::new());
        Some(Self { aws: aws.clone(), tables, settings, agent: agent.clone(), known, account, by_glue })
    }

    /// Goes on until it is stopped, on a thread of its own: encoding files holds up nobody. It may be cut off anywhere,
    /// as by a kill: its commits are conditional, and nothing is lost by it.
    pub(crate) fn start(self, stop: CancellationToken) -> JoinHandle<()> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(stop.run_until_cancelled(self.rounds())).unwrap_or_default();
        })
    }

    async fn rounds(mut self) {
        let every = Duration::from_millis(self.settings.every_ms);
        let age = Duration::from_millis(self.settings.orphans_age_ms);
        let orphans_every = (age / ORPHANS_SHARE).min(ORPHANS_EVERY);
        let last = self.agent.metrics.gauge(&stream::LAST_MAINTENANCE, &[]);
        let mut orphans_at = Instant::now();
        loop {
            // The group's members don't begin together. Two at one table are no harm: one of them sees a conflict.
            tokio::time::sleep(every.mul_f64(1.0 + spread() / 4.0)).await;
            let mut policy = policy(&self.settings);
            if orphans_at.elapsed() < orphans_every {
                policy.orphans_age_ms = None;
            } else {
                orphans_at = Instant::now();
            }
            for (database, name) in self.tables.clone() {
                match self.is_own(&database, &name).await {
                    Ok(true) => Box::pin(self.maintain(&database, &name, &policy)).await,
                    Ok(false) => {}
                    // Two who maintain one table undo each other's work: it waits until that is known.
                    Err(error) => self.failed(&name, [format!("maintenance of {database}.{name}: {error:#}")]),
                }
            }
            last.set(now_ms() as f64);
        }
    }

    /// Whether the table is this agent's to maintain, and no optimizer's of Glue.
    async fn is_own(&mut self, database: &str, name: &str) -> anyhow::Result<bool> {
        let types = optimizers(&self.aws, self.account.as_deref(), (database, name)).await?;
        let by_glue = !types.is_empty();
        self.agent.metrics.gauge(&stream::BY_GLUE, &[(stream::TABLE, name)]).set(f64::from(u8::from(by_glue)));
        if by_glue && self.by_glue.insert(name.to_owned()) {
            let types = types.join(", ");
            tracing::warn!(table = name, types, "Glue's optimizers maintain a table: it is left to them");
        }
        if !by_glue && self.by_glue.remove(name) {
            tracing::info!(table = name, "Glue's optimizers are off: the table is maintained here again");
        }
        Ok(!by_glue)
    }

    async fn maintain(&self, database: &str, name: &str, policy: &Policy) {
        match Box::pin(maintain(&self.aws, (database, name), policy, &self.known, false)).await {
            Ok(report) => {
                let named = |failure: &String| format!("maintenance of {database}.{name}: {failure}");
                self.failed(name, report.failures.iter().map(named));
                self.count(name, &report);
            }
            Err(error) => self.failed(name, [format!("maintenance of {database}.{name}: {error:#}")]),
        }
    }

    fn failed(&self, name: &str, failures: impl IntoIterator<Item = String>) {
        let counted = self.agent.metrics.counter(&stream::MAINTENANCE_FAILURES, &[(stream::TABLE, name)]);
        for failure in failures {
            counted.increment(1);
            self.agent.health.error(failure);
        }
    }

    fn count(&self, name: &str, report: &Report) {
        let count = |metric, number| self.agent.metrics.counter(metric, &[(stream::TABLE, name)]).increment(number);
        let compacted = report.compacted.as_ref().map_or(0, |compacted| compacted.replaced);
        let snapshots = report.expired.as_ref().map_or(0, |expired| expired.snapshots as u64);
        let deleted = report.deleted();
        if let Some(compacted) = &report.compacted {
            let unsuited = self.agent.metrics.gauge(&stream::UNSUITED_FILES, &[(stream::TABLE, name)]);
            unsuited.set(compacted.skipped.unsuited as f64);
            for why in &compacted.unsuited {
                tracing::warn!(table = name, why, "a small file that can't be read exactly is left as it is");
            }
        }
        count(&stream::COMPACTED_FILES, compacted);
        count(&stream::EXPIRED_SNAPSHOTS, snapshots);
        count(&stream::DELETED_FILES, deleted.files);
        count(&stream::DELETED_BYTES, deleted.bytes);
        if compacted + snapshots + deleted.files > 0 {
            let (files, bytes) = (deleted.files, deleted.bytes);
            tracing::info!(table = name, compacted, snapshots, files, bytes, "maintained a table");
        }
    }
}

/// A number from 0 to 1 that is another one in each process.
fn spread() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(now_ms()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_a_writer_may_hold_yet_arent_taken_for_orphans() {
        let of = |orphans_age_ms| Maintenance { orphans_age_ms, ..Maintenance::default() };
        check(&Maintenance::default(), 60_000).expect("the defaults are good");
        check(&of(900_000), 2_000).expect("long enough");
        let error = check(&of(2_399_999), 600_000).expect_err("too short").to_string();
        assert!(error.contains("at least 2400000"), "{error}");
        assert!(check(&Maintenance { every_ms: 0, ..Maintenance::default() }, 1).is_err());
        assert!(check(&Maintenance { memory: 1, ..Maintenance::default() }, 1).is_err());
    }
}
