//! Changes of a running cluster: one at a time, each naming the version that it changes.

use serde_json::{Value, json};

use super::{bad_request, checks, cluster, need, not_found, paged};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Where operations stand, by ARN.
const COLLECTION: &str = "kafka/operation";
/// Seconds that a change takes.
const UPDATE_SECONDS: i64 = 10 * 60;
/// Hours after growing storage before it can grow again.
const STORAGE_HOURS: i64 = 6;

pub(super) fn begin(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut cluster = cluster::active(state, request)?;
    let version = need(&request.input, "currentVersion")?;
    if cluster["currentVersion"] != version {
        return Err(bad_request("currentVersion", "This operation cannot be performed on the specified version."));
    }
    let before = cluster["provisioned"].clone();
    let mut after = before.clone();
    let kind = change(state, request, &cluster, &mut after)?;
    if kind == "UPDATE_STORAGE" || kind == "INCREASE_BROKER_STORAGE" {
        cluster["_grown"] = json!(state.now());
    }
    let arn = cluster.text("clusterArn").unwrap_or_default().to_owned();
    let operation = format!("{}/{}-1", arn.replace(":cluster/", ":cluster-operation/"), ids::uuid());
    let until = state.done_in(UPDATE_SECONDS);
    cluster["state"] = json!("UPDATING");
    cluster["activeOperationArn"] = json!(operation);
    cluster["_until"] = json!(until);
    cluster["_next"] = after.clone();
    state.put(
        COLLECTION,
        &operation,
        json!({
            "clusterArn": arn,
            "clusterType": "PROVISIONED",
            "operationArn": operation,
            "operationType": kind,
            "startTime": clock::iso(state.now()),
            "_until": until,
            "provisioned": { "sourceClusterInfo": mutable(&before), "targetClusterInfo": mutable(&after) },
        }),
    );
    state.put(cluster::COLLECTION, &arn, cluster);
    cluster::settle(state);
    Ok(json!({ "clusterArn": arn, "clusterOperationArn": operation }))
}

