//! Which leader epoch the records of a partition are from. Each start of the log is an epoch of its own, so that a
//! reader learns of records that were cut off while nobody looked.

use super::batch::Header;

/// Where each epoch begins, rebuilt from batch headers when the log is opened.
#[derive(Debug, Default)]
pub struct Epochs {
    /// Epochs and the offsets of their first records, both growing.
    starts: Vec<(i32, i64)>,
}

impl Epochs {
    /// Remembers a stored batch.
    pub fn note(&mut self, header: &Header) {
        // A batch of before the log had epochs may say -1.
        self.begin(header.leader_epoch.max(0), header.base_offset);
    }

    /// Begins an epoch at the log's end, unless it has begun already.
    pub fn begin(&mut self, epoch: i32, next: i64) {
        if self.starts.last().is_some_and(|&(last, _)| last >= epoch) {
            return;
        }
        // An epoch without records.
        self.starts.pop_if(|&mut (_, start)| start >= next);
        self.starts.push((epoch, next));
    }

    /// The greatest epoch up to `epoch` and the offset where it ends; none when the log hasn't come to it.
    pub fn end(&self, epoch: i32, high: i64) -> Option<(i32, i64)> {
        let later = self.starts.partition_point(|&(other, _)| other <= epoch);
        match (later.checked_sub(1).map(|at| self.starts[at].0), self.starts.get(later)) {
            (Some(found), Some(&(_, end))) => Some((found, end)),
            (Some(found), None) if found == epoch => Some((found, high)),
            (_, None) => None,
            // It is older than all that is left.
            (None, Some(&(_, end))) => Some((epoch, end)),
        }
    }

    /// The epoch of an offset.
    pub fn at(&self, offset: i64) -> i32 {
        let later = self.starts.partition_point(|&(_, start)| start <= offset);
        later.checked_sub(1).map_or(-1, |at| self.starts[at].0)
    }

    /// Forgets epochs of which nothing is left.
    pub fn forget_before(&mut self, start: i64) {
        let gone = self.starts.partition_point(|&(_, first)| first <= start).saturating_sub(1);
        self.starts.drain(..gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        let mut epochs = Epochs::default();
        epochs.begin(0, 0);
        epochs.begin(0, 10);
        epochs.begin(3, 90);
        epochs.begin(4, 90);
        epochs.begin(6, 110);
        assert_eq!(epochs.end(0, 120), Some((0, 90)));
        assert_eq!(epochs.end(2, 120), Some((0, 90)));
        assert_eq!(epochs.end(3, 120), Some((0, 90)), "it had no records");
        assert_eq!(epochs.end(4, 120), Some((4, 110)));
        assert_eq!(epochs.end(6, 120), Some((6, 120)));
        assert_eq!(epochs.end(7, 120), None);
        assert_eq!([0, 89, 90, 109, 110, 500].map(|offset| epochs.at(offset)), [0, 0, 4, 4, 6, 6]);
        epochs.forget_before(95);
        assert_eq!(epochs.end(0, 120), Some((0, 90)), "older than all that is left");
        assert_eq!(epochs.at(100), 4);
    }
}
