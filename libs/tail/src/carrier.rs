//! A file on the disk that holds a stream's bytes.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::content::{Content, FileId, Modified, modified};
use crate::record::Moment;

/// A file that is followed.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub id: FileId,
    pub path: Arc<Path>,
    /// Whether it stands under another name than it was found first.
    pub moved: bool,
    /// Whether no name leads to it any more.
    pub deleted: bool,
    /// Since when one of these is known.
    pub rotated: Option<Instant>,
    /// The size and the time of change that were seen last.
    pub size: u64,
    pub modified: Modified,
    /// The open file.
    pub content: Option<Content>,
    pub packed: bool,
    /// The stream that it holds, once that is known.
    pub stream: Option<u64>,
    /// Since when it waits: it may be a copy of another, or has no whole line yet and gets none.
    pub held: Option<Instant>,
    /// The size of a copy that ends before what was read of the original: there is nothing to read in it while it has that size.
    pub short: Option<u64>,
    /// The scan that saw it last.
    pub scan: u64,
    /// Whether it stands in the queue of those to be read.
    pub queued: bool,
    /// The turn in which it was read last.
    pub used: u64,
    /// Whether it can't be read; it is tried again after the next scan.
    pub failed: bool,
    /// The size and the time of change up to which it was read: nothing is new until they change.
    pub done: Option<(u64, Modified)>,
}

impl Carrier {
    pub fn new(path: Arc<Path>, metadata: &Metadata, scan: u64) -> Self {
        Self {
            id: FileId::of(metadata),
            path,
            moved: false,
            deleted: false,
            rotated: None,
            size: metadata.len(),
            modified: modified(metadata),
            content: None,
            packed: false,
            stream: None,
            held: None,
            short: None,
            scan,
            queued: false,
            used: 0,
            failed: false,
            done: None,
        }
    }

    /// Takes over what was seen.
    pub fn see(&mut self, metadata: &Metadata) {
        self.size = metadata.len();
        self.modified = modified(metadata);
    }

    /// Whether it is a file that nobody is to write to any more.
    pub fn is_rotated(&self) -> bool {
        self.moved || self.deleted || self.packed
    }

    /// Whether it is such a file, and neither grew nor was known as one for so long.
    pub fn is_over(&self, grew: Instant, now: Moment, time: Duration) -> bool {
        let since = self.rotated.map_or(grew, |rotated| rotated.max(grew));
        self.is_rotated() && now.since(since) >= time
    }

    /// Whether it changed since it was read to its end.
    pub fn is_new(&self) -> bool {
        self.done != Some((self.size, self.modified))
    }
}
