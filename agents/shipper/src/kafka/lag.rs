//! How many records of the assigned partitions wait, and how many of them retention deleted before they were read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_runtime::CancellationToken;
use lakewright_runtime::kafka::offsets_using;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::{Gap, Partition, Shared};

/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// How long Kafka may take to return offsets.
const OFFSETS: Duration = Duration::from_secs(5);

/// Measures the lag every second until the source ends; it is unknown while it can't be measured.
pub fn measure(shared: &Arc<Shared>, stop: CancellationToken) {
    let (weak, metrics) = (Arc::downgrade(shared), shared.metrics.clone());
    tokio::spawn(async move {
        while tokio::time::timeout(MEASURE, stop.cancelled()).await.is_err() {
            let Some(shared) = weak.upgrade() else { break };
            let measured = tokio::task::spawn_blocking(move || shared.lag()).await;
            let records = measured.context("the measuring was cut short").flatten().unwrap_or_else(|error| {
                tracing::debug!(error = %format!("{error:#}"), "the lag can't be measured now");
                None
            });
            metrics.set_lag(records);
        }
    });
}

/// How many of the offsets between `from` and `to` stood before the first one that the log has: those were deleted, while other ones
/// never had a record, as after compaction and transactions.
fn deleted(from: i64, to: i64, first: i64) -> u64 {
    u64::try_from(first.min(to) - from).unwrap_or_default()
}

impl Shared {
    /// The records of the assigned partitions that wait; `None` before partitions are assigned.
    fn lag(&self) -> Result<Option<i64>> {
        let context = self.consumer.context();
        if !context.assigned.load(Ordering::Acquire) {
            return Ok(None);
        }
        // A member of a group with more members than partitions may have none: it has no lag.
        let assigned = self.consumer.assignment().context("ask for the assignment")?;
        let all: Vec<Partition> =
            assigned.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let gaps = std::mem::take(&mut *context.gaps.lock());
        let offsets = offsets_using(self.consumer.client(), &all, OFFSETS);
        let first =
            |partition: &Partition| offsets.get(partition).and_then(|found| found.as_ref().ok()).map(|found| found.0);
        let mut unknown = Vec::new();
        for gap in gaps {
            match first(&gap.partition) {
                Some(first) => self.count_lost(&gap, first),
                None => unknown.push(gap),
            }
        }
        context.gaps.lock().extend(unknown);
        let mut reached: HashMap<Partition, i64> = HashMap::new();
        for (partition, held) in context.held.lock().iter() {
            let next = if self.reading.waits_for_settling { held.settled } else { held.read };
            reached.insert(partition.clone(), next);
        }
        let mut lag = 0;
        for (partition, found) in offsets {
            let (low, high) = found.with_context(|| format!("ask for the end of {}/{}", partition.0, partition.1))?;
            let next = match reached.get(&partition) {
                Some(next) => *next,
                None => self.committed(&partition)?.unwrap_or(low),
            };
            lag += (high - next.max(low)).max(0);
        }
        Ok(Some(lag))
    }

    fn count_lost(&self, gap: &Gap, first: i64) {
        let lost = deleted(gap.from, gap.to, first);
        if lost > 0 {
            self.metrics.lost.increment(lost);
            let (topic, partition) = &gap.partition;
            self.metrics.trouble.happened(format!(
                "{lost} records of {topic}/{partition} from offset {} on were deleted by the topic's retention before the group {} had \
                 them: they are lost to its sink. Let the topic keep records for longer than a sink may be away",
                gap.from, self.reading.group
            ));
        }
    }

    /// Where it goes on in a partition of which nothing was read since the start.
    fn committed(&self, (topic, partition): &Partition) -> Result<Option<i64>> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, *partition);
        let committed = self.consumer.committed_offsets(asked, OFFSETS).context("ask for the committed offset")?;
        match committed.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
            Some(Offset::Offset(offset)) => Ok(Some(offset)),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retention_deleted_is_told_from_offsets_without_a_record() {
        // Read up to 100, the next record is 180.
        assert_eq!(deleted(100, 180, 180), 80);
        // The log begins at 150; between that and 180 there is none.
        assert_eq!(deleted(100, 180, 150), 50);
        // The log has all from 60 on: compaction or a transaction's marks.
        assert_eq!(deleted(100, 180, 60), 0);
        // Retention went on after 180 was read.
        assert_eq!(deleted(100, 180, 400), 80);
    }
}
