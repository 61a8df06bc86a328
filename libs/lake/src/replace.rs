//! A snapshot that holds the same rows in other files or other manifests.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{anyhow, bail};
use iceberg::spec::{DataFile, ManifestFile, TableMetadata};

use crate::catalog::LoadedTable;
use crate::manifests::{ManifestFiles, current_manifests};
use crate::summary::{Changes, is_of_rows};

/// What such a snapshot changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replace {
    /// Data files that go.
    pub(crate) removed: HashSet<String>,
    /// The manifests of the current snapshot that name them.
    pub(crate) affected: HashSet<String>,
    /// Data files that come, by partition spec, each with the sequence number of its data.
    pub(crate) added: BTreeMap<i32, Vec<(DataFile, i64)>>,
    /// From so many small manifests on they are merged.
    pub(crate) merge_at: usize,
    /// Properties of the snapshot.
    pub(crate) summary: HashMap<String, String>,
}

impl Replace {
    /// The manifests that make up the new snapshot.
    pub(crate) async fn manifests(
        &self,
        loaded: &LoadedTable,
        files: &mut ManifestFiles<'_>,
        changes: &mut Changes,
    ) -> anyhow::Result<Vec<ManifestFile>> {
        let existing = current_manifests(loaded).await?;
        let (affected, rest): (Vec<_>, Vec<_>) =
            existing.into_iter().partition(|manifest| self.affected.contains(&manifest.manifest_path));
        let mut manifests = files.kept(rest, self.merge_at).await?;
        let mut removed = 0;
        for manifest in affected {
            let (written, gone) = files.without(&manifest, &self.removed).await?;
            for entry in &gone {
                changes.removed(entry.data_file(), manifest.partition_spec_id);
            }
            removed += gone.len();
            manifests.push(written);
        }
        if removed != self.removed.len() {
            bail!("{removed} of {} files that are replaced are in the table", self.removed.len());
        }
        for (spec_id, added) in &self.added {
            let spec = loaded.table.metadata().partition_spec_by_id(*spec_id);
            let spec = spec.ok_or_else(|| anyhow!("it has no partition spec {spec_id}"))?;
            for (file, _) in added {
                changes.added(file, *spec_id);
            }
            manifests.push(files.added(added, spec).await?);
        }
        Ok(manifests)
    }
}

/// What the snapshots so far say beside their rows (maps of offsets, for one), to be said again: each property as the
/// current snapshot has it, or its nearest ancestor. The ancestors may expire, the rows stay.
pub(crate) fn carried(metadata: &TableMetadata) -> HashMap<String, String> {
    let mut properties = HashMap::new();
    let mut next = metadata.current_snapshot();
    while let Some(snapshot) = next {
        for (name, value) in &snapshot.summary().additional_properties {
            if is_of_rows(name) && !properties.contains_key(name) {
                properties.insert(name.clone(), value.clone());
            }
        }
        next = snapshot.parent_snapshot_id().and_then(|parent| metadata.snapshot_by_id(parent));
    }
    properties
}
