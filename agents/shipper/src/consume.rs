//! Reading topics, and committing what is durable everywhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_platform::Backoff;
use lakewright_runtime::kafka::{Access, KafkaContext, TopicIdentity, describe_using};
use lakewright_runtime::{Agent, client_context, health};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::Metrics;
use crate::backup::{Range, Shelf};
use crate::bulk::{Refusal, Search};
use crate::document::{Document, Place, backup_line, document, rejected};
use crate::lag;
use crate::topics::{Topics, compare};

/// How often ranges that are not full are backed up and offsets committed.
const BACKUP: Duration = Duration::from_secs(10);
/// How long Kafka may take to describe its topics.
const DESCRIBE: Duration = Duration::from_secs(10);

/// A topic's name and a partition's number.
pub type Partition = (String, i32);

/// The consumer's context: partitions that were taken away must not be gone on with.
pub struct Context {
    kafka: KafkaContext,
    revoked: Mutex<Vec<Partition>>,
    /// Whether the group has assigned this member its partitions, possibly none.
    pub assigned: AtomicBool,
}

client_context!(Context, kafka);

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let elements = partitions.elements();
            let names = elements.iter().map(|element| (element.topic().to_owned(), element.partition()));
            self.revoked.lock().extend(names);
            self.assigned.store(false, Ordering::Relaxed);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(_) = rebalance {
            self.assigned.store(true, Ordering::Relaxed);
        }
    }
}

/// The consumer and what is known of its topics.
pub struct Intake {
    consumer: Arc<StreamConsumer<Context>>,
    /// By topic: its id, hyphenated.
    topics: BTreeMap<String, String>,
}

impl Intake {
    /// A member of the configured group.
    pub fn new(
        agent: &Agent,
        config: &ShipperConfig,
        mut client: Access,
        topics: BTreeMap<String, TopicIdentity>,
    ) -> Result<Self> {
        client
            .set("group.id", &config.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "10000")
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "16384");
        let context = Context {
            kafka: client.context(&agent.health),
            revoked: Mutex::default(),
            assigned: AtomicBool::new(false),
        };
        let consumer: StreamConsumer<Context> =
            client.create_with_context(context).context("make the Kafka consumer")?;
        let names: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).context("subscribe to the topics")?;
        let topics = topics.into_iter().map(|(name, topic)| (name, topic.id.to_string())).collect();
        Ok(Self { consumer: Arc::new(consumer), topics })
    }
}

/// How far one partition is.
pub struct Progress {
    shelf: Shelf,
    range: Range,
    /// The next offset to be read; all before it are indexed once the delivery in hand is done, and no offset is committed before.
    pub next: i64,
    /// All before it are in backup objects.
    backed_up: i64,
    /// What was committed.
    committed: i64,
}

struct Shipment<'a> {
    agent: &'a Agent,
    config: &'a ShipperConfig,
    intake: &'a Intake,
    search: &'a Search,
    aws: &'a Aws,
    metrics: &'a Metrics,
    partitions: HashMap<Partition, Progress>,
}

/// A record that was read.
struct Record {
    partition: Partition,
    offset: i64,
    payload: Vec<u8>,
}

/// Ships until the agent's shutdown.
pub async fn ship(
    agent: &Agent,
    config: &ShipperConfig,
    intake: Intake,
    search: &Search,
    aws: &Aws,
    metrics: &Metrics,
) -> Result<()> {
    let mut shipment = Shipment { agent, config, intake: &intake, search, aws, metrics, partitions: HashMap::new() };
    let lag = lag::measure(agent, &intake.consumer, metrics);
    let mut backed_up = Instant::now();
    while !agent.shutdown.is_cancelled() {
        let records = shipment.read().await;
        if shipment.begins_anew(&records) {
            let topics = patiently(agent, async || shipment.compare_topics().await).await?;
            shipment.end_with(topics).await?;
        }
        shipment.deliver(&records).await?;
        if backed_up.elapsed() >= BACKUP {
            shipment.back_up().await?;
            backed_up = Instant::now();
        }
        lag.store(&shipment.partitions);
        agent.health.progress();
    }
    shipment.back_up_all().await?;
    shipment.commit(CommitMode::Sync)
}

