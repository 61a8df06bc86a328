//! Deleting files below a table's location that it doesn't refer to.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Context as _, anyhow};
use futures::{StreamExt as _, stream};
use iceberg::spec::SnapshotRef;
use lakewright_aws::Objects;
use lakewright_config::maintenance::Orphans;
use lakewright_config::s3;
use serde::Deserialize;

use super::attempts::Attempts;
use super::deletion::delete;
use super::reach::{self, READ_AT_ONCE};
use super::{Policy, may_delete};
use crate::catalog::LoadedTable;
use crate::error::CommitError;

/// Bytes of paths that are held; what is beyond comes next time.
const HELD: usize = 32 * 1024 * 1024;
/// How many unknown metadata files are looked into, the newest first.
const LOOKED_AT: usize = 5_000;
/// Of each, the bytes that are read first: the table's id is among the first members.
const BEGINNING: u64 = 4 * 1024;
/// What an Iceberg table's files end with. Others are nobody's business here.
const ENDINGS: [&str; 6] = [".parquet", ".avro", ".orc", ".puffin", ".stats", METADATA];
const METADATA: &str = ".metadata.json";

/// A file that may be an orphan.
struct Candidate {
    key: String,
    bytes: u64,
    modified_ms: i64,
    /// Too young to be one: it is only looked at.
    young: bool,
}

/// Deletes files in the table's `data` and `metadata` folders that none of its snapshots, nor its log of metadata files,
/// refers to, and that are older than the policy's safe age. Younger ones may be a writer's that hasn't committed yet.
/// Folders in which another table has its metadata are left alone.
///
/// # Errors
/// What the table refers to can't be read, or the folders can't be listed; nothing is deleted then.
pub async fn remove_orphans(
    loaded: &LoadedTable,
    policy: &Policy,
    now_ms: i64,
    dry_run: bool,
) -> anyhow::Result<Orphans> {
    let mut report = Orphans::default();
    let metadata = loaded.table.metadata();
    let Some(age_ms) = policy.orphans_age_ms else { return Ok(report) };
    if !may_delete(metadata) {
        report.refused = Some("`gc.enabled` is false: its files may be another table's".to_owned());
        return Ok(report);
    }
    let (bucket, prefix) = s3::place(metadata.location())
        .with_context(|| format!("the table's location {} is no place in S3", metadata.location()))?;
    let prefix = prefix.trim_end_matches('/');
    let mut referenced = HashSet::new();
    let files = (loaded, policy.memory_bytes);
    refer(files, &reach::newest_first(metadata), &mut referenced).await?;

    let objects = loaded.aws.objects();
    let mut listing = Listing {
        bucket,
        before_ms: now_ms.saturating_sub(age_ms),
        referenced: &referenced,
        found: Vec::new(),
        foreign: HashSet::new(),
        held: 0,
        unseen: 0,
    };
    for folder in ["data", "metadata"] {
        report.listed += listing.read(&objects, &format!("{prefix}/{folder}/"), folder == "metadata").await?;
    }
    let Listing { mut found, foreign, unseen, .. } = listing;
    found.retain(|one| !foreign.iter().any(|folder| one.key.starts_with(folder.as_str())));
    report.refused = of_another(&objects, bucket, (metadata.uuid(), unseen), &mut found).await;
    found.retain(|one| !one.young);
    // What was committed while the folders were listed counts as well.
    let mut known: HashSet<i64> = metadata.snapshots().map(|snapshot| snapshot.snapshot_id()).collect();
    let mut now = loaded.reload().await?;
    let mut attempts = Attempts::at(&now);
    loop {
        let mut new = reach::newest_first(now.table.metadata());
        new.retain(|snapshot| known.insert(snapshot.snapshot_id()));
        refer((&now, policy.memory_bytes), &new, &mut referenced).await?;
        found.retain(|one| !referenced.contains(&digest(bucket, &one.key)));
        if found.is_empty() || dry_run {
            break;
        }
        // Whoever held files for longer than that, and loaded the table before, commits them no more.
        match now.fence().await {
            Ok(()) => break,
            Err(error @ CommitError::Conflict { .. }) => now = attempts.again(&now, error).await?,
            Err(error) => return Err(attempts.failed(error).await),
        }
    }
    attempts.end().await;
    let paths = found.into_iter().map(|one| (format!("s3://{bucket}/{}", one.key), one.bytes)).collect();
    report.deleted = delete(loaded.table.file_io(), paths, dry_run).await;
    Ok(report)
}

/// Adds what a table's metadata and some of its snapshots refer to, within so many bytes of memory.
async fn refer(
    (loaded, memory): (&LoadedTable, usize),
    snapshots: &[SnapshotRef],
    referenced: &mut HashSet<u64>,
) -> anyhow::Result<()> {
    let metadata = loaded.table.metadata();
    let mut add = |path: &str| {
        if let Some((bucket, key)) = s3::object(path) {
            referenced.insert(digest(bucket, key));
        }
    };
    add(&loaded.metadata_location);
    for entry in metadata.metadata_log() {
        add(&entry.metadata_file);
    }
    for path in reach::statistics(metadata) {
        add(&path);
    }
    for snapshot in snapshots {
        add(snapshot.manifest_list());
    }
    let files = loaded.table.file_io();
    let manifests = reach::manifests(files, snapshots).await?;
    for manifest in &manifests {
        add(&manifest.manifest_path);
    }
    for some in reach::side_by_side(&manifests, memory) {
        for entry in reach::all_entries(files, some).await?.iter().flatten() {
            add(entry.file_path());
        }
    }
    Ok(())
}

/// Stands for an object. That two have the same digest only keeps an orphan.
fn digest(bucket: &str, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (bucket, key).hash(&mut hasher);
    hasher.finish()
}

