//! The consumer's callbacks: rebalances become events for the intake's own loop, statistics become the lag.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lakewright_runtime::client_context;
use lakewright_runtime::health::now_ms;
use lakewright_runtime::kafka::KafkaContext;
use parking_lot::Mutex;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};

use crate::progress::{AllProgress, Heard, Of, Progress};

/// The intake takes so many records from the client at a time: it reads the clock and looks at the limits once for them.
pub(crate) const LOOK_EVERY: u32 = 512;

/// What the group decided.
#[derive(Debug)]
pub(crate) enum Rebalanced {
    /// These partitions are to be read beside those that are read already.
    Assigned(Vec<Of>),
    /// These partitions are to be given up, and no others.
    Revoked(Vec<Of>),
}

/// The state that callbacks and the intake share.
#[derive(Debug)]
pub(crate) struct Shared {
    events: Mutex<VecDeque<Rebalanced>>,
    progress: Mutex<AllProgress>,
    /// The agent is leaving: what the group decides is answered at once, for nobody takes the event up.
    leaving: AtomicBool,
}

/// The consumer's context.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    kafka: KafkaContext,
    shared: Arc<Shared>,
}

impl Context {
    pub(crate) fn new(kafka: KafkaContext) -> Self {
        let shared = Shared { events: Mutex::default(), progress: Mutex::default(), leaving: AtomicBool::new(false) };
        Self { kafka, shared: Arc::new(shared) }
    }

    /// Gives the client the password that holds now.
    pub(crate) fn keep_logged_in(&self, client: &Client<Self>) {
        self.kafka.keep_logged_in(client);
    }

    /// The oldest event that wasn't handled.
    pub(crate) fn next_event(&self) -> Option<Rebalanced> {
        self.shared.events.lock().pop_front()
    }

    /// The agent leaves. What the group decides from now on is answered at once, and so is what it waits for already, taken up by
    /// the intake or not: what the client has is given up when it closes.
    pub(crate) fn leave(&self, consumer: &BaseConsumer<Self>) {
        self.shared.leaving.store(true, Ordering::Release);
        let none = TopicPartitionList::new();
        for answered in [consumer.incremental_assign(&none), consumer.incremental_unassign(&none)] {
            if let Err(error) = answered {
                tracing::debug!(%error, "the group waits for no answer");
            }
        }
    }

    /// The agent has left, and is to be a member again: what the group decided of its former self is nobody's.
    pub(crate) fn stay(&self) {
        self.shared.events.lock().clear();
        self.shared.leaving.store(false, Ordering::Release);
    }

    /// The partitions that this agent has, whether they are read or not.
    pub(crate) fn set_assigned(&self, partitions: &[Of]) {
        self.shared.progress.lock().assign(partitions);
    }

    /// Reading has begun at what is committed; `None`: it has ended, and the lag isn't known.
    pub(crate) fn set_progress(&self, progress: Option<BTreeMap<Of, Progress>>) {
        self.shared.progress.lock().begin(progress, now_ms());
    }

    /// What is committed now, from which the lag is counted.
    pub(crate) fn set_committed(&self, topic: &str, partition: i32, next: i64) {
        self.shared.progress.lock().committed(&(topic.to_owned(), partition), next);
    }

    /// What is taken in now, by topic and partition.
    pub(crate) fn set_read<'a>(&self, read: impl Iterator<Item = (&'a str, i32, i64)>) {
        let mut progress = self.shared.progress.lock();
        for (topic, partition, next) in read {
            progress.taken_in(&(topic.to_owned(), partition), next);
        }
    }

    /// So many messages were handed over since it was said last; and whether there were no more.
    pub(crate) fn set_handed(&self, messages: u64, all: bool) {
        self.shared.progress.lock().handed(messages, all);
    }

    /// How many records of the partitions that are read aren't committed; `None` when nobody knows.
    pub(crate) fn lag(&self) -> Option<i64> {
        self.shared.progress.lock().lag()
    }

    /// How many of them aren't even taken in; `None` when nobody knows.
    pub(crate) fn unread(&self) -> Option<i64> {
        self.shared.progress.lock().unread()
    }

    /// For how many milliseconds the oldest record waits that isn't committed; `None` when nobody knows.
    pub(crate) fn age(&self) -> Option<i64> {
        self.shared.progress.lock().age(now_ms())
    }

    /// The same of the partitions where they wait longest, so many at most.
    pub(crate) fn worst(&self, count: usize) -> Vec<(Of, i64)> {
        self.shared.progress.lock().worst(now_ms(), count)
    }
}

client_context!(
    Context,
    kafka,
    fn stats(&self, statistics: Statistics) {
        let mut progress = self.shared.progress.lock();
        let now = now_ms();
        for (name, topic) in statistics.topics {
            for (number, of) in topic.partitions {
                // Negative until something was fetched.
                let waiting = of.fetchq_cnt.max(0) as u64 + u64::from(LOOK_EVERY);
                let end = if of.ls_offset >= 0 { of.ls_offset } else { of.hi_offset };
                let heard = Heard { end: end.max(0), fetched: of.next_offset, waiting };
                progress.heard(&(name.clone(), number), heard, now);
            }
        }
    }
);

impl ConsumerContext for Context {
    // An assignment is answered by the intake's loop, which first finds out where to begin, and a revocation when it
    // has committed what it holds: librdkafka waits for the call, within `max.poll.interval.ms`.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let list = partitions.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
        let event = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalanced::Assigned(list),
            _ => Rebalanced::Revoked(list),
        };
        if !self.shared.leaving.load(Ordering::Acquire) {
            self.shared.events.lock().push_back(event);
            return;
        }
        let answered = match event {
            Rebalanced::Assigned(_) => consumer.incremental_assign(&TopicPartitionList::new()),
            Rebalanced::Revoked(list) => give_up(consumer, &list),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "partitions not given up");
        }
    }
}

/// Gives up those of these partitions that the client fetches; the group waits for it.
pub(crate) fn give_up(consumer: &BaseConsumer<Context>, partitions: &[Of]) -> KafkaResult<()> {
    let mut fetched = TopicPartitionList::new();
    for one in consumer.assignment()?.elements() {
        if partitions.iter().any(|(topic, number)| topic == one.topic() && *number == one.partition()) {
            _ = fetched.add_partition(one.topic(), one.partition());
        }
    }
    consumer.incremental_unassign(&fetched)
}
