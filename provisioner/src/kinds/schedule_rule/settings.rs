//! What was set on a target by others: all that EventBridge knows of one besides what a stack declares.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::types::{
    BatchParameters, CapacityProviderStrategyItem, EcsParameters, HttpParameters, InputTransformer,
    NetworkConfiguration, PlacementConstraint, PlacementStrategy, RedshiftDataParameters, RunCommandTarget,
    SageMakerPipelineParameter, SageMakerPipelineParameters, Tag, Target,
};
use serde_json::{Value, json};

/// The settings by the names of EventBridge's API; none if there are none.
pub(super) fn settings(target: &Target) -> Option<Value> {
    let mut all = json!({
        "InputPath": target.input_path(),
        "InputTransformer": target.input_transformer().map(input_transformer),
        "KinesisParameters":
            target.kinesis_parameters().map(|kinesis| json!({"PartitionKeyPath": kinesis.partition_key_path()})),
        "RunCommandParameters": target
            .run_command_parameters()
            .map(|command| json!({"RunCommandTargets": each(command.run_command_targets(), run_command_target)})),
        "EcsParameters": target.ecs_parameters().map(ecs),
        "BatchParameters": target.batch_parameters().map(batch),
        "SqsParameters": target.sqs_parameters().map(|sqs| json!({"MessageGroupId": sqs.message_group_id()})),
        "HttpParameters": target.http_parameters().map(http),
        "RedshiftDataParameters": target.redshift_data_parameters().map(redshift),
        "SageMakerPipelineParameters": target.sage_maker_pipeline_parameters().map(sage_maker),
        "DeadLetterConfig": target.dead_letter_config().map(|letters| json!({"Arn": letters.arn()})),
        "RetryPolicy": target.retry_policy().map(|policy| json!({
            "MaximumRetryAttempts": policy.maximum_retry_attempts(),
            "MaximumEventAgeInSeconds": policy.maximum_event_age_in_seconds(),
        })),
        "AppSyncParameters":
            target.app_sync_parameters().map(|sync| json!({"GraphQLOperation": sync.graph_ql_operation()})),
    });
    strip(&mut all);
    all.as_object().is_some_and(|all| !all.is_empty()).then_some(all)
}

/// Takes the members away that aren't there.
fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn each<T>(items: &[T], written: impl Fn(&T) -> Value) -> Value {
    items.iter().map(written).collect()
}

fn some_each<T>(items: Option<&Vec<T>>, written: impl Fn(&T) -> Value) -> Option<Value> {
    items.map(|items| each(items, written))
}

/// A map in the order of its keys, which shows the same each time.
fn sorted(map: Option<&HashMap<String, String>>) -> Option<BTreeMap<&String, &String>> {
    map.map(|map| map.iter().collect())
}

fn input_transformer(transformer: &InputTransformer) -> Value {
    json!({"InputPathsMap": sorted(transformer.input_paths_map()), "InputTemplate": transformer.input_template()})
}

fn run_command_target(target: &RunCommandTarget) -> Value {
    json!({"Key": target.key(), "Values": target.values()})
}

fn ecs(ecs: &EcsParameters) -> Value {
    json!({
        "TaskDefinitionArn": ecs.task_definition_arn(),
        "TaskCount": ecs.task_count(),
        "LaunchType": ecs.launch_type().map(ToString::to_string),
        "NetworkConfiguration": ecs.network_configuration().map(network),
        "PlatformVersion": ecs.platform_version(),
        "Group": ecs.group(),
        "CapacityProviderStrategy": some_each(ecs.capacity_provider_strategy.as_ref(), capacity_provider),
        "EnableECSManagedTags": ecs.enable_ecs_managed_tags(),
        "EnableExecuteCommand": ecs.enable_execute_command(),
        "PlacementConstraints": some_each(ecs.placement_constraints.as_ref(), placement_constraint),
        "PlacementStrategy": some_each(ecs.placement_strategy.as_ref(), placement_strategy),
        "PropagateTags": ecs.propagate_tags().map(ToString::to_string),
        "ReferenceId": ecs.reference_id(),
        "Tags": some_each(ecs.tags.as_ref(), tag),
    })
}

fn network(network: &NetworkConfiguration) -> Value {
    let vpc = network.awsvpc_configuration().map(|vpc| {
        json!({
            "Subnets": vpc.subnets(),
            "SecurityGroups": vpc.security_groups,
            "AssignPublicIp": vpc.assign_public_ip().map(ToString::to_string),
        })
    });
    json!({"awsvpcConfiguration": vpc})
}

fn capacity_provider(item: &CapacityProviderStrategyItem) -> Value {
    json!({"capacityProvider": item.capacity_provider(), "weight": item.weight(), "base": item.base()})
}

fn placement_constraint(constraint: &PlacementConstraint) -> Value {
    json!({"type": constraint.r#type().map(ToString::to_string), "expression": constraint.expression()})
}

fn placement_strategy(strategy: &PlacementStrategy) -> Value {
    json!({"type": strategy.r#type().map(ToString::to_string), "field": strategy.field()})
}

fn tag(tag: &Tag) -> Value {
    json!({"Key": tag.key(), "Value": tag.value()})
}

fn batch(batch: &BatchParameters) -> Value {
    json!({
        "JobDefinition": batch.job_definition(),
        "JobName": batch.job_name(),
        "ArrayProperties": batch.array_properties().map(|array| json!({"Size": array.size()})),
        "RetryStrategy": batch.retry_strategy().map(|retries| json!({"Attempts": retries.attempts()})),
    })
}

fn http(http: &HttpParameters) -> Value {
    json!({
        "PathParameterValues": http.path_parameter_values,
        "HeaderParameters": sorted(http.header_parameters()),
        "QueryStringParameters": sorted(http.query_string_parameters()),
    })
}

fn redshift(redshift: &RedshiftDataParameters) -> Value {
    json!({
        "SecretManagerArn": redshift.secret_manager_arn(),
        "Database": redshift.database(),
        "DbUser": redshift.db_user(),
        "Sql": redshift.sql(),
        "StatementName": redshift.statement_name(),
        "WithEvent": redshift.with_event(),
        "Sqls": redshift.sqls,
    })
}

fn sage_maker(pipeline: &SageMakerPipelineParameters) -> Value {
    json!({"PipelineParameterList": some_each(pipeline.pipeline_parameter_list.as_ref(), parameter)})
}

fn parameter(parameter: &SageMakerPipelineParameter) -> Value {
    json!({"Name": parameter.name(), "Value": parameter.value()})
}
