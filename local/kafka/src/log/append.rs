//! Writing to a partition's log: batches at its end, segments begun, everything flushed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::MutexGuard;

use super::batch::{self, Header};
use super::producers::Sequence;
use super::segment::Segment;
use super::{AppendError, Appended, Limits, Log, SEGMENT_BYTES, State};
use crate::Fsync;
use crate::disk::Disk;

impl Log {
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
        if header.is_control() {
            return Err(AppendError::Invalid("markers are the log's own to write"));
        }
        if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return Err(AppendError::Invalid("an idempotent producer's batch needs an epoch and a sequence"));
        }
        let stamped = limits.stamp.then(|| batch::stamp(batch, now));
        let batch = stamped.as_ref().unwrap_or(batch);
        if limits.stamp {
            header.max_timestamp = now;
        }

        let state = self.state.lock();
        if state.deleted {
            return Err(AppendError::Deleted);
        }
        self.commit.check()?;
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
        self.place(state, batch, &mut header, None, limits)?;
        Ok(Appended { base_offset: header.base_offset, next_offset: header.next_offset(), timestamp, start })
    }

    /// Ends a producer's transaction in this partition and returns the offset after the marker, which is durable after
    /// [`Log::flush`]. Batches of older epochs are refused from now on. Where both is so already, nothing is written, and
    /// the offset is the log's end. Blocks on the disk.
    pub fn append_marker(
        &self,
        (producer_id, epoch): (i64, i16),
        commit: bool,
        limits: &Limits,
        now: i64,
    ) -> Result<i64, AppendError> {
        let batch = batch::marker(producer_id, epoch, commit, now);
        let mut header = Header::parse(&batch).ok_or(AppendError::Corrupt)?;
        let state = self.state.lock();
        if state.deleted {
            return Err(AppendError::Deleted);
        }
        self.commit.check()?;
        if !state.transactions.is_open(producer_id) && state.producers.epoch(producer_id) >= Some(epoch) {
            return Ok(state.active().next);
        }
        self.place(state, &batch, &mut header, Some(commit), limits)?;
        Ok(header.next_offset())
    }

    /// Gives a batch its place at the end.
    fn place(
        &self,
        mut state: MutexGuard<'_, State>,
        batch: &Bytes,
        header: &mut Header,
        commit: Option<bool>,
        limits: &Limits,
    ) -> io::Result<()> {
        if state.active().size > 0 && state.active().size + header.size > limits.segment_bytes.min(SEGMENT_BYTES) {
            self.roll(&mut state)?;
        }
        let active = state.active_mut();
        header.base_offset = active.next;
        header.leader_epoch = self.storage.epoch;
        active.append(&batch::place(batch, header.base_offset, header.leader_epoch), batch, header)?;
        state.producers.note(header);
        state.transactions.note(header, commit);
        if !matches!(self.storage.fsync, Fsync::BeforeAcknowledge) {
            let high = state.end().high;
            state.advance(high);
            drop(state);
            self.wake();
        }
        Ok(())
    }

    /// Begins a new segment; the old one is durable first, so that only a log's last file can be torn.
    pub(super) fn roll(&self, state: &mut State) -> io::Result<()> {
        let (ended, size) = (state.active().file(), state.active().size);
        // Without what a failed write may have left behind its end.
        ended.set_len(size)?;
        self.sync(|disk| disk.sync(&ended))?;
        let segment = Segment::create(&self.directory, state.active().next)?;
        self.sync(|disk| disk.sync_directory(&self.directory))?;
        state.segments.push(segment);
        Ok(())
    }

    /// Makes something durable, one at a time: the system reports what it couldn't write once, to whoever asks first.
    fn sync(&self, work: impl FnOnce(&dyn Disk) -> io::Result<()>) -> io::Result<()> {
        let _turn = self.syncing.lock();
        self.commit.check()?;
        work(&*self.storage.disk).inspect_err(|error| {
            self.commit.fail(error);
            tracing::error!(directory = %self.directory.display(), %error, "flush failed; the partition takes no more records until a restart");
        })
    }

    /// Returns when the records before `until` are as durable as the policy promises.
    pub async fn flushed(self: &Arc<Self>, until: i64) -> io::Result<()> {
        match self.storage.fsync {
            Fsync::BeforeAcknowledge => self.flush(until).await,
            Fsync::Every(_) => Ok(()),
        }
    }

    /// Flushes everything stored so far.
    pub async fn flush_all(self: &Arc<Self>) -> io::Result<()> {
        let until = self.state.lock().active().next;
        self.flush(until).await
    }

    /// Returns when the records before `until` are durable, whatever the policy.
    pub async fn flush(self: &Arc<Self>, until: i64) -> io::Result<()> {
        let log = self.clone();
        self.commit.wait(until, move || log.flush_now()).await
    }

    fn flush_now(&self) -> io::Result<i64> {
        let end = self.state.lock().end();
        self.sync(|disk| disk.sync(&end.file))?;
        let mut state = self.state.lock();
        if end.high.offset > state.high.offset {
            state.advance(end.high);
            drop(state);
            self.wake();
        }
        Ok(end.high.offset)
    }
}
