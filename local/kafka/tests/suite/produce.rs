//! Producing: order, once, acknowledgements, limits.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use futures::future::join_all;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, TopicName};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::clients::{self, PATIENCE};
use crate::support::{Broker, ask, eventually, text, unique};

pub fn batch(producer: (i64, i16), sequence: i32, values: &[&str]) -> Bytes {
    let record = |(at, value): (usize, &&str)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: producer.0,
        producer_epoch: producer.1,
        timestamp_type: TimestampType::Creation,
        offset: at as i64,
        sequence: sequence + at as i32,
        timestamp: std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64,
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: IndexMap::default(),
    };
    let records: Vec<_> = values.iter().enumerate().map(record).collect();
    let mut buffer = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut buffer, &records, &options).unwrap();
    buffer.freeze()
}

/// Error code and base offset.
pub fn produce(address: &str, topic: &str, batch: Bytes) -> (i16, i64) {
    let part = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let data = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![part]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![data]);
    let response = ask(address, 9, &request);
    let part = &response.responses[0].partition_responses[0];
    (part.error_code, part.base_offset)
}

pub fn producer_id(address: &str) -> (i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(-1)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let response = eventually("a producer id", || Some(ask(address, 4, &request)).filter(|r| r.error_code == 0));
    (response.producer_id.0, response.producer_epoch)
}

#[tokio::test]
async fn keeps_order_and_stores_each_record_once() {
    let broker = Broker::start();
    let topic = unique("ordered");
    clients::create(broker.address(), &topic, 3, &[]).unwrap();
    let producer = clients::producer(broker.address());
    let mut sent: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut deliveries = Vec::new();
    for number in 0..20_000 {
        let (partition, value) = (number % 3, format!("record {number}"));
        let record = FutureRecord::<str, str>::to(&topic).partition(partition).payload(&value);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
        sent.entry(partition).or_default().push(value);
    }
    for delivery in join_all(deliveries).await {
        delivery.unwrap().unwrap();
    }
    let read = clients::read_all(broker.address(), &topic);
    for (partition, values) in sent {
        let expected: Vec<_> = values.into_iter().enumerate().map(|(at, value)| (at as i64, value)).collect();
        assert_eq!(read[&partition], expected, "partition {partition}");
    }
}

#[test]
fn sequences_are_checked() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("sequences");
    clients::create(address, &topic, 1, &[]).unwrap();
    let (id, epoch) = producer_id(address);
    let producer = (id, epoch);
    assert_ne!(producer_id(address).0, id, "producers share an id");
    assert_eq!(produce(address, &topic, batch(producer, 0, &["a", "b"])), (0, 0));
    assert_eq!(produce(address, &topic, batch(producer, 2, &["c"])), (0, 2));
    assert_eq!(produce(address, &topic, batch(producer, 0, &["a", "b"])), (0, 0), "a repeated batch");
    assert_eq!(produce(address, &topic, batch(producer, 2, &["c"])), (0, 2), "a repeated batch");
    assert_eq!(produce(address, &topic, batch(producer, 5, &["f"])).0, 45, "a gap");
    assert_eq!(produce(address, &topic, batch((id, epoch + 1), 0, &["d"])), (0, 3));
    assert_eq!(produce(address, &topic, batch(producer, 3, &["x"])).0, 47, "an old epoch");
    let values: Vec<_> = clients::read_all(address, &topic).remove(&0).unwrap().into_iter().map(|(_, v)| v).collect();
    assert_eq!(values, ["a", "b", "c", "d"]);
}

#[test]
fn a_corrupt_or_large_batch_is_refused() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("refused");
    clients::create(address, &topic, 1, &[("max.message.bytes", "1000")]).unwrap();
    let mut corrupt = batch((-1, -1), -1, &["value"]).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    assert_eq!(produce(address, &topic, corrupt.into()).0, 2);
    assert_eq!(produce(address, &topic, batch((-1, -1), -1, &["x".repeat(2000).as_str()])).0, 10);
    assert_eq!(produce(address, &unique("nowhere"), batch((-1, -1), -1, &["value"])).0, 3);
    assert_eq!(produce(address, &topic, batch((-1, -1), -1, &["value"])), (0, 0));
}

#[tokio::test]
async fn all_acknowledgements_and_compressions_pass() {
    let broker = Broker::start();
    let topic = unique("acks");
    clients::create(broker.address(), &topic, 1, &[]).unwrap();
    let mut values = Vec::new();
    let cases = [("0", "none"), ("1", "gzip"), ("all", "gzip"), ("all", "lz4"), ("all", "snappy"), ("all", "zstd")];
    for (acks, compression) in cases {
        let mut config = clients::configuration(broker.address());
        config.set("acks", acks).set("compression.type", compression).set("linger.ms", "5");
        let producer: FutureProducer = config.create().unwrap();
        let mut deliveries = Vec::new();
        for number in 0..100 {
            let value = format!("{acks} {compression} {number}");
            let record = FutureRecord::<str, str>::to(&topic).partition(0).payload(&value);
            deliveries.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
            values.push(value);
        }
        for delivery in join_all(deliveries).await {
            delivery.unwrap().unwrap();
        }
        // What is sent without an acknowledgement may come after what the next producer sends.
        eventually("all records", || {
            let read = clients::read_all(broker.address(), &topic).remove(&0).unwrap_or_default();
            (read.len() == values.len()).then_some(())
        });
    }
    let read = clients::read_all(broker.address(), &topic).remove(&0).unwrap();
    assert_eq!(read.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values);
}

#[tokio::test]
async fn nobody_creates_a_topic_by_mistake() {
    let broker = Broker::start();
    let Broker::Ours(ours) = &broker else { return };
    let mut config = clients::configuration(&ours.address);
    config.set("message.timeout.ms", "20000").set("topic.metadata.propagation.max.ms", "500");
    let producer: FutureProducer = config.create().unwrap();
    let record = FutureRecord::<str, str>::to("never-declared").payload("value");
    let (error, _) = producer.send(record, PATIENCE).await.unwrap_err();
    let unknown = [RDKafkaErrorCode::UnknownTopicOrPartition, RDKafkaErrorCode::UnknownTopic];
    assert!(matches!(error, KafkaError::MessageProduction(code) if unknown.contains(&code)), "{error}");
}
