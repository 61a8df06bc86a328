//! Topics, asked of the brokers; the answers lag behind as those of MSK do when the account has delays.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kafka_protocol::ResponseError;
use serde_json::{Value, json};

use super::kafka::{Client, Refused, Topic};
use super::{bad_request, cluster, need, not_found, paged};
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;

/// Where stands what was asked of the topic API, by `CLUSTER-ARN|TOPIC`.
const COLLECTION: &str = "kafka/topic";
/// Seconds until a change shows in answers.
const LAG_SECONDS: i64 = 60;
/// A setting that more brokers than there are can't satisfy, so that the brokers don't get to see it.
const MIN_IN_SYNC: &str = "min.insync.replicas";

fn key(arn: &str, topic: &str) -> String {
    format!("{arn}|{topic}")
}

/// Returns the topics that were made on a cluster through the topic API.
pub(super) fn made_on(state: &State<'_>, arn: &str) -> Vec<String> {
    let prefix = key(arn, "");
    state
        .list(COLLECTION)
        .filter(|(_, entry)| entry["change"] != "deleted")
        .filter_map(|(id, _)| id.strip_prefix(&prefix).map(str::to_owned))
        .collect()
}

/// Returns the cluster that a topic was made on through the topic API, if that is another one. One Kafka stands behind all
/// clusters of the account; what was made on one of them isn't there for the others.
fn made_elsewhere(state: &State<'_>, arn: &str, name: &str) -> Option<String> {
    let made = state.list(COLLECTION).filter(|(_, entry)| entry["change"] != "deleted");
    let mut homes = made.filter_map(|(id, _)| id.rsplit_once('|').filter(|(_, topic)| *topic == name));
    homes.find(|(cluster, _)| *cluster != arn).map(|(cluster, _)| cluster.to_owned())
}

/// Forgets what was asked of a cluster that is gone.
pub(super) fn forget_all(state: &mut State<'_>, arn: &str) {
    let prefix = key(arn, "");
    let ids: Vec<String> =
        state.list(COLLECTION).filter(|(id, _)| id.starts_with(&prefix)).map(|(id, _)| id.to_owned()).collect();
    for id in ids {
        state.remove(COLLECTION, &id);
    }
}

/// What the answers say of a topic.
#[derive(Clone, Debug)]
struct View {
    topic: Topic,
    replication_factor: i64,
    configs: BTreeMap<String, String>,
}

impl View {
    fn to_json(&self) -> Value {
        json!({
            "partitions": self.topic.partitions.len(),
            "replicationFactor": self.replication_factor,
            "configs": self.configs,
        })
    }
}

/// Opens the cluster for a topic operation: its ARN and a connection to the brokers.
async fn open(account: &Arc<Account>, request: &Request) -> Result<(String, Client), AwsError> {
    let arn = account.transact(request, |state| {
        cluster::settle(state);
        let cluster = cluster::active(state, request)?;
        Ok(cluster.text("clusterArn").unwrap_or_default().to_owned())
    })?;
    let address = account.kafka.as_deref();
    let address = address.ok_or_else(|| AwsError::internal("the account was started without a Kafka address"))?;
    let client = Client::connect(address).await.map_err(failed)?;
    Ok((arn, client))
}

fn failed(error: anyhow::Error) -> AwsError {
    let Some(refused) = error.downcast_ref::<Refused>() else {
        let message = format!("{error:#}");
        return AwsError::new("ClusterConnectivityException", message).status(409);
    };
    let (code, status) = match refused.error {
        ResponseError::TopicAlreadyExists => ("TopicExistsException", 409),
        ResponseError::UnknownTopicOrPartition => ("UnknownTopicOrPartitionException", 404),
        ResponseError::NotController => ("NotControllerException", 409),
        ResponseError::RequestTimedOut => ("KafkaTimeoutException", 409),
        ResponseError::ReassignmentInProgress => ("ReassignmentInProgressException", 409),
        _ => ("KafkaRequestException", 400),
    };
    AwsError::new(code, refused.message.clone()).status(status)
}

