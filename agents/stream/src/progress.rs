//! How far partitions have come, and since when the oldest of what isn't committed waits.
//!
//! Offsets alone don't say whether something waits: a transaction's markers and aborted records have offsets and are
//! handed to nobody. What librdkafka has fetched and handed over counts, whether there was a record or not. Nor do the
//! records' own times say how long they wait, for producers write what they like into them, and records of years ago are
//! sent again: what counts is when the end of the partition was first known to be behind them.

use std::collections::{BTreeMap, VecDeque};

/// A partition, by topic and number.
pub(crate) type Of = (String, i32);

/// So many arrivals of a partition are kept; beyond, each second one is forgotten, and records seem to have come in
/// with those before them.
const MAX_ARRIVALS: usize = 32;

/// How far a partition has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// The next offset that isn't committed.
    pub(crate) next: i64,
    /// The next offset that isn't taken in.
    pub(crate) read: i64,
    /// Before this offset everything was handed over, if it was a record.
    passed: i64,
    /// What is fetched up to an offset is handed over when so many messages have been.
    fetched: Option<(i64, u64)>,
    /// The partition's end, as it was last heard of.
    pub(crate) end: i64,
}

impl Progress {
    /// A partition that is read from an offset on, and committed up to one.
    pub(crate) fn new(next: i64, read: i64, end: i64) -> Self {
        Self { next, read, passed: read, fetched: None, end }
    }

    /// Everything before is committed.
    fn committed(&self) -> i64 {
        if self.next >= self.read { self.next.max(self.passed) } else { self.next }
    }

    fn taken_in(&self) -> i64 {
        self.read.max(self.passed)
    }

    fn lag(&self) -> i64 {
        (self.end - self.committed()).max(0)
    }
}

/// What a client's statistics say of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// The offset behind the last record that readers of committed ones may see.
    pub(crate) end: i64,
    /// The next offset to fetch.
    pub(crate) fetched: i64,
    /// How many messages wait to be handed over, of all partitions.
    pub(crate) waiting: u64,
}

/// From which offset on records had come in when.
#[derive(Debug, Default)]
struct Arrivals(VecDeque<(i64, i64)>);

impl Arrivals {
    fn add(&mut self, from: i64, at: i64) {
        if self.0.back().is_some_and(|(last, _)| *last >= from) {
            return;
        }
        if self.0.len() >= MAX_ARRIVALS {
            let mut keep = false;
            self.0.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.0.push_back((from, at));
    }

    /// When the record at an offset had come in.
    fn of(&self, offset: i64) -> Option<i64> {
        let before = self.0.iter().rev().find(|(from, _)| *from <= offset);
        before.or(self.0.front()).map(|(_, at)| *at)
    }

    fn forget_before(&mut self, offset: i64) {
        while self.0.get(1).is_some_and(|(from, _)| *from <= offset) {
            self.0.pop_front();
        }
    }
}

/// All partitions that are read.
#[derive(Debug, Default)]
pub(crate) struct AllProgress {
    /// `None` until reading has begun.
    read: Option<BTreeMap<Of, Progress>>,
    /// Of all partitions that this agent has, whether they are read or not: what waits goes on waiting.
    arrivals: BTreeMap<Of, Arrivals>,
    /// How many messages were handed over.
    handed: u64,
    /// Of how many partitions it isn't known yet whether what is fetched is handed over.
    open: usize,
}

impl AllProgress {
    /// These partitions are the agent's, and no others.
    pub(crate) fn assign(&mut self, of: &[Of]) {
        self.arrivals.retain(|one, _| of.contains(one));
        let Some(read) = &mut self.read else { return };
        read.retain(|one, _| of.contains(one));
        self.open = read.values().filter(|progress| progress.fetched.is_some()).count();
    }

    /// Reading has begun at what is committed; `None`: it has ended.
    pub(crate) fn begin(&mut self, read: Option<BTreeMap<Of, Progress>>, now: i64) {
        for (of, progress) in read.iter().flatten() {
            let arrivals = self.arrivals.entry(of.clone()).or_default();
            if progress.lag() == 0 {
                arrivals.0.clear();
            } else if arrivals.0.is_empty() {
                arrivals.add(progress.committed(), now);
            }
        }
        (self.read, self.open) = (read, 0);
    }

    /// What is committed now.
    pub(crate) fn committed(&mut self, of: &Of, next: i64) {
        if let Some(progress) = self.read.as_mut().and_then(|read| read.get_mut(of)) {
            progress.next = next;
            self.look(of);
        }
    }

