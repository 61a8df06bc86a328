//! Provisioned clusters: creation, description, deletion, and the passing of time on them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{bad_request, configuration, conflict, kafka, need, not_found, paged, tags_in, topic};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::ec2::{self, Attachment};
use crate::state::State;

/// Where clusters stand, by ARN. Members beginning with `_` are ours and are never answered.
pub(super) const COLLECTION: &str = "kafka/cluster";

/// Kafka versions that a new cluster may ask for.
pub(super) const VERSIONS: [&str; 12] = [
    "2.8.1",
    "3.3.2",
    "3.4.0",
    "3.5.1",
    "3.6.0",
    "3.7.x",
    "3.7.x.kraft",
    "3.8.x",
    "3.8.x.kraft",
    "3.9.x",
    "3.9.x.kraft",
    "4.0.x.kraft",
];
/// Seconds until a new cluster is active, and until a deleted one is gone.
const CREATE_SECONDS: i64 = 20 * 60;
const DELETE_SECONDS: i64 = 5 * 60;

/// Returns a version as MSK writes them: opaque, new with each change.
pub(super) fn new_version() -> String {
    format!("K{}", ids::letters(13, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
}

/// Lets time pass: finishes what is due on every cluster.
pub(super) fn settle(state: &mut State<'_>) {
    let now = state.now();
    let due: Vec<(String, Value)> = state
        .list(COLLECTION)
        .filter(|(_, cluster)| cluster.number("_until").is_some_and(|until| until <= now))
        .map(|(arn, cluster)| (arn.to_owned(), cluster.clone()))
        .collect();
    for (arn, mut cluster) in due {
        if cluster["state"] == "DELETING" {
            forget(state, &arn);
            continue;
        }
        let members = cluster.as_object_mut().expect("a cluster is an object");
        members.shift_remove("_until");
        members.shift_remove("activeOperationArn");
        members.insert("state".into(), json!("ACTIVE"));
        if let Some(next) = members.shift_remove("_next") {
            members.insert("currentVersion".into(), json!(new_version()));
            members.insert("provisioned".into(), next);
        }
        state.put(COLLECTION, &arn, &cluster);
        attach_brokers(state, &cluster);
    }
}

fn forget(state: &mut State<'_>, arn: &str) {
    ec2::detach_all(state, arn);
    state.remove(COLLECTION, arn);
    state.forget_tags(arn);
    topic::forget_all(state, arn);
}

/// Gives each broker its network interface, so that its subnet and groups can't be deleted under it.
fn attach_brokers(state: &mut State<'_>, cluster: &Value) {
    let arn = cluster.text("clusterArn").unwrap_or_default();
    let nodes = &cluster["provisioned"]["brokerNodeGroupInfo"];
    let subnets = nodes.texts("clientSubnets");
    let count = cluster["provisioned"].number("numberOfBrokerNodes").unwrap_or_default() as usize;
    let present = ec2::attached(state, arn);
    for broker in present..count {
        let attachment = Attachment {
            owner: arn.to_owned(),
            subnet: subnets[broker % subnets.len().max(1)].clone(),
            groups: nodes.texts("securityGroups"),
            description: format!("Network interface of MSK broker {}", broker + 1),
            instance: None,
        };
        if let Err(error) = ec2::attach(state, &attachment) {
            tracing::warn!(%error, "a broker has no network interface");
        }
    }
}

/// Returns the cluster that `clusterArn` names.
pub(super) fn existing(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = need(&request.input, "clusterArn")?;
    if !arn.contains(":cluster/") {
        return Err(bad_request(
            "clusterArn",
            "The parameter value contains one or more characters that are not valid.",
        ));
    }
    let cluster = state.get(COLLECTION, arn).cloned();
    cluster.ok_or_else(|| not_found("clusterArn", "The specified cluster does not exist."))
}

/// Returns the cluster if it takes changes now.
pub(super) fn active(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = existing(state, request)?;
    match cluster.text("state") {
        Some("ACTIVE") => Ok(cluster),
        Some(other) => Err(bad_request(
            "clusterArn",
            format!("You can't perform this operation on a cluster that is in the {other} state."),
        )),
        None => Err(AwsError::internal("a cluster without a state")),
    }
}

pub(super) fn uses_configuration(state: &State<'_>, arn: &str) -> bool {
    state
        .list(COLLECTION)
        .any(|(_, cluster)| cluster["provisioned"]["currentBrokerSoftwareInfo"]["configurationArn"] == arn)
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = need(&request.input, "clusterName")?;
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !named || name.len() > 64 || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(bad_request(
            "clusterName",
            "The parameter value contains one or more characters that are not valid.",
        ));
    }
    if request.input.member("serverless").is_some() {
        return Err(bad_request("serverless", "The local account has provisioned clusters only."));
    }
    let input = request.input.member("provisioned");
    let input = input.ok_or_else(|| bad_request("provisioned", "The parameter provisioned is required."))?;
    if state.list(COLLECTION).any(|(_, other)| other["clusterName"] == name) {
        return Err(conflict("clusterName", "A resource with this name already exists."));
    }
    let tags = tags_in(&request.input)?;
    let provisioned = provisioned(state, request, input)?;
    let arn = request.arn("kafka", &format!("cluster/{name}/{}-1", ids::uuid()));
    let cluster = json!({
        "clusterType": "PROVISIONED",
        "clusterArn": arn,
        "clusterName": name,
        "creationTime": clock::iso(state.now()),
        "currentVersion": new_version(),
        "state": "CREATING",
        "provisioned": provisioned,
        "_until": state.done_in(CREATE_SECONDS),
    });
    state.put(COLLECTION, &arn, &cluster);
    state.set_tags(&arn, &tags);
    attach_brokers(state, &cluster);
    Ok(json!({ "clusterArn": arn, "clusterName": name, "state": "CREATING", "clusterType": "PROVISIONED" }))
}

fn provisioned(state: &State<'_>, request: &Request, input: &Value) -> Result<Value, AwsError> {
    let version = need(input, "kafkaVersion")?;
    check_version(version)?;
    let nodes = input.member("brokerNodeGroupInfo");
    let nodes = nodes.ok_or_else(|| bad_request("brokerNodeGroupInfo", "brokerNodeGroupInfo is required."))?;
    check_type(need(nodes, "instanceType")?)?;
    let subnets = nodes.texts("clientSubnets");
    check_network(state, &subnets, &nodes.texts("securityGroups"))?;
    let count = input.number("numberOfBrokerNodes").unwrap_or_default();
    check_count(count, subnets.len() as i64)?;

    let mut made = json!({ "brokerNodeGroupInfo": nodes });
    let group = &mut made["brokerNodeGroupInfo"];
    group["brokerAZDistribution"] = json!("DEFAULT");
    if nodes.texts("securityGroups").is_empty() {
        group["securityGroups"] = json!(ec2::default_group_of_subnet(state, &subnets[0]));
    }
    if group.member("storageInfo").is_none() {
        group["storageInfo"] = json!({ "ebsStorageInfo": { "volumeSize": 100 } });
    }
    if group.member("connectivityInfo").is_none() {
        group["connectivityInfo"] = json!({ "publicAccess": { "type": "DISABLED" } });
    }
    group["zoneIds"] = json!(subnets.iter().map(|subnet| ec2::zone_of(state, subnet)).collect::<Vec<_>>());

    made["currentBrokerSoftwareInfo"] = json!({ "kafkaVersion": version });
    if let Some(info) = input.member("configurationInfo") {
        let (arn, revision) = check_configuration(state, info)?;
        made["currentBrokerSoftwareInfo"]["configurationArn"] = json!(arn);
        made["currentBrokerSoftwareInfo"]["configurationRevision"] = json!(revision);
    }
    if let Some(authentication) = input.member("clientAuthentication") {
        made["clientAuthentication"] = authentication.clone();
    }
    made["encryptionInfo"] = encryption(request, input.member("encryptionInfo"))?;
    made["enhancedMonitoring"] = json!(input.text("enhancedMonitoring").unwrap_or("DEFAULT"));
    made["openMonitoring"] = input.member("openMonitoring").cloned().unwrap_or_else(|| {
        json!({ "prometheus": {
            "jmxExporter": { "enabledInBroker": false }, "nodeExporter": { "enabledInBroker": false },
        } })
    });
    if let Some(logging) = input.member("loggingInfo") {
        made["loggingInfo"] = logging.clone();
    }
    made["numberOfBrokerNodes"] = json!(count);
    made["storageMode"] = json!(input.text("storageMode").unwrap_or("LOCAL"));
    made["customerActionStatus"] = json!("NONE");
    Ok(made)
}

pub(super) fn check_version(version: &str) -> Result<(), AwsError> {
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let known = VERSIONS.join(", ");
    Err(bad_request("kafkaVersion", format!("Unsupported KafkaVersion [{version}]. Valid values: [{known}]")))
}

pub(super) fn check_type(instance: &str) -> Result<(), AwsError> {
    let mut parts = instance.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("kafka" | "express"), Some(family), Some(size), None) if !family.is_empty() && !size.is_empty() => Ok(()),
        _ => Err(bad_request("instanceType", format!("Unsupported InstanceType [{instance}]."))),
    }
}

