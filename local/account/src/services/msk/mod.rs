//! Amazon MSK: configurations, provisioned clusters, SCRAM secrets, and topics on the Kafka that stands behind.

mod bootstrap;
mod checks;
mod cluster;
mod configuration;
mod kafka;
mod scram;
mod serverless;
mod topic;
mod update;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::protocol::Protocol;
use crate::protocol::rest::Route;
use crate::request::Request;
use crate::services::{Service, unknown_operation};
use crate::state::{State, Tags, refused_tag, tags_of_object};

pub(crate) use scram::password;

/// The service.
pub struct Msk;

const fn route(operation: &'static str, method: &'static str, path: &'static str) -> Route {
    Route { method, path, operation }
}

const ROUTES: &[Route] = &[
    route("BatchAssociateScramSecret", "POST", "/v1/clusters/{clusterArn}/scram-secrets"),
    route("BatchDisassociateScramSecret", "PATCH", "/v1/clusters/{clusterArn}/scram-secrets"),
    route("CreateClusterV2", "POST", "/api/v2/clusters"),
    route("CreateConfiguration", "POST", "/v1/configurations"),
    route("CreateTopic", "POST", "/v1/clusters/{clusterArn}/topics"),
    route("DeleteCluster", "DELETE", "/v1/clusters/{clusterArn}"),
    route("DeleteConfiguration", "DELETE", "/v1/configurations/{arn}"),
    route("DeleteTopic", "DELETE", "/v1/clusters/{clusterArn}/topics/{topicName}"),
    route("DescribeClusterOperationV2", "GET", "/api/v2/operations/{clusterOperationArn}"),
    route("DescribeClusterV2", "GET", "/api/v2/clusters/{clusterArn}"),
    route("DescribeConfiguration", "GET", "/v1/configurations/{arn}"),
    route("DescribeConfigurationRevision", "GET", "/v1/configurations/{arn}/revisions/{revision}"),
    route("DescribeTopic", "GET", "/v1/clusters/{clusterArn}/topics/{topicName}"),
    route("DescribeTopicPartitions", "GET", "/v1/clusters/{clusterArn}/topics/{topicName}/partitions"),
    route("GetBootstrapBrokers", "GET", "/v1/clusters/{clusterArn}/bootstrap-brokers"),
    route("ListClusterOperationsV2", "GET", "/api/v2/clusters/{clusterArn}/operations"),
    route("ListClustersV2", "GET", "/api/v2/clusters"),
    route("ListConfigurationRevisions", "GET", "/v1/configurations/{arn}/revisions"),
    route("ListConfigurations", "GET", "/v1/configurations"),
    route("ListNodes", "GET", "/v1/clusters/{clusterArn}/nodes"),
    route("ListScramSecrets", "GET", "/v1/clusters/{clusterArn}/scram-secrets"),
    route("ListTagsForResource", "GET", "/v1/tags/{resourceArn}"),
    route("ListTopics", "GET", "/v1/clusters/{clusterArn}/topics"),
    route("TagResource", "POST", "/v1/tags/{resourceArn}"),
    route("UntagResource", "DELETE", "/v1/tags/{resourceArn}"),
    route("UpdateBrokerCount", "PUT", "/v1/clusters/{clusterArn}/nodes/count"),
    route("UpdateBrokerStorage", "PUT", "/v1/clusters/{clusterArn}/nodes/storage"),
    route("UpdateBrokerType", "PUT", "/v1/clusters/{clusterArn}/nodes/type"),
    route("UpdateClusterConfiguration", "PUT", "/v1/clusters/{clusterArn}/configuration"),
    route("UpdateClusterKafkaVersion", "PUT", "/v1/clusters/{clusterArn}/version"),
    route("UpdateConfiguration", "PUT", "/v1/configurations/{arn}"),
    route("UpdateConnectivity", "PUT", "/v1/clusters/{clusterArn}/connectivity"),
    route("UpdateMonitoring", "PUT", "/v1/clusters/{clusterArn}/monitoring"),
    route("UpdateSecurity", "PATCH", "/v1/clusters/{clusterArn}/security"),
    route("UpdateStorage", "PUT", "/v1/clusters/{clusterArn}/storage"),
    route("UpdateTopic", "PUT", "/v1/clusters/{clusterArn}/topics/{topicName}"),
];

