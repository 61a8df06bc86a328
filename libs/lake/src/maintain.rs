//! Maintenance of a table beside its writers: small files and manifests put together, old snapshots let go, files that
//! nothing refers to deleted.
//!
//! Every change is one conditional commit, as a writer's is: writers that were faster are respected, and wait only when they
//! were so four times. A file is deleted only when it is known that no snapshot which is left refers to it.
//! `docs/decisions/maintenance.md` says how, and why.

mod attempts;
mod compact;
mod deletes;
mod deletion;
mod expiry;
mod fit;
mod held;
mod looked;
mod optimizers;
mod orphans;
mod plan;
mod reach;
mod rewrite;
mod run;
mod source;
mod swap;

use std::time::Duration;

use iceberg::spec::TableMetadata;

use crate::expire::Retention;
use crate::settings::TARGET_FILE_SIZE;

pub use compact::compact;
pub use expiry::expire;
pub use held::Held;
pub use lakewright_config::maintenance::{Compacted, Deleted, Expired, Orphans, Report, Skipped};
pub use optimizers::optimizers;
pub use orphans::remove_orphans;
pub use run::maintain;
pub use source::Known;

/// Snapshots are kept for 5 days where neither the policy nor the table says otherwise: Iceberg's default
/// (`history.expire.max-snapshot-age-ms`).
const MAX_AGE_MS: i64 = 5 * 86_400_000;
/// One hour.
const GRACE_MS: i64 = 3_600_000;
/// Three days, as Iceberg's `remove_orphan_files` has it.
const ORPHANS_AGE_MS: i64 = 3 * 86_400_000;

/// What maintenance keeps and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Snapshots that are younger, in milliseconds, are kept; `None`: as the table's properties say, 5 days else.
    pub max_age_ms: Option<i64>,
    /// So many snapshots of each branch are kept, however old; `None`: as the table's properties say, 1 else.
    pub min_snapshots: Option<usize>,
    /// For how long, in milliseconds, a snapshot is kept after another took its place, so that running readers go on.
    pub grace_ms: i64,
    /// Files that no snapshot refers to are deleted when they are older, in milliseconds; `None`: they aren't looked
    /// for. It must be longer than any writer holds files before it commits them.
    pub orphans_age_ms: Option<i64>,
    /// For how long files that are written may be held before they are committed: less than `orphans_age_ms` of any
    /// process that maintains the table, or they might be deleted before. Half of it leaves room for clocks.
    pub held_at_most: Duration,
    /// The size in bytes that data files are given, where the table's `write.target-file-size-bytes` doesn't say.
    pub target_bytes: u64,
    /// So many bytes it may hold in memory, about: files get no larger than half of it.
    pub memory_bytes: usize,
    /// So many small files of one partition are worth putting together.
    pub min_files: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_age_ms: None,
            min_snapshots: None,
            grace_ms: GRACE_MS,
            orphans_age_ms: Some(ORPHANS_AGE_MS),
            held_at_most: Duration::from_millis(ORPHANS_AGE_MS.unsigned_abs() / 2),
            target_bytes: TARGET_FILE_SIZE as u64,
            memory_bytes: 256 * 1024 * 1024,
            min_files: 5,
        }
    }
}

impl Policy {
    /// What it keeps of a table.
    fn retention(&self, metadata: &TableMetadata) -> Retention {
        let number = |key: &str| metadata.properties().get(key).and_then(|text| text.parse::<i64>().ok());
        let keep = number("history.expire.min-snapshots-to-keep").and_then(|keep| usize::try_from(keep).ok());
        Retention {
            max_age_ms: self.max_age_ms.or_else(|| number("history.expire.max-snapshot-age-ms")).unwrap_or(MAX_AGE_MS),
            min_snapshots: self.min_snapshots.or(keep).unwrap_or(1).max(1),
            max_ref_age_ms: number("history.expire.max-ref-age-ms").unwrap_or(i64::MAX),
            grace_ms: self.grace_ms,
        }
    }

    /// The size that a table's data files are given, in bytes.
    fn target(&self, metadata: &TableMetadata) -> usize {
        let set = metadata.properties().get("write.target-file-size-bytes").and_then(|text| text.parse::<u64>().ok());
        let target = usize::try_from(set.unwrap_or(self.target_bytes)).unwrap_or(usize::MAX);
        target.min(self.memory_bytes / 2).max(1)
    }
}

/// Whether a table's files may be deleted at all (`gc.enabled`): a table made of another's files says that they may not.
fn may_delete(metadata: &TableMetadata) -> bool {
    !metadata.properties().get("gc.enabled").is_some_and(|value| value.eq_ignore_ascii_case("false"))
}