fn topic_arn(cluster: &str, topic: &str) -> String {
    format!("{}/{topic}", cluster.replace(":cluster/", ":topic/"))
}

fn topic_name(request: &Request) -> Result<&str, AwsError> {
    let name = need(&request.input, "topicName")?;
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !legal || name.len() > 249 || name == "." || name == ".." {
        return Err(bad_request("topicName", format!("The topic name {name} is not valid.")));
    }
    if name.starts_with("__") {
        return Err(bad_request("topicName", "Topics that begin with __ are Kafka's own."));
    }
    Ok(name)
}

fn answer(arn: &str, topic: &str, status: &str) -> Value {
    json!({ "topicArn": topic_arn(arn, topic), "topicName": topic, "status": status })
}

/// Reads Base64 of `name=value` lines, or of a JSON object of them.
fn configs(request: &Request) -> Result<Option<BTreeMap<String, String>>, AwsError> {
    let Some(encoded) = request.input.text("configs") else { return Ok(None) };
    let invalid = || bad_request("configs", "The topic configurations are not valid.");
    let bytes = STANDARD.decode(encoded).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).map(Some).map_err(|_| invalid());
    }
    let mut configs = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').ok_or_else(invalid)?;
        configs.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(Some(configs))
}

fn encode(configs: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    STANDARD.encode(lines.join("\n"))
}

/// Returns what the brokers say of a topic, completed by what was asked of the topic API.
async fn view(client: &mut Client, entry: Option<&Value>, name: &str) -> Result<Option<View>, AwsError> {
    let Some(topic) = client.topic(name).await.map_err(failed)? else { return Ok(None) };
    let asked = entry.filter(|entry| entry["change"] != "deleted");
    let mut configs = match client.configs(name).await {
        Ok(configs) => configs,
        // A broker without that request still shows what was asked for.
        Err(error) if unsupported(&error) => asked.map(asked_configs).unwrap_or_default(),
        Err(error) => return Err(failed(error)),
    };
    if let Some(held_back) = asked.and_then(|entry| asked_configs(entry).remove(MIN_IN_SYNC)) {
        configs.entry(MIN_IN_SYNC.to_owned()).or_insert(held_back);
    }
    let replication_factor =
        asked.and_then(|entry| entry.number("replicationFactor")).unwrap_or(topic.replication_factor() as i64);
    Ok(Some(View { topic, replication_factor, configs }))
}

fn unsupported(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.error == ResponseError::UnsupportedVersion)
}

fn asked_configs(entry: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(entry["configs"].clone()).unwrap_or_default()
}

/// Returns what was asked of a topic through this cluster; one of another cluster isn't there.
fn entry(account: &Account, request: &Request, arn: &str, name: &str) -> Result<Option<Value>, AwsError> {
    account.transact(request, |state| match made_elsewhere(state, arn, name) {
        Some(_) => Err(not_found("topicName", format!("The topic {name} does not exist."))),
        None => Ok(state.get(COLLECTION, &key(arn, name)).cloned()),
    })
}

/// Says whether the last change of a topic shows already.
fn shows(account: &Account, entry: &Value) -> bool {
    account.delays.visible(entry.number("at").unwrap_or_default(), crate::clock::now(), LAG_SECONDS)
}

