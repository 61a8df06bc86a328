//! Which small files are worth putting together.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{DataFile, DataFileFormat, ManifestContentType, PartitionSpecRef, Struct, StructType};
use lakewright_config::maintenance::Skipped;

use super::looked::Looked;
use super::source::Known;
use super::{Policy, reach};
use crate::catalog::LoadedTable;
use crate::manifests::current_manifests;
use crate::partition::Partition;
use crate::promote::partition_values;

/// A file isn't put together with smaller ones that have less than this part of its bytes together: else a large file
/// would be written anew for every few small ones.
const GROWTH: u64 = 2;
/// Bytes that a candidate takes beside its path.
const CANDIDATE: usize = 160;

/// A small data file.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) path: Arc<str>,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// The sequence number of its data.
    pub(super) sequence: i64,
}

/// Files of one partition that become one.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) spec: PartitionSpecRef,
    pub(super) partition: Struct,
    pub(super) files: Vec<Candidate>,
}

impl Group {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The current snapshot's files, and which of them become one.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) files: u64,
    pub(super) groups: Vec<Group>,
    pub(super) skipped: Skipped,
    pub(super) looked: Looked,
}

/// The partition specs that the table's data files have been written with and can be written with today.
pub(super) struct Specs(HashMap<i32, (PartitionSpecRef, StructType)>);

impl Specs {
    pub(super) fn of(loaded: &LoadedTable) -> Self {
        let metadata = loaded.table.metadata();
        let usable = metadata.partition_specs_iter().filter_map(|spec| {
            let kind = spec.partition_type(metadata.current_schema()).ok()?;
            Some((spec.spec_id(), (spec.clone(), kind)))
        });
        Self(usable.collect())
    }

    /// Whether files are written with a spec.
    pub(super) fn knows(&self, id: i32) -> bool {
        self.0.contains_key(&id)
    }

    /// The spec of a file, and the file's partition in the types of today.
    pub(super) fn partition(&self, id: i32, file: &DataFile) -> Option<(&PartitionSpecRef, Struct)> {
        let (spec, kind) = self.0.get(&id)?;
        Some((spec, partition_values(file.partition(), kind)))
    }
}

/// What is to be put together; not files that are known not to fit.
///
/// # Errors
/// A manifest can't be read.
pub(super) async fn plan(loaded: &LoadedTable, policy: &Policy, known: &Known) -> anyhow::Result<Plan> {
    let specs = Specs::of(loaded);
    let mut plan = Plan::default();
    let manifests = current_manifests(loaded).await?;
    plan.looked.deletes(loaded, &specs, &manifests).await?;
    let schema = loaded.table.metadata().current_schema_id();
    let target = policy.target(loaded.table.metadata()) as u64;
    let small = target - target / 4;
    let mut partitions: HashMap<(i32, Partition), Vec<Candidate>> = HashMap::new();
    let mut held = 0;
    for manifest in &manifests {
        if manifest.content != ManifestContentType::Data {
            continue;
        }
        let mut named = Vec::new();
        for entry in reach::entries(loaded.table.file_io(), manifest).await? {
            if !entry.is_alive() {
                continue;
            }
            plan.files += 1;
            let (file, sequence) = (entry.data_file(), entry.sequence_number().unwrap_or(0));
            if file.file_size_in_bytes() >= small {
                continue;
            }
            let usable = file.file_format() == DataFileFormat::Parquet && file.key_metadata().is_none();
            let found = specs.partition(manifest.partition_spec_id, file).filter(|_| usable);
            let Some((spec, partition)) = found else {
                plan.skipped.unsupported += 1;
                continue;
            };
            let key = (spec.spec_id(), partition);
            if plan.looked.deletes.apply_to(&key, sequence) {
                plan.skipped.with_deletes += 1;
            } else if known.is_unsuited(file.file_path(), schema) {
                plan.skipped.unsuited += 1;
            } else if held > policy.memory_bytes / 4 {
                plan.skipped.postponed += 1;
            } else {
                held += file.file_path().len() + CANDIDATE;
                let path: Arc<str> = file.file_path().into();
                named.push(path.clone());
                let (bytes, rows) = (file.file_size_in_bytes(), file.record_count());
                let (spec, partition) = key;
                partitions.entry((spec, Partition(partition))).or_default().push(Candidate {
                    path,
                    bytes,
                    rows,
                    sequence,
                });
            }
        }
        plan.looked.add(&manifest.manifest_path, named);
    }
    for ((spec_id, Partition(partition)), files) in partitions {
        let Some((spec, _)) = specs.0.get(&spec_id) else { continue };
        for files in bins(files, target, policy.min_files) {
            plan.groups.push(Group { spec: spec.clone(), partition: partition.clone(), files });
        }
    }
    let chosen = plan.groups.iter().flat_map(|group| &group.files);
    plan.looked.only(chosen.map(|file| file.path.clone()).collect());
    // The partitions with the most files first.
    plan.groups.sort_by_key(|group| std::cmp::Reverse(group.files.len()));
    Ok(plan)
}

