//! The commit: metadata written by us, then one Glue `UpdateTable` with the version that was loaded.

use std::time::Duration;

use anyhow::anyhow;
use iceberg::spec::DataFile;
use lakewright_aws::ask_once;

use crate::catalog::{LoadedTable, glue};
use crate::edit::{Change, Edit};
use crate::error::CommitError;
use crate::evolve::NewColumn;
use crate::lake_formation::missing_grant;
use crate::prepare::Prepared;

/// How often a commit whose answer was lost is sent again: with the same version it takes effect once at most.
const ATTEMPTS: u32 = 6;

impl LoadedTable {
    /// Makes a snapshot of a change, on the condition that the table still is what was loaded.
    ///
    /// # Errors
    /// See [`CommitError`]. Data files are never deleted here: after a conflict they can be committed again.
    pub async fn commit(&self, change: Change) -> Result<Self, CommitError> {
        self.apply(Edit::Change(change)).await
    }

    /// Adds optional columns, and says in the table's property which they are, on the condition that the table still is what was
    /// loaded. No snapshot is made.
    ///
    /// # Errors
    /// See [`CommitError`]. One of the names is taken.
    pub async fn add_columns(&self, columns: &[NewColumn]) -> Result<Self, CommitError> {
        self.apply(Edit::AddColumns(columns.to_vec())).await
    }

    /// Makes new metadata of an edit, on the condition that the table still is what was loaded.
    pub(crate) async fn apply(&self, edit: Edit) -> Result<Self, CommitError> {
        let failed = |source| CommitError::Failed { table: self.full_name(), source };
        let prepared = Prepared::write(self, edit).await.map_err(failed)?;
        let committed = match self.update(&prepared).await {
            Ok(()) => self.committed(&prepared.location, prepared.metadata).await,
            // Somebody committed on top of it already.
            Err(Outcome::OnTop(current)) => Ok(*current),
            Err(Outcome::Error(error)) => {
                // With an unknown outcome the files may be in use.
                if !matches!(error, CommitError::Unknown { .. }) {
                    self.delete_unused(&prepared.written).await;
                }
                return Err(error);
            }
        };
        self.delete_unused(&prepared.expired).await;
        committed.map_err(|source| CommitError::Unknown { table: self.full_name(), source })
    }

    /// Changes the table's version and nothing else, on the condition that the table still is what was loaded: a commit
    /// that was prepared on it before fails.
    ///
    /// # Errors
    /// A conflict also if it isn't known to have happened: load the table again, and try again.
    pub(crate) async fn fence(&self) -> Result<(), CommitError> {
        let input = self.table_input(None, &[]);
        let update = glue(&self.aws).update_table().database_name(&self.database).table_input(input);
        let update = update.version_id(&self.version_id).skip_archive(true);
        let Err(error) = ask_once(update.send()).await else { return Ok(()) };
        if error.is_precondition_failed() || error.lost || error.status >= 500 || error.is_retryable() {
            return Err(CommitError::Conflict { table: self.full_name() });
        }
        let source = anyhow!(error).context("update the table's version in the catalog");
        Err(CommitError::Failed { table: self.full_name(), source })
    }

