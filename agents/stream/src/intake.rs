//! The loop that reads: what is due when, and the state that its parts share.

mod begin;
mod commits;
mod fenced;
mod group;
mod poll;
mod subscribe;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use lakewright_config::StreamConfig;
use lakewright_platform::Backoff;
use lakewright_runtime::kafka::Access;
use lakewright_runtime::{Agent, Latch};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use tokio::sync::mpsc;

use self::commits::Waiting;
use self::fenced::Fenced;
use self::subscribe::Asked;
use crate::committer::{Outcome, Work};
use crate::context::Context;
use crate::decode::{Decode, Lines};
use crate::membership::{Membership, topics};
use crate::partition::{Counters, Index, Shared};
use crate::quarantine::{Part, Quarantine, Until};
use crate::registry::Registries;
use crate::room::Rooms;
use crate::router::Topic;

/// How long a request to Kafka may take.
const REQUEST: Duration = Duration::from_secs(10);
/// So many bytes of rows are on their way to data files before reading waits for them: a bound on memory, within which reading goes
/// on while files are finished and committed.
const BYTES_WAITING: usize = 16 << 20;
/// How often it is published what was taken in.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// What is read.
struct Read {
    topics: Vec<Topic>,
    /// Which tables are in quarantine.
    blind: Vec<bool>,
}

/// The state of the loop.
pub(crate) struct Intake {
    agent: Agent,
    config: StreamConfig,
    registries: Registries,
    membership: Membership,
    /// By which topics the group gives partitions.
    asked: Asked,
    topics: Vec<String>,
    /// What makes clients that are this member.
    kafka: Access,
    consumer: Arc<BaseConsumer<Context>>,
    work: mpsc::Sender<Work>,
    /// The room that rows take until they are encoded.
    rooms: Arc<Rooms>,
    outcomes: Receiver<Outcome>,
    /// How many commits of this generation were asked for and haven't happened yet.
    under_way: u32,
    latch: Option<Latch>,
    counters: Arc<Counters>,
    generation: u64,
    /// That in which the agent became a member. What was read before isn't committed to the group as this one's.
    joined_at: u64,
    /// What is read, while something is.
    router: Option<Read>,
    decode: Decode,
    partitions: Vec<Shared>,
    index: Index,
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
    /// When the client was polled last and could go on: what it says by the next time may have happened since.
    polled: Instant,
    now: i64,
}

impl Intake {
    pub(crate) fn new(
        agent: Agent,
        (config, registries, membership): (StreamConfig, Registries, Membership),
        (kafka, consumer): (Access, BaseConsumer<Context>),
        work: mpsc::Sender<Work>,
        outcomes: Receiver<Outcome>,
        latch: Latch,
        desks: usize,
    ) -> Self {
        let topics = topics(&config);
        let counters = Arc::new(Counters::new(&agent.metrics));
        let decode = Decode::new(desks, config.on_reject, &counters);
        Self {
            counters,
            quarantine: Quarantine::new(&agent.metrics),
            shared: false,
            commit_bytes: config.commit_bytes,
            sifting: false,
            agent,
            config,
            registries,
            membership,
            asked: Asked::Known,
            topics,
            kafka,
            consumer: Arc::new(consumer),
            work,
            rooms: Rooms::new(BYTES_WAITING),
            outcomes,
            under_way: 0,
            latch: Some(latch),
            generation: 0,
            joined_at: 0,
            router: None,
            decode,
            partitions: Vec::new(),
            index: Vec::new(),
            held_bytes: 0,
            held_since: None,
            held_broken: 0,
            waiting: None,
            ledger_at: None,
            backoff: Backoff::default(),
            lost: false,
            published: Instant::now(),
            begin_at: None,
            polled: Instant::now(),
            now: 0,
        }
    }

    /// Reads until the agent is shut down; what is held then is committed.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        loop {
            let Err(error) = self.read_as_member() else { return Ok(()) };
            self.was_fenced(error.downcast::<Fenced>()?)?;
        }
    }

    /// Reads by one client.
    fn read_as_member(&mut self) -> anyhow::Result<()> {
        // Messages borrow from it, and threads decode them.
        let consumer = Arc::clone(&self.consumer);
        std::thread::scope(|scope| {
            let mut lines = Lines::start(scope, &self.decode);
            self.read(&consumer, &mut lines)
        })
    }

    fn read<'m>(
        &mut self,
        consumer: &'m BaseConsumer<Context>,
        lines: &mut Lines<BorrowedMessage<'m>>,
    ) -> anyhow::Result<()> {
        self.subscribe()?;
        while !self.agent.shutdown.is_cancelled() {
            if let Err(error) = self.step(consumer, lines) {
                // Whatever else fails then, fails for that.
                return Err(self.fenced().map_or(error, Into::into));
            }
        }
        self.commit_and_wait();
        Ok(())
    }

    /// Takes in what there is and does what is due.
    fn step<'m>(
        &mut self,
        consumer: &'m BaseConsumer<Context>,
        lines: &mut Lines<BorrowedMessage<'m>>,
    ) -> anyhow::Result<()> {
        self.agent.health.progress();
        self.poll(consumer, lines)?;
        self.polled = Instant::now();
        self.publish();
        while let Some(event) = self.consumer.context().next_event() {
            self.rebalanced(event)?;
        }
        self.look_at_subscription()?;
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

    /// A partition stays before a record that is refused.
    fn stop_partition(&mut self, (topic, number): (usize, i32), reason: &str) {
        let Some((position, _)) = self.index[topic].get(number as usize).copied().flatten() else { return };
        let (topic, next) = (self.topics[topic].clone(), self.partitions[position].lock().next);
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
        let begun = self.partitions.iter().map(|one| one.lock()).filter(|one| one.begun);
        let read = begun.map(|one| (self.topics[one.topic].as_str(), one.number, one.next));
        self.consumer.context().set_read(read);
    }

    /// Forgets what was read and not committed, and how far it was.
    fn forget(&mut self) {
        self.router = None;
        self.decode.stop();
        self.waiting = None;
        self.under_way = 0;
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

fn gone() -> anyhow::Error {
    anyhow!("the committer is gone: this is a bug in lakewright")
}
