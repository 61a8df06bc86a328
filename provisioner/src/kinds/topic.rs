//! `topic`: a Kafka topic on an MSK cluster, by MSK's own topic API.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::operation::describe_topic::DescribeTopicOutput;
use aws_sdk_kafka::types::TopicState;
use lakewright_aws::{Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{One, each};
use super::msk;
use super::spec::{in_place, reference, replaces};
use super::tags::{self, Tags};
use super::values::{ClusterArn, text};
use super::wait;
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address, Condition, Obstacle};
use crate::services::Services as _;
use wire::{arn, counts, describe, encode, pending, settings};

mod wire;

text!(
    /// A topic's name.
    TopicName,
    r"^[A-Za-z0-9._-]{1,249}$"
);

/// A Kafka topic on an MSK cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`.
    pub cluster: ClusterArn,
    /// The topic's name.
    pub name: TopicName,
    /// How many partitions; Kafka can only add some, and keys then move between them.
    #[schemars(range(min = 1))]
    pub partitions: u32,
    /// How many brokers hold each partition.
    #[schemars(range(min = 1))]
    pub replication_factor: u32,
    /// The topic's own settings, `"retention.ms" = "86400000"`; those not named here are left to the cluster and never compared.
    /// Default: none.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

const FIELDS: &[Field] = &[
    replaces("cluster"),
    replaces("name"),
    in_place("partitions"),
    replaces("replication_factor"),
    in_place("configuration"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "kafka:CreateTopic",
    "kafka:UpdateTopic",
    "kafka:DeleteTopic",
    "kafka:DescribeTopic",
    "kafka:ListTopics",
    // The topic API acts on the brokers in the caller's name.
    "kafka-cluster:Connect",
    "kafka-cluster:CreateTopic",
    "kafka-cluster:AlterTopic",
    "kafka-cluster:DeleteTopic",
    "kafka-cluster:DescribeTopic",
    "kafka-cluster:DescribeTopicDynamicConfiguration",
    "kafka-cluster:AlterTopicDynamicConfiguration",
];
const ARNS: &[Arn] = &[
    ("written", "kafka:{region}:{account}:topic/{cluster}/*/{name}"),
    ("asked cluster", "kafka:{region}:{account}:cluster/{cluster}/*"),
];
const FACTS: Facts = Facts {
    holds_data: true,
    is_tagless: true,
    expected: [Duration::from_secs(70); 3],
    renamed_fields: &[("replication", "replication_factor")],
    contained_in: Some(("cluster", "cluster")),
    identified_by: &["cluster", "name"],
    arns: ARNS,
    // Its partitions stand on the brokers, which are billed with the cluster.
    billing: Billing::Free,
    follows: &[(&[Action::Replace], "the new topic begins empty, and consumers begin again at its start")],
    ..Facts::of("topic", "a Kafka topic on an MSK cluster", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Topic;

/// How long MSK's answers about topics may lag behind, with a margin.
const SEEN: Duration = Duration::from_mins(10);

#[async_trait]
impl Kind for Topic {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn loses(&self, live: &Spec, spec: &Spec) -> Vec<String> {
        let pairs =
            spec.configuration.iter().filter_map(|(name, new)| Some((name, live.configuration.get(name)?, new)));
        pairs
            .filter(|(name, old, new)| sheds(name, old, new))
            .map(|(name, old, new)| {
                format!("{name} goes from {old} to {new}: records of {} that are held now are deleted", spec.name)
            })
            .collect()
    }

    /// It belongs to its cluster: one on a cluster that is made anew is another, and the old one goes with the old cluster.
    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.cluster != spec.cluster && reference(&spec.cluster).is_some()
    }

    fn refuses(&self, live: &Spec, _observed: &(), spec: &Spec) -> Option<Obstacle> {
        let fix = || format!("write `partitions = {}`, or give the topic another `name`", live.partitions);
        (spec.partitions < live.partitions).then(|| Obstacle::new(fewer_partitions(live, spec), fix()))
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let moved = || "keys move to other partitions: records of one key are no longer all in order".to_owned();
        step.updates("partitions").then(moved).into_iter().collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let named: Vec<&ClusterArn> = wanted.iter().map(|one| &one.spec.cluster).collect();
        let mut found = Vec::new();
        for parent in msk::parents(context, &named).await? {
            let meant: Vec<_> = wanted.iter().filter(|one| parent.is_meant(&one.spec.cluster)).collect();
            // Each wanted one is asked for: a new topic is missing in the list for a while.
            let reads = meant.iter().map(|wanted| One {
                address: Some(wanted.address.clone()),
                id: wanted.spec.name.to_string(),
                read: read(context, &parent.arn, wanted),
            });
            let mut ours: Vec<_> = each(context, FACTS.name, reads).await?;
            // A topic carries no tag: which of the others were this stack's once, nothing says. One of ours reports them;
            // on a cluster of others there is nothing to report.
            if let Some(first) = ours.first_mut().filter(|_| parent.address.is_some()) {
                let others = others(context, &parent.arn, &meant).await.map(Some);
                first.foreign = context.reading.keep(FACTS.name, None, &parent.arn, others)?.unwrap_or_default();
            }
            found.append(&mut ours);
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        msk::settled(context, &spec.cluster, msk::CHANGED).await?;
        let configs = (!spec.configuration.is_empty()).then(|| encode(&spec.configuration));
        let call = context.aws.kafka().create_topic().cluster_arn(spec.cluster.as_str());
        let call = call
            .topic_name(spec.name.as_str())
            .partition_count(i32::try_from(spec.partitions)?)
            .replication_factor(i32::try_from(spec.replication_factor)?)
            .set_configs(configs);
        // On a cluster of others, what is there without a note that it was about to be made is theirs.
        context.intents.begin(address).await?;
        let refusal = match ask(call.send()).await {
            Ok(_) => return seen(context, spec).await,
            Err(error) if error.lost => return Err(error.into()),
            // An earlier attempt, which the answers didn't show yet, or somebody else.
            Err(error) if error.is_already_exists() => match stranger(context, spec).await? {
                None => return seen(context, spec).await,
                Some(what) => anyhow::Error::new(error).context(what),
            },
            Err(error) => error.into(),
        };
        context.intents.end(address).await?;
        Err(refusal)
    }

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        if spec.partitions < live.spec.partitions {
            bail!(fewer_partitions(&live.spec, spec));
        }
        // Partitions and settings can't change in one call.
        let has = |name: &str| changed.iter().any(|field| field == name);
        let call = context.aws.kafka().update_topic().cluster_arn(spec.cluster.as_str());
        let call = call.topic_name(spec.name.as_str());
        if has("partitions") {
            ask(call.clone().partition_count(i32::try_from(spec.partitions)?).send()).await?;
            seen(context, &Spec { configuration: live.spec.configuration.clone(), ..spec.clone() }).await?;
        }
        if has("configuration") {
            ask(call.configs(encode(&spec.configuration)).send()).await?;
        }
        seen(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let spec = &live.spec;
        let call = context.aws.kafka().delete_topic().cluster_arn(spec.cluster.as_str());
        wait::found(ask(call.topic_name(spec.name.as_str()).send()).await)?;
        wait::until(context, SEEN, &format!("the topic {} is still there", spec.name), || async {
            Ok(describe(context, &spec.cluster, &spec.name).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some((cluster, name)) = place(id) else {
            bail!(
                "`{id}` is no ARN of a topic: write it as MSK shows it, arn:aws:kafka:REGION:ACCOUNT:topic/CLUSTER/UUID/NAME"
            )
        };
        let topic = describe(context, &cluster, name).await?;
        // What the spec doesn't name isn't compared: nothing of its settings is the stack's yet.
        topic.map(|topic| live(&topic, &cluster, address, &BTreeMap::new())).transpose()
    }
}

/// The cluster's ARN and the name in a topic's ARN.
fn place(arn: &str) -> Option<(String, &str)> {
    let (cluster, name) = arn.rsplit_once('/')?;
    let cluster = cluster.replacen(":topic/", ":cluster/", 1);
    (arn.contains(":topic/") && cluster.split('/').count() == 3 && !name.is_empty()).then_some((cluster, name))
}

fn fewer_partitions(live: &Spec, spec: &Spec) -> String {
    format!(
        "Kafka can't take partitions away: {} has {}, the stack says {}",
        spec.name, live.partitions, spec.partitions
    )
}

/// Whether changing a setting makes Kafka delete records that it holds.
fn sheds(name: &str, old: &str, new: &str) -> bool {
    // Less than nothing means without a limit.
    let limit = |text: &str| text.trim().parse::<i64>().ok().map(|limit| if limit < 0 { i64::MAX } else { limit });
    match name {
        "retention.ms" | "retention.bytes" => match (limit(old), limit(new)) {
            (Some(old), Some(new)) => new < old,
            _ => old != new,
        },
        // The policies are a list without an order; each one added deletes in a way of its own.
        "cleanup.policy" => {
            let policies = |text: &str| text.split(',').map(|policy| policy.trim().to_owned()).collect::<BTreeSet<_>>();
            !policies(new).is_subset(&policies(old))
        }
        _ => false,
    }
}

/// The ARNs of a cluster's topics that no spec means; those that begin with two underscores are Kafka's own.
async fn others(context: &Context, cluster: &str, meant: &[&Wanted<'_, Spec>]) -> Result<Vec<String>> {
    let call = context.aws.kafka().list_topics().cluster_arn(cluster).max_results(msk::PAGE);
    let listed = ask_all(call.into_paginator().items().send()).await?;
    let is_other = |name: &str| !name.starts_with("__") && !meant.iter().any(|one| one.spec.name == name);
    let mut others = Vec::new();
    for topic in &listed {
        if is_other(topic.topic_name().needed("kafka", "TopicInfo.TopicName")?) {
            others.push(topic.topic_arn().needed("kafka", "TopicInfo.TopicArn")?.to_owned());
        }
    }
    Ok(others)
}

/// What a topic that was there already is other than asked: then somebody else made it, and it stays as it is.
async fn stranger(context: &Context, spec: &Spec) -> Result<Option<String>> {
    let what = format!("MSK says that the topic {} exists, and doesn't show it", spec.name);
    let topic = wait::until(context, SEEN, &what, || describe(context, &spec.cluster, &spec.name)).await?;
    let [partitions, replication] = counts(&topic)?;
    let other = (partitions, replication) != (spec.partitions, spec.replication_factor);
    Ok(other.then(|| {
        format!(
            "somebody else made the topic {} on {}: it has {partitions} partitions of {replication} replicas, the stack \
             says {} of {}; give it another name, or say `existing = true` to use it as it is",
            spec.name, spec.cluster, spec.partitions, spec.replication_factor
        )
    }))
}

/// Waits until MSK shows the topic as the spec says.
async fn seen(context: &Context, spec: &Spec) -> Result<Outcome> {
    let what = format!("MSK doesn't show the topic {} as it was made", spec.name);
    let topic = wait::until(context, SEEN, &what, || async {
        let Some(topic) = describe(context, &spec.cluster, &spec.name).await? else { return Ok(None) };
        let ([partitions, _], settings) = (counts(&topic)?, settings(&topic)?);
        let is_seen = pending(&topic).is_none()
            && partitions >= spec.partitions
            && spec.configuration.iter().all(|(name, value)| settings.get(name) == Some(value));
        Ok(is_seen.then_some(topic))
    })
    .await?;
    let arn = arn(&topic)?;
    Ok(tags::outcome(arn, &[("arn", arn), ("name", &spec.name)]))
}

async fn read(context: &Context, cluster: &str, wanted: &Wanted<'_, Spec>) -> Result<Option<Found<Spec>>> {
    let Some(topic) = describe(context, cluster, &wanted.spec.name).await? else { return Ok(None) };
    if topic.status() == Some(&TopicState::Deleting) {
        return Ok(None);
    }
    live(&topic, cluster, wanted.address, &wanted.spec.configuration).map(Some)
}

/// A described topic with the settings that are named: MSK shows every one that holds, the cluster's defaults too.
fn live(
    topic: &DescribeTopicOutput,
    cluster: &str,
    address: &Address,
    named: &BTreeMap<String, String>,
) -> Result<Found<Spec>> {
    let arn = arn(topic)?;
    let name = topic.topic_name().needed("kafka", "DescribeTopic.TopicName")?;
    let [partitions, replication] = counts(topic)?;
    let spec = Spec {
        cluster: cluster.into(),
        name: name.into(),
        partitions,
        replication_factor: replication,
        configuration: settings(topic)?.into_iter().filter(|(setting, _)| named.contains_key(setting)).collect(),
    };
    let mut live = tags::found(address.clone(), &Tags::new(), arn, spec, &[("arn", arn), ("name", name)]);
    if let Some(state) = pending(topic) {
        live.condition = Condition::Pending(state.to_string());
    }
    Ok(live)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_shorter_retention_loses_records() {
        let topic = |settings: Value| Spec {
            cluster: "arn".into(),
            name: "facts".into(),
            partitions: 3,
            replication_factor: 3,
            configuration: serde_json::from_value(settings).expect("settings"),
        };
        let lost = |old: Value, new: Value| Topic.loses(&topic(old), &topic(new)).len();
        assert_eq!(lost(json!({"retention.ms": "86400000"}), json!({"retention.ms": "3600000"})), 1);
        assert_eq!(lost(json!({"retention.ms": "3600000"}), json!({"retention.ms": "86400000"})), 0);
        assert_eq!(lost(json!({"retention.ms": "-1"}), json!({"retention.ms": "86400000"})), 1);
        assert_eq!(lost(json!({"retention.bytes": "1000"}), json!({"retention.bytes": "-1"})), 0);
        assert_eq!(lost(json!({"cleanup.policy": "delete"}), json!({"cleanup.policy": "compact"})), 1);
        assert_eq!(lost(json!({"cleanup.policy": "delete,compact"}), json!({"cleanup.policy": "compact"})), 0);
    }
}
