//! What a snapshot's summary says: what changed, and the totals that it carries on from the one before.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{DataFile, Snapshot, Struct};

/// What every property of ours begins with.
const OURS: &str = "lakewright.";
/// Says who wrote a snapshot, and is no part of what the rows stand for.
const WRITER: &str = "lakewright.writer";

/// Whether a snapshot says what its rows stand for.
pub(crate) fn says(snapshot: &Snapshot) -> bool {
    snapshot.summary().additional_properties.keys().any(|name| is_of_rows(name))
}

/// Whether a snapshot's property says what its rows stand for.
pub(crate) fn is_of_rows(name: &str) -> bool {
    name.starts_with(OURS) && name != WRITER
}

/// Counts the data files that a snapshot adds and removes. It stands in for the Iceberg crate's
/// `SnapshotSummaryCollector`, which names the partitions by their paths: see `path.rs`.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    added: Count,
    removed: Count,
    partitions: HashSet<(i32, Struct)>,
}

#[derive(Debug, Default)]
struct Count {
    files: u64,
    rows: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, file: &DataFile) {
        self.files += 1;
        self.rows += file.record_count();
        self.bytes += file.file_size_in_bytes();
    }
}

impl Changes {
    /// A file that the snapshot adds.
    pub(crate) fn added(&mut self, file: &DataFile, spec_id: i32) {
        self.added.add(file);
        self.partition(file, spec_id);
    }

    /// A file that the snapshot removes.
    pub(crate) fn removed(&mut self, file: &DataFile, spec_id: i32) {
        self.removed.add(file);
        self.partition(file, spec_id);
    }

    fn partition(&mut self, file: &DataFile, spec_id: i32) {
        if !file.partition().fields().is_empty() {
            self.partitions.insert((spec_id, file.partition().clone()));
        }
    }

    /// The summary's properties; what is nothing isn't named.
    pub(crate) fn properties(&self) -> HashMap<String, String> {
        let numbers = [
            ("added-data-files", self.added.files),
            ("added-records", self.added.rows),
            ("added-files-size", self.added.bytes),
            ("deleted-data-files", self.removed.files),
            ("deleted-records", self.removed.rows),
            ("removed-files-size", self.removed.bytes),
            ("changed-partition-count", self.partitions.len() as u64),
        ];
        let numbers = numbers.into_iter().filter(|(_, number)| *number > 0);
        numbers.map(|(name, number)| (name.to_owned(), number.to_string())).collect()
    }
}

/// Total, what adds to it, what takes from it.
const TOTALS: [(&str, &str, &str); 6] = [
    ("total-data-files", "added-data-files", "deleted-data-files"),
    ("total-delete-files", "added-delete-files", "removed-delete-files"),
    ("total-records", "added-records", "deleted-records"),
    ("total-files-size", "added-files-size", "removed-files-size"),
    ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
    ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
];

/// Adds the totals to a summary. A total that the snapshot before lacks stays absent.
pub(crate) fn add_totals(summary: &mut HashMap<String, String>, previous: Option<&HashMap<String, String>>) {
    let number = |from: &HashMap<String, String>, key: &str| from.get(key).map_or(Some(0), |text| text.parse().ok());
    for (total, added, removed) in TOTALS {
        let before: Option<u64> = match previous {
            None => Some(0),
            Some(previous) => previous.get(total).and_then(|text| text.parse().ok()),
        };
        if let (Some(before), Some(plus), Some(minus)) = (before, number(summary, added), number(summary, removed)) {
            summary.insert(total.to_owned(), (before + plus).saturating_sub(minus).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn totals_go_on_from_the_snapshot_before() {
        let mut first = of(&[("added-records", "5"), ("added-data-files", "2")]);
        add_totals(&mut first, None);
        assert_eq!((first["total-records"].as_str(), first["total-data-files"].as_str()), ("5", "2"));
        let mut second = of(&[("added-records", "1"), ("deleted-records", "5")]);
        add_totals(&mut second, Some(&first));
        assert_eq!((second["total-records"].as_str(), second["total-data-files"].as_str()), ("1", "2"));
        let mut third = of(&[("added-records", "1")]);
        add_totals(&mut third, Some(&of(&[("operation", "replace")])));
        assert!(!third.contains_key("total-records"));
    }
}
