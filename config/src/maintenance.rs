//! One table's maintenance as `lakewright` asks for it and the agents' program reports it, a JSON object each.

use serde::{Deserialize, Serialize};

use crate::agents::stream::Maintenance;

/// Which table is to be maintained, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The account that the table's bucket must belong to.
    pub account: String,
    /// The Glue database.
    pub database: String,
    /// The table's name in it.
    pub table: String,
    /// What is kept; how often isn't asked.
    pub settings: Maintenance,
    /// Says what would be done, and does nothing.
    pub dry_run: bool,
}

/// What became of a table, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The catalog has no such table.
    Absent,
    /// Optimizers of Glue's maintain it, of these types: nothing was done.
    ByGlue(Vec<String>),
    /// It was maintained, as far as the report says.
    Maintained(Box<Report>),
    /// It couldn't be: why.
    Failed(String),
}

/// What maintenance did to a table, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `database.name`.
    pub table: String,
    /// Small files; `None`: it failed.
    pub compacted: Option<Compacted>,
    /// Old snapshots; `None`: it failed.
    pub expired: Option<Expired>,
    /// Files that the table doesn't refer to; `None`: it failed.
    pub orphans: Option<Orphans>,
    /// What failed, and why. The other parts went on.
    pub failures: Vec<String>,
}

impl Report {
    /// All files that were deleted because nothing refers to them.
    pub fn deleted(&self) -> Deleted {
        let mut all = Deleted::default();
        if let Some(expired) = &self.expired {
            all.add(expired.data);
            all.add(expired.metadata);
        }
        if let Some(orphans) = &self.orphans {
            all.add(orphans.deleted);
        }
        all
    }

    /// What its numbers don't say, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(compacted) = &self.compacted {
            let left = compacted.skipped.reasons();
            notes.extend(left.map(|(count, why)| format!("{count} small files are left alone: they {why}")));
            notes.extend(compacted.unsuited.iter().map(|why| format!("left alone: {why}")));
            if compacted.given_up > 0 {
                let groups = compacted.given_up;
                notes.push(format!("{groups} groups of files were given up: another writer changed them meanwhile"));
            }
        }
        let references = self.expired.as_ref().map(|expired| &expired.references[..]).unwrap_or_default();
        if !references.is_empty() {
            notes.push(format!("branches and tags too old: {}", references.join(", ")));
        }
        if let Some(why) = self.orphans.as_ref().and_then(|orphans| orphans.refused.as_ref()) {
            notes.push(format!("orphans aren't deleted: {why}"));
        }
        let left_over = self.deleted().failed;
        if left_over > 0 {
            notes.push(format!("{left_over} files couldn't be deleted and are left over"));
        }
        notes.extend(self.failures.iter().map(|failure| format!("failed: {failure}")));
        notes
    }

    /// Whether anything was changed, or would be.
    pub fn changes(&self) -> bool {
        let compacted = self.compacted.as_ref();
        let merged = compacted.is_some_and(|one| one.replaced > 0 || one.manifests_before != one.manifests_after);
        let expired = self.expired.as_ref().is_some_and(|one| one.snapshots > 0 || !one.references.is_empty());
        merged || expired || self.deleted().files > 0
    }
}

/// What became of small files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Of some of those that can't be read exactly, why: paths and reasons.
    pub unsuited: Vec<String>,
    /// Files and groups that couldn't be read or written, and why.
    pub failed: Vec<String>,
    /// Manifests before.
    pub manifests_before: usize,
    /// Manifests after; with a dry run, as before.
    pub manifests_after: usize,
}

/// Files that are left as they are though they are small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Because delete files apply to them.
    pub with_deletes: u64,
    /// Because they are no Parquet, are encrypted, or have a partition spec whose column is gone.
    pub unsupported: u64,
    /// Because they can't be read exactly as the table's schema says: another engine's types, columns without field ids,
    /// broken ones.
    pub unsuited: u64,
    /// Because there were too many to look at at once; they come next time.
    pub postponed: u64,
}

impl Skipped {
    /// How many there are of each sort, with why; none of which there are none.
    pub fn reasons(&self) -> impl Iterator<Item = (u64, &'static str)> {
        let all = [
            (self.with_deletes, "have rows deleted by delete files"),
            (self.unsupported, "are no plain Parquet, or of a partitioning whose column is gone"),
            (self.unsuited, "can't be read exactly as the table's schema says"),
            (self.postponed, "come next time"),
        ];
        all.into_iter().filter(|(count, _)| *count > 0)
    }
}

/// What became of old snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// Snapshots that are left.
    pub kept: usize,
    /// Snapshots that went.
    pub snapshots: usize,
    /// Branches and tags that went.
    pub references: Vec<String>,
    /// Data and delete files that only they referred to.
    pub data: Deleted,
    /// Manifests, manifest lists and statistics files of theirs.
    pub metadata: Deleted,
}

/// What became of files that the table doesn't refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphans {
    /// Objects that were looked at.
    pub listed: u64,
    /// Files that nothing refers to.
    pub deleted: Deleted,
    /// Why none was deleted.
    pub refused: Option<String>,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Files that are gone.
    pub files: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
    /// Files that couldn't be deleted and are left over.
    pub failed: u64,
}

impl Deleted {
    /// Counts these too.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.failed += other.failed;
    }
}
