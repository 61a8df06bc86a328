//! Manifests: the current snapshot's are read; the new files', the merged ones', those of files that an overwrite removes are
//! written.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::Result;
use iceberg::spec::{
    DataFile, ManifestContentType, ManifestEntryRef, ManifestFile, ManifestWriter, ManifestWriterBuilder,
    PartitionSpecRef, SchemaRef,
};
use iceberg::table::Table;

use crate::catalog::LoadedTable;
use crate::promote::{is_outdated, promoted};

/// With so many small manifests in a table, a commit writes them into one, so that planning a query stays quick.
pub(crate) const MERGE_AT: usize = 50;
/// A sequence number that stands for the one that the commit is given.
pub(crate) const INHERITED: i64 = -1;
/// Manifests above this size in bytes are left alone.
const SMALL: i64 = 4 * 1024 * 1024;
/// Manifests of so many bytes together are merged into one.
const MERGED: i64 = 8 * 1024 * 1024;

/// Whether a manifest is worth merging with others.
pub(crate) fn is_small(manifest: &ManifestFile) -> bool {
    manifest.manifest_length < SMALL
}

/// The manifests of the current snapshot.
pub(crate) async fn current_manifests(loaded: &LoadedTable) -> anyhow::Result<Vec<ManifestFile>> {
    let Some(snapshot) = loaded.table.metadata().current_snapshot() else { return Ok(Vec::new()) };
    let list = loaded.table.manifest_list_reader(snapshot).load().await.context("read the manifest list")?;
    Ok(list.consume_entries().into_iter().collect())
}

/// Writes the manifests of one commit and remembers their paths.
pub(crate) struct ManifestFiles<'a> {
    pub(crate) table: &'a Table,
    pub(crate) snapshot_id: i64,
    pub(crate) commit: String,
    pub(crate) written: Vec<String>,
}

