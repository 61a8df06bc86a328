//! Reading a partition's log: by offset, by time, up to what is durable.

use std::io;

use bytes::Bytes;

use super::Log;

impl Log {
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
}
