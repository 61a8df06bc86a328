//! What a partition remembers of idempotent producers, so that a repeated batch is stored once.

use std::collections::{HashMap, VecDeque};

use super::batch::{Header, add_sequence};

/// Batches remembered per producer; as many as a client may have in flight.
const REMEMBERED: usize = 5;
/// Producers remembered per partition; beyond it the one that was silent longest is forgotten.
const PRODUCERS: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Stored {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp: i64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Stored>,
    used: u64,
}

/// The producers of one partition, rebuilt from batch headers when the log is opened.
#[derive(Debug, Default)]
pub struct Producers {
    known: HashMap<i64, Producer>,
    clock: u64,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// Store it.
    Next,
    /// It is stored already, at this offset and with this time.
    Duplicate {
        /// Its first record's offset.
        base_offset: i64,
        /// Its greatest timestamp.
        timestamp: i64,
    },
    /// Batches before it are missing.
    Gap,
    /// Older than what is remembered.
    Old,
    /// A newer instance of the producer has written.
    Fenced,
}

impl Producers {
    /// Judges a batch by its producer's last ones.
    pub fn check(&self, header: &Header) -> Sequence {
        let Some(producer) = self.known.get(&header.producer_id) else {
            return Sequence::Next;
        };
        if header.producer_epoch < producer.epoch {
            return Sequence::Fenced;
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 { Sequence::Next } else { Sequence::Gap };
        }
        let Some(last) = producer.batches.back() else {
            return Sequence::Next;
        };
        let (first, end) = (header.base_sequence, header.last_sequence());
        if let Some(stored) = producer.batches.iter().find(|b| b.base_sequence == first && b.last_sequence == end) {
            return Sequence::Duplicate { base_offset: stored.base_offset, timestamp: stored.timestamp };
        }
        if first == add_sequence(last.last_sequence, 1) {
            return Sequence::Next;
        }
        // Half of the sequence space lies behind the last one, half before it.
        let behind = add_sequence(last.last_sequence, 0).wrapping_sub(first) & i32::MAX;
        if behind < i32::MAX / 2 { Sequence::Old } else { Sequence::Gap }
    }

    /// The epoch that a producer wrote with last.
    pub fn epoch(&self, producer_id: i64) -> Option<i16> {
        self.known.get(&producer_id).map(|producer| producer.epoch)
    }

    /// Remembers a stored batch. Of a marker only the epoch counts: its producer's sequences go on.
    pub fn note(&mut self, header: &Header) {
        if header.producer_id < 0 {
            return;
        }
        self.clock += 1;
        if self.known.len() >= PRODUCERS && !self.known.contains_key(&header.producer_id) {
            let silent = self.known.iter().min_by_key(|(_, producer)| producer.used).map(|(&id, _)| id);
            silent.map(|id| self.known.remove(&id));
        }
        let producer = self.known.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            batches: VecDeque::with_capacity(REMEMBERED),
            used: 0,
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.used = self.clock;
        if header.is_control() {
            return;
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Stored {
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(epoch: i16, base_sequence: i32, records: i32) -> Header {
        Header {
            base_offset: 100,
            size: 61,
            leader_epoch: 0,
            magic: 2,
            checksum: 0,
            attributes: 0,
            last_offset_delta: records - 1,
            base_timestamp: 0,
            max_timestamp: 7,
            producer_id: 1,
            producer_epoch: epoch,
            base_sequence,
            records,
        }
    }

    #[test]
    fn judges_sequences() {
        let mut producers = Producers::default();
        for base in [0, 10, 20, 30, 40, 50] {
            assert_eq!(producers.check(&header(0, base, 10)), Sequence::Next);
            producers.note(&header(0, base, 10));
        }
        assert_eq!(producers.check(&header(0, 10, 10)), Sequence::Duplicate { base_offset: 100, timestamp: 7 });
        assert_eq!(producers.check(&header(0, 0, 10)), Sequence::Old, "forgotten after five more");
        assert_eq!(producers.check(&header(0, 70, 10)), Sequence::Gap);
        assert_eq!(producers.check(&header(1, 5, 1)), Sequence::Gap);
        assert_eq!(producers.check(&header(1, 0, 1)), Sequence::Next);
        producers.note(&header(1, 0, 1));
        assert_eq!(producers.check(&header(0, 60, 10)), Sequence::Fenced);
    }

    #[test]
    fn sequences_wrap_around() {
        let mut producers = Producers::default();
        producers.note(&header(0, i32::MAX - 4, 5));
        assert_eq!(producers.check(&header(0, 0, 3)), Sequence::Next);
        producers.note(&header(0, 0, 3));
        assert_eq!(producers.check(&header(0, i32::MAX - 20, 3)), Sequence::Old);
    }
}