impl ManifestFiles<'_> {
    fn writer(
        &mut self,
        content: ManifestContentType,
        schema: SchemaRef,
        spec: &PartitionSpecRef,
    ) -> Result<ManifestWriter> {
        let location = self.table.metadata().location();
        let path = format!("{location}/metadata/{}-m{}.avro", self.commit, self.written.len());
        self.written.push(path.clone());
        let output = self.table.file_io().new_output(path)?;
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot_id), schema, spec.as_ref().clone());
        Ok(match content {
            ManifestContentType::Data => builder.build_v2_data(),
            ManifestContentType::Deletes => builder.build_v2_deletes(),
        })
    }

    /// The manifest of new files, of which some may have been written before a column was widened, each with the
    /// sequence number of its data or [`INHERITED`].
    pub(crate) async fn added(&mut self, files: &[(DataFile, i64)], spec: &PartitionSpecRef) -> Result<ManifestFile> {
        let schema = self.table.metadata().current_schema().clone();
        let partition = spec.partition_type(&schema)?;
        let mut writer = self.writer(ManifestContentType::Data, schema.clone(), spec)?;
        for (file, sequence) in files {
            writer.add_file(promoted(file, spec.spec_id(), &partition, &schema)?, *sequence)?;
        }
        writer.write_manifest_file().await
    }

    /// A manifest that records the removal of all live files of `manifest`; `None` when it has none.
    pub(crate) async fn removed(
        &mut self,
        manifest: &ManifestFile,
    ) -> Result<Option<(ManifestFile, Vec<ManifestEntryRef>)>> {
        let loaded = manifest.load_manifest(self.table.file_io()).await?;
        let (entries, metadata) = loaded.into_parts();
        let live: Vec<ManifestEntryRef> = entries.into_iter().filter(|entry| entry.is_alive()).collect();
        if live.is_empty() {
            return Ok(None);
        }
        let spec = Arc::new(metadata.partition_spec().clone());
        let mut writer = self.writer(manifest.content, metadata.schema().clone(), &spec)?;
        for entry in &live {
            let sequence = entry.sequence_number().unwrap_or(0);
            writer.add_delete_file(
                entry.data_file().clone(),
                sequence,
                entry.file_sequence_number.or(Some(sequence)),
            )?;
        }
        Ok(Some((writer.write_manifest_file().await?, live)))
    }

    /// A manifest without some of its files, whose removal it records; and what is removed.
    pub(crate) async fn without(
        &mut self,
        manifest: &ManifestFile,
        paths: &HashSet<String>,
    ) -> Result<(ManifestFile, Vec<ManifestEntryRef>)> {
        let loaded = manifest.load_manifest(self.table.file_io()).await?;
        let (entries, metadata) = loaded.into_parts();
        let spec = Arc::new(metadata.partition_spec().clone());
        let mut writer = self.writer(manifest.content, metadata.schema().clone(), &spec)?;
        let mut removed = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.is_alive()) {
            let sequence = entry.sequence_number().unwrap_or(0);
            let file_sequence = entry.file_sequence_number.or(Some(sequence));
            let file = entry.data_file().clone();
            if paths.contains(entry.file_path()) {
                writer.add_delete_file(file, sequence, file_sequence)?;
                removed.push(entry);
            } else {
                let added_by = entry.snapshot_id().unwrap_or(self.snapshot_id);
                writer.add_existing_file(file, added_by, sequence, file_sequence)?;
            }
        }
        Ok((writer.write_manifest_file().await?, removed))
    }

    /// The manifests that a snapshot keeps: those with live files, of each partition spec `merge_at` small ones or more
    /// merged. Those from before a partition column was widened are written anew at once, whatever their size: see
    /// `promote.rs`.
    pub(crate) async fn kept(&mut self, existing: Vec<ManifestFile>, merge_at: usize) -> Result<Vec<ManifestFile>> {
        let metadata = self.table.metadata();
        let mut kept = Vec::new();
        let mut by_spec: BTreeMap<i32, Vec<ManifestFile>> = BTreeMap::new();
        for manifest in existing {
            if !manifest.has_added_files() && !manifest.has_existing_files() {
                continue;
            }
            if manifest.content == ManifestContentType::Data {
                by_spec.entry(manifest.partition_spec_id).or_default().push(manifest);
            } else {
                kept.push(manifest);
            }
        }
        for (id, manifests) in by_spec {
            // A spec whose column was dropped has no types any more: its manifests stay as they are.
            let spec = metadata.partition_spec_by_id(id).cloned();
            let types =
                spec.and_then(|spec| spec.partition_type(metadata.current_schema()).ok().map(|kind| (spec, kind)));
            let Some((spec, partition)) = types else {
                kept.extend(manifests);
                continue;
            };
            let (mut outdated, rest): (Vec<_>, Vec<_>) =
                manifests.into_iter().partition(|manifest| is_outdated(manifest, &partition));
            let (small, large): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_small);
            kept.extend(large);
            if small.len() + outdated.len() < merge_at {
                kept.extend(small);
            } else {
                outdated.extend(small);
            }
            let mut rest = outdated.into_iter().peekable();
            while rest.peek().is_some() {
                let mut length = 0;
                let mut some = Vec::new();
                while let Some(manifest) = rest.next_if(|_| length < MERGED) {
                    length += manifest.manifest_length;
                    some.push(manifest);
                }
                kept.push(self.merged(&some, &spec).await?);
            }
        }
        Ok(kept)
    }

    async fn merged(&mut self, manifests: &[ManifestFile], spec: &PartitionSpecRef) -> Result<ManifestFile> {
        let files = self.table.file_io().clone();
        let loaded: Vec<_> = stream::iter(manifests.to_vec())
            .map(|manifest| {
                let files = files.clone();
                async move { manifest.load_manifest(&files).await }
            })
            .buffered(8)
            .try_collect()
            .await?;
        let schema = self.table.metadata().current_schema().clone();
        let partition = spec.partition_type(&schema)?;
        let mut writer = self.writer(ManifestContentType::Data, schema.clone(), spec)?;
        for manifest in &loaded {
            for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                let sequence = entry.sequence_number().unwrap_or(0);
                writer.add_existing_file(
                    promoted(entry.data_file(), spec.spec_id(), &partition, &schema)?,
                    entry.snapshot_id().unwrap_or(self.snapshot_id),
                    sequence,
                    entry.file_sequence_number.or(Some(sequence)),
                )?;
            }
        }
        writer.write_manifest_file().await
    }
}