    /// What is taken in now.
    pub(crate) fn taken_in(&mut self, of: &Of, read: i64) {
        if let Some(progress) = self.read.as_mut().and_then(|all| all.get_mut(of)) {
            progress.read = read;
        }
    }

    /// So many messages were handed over since; and whether there were no more.
    pub(crate) fn handed(&mut self, messages: u64, all: bool) {
        self.handed += messages;
        if self.open == 0 {
            return;
        }
        let handed = self.handed;
        let mut moved = Vec::new();
        for (of, progress) in self.read.iter_mut().flatten() {
            if let Some((offset, at)) = progress.fetched
                && (all || at <= handed)
            {
                progress.passed = progress.passed.max(offset);
                progress.fetched = None;
                moved.push(of.clone());
            }
        }
        self.open -= moved.len();
        for of in moved {
            self.look(&of);
        }
    }

    /// What statistics say of a partition.
    pub(crate) fn heard(&mut self, of: &Of, heard: Heard, now: i64) {
        let Some(progress) = self.read.as_mut().and_then(|read| read.get_mut(of)) else { return };
        let before = progress.end;
        progress.end = before.max(heard.end);
        if heard.fetched > progress.passed && progress.fetched.is_none() {
            progress.fetched = Some((heard.fetched, self.handed + heard.waiting));
            self.open += 1;
        }
        if progress.end > before {
            let from = before.max(progress.committed());
            self.arrivals.entry(of.clone()).or_default().add(from, now);
        }
        self.look(of);
    }

    /// Forgets the arrivals of what is committed.
    fn look(&mut self, of: &Of) {
        let Some(progress) = self.read.as_ref().and_then(|read| read.get(of)) else { return };
        let Some(arrivals) = self.arrivals.get_mut(of) else { return };
        if progress.lag() == 0 {
            arrivals.0.clear();
        } else {
            arrivals.forget_before(progress.committed());
        }
    }

    /// How many records of the partitions that are read aren't committed, markers among them that nobody has seen yet;
    /// `None` when nobody knows.
    pub(crate) fn lag(&self) -> Option<i64> {
        Some(self.read.as_ref()?.values().map(Progress::lag).sum())
    }

    /// How many of them aren't even taken in; `None` when nobody knows.
    pub(crate) fn unread(&self) -> Option<i64> {
        Some(self.read.as_ref()?.values().map(|progress| (progress.end - progress.taken_in()).max(0)).sum())
    }

    /// Since when the oldest record of a partition waits, in milliseconds since 1970.
    fn since(&self, of: &Of) -> Option<i64> {
        let arrivals = self.arrivals.get(of)?;
        match self.read.as_ref().and_then(|read| read.get(of)) {
            Some(progress) if progress.lag() == 0 => None,
            Some(progress) => arrivals.of(progress.committed()),
            // It isn't read now.
            None => arrivals.0.front().map(|(_, at)| *at),
        }
    }

    /// For how many milliseconds the oldest record waits that isn't committed; 0 when none does, `None` when nobody
    /// knows.
    pub(crate) fn age(&self, now: i64) -> Option<i64> {
        let oldest = self.arrivals.keys().filter_map(|of| self.since(of)).min();
        oldest.map(|since| (now - since).max(0)).or(self.read.is_some().then_some(0))
    }

