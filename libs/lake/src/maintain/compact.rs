//! Putting small files together, and small manifests.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Context as _;
use iceberg::spec::{DataFile, ManifestContentType};
use serde::Serialize;

use super::plan::{Group, Skipped, Specs, deletes, plan};
use super::replace::{Replace, carried};
use super::rewrite::rewrite;
use super::{Policy, again, reach};
use crate::catalog::LoadedTable;
use crate::error::CommitError;
use crate::manifests::is_small;
use crate::prepare::{Edit, current_manifests};

/// So many small manifests of one partition spec are put together, whether or not files are.
const MERGE_AT: usize = 10;
/// Bytes that one commit writes anew at most, about: what is done is done, whatever becomes of the rest.
const COMMIT_BYTES: u64 = 1024 * 1024 * 1024;
/// Groups of one commit.
const COMMIT_GROUPS: usize = 64;

/// What became of small files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Data files of the table before.
    pub files_before: u64,
    /// Data files of the table after, or as they would be.
    pub files_after: u64,
    /// Small files that are gone.
    pub replaced: u64,
    /// Their bytes.
    pub replaced_bytes: u64,
    /// Files that stand for them.
    pub written: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Groups of files that somebody else changed meanwhile.
    pub given_up: u64,
    /// Small files that are left.
    pub skipped: Skipped,
    /// Groups that can't be written, and why.
    pub failed: Vec<String>,
    /// Manifests before.
    pub manifests_before: usize,
    /// Manifests after; with a dry run, as before.
    pub manifests_after: usize,
}

/// A group and what was written for it.
struct Done {
    group: Group,
    files: Vec<DataFile>,
}

/// Puts small files of one partition together, and small manifests. Rows stay as they are; what others commit
/// meanwhile stays too, and a group whose files they changed is given up.
///
/// # Errors
/// The table can't be read, a commit fails, or writers were faster too often: what was committed before stays.
pub async fn compact(
    mut loaded: LoadedTable,
    policy: &Policy,
    dry_run: bool,
) -> anyhow::Result<(LoadedTable, Compacted)> {
    let plan = plan(&loaded, policy).await.context("look for small files")?;
    let manifests = current_manifests(&loaded).await?.len();
    let mut report = Compacted {
        files_before: plan.files,
        files_after: plan.files,
        skipped: plan.skipped,
        manifests_before: manifests,
        manifests_after: manifests,
        ..Compacted::default()
    };
    let mut groups = plan.groups.into_iter().peekable();
    if dry_run {
        for group in groups {
            report.replaced += group.files.len() as u64;
            report.replaced_bytes += group.bytes();
            report.written += 1;
        }
        report.files_after = report.files_before - report.replaced + report.written;
        return Ok((loaded, report));
    }
    while groups.peek().is_some() {
        let (mut done, mut bytes) = (Vec::new(), 0);
        while done.len() < COMMIT_GROUPS
            && let Some(group) = groups.next_if(|_| bytes < COMMIT_BYTES)
        {
            bytes += group.bytes();
            match rewrite(&loaded, &group, policy).await {
                Ok(files) => done.push(Done { group, files }),
                Err(error) => {
                    let path = &group.files[0].path;
                    report.failed.push(format!("{} files, the first of them {path}: {error:#}", group.files.len()));
                }
            }
        }
        loaded = commit(loaded, done, &mut report).await?;
    }
    loaded = merge_manifests(loaded, &mut report).await?;
    report.files_after = report.files_before - report.replaced + report.written;
    Ok((loaded, report))
}

/// Commits what was written, as far as nobody changed its files.
async fn commit(mut loaded: LoadedTable, mut done: Vec<Done>, report: &mut Compacted) -> anyhow::Result<LoadedTable> {
    let mut attempt = 0;
    loop {
        let looked = still_valid(&loaded, &mut done, report).await;
        let affected = match looked {
            Ok(affected) => affected,
            Err(error) => {
                discard(&loaded, &done).await;
                return Err(error.context("look at the files that are to be replaced"));
            }
        };
        if done.is_empty() {
            return Ok(loaded);
        }
        match loaded.apply(Edit::Replace(replace(&loaded, &done, affected))).await {
            Ok(after) => {
                for Done { group, files } in &done {
                    report.replaced += group.files.len() as u64;
                    report.replaced_bytes += group.bytes();
                    report.written += files.len() as u64;
                    report.written_bytes += files.iter().map(DataFile::file_size_in_bytes).sum::<u64>();
                }
                return Ok(after);
            }
            Err(error @ CommitError::Conflict { .. }) => match again(&loaded, error, &mut attempt).await {
                Ok(current) => loaded = current,
                Err(error) => {
                    discard(&loaded, &done).await;
                    return Err(error);
                }
            },
            // It may have happened: the files stay.
            Err(error @ CommitError::Unknown { .. }) => return Err(error.into()),
            Err(error @ CommitError::Failed { .. }) => {
                discard(&loaded, &done).await;
                return Err(error.into());
            }
        }
    }
}

