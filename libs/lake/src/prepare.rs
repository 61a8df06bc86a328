//! What a commit writes before the catalog hears of it: manifests, manifest list, metadata.

use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use iceberg::MetadataLocation;
use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, Operation, PartitionSpecRef,
    Snapshot, Summary, TableMetadata,
};
use uuid::Uuid;

use crate::catalog::LoadedTable;
use crate::commit::Change;
use crate::expire;
use crate::manifests::ManifestFiles;
use crate::summary::{Changes, add_totals};

/// A commit whose files are written.
pub(crate) struct Prepared {
    pub(crate) metadata: TableMetadata,
    pub(crate) location: String,
    pub(crate) snapshot_id: i64,
    /// Files that only this commit uses.
    pub(crate) written: Vec<String>,
    /// Metadata files that nobody needs when the commit has happened.
    pub(crate) expired: Vec<String>,
}

impl Prepared {
    /// Writes them. On an error what was written is deleted again.
    pub(crate) async fn write(loaded: &LoadedTable, change: Change) -> anyhow::Result<Self> {
        let metadata = loaded.table.metadata();
        if metadata.format_version() != FormatVersion::V2 {
            bail!("its format version is {}; Lakewright writes version 2", metadata.format_version());
        }
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let snapshot_id = ((high ^ low) & (i64::MAX as u64)) as i64;
        let mut files = ManifestFiles {
            table: &loaded.table,
            snapshot_id,
            commit: Uuid::new_v4().to_string(),
            written: Vec::new(),
        };
        let result = write_all(loaded, change, &mut files).await;
        let written = files.written;
        match result {
            Ok((metadata, location, expired)) => Ok(Self { metadata, location, snapshot_id, written, expired }),
            Err(error) => {
                for path in &written {
                    _ = loaded.table.file_io().delete(path).await;
                }
                Err(error)
            }
        }
    }
}

async fn write_all(
    loaded: &LoadedTable,
    change: Change,
    files: &mut ManifestFiles<'_>,
) -> anyhow::Result<(TableMetadata, String, Vec<String>)> {
    let metadata = loaded.table.metadata();
    let snapshot_id = files.snapshot_id;
    let spec = match change.spec_id {
        None => metadata.default_partition_spec().clone(),
        Some(id) => metadata.partition_spec_by_id(id).ok_or_else(|| anyhow!("it has no partition spec {id}"))?.clone(),
    };
    let mut changes = Changes::default();
    for file in &change.files {
        changes.added(file, spec.spec_id());
    }
    let manifests = manifests(loaded, &change, &spec, files, &mut changes).await.context("write the manifests")?;

    let list_path = format!("{}/metadata/snap-{snapshot_id}-0-{}.avro", metadata.location(), files.commit);
    files.written.push(list_path.clone());
    let output = loaded.table.file_io().new_output(&list_path)?.writer().await?;
    let sequence = metadata.next_sequence_number();
    let mut list = ManifestListWriter::v2(output, snapshot_id, metadata.current_snapshot_id(), sequence);
    list.add_manifests(manifests.into_iter())?;
    list.close().await.context("write the manifest list")?;

    let mut properties = change.summary;
    properties.extend(changes.properties());
    add_totals(&mut properties, metadata.current_snapshot().map(|s| &s.summary().additional_properties));
    let operation = if change.overwrite { Operation::Overwrite } else { Operation::Append };
    let now = chrono::Utc::now().timestamp_millis().max(metadata.last_updated_ms());
    let snapshot = Snapshot::builder()
        .with_snapshot_id(snapshot_id)
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(sequence)
        .with_timestamp_ms(now)
        .with_manifest_list(list_path)
        .with_summary(Summary { operation, additional_properties: properties })
        .with_schema_id(metadata.current_schema_id())
        .build();

    let builder = metadata.clone().into_builder(Some(loaded.metadata_location.clone()));
    let mut builder = builder.set_branch_snapshot(snapshot, MAIN_BRANCH)?;
    if !change.properties.is_empty() {
        builder = builder.set_properties(change.properties)?;
    }
    let old = expire::old_snapshots(metadata, now);
    if !old.is_empty() {
        builder = builder.remove_snapshots(&old);
    }
    let built = builder.build().context("make the metadata")?;
    let next = MetadataLocation::from_str(&loaded.metadata_location).map_or_else(
        |_| MetadataLocation::new_with_metadata(metadata.location(), &built.metadata),
        |location| location.with_next_version().with_new_metadata(&built.metadata),
    );
    let location = next.to_string();
    files.written.push(location.clone());
    built.metadata.write_to(loaded.table.file_io(), &next).await.context("write the metadata")?;

    let delete = "write.metadata.delete-after-commit.enabled";
    let delete = built.metadata.properties().get(delete).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let expired = built.expired_metadata_logs.into_iter().filter(|_| delete).map(|log| log.metadata_file).collect();
    Ok((built.metadata, location, expired))
}

/// The manifests that make up the new snapshot.
async fn manifests(
    loaded: &LoadedTable,
    change: &Change,
    spec: &PartitionSpecRef,
    files: &mut ManifestFiles<'_>,
    changes: &mut Changes,
) -> anyhow::Result<Vec<ManifestFile>> {
    let metadata = loaded.table.metadata();
    let existing = match metadata.current_snapshot() {
        None => Vec::new(),
        Some(snapshot) => {
            let list = loaded.table.manifest_list_reader(snapshot).load().await.context("read the manifest list")?;
            list.consume_entries().into_iter().collect()
        }
    };
    let mut manifests = Vec::new();
    if change.overwrite {
        for manifest in &existing {
            let Some((removed, entries)) = files.removed(manifest).await? else { continue };
            if manifest.content == ManifestContentType::Data {
                for entry in &entries {
                    changes.removed(entry.data_file(), manifest.partition_spec_id);
                }
            }
            manifests.push(removed);
        }
    } else {
        manifests = files.kept(existing).await?;
    }
    if !change.files.is_empty() {
        manifests.push(files.added(&change.files, spec).await?);
    }
    Ok(manifests)
}
