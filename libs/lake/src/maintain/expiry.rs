//! Letting old snapshots go, and then the files that only they referred to.
//!
//! Source: Iceberg's Java, `ReachableFileCleanup`.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, stream};
use iceberg::io::FileIO;
use iceberg::spec::{ManifestFile, SnapshotRef, TableMetadata};
use lakewright_config::maintenance::Expired;

use super::Policy;
use super::attempts::Attempts;
use super::deletion::delete;
use super::reach::{self, READ_AT_ONCE, is_missing};
use super::swap::MERGE_AT;
use crate::catalog::LoadedTable;
use crate::edit::Edit;
use crate::error::CommitError;
use crate::expire::{Expiry, expired};
use crate::replace::{Replace, carried};

/// Bytes of paths that are held while it is found out which of them are in use.
const HELD: usize = 32 * 1024 * 1024;

/// Commits metadata without the snapshots that the policy and the branches' and tags' own retention let go, and deletes
/// what only those referred to. Nothing is deleted unless it is known that the commit happened.
///
/// # Errors
/// The commit fails or isn't known to have happened, or what is left can't be read. What the expired snapshots leave
/// behind then is the orphans' removal's.
pub async fn expire(
    mut loaded: LoadedTable,
    policy: &Policy,
    now_ms: i64,
    dry_run: bool,
) -> anyhow::Result<(LoadedTable, Expired)> {
    let mut attempts = Attempts::at(&loaded);
    let (before, after, expiry) = loop {
        let metadata = loaded.table.metadata();
        let expiry = expired(metadata, &policy.retention(metadata), now_ms)?;
        if dry_run || (expiry.is_empty() && !expiry.held_back) {
            break (loaded.clone(), loaded, expiry);
        }
        let held_back = expiry.held_back;
        let edit = if held_back { say_again(metadata) } else { Edit::Expire(expiry.clone()) };
        match loaded.apply(edit).await {
            // Now the current snapshot says it, and those that said it may go.
            Ok(after) if held_back => loaded = after,
            Ok(after) => break (loaded, after, expiry),
            Err(error @ CommitError::Conflict { .. }) => loaded = attempts.again(&loaded, error).await?,
            Err(error) => return Err(attempts.failed(error).await),
        }
    };
    attempts.end().await;
    let mut report =
        Expired { snapshots: expiry.snapshots.len(), references: expiry.references.clone(), ..Expired::default() };
    if !expiry.snapshots.is_empty() {
        clean(&before, &after, &expiry, &mut report, (policy.memory_bytes, dry_run)).await?;
    }
    report.kept = after.table.metadata().snapshots().len() - if dry_run { expiry.snapshots.len() } else { 0 };
    Ok((after, report))
}

/// A snapshot of the same files that says what its ancestors said of the rows.
fn say_again(metadata: &TableMetadata) -> Edit {
    Edit::Replace(Replace { merge_at: MERGE_AT, summary: carried(metadata), ..Replace::default() })
}

/// Deletes what the expired snapshots refer to and the others don't.
async fn clean(
    before: &LoadedTable,
    after: &LoadedTable,
    expiry: &Expiry,
    report: &mut Expired,
    (memory, dry_run): (usize, bool),
) -> anyhow::Result<()> {
    let files = before.table.file_io();
    let gone: HashSet<i64> = expiry.snapshots.iter().copied().collect();
    let mut kept = reach::newest_first(after.table.metadata());
    if dry_run {
        kept.retain(|snapshot| !gone.contains(&snapshot.snapshot_id()));
    }
    let metadata = before.table.metadata();
    let gone: Vec<SnapshotRef> =
        metadata.snapshots().filter(|one| gone.contains(&one.snapshot_id())).cloned().collect();
    let kept_manifests = reach::manifests(files, &kept).await?;
    let dead = dead_manifests(files, &gone, &kept_manifests).await?;
    let mut waiting = dead.iter();
    loop {
        let candidates = candidates(files, &mut waiting).await?;
        if candidates.is_empty() {
            break;
        }
        let unused = unused(files, candidates, &kept_manifests, memory).await?;
        report.data.add(delete(files, unused.into_iter().collect(), dry_run).await);
    }
    let lists: HashSet<&str> = kept.iter().map(|snapshot| snapshot.manifest_list()).collect();
    let mut rest: Vec<(String, u64)> = Vec::new();
    rest.extend(dead.iter().map(|one| (one.manifest_path.clone(), u64::try_from(one.manifest_length).unwrap_or(0))));
    let gone_lists = gone.iter().map(|snapshot| snapshot.manifest_list()).filter(|list| !lists.contains(list));
    rest.extend(gone_lists.map(|list| (list.to_owned(), 0)));
    if !dry_run {
        let named = reach::statistics(after.table.metadata());
        rest.extend(reach::statistics(metadata).difference(&named).map(|path| (path.clone(), 0)));
    }
    report.metadata.add(delete(files, rest, dry_run).await);
    Ok(())
}

/// The manifests of expired snapshots that no other snapshot has. A list that isn't there any more has none.
async fn dead_manifests(
    files: &FileIO,
    gone: &[SnapshotRef],
    kept: &[ManifestFile],
) -> anyhow::Result<Vec<ManifestFile>> {
    let mut known: HashSet<String> = kept.iter().map(|manifest| manifest.manifest_path.clone()).collect();
    let lists = stream::iter(gone.iter().cloned())
        .map(|snapshot| async move { reach::manifest_list(files, &snapshot).await })
        .buffered(READ_AT_ONCE);
    let mut lists = std::pin::pin!(lists);
    let mut dead = Vec::new();
    while let Some(list) = lists.next().await {
        match list {
            Ok(list) => dead.extend(list.into_iter().filter(|one| known.insert(one.manifest_path.clone()))),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(dead)
}

/// The files that the next of the manifests name, with their bytes: as many as may be held at once. None: that was all.
async fn candidates(
    files: &FileIO,
    manifests: &mut std::slice::Iter<'_, ManifestFile>,
) -> anyhow::Result<HashMap<String, u64>> {
    let mut found = HashMap::new();
    let mut held = 0;
    for manifest in manifests {
        let entries = match reach::entries(files, manifest).await {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            held += entry.file_path().len() + 64;
            found.insert(entry.file_path().to_owned(), entry.file_size_in_bytes());
        }
        if held >= HELD {
            break;
        }
    }
    Ok(found)
}

/// Those of the files that none of the manifests has among its live ones; so many bytes are held, about.
async fn unused(
    files: &FileIO,
    mut candidates: HashMap<String, u64>,
    manifests: &[ManifestFile],
    memory: usize,
) -> anyhow::Result<HashMap<String, u64>> {
    let live = manifests.iter().filter(|one| one.has_added_files() || one.has_existing_files());
    for some in reach::side_by_side(live, memory) {
        for entries in reach::all_entries(files, some).await? {
            for entry in entries.iter().filter(|entry| entry.is_alive()) {
                candidates.remove(entry.file_path());
            }
        }
        if candidates.is_empty() {
            break;
        }
    }
    Ok(candidates)
}
