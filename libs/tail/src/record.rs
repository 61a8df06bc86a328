//! What a source gives: a record with its place.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A record with its place. What is in it follows from the file or the journal alone: read again, it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record, without the line break at its end. Bytes as they stand in the file; they may be no UTF-8.
    pub bytes: Bytes,
    /// What the sequence counts in: a file, one generation of its contents, or a journal. Letters, digits, `-` and `.`.
    pub stream: Arc<str>,
    /// The offset of the record's first byte in the file; the number of the entry in the journal.
    pub sequence: u64,
    /// The position after it: what is settled when this record and all before it are taken.
    pub next: u64,
    /// Which part of a record this is that is longer than `max_record`.
    pub piece: Option<Piece>,
    /// When it was written, in microseconds since 1970, where the source knows.
    pub time: Option<u64>,
    /// When the file was made, in microseconds since 1970, where the file system says so: no record in it is older.
    pub born: Option<u64>,
    /// The file, by the name under which it was found first.
    pub path: Option<Arc<Path>>,
}

/// A part of a record that is longer than `max_record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The sequence of the record's first piece.
    pub of: u64,
    /// Counts from 0.
    pub number: u32,
    /// Whether the record ends with it.
    pub last: bool,
}

/// A time by two clocks: one that never steps, for waiting, and the calendar's, for what outlives the process.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The clock that never steps.
    pub instant: Instant,
    /// Seconds since 1970.
    pub unix: u64,
}

impl Moment {
    /// The time now.
    pub fn now() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { instant: Instant::now(), unix }
    }

    /// The time so much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self { instant: self.instant + time, unix: self.unix + time.as_secs() }
    }

    /// How long ago an instant was; zero for one to come.
    pub(crate) fn since(self, before: Instant) -> Duration {
        self.instant.saturating_duration_since(before)
    }
}
