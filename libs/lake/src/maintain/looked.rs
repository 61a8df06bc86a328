//! What manifests say of the files that are to be replaced. Manifests never change: each is read once, however often a
//! commit is tried.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{ManifestContentType, ManifestFile};

use super::deletes::Deletes;
use super::plan::Specs;
use super::reach;
use crate::catalog::LoadedTable;
use crate::manifests::current_manifests;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// The delete files of all delete manifests that were read: those that are gone meanwhile only leave files alone.
    pub(super) deletes: Deletes,
    of_deletes: HashSet<String>,
    /// Which of the files data manifests have among their live ones.
    data: HashMap<String, Vec<Arc<str>>>,
    /// The files that are to be replaced.
    chosen: HashSet<Arc<str>>,
}

impl Looked {
    /// Takes in a data manifest that was read.
    pub(super) fn add(&mut self, manifest: &str, live: Vec<Arc<str>>) {
        self.data.insert(manifest.to_owned(), live);
    }

    /// Forgets all files but those that are to be replaced.
    pub(super) fn only(&mut self, chosen: HashSet<Arc<str>>) {
        for live in self.data.values_mut() {
            live.retain(|path| chosen.contains(path));
            live.shrink_to_fit();
        }
        self.chosen = chosen;
    }

    /// Takes in the delete files of delete manifests.
    ///
    /// # Errors
    /// One can't be read.
    pub(super) async fn deletes(
        &mut self,
        loaded: &LoadedTable,
        specs: &Specs,
        manifests: &[ManifestFile],
    ) -> anyhow::Result<()> {
        for manifest in manifests.iter().filter(|manifest| manifest.content == ManifestContentType::Deletes) {
            if self.of_deletes.contains(&manifest.manifest_path) {
                continue;
            }
            for entry in reach::entries(loaded.table.file_io(), manifest).await? {
                if !entry.is_alive() {
                    continue;
                }
                let (file, sequence) = (entry.data_file(), entry.sequence_number().unwrap_or(0));
                match specs.partition(manifest.partition_spec_id, file) {
                    Some((spec, partition)) => self.deletes.add(file, spec, partition, sequence),
                    None => self.deletes.add_unusable(file, sequence),
                }
            }
            self.of_deletes.insert(manifest.manifest_path.clone());
        }
        Ok(())
    }

    /// The data manifests that a table has now, each with those of the files that are live in it.
    ///
    /// # Errors
    /// One can't be read.
    pub(super) async fn at(
        &mut self,
        loaded: &LoadedTable,
        specs: &Specs,
    ) -> anyhow::Result<HashMap<String, &[Arc<str>]>> {
        let manifests = current_manifests(loaded).await?;
        self.deletes(loaded, specs, &manifests).await?;
        let data: Vec<&ManifestFile> =
            manifests.iter().filter(|manifest| manifest.content == ManifestContentType::Data).collect();
        for manifest in &data {
            if self.data.contains_key(&manifest.manifest_path) {
                continue;
            }
            let entries = reach::entries(loaded.table.file_io(), manifest).await?;
            let live = entries.iter().filter(|entry| entry.is_alive());
            let live = live.filter_map(|entry| self.chosen.get(entry.file_path()).cloned()).collect();
            self.data.insert(manifest.manifest_path.clone(), live);
        }
        let named = data.into_iter().filter_map(|manifest| {
            let live = self.data.get(&manifest.manifest_path)?;
            Some((manifest.manifest_path.clone(), live.as_slice()))
        });
        Ok(named.collect())
    }
}
