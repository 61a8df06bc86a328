//! How many records of the assigned partitions wait and for how long, and how many retention deleted before they were read.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_runtime::CancellationToken;
use lakewright_runtime::kafka::offsets_using;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::{Gap, Partition, Shared};
use crate::metrics::TopicsLag;

/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// How long Kafka may take to return offsets.
const OFFSETS: Duration = Duration::from_secs(5);

/// So many ends of a partition are kept; when there are more, every second one is forgotten.
const KEPT: usize = 128;

/// When partitions were first seen to end where: by that it is known how long a record has been there.
#[derive(Debug, Default)]
pub struct Ends(HashMap<Partition, VecDeque<(i64, Instant)>>);

impl Ends {
    /// Keeps the end of a partition that is read up to `next`; returns for how long what comes first there has waited.
    fn age(&mut self, partition: &Partition, next: i64, end: i64, now: Instant) -> Duration {
        let seen = self.0.entry(partition.clone()).or_default();
        if seen.back().is_some_and(|(last, _)| end < *last) {
            // The log lost its end, or is another one's.
            seen.clear();
        }
        if seen.back().is_none_or(|(last, _)| end > *last) {
            seen.push_back((end, now));
        }
        while seen.front().is_some_and(|(end, _)| *end <= next) {
            seen.pop_front();
        }
        if seen.len() > KEPT {
            let mut number = 0;
            seen.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        seen.front().map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(*since))
    }
}

/// The bytes and the number of records that were read.
#[derive(Debug, Default)]
pub struct Mean {
    bytes: AtomicU64,
    records: AtomicU64,
}

impl Mean {
    /// Counts records of so many bytes together.
    pub fn count(&self, bytes: usize, records: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// About how many bytes so many records have; 0 before one was read.
    fn of(&self, records: i64) -> f64 {
        let read = self.records.load(Ordering::Relaxed).max(1);
        self.bytes.load(Ordering::Relaxed) as f64 / read as f64 * records as f64
    }
}

/// Measures the lag every second until the source ends; it is unknown while it can't be measured.
pub fn measure(shared: &Arc<Shared>, stop: CancellationToken) {
    let (weak, metrics) = (Arc::downgrade(shared), shared.metrics.clone());
    tokio::spawn(async move {
        while tokio::time::timeout(MEASURE, stop.cancelled()).await.is_err() {
            let Some(shared) = weak.upgrade() else { break };
            let measured = tokio::task::spawn_blocking(move || shared.lag()).await;
            let lag = measured.context("the measuring was cut short").flatten().unwrap_or_else(|error| {
                tracing::debug!(error = %format!("{error:#}"), "the lag can't be measured now");
                None
            });
            metrics.set_topics_lag(lag);
        }
    });
}

/// How many of the offsets between `from` and `to` stood before the first one that the log has: those were deleted, while other ones
/// never had a record, as after compaction and transactions.
fn deleted(from: i64, to: i64, first: i64) -> u64 {
    u64::try_from(first.min(to) - from).unwrap_or_default()
}

impl Shared {
    /// What waits in the assigned partitions; `None` before partitions are assigned.
    fn lag(&self) -> Result<Option<TopicsLag>> {
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
        let (mut records, mut age, now) = (0, Duration::ZERO, Instant::now());
        let mut ends = self.ends.lock();
        ends.0.retain(|partition, _| offsets.contains_key(partition));
        for (partition, found) in offsets {
            let (low, high) = found.with_context(|| format!("ask for the end of {}/{}", partition.0, partition.1))?;
            let next = match reached.get(&partition) {
                Some(next) => *next,
                None => self.committed(&partition)?.unwrap_or(low),
            };
            records += (high - next.max(low)).max(0);
            age = age.max(ends.age(&partition, next, high, now));
        }
        Ok(Some(TopicsLag { records, bytes: self.mean.of(records), age }))
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
    fn a_record_waits_from_when_the_log_was_seen_to_have_it() {
        let (mut ends, begun) = (Ends::default(), Instant::now());
        let partition = ("t".to_owned(), 0);
        let mut age =
            |next, end, second| ends.age(&partition, next, end, begun + Duration::from_secs(second)).as_secs();
        assert_eq!(age(10, 10, 0), 0);
        // Five records come within the first second, and five more in the fourth.
        assert_eq!(age(10, 15, 1), 0);
        assert_eq!(age(10, 15, 3), 2);
        assert_eq!(age(12, 20, 4), 3);
        assert_eq!(age(15, 20, 5), 1);
        assert_eq!(age(20, 20, 6), 0);
        // A topic that was made again is shorter.
        assert_eq!(age(20, 25, 7), 0);
        assert_eq!(age(0, 3, 9), 0);
        assert_eq!(age(0, 3, 11), 2);
        // However long a sink is away, little is kept, and the oldest record's age is known.
        for second in 0..10_000 {
            assert_eq!(age(2, 3 + i64::try_from(second).unwrap(), 20 + second), 11 + second, "{second}");
        }
        assert!(ends.0[&partition].len() <= KEPT, "{}", ends.0[&partition].len());
    }

    #[test]
    fn bytes_that_wait_are_estimated_from_those_that_were_read() {
        let mean = Mean::default();
        assert_eq!(Some(mean.of(7)), Some(0.0));
        mean.count(900, 3);
        assert_eq!(Some(mean.of(7)), Some(2100.0));
    }

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
