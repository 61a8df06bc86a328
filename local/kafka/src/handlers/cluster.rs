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
use kafka_protocol::protocol::StrBytes;

use super::text;
use crate::acl::{CLUSTER, Operation, ResourceType};
use crate::blocking::blocking;
use crate::broker::{Broker, NODE};
use crate::caller::Caller;
use crate::topic::Topic;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Brokers and topics. Who asks for all topics isn't told of those that it may not see.
pub async fn metadata(
    broker: &Arc<Broker>,
    caller: &Caller,
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
                topics.push(one_topic(broker, caller, topic, request.allow_auto_topic_creation).await);
            }
            topics
        }
        _ => {
            let seen = |topic: &&Arc<Topic>| caller.rights.may(Operation::Describe, ResourceType::Topic, &topic.name);
            broker.topics().iter().filter(seen).map(|topic| describe(broker, topic)).collect()
        }
    };
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(broker.cluster_id.as_str())))
        .with_controller_id(BrokerId(NODE))
        .with_topics(topics)
}

async fn one_topic(
    broker: &Arc<Broker>,
    caller: &Caller,
    wanted: MetadataRequestTopic,
    create: bool,
) -> MetadataResponseTopic {
    let rights = &caller.rights;
    let Some(name) = wanted.name else {
        return match broker.topic_by_id(wanted.topic_id) {
            Some(topic) => match rights.topic(Operation::Describe, &topic.name) {
                Ok(()) => describe(broker, &topic),
                // A topic's id is no secret, its name is.
                Err(denied) => MetadataResponseTopic::default()
                    .with_topic_id(wanted.topic_id)
                    .with_name(Some(TopicName::default()))
                    .with_error_code(denied.code()),
            },
            None => MetadataResponseTopic::default()
                .with_topic_id(wanted.topic_id)
                .with_name(Some(TopicName::default()))
                .with_error_code(ResponseError::UnknownTopicId.code()),
        };
    };
    if let Err(denied) = rights.topic(Operation::Describe, &name) {
        return MetadataResponseTopic::default().with_name(Some(name)).with_error_code(denied.code());
    }
    if let Some(topic) = broker.topic(&name) {
        return describe(broker, &topic);
    }
    let mut error = ResponseError::UnknownTopicOrPartition;
    if create && broker.config.auto_create {
        if let Err(denied) = may_create(caller, &name) {
            return MetadataResponseTopic::default().with_name(Some(name)).with_error_code(denied.code());
        }
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

/// Whether a client may create a topic: that one, or any.
pub fn may_create(caller: &Caller, name: &str) -> Result<(), ResponseError> {
    if caller.rights.may(Operation::Create, ResourceType::Cluster, CLUSTER) {
        return Ok(());
    }
    caller.rights.topic(Operation::Create, name)
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
    caller: &Caller,
    address: SocketAddr,
    version: i16,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let found = |key: &str| {
        let may = match request.key_type {
            GROUP => caller.rights.group(Operation::Describe, key),
            TRANSACTION => caller.rights.transactional_id(Operation::Describe, key),
            _ => Err(ResponseError::InvalidRequest),
        };
        match may {
            Ok(()) => (0, BrokerId(NODE), text(address.ip().to_string()), i32::from(address.port())),
            Err(error) => (error.code(), BrokerId(-1), text(""), -1),
        }
    };
    if version < 4 {
        let (code, node, host, port) = found(&request.key);
        let response = FindCoordinatorResponse::default().with_error_code(code).with_node_id(node);
        return response.with_host(host).with_port(port);
    }
    let coordinator = |key: StrBytes| {
        let (code, node, host, port) = found(&key);
        let coordinator = Coordinator::default().with_key(key).with_error_code(code).with_node_id(node);
        coordinator.with_host(host).with_port(port)
    };
    let coordinators = request.coordinator_keys.iter().cloned().map(coordinator).collect();
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}
