//! Old segments of a partition's log are dropped.

use std::io;

use super::segment::Segment;
use super::{High, Limits, Log};

impl Log {
    /// Drops old segments as the topic's retention says and returns how many. Blocks on the disk.
    pub fn retain(&self, limits: &Limits, now: i64) -> io::Result<usize> {
        let mut state = self.state.lock();
        if state.deleted || self.commit.check().is_err() {
            return Ok(0);
        }
        let expired = |s: &Segment| limits.retention_ms.is_some_and(|ms| s.size > 0 && s.max_timestamp < now - ms);
        if expired(state.active()) && state.high.offset == state.active().next {
            self.roll(&mut state)?;
            let high = state.end().high;
            state.advance(high);
        }
        let mut size: u64 = state.segments.iter().map(|segment| segment.size).sum();
        let mut dropped = 0;
        let stable = state.transactions.stable(state.high.offset);
        while state.segments.len() > 1 && state.segments[1].base <= stable {
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
            let start = state.start();
            state.transactions.forget_before(start);
            state.epochs.forget_before(start);
            dropped += 1;
        }
        Ok(dropped)
    }
}
