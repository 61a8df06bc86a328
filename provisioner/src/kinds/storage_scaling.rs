//! `storage_scaling`: lets MSK grow a cluster's storage by itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::msk;
use super::spec::{describes, differs, in_place, reference, replaces, typed, value};
use super::tagged;
use super::tags::{self, Tags};
use super::wait;
use super::wire::number;
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// Lets MSK grow the storage of a provisioned cluster's brokers by itself (Application Auto Scaling): by a tenth, and 10 GiB
/// at least, at most every six hours. MSK never shrinks storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`; a cluster has one scaling.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:kafka:.+$"))]
    pub cluster: String,
    /// The most GiB that a broker's storage grows to.
    pub max_gib: u32,
    /// The share of the storage in per cent whose use makes it grow, 10 to 80. Default: 60.
    #[serde(default = "target")]
    pub target: u32,
}

fn target() -> u32 {
    60
}

const FIELDS: &[Field] = &[replaces("cluster"), in_place("max_gib"), in_place("target")];
const OUTPUTS: &[&str] = &["cluster"];
const ACTIONS: &[&str] = &[
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:DeleteScalingPolicy",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:TagResource",
    "tag:GetResources",
    // Application Auto Scaling makes alarms and its own role in the caller's name, and looks at the cluster.
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DescribeAlarms",
    "iam:CreateServiceLinkedRole",
    "kafka:DescribeCluster",
    "kafka:DescribeClusterOperation",
    "kafka:UpdateBrokerStorage",
];
/// What is scaled, in Application Auto Scaling's words.
const NAMESPACE: &str = "kafka";
const DIMENSION: &str = "kafka:broker-storage:VolumeSize";
const METRIC: &str = "KafkaBrokerStorageUtilization";

/// The kind.
#[derive(Debug)]
pub struct StorageScaling;

#[async_trait]
impl Kind for StorageScaling {
    describes!("storage_scaling", "lets MSK grow a cluster's storage by itself", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use("the storage that it adds, at the cluster's price")
    }

    /// It belongs to its cluster: one on a cluster that is made anew is another, and the old one goes with the old cluster.
    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "cluster") && reference(text(spec, "cluster")).is_some()
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Delete => {
                vec!["the storage stays as large as it has become, and grows no more by itself".to_owned()]
            }
            Action::Create => vec!["what MSK adds stays: storage never shrinks".to_owned()],
            Action::Update | Action::Replace => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged: BTreeMap<String, Tags> =
            tagged::resources(context, "application-autoscaling").await?.into_iter().collect();
        if wanted.is_empty() && tagged.is_empty() {
            return Ok(Vec::new());
        }
        let targets = targets(context).await?;
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let policies = policies(context).await?;
        let clusters = msk::clusters(context, "cluster").await?;
        let mut found = Vec::new();
        for target in &targets {
            let cluster = text(target, "ResourceId");
            let own = clusters.iter().find(|(_, one)| text(one, "clusterArn") == cluster).map(|(address, _)| address);
            let is_meant = |wanted: &&Wanted<'_>| {
                let meant = text(wanted.spec, "cluster");
                meant == cluster || reference(meant).is_some_and(|address| Some(&address) == own)
            };
            // A cluster has one: who wants that cluster's means this one, tagged or not.
            let by_cluster = wanted.iter().find(is_meant).map(|wanted| wanted.address.clone());
            let by_tag = tagged
                .get(text(target, "ScalableTargetARN"))
                .and_then(|tags| tags::address(context, "storage_scaling", tags));
            let Some(address) = by_cluster.or(by_tag) else { continue };
            let policy = policies.iter().find(|policy| text(policy, "ResourceId") == cluster);
            found.push(live(address, target, policy));
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        msk::settled(context, &spec.cluster, msk::CHANGED).await?;
        let mut input = registration(&spec);
        // Tags of one that is there already aren't taken.
        if !targets(context).await?.iter().any(|target| text(target, "ResourceId") == spec.cluster) {
            input["Tags"] = tags::object(context, address);
        }
        apply(context, &spec, input).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        apply(context, &spec, registration(&spec)).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let input = json!({
            "ServiceNamespace": NAMESPACE, "ResourceId": spec.cluster, "ScalableDimension": DIMENSION,
        });
        // The policy goes first, and with it its alarm.
        let mut policy = input.clone();
        policy["PolicyName"] = json!(policy_name(&spec.cluster));
        wait::found(call(context, "DeleteScalingPolicy", policy).await)?;
        wait::found(call(context, "DeregisterScalableTarget", input).await)?;
        Ok(())
    }

    fn is_tagless(&self) -> bool {
        true
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let told: Vec<(&str, &str)> = tags.iter().filter(|(key, _)| *key != tags::APPLIED).copied().collect();
        if told.is_empty() {
            return Ok(());
        }
        let targets = targets(context).await?;
        if let Some(target) = targets.iter().find(|target| text(target, "ResourceId") == outcome.id) {
            let input = json!({"ResourceARN": target["ScalableTargetARN"], "Tags": tags::map(&told)});
            call(context, "TagResource", input).await?;
        }
        Ok(())
    }
}