/// Tries until it succeeds; the last error when the agent's shutdown comes first.
async fn patiently<T>(agent: &Agent, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut backoff = Backoff::default();
    loop {
        match attempt().await {
            Ok(done) => {
                if backoff.failures() > 0 {
                    agent.health.clear_error();
                }
                return Ok(done);
            }
            Err(error) => {
                agent.health.error(format!("{error:#}"));
                if !backoff.wait(&agent.shutdown).await {
                    return Err(error);
                }
            }
        }
    }
}

impl Shipment<'_> {
    /// The next records: as many as make a bulk request, or come in its time.
    async fn read(&mut self) -> Vec<Record> {
        let (agent, intake) = (self.agent, self.intake);
        intake.consumer.context().kafka.keep_logged_in(intake.consumer.client());
        let end = tokio::time::Instant::now() + Duration::from_millis(self.config.bulk_interval_ms);
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < self.config.bulk_bytes {
            let message = tokio::select! {
                message = intake.consumer.recv() => message,
                () = tokio::time::sleep_until(end) => break,
                () = agent.shutdown.cancelled() => break,
            };
            // The consumer takes partitions away only within `recv`: a message of such a one that comes after is of its
            // next assignment and stays.
            self.forget_revoked(&mut records);
            match message {
                Ok(message) => {
                    let payload = message.payload().unwrap_or_default().to_vec();
                    bytes += payload.len() as u64;
                    records.push(record(&message, payload));
                }
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::PartitionEOF)) => {}
                Err(error) => {
                    agent.health.error(format!("read from Kafka: {error}"));
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    break;
                }
            }
        }
        self.forget_revoked(&mut records);
        records
    }

    /// Whether a partition's first record or an earlier one than the last comes: either may be of a topic made again.
    fn begins_anew(&self, records: &[Record]) -> bool {
        records
            .iter()
            .any(|record| self.partitions.get(&record.partition).is_none_or(|progress| record.offset < progress.next))
    }

    async fn compare_topics(&self) -> Result<Topics> {
        let consumer = Arc::clone(&self.intake.consumer);
        let names: Vec<String> = self.intake.topics.keys().cloned().collect();
        let found = tokio::task::spawn_blocking(move || describe_using(consumer.client(), &names, DESCRIBE)).await;
        let found = found.context("a Kafka request was cut short")?.context("ask Kafka for the topics")?;
        Ok(compare(&self.intake.topics, &found.topics))
    }

    /// Adds the records to their ranges and indexes them; full ranges are backed up. While the search cluster takes nothing, what was
    /// read is backed up: offsets are committed when it has taken it, and not before.
    async fn deliver(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut documents: Vec<Document> = Vec::with_capacity(records.len());
        for record in records {
            documents.push(document(&self.config.index, &self.config.time_field, self.place(record)?, &record.payload));
            self.shelve(record).await?;
        }
        let refusals = self.index(&documents).await?;
        let mut again = Vec::with_capacity(refusals.len());
        for refusal in &refusals {
            let record = &records[refusal.position];
            again.push(rejected(&self.config.index, self.place(record)?, &refusal.reason, &record.payload));
        }
        let own = documents.iter().filter(|document| document.rejected).count();
        let twice = refusals.iter().filter(|refusal| documents[refusal.position].rejected).count();
        let lost = if again.is_empty() { Vec::new() } else { self.index(&again).await? };
        for refusal in &lost {
            let record = &records[refusals[refusal.position].position];
            let (topic, partition) = &record.partition;
            self.agent.health.error(format!(
                "the search cluster takes the record {topic}/{partition}/{} in no form, it is in the backup alone: {}",
                record.offset, refusal.reason
            ));
        }
        self.metrics.rejected.increment((own - twice + again.len() - lost.len()) as u64);
        self.metrics.refused.increment(lost.len() as u64);
        Ok(())
    }

    /// Indexes documents, however long that takes; what is in hand is backed up meanwhile.
    async fn index(&mut self, documents: &[Document]) -> Result<Vec<Refusal>> {
        let search = self.search;
        let mut indexing = std::pin::pin!(search.index(documents));
        loop {
            tokio::select! {
                refusals = &mut indexing => return refusals,
                () = tokio::time::sleep(BACKUP) => {
                    if let Err(error) = self.back_up_all().await {
                        self.agent.health.error(format!("{error:#}"));
                    }
                }
            }
        }
    }

    /// Adds a record to its range.
    async fn shelve(&mut self, record: &Record) -> Result<()> {
        let line = backup_line(self.place(record)?, &record.payload);
        let (agent, objects) = (self.agent, self.metrics.objects.clone());
        let progress = self.progress(record).await?;
        let Progress { shelf, range, .. } = progress;
        // Offsets that Kafka has no record of (compaction, transaction marks) leave a gap, maybe a whole range's.
        // An offset before the range comes after the log lost its end: what is new then belongs to its own range.
        if !shelf.holds(range, record.offset) {
            let behind = record.offset < progress.next;
            if patiently(agent, async || shelf.put(range).await).await? {
                objects.increment(1);
            }
            *range = patiently(agent, async || shelf.open(record.offset).await).await?;
            progress.backed_up = if behind { record.offset } else { progress.next };
        }
        progress.range.add(record.offset, line);
        progress.next = record.offset + 1;
        Ok(())
    }

    fn place<'a>(&'a self, record: &'a Record) -> Result<Place<'a>> {
        let topic = self.intake.topics.get(&record.partition.0);
        let topic = topic.with_context(|| format!("a record of the topic {}, which is unknown", record.partition.0))?;
        Ok(Place { topic_id: topic, partition: record.partition.1, offset: record.offset })
    }

    async fn progress(&mut self, record: &Record) -> Result<&mut Progress> {
        let (topic, partition) = &record.partition;
        if !self.partitions.contains_key(&record.partition) {
            let shelf = Shelf {
                objects: self.aws.objects(),
                bucket: self.config.backup_bucket.clone(),
                prefix: format!("{}/{topic}/{}/{partition}", self.config.backup_prefix, self.place(record)?.topic_id),
                records: i64::try_from(self.config.backup_records).context("`backup_records` is too large")?,
            };
            let range = patiently(self.agent, async || shelf.open(record.offset).await).await?;
            let (next, backed_up, committed) = (record.offset, record.offset, -1);
            let progress = Progress { shelf, range, next, backed_up, committed };
            self.partitions.insert(record.partition.clone(), progress);
        }
        self.partitions.get_mut(&record.partition).context("this is a bug in lakewright: a partition went missing")
    }

    /// Backs up and commits; what fails is tried again at the next turn. An error when a topic was made again: offsets
    /// must not be committed to the topic that bears the name now.
    async fn back_up(&mut self) -> Result<()> {
        let topics = self.compare_topics().await;
        let done = self.back_up_all().await;
        match done.and(topics) {
            Ok(Topics::Same) => {
                if let Err(error) = self.commit(CommitMode::Async) {
                    self.agent.health.error(format!("{error:#}"));
                }
                Ok(())
            }
            Ok(other) => self.end_with(other).await,
            Err(error) => {
                self.agent.health.error(format!("{error:#}"));
                Ok(())
            }
        }
    }

    /// An error when a topic was made again, once what was read before is backed up: it can't be read a second time.
    async fn end_with(&mut self, topics: Topics) -> Result<()> {
        let Topics::Other(sentence) = topics else { return Ok(()) };
        let agent = self.agent;
        patiently(agent, async || self.back_up_all().await).await?;
        bail!(sentence)
    }

    async fn back_up_all(&mut self) -> Result<()> {
        for progress in self.partitions.values_mut() {
            if progress.shelf.put(&mut progress.range).await? {
                self.metrics.objects.increment(1);
            }
            progress.backed_up = progress.next;
        }
        Ok(())
    }

    fn commit(&mut self, mode: CommitMode) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), progress) in &mut self.partitions {
            let durable = progress.backed_up.min(progress.next);
            if durable > progress.committed {
                offsets
                    .add_partition_offset(topic, *partition, Offset::Offset(durable))
                    .context("name the offsets to commit")?;
                progress.committed = durable;
            }
        }
        if offsets.count() == 0 {
            return Ok(());
        }
        self.intake.consumer.commit(&offsets, mode).context("commit offsets")?;
        self.metrics.last_commit.set(health::now_ms() as f64);
        Ok(())
    }

    /// Another shipper, or this one later, goes on with these from what was committed: what was read of them and is not
    /// delivered is read again.
    fn forget_revoked(&mut self, records: &mut Vec<Record>) {
        let revoked = std::mem::take(&mut *self.intake.consumer.context().revoked.lock());
        if revoked.is_empty() {
            return;
        }
        self.partitions.retain(|partition, _| !revoked.contains(partition));
        records.retain(|record| !revoked.contains(&record.partition));
    }
}

fn record(message: &BorrowedMessage<'_>, payload: Vec<u8>) -> Record {
    Record { partition: (message.topic().to_owned(), message.partition()), offset: message.offset(), payload }
}
