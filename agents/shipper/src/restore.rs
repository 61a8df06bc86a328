//! Restoring from the backup: into the index, by the ids that documents have anyway, or into a topic, at least once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_platform::durable;
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{KafkaContext, access};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::backup::{Named, Record, Shelves};
use crate::kafka::stream;
use crate::letters::Letters;
use crate::metrics::{Metrics, PipeMetrics};
use crate::search::{Entrance, IndexSink, Search, Settings, target};
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
/// How long Kafka may take for a record.
const SEND: Duration = Duration::from_mins(1);
/// The file in the state directory that says how far a restoration into a topic is.
const PROGRESS: &str = "restore.json";

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Indices whose names begin so; those of the configuration, if none is given.
    Index(Option<String>),
    /// A topic.
    Topic(String),
}

/// What is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Records of this time or later.
    pub from: DateTime<Utc>,
    /// Records of before this time.
    pub to: DateTime<Utc>,
    /// Where they go.
    pub into: Destination,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Records that went on.
    pub records: u64,
    /// Objects that were read.
    pub objects: u64,
    /// Documents that were in their index already.
    pub there: u64,
    /// Records that no index took as what they are.
    pub rejected: u64,
}

type Producer = FutureProducer<KafkaContext>;

/// Where records go, and what it takes.
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
enum Taking {
    Index { sink: Box<IndexSink>, batch: Batch, streams: BTreeMap<(String, i32), Arc<Stream>>, metrics: PipeMetrics },
    Topic { producer: Producer, topic: String, sending: JoinSet<Result<()>> },
}

/// How far a restoration into a topic is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// What it is of: another one begins anew.
    of: String,
    /// By stream: the offset that is next.
    next: BTreeMap<String, u64>,
}

