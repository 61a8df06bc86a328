//! Topics as a source: a member of a consumer group, whose committed offsets are the pipe's position.

mod adopt;
mod filling;
mod lag;
mod reader;
mod topics;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use lakewright_runtime::kafka::{Access, KafkaContext, TopicIdentity, describe_using};
use lakewright_runtime::{Agent, CancellationToken, client_context};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{Semaphore, mpsc};

use crate::kafka::lag::{Ends, Mean};
use crate::kafka::reader::Reader;
use crate::kafka::topics::{Topics, compare};
use crate::metrics::PipeMetrics;
use crate::source::{Batch, Position, Source, Stream};

pub use adopt::adopt;

/// How long Kafka may take to describe its topics.
const DESCRIBE: Duration = Duration::from_secs(10);
/// The most gaps that wait to be looked at.
const GAPS: usize = 10_000;

/// A topic's name and a partition's number.
pub type Partition = (String, i32);

/// A partition of a topic with this id, hyphenated.
pub fn stream(topic: &str, id: &str, partition: i32) -> Arc<Stream> {
    const NAMES: &[&str] = &["kafka_topic_id", "kafka_partition", "kafka_offset"];
    let members = format!("\"kafka_topic_id\":\"{id}\",\"kafka_partition\":{partition}");
    let folder = format!("{topic}/{id}/{partition}");
    Arc::new(Stream::new(format!("{id}-{partition}"), folder, members, NAMES, topic.to_owned()))
}

/// How a pipe reads.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The consumer group.
    pub group: String,
    /// A batch is given at this size in bytes at the latest.
    pub bytes: usize,
    /// A batch is given when its first record has waited for so long.
    pub interval: Duration,
    /// Records longer than this, in bytes, come in pieces that are refused; without it, none does.
    pub max_record: Option<usize>,
    /// The room of the pipe in KiB.
    pub room: usize,
    /// How many bytes of room a byte of a record takes, with what is made of it.
    pub weight: usize,
    /// Whether records wait until they are settled, or until they are read.
    pub waits_for_settling: bool,
}

/// How far one partition is.
#[derive(Debug)]
struct Held {
    stream: Arc<Stream>,
    /// The next offset to be read.
    read: i64,
    /// All before it is settled.
    settled: i64,
    /// What was committed last.
    committed: i64,
}

/// Offsets that Kafka gave no records of.
#[derive(Debug)]
struct Gap {
    partition: Partition,
    from: i64,
    to: i64,
}

/// The consumer's context: partitions that were taken away must not be gone on with.
struct Context {
    kafka: KafkaContext,
    held: Mutex<HashMap<Partition, Held>>,
    gaps: Mutex<Vec<Gap>>,
    /// Whether the group has assigned this member its partitions, possibly none.
    assigned: AtomicBool,
    /// Whether partitions came or went since the reader looked.
    changed: AtomicBool,
}

client_context!(Context, kafka);

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let mut held = self.held.lock();
            for element in partitions.elements() {
                if let Some(gone) = held.remove(&(element.topic().to_owned(), element.partition())) {
                    gone.stream.end();
                }
            }
            self.assigned.store(false, Ordering::Release);
            self.changed.store(true, Ordering::Release);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(_) = rebalance {
            self.assigned.store(true, Ordering::Release);
            self.changed.store(true, Ordering::Release);
        }
    }
}

/// What the reader's thread, the lag and the pipe share.
struct Shared {
    consumer: BaseConsumer<Context>,
    /// By topic: its id, hyphenated.
    topics: BTreeMap<String, String>,
    metrics: PipeMetrics,
    reading: Reading,
    ends: Mutex<Ends>,
    mean: Mean,
}

/// Topics, read for one pipe.
pub struct KafkaSource {
    shared: Arc<Shared>,
    batches: mpsc::Receiver<Result<Batch>>,
    reader: Option<JoinHandle<()>>,
    stop: CancellationToken,
    open: Vec<Position>,
}

