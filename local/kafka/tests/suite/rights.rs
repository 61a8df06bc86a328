//! What access control lists let clients do, request by request and by librdkafka; the same as on a real Kafka.

use std::time::Duration;

use futures::executor::block_on;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, FetchRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, ProduceRequest,
    TopicName, TransactionalId,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::acls::{
    ALL, ALTER, ALTER_CONFIGS, CREATE, DELETE, DENY, DESCRIBE, DESCRIBE_CONFIGS, GROUP, Judging, LITERAL, PREFIXED,
    READ, TOPIC, TRANSACTIONAL_ID, User, WRITE,
};
use crate::admin::by_name;
use crate::clients::{self, PATIENCE, send};
use crate::produce::batch;
use crate::support::{eventually, text, unique};

/// The code of a topic that a client may not use.
const NO: i16 = 29;

fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

fn metadata(user: &User<'_>, topic: MetadataRequestTopic) -> i16 {
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    let found = user.ask(12, &request).topics.remove(0);
    assert_eq!(found.partitions.is_empty(), found.error_code != 0);
    found.error_code
}

fn produce(user: &User<'_>, topic: &str, transaction: Option<&str>) -> i16 {
    let records = batch((-1, -1), -1, &["value"]);
    let part = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let data = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![part]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![data]);
    let request = request.with_transactional_id(transaction.map(|id| TransactionalId(text(id))));
    user.ask(9, &request).responses[0].partition_responses[0].error_code
}

fn fetch(user: &User<'_>, topic: &str) -> i16 {
    let partition = FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(100)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    user.ask(12, &request).responses[0].partitions[0].error_code
}

fn offsets(user: &User<'_>, topic: &str) -> i16 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    user.ask(7, &request).topics[0].partitions[0].error_code
}

fn epochs(user: &User<'_>, topic: &str) -> i16 {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(0);
    let topic = OffsetForLeaderTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    user.ask(4, &request).topics[0].partitions[0].error_code
}

fn create(user: &User<'_>, topic: &str) -> (i16, i16) {
    let new = CreatableTopic::default().with_name(name(topic)).with_num_partitions(2).with_replication_factor(1);
    let request =
        CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(10_000).with_validate_only(true);
    let created = user.ask(7, &request).topics.remove(0);
    (created.error_code, created.topic_config_error_code)
}

fn grow(user: &User<'_>, topic: &str) -> i16 {
    let more = CreatePartitionsTopic::default().with_name(name(topic)).with_count(9).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![more]).with_timeout_ms(10_000);
    user.ask(3, &request.with_validate_only(true)).results[0].error_code
}

fn delete(user: &User<'_>, topic: DeleteTopicState) -> i16 {
    let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    user.ask(6, &request).responses[0].error_code
}

pub fn configuration(user: &User<'_>, kind: i8, resource: &str) -> i16 {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configuration_keys(None);
    user.ask(4, &DescribeConfigsRequest::default().with_resources(vec![resource])).results[0].error_code
}