#[async_trait]
impl Service for Msk {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn protocol(&self) -> Protocol {
        Protocol::RestJson(ROUTES)
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "CreateTopic" => topic::create(account, request).await,
            "DescribeTopic" => topic::describe(account, request).await,
            "DescribeTopicPartitions" => topic::partitions(account, request).await,
            "ListTopics" => topic::list(account, request).await,
            "UpdateTopic" => topic::update(account, request).await,
            "DeleteTopic" => topic::delete(account, request).await,
            "DeleteCluster" => cluster::delete(account, request).await,
            "GetBootstrapBrokers" => cluster::bootstrap_brokers(account, request),
            _ => account.transact(request, |state| {
                cluster::settle(state);
                in_transaction(state, request)
            }),
        }
    }
}

fn in_transaction(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateConfiguration" => configuration::create(state, request),
        "DescribeConfiguration" => configuration::describe(state, request),
        "DescribeConfigurationRevision" => configuration::describe_revision(state, request),
        "ListConfigurations" => configuration::list(state, request),
        "ListConfigurationRevisions" => configuration::list_revisions(state, request),
        "UpdateConfiguration" => configuration::update(state, request),
        "DeleteConfiguration" => configuration::delete(state, request),
        "CreateClusterV2" => cluster::create(state, request),
        "DescribeClusterV2" => cluster::describe(state, request),
        "ListClustersV2" => cluster::list(state, request),
        "ListNodes" => cluster::nodes(state, request),
        "DescribeClusterOperationV2" => update::describe(state, request),
        "ListClusterOperationsV2" => update::list(state, request),
        "UpdateBrokerCount"
        | "UpdateBrokerStorage"
        | "UpdateBrokerType"
        | "UpdateClusterConfiguration"
        | "UpdateClusterKafkaVersion"
        | "UpdateConnectivity"
        | "UpdateMonitoring"
        | "UpdateSecurity"
        | "UpdateStorage" => update::begin(state, request),
        "BatchAssociateScramSecret" => scram::associate(state, request),
        "BatchDisassociateScramSecret" => scram::disassociate(state, request),
        "ListScramSecrets" => scram::list(state, request),
        "ListTagsForResource" => {
            let arn = taggable(state, request)?;
            Ok(json!({ "tags": state.tags(&arn) }))
        }
        "TagResource" => {
            let arn = taggable(state, request)?;
            let tags = tags_in(&request.input)?;
            state.add_tags(&arn, &tags);
            Ok(json!({}))
        }
        "UntagResource" => {
            let arn = taggable(state, request)?;
            state.remove_tags(&arn, &request.input.texts("tagKeys"));
            Ok(json!({}))
        }
        _ => Err(unknown_operation(request)),
    }
}

/// Whether an ARN is that of a provisioned cluster that isn't being deleted.
pub(super) fn is_provisioned(state: &mut State<'_>, arn: &str) -> bool {
    cluster::settle(state);
    let found = state.get(cluster::COLLECTION, arn);
    found.is_some_and(|cluster| cluster["clusterType"] == "PROVISIONED" && cluster["state"] != "DELETING")
}

fn bad_request(parameter: &str, message: impl Into<String>) -> AwsError {
    AwsError::new("BadRequestException", message).field("invalidParameter", parameter)
}

fn not_found(parameter: &str, message: impl Into<String>) -> AwsError {
    AwsError::new("NotFoundException", message).status(404).field("invalidParameter", parameter)
}

fn conflict(parameter: &str, message: impl Into<String>) -> AwsError {
    AwsError::new("ConflictException", message).status(409).field("invalidParameter", parameter)
}

fn need<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    let missing = || bad_request(member, format!("The parameter {member} is required."));
    input.text(member).filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// Cuts a list into the page that the request asks for, under the name `member`.
fn paged(request: &Request, member: &str, items: Vec<Value>) -> Result<Value, AwsError> {
    let limit = request.input.number("maxResults").unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return Err(bad_request("maxResults", "maxResults must be between 1 and 100."));
    }
    let invalid = || bad_request("nextToken", "The nextToken is not valid.");
    let (items, next) = page(items, request.input.text("nextToken"), limit as usize, invalid)?;
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of_object(input, "tags");
    match refused_tag(&tags) {
        Some(key) => Err(bad_request("tags", format!("The tag {key} is not valid."))),
        None => Ok(tags),
    }
}

fn taggable(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = need(&request.input, "resourceArn")?;
    match state.get(cluster::COLLECTION, arn) {
        Some(_) => Ok(arn.to_owned()),
        None => Err(not_found("resourceArn", "The requested resource doesn't exist.")),
    }
}
