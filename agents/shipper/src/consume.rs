//! Reading topics, and committing what is durable everywhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_aws::Client;
use lakewright_config::ShipperConfig;
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{KafkaContext, TopicIdentity};
use lakewright_runtime::retry::Backoff;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::Metrics;
use crate::backup::{Range, Shelf};
use crate::bulk::Search;
use crate::document::{Document, Place, backup_line, document, rejected};

/// How often ranges that are not full are backed up and offsets committed.
const BACKUP: Duration = Duration::from_secs(10);
/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// How long Kafka may take to tell a partition's end.
const WATERMARK: Duration = Duration::from_secs(5);

type Partition = (String, i32);

/// The consumer's context: partitions that were taken away must not be gone on with.
struct Context {
    kafka: KafkaContext,
    revoked: Mutex<Vec<Partition>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.kafka.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.kafka.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let elements = partitions.elements();
            let names = elements.iter().map(|element| (element.topic().to_owned(), element.partition()));
            self.revoked.lock().extend(names);
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
        mut client: ClientConfig,
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
        let context = Context { kafka: KafkaContext::new(Arc::clone(&agent.health)), revoked: Mutex::default() };
        let consumer: StreamConsumer<Context> =
            client.create_with_context(context).context("make the Kafka consumer")?;
        let names: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).context("subscribe to the topics")?;
        let topics = topics.into_iter().map(|(name, topic)| (name, topic.id.to_string())).collect();
        Ok(Self { consumer: Arc::new(consumer), topics })
    }
}

/// How far one partition is.
struct Progress {
    shelf: Shelf,
    range: Range,
    /// The next offset to be read; all before it are indexed.
    next: i64,
    /// All before it are in backup objects.
    backed_up: i64,
    /// What was committed.
    committed: i64,
}

struct Shipment<'a> {
    config: &'a ShipperConfig,
    intake: &'a Intake,
    search: &'a Search,
    aws: &'a Client,
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
    aws: &Client,
    metrics: &Metrics,
) -> Result<()> {
    let mut shipment = Shipment { config, intake: &intake, search, aws, metrics, partitions: HashMap::new() };
    let lag = measure(agent, &intake, metrics);
    let mut backoff = Backoff::default();
    let mut backed_up = Instant::now();
    while !agent.shutdown.is_cancelled() {
        let records = shipment.read(agent).await?;
        shipment.forget_revoked();
        shipment.deliver(&records).await?;
        if backed_up.elapsed() >= BACKUP {
            shipment.back_up(agent, &mut backoff).await;
            backed_up = Instant::now();
        }
        lag.store(&shipment.partitions);
        agent.health.progress();
    }
    shipment.forget_revoked();
    shipment.back_up_all().await?;
    shipment.commit(CommitMode::Sync)
}

