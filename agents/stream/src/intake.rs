//! The loop that polls Kafka and decodes, and where it begins.

mod commits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use lakewright_config::StreamConfig;
use lakewright_config::agents::stream;
use lakewright_platform::Backoff;
use lakewright_runtime::kafka::describe_using;
use lakewright_runtime::{Agent, Latch};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

use crate::committer::{Outcome, Work};
use crate::context::{Context, Progress, Rebalanced};
use crate::partition::{Counters, Partition, index, rows, take};
use crate::router::{Router, Topic};
use crate::start::{Start, start};

/// How long a request to Kafka may take.
const REQUEST: Duration = Duration::from_secs(10);
/// The clock is read and the limits are looked at once for so many records.
const LOOK_EVERY: u32 = 128;
/// How often it is published what was taken in.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// The state of the loop.
pub(crate) struct Intake {
    agent: Agent,
    config: StreamConfig,
    topics: Vec<String>,
    consumer: BaseConsumer<Context>,
    work: mpsc::Sender<Work>,
    outcomes: Receiver<Outcome>,
    latch: Option<Latch>,
    counters: Counters,
    generation: u64,
    router: Option<Router>,
    partitions: Vec<Partition>,
    /// By topic and partition, the position in `partitions`.
    index: Vec<Vec<Option<usize>>>,
    held_bytes: u64,
    held_since: Option<Instant>,
    backoff: Backoff,
    /// Whether retention removed records before they were taken in: the error that says so stays.
    lost: bool,
    /// When it was published last what was taken in.
    published: Instant,
    /// When to begin to read, while nothing is read.
    begin_at: Option<Instant>,
    now: i64,
}

impl Intake {
    pub(crate) fn new(
        agent: Agent,
        config: StreamConfig,
        consumer: BaseConsumer<Context>,
        work: mpsc::Sender<Work>,
        outcomes: Receiver<Outcome>,
        latch: Latch,
    ) -> Self {
        let mut topics: Vec<String> = config.tables.iter().map(|table| table.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        let counter = |metric| agent.metrics.counter(metric, &[]);
        let counters = Counters {
            records: counter(&stream::RECORDS),
            bytes: counter(&stream::BYTES),
            gaps: counter(&stream::OFFSET_GAPS),
            lost: counter(&stream::RECORDS_LOST),
            restarts: counter(&stream::RESTARTS),
        };
        Self {
            counters,
            agent,
            config,
            topics,
            consumer,
            work,
            outcomes,
            latch: Some(latch),
            generation: 0,
            router: None,
            partitions: Vec::new(),
            index: Vec::new(),
            held_bytes: 0,
            held_since: None,
            backoff: Backoff::default(),
            lost: false,
            published: Instant::now(),
            begin_at: None,
            now: 0,
        }
    }

    /// Reads until the agent is shut down; what is held then is committed.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&names).context("subscribe to the topics")?;
        while !self.agent.shutdown.is_cancelled() {
            self.agent.health.progress();
            self.poll()?;
            self.publish();
            while let Some(event) = self.consumer.context().next_event() {
                self.rebalanced(event)?;
            }
            while let Ok(outcome) = self.outcomes.try_recv() {
                self.settle(outcome);
            }
            if self.begin_at.is_some_and(|at| at <= Instant::now()) {
                self.begin_or_later();
            }
            self.commit_if_due();
        }
        self.commit_and_wait();
        self.consumer.context().leave();
        self.consumer.unsubscribe();
        _ = self.consumer.unassign();
        Ok(())
    }

    /// Takes in what Kafka has, up to [`LOOK_EVERY`] records.
    fn poll(&mut self) -> anyhow::Result<()> {
        self.now = chrono::Utc::now().timestamp_micros();
        self.consumer.context().keep_logged_in(self.consumer.client());
        let mut wait = Duration::from_millis(100);
        for _ in 0..LOOK_EVERY {
            let problem = {
                // A field and not `self`, so that the message may borrow the consumer while the rest is changed.
                let consumer = &self.consumer;
                match consumer.poll(wait) {
                    None => break,
                    Some(Err(error)) => error,
                    Some(Ok(message)) => {
                        let taken = take(
                            &message,
                            self.router.as_mut(),
                            &self.topics,
                            &self.index,
                            &mut self.partitions,
                            &self.counters,
                            self.now,
                        )?;
                        wait = Duration::ZERO;
                        let Some(taken) = taken else { continue };
                        self.held_bytes += taken.bytes;
                        self.held_since.get_or_insert_with(Instant::now);
                        if let Some((table, batch)) = taken.batch {
                            let generation = self.generation;
                            self.work.blocking_send(Work::Batch { generation, table, batch }).map_err(|_| gone())?;
                        }
                        continue;
                    }
                }
            };
            self.consumer_error(&problem)?;
        }
        Ok(())
    }

    /// Publishes what was taken in, once in a while.
    fn publish(&mut self) {
        if self.router.is_none() || self.published.elapsed() < PUBLISH_EVERY {
            return;
        }
        self.published = Instant::now();
        let read = self.partitions.iter().map(|one| (self.topics[one.topic].as_str(), one.number, one.next));
        self.consumer.context().set_read(read);
    }

