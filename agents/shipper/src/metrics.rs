//! What the shipper reports: of each pipe, and of all pipes together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lakewright_config::agents::shipper;
use lakewright_runtime::{Agent, Counter, Gauge, Health, health};
use parking_lot::Mutex;

/// From how many documents of one answer on a warning says that they were there before this process sent them.
const MANY: u64 = 100;

/// A counter of all pipes and the same one of a pipe.
#[derive(Debug, Clone)]
pub struct Both {
    all: Counter,
    own: Counter,
}

impl Both {
    /// Counts on.
    pub fn increment(&self, by: u64) {
        self.all.increment(by);
        self.own.increment(by);
    }
}

/// What of the topics a sink doesn't have yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopicsLag {
    /// How many records.
    pub records: i64,
    /// About how many bytes.
    pub bytes: f64,
    /// For how long the oldest of them has been there.
    pub age: Duration,
}

/// What a pipe waits for, and how far it is.
#[derive(Debug, Default)]
struct Waiting {
    /// How many records aren't shipped yet; `None` while it is unknown: 0 would say that all is.
    lag: Mutex<Option<i64>>,
    /// The same of a pipe from the topics.
    topics: Mutex<Option<TopicsLag>>,
    /// When it got on last or nothing waited, in milliseconds since 1970.
    moved_ms: AtomicI64,
}

/// What all pipes share.
#[derive(Debug, Default)]
struct Shared {
    /// By sink and source.
    waiting: Mutex<BTreeMap<String, Arc<Waiting>>>,
    troubles: Mutex<BTreeMap<String, String>>,
}

/// Makes the metrics of pipes. Clones are the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    agent: Agent,
    shared: Arc<Shared>,
    last_commit: Gauge,
}

/// What a pipe reports.
#[derive(Debug, Clone)]
pub struct PipeMetrics {
    /// Documents that the index has.
    pub indexed: Counter,
    /// Of those, the documents that were there already.
    pub there: Counter,
    /// Documents among the dead letters of the index.
    pub rejected: Both,
    /// Records that are in no index.
    pub refused: Both,
    /// Records whose day is outside the window of daily indices.
    pub outside: Counter,
    /// Documents whose record stands under `flattened`.
    pub flattened: Counter,
    /// Requests that were tried again.
    pub retries: Both,
    /// Objects of the backup.
    pub objects: Counter,
    /// Records that retention deleted before they were read.
    pub lost: Both,
    /// Bytes of records that were read.
    pub bytes: Counter,
    /// Bytes in hand.
    pub in_hand: Gauge,
    /// How many requests may be under way.
    pub concurrency: Gauge,
    /// The pipe's troubles.
    pub trouble: Trouble,
    agent: Agent,
    labels: Vec<(&'static str, String)>,
    waiting: Arc<Waiting>,
    shared: Arc<Shared>,
    last_commit: Gauge,
}

/// A metric's labels with their values.
fn borrowed<'a>(labels: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

impl Metrics {
    /// The metrics of an agent.
    pub fn new(agent: &Agent) -> Self {
        let shared = Arc::new(Shared::default());
        let known = Arc::clone(&shared);
        agent.metrics.computed(&shipper::LAG, &[], move || known.lag().map(|records| records as f64));
        Self { agent: agent.clone(), shared, last_commit: agent.metrics.gauge(&shipper::LAST_COMMIT, &[]) }
    }

    /// Those of the pipe that leads from the topics to a sink.
    pub fn pipe(&self, sink: &'static str) -> PipeMetrics {
        let metrics = &self.agent.metrics;
        let concurrency = metrics.gauge(&shipper::CONCURRENCY, &[]);
        let pipe = self.of(sink.to_owned(), vec![(shipper::SINK, sink.to_owned())], concurrency);
        let (bytes, age) = (Arc::clone(&pipe.waiting), Arc::clone(&pipe.waiting));
        let own = [(shipper::SINK, sink)];
        metrics.computed(&shipper::TOPICS_LAG, &own, move || bytes.topics.lock().map(|lag| lag.bytes));
        metrics.computed(&shipper::TOPICS_BEHIND, &own, move || age.topics.lock().map(|lag| lag.age.as_secs_f64()));
        pipe
    }

    /// Those of the pipe that leads from a source of this host to a sink.
    pub fn local_pipe(&self, sink: &'static str, source: &str) -> PipeMetrics {
        let labels = vec![(shipper::SINK, sink.to_owned()), (shipper::SOURCE, source.to_owned())];
        let concurrency = self.agent.metrics.gauge(&shipper::CONCURRENCY, &borrowed(&labels));
        self.of(format!("{sink}/{source}"), labels, concurrency)
    }