fn canonical(spec: &mut Spec) -> Result<()> {
    anyhow::ensure!((10..=80).contains(&spec.target), "`target` is {}; MSK takes 10 to 80 per cent", spec.target);
    anyhow::ensure!((1..=16_384).contains(&spec.max_gib), "`max_gib` is {}; MSK takes 1 to 16384", spec.max_gib);
    Ok(())
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::ApplicationAutoScaling, operation, input).await
}

async fn all(context: &Context, operation: &str, set: &str) -> Result<Vec<Value>> {
    let mut input = json!({"ServiceNamespace": NAMESPACE});
    let mut all = Vec::new();
    loop {
        let page = call(context, operation, input.clone()).await?;
        let scales = |one: &&Value| text(one, "ScalableDimension") == DIMENSION;
        all.extend(list(&page, set).iter().filter(scales).cloned());
        match text(&page, "NextToken") {
            "" => return Ok(all),
            next => input["NextToken"] = json!(next),
        }
    }
}

async fn targets(context: &Context) -> Result<Vec<Value>> {
    all(context, "DescribeScalableTargets", "ScalableTargets").await
}

async fn policies(context: &Context) -> Result<Vec<Value>> {
    all(context, "DescribeScalingPolicies", "ScalingPolicies").await
}

fn registration(spec: &Spec) -> Value {
    json!({
        "ServiceNamespace": NAMESPACE,
        "ResourceId": spec.cluster,
        "ScalableDimension": DIMENSION,
        // A floor that means nothing: the storage that lives is one already.
        "MinCapacity": 1,
        "MaxCapacity": spec.max_gib,
    })
}

/// The policy's name: a cluster has one such policy.
fn policy_name(cluster: &str) -> String {
    let name = cluster.split('/').nth(1).unwrap_or("cluster");
    format!("{name}-broker-storage")
}

/// Registers the target and puts its policy; both take what is there already.
async fn apply(context: &Context, spec: &Spec, registration: Value) -> Result<Outcome> {
    call(context, "RegisterScalableTarget", registration).await.context("register the storage")?;
    let policy = json!({
        "PolicyName": policy_name(&spec.cluster),
        "ServiceNamespace": NAMESPACE,
        "ResourceId": spec.cluster,
        "ScalableDimension": DIMENSION,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": spec.target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
            "DisableScaleIn": true,
        },
    });
    wait::visible(context, || call(context, "PutScalingPolicy", policy.clone())).await?;
    Ok(tags::outcome(&spec.cluster, &[("cluster", &spec.cluster)]))
}

fn live(address: Address, target: &Value, policy: Option<&Value>) -> Live {
    let cluster = text(target, "ResourceId");
    let tracking = policy.map(|policy| &policy["TargetTrackingScalingPolicyConfiguration"]);
    let spec = Spec {
        cluster: cluster.to_owned(),
        max_gib: number(target, "MaxCapacity"),
        // Zero stands for a target that nothing tracks: it never grows.
        target: tracking.and_then(|tracking| tracking["TargetValue"].as_f64()).map_or(0, |share| share.round() as u32),
    };
    tags::live(address, &Tags::new(), cluster, value(&spec), &[("cluster", cluster)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_msk_takes_is_taken() {
        let spec = |max: u32, target: u32| json!({"cluster": "${cluster.main.arn}", "max_gib": max, "target": target});
        assert!(StorageScaling.normalise(&spec(1000, 60)).is_ok());
        assert!(StorageScaling.normalise(&spec(1000, 81)).is_err());
        assert!(StorageScaling.normalise(&spec(20_000, 60)).is_err());
    }

    #[test]
    fn a_target_without_a_policy_differs_from_every_spec() {
        let target = json!({"ResourceId": "arn:aws:kafka:eu-north-1:1:cluster/shop/uuid", "MaxCapacity": 500});
        let live = live(Address::new("storage_scaling", "main"), &target, None);
        assert_eq!(live.spec, json!({"cluster": target["ResourceId"], "max_gib": 500, "target": 0}));
        assert_eq!(policy_name(text(&target, "ResourceId")), "shop-broker-storage");
    }
}