pub(super) fn check_count(count: i64, zones: i64) -> Result<(), AwsError> {
    if !(1..=15).contains(&count) {
        return Err(bad_request("numberOfBrokerNodes", "The number of broker nodes must be between 1 and 15."));
    }
    if count % zones != 0 {
        return Err(bad_request(
            "numberOfBrokerNodes",
            "The number of broker nodes must be a multiple of Availability Zones in the Client Subnets parameter.",
        ));
    }
    Ok(())
}

fn check_network(state: &State<'_>, subnets: &[String], groups: &[String]) -> Result<(), AwsError> {
    if !(2..=3).contains(&subnets.len()) {
        return Err(bad_request("clientSubnets", "Specify either two or three client subnets."));
    }
    let mut zones = Vec::new();
    for subnet in subnets {
        let zone = ec2::zone_of(state, subnet);
        let zone = zone.ok_or_else(|| bad_request("clientSubnets", format!("The subnet {subnet} does not exist.")))?;
        if zones.contains(&zone) {
            return Err(bad_request("clientSubnets", "The client subnets must be in different Availability Zones."));
        }
        zones.push(zone);
    }
    match groups.iter().find(|group| !ec2::has_group(state, group)) {
        Some(group) => Err(bad_request("securityGroups", format!("The security group {group} does not exist."))),
        None => Ok(()),
    }
}

