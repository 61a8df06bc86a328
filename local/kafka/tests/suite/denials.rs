//! What access control lists deny of groups, transactions and the cluster, request by request; the same as on a real Kafka.

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, CreateAclsRequest, DeleteAclsRequest, DeleteGroupsRequest,
    DescribeAclsRequest, DescribeClusterRequest, DescribeGroupsRequest, EndTxnRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::acls::{
    ALTER, CLUSTER, DELETE, DESCRIBE, DESCRIBE_CONFIGS, GROUP, IDEMPOTENT_WRITE, Judging, LITERAL, READ, TOPIC,
    TRANSACTIONAL_ID, User, WRITE,
};
use crate::clients;
use crate::produce::producer_id;
use crate::rights::configuration;
use crate::support::{text, unique};
use crate::transactions::producer_with;

/// Codes of what a client may not use.
const NO_TOPIC: i16 = 29;
const NO_GROUP: i16 = 30;
const NO_CLUSTER: i16 = 31;
const NO_ID: i16 = 53;

/// What finding a group's, or a transactional id's, coordinator is answered, in an older version too.
fn coordinator(user: &User<'_>, kind: i8, key: &str) -> i16 {
    let request = FindCoordinatorRequest::default().with_key_type(kind);
    let older = user.ask(3, &request.clone().with_key(text(key))).error_code;
    let answer = user.ask(4, &request.with_coordinator_keys(vec![text(key)]));
    assert_eq!(answer.coordinators[0].error_code, older);
    older
}

fn join(user: &User<'_>, group: &str) -> i16 {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    user.ask(5, &request).error_code
}

fn commit(user: &User<'_>, group: &str, topic: &str) -> i16 {
    let part = OffsetCommitRequestPartition::default().with_committed_offset(1).with_committed_metadata(Some(text("")));
    let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![part]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    user.ask(8, &request).topics[0].partitions[0].error_code
}

/// What asking for committed offsets is answered: for the group, and for a partition of a topic.
fn committed(user: &User<'_>, group: &str, topic: &str) -> (i16, Option<i16>) {
    let named = OffsetFetchRequestTopics::default().with_name(TopicName(text(topic))).with_partition_indexes(vec![0]);
    let group_id = GroupId(text(group));
    let group = OffsetFetchRequestGroup::default().with_group_id(group_id.clone()).with_topics(Some(vec![named]));
    let found = user.ask(8, &OffsetFetchRequest::default().with_groups(vec![group])).groups.remove(0);
    let part = found.topics.first().map(|topic| topic.partitions[0].error_code);

    let named = OffsetFetchRequestTopic::default().with_name(TopicName(text(topic))).with_partition_indexes(vec![0]);
    let older = user.ask(7, &OffsetFetchRequest::default().with_group_id(group_id).with_topics(Some(vec![named])));
    assert_eq!(older.error_code, found.error_code);
    assert_eq!(older.topics.first().map(|topic| topic.partitions[0].error_code), part);
    (found.error_code, part)
}

/// The topics of what a group committed.
fn all_committed(user: &User<'_>, group: &str) -> Vec<String> {
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
    let found = user.ask(8, &OffsetFetchRequest::default().with_groups(vec![group])).groups.remove(0);
    found.topics.iter().map(|topic| topic.name.to_string()).collect()
}

fn lists(user: &User<'_>, group: &str) -> bool {
    user.ask(4, &ListGroupsRequest::default()).groups.iter().any(|found| found.group_id.as_str() == group)
}

