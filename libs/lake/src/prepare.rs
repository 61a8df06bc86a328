//! What a commit writes before the catalog hears of it: manifests, manifest list, metadata.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use aws_sdk_glue::types::Column;
use iceberg::MetadataLocation;
use iceberg::spec::{
    MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, Operation, PartitionSpecRef, Snapshot, Summary,
    TableMetadata, TableMetadataBuilder,
};
use uuid::Uuid;

use crate::catalog::LoadedTable;
use crate::create::glue_columns;
use crate::edit::{Change, Edit};
use crate::evolve::with_columns;
use crate::expire::{self, Expiry, Retention};
use crate::manifests::{INHERITED, MERGE_AT, ManifestFiles, current_manifests};
use crate::summary::{Changes, add_totals};

/// With so many snapshots that are old and still there, a commit lets them go though the table is maintained.
const TOO_MANY: usize = 1_000;

/// A commit whose files are written.
pub(crate) struct Prepared {
    pub(crate) metadata: TableMetadata,
    pub(crate) location: String,
    /// The snapshot that it makes, if it makes one.
    pub(crate) snapshot_id: Option<i64>,
    /// Files that only this commit uses.
    pub(crate) written: Vec<String>,
    /// Metadata files that nobody needs when the commit has happened.
    pub(crate) expired: Vec<String>,
    /// Columns that Glue doesn't show yet.
    pub(crate) added: Vec<Column>,
}

impl Prepared {
    /// Writes them. On an error what was written is deleted again.
    pub(crate) async fn write(loaded: &LoadedTable, edit: Edit) -> anyhow::Result<Self> {
        loaded.check_format()?;
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let snapshot_id = ((high ^ low) & (i64::MAX as u64)) as i64;
        let makes_snapshot = matches!(edit, Edit::Change(_) | Edit::Replace(_));
        let mut files = ManifestFiles {
            table: &loaded.table,
            snapshot_id,
            commit: Uuid::new_v4().to_string(),
            written: Vec::new(),
        };
        let result = write_all(loaded, edit, &mut files).await;
        let written = files.written;
        match result {
            Ok(Made { metadata, location, expired, added }) => {
                let snapshot_id = makes_snapshot.then_some(snapshot_id);
                Ok(Self { metadata, location, snapshot_id, written, expired, added })
            }
            Err(error) => {
                for path in &written {
                    _ = loaded.table.file_io().delete(path).await;
                }
                Err(error)
            }
        }
    }
}

/// Metadata that is written: where, which files it makes superfluous, and which columns Glue doesn't show yet.
struct Made {
    metadata: TableMetadata,
    location: String,
    expired: Vec<String>,
    added: Vec<Column>,
}

async fn write_all(loaded: &LoadedTable, edit: Edit, files: &mut ManifestFiles<'_>) -> anyhow::Result<Made> {
    let metadata = loaded.table.metadata();
    let builder = metadata.clone().into_builder(Some(loaded.metadata_location.clone()));
    let mut added = Vec::new();
    let builder = match edit {
        Edit::Change(change) => changed(loaded, change, builder, files).await?,
        Edit::Replace(replace) => {
            let mut changes = Changes::default();
            let summary = replace.summary.clone();
            let manifests = replace.manifests(loaded, files, &mut changes).await.context("write the manifests")?;
            let snapshot = snapshot(loaded, Operation::Replace, manifests, (summary, changes), files).await?;
            builder.set_branch_snapshot(snapshot, MAIN_BRANCH)?
        }
        Edit::Expire(expiry) => without(builder, &expiry).remove_schemas(&expire::unused_schemas(metadata, &expiry))?,
        Edit::AddColumns(columns) => {
            let (builder, fields) = with_columns(metadata, builder, &columns)?;
            added = glue_columns(&fields);
            builder
        }
    };
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
    Ok(Made { metadata: built.metadata, location, expired, added })
}

