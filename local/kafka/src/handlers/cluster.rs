//! Who is there: brokers, topics, coordinators.

use std::net::SocketAddr;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
    MetadataResponse, TopicName,
};

use super::{blocking, text};
use crate::broker::{Broker, NODE};
use crate::topic::Topic;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Brokers and topics.
pub async fn metadata(
    broker: &Arc<Broker>,
    address: SocketAddr,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    let node = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE))
        .with_host(text(address.ip().to_string()))
        .with_port(i32::from(address.port()));
    let topics = match request.topics {
        Some(wanted) if version > 0 || !wanted.is_empty() => {
            let mut topics = Vec::with_capacity(wanted.len());
            for topic in wanted {
                topics.push(one_topic(broker, topic, request.allow_auto_topic_creation).await);
            }
            topics
        }
        _ => broker.topics().iter().map(|topic| describe(broker, topic)).collect(),
    };
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(broker.cluster_id.as_str())))
        .with_controller_id(BrokerId(NODE))
        .with_topics(topics)
}

async fn one_topic(broker: &Arc<Broker>, wanted: MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    let Some(name) = wanted.name else {
        return match broker.topic_by_id(wanted.topic_id) {
            Some(topic) => describe(broker, &topic),
            None => MetadataResponseTopic::default()
                .with_topic_id(wanted.topic_id)
                .with_name(Some(TopicName::default()))
                .with_error_code(ResponseError::UnknownTopicId.code()),
        };
    };
    if let Some(topic) = broker.topic(&name) {
        return describe(broker, &topic);
    }
    let mut error = ResponseError::UnknownTopicOrPartition;
    if create && broker.config.auto_create {
        let (worker, name) = (broker.clone(), name.to_string());
        let created = blocking(move || {
            let created = worker.create_topic(&name, -1, std::collections::BTreeMap::default(), false);
            // Somebody else may have been quicker.
            created.map(|_| worker.topic(&name))
        })
        .await;
        match created {
            Ok(Some(topic)) => return describe(broker, &topic),
            Ok(None) | Err((ResponseError::TopicAlreadyExists, _)) => error = ResponseError::LeaderNotAvailable,
            Err((refused, _)) => error = refused,
        }
    }
    MetadataResponseTopic::default().with_name(Some(name)).with_error_code(error.code())
}

fn describe(broker: &Broker, topic: &Topic) -> MetadataResponseTopic {
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE))
            .with_leader_epoch(broker.storage.epoch)
            .with_replica_nodes(vec![BrokerId(NODE)])
            .with_isr_nodes(vec![BrokerId(NODE)])
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(topic.name.as_str()))))
        .with_topic_id(topic.id)
        .with_partitions((0..topic.count()).map(partition).collect())
}

/// The cluster and its only broker.
pub fn describe_cluster(broker: &Broker, address: SocketAddr) -> DescribeClusterResponse {
    let node = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE))
        .with_host(text(address.ip().to_string()))
        .with_port(i32::from(address.port()));
    DescribeClusterResponse::default()
        .with_cluster_id(text(broker.cluster_id.as_str()))
        .with_controller_id(BrokerId(NODE))
        .with_brokers(vec![node])
}

/// This node, for every group and every transactional id.
pub fn find_coordinator(
    address: SocketAddr,
    version: i16,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let (code, node, host, port) = if matches!(request.key_type, GROUP | TRANSACTION) {
        (0, BrokerId(NODE), address.ip().to_string(), i32::from(address.port()))
    } else {
        (ResponseError::InvalidRequest.code(), BrokerId(-1), String::new(), -1)
    };
    if version < 4 {
        let response = FindCoordinatorResponse::default().with_error_code(code).with_node_id(node);
        return response.with_host(text(host)).with_port(port);
    }
    let coordinator = |key| {
        let coordinator = Coordinator::default().with_key(key).with_error_code(code).with_node_id(node);
        coordinator.with_host(text(host.as_str())).with_port(port)
    };
    let coordinators = request.coordinator_keys.iter().cloned().map(coordinator).collect();
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}