/// Restores what is wanted. One that was cut short goes on where it was into a topic; into an index it begins anew, and changes nothing that
/// is there.
///
/// # Errors
/// An object can't be read, a destination takes nothing.
pub async fn restore(agent: &Agent, config: &ShipperConfig, aws: Aws, wanted: &Wanted) -> Result<Restored> {
    ensure!(wanted.from < wanted.to, "`--from` must be before `--to`");
    let aws = match &config.account {
        Some(account) => aws.of_account(account, BTreeMap::new()),
        None => aws,
    };
    let objects = aws.objects();
    let shelves = Shelves { objects: &objects, bucket: &config.backup_bucket, prefix: &config.backup_prefix };
    let path = agent.state_dir.join(PROGRESS);
    let of = format!("{wanted:?} s3://{}/{}", config.backup_bucket, config.backup_prefix);
    let mut progress = read_progress(&path, &of)?;
    let mut taking = taking(agent, config, &aws, wanted).await?;
    let mut restored = Restored::default();
    for (folder, names) in shelves.list().await? {
        let topic = folder.split('/').next().unwrap_or_default();
        let mut next = progress.next.get(&folder).copied().unwrap_or(0);
        for named in chosen(&names, wanted) {
            if named.last < next || agent.shutdown.is_cancelled() {
                continue;
            }
            let mut records = Vec::new();
            next = shelves
                .read(named, next, |record| {
                    if is_wanted(&record, config, wanted) {
                        records.push(record);
                    }
                    Ok(())
                })
                .await?;
            restored.objects += 1;
            restored.records += records.len() as u64;
            for record in records {
                taking.take(record, topic).await?;
            }
            if let Destination::Topic(_) = wanted.into {
                taking.flush().await?;
                progress.next.insert(folder.clone(), next);
                write_progress(&path, &progress)?;
            }
        }
    }
    taking.flush().await?;
    ensure!(!agent.shutdown.is_cancelled(), "stopped before the end; give the same command again to go on");
    if let Taking::Index { metrics, .. } = &taking {
        let value = |metric| agent.metrics.value(metric).unwrap_or_default() as u64;
        restored.there = value(&lakewright_config::agents::shipper::THERE);
        restored.rejected = value(&lakewright_config::agents::shipper::REJECTED);
        metrics.trouble.ends();
    } else {
        fs::remove_file(&path)
            .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    Ok(restored)
}

/// The objects of a stream that may hold records of the time: an object has those from its day up to that of the next one.
fn chosen<'a>(names: &'a [Named], wanted: &'a Wanted) -> impl Iterator<Item = &'a Named> {
    let day = |named: &Named| named.day.as_deref().and_then(|day| day.parse::<NaiveDate>().ok());
    let (first, last) = (wanted.from.date_naive(), wanted.to.date_naive());
    names.iter().enumerate().filter_map(move |(place, named)| {
        let begins_after = day(named).is_some_and(|day| day > last);
        let ends_before =
            names.get(place + 1).and_then(day).zip(day(named)).is_some_and(|(next, own)| next < first && own < first);
        (!begins_after && !ends_before).then_some(named)
    })
}

/// Whether a record is of the time that is wanted: by Kafka's, or where versions before kept none, by its own. One without either is.
fn is_wanted(record: &Record, config: &ShipperConfig, wanted: &Wanted) -> bool {
    let own = || -> Option<DateTime<Utc>> {
        let value: serde_json::Value = serde_json::from_slice(record.body.as_deref()?).ok()?;
        Some(DateTime::parse_from_rfc3339(value.get(&config.time_field)?.as_str()?).ok()?.to_utc())
    };
    let time = record.time_ms.and_then(DateTime::from_timestamp_millis).or_else(own);
    time.is_none_or(|time| wanted.from <= time && time < wanted.to)
}

async fn taking(agent: &Agent, config: &ShipperConfig, aws: &Aws, wanted: &Wanted) -> Result<Taking> {
    match &wanted.into {
        Destination::Index(name) => {
            let target = target(&config.search)?;
            let metrics = Metrics::new(agent).pipe("index");
            let entrance = Entrance::of(&target, aws)?;
            let search = Search::new(&target, entrance, config.gzip, agent.clone(), metrics.clone())?;
            let settings = Settings {
                index: name.clone().unwrap_or_else(|| config.index.clone()),
                time_field: config.time_field.clone(),
                days_back: i64::from(config.days_back),
                days_ahead: i64::from(config.days_ahead),
                by_source: true,
            };
            let letters = Letters::new(&agent.state_dir);
            let transforms = Declared::counted(config, agent)?;
            let sink = IndexSink::new(search, settings, transforms, letters, agent.clone(), metrics.clone());
            let sink = Box::new(sink);
            Ok(Taking::Index { sink, batch: Batch::default(), streams: BTreeMap::new(), metrics })
        }
        Destination::Topic(topic) => {
            let mut access = access(&config.kafka).await?;
            access.set("enable.idempotence", "true").set("message.max.bytes", "100000000");
            access.set("queue.buffering.max.kbytes", "65536");
            let context = access.context(&agent.health);
            let producer: Producer = access.create_with_context(context).context("make the Kafka producer")?;
            Ok(Taking::Topic { producer, topic: topic.clone(), sending: JoinSet::new() })
        }
    }
}

impl Taking {
    /// Takes a record of a topic.
    async fn take(&mut self, record: Record, topic: &str) -> Result<()> {
        match self {
            Self::Index { sink, batch, streams, .. } => {
                let key = (record.topic_id.clone(), record.partition);
                let stream = streams.entry(key).or_insert_with(|| stream(topic, &record.topic_id, record.partition));
                let size = record.body.as_ref().map_or(0, bytes::Bytes::len);
                batch.bytes += size;
                batch.events.push(record.event(Arc::clone(stream)));
                if batch.bytes >= REQUEST {
                    sink.take(std::mem::take(batch)).await?;
                    while sink.in_hand() >= REQUESTS {
                        sink.turn().await?;
                    }
                }
                Ok(())
            }
            Self::Topic { producer, topic, sending } => {
                while sending.len() >= ON_THE_WAY {
                    sending.join_next().await.context("this is a bug in lakewright: nothing is sent")???;
                }
                // Sent one by one, so that records keep their order.
                let sent = loop {
                    let mut message = FutureRecord::<[u8], [u8]>::to(topic.as_str()).headers(origin(&record));
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
    }

    /// Waits until all that was taken is there.
    async fn flush(&mut self) -> Result<()> {
        match self {
            Self::Index { sink, batch, .. } => {
                if !batch.events.is_empty() {
                    sink.take(std::mem::take(batch)).await?;
                }
                sink.finish().await
            }
            Self::Topic { sending, .. } => {
                while let Some(sent) = sending.join_next().await {
                    sent??;
                }
                Ok(())
            }
        }
    }
}

/// A record's own headers, and where it comes from.
fn origin(record: &Record) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for header in &record.headers {
        headers = headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() });
    }
    let place = format!("{}/{}/{}", record.topic_id, record.partition, record.offset);
    headers.insert(KafkaHeader { key: "lakewright-origin", value: Some(&place) })
}

fn read_progress(path: &Path, of: &str) -> Result<Progress> {
    let begin = || Progress { of: of.to_owned(), next: BTreeMap::new() };
    match fs::read(path) {
        Ok(text) => {
            let read: Progress = serde_json::from_slice(&text).unwrap_or_default();
            Ok(if read.of == of { read } else { begin() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(begin()),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn write_progress(path: &Path, progress: &Progress) -> Result<()> {
    durable::write(path, &serde_json::to_vec(progress).context("write the progress as JSON")?)
}
