//! Committing files in the place of those whose rows they hold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use iceberg::spec::DataFile;
use lakewright_config::maintenance::Compacted;

use super::attempts::Attempts;
use super::held::Held;
use super::looked::Looked;
use super::plan::{Group, Specs};
use crate::catalog::LoadedTable;
use crate::edit::Edit;
use crate::error::CommitError;
use crate::replace::{Replace, carried};

/// So many small manifests of one partition spec are put together, whether or not files are.
pub(super) const MERGE_AT: usize = 10;

/// A group and what was written for it.
pub(super) struct Done {
    pub(super) group: Group,
    pub(super) files: Vec<DataFile>,
}

/// What is committed at once.
pub(super) struct Swap<'a> {
    pub(super) done: Vec<Done>,
    /// Since when it is written.
    pub(super) held: Held,
    /// For how long it may be held.
    pub(super) at_most: Duration,
    pub(super) looked: &'a mut Looked,
}

impl Swap<'_> {
    /// Commits what was written, as far as nobody changed its files.
    ///
    /// # Errors
    /// The table can't be read, the commit fails or others were faster too often, or the files are held for too long.
    pub(super) async fn commit(self, loaded: LoadedTable, report: &mut Compacted) -> anyhow::Result<LoadedTable> {
        let mut attempts = Attempts::at(&loaded);
        let done = self.try_often(&mut attempts, loaded, report).await;
        attempts.end().await;
        done
    }

    async fn try_often(
        mut self,
        attempts: &mut Attempts,
        mut loaded: LoadedTable,
        report: &mut Compacted,
    ) -> anyhow::Result<LoadedTable> {
        loop {
            let affected = match self.still_valid(&loaded, report).await {
                Ok(affected) => affected,
                Err(error) => {
                    discard(&loaded, &self.done).await;
                    return Err(error.context("look at the files that are to be replaced"));
                }
            };
            if self.done.is_empty() {
                return Ok(loaded);
            }
            let replace = self.replace(&loaded, affected);
            // The table was loaded before this is asked: see `Held::check`.
            if let Err(error) = self.held.check(self.at_most) {
                discard(&loaded, &self.done).await;
                return Err(error);
            }
            match loaded.apply(Edit::Replace(replace)).await {
                Ok(after) => {
                    for Done { group, files } in &self.done {
                        report.replaced += group.files.len() as u64;
                        report.replaced_bytes += group.bytes();
                        report.written += files.len() as u64;
                        report.written_bytes += files.iter().map(DataFile::file_size_in_bytes).sum::<u64>();
                    }
                    return Ok(after);
                }
                Err(error @ CommitError::Conflict { .. }) => match attempts.again(&loaded, error).await {
                    Ok(current) => loaded = current,
                    Err(error) => {
                        discard(&loaded, &self.done).await;
                        return Err(error);
                    }
                },
                // It may have happened: the files stay.
                Err(error @ CommitError::Unknown { .. }) => return Err(error.into()),
                Err(error @ CommitError::Failed { .. }) => {
                    discard(&loaded, &self.done).await;
                    return Err(error.into());
                }
            }
        }
    }

    /// Drops the groups of which a file isn't in the table any more, or has delete files applied to it by now; the
    /// answer is the manifests that name the files of the others.
    async fn still_valid(&mut self, loaded: &LoadedTable, report: &mut Compacted) -> anyhow::Result<HashSet<String>> {
        let specs = Specs::of(loaded);
        let group_of: HashMap<&str, usize> = self
            .done
            .iter()
            .zip(0..)
            .flat_map(|(one, number)| one.group.files.iter().map(move |file| (&*file.path, number)))
            .collect();
        let mut live = vec![0; self.done.len()];
        let mut named: Vec<(String, HashSet<usize>)> = Vec::new();
        for (manifest, files) in self.looked.at(loaded, &specs).await? {
            let found: Vec<usize> = files.iter().filter_map(|path| group_of.get(&**path)).copied().collect();
            for group in &found {
                live[*group] += 1;
            }
            if !found.is_empty() {
                named.push((manifest, found.into_iter().collect()));
            }
        }
        let deletes = &self.looked.deletes;
        let valid = |(number, one): (usize, &Done)| {
            let key = (one.group.spec.spec_id(), one.group.partition.clone());
            let untouched = !one.group.files.iter().any(|file| deletes.apply_to(&key, file.sequence));
            (untouched && live[number] == one.group.files.len()).then_some(number)
        };
        let valid: HashSet<usize> = self.done.iter().enumerate().filter_map(valid).collect();
        for (number, one) in std::mem::take(&mut self.done).into_iter().enumerate() {
            if valid.contains(&number) {
                self.done.push(one);
            } else {
                report.given_up += 1;
                loaded.discard(&one.files).await;
            }
        }
        let named = named.into_iter().filter(|(_, groups)| !groups.is_disjoint(&valid));
        Ok(named.map(|(path, _)| path).collect())
    }

    fn replace(&self, loaded: &LoadedTable, affected: HashSet<String>) -> Replace {
        let mut removed = HashSet::new();
        let mut added: BTreeMap<i32, Vec<(DataFile, i64)>> = BTreeMap::new();
        for Done { group, files } in &self.done {
            removed.extend(group.files.iter().map(|file| file.path.to_string()));
            // The newest of theirs: no delete file applies to any of them, so none may to the new ones.
            let sequence = group.files.iter().map(|file| file.sequence).max().unwrap_or(0);
            let of_spec = added.entry(group.spec.spec_id()).or_default();
            of_spec.extend(files.iter().map(|file| (file.clone(), sequence)));
        }
        Replace { removed, affected, added, merge_at: MERGE_AT, summary: carried(loaded.table.metadata()) }
    }
}

async fn discard(loaded: &LoadedTable, done: &[Done]) {
    for one in done {
        loaded.discard(&one.files).await;
    }
}