    /// The same of the partitions where they wait longest, so many at most.
    pub(crate) fn worst(&self, now: i64, count: usize) -> Vec<(Of, i64)> {
        let of = |of: &Of| Some((of.clone(), (now - self.since(of)?).max(0)));
        let mut all: Vec<(Of, i64)> = self.arrivals.keys().filter_map(of).collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(partition: i32) -> Of {
        ("facts".to_owned(), partition)
    }

    fn begun(partitions: &[(i32, Progress)]) -> AllProgress {
        let mut all = AllProgress::default();
        all.begin(Some(partitions.iter().map(|(partition, progress)| (of(*partition), *progress)).collect()), 0);
        all
    }

    fn heard(end: i64, fetched: i64) -> Heard {
        Heard { end, fetched, waiting: 0 }
    }

    #[test]
    fn the_lag_is_not_known_before_reading_begins_and_after_it_ends() {
        let all = AllProgress::default();
        assert_eq!((all.lag(), all.unread(), all.age(9)), (None, None, None));
        let mut all = begun(&[(0, Progress::new(4, 4, 10))]);
        assert_eq!((all.lag(), all.unread(), all.age(9)), (Some(6), Some(6), Some(9)));
        all.taken_in(&of(0), 10);
        assert_eq!((all.lag(), all.unread()), (Some(6), Some(0)));
        all.committed(&of(0), 9);
        // Of a partition that was given up.
        all.committed(&of(1), 3);
        assert_eq!(all.lag(), Some(1));
        all.begin(None, 10);
        all.committed(&of(0), 10);
        // What waits goes on waiting, until it is somebody else's.
        assert_eq!((all.lag(), all.unread(), all.age(10)), (None, None, Some(10)));
        all.assign(&[]);
        assert_eq!(all.age(10), None);
        // One of two goes to somebody else; what was fetched of it is handed over to nobody.
        let mut all = begun(&[(0, Progress::new(4, 4, 10)), (1, Progress::new(4, 4, 10))]);
        all.heard(&of(1), heard(10, 10), 1);
        all.assign(&[of(0)]);
        all.handed(0, true);
        assert_eq!((all.lag(), all.unread(), all.open), (Some(6), Some(6), 0));
        all.assign(&[]);
        // More agents than partitions: this one has nothing to do.
        all.begin(Some(BTreeMap::new()), 11);
        assert_eq!((all.lag(), all.unread(), all.age(12)), (Some(0), Some(0), Some(0)));
    }

    #[test]
    fn a_stuck_partition_ages_beside_one_that_flows() {
        let mut all = begun(&[(0, Progress::new(0, 0, 0)), (1, Progress::new(0, 0, 0))]);
        for second in 1..=100 {
            let (now, end) = (second * 1000, second * 10);
            all.heard(&of(0), heard(end, end), now);
            all.heard(&of(1), heard(end, 0), now);
            all.handed(10, true);
            all.taken_in(&of(0), end);
            all.committed(&of(0), end);
        }
        assert_eq!(all.age(100_000), Some(99_000));
        assert_eq!(all.worst(100_000, 20), [(of(1), 99_000)]);
        // Read and committed in part: the oldest is what came in after that.
        all.taken_in(&of(1), 500);
        all.committed(&of(1), 500);
        let age = all.age(100_000).expect("an age");
        assert!((49_000..60_000).contains(&age), "{age}");
        all.taken_in(&of(1), 1000);
        all.committed(&of(1), 1000);
        assert_eq!((all.age(100_000), all.lag()), (Some(0), Some(0)));
    }

    #[test]
    fn reading_that_begins_again_and_again_is_no_progress() {
        let mut all = AllProgress::default();
        for now in [0, 60_000, 120_000] {
            all.begin(Some(BTreeMap::from([(of(0), Progress::new(5, 5, 9))])), now);
            all.begin(None, now + 1);
        }
        assert_eq!(all.age(150_000), Some(150_000));
    }

    #[test]
    fn markers_and_aborted_records_at_the_end_are_nothing_that_waits() {
        let mut all = begun(&[(0, Progress::new(0, 0, 0))]);
        // Four records, a marker, and two messages of others before them in the queue.
        all.heard(&of(0), Heard { end: 5, fetched: 5, waiting: 6 }, 1000);
        all.handed(5, false);
        all.taken_in(&of(0), 3);
        assert_eq!((all.lag(), all.unread()), (Some(5), Some(2)));
        all.handed(1, false);
        all.taken_in(&of(0), 4);
        assert_eq!((all.unread(), all.lag(), all.age(3000)), (Some(0), Some(5), Some(2000)));
        all.committed(&of(0), 4);
        assert_eq!((all.lag(), all.age(3000)), (Some(0), Some(0)));
        // A transaction that was aborted: nothing is handed over, and nothing is committed after it.
        all.heard(&of(0), heard(9, 5), 4000);
        assert_eq!((all.lag(), all.age(4500)), (Some(4), Some(500)));
        all.heard(&of(0), heard(9, 9), 5000);
        all.handed(0, true);
        assert_eq!((all.lag(), all.unread(), all.age(6000)), (Some(0), Some(0), Some(0)));
    }

    #[test]
    fn arrivals_are_few_and_never_younger_than_they_were() {
        let mut arrivals = Arrivals::default();
        for second in 0..10_000 {
            arrivals.add(second * 10, second);
            assert!(arrivals.0.len() <= MAX_ARRIVALS);
        }
        assert_eq!(arrivals.of(0), Some(0));
        for offset in [7, 50_000, 99_990] {
            assert!(arrivals.of(offset).is_some_and(|at| at <= offset / 10));
        }
        arrivals.forget_before(99_999);
        assert_eq!(arrivals.0.len(), 1);
    }
}
