//! What a cluster holds: its id, topic ids, partitions and their offsets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
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
}

/// The cluster's id, and topics with ids and partitions.
///
/// # Errors
/// The cluster doesn't answer within `timeout`, a topic doesn't exist or has no id.
pub async fn describe(access: &Access, topics: &[String], timeout: Duration) -> anyhow::Result<ClusterTopics> {
    let (access, topics) = (access.clone(), topics.to_vec());
    blocking(move || with_client(&access, |consumer| describe_with(consumer, &topics, timeout))).await
}

/// Each partition of the topics with its first and next offset.
///
/// # Errors
/// As [`describe`].
pub async fn ledger(access: &Access, topics: &[String], timeout: Duration) -> anyhow::Result<Vec<LedgerRow>> {
    let (access, topics) = (access.clone(), topics.to_vec());
    blocking(move || {
        with_client(&access, |consumer| {
            let mut rows = Vec::new();
            for (topic, identity) in describe_with(consumer, &topics, timeout)?.topics {
                for partition in identity.partitions {
                    let (start, end) = consumer
                        .fetch_watermarks(&topic, partition, timeout)
                        .with_context(|| format!("ask for the offsets of {topic}/{partition}"))?;
                    let (topic, topic_id) = (topic.clone(), identity.id.to_string());
                    rows.push(LedgerRow { topic, topic_id, partition, start, end });
                }
            }
            Ok(rows)
        })
    })
    .await
}

/// Whether the cluster answers; the error says why it doesn't.
pub(super) async fn reach(access: &Access, timeout: Duration) -> anyhow::Result<()> {
    let access = access.clone();
    let ask = move |client: &Client| client.fetch_metadata(None, timeout).map(drop).context("Kafka doesn't answer");
    blocking(move || with_client(&access, ask)).await
}

type Client = BaseConsumer<KafkaContext>;

/// Runs a request with a client of its own. The reason why a cluster doesn't answer (a wrong password, say) comes as
/// an event and not with the failed request: it is put to the error.
fn with_client<T>(access: &Access, request: impl FnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
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