    fn consumer_error(&mut self, error: &KafkaError) -> anyhow::Result<()> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => bail!("the Kafka client can't go on: {error}"),
            Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
                self.agent.health.error(format!("Kafka doesn't have the next offset any more: {error}"));
                self.stop(Duration::ZERO);
            }
            _ => self.agent.health.error(format!("kafka: {error}")),
        }
        Ok(())
    }

    fn rebalanced(&mut self, event: Rebalanced) -> anyhow::Result<()> {
        match event {
            Rebalanced::Revoked => {
                tracing::info!("partitions revoked");
                self.commit_and_wait();
                self.drop_all();
                self.consumer.unassign().context("give up partitions")?;
            }
            Rebalanced::Assigned(list) => {
                tracing::info!(partitions = list.len(), "partitions assigned");
                self.partitions = list
                    .into_iter()
                    .filter_map(|(topic, partition)| {
                        let topic = self.topics.iter().position(|name| *name == topic)?;
                        Some(Partition::new(topic, partition))
                    })
                    .collect();
                self.begin_or_later();
            }
        }
        Ok(())
    }

    /// Forgets what is held and not committed.
    fn drop_all(&mut self) {
        self.stop(Duration::ZERO);
        self.begin_at = None;
        self.partitions.clear();
        self.index.clear();
        self.generation += 1;
    }

    /// Drops what comes until reading begins again, after a while.
    fn stop(&mut self, wait: Duration) {
        self.router = None;
        (self.held_bytes, self.held_since) = (0, None);
        self.consumer.context().set_progress(None);
        self.begin_at.get_or_insert_with(|| Instant::now() + wait);
    }

    /// Stops and waits for another try. The loop polls meanwhile: only so a member hears of a rebalance, and only when
    /// it has answered the one before. So partitions are assigned at their ends, where little comes.
    fn stop_and_wait(&mut self) {
        let wait = self.backoff.next_pause();
        self.stop(wait);
        let mut ends = TopicPartitionList::new();
        for partition in &self.partitions {
            _ = ends.add_partition_offset(&self.topics[partition.topic], partition.number, Offset::End);
        }
        if let Err(error) = self.consumer.assign(&ends) {
            self.agent.health.error(format!("wait for another try: {error}"));
        }
    }

    fn begin_or_later(&mut self) {
        self.begin_at = None;
        match self.begin() {
            Ok(()) => self.latch = None,
            Err(error) => {
                self.agent.health.error(error);
                self.stop_and_wait();
            }
        }
    }

    /// Finds out what is committed and begins to read there.
    fn begin(&mut self) -> anyhow::Result<()> {
        self.generation += 1;
        self.router = None;
        (self.held_bytes, self.held_since) = (0, None);
        self.consumer.context().set_progress(None);
        let cluster = describe_using(self.consumer.client(), &self.topics, REQUEST)?;
        let (reply, begun) = oneshot::channel();
        let generation = self.generation;
        self.work.blocking_send(Work::Begin { generation, reply }).map_err(|_| gone())?;
        let begun = begun.blocking_recv().map_err(|_| gone())??;
        let topics: Vec<Topic> = self
            .topics
            .iter()
            .map(|name| {
                let identity = cluster.topics.get(name).with_context(|| format!("there is no topic {name}"))?;
                let tables = self.config.tables.iter().enumerate().filter(|(_, table)| table.topic == *name);
                Ok(Topic {
                    name: name.clone(),
                    key: format!("{}/{}", cluster.cluster_id, identity.id),
                    id: Arc::from(identity.id.to_string()),
                    tables: tables.map(|(index, table)| (table.name.clone(), index)).collect(),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        let rows = rows(&self.config.tables, &begun)?;

        let mut assignment = TopicPartitionList::new();
        let mut lost = 0;
        let mut progress = BTreeMap::new();
        for partition in &mut self.partitions {
            let topic = &topics[partition.topic];
            let (low, high) = self
                .consumer
                .fetch_watermarks(&topic.name, partition.number, REQUEST)
                .with_context(|| format!("ask for the offsets of {}/{}", topic.name, partition.number))?;
            let place = format!("{}/{}", topic.name, partition.number);
            let maps: Vec<Option<i64>> =
                begun.iter().map(|table| table.offsets.get(&topic.key, partition.number)).collect();
            let own: Vec<usize> = topic.tables.iter().map(|(_, index)| *index).collect();
            let Start { from, next, lost: missing } = start(&maps, &own, low, high).with_context(|| place.clone())?;
            if missing > 0 {
                lost += missing;
                self.agent.health.error(format!(
                    "{place}: Kafka's retention removed up to {missing} records before they were taken in; reading on \
                     at {next}"
                ));
            }
            partition.clear = from.iter().copied().max().unwrap_or(next);
            (partition.from, partition.next) = (from, next);
            progress.insert((topic.name.clone(), partition.number), Progress { next, read: next, end: high });
            assignment.add_partition_offset(&topic.name, partition.number, Offset::Offset(next))?;
        }
        self.counters.lost.increment(lost.unsigned_abs());
        self.lost |= lost > 0;
        self.index = index(&self.partitions, self.topics.len());
        self.consumer.assign(&assignment).context("begin to read")?;
        self.consumer.context().set_progress(Some(progress));
        self.router = Some(Router::new(topics, rows));
        if lost == 0 {
            self.agent.health.clear_error();
        }
        Ok(())
    }
}

fn gone() -> anyhow::Error {
    anyhow!("the committer is gone: this is a bug in lakewright")
}
