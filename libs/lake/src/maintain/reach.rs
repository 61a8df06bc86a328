//! Which files snapshots refer to.

use std::collections::HashSet;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use iceberg::io::FileIO;
use iceberg::spec::{
    FormatVersion, ManifestEntryRef, ManifestFile, ManifestList, Snapshot, SnapshotRef, TableMetadata,
};

/// Files that are read at the same time.
pub(super) const READ_AT_ONCE: usize = 16;

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