impl Shipment<'_> {
    /// The next records: as many as make a bulk request, or come in its time.
    async fn read(&mut self, agent: &Agent) -> Result<Vec<Record>> {
        let end = tokio::time::Instant::now() + Duration::from_millis(self.config.bulk_interval_ms);
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < self.config.bulk_bytes {
            let message = tokio::select! {
                message = self.intake.consumer.recv() => message,
                () = tokio::time::sleep_until(end) => break,
                () = agent.shutdown.cancelled() => break,
            };
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
        Ok(records)
    }

    /// Indexes the records and adds them to their ranges; full ranges are backed up.
    async fn deliver(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut documents: Vec<Document> = Vec::with_capacity(records.len());
        for record in records {
            documents.push(document(&self.config.index, &self.config.time_field, self.place(record)?, &record.payload));
        }
        let refusals = self.search.index(&documents).await?;
        let mut again = Vec::with_capacity(refusals.len());
        for refusal in refusals {
            let record = &records[refusal.position];
            again.push(rejected(&self.config.index, self.place(record)?, &refusal.reason, &record.payload));
        }
        if !again.is_empty() {
            let lost = self.search.index(&again).await?;
            anyhow::ensure!(lost.is_empty(), "the search cluster refuses rejected records, too: {lost:?}");
        }
        let own = documents.iter().filter(|document| document.rejected).count();
        self.metrics.rejected.add((own + again.len()) as u64);
        for record in records {
            let line = backup_line(self.place(record)?, &record.payload);
            let objects = self.metrics.objects.clone();
            let progress = self.progress(record).await?;
            // Offsets that Kafka has no record of (compaction, transaction marks) leave a gap, maybe a whole range's.
            while record.offset >= progress.shelf.end(&progress.range) {
                let end = progress.shelf.end(&progress.range);
                if progress.shelf.put(&mut progress.range).await? {
                    objects.add(1);
                }
                progress.backed_up = end;
                progress.range = progress.shelf.begin(record.offset);
            }
            progress.range.add(record.offset, line);
            progress.next = record.offset + 1;
        }
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
                s3: self.aws.s3(),
                bucket: self.config.backup_bucket.clone(),
                prefix: format!("{}/{topic}/{partition}", self.config.backup_prefix),
                records: i64::try_from(self.config.backup_records).context("`backup_records` is too large")?,
            };
            let range = shelf.open(record.offset).await?;
            let (next, backed_up, committed) = (record.offset, record.offset, -1);
            let progress = Progress { shelf, range, next, backed_up, committed };
            self.partitions.insert(record.partition.clone(), progress);
        }
        self.partitions.get_mut(&record.partition).context("this is a bug in lakewright: a partition went missing")
    }

    /// Backs up and commits; what fails is tried again at the next turn.
    async fn back_up(&mut self, agent: &Agent, backoff: &mut Backoff) {
        let done = match self.back_up_all().await {
            Ok(()) => self.commit(CommitMode::Async),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => backoff.reset(),
            Err(error) => agent.health.error(format!("{error:#}")),
        }
    }

    async fn back_up_all(&mut self) -> Result<()> {
        for progress in self.partitions.values_mut() {
            if progress.shelf.put(&mut progress.range).await? {
                self.metrics.objects.add(1);
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
        self.intake.consumer.commit(&offsets, mode).context("commit offsets")
    }

    /// Another shipper goes on with these from what was committed.
    fn forget_revoked(&mut self) {
        for partition in self.intake.consumer.context().revoked.lock().drain(..) {
            self.partitions.remove(&partition);
        }
    }
}

fn record(message: &BorrowedMessage<'_>, payload: Vec<u8>) -> Record {
    Record { partition: (message.topic().to_owned(), message.partition()), offset: message.offset(), payload }
}

/// The offsets that were reached, for the measuring of the lag.
#[derive(Clone, Default)]
struct Reached(Arc<Mutex<HashMap<Partition, i64>>>);

impl Reached {
    fn store(&self, partitions: &HashMap<Partition, Progress>) {
        let mut reached = self.0.lock();
        reached.clear();
        reached.extend(partitions.iter().map(|(partition, progress)| (partition.clone(), progress.next)));
    }
}

/// Measures the lag every second until the shutdown: how many records of the assigned partitions are not indexed yet.
fn measure(agent: &Agent, intake: &Intake, metrics: &Metrics) -> Reached {
    let reached = Reached::default();
    let (consumer, lag, shutdown) = (Arc::clone(&intake.consumer), metrics.lag.clone(), agent.shutdown.clone());
    let known = reached.clone();
    tokio::spawn(async move {
        while tokio::time::timeout(MEASURE, shutdown.cancelled()).await.is_err() {
            let (consumer, known) = (Arc::clone(&consumer), known.clone());
            let measured = tokio::task::spawn_blocking(move || total_lag(&consumer, &known)).await;
            match measured {
                Ok(Ok(Some(records))) => lag.set(records),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the lag can't be measured now"),
                Err(error) => tracing::debug!(%error, "the lag can't be measured now"),
            }
        }
    });
    reached
}

/// The records of the assigned partitions that are not indexed yet; `None` before partitions are assigned.
fn total_lag(consumer: &StreamConsumer<Context>, reached: &Reached) -> Result<Option<i64>> {
    let assigned = consumer.assignment().context("ask for the assignment")?;
    if assigned.count() == 0 {
        return Ok(None);
    }
    let mut lag = 0;
    for element in assigned.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let (low, high) = consumer.fetch_watermarks(topic, partition, WATERMARK).context("ask for the end")?;
        let next = reached.0.lock().get(&(topic.to_owned(), partition)).copied();
        let next = match next {
            Some(next) => next,
            // Nothing read yet since the start: what was committed is where it goes on.
            None => {
                let mut asked = TopicPartitionList::new();
                asked.add_partition(topic, partition);
                let committed = consumer.committed_offsets(asked, WATERMARK).context("ask for the committed offset")?;
                match committed.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
                    Some(Offset::Offset(offset)) => offset,
                    _ => low,
                }
            }
        };
        lag += (high - next.max(low)).max(0);
    }
    Ok(Some(lag))
}