/// The metadata with a writer's change, and without what the table's own properties let go.
async fn changed(
    loaded: &LoadedTable,
    change: Change,
    builder: TableMetadataBuilder,
    files: &mut ManifestFiles<'_>,
) -> anyhow::Result<TableMetadataBuilder> {
    let metadata = loaded.table.metadata();
    let spec = match change.spec_id {
        None => metadata.default_partition_spec().clone(),
        Some(id) => metadata.partition_spec_by_id(id).ok_or_else(|| anyhow!("it has no partition spec {id}"))?.clone(),
    };
    let mut changes = Changes::default();
    for file in &change.files {
        changes.added(file, spec.spec_id());
    }
    let manifests = manifests(loaded, &change, &spec, files, &mut changes).await.context("write the manifests")?;
    let operation = if change.overwrite { Operation::Overwrite } else { Operation::Append };
    let snapshot = snapshot(loaded, operation, manifests, (change.summary, changes), files).await?;
    let now = snapshot.timestamp_ms();
    let mut builder = builder.set_branch_snapshot(snapshot, MAIN_BRANCH)?;
    if !change.properties.is_empty() {
        builder = builder.set_properties(change.properties)?;
    }
    if let Some(retention) = Retention::of_table(metadata) {
        let old = expire::count_old(metadata, &retention, now);
        if old > if change.maintained { TOO_MANY } else { 0 } {
            builder = without(builder, &expire::expired(metadata, &retention, now)?);
        }
    }
    Ok(builder)
}

/// Metadata without what has expired.
fn without(mut builder: TableMetadataBuilder, expiry: &Expiry) -> TableMetadataBuilder {
    for reference in &expiry.references {
        builder = builder.remove_ref(reference);
    }
    for snapshot in &expiry.snapshots {
        builder = builder.remove_statistics(*snapshot).remove_partition_statistics(*snapshot);
    }
    if expiry.snapshots.is_empty() { builder } else { builder.remove_snapshots(&expiry.snapshots) }
}

/// A snapshot on top of the current one, whose manifest list is written; with the properties of its summary, and what
/// it changes.
async fn snapshot(
    loaded: &LoadedTable,
    operation: Operation,
    manifests: Vec<ManifestFile>,
    (mut properties, changes): (HashMap<String, String>, Changes),
    files: &mut ManifestFiles<'_>,
) -> anyhow::Result<Snapshot> {
    let metadata = loaded.table.metadata();
    let snapshot_id = files.snapshot_id;
    let list_path = format!("{}/metadata/snap-{snapshot_id}-0-{}.avro", metadata.location(), files.commit);
    files.written.push(list_path.clone());
    let output = loaded.table.file_io().new_output(&list_path)?.writer().await?;
    let sequence = metadata.next_sequence_number();
    let mut list = ManifestListWriter::v2(output, snapshot_id, metadata.current_snapshot_id(), sequence);
    list.add_manifests(manifests.into_iter())?;
    list.close().await.context("write the manifest list")?;

    properties.extend(changes.properties());
    add_totals(&mut properties, metadata.current_snapshot().map(|s| &s.summary().additional_properties));
    let now = chrono::Utc::now().timestamp_millis().max(metadata.last_updated_ms());
    Ok(Snapshot::builder()
        .with_snapshot_id(snapshot_id)
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(sequence)
        .with_timestamp_ms(now)
        .with_manifest_list(list_path)
        .with_summary(Summary { operation, additional_properties: properties })
        .with_schema_id(metadata.current_schema_id())
        .build())
}

/// The manifests that make up the new snapshot.
async fn manifests(
    loaded: &LoadedTable,
    change: &Change,
    spec: &PartitionSpecRef,
    files: &mut ManifestFiles<'_>,
    changes: &mut Changes,
) -> anyhow::Result<Vec<ManifestFile>> {
    let existing = current_manifests(loaded).await?;
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
        manifests = files.kept(existing, MERGE_AT).await?;
    }
    if !change.files.is_empty() {
        let new: Vec<_> = change.files.iter().map(|file| (file.clone(), INHERITED)).collect();
        manifests.push(files.added(&new, spec).await?);
    }
    Ok(manifests)
}
