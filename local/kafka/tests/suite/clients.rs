//! The clients that tests use, configured as the agents' are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn configuration(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "200")
        .set("topic.metadata.refresh.interval.ms", "1000");
    config
}

pub fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    configuration(address).create().unwrap()
}

pub fn create(address: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), RDKafkaErrorCode> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let results = block_on(admin(address).create_topics([&new], &AdminOptions::new())).unwrap();
    results.into_iter().next().unwrap().map(drop).map_err(|(_, code)| code)
}

pub fn delete(address: &str, topic: &str) -> Result<(), RDKafkaErrorCode> {
    let results = block_on(admin(address).delete_topics(&[topic], &AdminOptions::new())).unwrap();
    results.into_iter().next().unwrap().map(drop).map_err(|(_, code)| code)
}

pub fn producer(address: &str) -> FutureProducer {
    let mut config = configuration(address);
    config.set("enable.idempotence", "true").set("linger.ms", "2").set("message.timeout.ms", "60000");
    config.create().unwrap()
}

/// Sends one record and returns its offset.
pub fn send(producer: &FutureProducer, topic: &str, partition: i32, value: &str, time: Option<i64>) -> i64 {
    let mut record = FutureRecord::<str, str>::to(topic).partition(partition).payload(value);
    record.timestamp = time;
    block_on(producer.send(record, PATIENCE)).unwrap().offset
}

/// A consumer without a group's assignment.
pub fn reader(address: &str, group: &str) -> BaseConsumer {
    let mut config = configuration(address);
    config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.create().unwrap()
}

/// All records of a topic, by partition, as offset and value.
pub fn read_all(address: &str, topic: &str) -> BTreeMap<i32, Vec<(i64, String)>> {
    let consumer = reader(address, "reads-all");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut wanted = 0;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).unwrap();
        wanted += high - low;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut records: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut read = 0;
    while read < wanted {
        assert!(Instant::now() < deadline, "{read} of {wanted} records were read");
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.unwrap();
        let value = String::from_utf8(message.payload().unwrap_or_default().to_vec()).unwrap();
        records.entry(message.partition()).or_default().push((message.offset(), value));
        read += 1;
    }
    records
}
