//! Transactions: what readers see of them, fencing, offsets that count with them, timeouts, restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest, ListOffsetsRequest, OffsetFetchRequest,
    TopicName, TransactionalId,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{self, PATIENCE, send};
use crate::crash::is_real;
use crate::groups::committed;
use crate::support::{Broker, Ours, ask, eventually, text, unique};

fn producer(address: &str, id: &str) -> FutureProducer {
    producer_with(address, id, "60000")
}

pub fn producer_with(address: &str, id: &str, timeout_ms: &str) -> FutureProducer {
    let mut config = clients::configuration(address);
    config.set("transactional.id", id).set("transaction.timeout.ms", timeout_ms).set("linger.ms", "2");
    let producer: FutureProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

/// All records up to the end that a reader of this isolation sees, by partition.
fn read(address: &str, topic: &str, isolation: &str) -> BTreeMap<i32, Vec<(i64, String)>> {
    let mut config = clients::configuration(address);
    config.set("group.id", "reads-all").set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.set("isolation.level", isolation).set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut records: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    let mut ended = 0;
    while ended < list.count() {
        match consumer.poll(PATIENCE).expect("records or the end") {
            Ok(message) => {
                let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                records.entry(message.partition()).or_default().push((message.offset(), value));
            }
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
    records
}

pub fn values(address: &str, topic: &str, isolation: &str) -> Vec<String> {
    read(address, topic, isolation).into_values().flatten().map(|(_, value)| value).collect()
}

fn latest(address: &str, topic: &str, isolation: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let response = ask(address, 7, &request);
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    partition.offset
}

#[test]
fn readers_of_committed_records_see_no_others() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("transactions");
    clients::create(address, &topic, 2, &[]).unwrap();
    let producer = producer(address, &unique("id"));
    let mut expected: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    let mut everything = expected.clone();
    for round in 0..8 {
        producer.begin_transaction().unwrap();
        let commit = round % 3 != 1;
        for number in 0..3 {
            let (partition, value) = (number % 2, format!("{round} {number}"));
            let offset = send(&producer, &topic, partition, &value, None);
            everything.entry(partition).or_default().push((offset, value.clone()));
            if commit {
                expected.entry(partition).or_default().push((offset, value));
            }
        }
        let ended = if commit { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) };
        ended.unwrap();
    }
    eventually("the last marker", || (read(address, &topic, "read_committed") == expected).then_some(()));
    assert_eq!(read(address, &topic, "read_uncommitted"), everything);
    // Two records and a marker in each transaction.
    eventually("the last stable offset", || (latest(address, &topic, 1) == 24).then_some(()));
    assert_eq!(latest(address, &topic, 0), 24);
}

#[test]
fn what_follows_an_open_transaction_waits_for_it() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("open");
    clients::create(address, &topic, 1, &[]).unwrap();
    let (first, second) = (producer(address, &unique("id")), producer(address, &unique("id")));
    let plain = clients::producer(address);
    send(&plain, &topic, 0, "before", None);
    first.begin_transaction().unwrap();
    send(&first, &topic, 0, "first", None);
    send(&plain, &topic, 0, "plain", None);
    second.begin_transaction().unwrap();
    send(&second, &topic, 0, "second", None);
    second.commit_transaction(PATIENCE).unwrap();
    assert_eq!((latest(address, &topic, 1), latest(address, &topic, 0) >= 4), (1, true));
    assert_eq!(values(address, &topic, "read_committed"), ["before"]);
    assert_eq!(values(address, &topic, "read_uncommitted"), ["before", "first", "plain", "second"]);
    first.abort_transaction(PATIENCE).unwrap();
    eventually("the end of the first transaction", || {
        (values(address, &topic, "read_committed") == ["before", "plain", "second"]).then_some(())
    });
}

