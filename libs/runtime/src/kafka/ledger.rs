//! What a cluster holds: its id, topic ids, partitions and their offsets.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientContext, Message as _, Offset, TopicPartitionList};
use serde::Serialize;
use uuid::Uuid;

use super::client::{Access, KafkaContext};
use super::topic_ids::describe_topics;
use crate::health::Health;

/// How long a client may take to ask for its token.
const LOG_IN: Duration = Duration::from_secs(10);

/// A cluster and the topics that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterTopics {
    /// The cluster's id, constant for its life.
    pub cluster_id: String,
    /// By topic name.
    pub topics: BTreeMap<String, TopicIdentity>,
}

/// Which topic bears a name now: a topic deleted and made again has another id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicIdentity {
    /// The topic's id.
    pub id: Uuid,
    /// Its partitions, ascending.
    pub partitions: Vec<i32>,
}

/// What one partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerRow {
    /// The topic's name.
    pub topic: String,
    /// The topic's id, hyphenated.
    pub topic_id: String,
    /// The partition.
    pub partition: i32,
    /// The first offset still held.
    pub start: i64,
    /// The offset that the next record gets.
    pub end: i64,
    /// How many records of these have no value, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_value: Option<i64>,
}

/// The cluster's id, and topics with ids and partitions.
///
/// # Errors
/// The cluster doesn't answer within `timeout`, a topic doesn't exist or has no id.
pub async fn describe(access: &Access, topics: &[String], timeout: Duration) -> anyhow::Result<ClusterTopics> {
    let (access, topics) = (access.clone(), topics.to_vec());
    blocking(move || with_client(&access, |consumer| describe_with(consumer, &topics, timeout))).await
}

/// Whether the cluster has a topic, which isn't made by the question.
///
/// # Errors
/// The cluster doesn't answer within `timeout`, or doesn't let the client see the topic.
pub async fn has_topic(access: &Access, topic: &str, timeout: Duration) -> anyhow::Result<bool> {
    let (access, topic) = (access.clone(), topic.to_owned());
    blocking(move || {
        with_client(&access, |consumer| {
            let metadata = consumer.fetch_metadata(Some(&topic), timeout).context("ask for the topic")?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            match found.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from) {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(false),
                Some(code) => bail!("the topic `{topic}`: {code}"),
                None => Ok(found.is_some_and(|found| !found.partitions().is_empty())),
            }
        })
    })
    .await
}

/// Each partition of the topics with its first and next offset. Of those in `counted`, records without a value are counted, which
/// takes reading them all; `timeout` is then also the longest time without a record.
///
/// # Errors
/// As [`describe`]; a partition can't be read.
pub async fn ledger(
    access: &Access,
    topics: &[String],
    counted: &[String],
    timeout: Duration,
) -> anyhow::Result<Vec<LedgerRow>> {
    let (access, topics, counted) = (access.clone(), topics.to_vec(), counted.to_vec());
    blocking(move || {
        with_client(&access, |consumer| {
            let mut rows = Vec::new();
            for (topic, identity) in describe_with(consumer, &topics, timeout)?.topics {
                for partition in identity.partitions {
                    let (start, end) = consumer
                        .fetch_watermarks(&topic, partition, timeout)
                        .with_context(|| format!("ask for the offsets of {topic}/{partition}"))?;
                    let without_value = if counted.contains(&topic) {
                        Some(without_value(&access, (&topic, partition), start..end, timeout)?)
                    } else {
                        None
                    };
                    let (topic, topic_id) = (topic.clone(), identity.id.to_string());
                    rows.push(LedgerRow { topic, topic_id, partition, start, end, without_value });
                }
            }
            Ok(rows)
        })
    })
    .await
}

/// How many records of a partition have no value, between two offsets.
fn without_value(
    access: &Access,
    (topic, partition): (&str, i32),
    offsets: Range<i64>,
    timeout: Duration,
) -> anyhow::Result<i64> {
    let mut access = access.clone();
    // Without a group nothing can be assigned; nothing is kept under its name.
    access.set("group.id", "lakewright-ledger").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    let context = || format!("read {topic}/{partition}");
    let client: Client = access.create_with_context(access.context(&Arc::default())).with_context(context)?;
    let mut assigned = TopicPartitionList::new();
    assigned.add_partition_offset(topic, partition, Offset::Offset(offsets.start)).with_context(context)?;
    client.assign(&assigned).with_context(context)?;
    let mut count = 0;
    let mut next = offsets.start;
    while next < offsets.end {
        match client.poll(timeout) {
            Some(Ok(record)) if record.offset() < offsets.end => {
                count += i64::from(record.payload().is_none());
                next = record.offset() + 1;
            }
            // What comes behind may be markers of transactions, which are no records.
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) => return Err(error).with_context(context),
            None => bail!("{topic}/{partition} gave no record for {} s, at offset {next}", timeout.as_secs()),
        }
    }
    Ok(count)
}

/// Whether the cluster answers; the error says why it doesn't.
pub(super) async fn reach(access: &Access, timeout: Duration) -> anyhow::Result<()> {
    let access = access.clone();
    let ask = move |client: &Client| client.fetch_metadata(None, timeout).map(drop).context("Kafka doesn't answer");
    blocking(move || with_client(&access, ask)).await
}

/// A client for requests.
pub type Client = BaseConsumer<KafkaContext>;

/// Runs requests with a client of their own, which is logged in; blocks. The reason why a cluster doesn't answer (a wrong password, say) comes as
/// an event and not with the failed request: it is put to the error.
///
/// # Errors
/// No client can be made, or the requests fail.
pub fn with_client<T>(access: &Access, request: impl FnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let health = Arc::new(Health::default());
    let client: Client = access.create_with_context(access.context(&health)).context("make a Kafka client")?;
    let start = Instant::now();
    while client.context().awaits_token() && start.elapsed() < LOG_IN {
        _ = client.poll(Duration::from_millis(50));
    }
    request(&client).map_err(|error| {
        _ = client.poll(Duration::ZERO);
        match health.last_error() {
            Some(reason) => error.context(reason),
            None => error,
        }
    })
}

fn describe_with(client: &Client, topics: &[String], timeout: Duration) -> anyhow::Result<ClusterTopics> {
    describe_using(client.client(), topics, timeout)
}

/// As [`describe`], with a client that is there already; blocks.
///
/// # Errors
/// As [`describe`].
pub fn describe_using<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    topics: &[String],
    timeout: Duration,
) -> anyhow::Result<ClusterTopics> {
    let descriptions = describe_topics(client.native_client(), topics, timeout)?;
    let cluster_id = client.fetch_cluster_id(timeout).context("Kafka returned no cluster id")?;
    let topics = descriptions
        .into_iter()
        .map(|found| (found.name, TopicIdentity { id: found.id, partitions: found.partitions }))
        .collect();
    Ok(ClusterTopics { cluster_id, topics })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a Kafka request was cut short")?
}