pub(super) fn check_configuration(state: &State<'_>, info: &Value) -> Result<(String, i64), AwsError> {
    let arn = need(info, "arn")?;
    let revision = info.number("revision").ok_or_else(|| bad_request("revision", "revision is required."))?;
    if configuration::has_revision(state, arn, revision) {
        return Ok((arn.to_owned(), revision));
    }
    Err(bad_request("configurationInfo", "The configuration or its revision does not exist."))
}

fn encryption(request: &Request, input: Option<&Value>) -> Result<Value, AwsError> {
    let mut made = input.cloned().unwrap_or_else(|| json!({}));
    if made.member("encryptionAtRest").is_none() {
        let key = request.arn("kms", "alias/aws/kafka");
        made["encryptionAtRest"] = json!({ "dataVolumeKMSKeyId": key });
    }
    if made.member("encryptionInTransit").is_none() {
        made["encryptionInTransit"] = json!({});
    }
    let transit = &mut made["encryptionInTransit"];
    let broker = transit.text("clientBroker").unwrap_or("TLS").to_owned();
    if !["TLS", "TLS_PLAINTEXT", "PLAINTEXT"].contains(&broker.as_str()) {
        return Err(bad_request("clientBroker", format!("Unsupported clientBroker [{broker}].")));
    }
    transit["clientBroker"] = json!(broker);
    transit["inCluster"] = json!(transit.flag("inCluster").unwrap_or(true));
    Ok(made)
}

