//! All of a table's maintenance, each part by itself.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lakewright_aws::Aws;
use lakewright_config::maintenance::{Expired, Report};

use super::attempts::ATTEMPTS;
use super::compact::compact;
use super::expiry::expire;
use super::orphans::remove_orphans;
use super::reach::is_missing;
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
    let compacting = |loaded| compact(loaded, policy, known, dry_run).boxed();
    if let Some((table, compacted)) = part("compaction", &mut loaded, compacting, failures).await {
        failures.extend(compacted.failed.iter().map(|failed| format!("compaction of {failed}")));
        report.compacted = Some(compacted);
        loaded = table;
    } else {
        loaded = loaded.reload().await?;
    }
    let now = chrono::Utc::now().timestamp_millis();
    let expiring = |loaded| expiry(loaded, policy, now, dry_run).boxed();
    if let Some((table, expired)) = part("expiry of snapshots", &mut loaded, expiring, failures).await {
        report.expired = Some(expired);
        loaded = table;
    } else {
        loaded = loaded.reload().await?;
    }
    let removing = |loaded| async move { remove_orphans(&loaded, policy, now, dry_run).await }.boxed();
    report.orphans = part("removal of orphans", &mut loaded, removing, failures).await;
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

/// A part whose failure, even a panic, is its own. Where a file is missing because somebody else has expired the snapshot
/// that it belongs to, the part begins again with the table as it is now.
async fn part<'a, T>(
    what: &str,
    loaded: &mut LoadedTable,
    doing: impl Fn(LoadedTable) -> BoxFuture<'a, anyhow::Result<T>>,
    failures: &mut Vec<String>,
) -> Option<T> {
    let mut overtaken = 0;
    loop {
        let error = match AssertUnwindSafe(doing(loaded.clone())).catch_unwind().await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => error,
            Err(_) => {
                failures.push(format!("{what}: it panicked; this is a bug in lakewright"));
                return None;
            }
        };
        if overtaken < ATTEMPTS
            && is_missing(&error)
            && let Ok(now) = loaded.reload().await
            && now.metadata_location != loaded.metadata_location
        {
            tracing::debug!(table = now.full_name(), "{what} begins again: {error:#}");
            (*loaded, overtaken) = (now, overtaken + 1);
            continue;
        }
        failures.push(format!("{what}: {error:#}"));
        return None;
    }
}
