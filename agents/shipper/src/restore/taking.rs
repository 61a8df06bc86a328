//! Where restored records go: into indices, by the ids that they had, or into a topic, at least once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper::sources::{index_of, time_field};
use lakewright_config::restoring::{Destination, Refusal};
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{KafkaContext, access, has_topic};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::JoinSet;

use super::Wanted;
use crate::backup::{Origin, Record};
use crate::kafka::stream;
use crate::letters::Letters;
use crate::metrics::{Metrics, PipeMetrics};
use crate::search::{Entrance, IndexSink, Search, Settings, Templates, target};
use crate::shape_of;
use crate::sink::Sink as _;
use crate::source::{Batch, Stream};
use crate::transforms::Declared;

/// How many bytes of records go in a request.
const REQUEST: usize = 2 << 20;
/// How many requests are in hand at the same time.
const REQUESTS: usize = 6;
/// How many records are on their way to a topic at the same time.
const ON_THE_WAY: usize = 2000;
/// The pause when Kafka's client has no room for a record.
const FULL: Duration = Duration::from_millis(20);
/// How long Kafka may take to say whether it has the topic.
const ASK: Duration = Duration::from_secs(30);
/// How long Kafka may take for a record.
const SEND: Duration = Duration::from_mins(1);

type Producer = FutureProducer<KafkaContext>;

/// Where records go, and what it takes.
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub enum Taking {
    /// Into indices.
    Index(Indexing),
    /// Into a topic.
    Topic(Sending),
}

/// What it takes to restore into indices.
pub struct Indexing {
    agent: Agent,
    config: ShipperConfig,
    aws: Aws,
    /// What the names of the topics' indices begin with.
    index: String,
    letters: Letters,
    /// What is reported.
    pub metrics: PipeMetrics,
    /// By what the names of their indices begin with.
    indices: BTreeMap<String, (IndexSink, Batch)>,
    streams: BTreeMap<Origin, Arc<Stream>>,
}

/// What it takes to restore into a topic.
pub struct Sending {
    producer: Producer,
    topic: String,
    sending: JoinSet<Result<()>>,
}

impl Taking {
    /// Where a restoration goes.
    ///
    /// # Errors
    /// The configuration is wrong, Kafka can't be reached or has no such topic.
    pub async fn new((agent, config, aws): (&Agent, &ShipperConfig, &Aws), wanted: &Wanted) -> Result<Self> {
        match &wanted.into {
            Destination::Index(name) => Ok(Self::Index(Indexing {
                agent: agent.clone(),
                config: config.clone(),
                aws: aws.clone(),
                index: name.clone().unwrap_or_else(|| config.index.clone()),
                letters: Letters::new(&agent.state_dir),
                metrics: Metrics::new(agent).pipe("index"),
                indices: BTreeMap::new(),
                streams: BTreeMap::new(),
            })),
            Destination::Topic(topic) => {
                let mut access = access(&config.kafka).await?;
                if !has_topic(&access, topic, ASK).await.context("ask Kafka for the topic")? {
                    return Err(Refusal::NoTopic { name: topic.clone() }.into());
                }
                access.set("enable.idempotence", "true").set("message.max.bytes", "100000000");
                access.set("queue.buffering.max.kbytes", "65536");
                let context = access.context(&agent.health);
                let producer: Producer = access.create_with_context(context).context("make the Kafka producer")?;
                Ok(Self::Topic(Sending { producer, topic: topic.clone(), sending: JoinSet::new() }))
            }
        }
    }

    /// Takes a record over, of a topic or of a host's log.
    ///
    /// # Errors
    /// A destination takes nothing.
    pub async fn take(&mut self, record: Record, topic: &str) -> Result<()> {
        match self {
            Self::Index(indexing) => indexing.take(record, topic).await,
            Self::Topic(sending) => sending.take(&record).await,
        }
    }