fn described(state: &State<'_>, cluster: &Value) -> Value {
    let mut described = cluster.clone();
    let members = described.as_object_mut().expect("a cluster is an object");
    members.retain(|name, _| !name.starts_with('_'));
    let tags = state.tags(cluster.text("clusterArn").unwrap_or_default());
    members.insert("tags".into(), json!(tags));
    described
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "clusterInfo": described(state, &existing(state, request)?) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let prefix = request.input.text("clusterNameFilter").unwrap_or_default();
    let kind = request.input.text("clusterTypeFilter").unwrap_or("PROVISIONED");
    let all = state
        .list(COLLECTION)
        .filter(|(_, cluster)| cluster.text("clusterName").is_some_and(|name| name.starts_with(prefix)))
        .filter(|(_, cluster)| cluster["clusterType"] == kind)
        .map(|(_, cluster)| described(state, cluster))
        .collect();
    paged(request, "clusterInfoList", all)
}

pub(super) fn nodes(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = existing(state, request)?;
    let arn = cluster.text("clusterArn").unwrap_or_default();
    let provisioned = &cluster["provisioned"];
    let all = ec2::interfaces_of(state, arn)
        .into_iter()
        .enumerate()
        .map(|(index, interface)| {
            json!({
                "addedToClusterTime": cluster["creationTime"],
                "brokerNodeInfo": {
                    "attachedENIId": interface["networkInterfaceId"],
                    "brokerId": index + 1,
                    "clientSubnet": interface["subnetId"],
                    "clientVpcIpAddress": interface["privateIpAddress"],
                    "currentBrokerSoftwareInfo": provisioned["currentBrokerSoftwareInfo"],
                },
                "instanceType": provisioned["brokerNodeGroupInfo"]["instanceType"],
                "nodeARN": format!("{arn}/{}", index + 1).replace(":cluster/", ":broker/"),
                "nodeType": "BROKER",
            })
        })
        .collect();
    paged(request, "nodeInfoList", all)
}

pub(super) fn bootstrap(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    account.transact(request, |state| {
        settle(state);
        let cluster = existing(state, request)?;
        if cluster["state"] == "CREATING" {
            return Err(bad_request("clusterArn", "The cluster is being created and has no bootstrap brokers yet."));
        }
        let address = account.kafka.as_deref();
        let address = address.ok_or_else(|| AwsError::internal("the account was started without a Kafka address"))?;
        Ok(json!({ "bootstrapBrokerString": address }))
    })
}

/// Deletes a cluster, and with it the topics that were made on it through the topic API. They go first: the Kafka is
/// the same for the next cluster, whose topics may have the same names.
pub(super) async fn delete(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let doomed = |state: &mut State<'_>| {
        settle(state);
        let cluster = existing(state, request)?;
        if cluster["state"] == "DELETING" {
            return Err(bad_request("clusterArn", "The cluster is already being deleted."));
        }
        if let Some(version) = request.input.text("currentVersion")
            && cluster["currentVersion"] != version
        {
            return Err(bad_request("currentVersion", "This operation cannot be performed on the specified version."));
        }
        let arn = cluster.text("clusterArn").unwrap_or_default().to_owned();
        Ok((arn, cluster))
    };
    let topics = account.transact(request, |state| {
        let (arn, _) = doomed(state)?;
        Ok(topic::made_on(state, &arn))
    })?;
    if let Some(address) = account.kafka.as_deref().filter(|_| !topics.is_empty())
        && let Err(error) = delete_topics(address, &topics).await
    {
        tracing::warn!(%error, "cannot delete the topics of a deleted cluster");
    }
    account.transact(request, |state| {
        let (arn, mut cluster) = doomed(state)?;
        cluster["state"] = json!("DELETING");
        cluster["_until"] = json!(state.done_in(DELETE_SECONDS));
        state.put(COLLECTION, &arn, cluster);
        settle(state);
        Ok(json!({ "clusterArn": arn, "state": "DELETING" }))
    })
}

async fn delete_topics(address: &str, topics: &[String]) -> anyhow::Result<()> {
    let mut client = kafka::Client::connect(address).await?;
    for topic in topics {
        client.delete(topic).await?;
    }
    Ok(())
}
