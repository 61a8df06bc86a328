//! The lag: how many records of the assigned partitions are not indexed yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_runtime::Agent;
use parking_lot::Mutex;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::Metrics;
use crate::consume::{Context, Partition, Progress};

/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// How long Kafka may take to return a partition's end.
const WATERMARK: Duration = Duration::from_secs(5);

/// The offsets that were reached, for the measuring of the lag.
#[derive(Clone, Default)]
pub struct Reached(Arc<Mutex<HashMap<Partition, i64>>>);

impl Reached {
    /// Takes over how far the partitions are.
    pub fn store(&self, partitions: &HashMap<Partition, Progress>) {
        let mut reached = self.0.lock();
        reached.clear();
        reached.extend(partitions.iter().map(|(partition, progress)| (partition.clone(), progress.next)));
    }
}

/// Measures the lag every second until the shutdown; it is unknown while it can't be measured.
pub fn measure(agent: &Agent, consumer: &Arc<StreamConsumer<Context>>, metrics: &Metrics) -> Reached {
    let reached = Reached::default();
    let (consumer, lag, shutdown) = (Arc::clone(consumer), Arc::clone(&metrics.lag), agent.shutdown.clone());
    let known = reached.clone();
    tokio::spawn(async move {
        while tokio::time::timeout(MEASURE, shutdown.cancelled()).await.is_err() {
            let (consumer, known) = (Arc::clone(&consumer), known.clone());
            let measured = tokio::task::spawn_blocking(move || total_lag(&consumer, &known)).await;
            let records = measured.context("the measuring was cut short").flatten().unwrap_or_else(|error| {
                tracing::debug!(error = %format!("{error:#}"), "the lag can't be measured now");
                None
            });
            *lag.lock() = records;
        }
    });
    reached
}

/// The records of the assigned partitions that are not indexed yet; `None` before partitions are assigned.
fn total_lag(consumer: &StreamConsumer<Context>, reached: &Reached) -> Result<Option<i64>> {
    if !consumer.context().assigned.load(Ordering::Relaxed) {
        return Ok(None);
    }
    // A member of a group with more members than partitions may have none: it has no lag.
    let assigned = consumer.assignment().context("ask for the assignment")?;
    let mut lag = 0;
    for element in assigned.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let (low, high) = consumer.fetch_watermarks(topic, partition, WATERMARK).context("ask for the end")?;
        let next = reached.0.lock().get(&(topic.to_owned(), partition)).copied();
        let next = match next {
            Some(next) => next,
            // Nothing read yet since the start: what was committed is where it goes on.
            None => {
                let mut asked = TopicPartitionList::new();
                asked.add_partition(topic, partition);
                let committed = consumer.committed_offsets(asked, WATERMARK).context("ask for the committed offset")?;
                match committed.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
                    Some(Offset::Offset(offset)) => offset,
                    _ => low,
                }
            }
        };
        lag += (high - next.max(low)).max(0);
    }
    Ok(Some(lag))
}
