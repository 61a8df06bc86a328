//! Which snapshots and references a table's retention lets go.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use iceberg::spec::{MAIN_BRANCH, SchemaRef, Snapshot, SnapshotReference, SnapshotRetention, TableMetadata};
use serde::Deserialize;

use crate::summary::says;

/// For how long a snapshot is kept after another took its place, in milliseconds, unless its table keeps snapshots for
/// less: readers that began with it go on.
const GRACE_MS: i64 = 3_600_000;

/// How long snapshots and references are kept where a branch or tag doesn't say otherwise itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Snapshots that are younger, in milliseconds, are kept.
    pub max_age_ms: i64,
    /// So many of each branch are kept, however old.
    pub min_snapshots: usize,
    /// References other than the main branch are kept for so many milliseconds after their snapshot was made.
    pub max_ref_age_ms: i64,
    /// A snapshot is kept for so many milliseconds after another took its place.
    pub grace_ms: i64,
}

/// What is to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) snapshots: Vec<i64>,
    pub(crate) references: Vec<String>,
    /// Whether snapshots stay only because the current one doesn't say itself what its rows stand for.
    pub(crate) held_back: bool,
}

impl Expiry {
    pub(crate) fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.references.is_empty()
    }
}

impl Retention {
    /// What the table's own properties say (`history.expire.*`). `None` for one that doesn't set the age: then expiry
    /// is somebody else's work.
    pub fn of_table(metadata: &TableMetadata) -> Option<Self> {
        let number = |key: &str| metadata.properties().get(key).and_then(|text| text.parse::<i64>().ok());
        let max_age_ms = number("history.expire.max-snapshot-age-ms")?;
        let keep = number("history.expire.min-snapshots-to-keep").unwrap_or(1);
        Some(Self {
            max_age_ms,
            min_snapshots: usize::try_from(keep).unwrap_or(1).max(1),
            max_ref_age_ms: number("history.expire.max-ref-age-ms").unwrap_or(i64::MAX),
            grace_ms: GRACE_MS.min(max_age_ms),
        })
    }
}

/// What a table lets go at a moment. The current snapshot is never among it, nor any that a branch or tag that is
/// kept keeps by its own retention (`min-snapshots-to-keep`, `max-snapshot-age-ms`, `max-ref-age-ms`).
///
/// Source: Iceberg's Java, `RemoveSnapshots`; the grace is ours.
///
/// # Errors
/// The references can't be read.
pub(crate) fn expired(metadata: &TableMetadata, retention: &Retention, now_ms: i64) -> anyhow::Result<Expiry> {
    let before = |age: i64| now_ms.saturating_sub(age);
    let replaced = Replaced::of(metadata, before(retention.grace_ms));
    let mut expiry = Expiry::default();
    let mut kept: HashSet<i64> = metadata.current_snapshot_id().into_iter().collect();
    // Snapshots that are in the history of a branch or tag: those that aren't live by their age alone.
    let mut named: HashSet<i64> = HashSet::new();
    for (name, reference) in references(metadata)? {
        let Some(head) = metadata.snapshot_by_id(reference.snapshot_id) else { continue };
        let (keep, age, ref_age) = own(&reference.retention, retention);
        if name != MAIN_BRANCH && head.timestamp_ms() < before(ref_age) {
            expiry.references.push(name);
            continue;
        }
        kept.insert(head.snapshot_id());
        named.insert(head.snapshot_id());
        if !reference.is_branch() {
            continue;
        }
        let (mut count, mut going, mut child) = (0, true, None::<&Snapshot>);
        let mut next = Some(head);
        while let Some(snapshot) = next {
            let until = child.map_or(now_ms, Snapshot::timestamp_ms);
            going &= count < keep || snapshot.timestamp_ms() >= before(age) || until >= before(retention.grace_ms);
            if going {
                kept.insert(snapshot.snapshot_id());
            }
            named.insert(snapshot.snapshot_id());
            count += 1;
            child = Some(snapshot);
            next = snapshot.parent_snapshot_id().and_then(|parent| metadata.snapshot_by_id(parent));
        }
    }
    for snapshot in metadata.snapshots() {
        let id = snapshot.snapshot_id();
        let young = !named.contains(&id) && snapshot.timestamp_ms() >= before(retention.max_age_ms);
        if young || replaced.lately(id) {
            kept.insert(id);
        }
    }
    expiry.held_back = keep_what_says(metadata, &mut kept);
    expiry.snapshots = metadata.snapshots().map(|one| one.snapshot_id()).filter(|id| !kept.contains(id)).collect();
    expiry.snapshots.sort_unstable();
    expiry.references.sort_unstable();
    Ok(expiry)
}

