//! Configurations of topics are described and changed; the broker's own are described.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::text;
use crate::acl::Operation;
use crate::blocking::blocking;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::rights::{Rights, refusal};
use crate::topic_config::{self, ENTRIES, Entry, Kind, Settings};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// Where a value comes from, as the protocol says it.
pub fn source(settings: &Settings, entry: &Entry) -> i8 {
    if settings.contains_key(entry.name) { SOURCE_TOPIC } else { SOURCE_DEFAULT }
}

/// A refusal for a value or a name.
pub fn invalid(message: String) -> Refusal {
    (ResponseError::InvalidConfig, message)
}

/// Describes configurations.
pub fn describe(broker: &Broker, caller: &Caller, request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let describe = |resource: &DescribeConfigsResource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match configs(broker, &caller.rights, resource) {
            Ok(configs) => {
                let wanted = |config: &DescribeConfigsResourceResult| match &resource.configuration_keys {
                    Some(keys) => keys.contains(&config.name),
                    None => true,
                };
                result.with_error_message(None).with_configs(configs.into_iter().filter(wanted).collect())
            }
            Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(message))),
        }
    };
    DescribeConfigsResponse::default().with_results(request.resources.iter().map(describe).collect())
}

fn configs(
    broker: &Broker,
    rights: &Rights,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    match resource.resource_type {
        TOPIC => {
            rights.topic(Operation::DescribeConfigs, &resource.resource_name).map_err(refusal)?;
            let Some(topic) = broker.topic(&resource.resource_name) else {
                let name = resource.resource_name.as_str();
                return Err((ResponseError::UnknownTopicOrPartition, format!("there is no topic {name}")));
            };
            let settings = topic.settings();
            let config = |entry: &Entry| {
                DescribeConfigsResourceResult::default()
                    .with_name(text(entry.name))
                    .with_value(Some(text(topic_config::value(&settings, entry.name))))
                    .with_config_source(source(&settings, entry))
                    .with_config_type(topic_config::type_code(entry.kind))
            };
            Ok(ENTRIES.iter().map(config).collect())
        }
        BROKER => {
            rights.cluster(Operation::DescribeConfigs).map_err(refusal)?;
            let config = |(name, value): (&str, String)| {
                DescribeConfigsResourceResult::default()
                    .with_name(text(name))
                    .with_value(Some(text(value)))
                    .with_read_only(true)
                    .with_config_source(SOURCE_STATIC)
                    .with_config_type(0)
            };
            let known = [
                ("auto.create.topics.enable", broker.config.auto_create.to_string()),
                ("default.replication.factor", "1".to_owned()),
                ("num.partitions", broker.config.partitions.to_string()),
            ];
            Ok(known.into_iter().map(config).collect())
        }
        other => Err((ResponseError::InvalidRequest, format!("resource type {other} has no configuration here"))),
    }
}

/// Changes configurations of topics.
pub async fn alter(
    broker: &Arc<Broker>,
    caller: &Caller,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let (broker, rights) = (broker.clone(), caller.rights.clone());
        responses.push(match blocking(move || alter_one(&broker, &rights, &resource, request.validate_only)).await {
            Ok(()) => response.with_error_message(None),
            Err((error, message)) => response.with_error_code(error.code()).with_error_message(Some(text(message))),
        });
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn alter_one(
    broker: &Broker,
    rights: &Rights,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    if resource.resource_type == BROKER {
        rights.cluster(Operation::AlterConfigs).map_err(refusal)?;
    }
    if resource.resource_type != TOPIC {
        return Err((ResponseError::InvalidRequest, "only topics have a configuration that changes".into()));
    }
    rights.topic(Operation::AlterConfigs, &resource.resource_name).map_err(refusal)?;
    let Some(topic) = broker.topic(&resource.resource_name) else {
        let name = resource.resource_name.as_str();
        return Err((ResponseError::UnknownTopicOrPartition, format!("there is no topic {name}")));
    };
    let change = |mut settings: Settings| {
        for config in &resource.configs {
            let entry = topic_config::find(&config.name).map_err(invalid)?;
            let value = config.value.as_ref().map(ToString::to_string);
            let next = operate(entry, topic_config::value(&settings, entry.name), config.config_operation, value)?;
            match next {
                None => settings.remove(entry.name),
                Some(next) => {
                    topic_config::check(entry, &next).map_err(invalid)?;
                    settings.insert(entry.name.to_owned(), next)
                }
            };
        }
        Ok(settings)
    };
    broker.configure_topic(&topic, change, validate_only)
}

/// The value after an operation: set, delete (none), append to a list, subtract from it.
fn operate(entry: &Entry, current: &str, operation: i8, value: Option<String>) -> Result<Option<String>, Refusal> {
    let listed = || current.split(',').map(str::trim).filter(|word| !word.is_empty());
    let is_list = matches!(entry.kind, Kind::Words(_));
    match (operation, value) {
        (0, Some(value)) => Ok(Some(value)),
        (1, _) => Ok(None),
        (2, Some(value)) if is_list => {
            let added = value.split(',').filter(|word| !listed().any(|known| known == *word));
            Ok(Some(listed().chain(added).collect::<Vec<_>>().join(",")))
        }
        (3, Some(value)) if is_list => {
            let kept = listed().filter(|known| !value.split(',').any(|word| word == *known));
            Ok(Some(kept.collect::<Vec<_>>().join(",")))
        }
        _ => Err(invalid(format!("operation {operation} can't be done on configuration {}", entry.name))),
    }
}
