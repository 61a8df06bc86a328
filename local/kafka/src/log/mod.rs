//! The durable log of one partition: segments, producers, high watermark, retention.

pub mod batch;
pub mod commit;
pub mod producers;
pub mod segment;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Fsync;
use batch::Header;
use commit::GroupCommit;
use producers::{Producers, Sequence};
use segment::Segment;

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

/// A partition's log.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    fsync: Fsync,
    state: Mutex<State>,
    commit: GroupCommit,
    waiting: Mutex<Vec<Weak<Notify>>>,
}

#[derive(Debug)]
struct State {
    segments: Vec<Segment>,
    producers: Producers,
    high: High,
    deleted: bool,
    /// A flush failed: what the disk holds is known only after the log is opened anew.
    failed: bool,
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
    pub fn open(directory: &Path, fsync: Fsync) -> io::Result<Self> {
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
            segments.push(Segment::open(path, base, at == last, |header| producers.note(header))?);
        }
        if segments.is_empty() {
            segments.push(Segment::create(directory, 0)?);
        }
        let active = segments.last().expect("a log has a segment");
        active.file().sync_all()?;
        let high = High { offset: active.next, segment: active.base, position: active.size };
        Ok(Self {
            directory: directory.to_owned(),
            fsync,
            commit: GroupCommit::new(high.offset),
            state: Mutex::new(State { segments, producers, high, deleted: false, failed: false }),
            waiting: Mutex::default(),
        })
    }

    /// Stores one batch at the end and says where. It is durable after [`Log::flushed`]. Blocks on the disk.
    pub fn append(&self, batch: &Bytes, limits: &Limits, now: i64) -> Result<Appended, AppendError> {
        let mut header = Header::parse(batch).ok_or(AppendError::Corrupt)?;
        if header.magic != 2 {
            return Err(AppendError::Invalid("only record batches of format 2 are stored"));
        }
        if header.size != batch.len() as u64 {
            return Err(AppendError::Invalid("one record batch per partition is expected"));
        }
        if header.size > limits.max_batch {
            return Err(AppendError::TooLarge);
        }
        if !batch::is_intact(batch, &header) {
            return Err(AppendError::Corrupt);
        }
        if header.records < 1 || header.last_offset_delta != header.records - 1 {
            return Err(AppendError::Invalid("the number of records doesn't fit the offsets"));
        }
        if header.is_transactional() {
            return Err(AppendError::Invalid("transactions aren't supported"));
        }
        if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return Err(AppendError::Invalid("an idempotent producer's batch needs an epoch and a sequence"));
        }
        let stamped = limits.stamp.then(|| batch::stamp(batch, now));
        let batch = stamped.as_ref().unwrap_or(batch);
        if limits.stamp {
            header.max_timestamp = now;
        }

        let mut state = self.state.lock();
        if state.deleted {
            return Err(AppendError::Deleted);
        }
        if state.failed {
            return Err(AppendError::Storage(io::Error::other("an earlier flush failed; restart the log")));
        }
        let start = state.start();
        let timestamp = if limits.stamp { now } else { -1 };
        match if header.producer_id < 0 { Sequence::Next } else { state.producers.check(&header) } {
            Sequence::Next => {}
            Sequence::Duplicate { base_offset, timestamp } => {
                let next_offset = base_offset + i64::from(header.records);
                let timestamp = if limits.stamp { timestamp } else { -1 };
                return Ok(Appended { base_offset, next_offset, timestamp, start });
            }
            Sequence::Gap => return Err(AppendError::Gap),
            Sequence::Old => return Err(AppendError::Old),
            Sequence::Fenced => return Err(AppendError::Fenced),
        }
        if state.active().size > 0 && state.active().size + header.size > limits.segment_bytes.min(SEGMENT_BYTES) {
            self.roll(&mut state)?;
        }
        let active = state.active_mut();
        header.base_offset = active.next;
        active.append(&batch::place(batch, header.base_offset, 0), batch, &header)?;
        state.producers.note(&header);
        if !matches!(self.fsync, Fsync::BeforeAcknowledge) {
            state.high = state.end().high;
            drop(state);
            self.wake();
        }
        Ok(Appended { base_offset: header.base_offset, next_offset: header.next_offset(), timestamp, start })
    }

    /// Begins a new segment; the old one is durable first, so that only a log's last file can be torn.
    fn roll(&self, state: &mut State) -> io::Result<()> {
        if let Err(error) = state.active().seal() {
            state.failed = true;
            return Err(error);
        }
        let segment = Segment::create(&self.directory, state.active().next)?;
        state.segments.push(segment);
        Ok(())
    }

    /// Returns when the records before `until` are as durable as the policy promises.
    pub async fn flushed(self: &Arc<Self>, until: i64) -> io::Result<()> {
        match self.fsync {
            Fsync::BeforeAcknowledge => self.flush(until).await,
            Fsync::Every(_) => Ok(()),
        }
    }

    /// Flushes everything stored so far.
    pub async fn flush_all(self: &Arc<Self>) -> io::Result<()> {
        let until = self.state.lock().active().next;
        self.flush(until).await
    }

    async fn flush(self: &Arc<Self>, until: i64) -> io::Result<()> {
        let log = self.clone();
        self.commit.wait(until, move || log.flush_now()).await
    }

    fn flush_now(&self) -> io::Result<i64> {
        let end = self.state.lock().end();
        if let Err(error) = end.file.sync_data() {
            self.state.lock().failed = true;
            tracing::error!(directory = %self.directory.display(), %error, "flush failed; the partition takes no more records until a restart");
            return Err(error);
        }
        let mut state = self.state.lock();
        if end.high.offset > state.high.offset {
            state.high = end.high;
            drop(state);
            self.wake();
        }
        Ok(end.high.offset)
    }

    /// First offset and high watermark.
    pub fn bounds(&self) -> (i64, i64) {
        let state = self.state.lock();
        (state.start(), state.high.offset)
    }

    /// Whole batches from the one that holds `offset` on, of at most `max_bytes` but at least one. None: the
    /// offset is outside the log. Blocks on the disk.
    pub fn read(&self, offset: i64, max_bytes: u64) -> io::Result<Option<Bytes>> {
        let reader = {
            let state = self.state.lock();
            if offset < state.start() || offset > state.high.offset {
                return Ok(None);
            }
            if offset == state.high.offset {
                return Ok(Some(Bytes::new()));
            }
            let at = state.segments.partition_point(|segment| segment.base <= offset) - 1;
            let segment = &state.segments[at];
            segment.reader(offset, state.readable(segment))
        };
        reader.read(offset, max_bytes).map(Some)
    }

    /// Offset and timestamp of the first record at or after `timestamp`. Blocks on the disk.
    pub fn find_time(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        let readers: Vec<_> = {
            let state = self.state.lock();
            let segments = state.segments.iter().filter(|s| s.base < state.high.offset && s.max_timestamp >= timestamp);
            segments.map(|segment| segment.reader_at_time(timestamp, state.readable(segment))).collect()
        };
        for reader in readers {
            if let Some(found) = reader.find_time(timestamp)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Offset and timestamp of a record with the greatest timestamp.
    pub fn latest_time(&self) -> Option<(i64, i64)> {
        let state = self.state.lock();
        let newest = state.segments.iter().filter(|s| s.size > 0).max_by_key(|s| s.max_timestamp)?;
        Some((newest.max_timestamp_offset.min(state.high.offset - 1), newest.max_timestamp))
    }

    /// Drops old segments as the topic's retention says and returns how many. Blocks on the disk.
    pub fn retain(&self, limits: &Limits, now: i64) -> io::Result<usize> {
        let mut state = self.state.lock();
        if state.deleted || state.failed {
            return Ok(0);
        }
        let expired = |s: &Segment| limits.retention_ms.is_some_and(|ms| s.size > 0 && s.max_timestamp < now - ms);
        if expired(state.active()) && state.high.offset == state.active().next {
            self.roll(&mut state)?;
            state.high = state.end().high;
        }
        let mut size: u64 = state.segments.iter().map(|segment| segment.size).sum();
        let mut dropped = 0;
        while state.segments.len() > 1 && state.segments[1].base <= state.high.offset {
            let first = &state.segments[0];
            let large = limits.retention_bytes.is_some_and(|bytes| size - first.size >= bytes);
            if !expired(first) && !large {
                break;
            }
            first.remove()?;
            size -= first.size;
            if state.high.segment == first.base {
                let next = &state.segments[1];
                state.high = High { offset: state.high.offset, segment: next.base, position: 0 };
            }
            state.segments.remove(0);
            dropped += 1;
        }
        Ok(dropped)
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

    /// How far a segment may be read.
    fn readable(&self, segment: &Segment) -> u64 {
        match segment.base.cmp(&self.high.segment) {
            std::cmp::Ordering::Less => segment.size,
            std::cmp::Ordering::Equal => self.high.position,
            std::cmp::Ordering::Greater => 0,
        }
    }
}
