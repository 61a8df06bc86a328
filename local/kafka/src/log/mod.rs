//! The durable log of one partition: segments, producers, high watermark, retention.

mod append;
pub mod batch;
pub mod commit;
mod epochs;
pub mod producers;
mod read;
mod retain;
pub mod segment;
mod transactions;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Fsync;
use crate::disk::Disk;
use batch::Header;
use commit::GroupCommit;
use epochs::Epochs;
use producers::Producers;
use segment::Segment;
use transactions::Transactions;

/// A segment ends at this size even if the topic allows more, so that recovery and retention stay quick.
const SEGMENT_BYTES: u64 = 256 << 20;

/// What the topic's configuration means for a partition.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A new segment starts beyond this size.
    pub segment_bytes: u64,
    /// Age in ms after which records may go; none: never.
    pub retention_ms: Option<i64>,
    /// Size beyond which old segments go; none: never.
    pub retention_bytes: Option<u64>,
    /// Greatest size of a batch.
    pub max_batch: u64,
    /// Whether the log's time replaces the producer's.
    pub stamp: bool,
}

/// Why a batch wasn't stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Its bytes are not what was sent.
    #[error("the batch is corrupt")]
    Corrupt,
    /// Something that this log doesn't store.
    #[error("{0}")]
    Invalid(&'static str),
    /// Larger than the topic allows.
    #[error("the batch is larger than max.message.bytes")]
    TooLarge,
    /// Batches of the producer are missing before it.
    #[error("the sequence has a gap")]
    Gap,
    /// Older than what is remembered of the producer.
    #[error("the sequence is old")]
    Old,
    /// A newer epoch of the producer has written.
    #[error("the producer's epoch is old")]
    Fenced,
    /// The topic is gone.
    #[error("the partition was deleted")]
    Deleted,
    /// The disk said no; nothing was stored.
    #[error("storage: {0}")]
    Storage(#[from] io::Error),
}

/// Where a batch was stored.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// Its first record's offset.
    pub base_offset: i64,
    /// The offset after its last record.
    pub next_offset: i64,
    /// The log's time, when that is what the topic stores; else -1.
    pub timestamp: i64,
    /// First offset of the log.
    pub start: i64,
}

/// What all logs of one start have in common.
#[derive(Clone, Debug)]
pub struct Storage {
    /// When a record is on disk.
    pub fsync: Fsync,
    /// How it comes there.
    pub disk: Arc<dyn Disk>,
    /// The leader epoch: greater than those of all starts before.
    pub epoch: i32,
}

/// A partition's log.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    storage: Storage,
    /// Held while something is made durable.
    syncing: Mutex<()>,
    state: Mutex<State>,
    commit: GroupCommit,
    waiting: Mutex<Vec<Weak<Notify>>>,
}

#[derive(Debug)]
struct State {
    segments: Vec<Segment>,
    producers: Producers,
    transactions: Transactions,
    epochs: Epochs,
    high: High,
    deleted: bool,
}

/// The end of what readers may see.
#[derive(Clone, Copy, Debug)]
struct High {
    offset: i64,
    segment: i64,
    position: u64,
}

/// A flushed point of the log's end.
struct End {
    file: Arc<std::fs::File>,
    high: High,
}

impl Log {
    /// Opens or creates the log in a directory. A torn batch at the end is cut off; what is left is flushed
    /// before anybody can read it.
    pub fn open(directory: &Path, storage: Storage) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let base = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<i64>().ok());
            if let (Some(base), Some("log")) = (base, path.extension().and_then(|e| e.to_str())) {
                names.push((base, path));
            }
        }
        names.sort();
        let mut producers = Producers::default();
        let mut transactions = Transactions::default();
        let mut epochs = Epochs::default();
        let mut segments: Vec<Segment> = Vec::new();
        let last = names.len().saturating_sub(1);
        for (at, (base, path)) in names.into_iter().enumerate() {
            if let Some(previous) = segments.last()
                && previous.next != base
            {
                return Err(io::Error::other(format!(
                    "{}: records {} to {base} are missing before this file",
                    path.display(),
                    previous.next
                )));
            }
            // Only the last file can be torn: a file is flushed before the next one is begun.
            let note = |header: &Header, commit| {
                producers.note(header);
                transactions.note(header, commit);
                epochs.note(header);
            };
            segments.push(Segment::open(path, base, at == last, note)?);
        }
        if segments.is_empty() {
            segments.push(Segment::create(directory, 0)?);
            storage.disk.sync_directory(directory)?;
        }
        let active = segments.last().expect("a log has a segment");
        storage.disk.sync(&active.file())?;
        let high = High { offset: active.next, segment: active.base, position: active.size };
        transactions.advance(high.offset);
        epochs.begin(storage.epoch, high.offset);
        Ok(Self {
            directory: directory.to_owned(),
            storage,
            syncing: Mutex::default(),
            commit: GroupCommit::new(high.offset),
            state: Mutex::new(State { segments, producers, transactions, epochs, high, deleted: false }),
            waiting: Mutex::default(),
        })
    }

    /// Refuses everything from now on and wakes the readers.
    pub fn delete(&self) {
        self.state.lock().deleted = true;
        self.wake();
    }

    /// Notifies when more can be read.
    pub fn watch(&self, notify: &Arc<Notify>) {
        let mut waiting = self.waiting.lock();
        if waiting.len() > 64 {
            waiting.retain(|waiter| waiter.strong_count() > 0);
        }
        waiting.push(Arc::downgrade(notify));
    }

    fn wake(&self) {
        for waiter in self.waiting.lock().drain(..) {
            if let Some(notify) = waiter.upgrade() {
                notify.notify_one();
            }
        }
    }
}

impl State {
    fn start(&self) -> i64 {
        self.segments[0].base
    }

    fn active(&self) -> &Segment {
        self.segments.last().expect("a log has a segment")
    }

    fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log has a segment")
    }

    fn end(&self) -> End {
        let active = self.active();
        End { file: active.file(), high: High { offset: active.next, segment: active.base, position: active.size } }
    }

    /// Lets readers see more.
    fn advance(&mut self, high: High) {
        self.high = high;
        self.transactions.advance(high.offset);
    }

    /// How far a segment may be read.
    fn readable(&self, segment: &Segment) -> u64 {
        match segment.base.cmp(&self.high.segment) {
            std::cmp::Ordering::Less => segment.size,
            std::cmp::Ordering::Equal => self.high.position,
            std::cmp::Ordering::Greater => 0,
        }
    }
}