#[test]
fn a_zombie_is_fenced_and_what_it_wrote_is_aborted() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, id) = (unique("zombie"), unique("id"));
    clients::create(address, &topic, 1, &[]).unwrap();
    let zombie = producer(address, &id);
    zombie.begin_transaction().unwrap();
    send(&zombie, &topic, 0, "zombie", None);
    let heir = producer(address, &id);
    heir.begin_transaction().unwrap();
    send(&heir, &topic, 0, "heir", None);
    let error = zombie.commit_transaction(PATIENCE).unwrap_err();
    let KafkaError::Transaction(error) = error else { panic!("{error}") };
    assert!(error.is_fatal(), "{error}");
    assert!(
        matches!(error.code(), RDKafkaErrorCode::Fenced | RDKafkaErrorCode::Fatal | RDKafkaErrorCode::ProducerFenced),
        "{error}"
    );
    heir.commit_transaction(PATIENCE).unwrap();
    eventually("the heir's marker", || (values(address, &topic, "read_committed") == ["heir"]).then_some(()));
    assert_eq!(values(address, &topic, "read_uncommitted"), ["zombie", "heir"]);
}

/// A consumer that doesn't wait for open transactions when it asks for offsets.
fn hasty(address: &str, group: &str) -> BaseConsumer {
    let mut config = clients::configuration(address);
    config.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_uncommitted");
    config.create().unwrap()
}

/// Error code of asking for an offset that no open transaction may change.
fn stable(address: &str, group: &str, topic: &str) -> i16 {
    let topic = OffsetFetchRequestTopic::default().with_name(TopicName(text(topic))).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![topic]))
        .with_require_stable(true);
    ask(address, 7, &request).topics[0].partitions[0].error_code
}

#[test]
fn offsets_count_with_their_transaction() {
    let broker = Broker::start();
    let address = broker.address();
    let (input, output, group) = (unique("input"), unique("output"), unique("group"));
    for topic in [&input, &output] {
        clients::create(address, topic, 1, &[]).unwrap();
    }
    let plain = clients::producer(address);
    for value in ["a", "b", "c"] {
        send(&plain, &input, 0, value, None);
    }
    let consumer = clients::reader(address, &group);
    let place = |offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&input, 0, Offset::Offset(offset)).unwrap();
        list
    };
    consumer.commit(&place(1), CommitMode::Sync).unwrap();
    let producer = producer(address, &unique("id"));
    let metadata = consumer.group_metadata().unwrap();
    for (offset, commit) in [(2, false), (3, true)] {
        producer.begin_transaction().unwrap();
        send(&producer, &output, 0, &format!("up to {offset}"), None);
        producer.send_offsets_to_transaction(&place(offset), &metadata, PATIENCE).unwrap();
        assert_eq!(
            committed(&hasty(address, &group), &input),
            Offset::Offset(1),
            "an open transaction's offset counts"
        );
        assert_eq!(stable(address, &group, &input), 88);
        let ended = if commit { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) };
        ended.unwrap();
    }
    eventually("the offset", || (committed(&consumer, &input) == Offset::Offset(3)).then_some(()));
    eventually("the output", || (values(address, &output, "read_committed") == ["up to 3"]).then_some(()));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("slow");
    clients::create(address, &topic, 1, &[]).unwrap();
    let slow = producer_with(address, &unique("id"), "1000");
    slow.begin_transaction().unwrap();
    send(&slow, &topic, 0, "slow", None);
    send(&clients::producer(address), &topic, 0, "after", None);
    eventually("the timeout", || (values(address, &topic, "read_committed") == ["after"]).then_some(()));
    slow.commit_transaction(Duration::from_secs(10)).unwrap_err();
    assert_eq!(values(address, &topic, "read_committed"), ["after"]);
}

/// Error code, producer id, epoch.
fn init(address: &str, id: &str, timeout_ms: i32, given: (i64, i16)) -> (i16, (i64, i16)) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(timeout_ms)
        .with_producer_id(given.0.into())
        .with_producer_epoch(given.1);
    // The real one loads its coordinator, and answers while it ends what was open.
    let response = eventually("a producer id", || {
        Some(ask(address, 4, &request)).filter(|response| ![14, 15, 16, 51].contains(&response.error_code))
    });
    (response.error_code, (response.producer_id.0, response.producer_epoch))
}

fn add(address: &str, id: &str, producer: (i64, i16), topic: &str, partitions: &[i32]) -> Vec<i16> {
    let topic = AddPartitionsToTxnTopic::default().with_name(TopicName(text(topic))).with_partitions(partitions.into());
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(text(id)))
        .with_v3_and_below_producer_id(producer.0.into())
        .with_v3_and_below_producer_epoch(producer.1)
        .with_v3_and_below_topics(vec![topic]);
    let codes = || {
        // The real one answers in an order of its own.
        let mut results = ask(address, 3, &request).results_by_topic_v3_and_below.remove(0).results_by_partition;
        results.sort_by_key(|result| result.partition_index);
        results.into_iter().map(|result| result.partition_error_code).collect()
    };
    eventually("an answer", || Some(codes()).filter(|codes: &Vec<i16>| !codes.contains(&51)))
}

