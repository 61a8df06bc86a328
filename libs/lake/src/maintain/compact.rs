//! Putting small files together, and small manifests.

use std::collections::HashMap;

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use iceberg::spec::ManifestContentType;
use lakewright_config::maintenance::Compacted;

use super::Policy;
use super::attempts::Attempts;
use super::fit::Wanted;
use super::held::Held;
use super::plan::{Candidate, Group, Specs, plan};
use super::rewrite::{Failed, rewrite};
use super::source::{self, Known, Trouble};
use super::swap::{Done, MERGE_AT, Swap};
use crate::catalog::LoadedTable;
use crate::edit::Edit;
use crate::error::CommitError;
use crate::manifests::{current_manifests, is_small};
use crate::replace::{Replace, carried};

/// Bytes that one commit writes anew at most, about: what is done is done, whatever becomes of the rest.
const COMMIT_BYTES: u64 = 1024 * 1024 * 1024;
/// Groups of one commit.
const COMMIT_GROUPS: usize = 64;
/// Footers that are read at the same time.
const LOOKED_AT_ONCE: usize = 8;
/// How often a group is begun anew without a file that turns out to be broken.
const REPEATED: usize = 3;
/// Of so many files that can't be rewritten the report says why.
const SAID: usize = 3;

/// Puts small files of one partition together, and small manifests. Rows stay as they are; what others commit
/// meanwhile stays too, and a group whose files they changed is given up. Files whose rows can't be read exactly are
/// left as they are, and known from then on.
///
/// # Errors
/// The table can't be read, a commit fails, or writers were faster too often: what was committed before stays.
pub async fn compact(
    mut loaded: LoadedTable,
    policy: &Policy,
    known: &Known,
    dry_run: bool,
) -> anyhow::Result<(LoadedTable, Compacted)> {
    let mut plan = plan(&loaded, policy, known).await.context("look for small files")?;
    let manifests = current_manifests(&loaded).await?.len();
    let mut report = Compacted {
        files_before: plan.files,
        files_after: plan.files,
        skipped: plan.skipped,
        manifests_before: manifests,
        manifests_after: manifests,
        ..Compacted::default()
    };
    let mut groups = plan.groups.into_iter();
    while groups.len() > 0 {
        let (mut done, mut bytes, held) = (Vec::new(), 0, Held::now());
        for group in groups.by_ref() {
            let mut round = Round { loaded: &loaded, policy, known, report: &mut report };
            let Some((group, wanted)) = round.suited(group).await else { continue };
            if dry_run {
                report.replaced += group.files.len() as u64;
                report.replaced_bytes += group.bytes();
                report.written += 1;
            } else if let Some(one) = round.written(group, &wanted).await {
                bytes += one.group.bytes();
                done.push(one);
            }
            if done.len() >= COMMIT_GROUPS || bytes >= COMMIT_BYTES || held.elapsed() > policy.held_at_most / 4 {
                break;
            }
        }
        if !done.is_empty() {
            let swap = Swap { done, held, at_most: policy.held_at_most, looked: &mut plan.looked };
            loaded = swap.commit(loaded, &mut report).await?;
        }
    }
    if !dry_run {
        loaded = merge_manifests(loaded, &mut report).await?;
    }
    report.files_after = report.files_before - report.replaced + report.written;
    Ok((loaded, report))
}

/// Writing one group.
struct Round<'a> {
    loaded: &'a LoadedTable,
    policy: &'a Policy,
    known: &'a Known,
    report: &'a mut Compacted,
}

impl Round<'_> {
    /// The group without files that can't be rewritten, as far as their footers say, and the rows that it is to hold.
    /// `None`: too little is left.
    async fn suited(&mut self, mut group: Group) -> Option<(Group, Wanted)> {
        let wanted = match Wanted::of(self.loaded.table.metadata().current_schema(), &group.spec) {
            Ok(wanted) => wanted,
            Err(error) => {
                self.report.failed.push(format!("{} files: {error}", group.files.len()));
                return None;
            }
        };
        let files = self.loaded.table.file_io();
        let looks = stream::iter(group.files.clone()).map(|file| {
            let wanted = &wanted;
            async move { (source::look(files, &file, wanted).await, file) }
        });
        let looked: Vec<_> = looks.buffered(LOOKED_AT_ONCE).collect().await;
        let before = group.files.len();
        group.files.clear();
        for (verdict, file) in looked {
            match verdict {
                Ok(()) => group.files.push(file),
                Err(Trouble::Unsuited(why)) => self.unsuited(&file, &why),
                Err(Trouble::Unread(error)) => self.report.failed.push(format!("{}: {error:#}", file.path)),
            }
        }
        (group.files.len() == before || self.is_worth_it(&group)).then_some((group, wanted))
    }

    /// A group's rows in new files; `None`: that failed.
    async fn written(&mut self, mut group: Group, wanted: &Wanted) -> Option<Done> {
        for _ in 0..REPEATED {
            match rewrite(self.loaded, &group, wanted, self.policy).await {
                Ok(files) => return Some(Done { group, files }),
                Err(Failed::Unsuited(number, why)) => {
                    let file = group.files.remove(number);
                    self.unsuited(&file, &why);
                    if !self.is_worth_it(&group) {
                        return None;
                    }
                }
                Err(Failed::Other(error)) => {
                    let path = &group.files[0].path;
                    let failed = format!("{} files, the first of them {path}: {error:#}", group.files.len());
                    self.report.failed.push(failed);
                    return None;
                }
            }
        }
        // What was found is known from now on: the next round begins without it.
        None
    }

    fn is_worth_it(&self, group: &Group) -> bool {
        group.files.len() >= self.policy.min_files.max(2)
    }

    fn unsuited(&mut self, file: &Candidate, why: &str) {
        self.known.add(&file.path, self.loaded.table.metadata().current_schema_id());
        self.report.skipped.unsuited += 1;
        if self.report.unsuited.len() < SAID {
            self.report.unsuited.push(format!("{}: {why}", file.path));
        }
    }
}

/// Puts small manifests together where there are many.
async fn merge_manifests(mut loaded: LoadedTable, report: &mut Compacted) -> anyhow::Result<LoadedTable> {
    let specs = Specs::of(&loaded);
    let mut attempts = Attempts::at(&loaded);
    let merged = loop {
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
            break loaded;
        }
        let summary = carried(loaded.table.metadata());
        let replace = Replace { merge_at: MERGE_AT, summary, ..Replace::default() };
        match loaded.apply(Edit::Replace(replace)).await {
            Ok(after) => {
                report.manifests_after = current_manifests(&after).await?.len();
                break after;
            }
            Err(error @ CommitError::Conflict { .. }) => loaded = attempts.again(&loaded, error).await?,
            Err(error) => return Err(attempts.failed(error).await),
        }
    };
    attempts.end().await;
    Ok(merged)
}
