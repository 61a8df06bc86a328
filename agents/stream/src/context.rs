//! The consumer's callbacks: rebalances become events for the intake's own loop, statistics become the lag.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lakewright_runtime::client_context;
use lakewright_runtime::kafka::KafkaContext;
use parking_lot::Mutex;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
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
    /// The partitions that are read, by topic and number; `None` until reading them has begun.
    progress: Mutex<Option<BTreeMap<(String, i32), Progress>>>,
    /// The agent is leaving: a revocation is confirmed at once, for nobody waits for the event.
    leaving: AtomicBool,
}

/// How far a partition has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// The next offset that isn't committed.
    pub(crate) next: i64,
    /// The next offset that isn't taken in.
    pub(crate) read: i64,
    /// The partition's end, as it was last heard of.
    pub(crate) end: i64,
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

    /// From now on a revocation is confirmed at once.
    pub(crate) fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Release);
    }

    /// Reading has begun at what is committed; `None`: it has ended, and the lag isn't known.
    pub(crate) fn set_progress(&self, progress: Option<BTreeMap<(String, i32), Progress>>) {
        *self.shared.progress.lock() = progress;
    }

    /// What is committed now, from which the lag is counted.
    pub(crate) fn set_committed(&self, topic: &str, partition: i32, next: i64) {
        let mut progress = self.shared.progress.lock();
        let known = progress.as_mut().and_then(|progress| progress.get_mut(&(topic.to_owned(), partition)));
        if let Some(known) = known {
            known.next = next;
        }
    }

    /// What is taken in now, by topic and partition.
    pub(crate) fn set_read<'a>(&self, read: impl Iterator<Item = (&'a str, i32, i64)>) {
        let mut progress = self.shared.progress.lock();
        let Some(progress) = progress.as_mut() else { return };
        for (topic, partition, next) in read {
            if let Some(known) = progress.get_mut(&(topic.to_owned(), partition)) {
                known.read = next;
            }
        }
    }

    /// How many records of the partitions that are read aren't committed; `None` when nobody knows.
    pub(crate) fn lag(&self) -> Option<i64> {
        self.behind(|partition| partition.next)
    }

    /// How many of them aren't even taken in; `None` when nobody knows.
    pub(crate) fn unread(&self) -> Option<i64> {
        self.behind(|partition| partition.read)
    }

    fn behind(&self, at: impl Fn(&Progress) -> i64) -> Option<i64> {
        let progress = self.shared.progress.lock();
        Some(progress.as_ref()?.values().map(|partition| (partition.end - at(partition)).max(0)).sum())
    }
}

client_context!(
    Context,
    kafka,
    fn stats(&self, statistics: Statistics) {
        for ((topic, partition), progress) in self.shared.progress.lock().iter_mut().flatten() {
            let known = statistics.topics.get(topic).and_then(|topic| topic.partitions.get(partition));
            // Negative until something was fetched.
            progress.end = known.map_or(progress.end, |partition| progress.end.max(partition.hi_offset));
        }
    }
);

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

#[cfg(test)]
mod tests {
    use lakewright_runtime::Health;

    use super::*;

    #[test]
    fn the_lag_is_not_known_before_reading_begins_and_after_it_ends() {
        let context = Context::new(KafkaContext::new(Arc::new(Health::default())));
        assert_eq!(context.lag(), None);
        context.set_progress(Some(BTreeMap::from([(("facts".to_owned(), 0), Progress { next: 4, read: 4, end: 10 })])));
        assert_eq!((context.lag(), context.unread()), (Some(6), Some(6)));
        context.set_read([("facts", 0, 10), ("facts", 1, 3)].into_iter());
        assert_eq!((context.lag(), context.unread()), (Some(6), Some(0)));
        context.set_committed("facts", 0, 9);
        // Of a partition that was given up.
        context.set_committed("facts", 1, 3);
        assert_eq!(context.lag(), Some(1));
        context.set_progress(None);
        context.set_committed("facts", 0, 10);
        context.set_read([("facts", 0, 10)].into_iter());
        assert_eq!((context.lag(), context.unread()), (None, None));
        // More agents than partitions: this one has nothing to do.
        context.set_progress(Some(BTreeMap::new()));
        assert_eq!((context.lag(), context.unread()), (Some(0), Some(0)));
    }
}
