//! The partitions that an agent reads, and taking in their messages one by one.

use anyhow::Context as _;
use lakewright_config::Table;
use lakewright_runtime::Counter;
use rdkafka::message::{BorrowedMessage, Message};

use crate::committer::Begun;
use crate::router::{Record, Router};
use crate::table::{Place, Rows};

/// A partition that this agent reads.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: usize,
    pub(crate) number: i32,
    pub(crate) next: i64,
    /// By table, the first offset that it lacks.
    pub(crate) from: Vec<i64>,
    /// From here on no table has anything.
    pub(crate) clear: i64,
}

impl Partition {
    /// Before it is known where reading begins.
    pub(crate) fn new(topic: usize, number: i32) -> Self {
        Self { topic, number, next: 0, from: Vec::new(), clear: 0 }
    }
}

/// The partitions' positions in their list, by topic and number.
pub(crate) fn index(partitions: &[Partition], topics: usize) -> Vec<Vec<Option<usize>>> {
    let mut index = vec![Vec::new(); topics];
    for (position, partition) in partitions.iter().enumerate() {
        let of_topic: &mut Vec<Option<usize>> = &mut index[partition.topic];
        let number = partition.number as usize;
        of_topic.resize(of_topic.len().max(number + 1), None);
        of_topic[number] = Some(position);
    }
    index
}

/// What is counted on the way.
pub(crate) struct Counters {
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
    pub(crate) gaps: Counter,
    pub(crate) lost: Counter,
    pub(crate) restarts: Counter,
}

/// What a record came to.
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) batch: Option<(usize, arrow_array::RecordBatch)>,
}

/// Takes in one message; `None` when it isn't of a partition that is read, or was taken in before.
pub(crate) fn take(
    message: &BorrowedMessage<'_>,
    router: Option<&mut Router>,
    topics: &[String],
    index: &[Vec<Option<usize>>],
    partitions: &mut [Partition],
    counters: &Counters,
    now: i64,
) -> anyhow::Result<Option<Taken>> {
    let Some(router) = router else { return Ok(None) };
    let name = message.topic();
    let Some(topic) = topics.iter().position(|topic| topic == name) else { return Ok(None) };
    let known = index[topic].get(message.partition() as usize).copied().flatten();
    let Some(partition) = known.map(|position| &mut partitions[position]) else { return Ok(None) };
    let offset = message.offset();
    if offset < partition.next {
        return Ok(None);
    }
    if offset > partition.next {
        // Compaction and transactions leave gaps; anything else shows here too.
        counters.gaps.increment(1);
        tracing::warn!(topic = name, partition = partition.number, expected = partition.next, offset, "offset gap");
    }
    partition.next = offset + 1;
    let payload = message.payload();
    let bytes = payload.map_or(0, <[u8]>::len) as u64;
    counters.records.increment(1);
    counters.bytes.increment(bytes);
    let place = Place { partition: partition.number, offset, ingested_at: now };
    let (clear, from) = (partition.clear, &partition.from);
    let batch = router.take(Record { topic, payload, place }, |table| offset < clear && offset < from[table])?;
    Ok(Some(Taken { bytes, batch }))
}

/// The collections of all tables, the dead letters' last.
pub(crate) fn rows(tables: &[Table], begun: &[Begun]) -> anyhow::Result<Vec<Rows>> {
    begun
        .iter()
        .enumerate()
        .map(|(index, begun)| match tables.get(index) {
            Some(table) => {
                Rows::declared(&begun.schema, &table.columns).with_context(|| format!("table {}", table.name))
            }
            None => Rows::dead_letters(&begun.schema).context("the dead-letter table"),
        })
        .collect()
}
