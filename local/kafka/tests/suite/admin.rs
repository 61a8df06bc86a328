//! Topics and configurations.

use futures::executor::block_on;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, IncrementalAlterConfigsRequest, MetadataRequest, TopicName,
};
use rdkafka::admin::{AdminOptions, ConfigSource, NewPartitions, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use uuid::Uuid;

use crate::clients::{self, PATIENCE};
use crate::support::{Broker, ask, eventually, text, unique};

fn metadata(address: &str, topic: MetadataRequestTopic) -> MetadataResponseTopic {
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    ask(address, 12, &request).topics.remove(0)
}

pub fn by_name(address: &str, topic: &str) -> MetadataResponseTopic {
    metadata(address, MetadataRequestTopic::default().with_name(Some(TopicName(text(topic)))))
}

fn setting(address: &str, topic: &str, name: &str) -> (Option<String>, ConfigSource) {
    let resource = ResourceSpecifier::Topic(topic);
    let described = block_on(clients::admin(address).describe_configs([&resource], &AdminOptions::new())).unwrap();
    let resource = described.into_iter().next().unwrap().unwrap();
    let entry = resource.entries.into_iter().find(|entry| entry.name == name).unwrap();
    (entry.value, entry.source)
}

#[test]
fn topics_are_created_once_and_checked() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("created");
    clients::create(address, &topic, 4, &[("retention.ms", "86400000")]).unwrap();
    assert_eq!(clients::create(address, &topic, 4, &[]), Err(RDKafkaErrorCode::TopicAlreadyExists));
    for (settings, partitions, name, error) in [
        (vec![("retention.ms", "soon")], 1, unique("bad"), RDKafkaErrorCode::InvalidConfig),
        (vec![("no.such.setting", "1")], 1, unique("bad"), RDKafkaErrorCode::InvalidConfig),
        (vec![], 0, unique("bad"), RDKafkaErrorCode::InvalidPartitions),
        (vec![], 1, "what is this?".to_owned(), RDKafkaErrorCode::InvalidTopic),
    ] {
        assert_eq!(clients::create(address, &name, partitions, &settings), Err(error), "{name} {settings:?}");
    }
    let described = by_name(address, &topic);
    assert_eq!((described.error_code, described.partitions.len()), (0, 4));
    let (value, source) = setting(address, &topic, "retention.ms");
    assert_eq!((value.as_deref(), source), (Some("86400000"), ConfigSource::DynamicTopic));
    let (value, source) = setting(address, &topic, "max.message.bytes");
    assert_eq!((value.as_deref(), source), (Some("1048588"), ConfigSource::Default));
    assert_eq!(by_name(address, &unique("nobody-made-this")).error_code, 3);
}

#[test]
fn topics_have_ids() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("ids");
    let new =
        CreatableTopic::default().with_name(TopicName(text(&topic))).with_num_partitions(2).with_replication_factor(1);
    let created = ask(address, 7, &CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(10_000));
    let created = &created.topics[0];
    assert_eq!((created.error_code, created.num_partitions), (0, 2));
    assert_ne!(created.topic_id, Uuid::nil());
    assert_eq!(by_name(address, &topic).topic_id, created.topic_id);

    let id = |id| MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    let described = metadata(address, id(created.topic_id));
    assert_eq!(described.name.unwrap().as_str(), topic);
    assert_eq!(metadata(address, id(Uuid::from_u128(12345))).error_code, 100);

    let by_id = DeleteTopicState::default().with_topic_id(created.topic_id).with_name(None);
    let request = DeleteTopicsRequest::default().with_topics(vec![by_id]).with_timeout_ms(10_000);
    assert_eq!(ask(address, 6, &request).responses[0].error_code, 0);
    eventually("the deletion", || (by_name(address, &topic).error_code == 3).then_some(()));
    assert_eq!(ask(address, 6, &request).responses[0].error_code, 100);
}

#[test]
fn partitions_are_added_and_never_removed() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("grows");
    clients::create(address, &topic, 2, &[]).unwrap();
    let grow = |count| {
        let new = NewPartitions::new(&topic, count);
        let results = block_on(clients::admin(address).create_partitions([&new], &AdminOptions::new())).unwrap();
        results.into_iter().next().unwrap().map_err(|(_, code)| code)
    };
    let producer = clients::producer(address);
    clients::send(&producer, &topic, 1, "before", None);
    grow(5).unwrap();
    assert_eq!(grow(3), Err(RDKafkaErrorCode::InvalidPartitions));
    eventually("more partitions", || (by_name(address, &topic).partitions.len() == 5).then_some(()));
    clients::send(&clients::producer(address), &topic, 4, "after", None);
    let records = clients::read_all(address, &topic);
    assert_eq!((records[&1][0].1.as_str(), records[&4][0].1.as_str()), ("before", "after"));
}

#[test]
fn configurations_change_one_by_one() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("altered");
    clients::create(address, &topic, 1, &[("retention.ms", "86400000"), ("max.message.bytes", "2000000")]).unwrap();
    let alter = |name: &str, operation, value: Option<&str>| {
        let change = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(&topic))
            .with_configs(vec![change]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        ask(address, 1, &request).responses[0].error_code
    };
    assert_eq!(alter("retention.ms", 0, Some("3600000")), 0);
    assert_eq!(alter("max.message.bytes", 1, None), 0);
    assert_eq!(alter("cleanup.policy", 2, Some("compact")), 0);
    assert_eq!(alter("retention.ms", 0, Some("soon")), 40);
    for (name, value) in
        [("retention.ms", "3600000"), ("max.message.bytes", "1048588"), ("cleanup.policy", "delete,compact")]
    {
        eventually(name, || (setting(address, &topic, name).0.as_deref() == Some(value)).then_some(()));
    }
}

#[test]
fn a_new_topic_inherits_nothing_from_its_namesake() {
    let broker = Broker::start();
    let address = broker.address();
    let (topic, group) = (unique("reborn"), unique("group"));
    clients::create(address, &topic, 1, &[("retention.ms", "86400000")]).unwrap();
    let first = by_name(address, &topic).topic_id;
    let producer = clients::producer(address);
    for value in ["a", "b", "c"] {
        clients::send(&producer, &topic, 0, value, None);
    }
    let consumer = clients::reader(address, &group);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(3)).unwrap();
    consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();

    clients::delete(address, &topic).unwrap();
    assert_eq!(clients::delete(address, &topic), Err(RDKafkaErrorCode::UnknownTopicOrPartition));
    eventually("the creation", || clients::create(address, &topic, 1, &[]).ok());
    assert_ne!(by_name(address, &topic).topic_id, first);
    assert_eq!(setting(address, &topic, "retention.ms").0.as_deref(), Some("604800000"));
    let consumer = clients::reader(address, &group);
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (0, 0));
    eventually("forgetting what was committed", || {
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, 0);
        let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
        (committed.elements()[0].offset() == Offset::Invalid).then_some(())
    });
    assert_eq!(clients::send(&clients::producer(address), &topic, 0, "new", None), 0);
}