fn end(address: &str, id: &str, producer: (i64, i16), commit: bool) -> i16 {
    let request = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(text(id)))
        .with_producer_id(producer.0.into())
        .with_producer_epoch(producer.1)
        .with_committed(commit);
    eventually("an end", || Some(ask(address, 3, &request).error_code).filter(|code| *code != 51))
}

#[test]
fn requests_out_of_turn_are_refused() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, id) = (unique("turns"), unique("id"));
    clients::create(address, &topic, 2, &[]).unwrap();
    assert_eq!(init(address, &id, 0, (-1, -1)).0, 50, "a timeout of nothing");
    assert_eq!(init(address, &id, i32::MAX, (-1, -1)).0, 50, "a timeout of weeks");
    let (code, producer) = init(address, &id, 60_000, (-1, -1));
    assert_eq!(code, 0);
    assert_eq!(end(address, &id, producer, true), 48, "nothing is open");
    assert_eq!(add(address, &id, producer, &topic, &[0, 7]), [55, 3]);
    assert_eq!(add(address, &id, (producer.0 + 1, producer.1), &topic, &[0]), [49]);
    assert_eq!(add(address, &id, (producer.0, producer.1 + 1), &topic, &[0]), [90]);
    assert_eq!(add(address, &id, producer, &topic, &[0, 1]), [0, 0]);
    assert_eq!(end(address, &id, producer, true), 0);
    assert_eq!(end(address, &id, producer, true), 0, "an answer was lost");
    assert_eq!(end(address, &id, producer, false), 48, "it is committed");
    let (code, next) = init(address, &id, 60_000, producer);
    assert_eq!((code, next.0), (0, producer.0));
    assert!(next.1 > producer.1);
    assert_eq!(init(address, &id, 60_000, producer), (0, next), "an answer was lost");
    assert_eq!(end(address, &id, producer, true), 90);
    let (code, newest) = init(address, &id, 60_000, (-1, -1));
    assert_eq!((code, newest.0, newest.1 > next.1), (0, producer.0, true));
    assert_eq!(init(address, &id, 60_000, next).0, 90);
}

#[test]
fn a_transaction_lives_through_a_restart() {
    if is_real() {
        return;
    }
    let mut broker = Ours::start();
    let address = broker.address.clone();
    clients::create(&address, "topic", 2, &[]).unwrap();
    clients::create(&address, "input", 1, &[]).unwrap();
    let consumer = clients::reader(&address, "group");
    let producer = producer(&address, "goes on");
    let zombie = producer_with(&address, "is replaced", "60000");
    for producer in [&producer, &zombie] {
        producer.begin_transaction().unwrap();
        send(producer, "topic", 0, "aborted", None);
        producer.abort_transaction(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        send(producer, "topic", 1, "open", None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("input", 0, Offset::Offset(7)).unwrap();
    producer.send_offsets_to_transaction(&list, &consumer.group_metadata().unwrap(), PATIENCE).unwrap();
    broker.kill();
    broker.restart();
    assert_eq!(values(&address, "topic", "read_committed"), Vec::<String>::new());
    assert_eq!(committed(&hasty(&address, "group"), "input"), Offset::Invalid);
    drop(zombie);
    let heir = producer_with(&address, "is replaced", "60000");
    send(&producer, "topic", 1, "after the restart", None);
    producer.commit_transaction(PATIENCE).unwrap();
    heir.begin_transaction().unwrap();
    send(&heir, "topic", 0, "heir", None);
    heir.commit_transaction(PATIENCE).unwrap();
    for restart in [false, true] {
        if restart {
            broker.kill();
            broker.restart();
        }
        assert_eq!(values(&address, "topic", "read_committed"), ["heir", "open", "after the restart"]);
        assert_eq!(values(&address, "topic", "read_uncommitted").len(), 6);
        assert_eq!(committed(&clients::reader(&address, "group"), "input"), Offset::Offset(7));
    }
}
