//! Provisioned clusters: creation, description, deletion, and the passing of time on them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{bad_request, bootstrap, checks, conflict, kafka, need, not_found, paged, serverless, tags_in, topic};
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
    let (subnets, groups, count) = match serverless::network(cluster) {
        // One endpoint in each subnet.
        Some((subnets, groups)) => (subnets.clone(), groups, subnets.len()),
        None => {
            let count = cluster["provisioned"].number("numberOfBrokerNodes").unwrap_or_default() as usize;
            (nodes.texts("clientSubnets"), nodes.texts("securityGroups"), count)
        }
    };
    let present = ec2::attached(state, arn);
    for broker in present..count {
        let attachment = Attachment {
            owner: arn.to_owned(),
            subnet: subnets[broker % subnets.len().max(1)].clone(),
            groups: groups.clone(),
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

/// Returns the cluster if it is a provisioned one: of others there is much that can't be asked and changed.
pub(super) fn provisioned_only(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = existing(state, request)?;
    if cluster["clusterType"] == "PROVISIONED" {
        return Ok(cluster);
    }
    Err(bad_request("clusterArn", "This operation cannot be performed on serverless clusters."))
}

/// Returns the provisioned cluster if it takes changes now.
pub(super) fn active(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = provisioned_only(state, request)?;
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
    let wish = |name: &str| request.input.member(name).cloned();
    let (kind, member) = match (wish("provisioned"), wish("serverless")) {
        (Some(_), None) => ("PROVISIONED", "provisioned"),
        (None, Some(_)) => ("SERVERLESS", "serverless"),
        _ => return Err(bad_request("provisioned", "Specify either provisioned or serverless.")),
    };
    if state.list(COLLECTION).any(|(_, other)| other["clusterName"] == name) {
        return Err(conflict("clusterName", "A resource with this name already exists."));
    }
    let tags = tags_in(&request.input)?;
    let wish = wish(member).unwrap_or_default();
    let (made, suffix, seconds) = if kind == "SERVERLESS" {
        (serverless::made(state, &wish)?, "s1", serverless::CREATE_SECONDS)
    } else {
        (provisioned(state, request, &wish)?, "1", CREATE_SECONDS)
    };
    let arn = request.arn("kafka", &format!("cluster/{name}/{}-{suffix}", ids::uuid()));
    let cluster = json!({
        "clusterType": kind,
        "clusterArn": arn,
        "clusterName": name,
        "creationTime": clock::iso(state.now()),
        "currentVersion": new_version(),
        "state": "CREATING",
        member: made,
        "_until": state.done_in(seconds),
    });
    state.put(COLLECTION, &arn, &cluster);
    state.set_tags(&arn, &tags);
    attach_brokers(state, &cluster);
    Ok(json!({ "clusterArn": arn, "clusterName": name, "state": "CREATING", "clusterType": kind }))
}

fn provisioned(state: &State<'_>, request: &Request, input: &Value) -> Result<Value, AwsError> {
    let version = need(input, "kafkaVersion")?;
    checks::check_version(version)?;
    let nodes = input.member("brokerNodeGroupInfo");
    let nodes = nodes.ok_or_else(|| bad_request("brokerNodeGroupInfo", "brokerNodeGroupInfo is required."))?;
    checks::check_type(need(nodes, "instanceType")?)?;
    let subnets = nodes.texts("clientSubnets");
    checks::check_network(state, &subnets, &nodes.texts("securityGroups"))?;
    let count = input.number("numberOfBrokerNodes").unwrap_or_default();
    checks::check_count(count, subnets.len() as i64)?;

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
        let (arn, revision) = checks::check_configuration(state, info)?;
        made["currentBrokerSoftwareInfo"]["configurationArn"] = json!(arn);
        made["currentBrokerSoftwareInfo"]["configurationRevision"] = json!(revision);
    }
    if let Some(authentication) = input.member("clientAuthentication") {
        made["clientAuthentication"] = authentication.clone();
    }
    made["encryptionInfo"] = encryption(request, input.member("encryptionInfo"))?;
    checks::check_security(&made)?;
    checks::check_monitoring(state, input)?;
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
    let kind = request.input.text("clusterTypeFilter");
    if let Some(kind) = kind.filter(|kind| !["PROVISIONED", "SERVERLESS"].contains(kind)) {
        return Err(bad_request("clusterTypeFilter", format!("Unsupported cluster type [{kind}].")));
    }
    let all = state
        .list(COLLECTION)
        .filter(|(_, cluster)| cluster.text("clusterName").is_some_and(|name| name.starts_with(prefix)))
        .filter(|(_, cluster)| kind.is_none_or(|kind| cluster["clusterType"] == kind))
        .map(|(_, cluster)| described(state, cluster))
        .collect();
    paged(request, "clusterInfoList", all)
}

pub(super) fn nodes(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = provisioned_only(state, request)?;
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

pub(super) fn bootstrap_brokers(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    account.transact(request, |state| {
        settle(state);
        let cluster = existing(state, request)?;
        if cluster["state"] == "CREATING" {
            return Err(bad_request("clusterArn", "The cluster is being created and has no bootstrap brokers yet."));
        }
        let address = account.kafka.as_deref();
        let address = address.ok_or_else(|| AwsError::internal("the account was started without a Kafka address"))?;
        let mut answer = bootstrap::strings(&cluster, &request.region);
        answer["bootstrapBrokerString"] = json!(address);
        Ok(answer)
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
