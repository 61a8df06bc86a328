//! Which files snapshots refer to.

use std::collections::HashSet;

use anyhow::Context as _;
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use iceberg::io::FileIO;
use iceberg::spec::{
    FormatVersion, ManifestEntryRef, ManifestFile, ManifestList, Snapshot, SnapshotRef, TableMetadata,
};

/// Files that are read at the same time.
pub(super) const READ_AT_ONCE: usize = 16;

/// Manifests that are read at the same time.
const MANIFESTS_AT_ONCE: usize = 8;
/// How much larger a manifest's entries are in memory than its file, which is compressed.
const DECODED: usize = 16;

/// The manifests of snapshots, each once, those of the first snapshot first.
///
/// # Errors
/// A manifest list can't be read: then nobody knows what is referred to.
pub(super) async fn manifests(files: &FileIO, snapshots: &[SnapshotRef]) -> anyhow::Result<Vec<ManifestFile>> {
    let lists = stream::iter(snapshots.iter().cloned())
        .map(|snapshot| async move { manifest_list(files, &snapshot).await })
        .buffered(READ_AT_ONCE);
    let mut known = HashSet::new();
    let mut found = Vec::new();
    let mut lists = std::pin::pin!(lists);
    while let Some(list) = lists.try_next().await? {
        for manifest in list {
            if known.insert(manifest.manifest_path.clone()) {
                found.push(manifest);
            }
        }
    }
    Ok(found)
}

/// The manifests of a snapshot.
///
/// # Errors
/// The list can't be read.
pub(super) async fn manifest_list(files: &FileIO, snapshot: &Snapshot) -> anyhow::Result<Vec<ManifestFile>> {
    let path = snapshot.manifest_list();
    let read = async {
        let bytes = files.new_input(path)?.read().await?;
        ManifestList::parse_with_version(&bytes, FormatVersion::V2)
    };
    let list = read.await.with_context(|| format!("read the manifest list {path}"))?;
    Ok(list.consume_entries().into_iter().collect())
}

/// The entries of a manifest, whatever their state.
///
/// # Errors
/// It can't be read.
pub(super) async fn entries(files: &FileIO, manifest: &ManifestFile) -> anyhow::Result<Vec<ManifestEntryRef>> {
    let loaded = manifest.load_manifest(files).await;
    let loaded = loaded.with_context(|| format!("read the manifest {}", manifest.manifest_path))?;
    Ok(loaded.into_parts().0)
}

/// Manifests in parts that are read side by side: so many that their entries take a quarter of `memory` bytes at most,
/// about, or one alone.
pub(super) fn side_by_side<'a>(
    manifests: impl IntoIterator<Item = &'a ManifestFile>,
    memory: usize,
) -> Vec<Vec<&'a ManifestFile>> {
    let mut parts: Vec<Vec<&ManifestFile>> = Vec::new();
    let mut bytes = 0;
    for manifest in manifests {
        let decoded = usize::try_from(manifest.manifest_length).unwrap_or(0).saturating_mul(DECODED);
        match parts.last_mut() {
            Some(part) if part.len() < MANIFESTS_AT_ONCE && bytes + decoded <= memory / 4 => {
                part.push(manifest);
                bytes += decoded;
            }
            _ => {
                parts.push(vec![manifest]);
                bytes = decoded;
            }
        }
    }
    parts
}

/// The entries of each of the manifests, which are read at the same time.
///
/// # Errors
/// One can't be read.
pub(super) async fn all_entries(
    files: &FileIO,
    manifests: Vec<&ManifestFile>,
) -> anyhow::Result<Vec<Vec<ManifestEntryRef>>> {
    try_join_all(manifests.into_iter().map(|manifest| entries(files, manifest))).await
}

/// The table's snapshots, the current one first, then by age.
pub(super) fn newest_first(metadata: &TableMetadata) -> Vec<SnapshotRef> {
    let mut snapshots: Vec<SnapshotRef> = metadata.snapshots().cloned().collect();
    let current = metadata.current_snapshot_id();
    snapshots.sort_by_key(|snapshot| {
        (Some(snapshot.snapshot_id()) != current, std::cmp::Reverse(snapshot.sequence_number()))
    });
    snapshots
}

/// The statistics files that a table's metadata names.
pub(super) fn statistics(metadata: &TableMetadata) -> HashSet<String> {
    let of_table = metadata.statistics_iter().map(|file| file.statistics_path.clone());
    of_table.chain(metadata.partition_statistics_iter().map(|file| file.statistics_path.clone())).collect()
}

/// Whether an error says that the file isn't there.
pub(super) fn is_missing(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<lakewright_aws::Error>().is_some_and(lakewright_aws::Error::is_not_found))
}

#[cfg(test)]
mod tests {
    use iceberg::spec::ManifestContentType;

    use super::*;

    #[test]
    fn manifests_are_read_side_by_side_within_the_memory() {
        let of = |length| ManifestFile {
            manifest_path: String::new(),
            manifest_length: length,
            partition_spec_id: 0,
            content: ManifestContentType::Data,
            sequence_number: 0,
            min_sequence_number: 0,
            added_snapshot_id: 0,
            added_files_count: None,
            existing_files_count: None,
            deleted_files_count: None,
            added_rows_count: None,
            existing_rows_count: None,
            deleted_rows_count: None,
            partitions: None,
            key_metadata: None,
            first_row_id: None,
        };
        let parts = |lengths: &[i64], memory| {
            let manifests: Vec<ManifestFile> = lengths.iter().map(|length| of(*length)).collect();
            let parts = side_by_side(&manifests, memory);
            parts.into_iter().map(|part| part.into_iter().map(|one| one.manifest_length).collect()).collect::<Vec<_>>()
        };
        let of_memory = |manifests: usize| manifests * DECODED * 4;
        assert_eq!(parts(&[1, 1, 1, 1, 1], of_memory(2)), [vec![1, 1], vec![1, 1], vec![1]]);
        assert_eq!(parts(&[1, 9, 1, 1], of_memory(2)), [vec![1], vec![9], vec![1, 1]]);
        assert_eq!(parts(&[1; 20], of_memory(100)).iter().map(Vec::len).collect::<Vec<_>>(), [8, 8, 4]);
        assert!(parts(&[], of_memory(1)).is_empty());
    }
}