pub(super) async fn create(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let name = topic_name(request)?;
    let positive = |member: &'static str| {
        let value = request.input.number(member).filter(|value| *value >= 1);
        value.ok_or_else(|| bad_request(member, format!("{member} must be at least 1.")))
    };
    let partitions = positive("partitionCount")?;
    let replication_factor = positive("replicationFactor")?;
    let configs = configs(request)?.unwrap_or_default();
    let (arn, mut client) = open(account, request).await?;
    let brokers = account.transact(request, |state| {
        if let Some(other) = made_elsewhere(state, &arn, name) {
            let message = format!(
                "One Kafka stands behind all clusters of this local account, and it has a topic {name} already, made on \
                 {other}: give this one another name, or each stack an account of its own."
            );
            return Err(AwsError::new("KafkaRequestException", message));
        }
        let cluster = cluster::existing(state, request)?;
        Ok(cluster["provisioned"].number("numberOfBrokerNodes").unwrap_or(1))
    })?;
    if replication_factor > brokers {
        let message = format!("Replication factor: {replication_factor} larger than available brokers: {brokers}.");
        return Err(AwsError::new("KafkaRequestException", message));
    }
    let partitions = i32::try_from(partitions).map_err(|_| bad_request("partitionCount", "Too many partitions."))?;
    // The Kafka behind the cluster may have fewer brokers than the cluster is said to have.
    let behind = client.brokers().await.map_err(failed)? as i64;
    let mut sent = configs.clone();
    if behind < replication_factor {
        sent.remove(MIN_IN_SYNC);
    }
    let copies = replication_factor.min(behind.max(1)) as i16;
    client.create(name, partitions, copies, &sent).await.map_err(failed)?;
    account.transact(request, |state| {
        state.put(
            COLLECTION,
            &key(&arn, name),
            json!({
                "replicationFactor": replication_factor,
                "configs": configs,
                "change": "created",
                "at": state.now() + state.late(),
            }),
        );
        Ok(())
    })?;
    Ok(answer(&arn, name, "CREATING"))
}

pub(super) async fn describe(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let name = topic_name(request)?;
    let (arn, mut client) = open(account, request).await?;
    let entry = entry(account, request, &arn, name)?;
    let seen = seen(account, &mut client, entry.as_ref(), name).await?;
    let seen = seen.ok_or_else(|| not_found("topicName", format!("The topic {name} does not exist.")))?;
    let configs: BTreeMap<String, String> = serde_json::from_value(seen["configs"].clone()).unwrap_or_default();
    let mut described = answer(&arn, name, "ACTIVE");
    described["partitionCount"] = seen["partitions"].clone();
    described["replicationFactor"] = seen["replicationFactor"].clone();
    described["configs"] = json!(encode(&configs));
    Ok(described)
}

/// Returns what answers say of a topic now: the truth, or what was true before the last change.
async fn seen(
    account: &Account,
    client: &mut Client,
    entry: Option<&Value>,
    name: &str,
) -> Result<Option<Value>, AwsError> {
    if let Some(entry) = entry
        && !shows(account, entry)
    {
        return Ok(entry.member("before").cloned());
    }
    Ok(view(client, entry, name).await?.map(|view| view.to_json()))
}

pub(super) async fn list(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let (arn, mut client) = open(account, request).await?;
    let filter = request.input.text("topicNameFilter").unwrap_or_default();
    let topics = client.topics().await.map_err(failed)?;
    let (topics, entries) = account.transact(request, |state| {
        let prefix = key(&arn, "");
        let here = topics.iter().filter(|topic| made_elsewhere(state, &arn, &topic.name).is_none());
        let here: Vec<Topic> = here.cloned().collect();
        let own = state.list(COLLECTION).filter_map(|(id, entry)| Some((id.strip_prefix(&prefix)?, entry)));
        let own: BTreeMap<String, Value> = own.map(|(name, entry)| (name.to_owned(), entry.clone())).collect();
        Ok((here, own))
    })?;
    let hidden = |name: &str| entries.get(name).filter(|entry| !shows(account, entry));
    let mut infos: BTreeMap<String, Value> = BTreeMap::new();
    for topic in topics {
        let asked = entries.get(&topic.name).and_then(|entry| entry.number("replicationFactor"));
        let out = topic.partitions.iter().filter(|partition| partition.in_sync.len() < partition.replicas.len());
        let info = json!({
            "partitionCount": topic.partitions.len(),
            "replicationFactor": asked.unwrap_or(topic.replication_factor() as i64),
            "outOfSyncReplicaCount": out.count(),
        });
        infos.insert(topic.name, info);
    }
    for name in entries.keys().filter(|name| hidden(name).is_some()) {
        match entries[name].member("before") {
            None => drop(infos.remove(name)),
            Some(before) => drop(infos.insert(
                name.clone(),
                json!({
                    "partitionCount": before["partitions"],
                    "replicationFactor": before["replicationFactor"],
                    "outOfSyncReplicaCount": 0,
                }),
            )),
        }
    }
    let all = infos
        .into_iter()
        .filter(|(name, _)| name.starts_with(filter))
        .map(|(name, mut info)| {
            info["topicArn"] = json!(topic_arn(&arn, &name));
            info["topicName"] = json!(name);
            info
        })
        .collect();
    paged(request, "topics", all)
}

