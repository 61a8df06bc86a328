//! Reading a partition's log: by offset, by time, up to what is durable.

use std::io;

use bytes::Bytes;

use super::Log;
use super::batch::Header;
use super::transactions::Aborted;

/// What was read, and the ends of the log as they were then.
#[derive(Debug)]
pub struct Read {
    /// Whole batches.
    pub records: Bytes,
    /// First offset.
    pub start: i64,
    /// High watermark.
    pub high: i64,
    /// Last stable offset.
    pub stable: i64,
    /// Transactions whose records a reader of committed ones has to leave out.
    pub aborted: Vec<Aborted>,
}

impl Log {
    /// First offset and high watermark.
    pub fn bounds(&self) -> (i64, i64) {
        let state = self.state.lock();
        (state.start(), state.high.offset)
    }

    /// The last stable offset: before it all transactions have ended.
    pub fn stable(&self) -> i64 {
        let state = self.state.lock();
        state.transactions.stable(state.high.offset)
    }

    /// The producers whose transactions are open, and their epochs.
    pub fn open_transactions(&self) -> Vec<(i64, i16)> {
        let state = self.state.lock();
        state.transactions.open().map(|id| (id, state.producers.epoch(id).unwrap_or(0))).collect()
    }

    /// The leader epoch.
    pub fn epoch(&self) -> i32 {
        self.storage.epoch
    }

    /// The leader epoch of an offset.
    pub fn epoch_at(&self, offset: i64) -> i32 {
        self.state.lock().epochs.at(offset)
    }

    /// The greatest leader epoch up to `epoch` and the offset where it ends; none when the log hasn't come to it.
    pub fn epoch_end(&self, epoch: i32) -> Option<(i32, i64)> {
        let state = self.state.lock();
        state.epochs.end(epoch, state.high.offset)
    }

    /// Whole batches from the one that holds `offset` on, of at most `max_bytes` but at least one (none: no batch). `committed` leaves
    /// out what comes after the last stable offset and names the aborted transactions among what is read. None: the offset is
    /// outside the log. Blocks on the disk.
    pub fn read(&self, offset: i64, max_bytes: Option<u64>, committed: bool) -> io::Result<Option<Read>> {
        let (reader, until, max_bytes, mut read) = {
            let state = self.state.lock();
            let (high, stable) = (state.high.offset, state.transactions.stable(state.high.offset));
            if offset < state.start() || offset > high {
                return Ok(None);
            }
            let mut read = Read { high, stable, start: state.start(), aborted: Vec::new(), records: Bytes::new() };
            let until = if committed { stable } else { high };
            let Some(max_bytes) = max_bytes.filter(|_| offset < until) else {
                return Ok(Some(read));
            };
            if committed {
                // Looked up before reading: retention may forget them meanwhile.
                read.aborted = state.transactions.aborted(offset, until);
            }
            let at = state.segments.partition_point(|segment| segment.base <= offset) - 1;
            let segment = &state.segments[at];
            (segment.reader(offset, state.readable(segment)), until, max_bytes, read)
        };
        read.records = reader.read(offset, until, max_bytes)?;
        let end = end_of(&read.records);
        read.aborted.retain(|aborted| aborted.first < end);
        Ok(Some(read))
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
}

/// The offset after the last of some whole batches.
fn end_of(batches: &[u8]) -> i64 {
    let (mut at, mut end) = (0, 0);
    while let Some(header) = batches.get(at..).and_then(Header::parse) {
        at += header.size as usize;
        end = header.next_offset();
    }
    end
}