/// The schemas that no snapshot names which is left: once written, each stays in every metadata file else.
///
/// Some are kept all the same. One in which a column of the current schema has another type says that files may hold bounds of that
/// type. And the one of the highest number, for the next schema's number follows from it: two schemas never have the same one.
///
/// Source: Iceberg's Java, `RemoveSnapshots.cleanExpiredMetadata`; partition specs stay, for manifests name them.
pub(crate) fn unused_schemas(metadata: &TableMetadata, expiry: &Expiry) -> Vec<i32> {
    let left = metadata.snapshots().filter(|snapshot| !expiry.snapshots.contains(&snapshot.snapshot_id()));
    // A snapshot that names none may have been made by any of them.
    let Some(mut used) = left.map(|snapshot| snapshot.schema_id()).collect::<Option<HashSet<i32>>>() else {
        return Vec::new();
    };
    let now = metadata.current_schema();
    used.insert(now.schema_id());
    used.extend(metadata.schemas_iter().map(|schema| schema.schema_id()).max());
    let was_other = |schema: &SchemaRef| {
        let mut fields = schema.as_struct().fields().iter();
        fields.any(|field| now.field_by_id(field.id).is_some_and(|now| now.field_type != field.field_type))
    };
    let unused = metadata.schemas_iter().filter(|schema| !used.contains(&schema.schema_id()) && !was_other(schema));
    unused.map(|schema| schema.schema_id()).collect()
}

/// Keeps, for each snapshot that is kept, the nearest ancestor that says what its rows stand for (maps of offsets, for
/// one), with those between: other engines' commits say nothing, and without that ancestor nobody knows. Gives whether
/// that was so for the current snapshot.
fn keep_what_says(metadata: &TableMetadata, kept: &mut HashSet<i64>) -> bool {
    let current = metadata.current_snapshot_id();
    let mut roots: Vec<i64> = kept.iter().copied().collect();
    roots.sort_by_key(|id| Some(*id) != current);
    let mut held_back = false;
    // Whether the snapshot, or an ancestor that is there, says it.
    let mut known: HashMap<i64, bool> = HashMap::new();
    for root in roots {
        let (mut between, mut said) = (Vec::new(), false);
        let mut next = metadata.snapshot_by_id(root);
        while let Some(snapshot) = next {
            let id = snapshot.snapshot_id();
            if let Some(answer) = known.get(&id) {
                said = *answer;
                break;
            }
            between.push(id);
            said = says(snapshot);
            if said {
                break;
            }
            next = snapshot.parent_snapshot_id().and_then(|parent| metadata.snapshot_by_id(parent));
        }
        for id in between {
            known.insert(id, said);
            held_back |= said && kept.insert(id) && Some(root) == current;
        }
    }
    held_back
}

/// Snapshots that were the current one until lately, as the table's log says: a rollback leaves no child behind.
struct Replaced(HashSet<i64>);

impl Replaced {
    fn of(metadata: &TableMetadata, since: i64) -> Self {
        let pairs = metadata.history().windows(2);
        let lately = pairs.filter(|pair| pair[1].timestamp_ms() >= since);
        Self(lately.map(|pair| pair[0].snapshot_id).collect())
    }

    fn lately(&self, id: i64) -> bool {
        self.0.contains(&id)
    }
}

/// What counts for a reference: snapshots to keep, their age, its own.
fn own(of: &SnapshotRetention, table: &Retention) -> (usize, i64, i64) {
    match of {
        SnapshotRetention::Branch { min_snapshots_to_keep, max_snapshot_age_ms, max_ref_age_ms } => (
            min_snapshots_to_keep.map_or(table.min_snapshots, |keep| usize::try_from(keep).unwrap_or(1)).max(1),
            max_snapshot_age_ms.unwrap_or(table.max_age_ms),
            max_ref_age_ms.unwrap_or(table.max_ref_age_ms),
        ),
        SnapshotRetention::Tag { max_ref_age_ms } => (1, i64::MAX, max_ref_age_ms.unwrap_or(table.max_ref_age_ms)),
    }
}

/// The branches and tags. The Iceberg crate lists them nowhere but in the metadata as it is written.
///
/// # Errors
/// They can't be read: then none may be taken for absent.
pub(crate) fn references(metadata: &TableMetadata) -> anyhow::Result<HashMap<String, SnapshotReference>> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        refs: HashMap<String, SnapshotReference>,
    }
    let written = serde_json::to_vec(metadata).context("write the metadata to find its branches and tags")?;
    let written: Written = serde_json::from_slice(&written).context("read the table's branches and tags")?;
    Ok(written.refs)
}

/// How many snapshots are old enough for [`expired`] to be worth asking.
pub(crate) fn count_old(metadata: &TableMetadata, retention: &Retention, now_ms: i64) -> usize {
    let age = retention.max_age_ms.min(retention.max_ref_age_ms);
    metadata.snapshots().filter(|snapshot| snapshot.timestamp_ms() < now_ms.saturating_sub(age)).count()
}
