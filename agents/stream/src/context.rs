//! The consumer's callbacks: rebalances become events for the intake's own loop, statistics become the lag.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lakewright_runtime::kafka::KafkaContext;
use lakewright_runtime::{Gauge, Health};
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};

/// What the group decided.
#[derive(Debug)]
pub(crate) enum Rebalanced {
    /// These partitions, in place of all others, are to be read.
    Assigned(Vec<(String, i32)>),
    /// All partitions are to be given up.
    Revoked,
}

/// The state that callbacks and the intake share.
#[derive(Debug)]
pub(crate) struct Shared {
    events: Mutex<VecDeque<Rebalanced>>,
    /// The next offsets that are committed, by topic and partition.
    committed: Mutex<BTreeMap<(String, i32), i64>>,
    /// The agent is leaving: a revocation is confirmed at once, for nobody waits for the event.
    leaving: AtomicBool,
    lag: Gauge,
}

/// The consumer's context.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    kafka: KafkaContext,
    shared: Arc<Shared>,
}

impl Context {
    pub(crate) fn new(health: Arc<Health>, lag: Gauge) -> Self {
        let shared =
            Shared { events: Mutex::default(), committed: Mutex::default(), leaving: AtomicBool::new(false), lag };
        Self { kafka: KafkaContext::new(health), shared: Arc::new(shared) }
    }

    /// The oldest event that wasn't handled.
    pub(crate) fn next_event(&self) -> Option<Rebalanced> {
        self.shared.events.lock().pop_front()
    }

    /// From now on a revocation is confirmed at once.
    pub(crate) fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Release);
    }

    /// What is committed now, from which the lag is counted; `all` forgets partitions that are read no more.
    pub(crate) fn set_committed(&self, positions: impl Iterator<Item = ((String, i32), i64)>, all: bool) {
        let mut committed = self.shared.committed.lock();
        if all {
            committed.clear();
        }
        committed.extend(positions);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.kafka.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.kafka.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let committed = self.shared.committed.lock();
        let lag = committed.iter().map(|((topic, partition), next)| {
            let known = statistics.topics.get(topic).and_then(|topic| topic.partitions.get(partition));
            known.map_or(0, |partition| (partition.hi_offset - next).max(0))
        });
        self.shared.lag.set(lag.sum());
    }
}

impl ConsumerContext for Context {
    // An assignment is answered by the intake's loop, which first finds out where to begin, and a revocation when it
    // has committed what it holds: librdkafka waits for the call, within `max.poll.interval.ms`.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let event = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let list = partitions.elements();
                Rebalanced::Assigned(list.iter().map(|e| (e.topic().to_owned(), e.partition())).collect())
            }
            _ => Rebalanced::Revoked,
        };
        if self.shared.leaving.load(Ordering::Acquire) {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "partitions not given up");
            }
            return;
        }
        self.shared.events.lock().push_back(event);
    }
}
