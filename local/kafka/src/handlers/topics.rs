//! Topics are created, deleted and given more partitions.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicName,
};

use super::cluster::may_create;
use super::{configs, text};
use crate::acl::{CLUSTER, Operation, ResourceType};
use crate::blocking::blocking;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::rights::refusal;
use crate::topic::Topic;
use crate::topic_config::{self, ENTRIES, Settings};

/// Creates topics. Each is judged alone.
pub async fn create(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for wanted in request.topics {
        let name = wanted.name.clone();
        let result = CreatableTopicResult::default().with_name(name);
        let broker = broker.clone();
        let created = match may_create(caller, &wanted.name) {
            Ok(()) => blocking(move || create_one(&broker, &wanted, request.validate_only)).await,
            Err(denied) => Err(refusal(denied)),
        };
        results.push(match created {
            Ok((settings, partitions, topic)) => {
                let mut result = result;
                if version >= 5 {
                    result = match caller.rights.topic(Operation::DescribeConfigs, &result.name) {
                        Ok(()) => result
                            .with_num_partitions(partitions)
                            .with_replication_factor(1)
                            .with_configs(Some(described(&settings))),
                        Err(denied) => result.with_topic_config_error_code(denied.code()).with_configs(None),
                    };
                }
                match topic {
                    Some(topic) if version >= 7 => result.with_topic_id(topic.id),
                    _ => result,
                }
            }
            Err((error, message)) => result
                .with_error_code(error.code())
                .with_error_message(Some(text(message)))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(None),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

type Created = (Settings, i32, Option<Arc<Topic>>);

fn create_one(broker: &Broker, wanted: &CreatableTopic, validate_only: bool) -> Result<Created, Refusal> {
    let mut partitions = wanted.num_partitions;
    if !wanted.assignments.is_empty() {
        if wanted.assignments.iter().any(|assignment| assignment.broker_ids != [crate::broker::NODE]) {
            return Err((ResponseError::InvalidReplicaAssignment, "the only broker is 1".into()));
        }
        partitions = wanted.assignments.len() as i32;
    } else if !matches!(wanted.replication_factor, 1 | -1) {
        let text = format!("replication factor {}: the local log is one broker", wanted.replication_factor);
        return Err((ResponseError::InvalidReplicationFactor, text));
    }
    let mut settings = Settings::new();
    for config in &wanted.configs {
        let entry = topic_config::find(&config.name).map_err(configs::invalid)?;
        let Some(value) = &config.value else {
            return Err(configs::invalid(format!("configuration {} has no value", entry.name)));
        };
        topic_config::check(entry, value).map_err(configs::invalid)?;
        settings.insert(entry.name.to_owned(), value.to_string());
    }
    let topic = broker.create_topic(&wanted.name, partitions, settings.clone(), validate_only)?;
    let partitions = topic.as_ref().map_or(partitions, |topic| topic.count());
    Ok((settings, partitions, topic))
}

fn described(settings: &Settings) -> Vec<CreatableTopicConfigs> {
    let config = |entry: &topic_config::Entry| {
        CreatableTopicConfigs::default()
            .with_name(text(entry.name))
            .with_value(Some(text(topic_config::value(settings, entry.name))))
            .with_config_source(configs::source(settings, entry))
    };
    ENTRIES.iter().map(config).collect()
}

/// Deletes topics, by name or id, with what groups committed for them.
pub async fn delete(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = |name| DeleteTopicState::default().with_name(Some(name));
    let wanted: Vec<_> =
        if version < 6 { request.topic_names.into_iter().map(by_name).collect() } else { request.topics };
    let mut results = Vec::with_capacity(wanted.len());
    for topic in wanted {
        results.push(delete_one(broker, caller, version, topic).await);
    }
    DeleteTopicsResponse::default().with_responses(results)
}

async fn delete_one(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    wanted: DeleteTopicState,
) -> DeletableTopicResult {
    let result = DeletableTopicResult::default().with_name(wanted.name.clone());
    let (topic, unknown) = match &wanted.name {
        Some(name) => (broker.topic(name), ResponseError::UnknownTopicOrPartition),
        None => (broker.topic_by_id(wanted.topic_id), ResponseError::UnknownTopicId),
    };
    let refuse = |result: DeletableTopicResult, error: ResponseError, message: String| {
        let message = (version >= 5).then(|| text(message));
        result.with_error_code(error.code()).with_error_message(message)
    };
    let deletes_all = caller.rights.may(Operation::Delete, ResourceType::Cluster, CLUSTER);
    // Who may not see a topic doesn't hear whether it is there.
    let may = |operation, name: &str| if deletes_all { Ok(()) } else { caller.rights.topic(operation, name) };
    let name = wanted.name.as_ref().map(|name| name.as_str()).or(topic.as_ref().map(|topic| topic.name.as_str()));
    if let Some(Err(denied)) = name.map(|name| may(Operation::Describe, name)) {
        let (denied, message) = refusal(denied);
        return refuse(result.with_topic_id(wanted.topic_id), denied, message);
    }
    let Some(topic) = topic else {
        return refuse(result.with_topic_id(wanted.topic_id), unknown, "there is no such topic".into());
    };
    let mut result = result.with_name(Some(TopicName(text(topic.name.as_str()))));
    if version >= 6 {
        result = result.with_topic_id(topic.id);
    }
    if let Err(denied) = may(Operation::Delete, &topic.name) {
        let (denied, message) = refusal(denied);
        return refuse(result, denied, message);
    }
    let id = topic.id;
    let worker = broker.clone();
    if let Err((error, message)) = blocking(move || worker.delete_topic(id)).await {
        return refuse(result, error, message);
    }
    if let Err(error) = broker.coordinator.delete_topic(id).await {
        // They are under the old topic's id, which nobody will have again; the next start drops them.
        tracing::warn!(topic = topic.name, %error, "committed offsets of a deleted topic are left");
    }
    result
}

/// Gives topics more partitions.
pub async fn create_partitions(
    broker: &Arc<Broker>,
    caller: &Caller,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for wanted in request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(wanted.name.clone());
        let broker = broker.clone();
        let grown = match caller.rights.topic(Operation::Alter, &wanted.name) {
            Ok(()) => blocking(move || grow_one(&broker, &wanted, request.validate_only)).await,
            Err(denied) => Err(refusal(denied)),
        };
        results.push(match grown {
            Ok(()) => result.with_error_message(None),
            Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(message))),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

fn grow_one(broker: &Broker, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let Some(topic) = broker.topic(&wanted.name) else {
        return Err((ResponseError::UnknownTopicOrPartition, format!("there is no topic {}", wanted.name.as_str())));
    };
    broker.grow_topic(&topic, wanted.count, validate_only)
}