/// Makes the change in `next` and returns MSK's name for it.
fn change(state: &State<'_>, request: &Request, cluster: &Value, next: &mut Value) -> Result<&'static str, AwsError> {
    let input = &request.input;
    match request.operation.as_str() {
        "UpdateBrokerCount" => {
            let count = input.number("targetNumberOfBrokerNodes").unwrap_or_default();
            let zones = next["brokerNodeGroupInfo"].list("clientSubnets").len() as i64;
            checks::check_count(count, zones)?;
            let current = next.number("numberOfBrokerNodes").unwrap_or_default();
            if count == current {
                return Err(bad_request("targetNumberOfBrokerNodes", "The cluster has that many broker nodes."));
            }
            if count < current && !next.text_at(&["currentBrokerSoftwareInfo", "kafkaVersion"]).contains("kraft") {
                return Err(bad_request("targetNumberOfBrokerNodes", "The number of broker nodes can only grow."));
            }
            next["numberOfBrokerNodes"] = json!(count);
            Ok(if count > current { "INCREASE_BROKER_COUNT" } else { "DECREASE_BROKER_COUNT" })
        }
        "UpdateBrokerType" => {
            let kind = need(input, "targetInstanceType")?;
            checks::check_type(kind)?;
            if next["brokerNodeGroupInfo"]["instanceType"] == kind {
                return Err(bad_request("targetInstanceType", "The brokers are of that type."));
            }
            next["brokerNodeGroupInfo"]["instanceType"] = json!(kind);
            Ok("UPDATE_BROKER_TYPE")
        }
        "UpdateBrokerStorage" => {
            let targets = input.list("targetBrokerEBSVolumeInfo");
            let target = targets.first();
            let target = target.ok_or_else(|| bad_request("targetBrokerEBSVolumeInfo", "It is required."))?;
            if target.text("kafkaBrokerNodeId").is_none() {
                return Err(bad_request("kafkaBrokerNodeId", "The parameter kafkaBrokerNodeId is required."));
            }
            grow(state, cluster, next, target.number("volumeSizeGB"))?;
            throughput(next, target);
            Ok("INCREASE_BROKER_STORAGE")
        }
        "UpdateStorage" => {
            if let Some(mode) = input.text("storageMode") {
                next["storageMode"] = json!(mode);
            }
            if input.number("volumeSizeGB").is_some() {
                grow(state, cluster, next, input.number("volumeSizeGB"))?;
            }
            throughput(next, input);
            Ok("UPDATE_STORAGE")
        }
        "UpdateClusterConfiguration" => {
            configure(state, input, next)?;
            Ok("UPDATE_CLUSTER_CONFIGURATION")
        }
        "UpdateClusterKafkaVersion" => {
            let version = need(input, "targetKafkaVersion")?;
            checks::check_version(version)?;
            let current = next.text_at(&["currentBrokerSoftwareInfo", "kafkaVersion"]);
            let place = |version: &str| checks::VERSIONS.iter().position(|known| *known == version);
            if place(version) <= place(current) {
                return Err(bad_request("targetKafkaVersion", format!("The cluster runs Kafka {current}.")));
            }
            next["currentBrokerSoftwareInfo"]["kafkaVersion"] = json!(version);
            if input.member("configurationInfo").is_some() {
                configure(state, input, next)?;
            }
            Ok("UPDATE_CLUSTER_KAFKA_VERSION")
        }
        "UpdateMonitoring" => {
            checks::check_monitoring(state, input)?;
            copy(input, next, &["enhancedMonitoring", "openMonitoring", "loggingInfo"])?;
            Ok("UPDATE_MONITORING")
        }
        "UpdateSecurity" => {
            if let Some(key) = input.member("encryptionInfo").and_then(|info| info.member("encryptionAtRest"))
                && *key != next["encryptionInfo"]["encryptionAtRest"]
            {
                return Err(bad_request("encryptionAtRest", "Updating encryption-at-rest settings is not supported."));
            }
            if let Some(transit) = input.member("encryptionInfo").and_then(|info| info.member("encryptionInTransit")) {
                for member in ["clientBroker", "inCluster"] {
                    if let Some(value) = transit.member(member) {
                        next["encryptionInfo"]["encryptionInTransit"][member] = value.clone();
                    }
                }
            } else if input.member("clientAuthentication").is_none() {
                return Err(bad_request("clientAuthentication", "The request does not include any updates."));
            }
            if let Some(authentication) = input.member("clientAuthentication") {
                next["clientAuthentication"] = authentication.clone();
            }
            checks::check_security(next)?;
            Ok("UPDATE_SECURITY")
        }
        _ => {
            let info = input.member("connectivityInfo");
            let info = info.ok_or_else(|| bad_request("connectivityInfo", "connectivityInfo is required."))?;
            next["brokerNodeGroupInfo"]["connectivityInfo"] = info.clone();
            Ok("UPDATE_CONNECTIVITY")
        }
    }
}

fn copy(input: &Value, next: &mut Value, members: &[&str]) -> Result<(), AwsError> {
    let mut any = false;
    for member in members {
        if let Some(value) = input.member(member) {
            next[*member] = value.clone();
            any = true;
        }
    }
    if any { Ok(()) } else { Err(bad_request(members[0], "The request does not include any updates.")) }
}

fn configure(state: &State<'_>, input: &Value, next: &mut Value) -> Result<(), AwsError> {
    let info = input.member("configurationInfo");
    let info = info.ok_or_else(|| bad_request("configurationInfo", "configurationInfo is required."))?;
    let (arn, revision) = checks::check_configuration(state, info)?;
    next["currentBrokerSoftwareInfo"]["configurationArn"] = json!(arn);
    next["currentBrokerSoftwareInfo"]["configurationRevision"] = json!(revision);
    Ok(())
}

/// Storage only grows, by at least 10 GiB, and not again for hours.
fn grow(state: &State<'_>, cluster: &Value, next: &mut Value, size: Option<i64>) -> Result<(), AwsError> {
    let volume = &mut next["brokerNodeGroupInfo"]["storageInfo"]["ebsStorageInfo"];
    let current = volume.number("volumeSize").unwrap_or_default();
    let size = size.unwrap_or(current);
    if size == current {
        return Ok(());
    }
    if size < current + 10 || size > 16384 {
        return Err(bad_request(
            "volumeSizeGB",
            format!("The target volume size must be between {} and 16384 GiB.", current + 10),
        ));
    }
    let again = cluster.number("_grown").map(|at| state.delays().done_at(at, STORAGE_HOURS * 3600));
    if again.is_some_and(|again| again > state.now()) {
        return Err(bad_request("volumeSizeGB", "Storage was changed in the last six hours; try again later."));
    }
    volume["volumeSize"] = json!(size);
    Ok(())
}

fn throughput(next: &mut Value, input: &Value) {
    if let Some(throughput) = input.member("provisionedThroughput") {
        next["brokerNodeGroupInfo"]["storageInfo"]["ebsStorageInfo"]["provisionedThroughput"] = throughput.clone();
    }
}

/// Returns the members that an operation can change, as MSK lists them for before and after.
fn mutable(provisioned: &Value) -> Value {
    let software = &provisioned["currentBrokerSoftwareInfo"];
    let mut info = json!({
        "numberOfBrokerNodes": provisioned["numberOfBrokerNodes"],
        "enhancedMonitoring": provisioned["enhancedMonitoring"],
        "openMonitoring": provisioned["openMonitoring"],
        "kafkaVersion": software["kafkaVersion"],
        "instanceType": provisioned["brokerNodeGroupInfo"]["instanceType"],
        "encryptionInfo": provisioned["encryptionInfo"],
        "storageMode": provisioned["storageMode"],
    });
    for member in ["loggingInfo", "clientAuthentication"] {
        if let Some(value) = provisioned.member(member) {
            info[member] = value.clone();
        }
    }
    if let Some(arn) = software.member("configurationArn") {
        info["configurationInfo"] = json!({ "arn": arn, "revision": software["configurationRevision"] });
    }
    info
}

fn described(state: &State<'_>, operation: &Value) -> Value {
    let mut described = operation.clone();
    let until = operation.number("_until").unwrap_or_default();
    let done = until <= state.now();
    let members = described.as_object_mut().expect("an operation is an object");
    members.retain(|name, _| !name.starts_with('_'));
    members.insert("operationState".into(), json!(if done { "UPDATE_COMPLETE" } else { "UPDATE_IN_PROGRESS" }));
    if done {
        members.insert("endTime".into(), json!(clock::iso(until)));
    }
    described
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = need(&request.input, "clusterOperationArn")?;
    let operation = state.get(COLLECTION, arn);
    let operation = operation.ok_or_else(|| not_found("clusterOperationArn", "The operation does not exist."))?;
    Ok(json!({ "clusterOperationInfo": described(state, operation) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = cluster::existing(state, request)?;
    let mut all: Vec<Value> = state
        .list(COLLECTION)
        .filter(|(_, operation)| operation["clusterArn"] == cluster["clusterArn"])
        .map(|(_, operation)| described(state, operation))
        .collect();
    all.sort_by_key(|operation| std::cmp::Reverse(operation["startTime"].as_str().map(str::to_owned)));
    for operation in &mut all {
        operation.as_object_mut().expect("an operation is an object").shift_remove("provisioned");
    }
    paged(request, "clusterOperationInfoList", all)
}

trait TextAt {
    /// Returns the text at a path, or nothing.
    fn text_at(&self, path: &[&str]) -> &str;
}

impl TextAt for Value {
    fn text_at(&self, path: &[&str]) -> &str {
        path.iter().try_fold(self, |value, name| value.get(name)).and_then(Value::as_str).unwrap_or_default()
    }
}
