//! Which snapshots a commit leaves out of the metadata.

use std::collections::HashSet;

use iceberg::spec::TableMetadata;

/// Snapshots that the table's own properties let go (`history.expire.max-snapshot-age-ms`, set on the table, and
/// `history.expire.min-snapshots-to-keep`). A table that doesn't set the age keeps all: then expiry is somebody
/// else's work. Their files stay until files without a snapshot are removed.
pub(crate) fn old_snapshots(metadata: &TableMetadata, now_ms: i64) -> Vec<i64> {
    let number = |key: &str| metadata.properties().get(key).and_then(|text| text.parse::<i64>().ok());
    let Some(age) = number("history.expire.max-snapshot-age-ms") else { return Vec::new() };
    let keep = number("history.expire.min-snapshots-to-keep").unwrap_or(1).max(1) as usize;
    let mut newest_first: Vec<_> = metadata.snapshots().collect();
    newest_first.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.sequence_number(), snapshot.timestamp_ms())));
    let mut old: Vec<i64> = newest_first
        .into_iter()
        .skip(keep)
        .filter(|snapshot| snapshot.timestamp_ms() < now_ms - age)
        .map(|snapshot| snapshot.snapshot_id())
        .collect();
    if !old.is_empty() {
        let named = named_snapshots(metadata);
        old.retain(|id| !named.contains(id));
    }
    old
}

/// What branches and tags name, among them the current snapshot. The Iceberg crate lists them nowhere but in the
/// metadata as it is written.
fn named_snapshots(metadata: &TableMetadata) -> HashSet<i64> {
    let written = serde_json::to_value(metadata).unwrap_or_default();
    let references = written["refs"].as_object().into_iter().flatten();
    let named = references.filter_map(|(_, reference)| reference["snapshot-id"].as_i64());
    named.chain(metadata.current_snapshot_id()).collect()
}
