//! All of a table's maintenance, each part by itself.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use lakewright_aws::Aws;
use lakewright_config::maintenance::{Expired, Report};

use super::compact::compact;
use super::expiry::expire;
use super::orphans::remove_orphans;
use super::source::Known;
use super::{Policy, may_delete};
use crate::catalog::{LoadedTable, load_table};

/// Maintains a table, named by its database and its name: small files and manifests, then old snapshots, then orphans.
/// With `dry_run` nothing is changed.
///
/// # Errors
/// The table can't be loaded, or may not be maintained. What fails later is among the report's failures.
pub async fn maintain(
    aws: &Aws,
    (database, name): (&str, &str),
    policy: &Policy,
    known: &Known,
    dry_run: bool,
) -> anyhow::Result<Report> {
    let mut loaded = load_table(aws, database, name).await?;
    let version = loaded.table.metadata().format_version();
    anyhow::ensure!(
        version == iceberg::spec::FormatVersion::V2,
        "the table {database}.{name} has the format version {version}; Lakewright maintains version 2"
    );
    let mut report = Report { table: loaded.full_name(), ..Report::default() };
    let failures = &mut report.failures;
    let compacting = Box::pin(compact(loaded.clone(), policy, known, dry_run));
    if let Some((table, compacted)) = part("compaction", compacting, failures).await {
        failures.extend(compacted.failed.iter().map(|failed| format!("compaction of {failed}")));
        report.compacted = Some(compacted);
        loaded = table;
    } else {
        loaded = loaded.reload().await?;
    }
    let now = chrono::Utc::now().timestamp_millis();
    let expiring = Box::pin(expiry(loaded.clone(), policy, now, dry_run));
    if let Some((table, expired)) = part("expiry of snapshots", expiring, failures).await {
        report.expired = Some(expired);
        loaded = table;
    } else {
        loaded = loaded.reload().await?;
    }
    let removing = remove_orphans(&loaded, policy, now, dry_run);
    report.orphans = part("removal of orphans", removing, failures).await;
    Ok(report)
}

async fn expiry(
    loaded: LoadedTable,
    policy: &Policy,
    now: i64,
    dry_run: bool,
) -> anyhow::Result<(LoadedTable, Expired)> {
    if may_delete(loaded.table.metadata()) {
        return expire(loaded, policy, now, dry_run).await;
    }
    let kept = loaded.table.metadata().snapshots().len();
    Ok((loaded, Expired { kept, ..Expired::default() }))
}

/// A part whose failure, even a panic, is its own.
async fn part<T>(what: &str, doing: impl Future<Output = anyhow::Result<T>>, failures: &mut Vec<String>) -> Option<T> {
    match AssertUnwindSafe(doing).catch_unwind().await {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => failures.push(format!("{what}: {error:#}")),
        Err(_) => failures.push(format!("{what}: it panicked; this is a bug in lakewright")),
    }
    None
}