    fn of(&self, name: String, labels: Vec<(&'static str, String)>, concurrency: Gauge) -> PipeMetrics {
        let metrics = &self.agent.metrics;
        let own = borrowed(&labels);
        let counter = |metric| metrics.counter(metric, &[]);
        let both = |all, of_pipe| Both { all: metrics.counter(all, &[]), own: metrics.counter(of_pipe, &own) };
        let waiting = Arc::clone(self.shared.waiting.lock().entry(name.clone()).or_default());
        let known = Arc::clone(&waiting);
        metrics.computed(&shipper::PIPE_LAG, &own, move || known.lag.lock().map(|records| records as f64));
        PipeMetrics {
            indexed: counter(&shipper::INDEXED),
            there: counter(&shipper::THERE),
            rejected: both(&shipper::REJECTED, &shipper::PIPE_REJECTED),
            refused: both(&shipper::REFUSED, &shipper::PIPE_REFUSED),
            outside: counter(&shipper::OUTSIDE),
            flattened: counter(&shipper::FLATTENED),
            retries: both(&shipper::RETRIES, &shipper::PIPE_RETRIES),
            objects: counter(&shipper::BACKUP_OBJECTS),
            lost: both(&shipper::LOST, &shipper::PIPE_LOST),
            bytes: metrics.counter(&shipper::PIPE_BYTES, &own),
            in_hand: metrics.gauge(&shipper::PIPE_IN_HAND, &own),
            concurrency,
            trouble: Trouble { of: name, shared: Arc::clone(&self.shared), health: Arc::clone(&self.agent.health) },
            agent: self.agent.clone(),
            labels,
            waiting,
            shared: Arc::clone(&self.shared),
            last_commit: self.last_commit.clone(),
        }
    }
}

/// What a pipe from a source of this host reports beside it.
#[derive(Debug, Clone)]
pub struct SourceMetrics {
    /// Records that were read.
    pub records: Counter,
    /// Bytes that were not read yet.
    pub lag: Gauge,
    /// Bytes that were gone before they were read.
    pub lost: Counter,
    /// Files and folders that can't be read now.
    pub unreadable: Gauge,
    /// Since when there is something to read, in milliseconds since 1970; 0 while there is nothing.
    behind_since: Arc<AtomicI64>,
}

impl SourceMetrics {
    /// Says how many bytes are to be read.
    pub fn set_lag(&self, bytes: u64) {
        self.lag.set(bytes as f64);
        if bytes == 0 {
            self.behind_since.store(0, Ordering::Relaxed);
        } else {
            // One that is set stays.
            _ = self.behind_since.compare_exchange(0, health::now_ms(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl PipeMetrics {
    /// Counts documents that were in the index already. A warning says of many that this process hadn't sent them: nothing else shows
    /// that somebody put others in the place of those to come.
    pub fn count_there(&self, there: u64, unsent: u64) {
        self.indexed.increment(there);
        self.there.increment(there);
        if unsent >= MANY {
            tracing::warn!(
                documents = unsent,
                "documents were in the index before this process sent them; after a start, or a change of partitions, a \
                 shipper before sent them; at other times somebody else did who has its password"
            );
        }
    }

    /// Counts a refusal by the type that the cluster gives.
    pub fn count_reason(&self, kind: &str) {
        let mut labels = borrowed(&self.labels);
        labels.push((shipper::REASON, kind));
        self.agent.metrics.counter(&shipper::REASONS, &labels).increment(1);
    }

    /// What is reported beside it of a source of this host.
    pub fn source(&self) -> SourceMetrics {
        let (metrics, labels) = (&self.agent.metrics, borrowed(&self.labels));
        let behind_since = Arc::new(AtomicI64::new(0));
        let since = Arc::clone(&behind_since);
        metrics.computed(&shipper::SOURCE_BEHIND, &labels, move || match since.load(Ordering::Relaxed) {
            0 => Some(0.0),
            since => Some(health::now_ms().saturating_sub(since) as f64 / 1e3),
        });
        SourceMetrics {
            records: metrics.counter(&shipper::SOURCE_RECORDS, &labels),
            lag: metrics.gauge(&shipper::SOURCE_LAG, &labels),
            lost: metrics.counter(&shipper::SOURCE_LOST, &labels),
            unreadable: metrics.gauge(&shipper::SOURCE_UNREADABLE, &labels),
            behind_since,
        }
    }

    /// Says how many records wait; `None` while that is unknown.
    pub fn set_lag(&self, records: Option<i64>) {
        *self.waiting.lag.lock() = records;
        if records == Some(0) {
            self.moved();
        }
    }

    /// Says what of the topics waits; `None` while that is unknown.
    pub fn set_topics_lag(&self, lag: Option<TopicsLag>) {
        *self.waiting.topics.lock() = lag;
        self.set_lag(lag.map(|lag| lag.records));
    }

    /// Says that the pipe got on.
    pub fn moved(&self) {
        self.waiting.moved_ms.store(health::now_ms(), Ordering::Relaxed);
        // The pipe that stands still the longest is what alarms are for.
        let moved = self.shared.waiting.lock().values().map(|pipe| pipe.moved_ms.load(Ordering::Relaxed)).min();
        self.last_commit.set(moved.unwrap_or_default() as f64);
    }
}

impl Shared {
    /// The lag of the pipe that has the most left; unknown while that of one is.
    fn lag(&self) -> Option<i64> {
        let waiting = self.waiting.lock();
        let mut most = None;
        for pipe in waiting.values() {
            let lag = (*pipe.lag.lock())?;
            most = most.max(Some(lag));
        }
        most
    }
}

/// The troubles of one pipe: the agent's last error stays until all pipes are well again.
#[derive(Debug, Clone)]
pub struct Trouble {
    of: String,
    shared: Arc<Shared>,
    health: Arc<Health>,
}

impl Trouble {
    /// Troubles of a part of the pipe, which end on their own.
    pub fn of(&self, part: &str) -> Self {
        Self { of: format!("{}/{part}", self.of), ..self.clone() }
    }

    /// Logs what is wrong, and shows it until it ends.
    pub fn begins(&self, text: impl std::fmt::Display) {
        let text = text.to_string();
        self.shared.troubles.lock().insert(self.of.clone(), text.clone());
        self.health.error(text);
    }

    /// Says that what was wrong is over.
    pub fn ends(&self) {
        let mut troubles = self.shared.troubles.lock();
        if troubles.remove(&self.of).is_some() && troubles.is_empty() {
            self.health.clear_error();
        }
    }

    /// Logs what can't be helped any more.
    pub fn happened(&self, text: impl std::fmt::Display) {
        self.health.error(text);
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents;

    use super::*;

    #[test]
    fn a_pipe_that_is_well_hides_no_other_ones_trouble() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        let metrics = Metrics::new(&agent);
        let (index, backup) = (metrics.pipe("index"), metrics.pipe("backup"));
        index.trouble.begins("the index is away");
        backup.trouble.begins("the bucket is away");
        index.trouble.ends();
        assert_eq!(agent.health.last_error().as_deref(), Some("the bucket is away"));
        backup.trouble.ends();
        assert_eq!(agent.health.last_error(), None);
    }

    #[test]
    fn what_of_the_topics_waits_is_unknown_until_it_is_measured() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        let pipe = Metrics::new(&agent).pipe("index");
        let read = |metric: &agents::Metric| {
            let name = format!("{}{{sink=\"index\"}}", metric.name);
            agent.metrics.read().into_iter().find(|(known, _)| known.ends_with(&name)).map(|(_, value)| value)
        };
        assert_eq!(read(&shipper::TOPICS_BEHIND), None);
        pipe.set_topics_lag(Some(TopicsLag { records: 2, bytes: 600.0, age: Duration::from_millis(1500) }));
        let values = [&shipper::TOPICS_LAG, &shipper::TOPICS_BEHIND, &shipper::PIPE_LAG];
        assert_eq!(values.map(read), [Some(600.0), Some(1.5), Some(2.0)]);
    }

    #[test]
    fn the_lag_is_that_of_the_pipe_with_the_most_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        let metrics = Metrics::new(&agent);
        let (index, backup) = (metrics.pipe("index"), metrics.pipe("backup"));
        index.set_lag(Some(3));
        assert_eq!(agent.metrics.value(&shipper::LAG), None, "nobody knows the other one's");
        backup.set_lag(Some(7));
        assert_eq!(agent.metrics.value(&shipper::LAG), Some(7.0));
        backup.set_lag(Some(0));
        assert_eq!(agent.metrics.value(&shipper::LAG), Some(3.0));
        let local = metrics.local_pipe("index", "app");
        assert_eq!(agent.metrics.value(&shipper::LAG), None, "nobody knows that of the new source");
        local.set_lag(Some(9));
        assert_eq!(agent.metrics.value(&shipper::LAG), Some(9.0));
    }
}
