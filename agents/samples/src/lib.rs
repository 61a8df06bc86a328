//! Sample messages for topics of which only the tables are declared.
//!
//! What a message is made of stands in the declaration: the columns with their types, members and units, the format, the path,
//! the key. Messages in Avro are written by a schema made of the columns, which is registered first.
//! `lakewright up` runs this for topics that no agent of the stack produces to; it is no agent, and no host has it.

mod avro;
mod debezium;
mod json;
mod register;
mod rows;
mod topic;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lakewright_aws::Aws;
use lakewright_config::{StreamConfig, Table};
use lakewright_formats::SchemaId;
use lakewright_platform::Backoff;
use lakewright_runtime::kafka::{self, KafkaContext};
use lakewright_runtime::{CancellationToken, Health};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

pub use topic::{Message, Needed, Topic, Unfit};

/// The most messages a second and topic.
pub const RATE_MOST: f64 = 10_000.0;
/// The shortest and the longest pause between two looks at the clock.
const TICKS: [f64; 2] = [0.02, 1.0];
/// So many messages wait for their acknowledgement; what is due beyond that stays out.
const WAITING_MOST: i32 = 50_000;
/// How long the stop waits for acknowledgements.
const FLUSH: Duration = Duration::from_secs(30);
/// The pauses after a registry didn't take a schema.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(15)];

/// Which messages are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The topics; empty for all of the configuration's.
    pub topics: Vec<String>,
    /// Messages a second and topic.
    pub rate: f64,
    /// Of the same seed come the same messages; without one, others each time.
    pub seed: Option<u64>,
}

/// The generators of the topics of a stream agent's tables. What can't be made is said and left out.
///
/// # Errors
/// There is no such topic, or nothing can be made for any of them.
pub fn topics(config: &StreamConfig, wanted: &[String], seed: u64) -> Result<Vec<Topic>> {
    let mut tables: BTreeMap<&str, Vec<Table>> = BTreeMap::new();
    for table in &config.tables {
        tables.entry(&table.topic).or_default().push(table.clone());
    }
    if let Some(name) = wanted.iter().find(|name| !tables.contains_key(name.as_str())) {
        bail!("no table is read from the topic {name}");
    }
    tables.retain(|name, _| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    let mut made = Vec::new();
    let mut wrong = Vec::new();
    for (index, (name, tables)) in tables.into_iter().enumerate() {
        match Topic::new(name, tables, seed.wrapping_add(index as u64)) {
            Ok(topic) => made.push(topic),
            Err(unfit) => {
                tracing::error!(topic = name, "no sample messages: {unfit}");
                wrong.push(format!("{name}: {unfit}"));
            }
        }
    }
    ensure!(!made.is_empty(), "no sample messages can be made for {}", wrong.join("; "));
    Ok(made)
}

/// Sends messages to topics of a stream agent's tables until the shutdown; returns when all of them are acknowledged.
///
/// # Errors
/// The options are wrong, there is no such topic, Kafka can't be reached at the end.
pub async fn run(config: &StreamConfig, options: &Options, shutdown: CancellationToken) -> Result<()> {
    let rate = options.rate;
    ensure!(rate > 0.0 && rate <= RATE_MOST, "the rate is more than 0 and at most {RATE_MOST} messages a second");
    let seed = options.seed.unwrap_or_else(rand::random);
    let mut topics = topics(config, &options.topics, seed)?;
    let aws = if topics.iter().any(|topic| topic.needs().is_some()) {
        Some(Aws::connect(lakewright_aws::Options::default()).await?)
    } else {
        None
    };
    let mut access = kafka::access(&config.kafka).await?;
    access.set("enable.idempotence", "true").set("acks", "all").set("message.timeout.ms", "0");
    let producer: FutureProducer<KafkaContext> =
        access.create_with_context(access.context(&Arc::new(Health::default()))).context("make the Kafka producer")?;
    let names: Vec<&str> = topics.iter().map(Topic::name).collect();
    tracing::info!(rate, seed, topics = names.join(","), "sample messages");
    let mut registering = JoinSet::new();
    if let Some(aws) = aws {
        for (index, topic) in topics.iter().enumerate() {
            if let Some(needed) = topic.needs() {
                registering.spawn(registered(aws.clone(), index, topic.name().to_owned(), needed));
            }
        }
    }
    let [shortest, longest] = TICKS;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64((1.0 / rate).clamp(shortest, longest)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (began, mut made) = (Instant::now(), 0);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(done) = registering.join_next() => {
                let (index, id): (usize, SchemaId) = done.context("a registration ended in a panic")?;
                topics[index].registered(id);
                continue;
            }
            _ = ticks.tick() => {}
        }
        let due = (began.elapsed().as_secs_f64() * rate) as u64;
        // After a pause of the whole machine nothing is caught up with.
        let count = (due - made).min(rate.ceil() as u64);
        made = due;
        for topic in &mut topics {
            for _ in 0..count {
                send(&producer, topic);
            }
        }
    }
    let flushed = tokio::task::spawn_blocking(move || producer.flush(FLUSH).map(|()| producer)).await;
    flushed.context("a flush ended in a panic")?.context("deliver the last sample messages").map(drop)
}

/// Registers a schema, however long its registry is away.
async fn registered(aws: Aws, index: usize, topic: String, needed: Needed) -> (usize, SchemaId) {
    let [first, longest] = PAUSES;
    let mut backoff = Backoff::new(first, longest);
    loop {
        match register::register(&aws, &topic, &needed).await {
            Ok(id) => return (index, id),
            Err(error) => tracing::warn!(topic, "the schema isn't registered yet: {error:#}"),
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}

/// Hands a topic's next message over, if there is one and room for it.
fn send(producer: &FutureProducer<KafkaContext>, topic: &mut Topic) {
    if producer.in_flight_count() >= WAITING_MOST {
        return;
    }
    let Some(message) = topic.next(chrono::Utc::now().timestamp_micros()) else { return };
    let headers = message
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let mut record = FutureRecord::<_, [u8]>::to(topic.name()).key(&message.key);
    if let Some(value) = &message.value {
        record = record.payload(value);
    }
    if !message.headers.is_empty() {
        record = record.headers(headers);
    }
    if let Err((error, _)) = producer.send_result(record) {
        tracing::error!(topic = topic.name(), "a sample message is left out: {error}");
    }
}