/// Reads folders page by page.
struct Listing<'a> {
    bucket: &'a str,
    before_ms: i64,
    referenced: &'a HashSet<u64>,
    found: Vec<Candidate>,
    /// Folders of other tables.
    foreign: HashSet<String>,
    held: usize,
    /// Metadata files for which there was no room.
    unseen: usize,
}

impl Listing<'_> {
    /// Reads a folder; `flat`: only what lies in it directly.
    async fn read(&mut self, objects: &Objects, folder: &str, flat: bool) -> anyhow::Result<u64> {
        let (mut listed, mut token) = (0, None);
        loop {
            let page = objects.list_page(self.bucket, folder, token).await;
            let (page, next) = page.with_context(|| format!("list s3://{}/{folder}", self.bucket))?;
            listed += page.len() as u64;
            for one in page {
                let inside = &one.key[folder.len()..];
                if let Some((before, _)) =
                    inside.rsplit_once("metadata/").filter(|_| !flat && inside.ends_with(METADATA))
                {
                    self.foreign.insert(format!("{folder}{before}"));
                }
                let name = inside.rsplit('/').next().unwrap_or(inside);
                // As Iceberg's Java has it: hidden are all but partitions whose field has such a name.
                let hidden = inside.split('/').any(|part| part.starts_with(['_', '.']) && !part.contains('='));
                let ours = ENDINGS.iter().any(|ending| name.ends_with(ending)) && !hidden;
                if !ours || (flat && inside.contains('/')) || self.referenced.contains(&digest(self.bucket, &one.key)) {
                    continue;
                }
                let modified = chrono::DateTime::parse_from_rfc3339(&one.modified)
                    .with_context(|| format!("S3's time of {} is `{}`", one.key, one.modified))?;
                let modified_ms = modified.timestamp_millis();
                let young = modified_ms >= self.before_ms;
                let wanted = !young || (flat && name.ends_with(METADATA));
                if wanted && self.held < HELD {
                    self.held += one.key.len() + 64;
                    self.found.push(Candidate { key: one.key, bytes: one.size, modified_ms, young });
                } else if wanted && name.ends_with(METADATA) {
                    self.unseen += 1;
                }
            }
            token = next;
            if token.is_none() {
                return Ok(listed);
            }
        }
    }
}

/// Why nothing may be deleted but what stays among the found ones: unknown metadata that is another table's, which then
/// lies at the same location, whatever its age; or so much unknown metadata that it can't be looked at in one go. Metadata
/// that can't be read isn't an orphan for sure.
async fn of_another(
    objects: &Objects,
    bucket: &str,
    (own, unseen): (uuid::Uuid, usize),
    found: &mut Vec<Candidate>,
) -> Option<String> {
    let (mut unknown, rest): (Vec<_>, Vec<_>) =
        std::mem::take(found).into_iter().partition(|one| one.key.ends_with(METADATA));
    unknown.sort_by_key(|one| std::cmp::Reverse(one.modified_ms));
    let left = unknown.len().saturating_sub(LOOKED_AT) + unseen;
    unknown.truncate(LOOKED_AT);
    let looks = stream::iter(unknown)
        .map(|one| async move { (table_uuid(objects, bucket, &one.key).await, one) })
        .buffered(READ_AT_ONCE);
    let mut looks = std::pin::pin!(looks);
    while let Some((uuid, one)) = looks.next().await {
        match uuid {
            Ok(uuid) if uuid == own => found.push(one),
            Ok(_) => {
                found.clear();
                let place = format!("s3://{bucket}/{}", one.key);
                return Some(format!(
                    "{place} is another table's metadata; if that table is gone, delete its files by hand"
                ));
            }
            Err(error) => {
                tracing::warn!(key = one.key, error = format!("{error:#}"), "metadata that can't be read is kept");
            }
        }
    }
    if left > 0 {
        // What was looked at is this table's: it goes, and so the rest comes into reach.
        return Some(format!("{left} metadata files that nothing refers to are left to be looked at, next time"));
    }
    found.extend(rest);
    None
}

/// The table that a metadata file belongs to.
async fn table_uuid(objects: &Objects, bucket: &str, key: &str) -> anyhow::Result<uuid::Uuid> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(rename = "table-uuid")]
        uuid: uuid::Uuid,
    }
    let beginning = objects.get(bucket, key, Some(0..BEGINNING)).await.map_err(|error| anyhow!(error))?;
    if let Some(uuid) = named_at_once(&beginning.body) {
        return Ok(uuid);
    }
    let object = objects.get(bucket, key, None).await.map_err(|error| anyhow!(error))?;
    let written: Written = serde_json::from_slice(&object.body).context("it is no metadata of an Iceberg table")?;
    Ok(written.uuid)
}

/// The id that the beginning of a metadata file says. A text that looks like the member within another one has its
/// quotation marks escaped.
fn named_at_once(beginning: &[u8]) -> Option<uuid::Uuid> {
    let text = String::from_utf8_lossy(beginning);
    let (_, rest) = text.split_once("\"table-uuid\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_named_at_the_beginning_of_its_metadata() {
        let id = "00000000-0000-4000-8000-000000000001";
        let of = |text: &str| named_at_once(text.as_bytes()).map(|id| id.to_string());
        assert_eq!(of(&format!("{{\"format-version\":2,\"table-uuid\":\"{id}\",\"loc")).as_deref(), Some(id));
        assert_eq!(of(&format!("{{\n  \"table-uuid\" : \"{id}\"\n")).as_deref(), Some(id));
        assert_eq!(of("{\"format-version\":2,\"table-uuid\":\"0000"), None);
        assert_eq!(of("{\"location\":\"s3://b/t\""), None);
    }
}
