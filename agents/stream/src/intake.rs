//! The loop that polls Kafka and decodes, and where it begins.

mod begin;
mod commits;
mod group;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use lakewright_config::StreamConfig;
use lakewright_platform::Backoff;
use lakewright_runtime::{Agent, Latch};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use tokio::sync::mpsc;

use self::commits::Waiting;
use self::group::{Fenced, denied};
use crate::committer::{Outcome, Work};
use crate::context::Context;
use crate::partition::{Counters, Partition, Reading, Taken, take};
use crate::produced::Produced;
use crate::quarantine::{Part, Quarantine, Until};
use crate::registry::Registries;
use crate::room::Rooms;
use crate::router::{Broken, Collected, Router};

/// How long a request to Kafka may take.
const REQUEST: Duration = Duration::from_secs(10);
/// So many bytes of rows are on their way to data files before reading waits for them: a bound on memory, within which reading goes
/// on while files are finished and committed.
const BYTES_WAITING: usize = 16 << 20;
/// The clock is read and the limits are looked at once for so many records.
pub(crate) const LOOK_EVERY: u32 = 128;
/// How often it is published what was taken in.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// The state of the loop.
pub(crate) struct Intake {
    agent: Agent,
    config: StreamConfig,
    registries: Registries,
    topics: Vec<String>,
    consumer: BaseConsumer<Context>,
    work: mpsc::Sender<Work>,
    /// The room that rows take until they are encoded.
    rooms: Arc<Rooms>,
    outcomes: Receiver<Outcome>,
    /// How many commits of this generation were asked for and haven't happened yet.
    under_way: u32,
    latch: Option<Latch>,
    counters: Counters,
    generation: u64,
    router: Option<Router>,
    partitions: Vec<Partition>,
    /// By topic and partition, the position in `partitions`.
    index: Vec<Vec<Option<usize>>>,
    quarantine: Quarantine,
    /// Whether the topics have partitions that others of the group read.
    shared: bool,
    /// So many bytes are committed at the latest; fewer while rows are looked for that can't be written.
    commit_bytes: u64,
    /// Whether rows are looked for that can't be written.
    sifting: bool,
    held_bytes: u64,
    held_since: Option<Instant>,
    /// See [`Taken::MANY_BROKEN`].
    held_broken: usize,
    /// When the records were produced that are held.
    produced: Produced,
    /// The commit that waits for Kafka's answer.
    waiting: Option<Waiting>,
    /// When the ledger is committed, should nothing come until then.
    ledger_at: Option<Instant>,
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
        (config, registries): (StreamConfig, Registries),
        consumer: BaseConsumer<Context>,
        work: mpsc::Sender<Work>,
        outcomes: Receiver<Outcome>,
        latch: Latch,
    ) -> Self {
        let mut topics: Vec<String> = config.tables.iter().map(|table| table.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        Self {
            counters: Counters::new(&agent.metrics),
            quarantine: Quarantine::new(&agent.metrics),
            shared: false,
            commit_bytes: config.commit_bytes,
            sifting: false,
            agent,
            config,
            registries,
            topics,
            consumer,
            work,
            rooms: Rooms::new(BYTES_WAITING),
            outcomes,
            under_way: 0,
            latch: Some(latch),
            generation: 0,
            router: None,
            partitions: Vec::new(),
            index: Vec::new(),
            held_bytes: 0,
            held_since: None,
            held_broken: 0,
            produced: Produced::default(),
            waiting: None,
            ledger_at: None,
            backoff: Backoff::default(),
            lost: false,
            published: Instant::now(),
            begin_at: None,
            now: 0,
        }
    }

    /// Reads until the agent is shut down; what is held then is committed.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.subscribe()?;
        while !self.agent.shutdown.is_cancelled() {
            if let Err(error) = self.step() {
                if error.is::<Fenced>() {
                    self.wait_fenced(&error);
                }
                return Err(error);
            }
        }
        self.commit_and_wait();
        Ok(())
    }

    fn subscribe(&self) -> anyhow::Result<()> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&names).context("subscribe to the topics")
    }

    /// Takes in what there is and does what is due.
    fn step(&mut self) -> anyhow::Result<()> {
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
        if self.router.is_some() && self.quarantine.look(Instant::now()) {
            self.clear_error();
        }
        if self.router.is_some() && self.waiting.is_none() && self.quarantine.is_due(Instant::now()) {
            self.commit_and_wait();
            self.begin_or_later();
        }
        self.commit_if_due();
        Ok(())
    }

    /// Takes in what Kafka has, up to [`LOOK_EVERY`] records.
    fn poll(&mut self) -> anyhow::Result<()> {
        self.now = chrono::Utc::now().timestamp_micros();
        self.consumer.context().keep_logged_in(self.consumer.client());
        let mut wait = Duration::from_millis(100);
        let (mut handed, mut all) = (0, false);
        for _ in 0..LOOK_EVERY {
            let problem = {
                // A field and not `self`, so that the message may borrow the consumer while the rest is changed.
                let consumer = &self.consumer;
                match consumer.poll(wait) {
                    None => {
                        all = true;
                        break;
                    }
                    Some(Err(error)) => Problem::Kafka(error),
                    Some(Ok(message)) => {
                        handed += 1;
                        let reading = Reading {
                            router: self.router.as_mut(),
                            topics: &self.topics,
                            index: &self.index,
                            partitions: &mut self.partitions,
                            on_reject: self.config.on_reject,
                        };
                        wait = Duration::ZERO;
                        match take(&message, reading, &self.counters, self.now) {
                            Ok(None) => continue,
                            Ok(Some(taken)) => {
                                self.held_bytes += taken.bytes;
                                self.held_broken += taken.broken;
                                if taken.stop.is_none() {
                                    self.held_since.get_or_insert_with(Instant::now);
                                    self.produced.add(message.timestamp().to_millis());
                                }
                                if let Some(collected) = taken.full {
                                    self.hand_over(collected)?;
                                }
                                if self.held_broken >= Taken::MANY_BROKEN {
                                    break;
                                }
                                let Some((partition, reason)) = taken.stop else { continue };
                                Problem::Stop(partition, reason)
                            }
                            Err(broken) => Problem::Broken(broken),
                        }
                    }
                }
            };
            match problem {
                Problem::Kafka(error) => self.consumer_error(&error)?,
                Problem::Stop(partition, reason) => self.stop_partition(partition, &reason),
                // The record is known; without it the table goes on.
                Problem::Broken(Broken { by_record: true, error, .. }) => {
                    self.agent.health.error(error.context("a record is left out as a dead letter"));
                    self.stop(Duration::ZERO);
                }
                Problem::Broken(Broken { table: Some(table), error, .. }) => {
                    self.quarantine_table(table, Until::Written, &format!("{error:#}"));
                    // What it has collected is of no use, and the others go on without it.
                    self.stop(Duration::ZERO);
                }
                Problem::Broken(Broken { table: None, error, .. }) => return Err(error),
            }
        }
        if all {
            self.publish_now();
        }
        self.consumer.context().set_handed(handed, all);
        Ok(())
    }

    /// Gives rows to the committer; waits until there is room for them.
    fn hand_over(&self, (table, mut batch): Collected) -> anyhow::Result<()> {
        batch.room = Some(self.rooms.take(batch.bytes()));
        let work = Work::Batch { generation: self.generation, collected: (table, batch) };
        self.work.blocking_send(work).map_err(|_| gone())
    }

    /// A partition stays before a record that is refused.
    fn stop_partition(&mut self, position: usize, reason: &str) {
        let partition = &self.partitions[position];
        let (topic, number, next) = (self.topics[partition.topic].clone(), partition.number, partition.next);
        let mut list = TopicPartitionList::new();
        _ = list.add_partition(&topic, number);
        if let Err(error) = self.consumer.pause(&list) {
            tracing::debug!(%error, topic, number, "not paused; what comes is dropped");
        }
        self.quarantine(Part::Partition(topic, number), Until::Past(next), reason);
    }

    fn quarantine_table(&mut self, table: usize, until: Until, reason: &str) {
        let name = self.config.tables[table].name.clone();
        self.quarantine(Part::Table(name), until, reason);
    }

    fn quarantine(&mut self, part: Part, until: Until, reason: &str) {
        let sentence = self.quarantine.put(part, until, reason, Instant::now());
        self.agent.health.error(sentence);
    }

    /// Forgets the last error, unless something still stands still or was lost.
    fn clear_error(&self) {
        if !self.lost && self.quarantine.reason().is_none() {
            self.agent.health.clear_error();
        }
    }

    /// Publishes what was taken in, once in a while.
    fn publish(&mut self) {
        if self.published.elapsed() >= PUBLISH_EVERY {
            self.publish_now();
        }
    }

    fn publish_now(&mut self) {
        if self.router.is_none() {
            return;
        }
        self.published = Instant::now();
        let begun = self.partitions.iter().filter(|one| one.begun);
        let read = begun.map(|one| (self.topics[one.topic].as_str(), one.number, one.next));
        self.consumer.context().set_read(read);
    }

    fn consumer_error(&mut self, error: &KafkaError) -> anyhow::Result<()> {
        if let Some(error) = self.fatal(error) {
            return Err(error);
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
                self.agent.health.error(format!("Kafka doesn't have the next offset any more: {error}"));
                self.stop(Duration::ZERO);
            }
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                self.agent.health.error(denied(&self.config.group, &self.config.kafka.security));
            }
            _ => self.agent.health.error(format!("kafka: {error}")),
        }
        Ok(())
    }

    /// Forgets what was read and not committed, and how far it was.
    fn forget(&mut self) {
        self.router = None;
        self.waiting = None;
        self.under_way = 0;
        self.produced.take();
        (self.held_bytes, self.held_broken, self.held_since, self.ledger_at) = (0, 0, None, None);
        self.consumer.context().set_progress(None);
    }

    /// Drops what comes until reading begins again, after a while.
    fn stop(&mut self, wait: Duration) {
        self.forget();
        self.begin_at.get_or_insert_with(|| Instant::now() + wait);
    }
}

/// By an error and by a panic too: librdkafka closes a consumer only when each change of its partitions was answered.
impl Drop for Intake {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What keeps a record from being taken in.
enum Problem {
    Kafka(KafkaError),
    /// The partition at this position must not go past it.
    Stop(usize, String),
    Broken(Broken),
}

fn gone() -> anyhow::Error {
    anyhow!("the committer is gone: this is a bug in lakewright")
}