    async fn update(&self, prepared: &Prepared) -> Result<(), Outcome> {
        let update = glue(&self.aws)
            .update_table()
            .database_name(&self.database)
            .table_input(self.table_input(Some(&prepared.location), &prepared.added))
            .version_id(&self.version_id)
            .skip_archive(true);
        // Once an attempt's outcome isn't known, no later attempt's error is the commit's: the first may still pass.
        let mut ambiguous = false;
        for attempt in 1..=ATTEMPTS {
            let Err(error) = ask_once(update.clone().send()).await else { return Ok(()) };
            let conflict = error.is_precondition_failed();
            ambiguous |= error.lost || error.status >= 500;
            if !conflict && !ambiguous && !error.is_retryable() {
                let grant = missing_grant(&error, (self.database.as_str(), self.name.as_str()), Some(&*self.record));
                let source = anyhow!(error).context("update the table in the catalog");
                let source = match grant {
                    Some(grant) => source.context(grant),
                    None => source,
                };
                return Err(Outcome::Error(CommitError::Failed { table: self.full_name(), source }));
            }
            tracing::warn!(table = self.full_name(), %error, attempt, "commit not confirmed, looking at the table");
            match self.look(prepared).await {
                Ok(Seen::Ours) => return Ok(()),
                Ok(Seen::OnTop(current)) => return Err(Outcome::OnTop(current)),
                // The version that was loaded is gone, so none of the attempts can pass any more.
                Ok(Seen::Another) => return Err(self.conflict()),
                Ok(Seen::Unchanged | Seen::Forgotten) if conflict && !ambiguous => return Err(self.conflict()),
                Ok(Seen::Forgotten) => return Err(self.unknown(forgotten())),
                // The request may still be on its way: sending it again settles it, for only one of them can pass.
                Ok(Seen::Unchanged) | Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
        }
        let source = match self.look(prepared).await {
            Ok(Seen::Ours) => return Ok(()),
            Ok(Seen::OnTop(current)) => return Err(Outcome::OnTop(current)),
            Ok(Seen::Another) => return Err(self.conflict()),
            Ok(Seen::Forgotten) => forgotten(),
            Ok(Seen::Unchanged) => anyhow!("the catalog confirmed none of {ATTEMPTS} attempts"),
            Err(source) => source,
        };
        Err(self.unknown(source))
    }

    fn unknown(&self, source: anyhow::Error) -> Outcome {
        Outcome::Error(CommitError::Unknown { table: self.full_name(), source })
    }

    fn conflict(&self) -> Outcome {
        Outcome::Error(CommitError::Conflict { table: self.full_name() })
    }

    /// What became of a commit that wasn't confirmed.
    async fn look(&self, prepared: &Prepared) -> anyhow::Result<Seen> {
        let current = self.reload().await?;
        let (now, sequence) = (current.table.metadata(), prepared.metadata.last_sequence_number());
        Ok(if current.metadata_location == prepared.location {
            Seen::Ours
        } else if prepared.snapshot_id.is_some_and(|id| now.snapshot_by_id(id).is_some()) {
            Seen::OnTop(Box::new(current))
        } else if current.metadata_location == self.metadata_location {
            // A version of its own is somebody's fence.
            if current.version_id == self.version_id { Seen::Unchanged } else { Seen::Another }
        } else if prepared.snapshot_id.is_none() {
            match self.followed_by(&current) {
                Some(location) if location == prepared.location => Seen::OnTop(Box::new(current)),
                Some(_) => Seen::Another,
                None => Seen::Forgotten,
            }
        } else if now.last_sequence_number() < sequence
            || now.snapshots().any(|snapshot| snapshot.sequence_number() == sequence)
        {
            Seen::Another
        } else {
            Seen::Forgotten
        })
    }

    /// The metadata file that took the place of the one that was loaded, as far as the table's log goes back.
    fn followed_by(&self, current: &Self) -> Option<String> {
        let log = current.table.metadata().metadata_log();
        let ours = log.iter().rposition(|entry| entry.metadata_file == self.metadata_location)?;
        let next = log.get(ours + 1).map_or(&current.metadata_location, |entry| &entry.metadata_file);
        Some(next.clone())
    }

    /// Deletes data files that are known to be in no table: their commit was a conflict or failed, and isn't tried
    /// again. Never call it after [`CommitError::Unknown`].
    pub async fn discard(&self, files: &[DataFile]) {
        let paths: Vec<String> = files.iter().map(|file| file.file_path().to_owned()).collect();
        self.delete_unused(&paths).await;
    }

    /// Deletes files that no metadata names; one that can't be deleted is only left over.
    async fn delete_unused(&self, paths: &[String]) {
        for path in paths {
            if let Err(error) = self.table.file_io().delete(path).await {
                tracing::debug!(%error, path, "unused file left over");
            }
        }
    }
}

enum Outcome {
    OnTop(Box<LoadedTable>),
    Error(CommitError),
}

/// What became of a commit.
enum Seen {
    Ours,
    OnTop(Box<LoadedTable>),
    Unchanged,
    /// Another commit took this one's place.
    Another,
    /// So many others followed that the snapshot in this one's place has expired, whoever's it was: while this writer
    /// was frozen, say. If it was this one's, the table still has its files.
    Forgotten,
}

fn forgotten() -> anyhow::Error {
    anyhow!("the snapshot that took its place in the table's history has expired meanwhile")
}
