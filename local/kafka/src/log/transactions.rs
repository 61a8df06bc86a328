//! Which records of a partition belong to transactions that are open or were aborted.

use std::collections::{HashMap, VecDeque};

use super::batch::Header;

/// A transaction that was aborted, as a reader has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// Its producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first: i64,
    /// Offset of its marker.
    pub marker: i64,
}

/// The transactions of one partition, rebuilt from batch headers and markers when the log is opened.
#[derive(Debug, Default)]
pub struct Transactions {
    /// Offset of the first record, by producer.
    open: HashMap<i64, i64>,
    /// In the order of their markers.
    aborted: Vec<Aborted>,
    /// First record and marker of those that have ended, until readers see the marker.
    ending: VecDeque<(i64, i64)>,
}

impl Transactions {
    /// Remembers a stored batch; `commit` says what a marker stands for.
    pub fn note(&mut self, header: &Header, commit: Option<bool>) {
        if !header.is_transactional() {
            return;
        }
        let Some(commit) = commit else {
            self.open.entry(header.producer_id).or_insert(header.base_offset);
            return;
        };
        // A marker without records is one of a partition that the transaction never wrote to, or was repeated.
        let Some(first) = self.open.remove(&header.producer_id) else { return };
        self.ending.push_back((first, header.base_offset));
        if !commit {
            self.aborted.push(Aborted { producer_id: header.producer_id, first, marker: header.base_offset });
        }
    }

    /// Whether a producer's transaction is open.
    pub fn is_open(&self, producer_id: i64) -> bool {
        self.open.contains_key(&producer_id)
    }

    /// The producers whose transactions are open.
    pub fn open(&self) -> impl Iterator<Item = i64> {
        self.open.keys().copied()
    }

    /// Forgets what ended before the end that readers see now.
    pub fn advance(&mut self, high: i64) {
        while self.ending.front().is_some_and(|&(_, marker)| marker < high) {
            self.ending.pop_front();
        }
    }

    /// Forgets aborted transactions of which nothing is left.
    pub fn forget_before(&mut self, start: i64) {
        let gone = self.aborted.partition_point(|aborted| aborted.marker < start);
        self.aborted.drain(..gone);
    }

    /// The last stable offset: all transactions before it have ended. Never beyond `high`.
    pub fn stable(&self, high: i64) -> i64 {
        let ending = self.ending.iter().filter(|&&(_, marker)| marker >= high).map(|&(first, _)| first);
        self.open.values().copied().chain(ending).chain([high]).min().unwrap_or(high)
    }

    /// The aborted transactions with records from `from` on and before `until`.
    pub fn aborted(&self, from: i64, until: i64) -> Vec<Aborted> {
        let at = self.aborted.partition_point(|aborted| aborted.marker < from);
        self.aborted[at..].iter().filter(|aborted| aborted.first < until).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch;
    use super::*;

    fn data(producer_id: i64, offset: i64) -> Header {
        let mut header = Header::parse(&batch::marker(producer_id, 0, true, 0)).unwrap();
        header.attributes = 0b1_0000;
        header.base_offset = offset;
        header
    }

    fn marker(producer_id: i64, offset: i64) -> Header {
        Header { attributes: 0b11_0000, ..data(producer_id, offset) }
    }

    #[test]
    fn the_stable_end_waits_for_the_oldest_open_transaction() {
        let mut transactions = Transactions::default();
        transactions.note(&data(1, 10), None);
        transactions.note(&data(2, 12), None);
        transactions.note(&data(1, 14), None);
        assert_eq!(transactions.stable(20), 10);
        transactions.note(&marker(1, 16), Some(false));
        assert_eq!(transactions.stable(16), 10, "its marker isn't there for readers");
        assert_eq!(transactions.stable(17), 12);
        transactions.note(&marker(2, 17), Some(true));
        transactions.advance(18);
        assert_eq!(transactions.stable(18), 18);
        let aborted = Aborted { producer_id: 1, first: 10, marker: 16 };
        assert_eq!(transactions.aborted(0, 18), [aborted]);
        assert_eq!(transactions.aborted(16, 18), [aborted]);
        assert_eq!(transactions.aborted(17, 18), []);
        assert_eq!(transactions.aborted(0, 10), []);
        transactions.forget_before(17);
        assert_eq!(transactions.aborted(0, 18), []);
    }

    #[test]
    fn a_repeated_marker_changes_nothing() {
        let mut transactions = Transactions::default();
        transactions.note(&data(1, 0), None);
        for offset in [1, 2] {
            transactions.note(&marker(1, offset), Some(false));
        }
        assert_eq!(transactions.stable(9), 9);
        assert_eq!(transactions.aborted(0, 9).len(), 1);
    }
}
