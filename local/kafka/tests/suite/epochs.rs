//! Leader epochs: who reads on after records were cut off learns of it.

use std::fs::OpenOptions;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::admin::by_name;
use crate::clients::{self, PATIENCE, send};
use crate::crash::is_real;
use crate::support::{Broker, Ours, ask, text, unique};

fn epoch(address: &str, topic: &str) -> i32 {
    by_name(address, topic).partitions[0].leader_epoch
}

/// Error code, epoch and end of an epoch.
fn end(address: &str, topic: &str, current: i32, epoch: i32) -> (i16, i32, i64) {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(current).with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default().with_topic(TopicName(text(topic))).with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    let response = ask(address, 4, &request);
    let end = &response.topics[0].partitions[0];
    (end.error_code, end.leader_epoch, end.end_offset)
}

fn fetch(address: &str, topic: &str, current: i32) -> i16 {
    let partition = FetchPartition::default().with_current_leader_epoch(current).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(TopicName(text(topic))).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(100)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    ask(address, 12, &request).responses[0].partitions[0].error_code
}

/// Error code, offset and its epoch.
fn latest(address: &str, topic: &str, current: i32) -> (i16, i64, i32) {
    let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(current);
    let topic = ListOffsetsTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    let response = ask(address, 7, &request);
    let found = &response.topics[0].partitions[0];
    (found.error_code, found.offset, found.leader_epoch)
}

#[test]
fn another_leader_epoch_is_refused() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("epochs");
    clients::create(address, &topic, 1, &[]).unwrap();
    let producer = clients::producer(address);
    for value in ["a", "b", "c"] {
        send(&producer, &topic, 0, value, None);
    }
    let now = epoch(address, &topic);
    assert_eq!(fetch(address, &topic, -1), 0);
    assert_eq!(fetch(address, &topic, now), 0);
    assert_eq!(fetch(address, &topic, now + 1), 75);
    assert_eq!(latest(address, &topic, now), (0, 3, now));
    assert_eq!(latest(address, &topic, now + 1).0, 75);
    assert_eq!(end(address, &topic, now, now), (0, now, 3));
    assert_eq!(end(address, &topic, now, now + 3), (0, -1, -1));
    assert_eq!(end(address, &topic, now + 1, now).0, 75);
}

#[test]
fn a_reader_learns_that_records_were_cut_off() {
    if is_real() {
        return;
    }
    let mut broker = Ours::start();
    let address = broker.address.clone();
    clients::create(&address, "cut", 1, &[]).unwrap();
    let producer = clients::producer(&address);
    let segment = broker.last_segments().remove(0);
    let mut ends = Vec::new();
    for number in 0..100 {
        send(&producer, "cut", 0, &format!("first {number}"), None);
        ends.push(std::fs::metadata(&segment).unwrap().len());
    }
    let mut config = clients::configuration(&address);
    config.set("group.id", "reads").set("enable.auto.commit", "false").set("auto.offset.reset", "error");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("cut", 0, Offset::Offset(0)).unwrap();
    consumer.assign(&list).unwrap();
    for offset in 0..100 {
        assert_eq!(consumer.poll(PATIENCE).unwrap().unwrap().offset(), offset);
    }
    let before = epoch(&address, "cut");
    drop(producer);
    broker.kill();
    OpenOptions::new().write(true).open(&segment).unwrap().set_len(ends[89]).unwrap();
    broker.restart();
    let producer = clients::producer(&address);
    for number in 0..20 {
        assert_eq!(send(&producer, "cut", 0, &format!("second {number}"), None), 90 + number);
    }
    let after = epoch(&address, "cut");
    assert!(after > before, "{after} {before}");
    assert_eq!(fetch(&address, "cut", before), 74);
    assert_eq!(end(&address, "cut", after, before), (0, before, 90));
    let error = loop {
        match consumer.poll(PATIENCE).expect("an error") {
            Ok(message) => panic!("offset {} is another record now", message.offset()),
            Err(KafkaError::MessageConsumption(code)) if is_passing(code) => {}
            Err(error) => break error,
        }
    };
    let cut = KafkaError::MessageConsumption(RDKafkaErrorCode::LogTruncation);
    assert!(
        error == cut || matches!(error, KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)),
        "{error}"
    );

    broker.kill();
    broker.restart();
    assert_eq!(end(&address, "cut", -1, before), (0, before, 90), "a restart forgets the epochs");
    assert_eq!(end(&address, "cut", -1, after), (0, after, 110));
}

/// The broker is away.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve
    )
}
