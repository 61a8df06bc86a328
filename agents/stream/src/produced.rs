//! When the records of a commit were produced: from that and the time of the commit, how long they took.

use std::collections::BTreeMap;

/// So many times are distinguished in one commit; where there are more, they are rounded.
const MAX_TIMES: usize = 1024;
/// The finest rounding of times, as a power of two of milliseconds.
const FINEST: u32 = 4;

/// How many records were produced when.
#[derive(Debug, Default)]
pub(crate) struct Produced {
    /// By time in milliseconds divided by two to the power of [`FINEST`] and `rounding`.
    counts: BTreeMap<i64, u64>,
    rounding: u32,
    /// The same of the last ones: most records come with others of their time.
    last: (i64, u64),
}

impl Produced {
    /// A record, with its time in milliseconds since 1970 where Kafka has one.
    pub(crate) fn add(&mut self, time: Option<i64>) {
        let Some(time) = time else { return };
        let key = time >> (FINEST + self.rounding);
        if key == self.last.0 {
            self.last.1 += 1;
            return;
        }
        self.keep();
        self.last = (time >> (FINEST + self.rounding), 1);
    }

    fn keep(&mut self) {
        let (key, count) = std::mem::take(&mut self.last);
        if count == 0 {
            return;
        }
        *self.counts.entry(key).or_default() += count;
        while self.counts.len() > MAX_TIMES {
            let before = std::mem::take(&mut self.counts);
            for (key, count) in before {
                *self.counts.entry(key >> 1).or_default() += count;
            }
            self.rounding += 1;
        }
    }

    /// Times in milliseconds, none later than it was, with the number of records of each; nothing is kept.
    pub(crate) fn take(&mut self) -> Vec<(i64, u64)> {
        self.keep();
        let shift = FINEST + std::mem::take(&mut self.rounding);
        std::mem::take(&mut self.counts).into_iter().map(|(key, count)| (key << shift, count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_by_their_times() {
        let mut produced = Produced::default();
        for time in [Some(1000), Some(1001), None, Some(64), Some(1000)] {
            produced.add(time);
        }
        assert_eq!(produced.take(), [(64, 1), (992, 3)]);
        assert_eq!(produced.take(), []);
    }

    #[test]
    fn times_from_all_over_take_no_more_room_and_lose_no_record() {
        let mut produced = Produced::default();
        for step in 0..100_000_i64 {
            produced.add(Some((step * 7919) % 10_000_000));
        }
        let times = produced.take();
        assert!(times.len() <= MAX_TIMES, "{}", times.len());
        assert_eq!(times.iter().map(|(_, count)| count).sum::<u64>(), 100_000);
        assert!(times.last().is_some_and(|(time, _)| *time < 10_000_000 && *time > 9_900_000), "{:?}", times.last());
    }
}