pub(super) async fn partitions(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let name = topic_name(request)?;
    let (arn, mut client) = open(account, request).await?;
    entry(account, request, &arn, name)?;
    let topic = client.topic(name).await.map_err(failed)?;
    let topic = topic.ok_or_else(|| not_found("topicName", format!("The topic {name} does not exist.")))?;
    let all = topic.partitions.iter().map(|partition| {
        json!({
            "partition": partition.index,
            "leader": partition.leader,
            "replicas": partition.replicas,
            "isr": partition.in_sync,
        })
    });
    paged(request, "partitions", all.collect())
}

pub(super) async fn update(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let name = topic_name(request)?;
    let (partitions, configs) = (request.input.number("partitionCount"), configs(request)?);
    if partitions.is_some() == configs.is_some() {
        return Err(bad_request("partitionCount", "Give either partitionCount or configs, not both."));
    }
    let (arn, mut client) = open(account, request).await?;
    let entry = entry(account, request, &arn, name)?;
    let before = view(&mut client, entry.as_ref(), name).await?;
    let before = before.ok_or_else(|| not_found("topicName", format!("The topic {name} does not exist.")))?;
    if let Some(count) = partitions {
        let current = before.topic.partitions.len();
        let count = i32::try_from(count).map_err(|_| bad_request("partitionCount", "Too many partitions."))?;
        if i64::from(count) <= current as i64 {
            let message = format!("The topic currently has {current} partition(s); {count} would not be an increase.");
            return Err(AwsError::new("KafkaRequestException", message));
        }
        client.grow(name, count).await.map_err(failed)?;
    }
    let after = configs.unwrap_or_else(|| before.configs.clone());
    let mut changes: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (name, value) in &after {
        if before.configs.get(name) != Some(value) && name != MIN_IN_SYNC {
            changes.insert(name.clone(), Some(value.clone()));
        }
    }
    // The configurations given are the topic's whole set: what is not among them goes back to the default.
    for name in before.configs.keys().filter(|name| !after.contains_key(*name) && *name != MIN_IN_SYNC) {
        changes.insert(name.clone(), None);
    }
    if !changes.is_empty() {
        client.configure(name, &changes).await.map_err(failed)?;
    }
    account.transact(request, |state| {
        state.put(
            COLLECTION,
            &key(&arn, name),
            json!({
                "replicationFactor": before.replication_factor,
                "configs": after,
                "change": "updated",
                "before": before.to_json(),
                "at": state.now(),
            }),
        );
        Ok(())
    })?;
    Ok(answer(&arn, name, "UPDATING"))
}

pub(super) async fn delete(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let name = topic_name(request)?;
    let (arn, mut client) = open(account, request).await?;
    let entry = entry(account, request, &arn, name)?;
    let before = view(&mut client, entry.as_ref(), name).await?;
    let before = before.ok_or_else(|| not_found("topicName", format!("The topic {name} does not exist.")))?;
    client.delete(name).await.map_err(failed)?;
    account.transact(request, |state| {
        state.put(
            COLLECTION,
            &key(&arn, name),
            json!({
                "change": "deleted",
                "before": before.to_json(),
                "at": state.now(),
            }),
        );
        Ok(())
    })?;
    Ok(answer(&arn, name, "DELETING"))
}