    /// Waits until all that was taken is there.
    ///
    /// # Errors
    /// A destination takes nothing.
    pub async fn flush(&mut self) -> Result<()> {
        match self {
            Self::Index(indexing) => {
                for (sink, batch) in indexing.indices.values_mut() {
                    if !batch.events.is_empty() {
                        sink.take(std::mem::take(batch)).await?;
                    }
                    sink.finish().await?;
                }
                Ok(())
            }
            Self::Topic(Sending { sending, .. }) => {
                while let Some(sent) = sending.join_next().await {
                    sent??;
                }
                Ok(())
            }
        }
    }
}

impl Indexing {
    async fn take(&mut self, record: Record, topic: &str) -> Result<()> {
        let (index, time_field, source) = match &record.origin {
            Origin::Topic { .. } => (self.index.clone(), self.config.time_field.clone(), None),
            Origin::Host(named) => {
                let declared = self.config.sources.get(&named.source);
                let time_field = declared.map_or_else(time_field, |declared| declared.time_field.clone());
                (index_of(&self.index, &named.source), time_field, Some(named.source.as_str()))
            }
        };
        if !self.indices.contains_key(&index) {
            let sink = self.sink(index.clone(), time_field, source)?;
            self.indices.insert(index.clone(), (sink, Batch::default()));
        }
        let (sink, batch) = self.indices.get_mut(&index).context("this is a bug in lakewright: no index")?;
        let stream = self.streams.entry(record.origin.clone()).or_insert_with(|| match &record.origin {
            Origin::Topic { id, partition } => stream(topic, id, *partition),
            Origin::Host(named) => Arc::new(named.stream_of()),
        });
        batch.bytes += record.body.as_ref().map_or(0, bytes::Bytes::len);
        let stream = Arc::clone(stream);
        batch.events.push(record.event(stream));
        if batch.bytes >= REQUEST {
            sink.take(std::mem::take(batch)).await?;
            while sink.in_hand() >= REQUESTS {
                sink.turn().await?;
            }
        }
        Ok(())
    }

    fn sink(&self, index: String, time_field: String, source: Option<&str>) -> Result<IndexSink> {
        let (target, config) = (target(&self.config.search)?, &self.config);
        let entrance = Entrance::of(&target, &self.aws)?;
        let search = Search::new(&target, entrance, config.gzip, self.agent.clone(), self.metrics.clone())?;
        let search =
            search.with(Templates::new(shape_of(config, source, &index), self.metrics.trouble.of("templates")));
        let settings = Settings {
            index,
            time_field,
            days_back: i64::from(config.days_back),
            days_ahead: i64::from(config.days_ahead),
            by_source: true,
        };
        let transforms = Declared::counted(config, &self.agent)?;
        let (letters, agent) = (self.letters.clone(), self.agent.clone());
        Ok(IndexSink::new(search, settings, transforms, letters, agent, self.metrics.clone()))
    }
}

impl Sending {
    async fn take(&mut self, record: &Record) -> Result<()> {
        let Self { producer, topic, sending } = self;
        while sending.len() >= ON_THE_WAY {
            sending.join_next().await.context("this is a bug in lakewright: nothing is sent")???;
        }
        // Sent one by one, so that records keep their order.
        let sent = loop {
            let mut message = FutureRecord::<[u8], [u8]>::to(topic.as_str()).headers(origin(record));
            (message.key, message.payload) = (record.key.as_deref(), record.body.as_deref());
            message.timestamp = record.time_ms;
            match producer.send_result(message) {
                Ok(sent) => break sent,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    match sending.join_next().await {
                        Some(delivered) => delivered??,
                        None => tokio::time::sleep(FULL).await,
                    }
                }
                Err((error, _)) => return Err(anyhow!("send to {topic}: {error}")),
            }
        };
        sending.spawn(async move {
            let delivered = tokio::time::timeout(SEND, sent).await.context("Kafka doesn't answer")?;
            let delivered = delivered.context("the producer ended")?;
            delivered.map(drop).map_err(|(error, _)| anyhow!("send to the topic: {error}"))
        });
        Ok(())
    }
}

/// A record's own headers, and where it comes from.
fn origin(record: &Record) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for header in &record.headers {
        headers = headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() });
    }
    let place = format!("{}/{}", record.origin, record.offset);
    headers.insert(KafkaHeader { key: "lakewright-origin", value: Some(&place) })
}