/// Drops the groups of which a file isn't in the table any more, or has delete files applied to it by now; the answer
/// is the manifests that name the files of the others.
async fn still_valid(
    loaded: &LoadedTable,
    done: &mut Vec<Done>,
    report: &mut Compacted,
) -> anyhow::Result<HashSet<String>> {
    let specs = Specs::of(loaded);
    let deletes = deletes(loaded, &specs).await?;
    let group_of: HashMap<&str, usize> = done
        .iter()
        .zip(0..)
        .flat_map(|(one, number)| one.group.files.iter().map(move |file| (file.path.as_str(), number)))
        .collect();
    let mut live = vec![0; done.len()];
    let mut named: Vec<(String, HashSet<usize>)> = Vec::new();
    for manifest in current_manifests(loaded).await? {
        if manifest.content != ManifestContentType::Data {
            continue;
        }
        let entries = reach::entries(loaded.table.file_io(), &manifest).await?;
        let found = entries.iter().filter(|entry| entry.is_alive()).filter_map(|entry| group_of.get(entry.file_path()));
        let found: Vec<usize> = found.copied().collect();
        for group in &found {
            live[*group] += 1;
        }
        if !found.is_empty() {
            named.push((manifest.manifest_path, found.into_iter().collect()));
        }
    }
    let valid = |(number, one): (usize, &Done)| {
        let key = (one.group.spec.spec_id(), one.group.partition.clone());
        let untouched = !one.group.files.iter().any(|file| deletes.apply_to(&key, file.sequence));
        (untouched && live[number] == one.group.files.len()).then_some(number)
    };
    let valid: HashSet<usize> = done.iter().enumerate().filter_map(valid).collect();
    for (number, one) in std::mem::take(done).into_iter().enumerate() {
        if valid.contains(&number) {
            done.push(one);
        } else {
            report.given_up += 1;
            loaded.discard(&one.files).await;
        }
    }
    let named = named.into_iter().filter(|(_, groups)| !groups.is_disjoint(&valid));
    Ok(named.map(|(path, _)| path).collect())
}

fn replace(loaded: &LoadedTable, done: &[Done], affected: HashSet<String>) -> Replace {
    let mut removed = HashSet::new();
    let mut added: BTreeMap<i32, Vec<(DataFile, i64)>> = BTreeMap::new();
    for Done { group, files } in done {
        removed.extend(group.files.iter().map(|file| file.path.clone()));
        // The newest of theirs: no delete file applies to any of them, so none may to the new ones.
        let sequence = group.files.iter().map(|file| file.sequence).max().unwrap_or(0);
        let of_spec = added.entry(group.spec.spec_id()).or_default();
        of_spec.extend(files.iter().map(|file| (file.clone(), sequence)));
    }
    Replace { removed, affected, added, merge_at: MERGE_AT, summary: carried(loaded.table.metadata()) }
}

async fn discard(loaded: &LoadedTable, done: &[Done]) {
    for one in done {
        loaded.discard(&one.files).await;
    }
}

/// Puts small manifests together where there are many.
async fn merge_manifests(mut loaded: LoadedTable, report: &mut Compacted) -> anyhow::Result<LoadedTable> {
    let specs = Specs::of(&loaded);
    let mut attempt = 0;
    loop {
        let manifests = current_manifests(&loaded).await?;
        report.manifests_after = manifests.len();
        let mut small: HashMap<i32, usize> = HashMap::new();
        for manifest in manifests {
            let live = manifest.has_added_files() || manifest.has_existing_files();
            if live && manifest.content == ManifestContentType::Data && is_small(&manifest) {
                *small.entry(manifest.partition_spec_id).or_default() += 1;
            }
        }
        if !small.into_iter().any(|(spec, count)| count >= MERGE_AT && specs.knows(spec)) {
            return Ok(loaded);
        }
        let summary = carried(loaded.table.metadata());
        let replace = Replace { merge_at: MERGE_AT, summary, ..Replace::default() };
        match loaded.apply(Edit::Replace(replace)).await {
            Ok(after) => {
                report.manifests_after = current_manifests(&after).await?.len();
                return Ok(after);
            }
            Err(error @ CommitError::Conflict { .. }) => loaded = again(&loaded, error, &mut attempt).await?,
            Err(error) => return Err(error.into()),
        }
    }
}
