//! `topic`: a Kafka topic on an MSK cluster, by MSK's own topic API.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Service, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::msk::{self, decode_properties, encode_properties};
use super::spec::{describes, differs, in_place, reference, replaces, typed, value};
use super::tags::{self, Tags};
use super::wait;
use super::wire::number;
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// A Kafka topic on an MSK cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:kafka:.+$"))]
    pub cluster: String,
    /// The topic's name.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"))]
    pub name: String,
    /// How many partitions; Kafka can only add some, and keys then move between them.
    #[schemars(range(min = 1))]
    pub partitions: u32,
    /// How many brokers hold each partition.
    #[schemars(range(min = 1))]
    pub replication: u32,
    /// The topic's own settings, `"retention.ms" = "86400000"`; those not named here are left to the cluster and never compared.
    /// Default: none.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

const FIELDS: &[Field] = &[
    replaces("cluster"),
    replaces("name"),
    in_place("partitions"),
    replaces("replication"),
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

/// The kind.
#[derive(Debug)]
pub struct Topic;

/// How long MSK's answers about topics may lag behind, with a margin.
const SEEN: Duration = Duration::from_mins(10);

#[async_trait]
impl Kind for Topic {
    describes!("topic", "a Kafka topic on an MSK cluster", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        // Its partitions stand on the brokers, which are billed with the cluster.
        Cost::Free
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn loses(&self, live: &Value, spec: &Value) -> Vec<String> {
        let (Ok(live), Ok(spec)) = (typed::<Spec>(live), typed::<Spec>(spec)) else { return Vec::new() };
        let pairs =
            spec.configuration.iter().filter_map(|(name, new)| Some((name, live.configuration.get(name)?, new)));
        pairs
            .filter(|(name, old, new)| sheds(name, old, new))
            .map(|(name, old, new)| {
                format!("{name} goes from {old} to {new}: records of {} that are held now are deleted", spec.name)
            })
            .collect()
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(70); 3]
    }

    /// It belongs to its cluster: one on a cluster that is made anew is another, and the old one goes with the old cluster.
    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "cluster") && reference(text(spec, "cluster")).is_some()
    }

    fn refuses(&self, live: &Value, spec: &Value) -> Option<String> {
        let (live, spec) = (typed::<Spec>(live).ok()?, typed::<Spec>(spec).ok()?);
        (spec.partitions < live.partitions).then(|| fewer_partitions(&live, &spec))
    }

    fn consequences(&self, action: Action, changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update if changed.contains(&"partitions") => {
                vec!["keys move to other partitions: records of one key are no longer all in order".to_owned()]
            }
            Action::Replace => vec!["the new topic begins empty, and consumers begin again at its start".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let mut found = Vec::new();
        for parent in msk::parents(context, wanted).await? {
            let meant: Vec<_> = wanted.iter().filter(|one| parent.is_meant(text(one.spec, "cluster"))).collect();
            // Each wanted one is asked for: a new topic is missing in the list for a while.
            let reads = meant.iter().map(|wanted| read(context, &parent.arn, wanted));
            let mut ours: Vec<Live> = try_join_all(reads).await?.into_iter().flatten().collect();
            // A topic carries no tag: which of the others were this stack's once, nothing tells. One of ours reports them;
            // on a cluster of others there is nothing to report.
            if let Some(first) = ours.first_mut().filter(|_| parent.address.is_some()) {
                first.foreign = others(context, &parent.arn, &meant).await?;
            }
            found.append(&mut ours);
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        msk::settled(context, &spec.cluster, msk::CHANGED).await?;
        let mut input = json!({
            "clusterArn": spec.cluster,
            "topicName": spec.name,
            "partitionCount": spec.partitions,
            "replicationFactor": spec.replication,
        });
        if !spec.configuration.is_empty() {
            input["configs"] = json!(encode_properties(&spec.configuration));
        }
        // On a cluster of others, what is there without a note that it was about to be made is theirs.
        context.intents.begin(address).await?;
        let refusal = match context.aws.call(Service::Kafka, "CreateTopic", input).await {
            Ok(_) => return seen(context, &spec).await,
            Err(error) if error.lost => return Err(error.into()),
            // An earlier attempt, of which the answers didn't tell yet, or somebody else.
            Err(error) if error.is_already_exists() => match stranger(context, &spec).await? {
                None => return seen(context, &spec).await,
                Some(what) => anyhow::Error::new(error).context(what),
            },
            Err(error) => error.into(),
        };
        context.intents.end(address).await?;
        Err(refusal)
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let (before, spec): (Spec, Spec) = (typed(&live.spec)?, typed(spec)?);
        if spec.partitions < before.partitions {
            bail!(fewer_partitions(&before, &spec));
        }
        // Partitions and settings can't change in one call.
        let has = |name: &str| changed.iter().any(|field| field == name);
        let mut step = Spec { configuration: before.configuration, ..spec.clone() };
        if has("partitions") {
            change(context, &spec, json!({"partitionCount": spec.partitions})).await?;
            seen(context, &step).await?;
        }
        if has("configuration") {
            change(context, &spec, json!({"configs": encode_properties(&spec.configuration)})).await?;
        }
        step.configuration = spec.configuration;
        seen(context, &step).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let input = json!({"clusterArn": spec.cluster, "topicName": spec.name});
        wait::found(context.aws.call(Service::Kafka, "DeleteTopic", input).await)?;
        wait::until(context, SEEN, &format!("the topic {} is still there", spec.name), || async {
            Ok(describe(context, &spec.cluster, &spec.name).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let Some((cluster, name)) = place(id) else {
            bail!(
                "`{id}` is no ARN of a topic: write it as MSK shows it, arn:aws:kafka:REGION:ACCOUNT:topic/CLUSTER/UUID/NAME"
            )
        };
        let topic = describe(context, &cluster, name).await?;
        // What the spec doesn't name isn't compared: nothing of its settings is the stack's yet.
        let wanted = Wanted { address, spec: &Value::Null };
        Ok(topic.map(|topic| live(&topic, &cluster, &wanted)))
    }

    fn is_tagless(&self) -> bool {
        true
    }

    async fn tag(&self, _context: &Context, _outcome: &Outcome, _tags: &[(&str, &str)]) -> Result<()> {
        Ok(())
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
        "Kafka can't take partitions away: {} has {}, the stack says {}; make a new topic of another name",
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
async fn others(context: &Context, cluster: &str, meant: &[&Wanted<'_>]) -> Result<Vec<String>> {
    let listed = msk::pages(context, "ListTopics", "topics", json!({"clusterArn": cluster})).await?;
    let is_other = |name: &str| !name.starts_with("__") && !meant.iter().any(|one| text(one.spec, "name") == name);
    let others = listed.iter().filter(|topic| is_other(text(topic, "topicName")));
    Ok(others.map(|topic| text(topic, "topicArn").to_owned()).collect())
}

async fn describe(context: &Context, cluster: &str, name: &str) -> Result<Option<Value>> {
    let input = json!({"clusterArn": cluster, "topicName": name});
    Ok(wait::found(context.aws.call(Service::Kafka, "DescribeTopic", input).await)?)
}

async fn change(context: &Context, spec: &Spec, mut input: Value) -> Result<()> {
    input["clusterArn"] = json!(spec.cluster);
    input["topicName"] = json!(spec.name);
    context.aws.call(Service::Kafka, "UpdateTopic", input).await?;
    Ok(())
}

/// What a topic that was there already is other than asked: then somebody else made it, and it stays as it is.
async fn stranger(context: &Context, spec: &Spec) -> Result<Option<String>> {
    let what = format!("MSK says that the topic {} exists, and doesn't show it", spec.name);
    let topic = wait::until(context, SEEN, &what, || describe(context, &spec.cluster, &spec.name)).await?;
    let [partitions, replication] = ["partitionCount", "replicationFactor"].map(|count| number(&topic, count));
    let other = (partitions, replication) != (spec.partitions, spec.replication);
    Ok(other.then(|| {
        format!(
            "somebody else made the topic {} on {}: it has {partitions} partitions of {replication} replicas, the stack \
             says {} of {}; give it another name, or say `existing = true` to use it as it is",
            spec.name, spec.cluster, spec.partitions, spec.replication
        )
    }))
}

/// Waits until MSK shows the topic as the spec says.
async fn seen(context: &Context, spec: &Spec) -> Result<Outcome> {
    let what = format!("MSK doesn't show the topic {} as it was made", spec.name);
    let topic = wait::until(context, SEEN, &what, || async {
        let topic = describe(context, &spec.cluster, &spec.name).await?;
        Ok(topic.filter(|topic| {
            let settings = decode_properties(text(topic, "configs"));
            matches!(text(topic, "status"), "ACTIVE" | "")
                && number(topic, "partitionCount") >= spec.partitions
                && spec.configuration.iter().all(|(name, value)| settings.get(name) == Some(value))
        }))
    })
    .await?;
    let arn = text(&topic, "topicArn");
    Ok(tags::outcome(arn, &[("arn", arn), ("name", &spec.name)]))
}

async fn read(context: &Context, cluster: &str, wanted: &Wanted<'_>) -> Result<Option<Live>> {
    let Some(topic) = describe(context, cluster, text(wanted.spec, "name")).await? else { return Ok(None) };
    Ok((text(&topic, "status") != "DELETING").then(|| live(&topic, cluster, wanted)))
}

fn live(topic: &Value, cluster: &str, wanted: &Wanted<'_>) -> Live {
    // MSK shows every setting that holds, the cluster's defaults too.
    let named = |setting: &String| wanted.spec["configuration"].get(setting).is_some();
    let settings = decode_properties(text(topic, "configs"));
    let (arn, name) = (text(topic, "topicArn"), text(topic, "topicName"));
    let spec = Spec {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        partitions: number(topic, "partitionCount"),
        replication: number(topic, "replicationFactor"),
        configuration: settings.into_iter().filter(|(setting, _)| named(setting)).collect(),
    };
    let mut live = tags::live(wanted.address.clone(), &Tags::new(), arn, value(&spec), &[("arn", arn), ("name", name)]);
    if !matches!(text(topic, "status"), "ACTIVE" | "") {
        live.condition = Condition::Pending(text(topic, "status").to_owned());
    }
    live
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_retention_loses_records() {
        let topic = |settings: Value| json!({"cluster": "arn", "name": "facts", "partitions": 3, "replication": 3, "configuration": settings});
        let lost = |old: Value, new: Value| Topic.loses(&topic(old), &topic(new)).len();
        assert_eq!(lost(json!({"retention.ms": "86400000"}), json!({"retention.ms": "3600000"})), 1);
        assert_eq!(lost(json!({"retention.ms": "3600000"}), json!({"retention.ms": "86400000"})), 0);
        assert_eq!(lost(json!({"retention.ms": "-1"}), json!({"retention.ms": "86400000"})), 1);
        assert_eq!(lost(json!({"retention.bytes": "1000"}), json!({"retention.bytes": "-1"})), 0);
        assert_eq!(lost(json!({"cleanup.policy": "delete"}), json!({"cleanup.policy": "compact"})), 1);
        assert_eq!(lost(json!({"cleanup.policy": "delete,compact"}), json!({"cleanup.policy": "compact"})), 0);
    }
}
