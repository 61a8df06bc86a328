//! The leader epochs of the last records that were taken in.
//!
//! Kafka stores with each record the leader epoch in which it came. When an unclean election or somebody's hand cut records off, others
//! get their offsets, in a later epoch: what was taken in there is another record by then, which no offset shows.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::offsets::{ByPartition, stays};

/// The name of the map among snapshot and table properties.
pub(crate) const EPOCHS: &str = "lakewright.epochs";

/// The offset of a record, and the leader epoch in which the log stored it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mark(pub(crate) i64, pub(crate) i32);

impl Mark {
    /// Whether a log may still be the one that this mark was made of, by another record that is read of it: epochs never fall along
    /// a log. Behind the mark's offset the first record counts, where the mark's own was compacted away.
    pub(crate) fn may_be_of_log(self, found: Self) -> bool {
        let Self(offset, epoch) = self;
        match found.0.cmp(&offset) {
            Ordering::Less => found.1 <= epoch,
            Ordering::Equal => found.1 == epoch,
            Ordering::Greater => found.1 >= epoch,
        }
    }
}

/// The mark of the last record, by `CLUSTER ID/TOPIC ID` and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Epochs(ByPartition<Mark>);

impl Epochs {
    /// That of a partition, if it is known.
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<Mark> {
        self.0.get(topic)?.get(&partition).copied()
    }

    /// Notes a record; the last one counts.
    pub(crate) fn note(&mut self, topic: &str, partition: i32, mark: Mark) {
        let known = self.0.entry(topic.to_owned()).or_default().entry(partition).or_insert(mark);
        *known = mark.max(*known);
    }

    /// Forgets a topic that is gone for good.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    /// Forgets all topics of a cluster but one.
    pub(crate) fn keep_only(&mut self, topic: &str) {
        self.0.retain(|known, _| stays(known, topic));
    }

    /// Whether none is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_counts_and_is_written_beside_its_epoch() {
        let mut epochs = Epochs::default();
        for mark in [Mark(9, 4), Mark(7, 5), Mark(8, 4)] {
            epochs.note("c/t", 0, mark);
        }
        epochs.note("c/gone", 1, Mark(1, 1));
        let text = serde_json::to_string(&epochs).expect("JSON");
        assert_eq!(text, r#"{"c/gone":{"1":[1,1]},"c/t":{"0":[9,4]}}"#);
        assert_eq!(serde_json::from_str::<Epochs>(&text).expect("read back"), epochs);
        epochs.keep_only("c/t");
        assert_eq!((epochs.get("c/t", 0), epochs.get("c/gone", 1)), (Some(Mark(9, 4)), None));
        epochs.forget("c/t");
        assert!(epochs.is_empty());
    }

    #[test]
    fn a_log_that_was_cut_off_has_another_epoch_there() {
        let mark = Mark(99, 4);
        let of = |offset, epoch| mark.may_be_of_log(Mark(offset, epoch));
        assert!(of(99, 4) && of(100, 4) && of(105, 7) && of(70, 4) && of(70, 2));
        assert!(!of(99, 5) && !of(99, 3) && !of(100, 3) && !of(70, 5));
    }
}