fn configure(user: &User<'_>, topic: &str) -> i16 {
    let change = AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_config_operation(0)
        .with_value(Some(text("9000000")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configs(vec![change]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true);
    user.ask(1, &request).responses[0].error_code
}

/// Whether a topic is among all that the user sees.
fn sees(user: &User<'_>, topic: &str) -> bool {
    let request = MetadataRequest::default().with_topics(None);
    user.ask(12, &request).topics.iter().any(|found| found.name.as_ref().is_some_and(|name| name.as_str() == topic))
}

/// What each request is answered: by a topic that is there, and one that isn't.
fn asked(user: &User<'_>, there: &str, missing: &str) -> Vec<(&'static str, i16)> {
    let by_name = |topic| MetadataRequestTopic::default().with_name(Some(name(topic)));
    let (created, described) = create(user, missing);
    vec![
        ("sees", i16::from(!sees(user, there)) * NO),
        ("metadata", metadata(user, by_name(there))),
        ("metadata of a missing one", metadata(user, by_name(missing))),
        ("produce", produce(user, there, None)),
        ("fetch", fetch(user, there)),
        ("offsets", offsets(user, there)),
        ("epochs", epochs(user, there)),
        ("create", created),
        ("create's configuration", if created == 0 { described } else { created }),
        ("grow", grow(user, there)),
        ("delete a missing one", delete(user, DeleteTopicState::default().with_name(Some(name(missing))))),
        ("configuration", configuration(user, 2, there)),
        ("configure", configure(user, there)),
    ]
}

/// A user without rights, a topic that is there, and the beginning of names that is its alone.
fn topic(broker: &Judging) -> (User<'_>, String, String) {
    let beginning = unique("rights");
    let there = format!("{beginning}-there");
    clients::create(&broker.0.clear, &there, 1, &[]).unwrap();
    (broker.user("user"), there, beginning)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_allows_what_it_says_and_no_more() {
    let Some(broker) = Judging::closed().await else { return };
    let (_, there, beginning) = topic(&broker);
    let missing = format!("{beginning}-missing");
    let describes: &[&str] =
        &["sees", "metadata", "metadata of a missing one", "offsets", "epochs", "delete a missing one"];
    let with = |more: &[&'static str]| [describes, more].concat();
    let every = with(&["produce", "fetch", "create", "create's configuration", "grow", "configuration", "configure"]);
    for (right, allowed) in [
        (None, vec![]),
        (Some(DESCRIBE), with(&[])),
        (Some(READ), with(&["fetch"])),
        (Some(WRITE), with(&["produce"])),
        (Some(CREATE), vec!["create"]),
        (Some(DELETE), with(&[])),
        (Some(ALTER), with(&["grow"])),
        (Some(DESCRIBE_CONFIGS), vec!["configuration"]),
        (Some(ALTER_CONFIGS), vec!["configuration", "configure"]),
        (Some(ALL), every),
    ] {
        let user = broker.user("user");
        broker.create(&right.map(|right| user.may(right, TOPIC, PREFIXED, &beginning)).into_iter().collect::<Vec<_>>());
        for (request, code) in asked(&user, &there, &missing) {
            let expected = match request {
                _ if !allowed.contains(&request) => NO,
                "metadata of a missing one" | "delete a missing one" => 3,
                _ => 0,
            };
            assert_eq!(code, expected, "{request} by {right:?}");
        }
        broker.delete(&user.principal());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_deleted_and_found_by_id_by_who_may() {
    let Some(broker) = Judging::closed().await else { return };
    let (user, there, _) = topic(&broker);
    let id = by_name(&broker.0.clear, &there).topic_id;
    let found = || metadata(&user, MetadataRequestTopic::default().with_topic_id(id).with_name(None));
    let named = || delete(&user, DeleteTopicState::default().with_name(Some(name(&there))));
    let by_id = || delete(&user, DeleteTopicState::default().with_topic_id(id).with_name(None));
    assert_eq!((found(), named(), by_id()), (NO, NO, NO));
    broker.create(&[user.may(DESCRIBE, TOPIC, LITERAL, &there)]);
    assert_eq!((found(), named(), by_id()), (0, NO, NO));
    broker.create(&[user.may(DELETE, TOPIC, LITERAL, &there)]);
    assert_eq!(by_id(), 0);
    eventually("the deletion", || (by_name(&broker.0.clear, &there).error_code == 3).then_some(()));
    broker.delete(&user.principal());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_denied_whatever_else_is_allowed() {
    let Some(broker) = Judging::closed().await else { return };
    let (user, there, beginning) = topic(&broker);
    let other = broker.user("other");
    let denied = user.may(WRITE, TOPIC, LITERAL, &there).with_permission_type(DENY);
    broker.create(&[user.may(ALL, TOPIC, PREFIXED, &beginning), denied]);
    assert_eq!((produce(&user, &there, None), fetch(&user, &there), sees(&user, &there)), (NO, 0, true));
    broker.delete(&user.principal());

    // Everybody, from some addresses.
    let everybody =
        |acl: kafka_protocol::messages::create_acls_request::AclCreation| acl.with_principal(text("User:*"));
    let from = |host: &str| user.may(READ, TOPIC, LITERAL, &there).with_host(text(host));
    broker.create(&[everybody(from("10.9.9.9"))]);
    assert_eq!((fetch(&user, &there), fetch(&other, &there)), (NO, NO));
    broker.create(&[everybody(from("127.0.0.1"))]);
    assert_eq!((fetch(&user, &there), fetch(&other, &there)), (0, 0));
    broker.create(&[from("127.0.0.1").with_permission_type(DENY)]);
    assert_eq!((fetch(&user, &there), fetch(&other, &there)), (NO, 0));
    broker.delete(&user.principal());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everybody_may_lists_close_what_they_name() {
    let Some(broker) = Judging::open().await else { return };
    let (user, there, _) = topic(&broker);
    let other = broker.user("other");
    assert_eq!((produce(&user, &there, None), fetch(&other, &there)), (0, 0));
    broker.create(&[user.may(WRITE, TOPIC, LITERAL, &there)]);
    assert_eq!((produce(&user, &there, None), fetch(&user, &there)), (0, NO));
    assert_eq!((produce(&other, &there, None), fetch(&other, &there)), (NO, NO));
    assert_eq!((sees(&user, &there), sees(&other, &there)), (true, false));
    broker.delete(&user.principal());
    assert_eq!(fetch(&other, &there), 0);
}

fn consumer(user: &User<'_>, group: &str) -> BaseConsumer {
    let mut config = user.client();
    config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.create().unwrap()
}

/// Waits until a consumer hears that it may not.
fn refused(consumer: &BaseConsumer, why: RDKafkaErrorCode) {
    eventually("the refusal", || match consumer.poll(Duration::from_millis(200)) {
        Some(Err(error)) => (error.rdkafka_error_code() == Some(why)).then_some(()),
        Some(Ok(_)) => panic!("it read"),
        None => None,
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_read_and_write_what_they_may() {
    let Some(broker) = Judging::closed().await else { return };
    let (writer, there, beginning) = topic(&broker);
    let reader = broker.user("reader");
    let group = format!("{beginning}-group");
    broker.create(&[
        writer.may(WRITE, TOPIC, LITERAL, &there),
        reader.may(READ, TOPIC, PREFIXED, &beginning),
        reader.may(READ, GROUP, LITERAL, &group),
    ]);
    let idempotent = |user: &User<'_>| -> FutureProducer {
        let mut config = user.client();
        config.set("enable.idempotence", "true").set("linger.ms", "2").set("message.timeout.ms", "15000");
        config.create().unwrap()
    };
    assert_eq!(send(&idempotent(&writer), &there, 0, "a", None), 0);
    // An idempotent producer that may write nowhere gets no producer id.
    let record = FutureRecord::<str, str>::to(&there).partition(0).payload("b");
    block_on(idempotent(&reader).send(record, PATIENCE)).expect_err("it may not");

    let reads = consumer(&reader, &group);
    reads.subscribe(&[&there]).unwrap();
    let message = eventually("the record", || reads.poll(Duration::from_millis(200)).map(Result::unwrap));
    assert_eq!(message.payload(), Some(&b"a"[..]));
    reads.commit_message(&message, CommitMode::Sync).unwrap();
    drop(message);

    let other = consumer(&reader, &format!("{beginning}-other"));
    other.subscribe(&[&there]).unwrap();
    refused(&other, RDKafkaErrorCode::GroupAuthorizationFailed);
    let writes = consumer(&writer, &group);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&there, 0, Offset::Beginning).unwrap();
    writes.assign(&list).unwrap();
    refused(&writes, RDKafkaErrorCode::TopicAuthorizationFailed);
    for user in [&writer, &reader] {
        broker.delete(&user.principal());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_need_their_id_their_topics_and_their_group() {
    let Some(broker) = Judging::closed().await else { return };
    let (user, there, beginning) = topic(&broker);
    let (id, group) = (format!("{beginning}-id"), format!("{beginning}-group"));
    let producer = |id: &str| -> FutureProducer {
        let mut config = user.client();
        config.set("transactional.id", id).set("linger.ms", "2");
        config.create().unwrap()
    };
    let code = |error: KafkaError| error.rdkafka_error_code().unwrap();
    let begun = producer(&id).init_transactions(PATIENCE).expect_err("it may not use the id");
    assert_eq!(code(begun), RDKafkaErrorCode::TransactionalIdAuthorizationFailed);

    broker.create(&[
        user.may(WRITE, TRANSACTIONAL_ID, LITERAL, &id),
        user.may(WRITE, TOPIC, LITERAL, &there),
        user.may(READ, TOPIC, LITERAL, &there),
    ]);
    let allowed = producer(&id);
    allowed.init_transactions(PATIENCE).unwrap();
    allowed.begin_transaction().unwrap();
    assert_eq!(send(&allowed, &there, 0, "a", None), 0);
    let consumer = consumer(&user, &group);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&there, 0, Offset::Offset(1)).unwrap();
    let offsets = || allowed.send_offsets_to_transaction(&list, &consumer.group_metadata().unwrap(), PATIENCE);
    assert_eq!(code(offsets().expect_err("it may not use the group")), RDKafkaErrorCode::GroupAuthorizationFailed);
    allowed.abort_transaction(PATIENCE).unwrap();

    broker.create(&[user.may(READ, GROUP, LITERAL, &group)]);
    allowed.begin_transaction().unwrap();
    send(&allowed, &there, 0, "b", None);
    offsets().unwrap();
    allowed.commit_transaction(PATIENCE).unwrap();
    broker.delete(&user.principal());
}
