//! What is counted of a table's commits.

use lakewright_config::agents::stream;
use lakewright_runtime::{Counter, Metrics};

/// The counters of a table.
pub(super) struct Counters {
    pub(super) rows: Counter,
    pub(super) all_rows: Counter,
    pub(super) files: Counter,
    pub(super) bytes: Counter,
    pub(super) all_bytes: Counter,
    pub(super) conflicts: Counter,
    pub(super) refused: Counter,
    pub(super) turns: Counter,
    pub(super) columns: Counter,
}

impl Counters {
    /// Those of a declared table, or of the dead letters.
    pub(super) fn new(table: &str, dead: bool, metrics: &Metrics) -> Self {
        let labels = [(stream::TABLE, table)];
        Self {
            rows: metrics.counter(&stream::ROWS, &labels),
            all_rows: metrics.counter(if dead { &stream::DEAD_LETTERS } else { &stream::ROWS }, &[]),
            files: metrics.counter(&stream::FILES, &labels),
            bytes: metrics.counter(&stream::BYTES_WRITTEN, &labels),
            all_bytes: metrics.counter(&stream::BYTES_WRITTEN, &[]),
            conflicts: metrics.counter(&stream::COMMIT_CONFLICTS, &[]),
            columns: metrics.counter(&stream::COLUMNS_ADDED, &labels),
            turns: metrics.counter(&stream::COMMIT_TURNS, &[]),
            refused: metrics.counter(&stream::REFUSED_ROWS, &labels),
        }
    }
}