fn delete(user: &User<'_>, group: &str) -> i16 {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
    user.ask(2, &request).results[0].error_code
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_used_and_seen_by_who_may() {
    let Some(broker) = Judging::closed().await else { return };
    let (user, group) = (broker.user("user"), unique("group"));
    let [topic, other] = ["topic", "other"].map(unique);
    for topic in [&topic, &other] {
        clients::create(&broker.0.clear, topic, 1, &[]).unwrap();
    }
    let admin = clients::reader(&broker.0.clear, &group);
    let mut list = TopicPartitionList::new();
    for topic in [&topic, &other] {
        list.add_partition_offset(topic, 0, Offset::Offset(1)).unwrap();
    }
    admin.commit(&list, CommitMode::Sync).unwrap();

    let id = || GroupId(text(&group));
    let used = || {
        [
            join(&user, &group),
            user.ask(4, &HeartbeatRequest::default().with_group_id(id()).with_member_id(text("m"))).error_code,
            user.ask(4, &SyncGroupRequest::default().with_group_id(id()).with_member_id(text("m"))).error_code,
            user.ask(2, &LeaveGroupRequest::default().with_group_id(id()).with_member_id(text("m"))).error_code,
            commit(&user, &group, &topic),
        ]
    };
    let described = || user.ask(5, &DescribeGroupsRequest::default().with_groups(vec![id()])).groups[0].error_code;
    let seen = || (coordinator(&user, 0, &group), described(), committed(&user, &group, &topic), lists(&user, &group));
    assert_eq!(used(), [NO_GROUP; 5]);
    assert_eq!(seen(), (NO_GROUP, NO_GROUP, (NO_GROUP, None), false));
    assert_eq!(delete(&user, &group), NO_GROUP);

    broker.create(&[user.may(DESCRIBE, GROUP, LITERAL, &group)]);
    assert_eq!(used(), [NO_GROUP; 5]);
    assert_eq!(seen(), (0, 0, (0, Some(NO_TOPIC)), true));
    assert_eq!(all_committed(&user, &group), Vec::<String>::new());

    broker.create(&[user.may(READ, GROUP, LITERAL, &group), user.may(DESCRIBE, TOPIC, LITERAL, &topic)]);
    // A member's id is asked for first; there is no member.
    assert_eq!(used(), [79, 25, 25, 25, NO_TOPIC]);
    assert_eq!(seen(), (0, 0, (0, Some(0)), true));
    assert_eq!(all_committed(&user, &group), std::slice::from_ref(&topic));
    assert_eq!(delete(&user, &group), NO_GROUP);

    broker.create(&[user.may(READ, TOPIC, LITERAL, &topic), user.may(DELETE, GROUP, LITERAL, &group)]);
    assert_eq!(commit(&user, &group, &topic), 0);
    assert_eq!(commit(&user, &group, &other), NO_TOPIC);
    broker.delete(&user.principal());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactional_ids_are_used_by_who_may() {
    let Some(broker) = Judging::closed().await else { return };
    let (user, name, group) = (broker.user("user"), unique("id"), unique("group"));
    let topic = unique("topic");
    clients::create(&broker.0.clear, &topic, 1, &[]).unwrap();
    let id = || TransactionalId(text(&name));
    let begun = || {
        let request = InitProducerIdRequest::default().with_transactional_id(Some(id()));
        let request = request.with_transaction_timeout_ms(60_000).with_producer_id((-1).into()).with_producer_epoch(-1);
        user.ask(4, &request).error_code
    };
    let partitions = AddPartitionsToTxnTopic::default().with_name(TopicName(text(&topic))).with_partitions(vec![0]);
    let partitions = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_topics(vec![partitions]);
    let offsets = AddOffsetsToTxnRequest::default().with_transactional_id(id()).with_group_id(GroupId(text(&group)));
    let part =
        TxnOffsetCommitRequestPartition::default().with_committed_offset(1).with_committed_metadata(Some(text("")));
    let committed =
        TxnOffsetCommitRequestTopic::default().with_name(TopicName(text(&topic))).with_partitions(vec![part]);
    let committed = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(GroupId(text(&group)))
        .with_generation_id(-1)
        .with_topics(vec![committed]);
    let end = EndTxnRequest::default().with_transactional_id(id());
    let added =
        || user.ask(3, &partitions).results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
    let with_offsets =
        || (user.ask(3, &offsets).error_code, user.ask(3, &committed).topics[0].partitions[0].error_code);
    let ended = || user.ask(3, &end).error_code;
    // The coordinator of transactions may have to begin its work first.
    drop(producer_with(&broker.0.clear, &unique("first"), "60000"));
    assert_eq!((coordinator(&user, 1, &name), begun(), added(), ended()), (NO_ID, NO_ID, NO_ID, NO_ID));
    assert_eq!(with_offsets(), (NO_ID, NO_ID));

    broker.create(&[user.may(DESCRIBE, TRANSACTIONAL_ID, LITERAL, &name)]);
    assert_eq!((coordinator(&user, 1, &name), begun(), added(), ended()), (0, NO_ID, NO_ID, NO_ID));
    broker.create(&[user.may(WRITE, TRANSACTIONAL_ID, LITERAL, &name)]);
    // A producer whom nobody knows.
    assert_eq!((added(), ended()), (NO_TOPIC, 49));
    assert_eq!(with_offsets(), (NO_GROUP, NO_GROUP));
    broker.create(&[user.may(READ, GROUP, LITERAL, &group)]);
    assert_eq!(with_offsets(), (49, NO_TOPIC));
    broker.create(&[user.may(WRITE, TOPIC, LITERAL, &topic)]);
    assert_eq!(added(), 49);
    broker.delete(&user.principal());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_changed_and_seen_by_who_may() {
    let Some(broker) = Judging::closed().await else { return };
    let user = broker.user("user");
    let lists = || {
        let all = DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1);
        let all = all.with_resource_name_filter(None).with_principal_filter(None).with_host_filter(None);
        user.ask(3, &all.with_operation(1).with_permission_type(1)).error_code
    };
    let mine = || user.may(READ, TOPIC, LITERAL, "nobodys");
    let created =
        |acl: AclCreation| user.ask(3, &CreateAclsRequest::default().with_creations(vec![acl])).results[0].error_code;
    let deleted = || {
        let filter = DeleteAclsFilter::default().with_resource_type_filter(2).with_operation(READ);
        let filter = filter.with_resource_name_filter(Some(text("nobodys"))).with_host_filter(None);
        let filter = filter.with_principal_filter(Some(text(&user.principal()))).with_permission_type(1);
        user.ask(3, &DeleteAclsRequest::default().with_filters(vec![filter])).filter_results[0].error_code
    };
    let idempotent = || {
        let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(-1);
        user.ask(4, &request.with_producer_id((-1).into()).with_producer_epoch(-1)).error_code
    };
    let brokers = || user.ask(1, &DescribeClusterRequest::default().with_endpoint_type(1)).error_code;
    // A real Kafka may have to begin to give out producer ids first.
    producer_id(&broker.0.clear);
    let allow = |operation| broker.create(&[user.may(operation, CLUSTER, LITERAL, "kafka-cluster")]);
    assert_eq!((lists(), created(mine()), deleted(), idempotent()), (NO_CLUSTER, NO_CLUSTER, NO_CLUSTER, NO_CLUSTER));
    assert_eq!((configuration(&user, 4, "1"), brokers()), (NO_CLUSTER, 0));
    allow(DESCRIBE);
    assert_eq!((lists(), created(mine()), deleted()), (0, NO_CLUSTER, NO_CLUSTER));
    allow(IDEMPOTENT_WRITE);
    allow(DESCRIBE_CONFIGS);
    assert_eq!((idempotent(), configuration(&user, 4, "1")), (0, 0));
    allow(ALTER);
    assert_eq!((created(mine()), deleted()), (0, 0));
    broker.delete(&user.principal());
}