/// Files of one partition in bins that are worth being made one file each: of about one size, at most `target` bytes
/// together, so many that it helps.
fn bins(mut files: Vec<Candidate>, target: u64, min_files: usize) -> Vec<Vec<Candidate>> {
    files.sort_by(|a, b| (a.bytes, a.sequence, &a.path).cmp(&(b.bytes, b.sequence, &b.path)));
    let mut bins = Vec::new();
    let (mut bin, mut bytes) = (Vec::<Candidate>::new(), 0);
    let mut close = |bin: &mut Vec<Candidate>, bytes: u64| {
        let bin = std::mem::take(bin);
        let full = bytes >= target - target / 4;
        if bin.len() >= min_files.max(2) || (full && bin.len() > 1) {
            bins.push(bin);
        }
    };
    for file in files {
        let larger = !bin.is_empty() && file.bytes > bytes * GROWTH;
        if larger || bytes + file.bytes > target {
            close(&mut bin, bytes);
            bytes = 0;
        }
        bytes += file.bytes;
        bin.push(file);
    }
    close(&mut bin, bytes);
    for bin in &mut bins {
        // In the order in which they came, so that rows of one time stay together.
        bin.sort_by(|a, b| (a.sequence, &a.path).cmp(&(b.sequence, &b.path)));
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[u64]) -> Vec<Vec<u64>> {
        let files = sizes.iter().zip(1..).map(|(bytes, sequence)| Candidate {
            path: format!("{sequence}").into(),
            bytes: *bytes,
            rows: 1,
            sequence,
        });
        let bins = bins(files.collect(), 100, 3);
        bins.into_iter().map(|bin| bin.into_iter().map(|file| file.bytes).collect()).collect()
    }

    #[test]
    fn files_of_one_size_become_one_and_large_ones_wait_for_as_much() {
        assert_eq!(sizes(&[5, 4, 6]), [[5, 4, 6]]);
        assert!(sizes(&[5, 4]).is_empty());
        // 70 bytes aren't written anew for 15.
        assert_eq!(sizes(&[70, 5, 4, 6]), [[5, 4, 6]]);
        assert_eq!(sizes(&[20, 5, 4, 6]), [vec![20, 5, 4, 6]]);
        // Two that fill a file are enough.
        assert_eq!(sizes(&[40, 50]), [[40, 50]]);
        assert_eq!(sizes(&[40; 5]), [[40, 40], [40, 40]]);
        assert!(sizes(&[]).is_empty());
    }

    #[test]
    fn what_was_put_together_isnt_again_at_once() {
        // A file a round, each of one byte: how much is written in all, and how many files are left.
        let (mut files, mut written) = (Vec::<u64>::new(), 0);
        for _ in 0..2_000 {
            files.extend([1]);
            for bin in sizes(&files) {
                let together: u64 = bin.iter().sum();
                for bytes in bin {
                    let place = files.iter().position(|one| *one == bytes).unwrap();
                    files.swap_remove(place);
                }
                written += together;
                files.push(together);
            }
        }
        let open = files.iter().filter(|bytes| **bytes < 75).count();
        assert!(written < 2_000 * 6 && open <= 10, "{written} bytes, {open} open files");
    }
}