impl KafkaSource {
    /// A member of the group, which reads these topics.
    ///
    /// # Errors
    /// No consumer can be made.
    pub fn new(
        agent: &Agent,
        mut client: Access,
        topics: &BTreeMap<String, TopicIdentity>,
        reading: Reading,
        metrics: PipeMetrics,
    ) -> Result<Self> {
        client
            .set("group.id", &reading.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "10000")
            .set("fetch.wait.max.ms", "100")
            // A fetch that found the queue full is tried again at once, and not a second later.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.message.max.bytes", "524288")
            .set("fetch.max.bytes", "2097152")
            .set("queued.max.messages.kbytes", "2048");
        let context = Context {
            kafka: client.context(&agent.health),
            held: Mutex::default(),
            gaps: Mutex::default(),
            assigned: AtomicBool::new(false),
            changed: AtomicBool::new(false),
        };
        let consumer: BaseConsumer<Context> = client.create_with_context(context).context("make the Kafka consumer")?;
        let names: Vec<&str> = topics.keys().map(String::as_str).collect();
        consumer.subscribe(&names).context("subscribe to the topics")?;
        let topics = topics.iter().map(|(name, topic)| (name.clone(), topic.id.to_string())).collect();
        let room = Arc::new(Semaphore::new(reading.room));
        let shared =
            Arc::new(Shared { consumer, topics, metrics, reading, ends: Mutex::default(), mean: Mean::default() });
        let stop = agent.shutdown.child_token();
        let (sender, batches) = mpsc::channel(1);
        lag::measure(&shared, stop.clone());
        let reader = Reader::new(Arc::clone(&shared), room, sender, stop.clone());
        let name = format!("read-{}", shared.reading.group);
        let reader = std::thread::Builder::new().name(name).spawn(move || reader.run()).context("start the reader")?;
        Ok(Self { shared, batches, reader: Some(reader), stop, open: Vec::new() })
    }
}

impl Drop for KafkaSource {
    /// Leaves the group: whoever comes next need not wait until the group notices.
    fn drop(&mut self) {
        self.stop.cancel();
        self.batches.close();
        while self.batches.try_recv().is_ok() {}
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            tracing::error!("the reader of Kafka ended in a panic");
        }
    }
}

impl Source for KafkaSource {
    async fn next(&mut self) -> Result<Batch> {
        match self.batches.recv().await {
            Some(batch) => batch,
            // At the shutdown the reader ends first.
            None if self.stop.is_cancelled() => std::future::pending().await,
            None => Err(anyhow!("the reader of Kafka ended")),
        }
    }

    async fn settle(&mut self, positions: &[Position], last: bool) -> Result<()> {
        crate::pipe::merge(&mut self.open, positions.to_vec());
        let (shared, open) = (Arc::clone(&self.shared), self.open.clone());
        let done = tokio::task::spawn_blocking(move || shared.commit(&open, last)).await;
        self.open = done.context("a Kafka request was cut short")??;
        anyhow::ensure!(!last || self.open.is_empty(), "the last offsets couldn't be committed");
        Ok(())
    }
}

impl Shared {
    /// Commits positions; those that can't be committed now are returned. An error when a topic was made again: offsets
    /// must not be committed to the topic that bears the name now.
    fn commit(&self, open: &[Position], last: bool) -> Result<Vec<Position>> {
        let context = self.consumer.context();
        let mut kept = Vec::new();
        let names: BTreeSet<String> = {
            let held = context.held.lock();
            let is_open = |held: &&Held| open.iter().any(|(stream, _)| Arc::ptr_eq(stream, &held.stream));
            held.iter().filter(|(_, held)| is_open(held)).map(|((topic, _), _)| topic.clone()).collect()
        };
        let trouble = self.metrics.trouble.of("commit");
        let mut sound = BTreeSet::new();
        for topic in names {
            match self.compare(std::slice::from_ref(&topic)) {
                Ok(Topics::Same) => _ = sound.insert(topic),
                Ok(Topics::Other(sentence)) => return Err(anyhow!(sentence)),
                Err(error) => trouble.begins(format!("no offset of {topic} is committed: {error:#}")),
            }
        }
        // Under the lock no partition is taken away between the look at it and the commit.
        let mut held = context.held.lock();
        let mut offsets = TopicPartitionList::new();
        for (stream, next) in open {
            let found = held.iter_mut().find(|(_, held)| Arc::ptr_eq(&held.stream, stream));
            let Some(((topic, partition), held)) = found else { continue };
            held.settled = held.settled.max(i64::try_from(*next).context("an offset")?);
            if !sound.contains(topic) {
                kept.push((Arc::clone(stream), *next));
            } else if held.settled > held.committed || last {
                let offset = Offset::Offset(held.settled);
                offsets.add_partition_offset(topic, *partition, offset).context("name the offsets to commit")?;
                held.committed = held.settled;
            }
        }
        if offsets.count() > 0 {
            let mode = if last { CommitMode::Sync } else { CommitMode::Async };
            if let Err(error) = self.consumer.commit(&offsets, mode) {
                trouble.begins(format!("commit offsets: {error}"));
                held.values_mut().for_each(|held| held.committed = -1);
                return Ok(open.to_vec());
            }
        }
        if kept.is_empty() {
            trouble.ends();
        }
        Ok(kept)
    }

    /// Whether topics are still those that they were at the start; blocks.
    fn compare(&self, names: &[String]) -> Result<Topics> {
        let found = describe_using(self.consumer.client(), names, DESCRIBE).context("ask Kafka for the topics")?;
        let before = self.topics.iter().filter(|(name, _)| names.contains(name));
        Ok(compare(&before.map(|(name, id)| (name.clone(), id.clone())).collect(), &found.topics))
    }
}
