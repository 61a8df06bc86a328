//! `storage_scaling`: lets MSK grow a cluster's storage by itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use aws_sdk_applicationautoscaling::operation::register_scalable_target::builders::RegisterScalableTargetFluentBuilder;
use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalableDimension, ScalableTarget, ScalingPolicy,
    ServiceNamespace, SuspendedState, TargetTrackingScalingPolicyConfiguration,
};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{in_place, reference, replaces};
use super::tags::{self, Tags};
use super::values::ClusterArn;
use super::{among, msk, tag_lists, tagged, wait};
use crate::charge::Others;
use crate::kind::{Arn, Billing, Context, Delta, Departure, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

/// Lets MSK grow the storage of a provisioned cluster's brokers by itself (Application Auto Scaling): by a tenth, and 10 GiB
/// at least, at most every six hours. MSK never shrinks storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`; a cluster has one scaling.
    pub cluster: ClusterArn,
    /// The most GiB that a broker's storage grows to.
    #[schemars(range(min = 1, max = 16_384))]
    pub max_gib: u32,
    /// The share of the storage in per cent whose use makes it grow, 10 to 80. Default: 60.
    #[serde(default = "target")]
    #[schemars(range(min = 10, max = 80))]
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
const ARNS: &[Arn] = &[(
    "scaling alarm",
    "cloudwatch:{region}:{account}:alarm:TargetTracking-arn:{partition}:kafka:{region}:{account}:cluster/{cluster}/*",
)];
const FACTS: Facts = Facts {
    is_tagless: true,
    tag_types: &["application-autoscaling:scalable-target"],
    arns: ARNS,
    linked_roles: &["kafka.application-autoscaling.amazonaws.com"],
    rights: super::rights::streams::GROWTH,
    billing: Billing::ByUse("the storage that it adds, at the cluster's price"),
    follows: &[
        (&[Action::Create], "what MSK adds stays: storage never shrinks"),
        (&[Action::Delete], "the storage stays as large as it has become, and grows no more by itself"),
    ],
    ..Facts::of("storage_scaling", "lets MSK grow a cluster's storage by itself", FIELDS, OUTPUTS, ACTIONS)
};

/// What is scaled, in Application Auto Scaling's words.
const NAMESPACE: ServiceNamespace = ServiceNamespace::Kafka;
const DIMENSION: ScalableDimension = ScalableDimension::KafkaBrokerStorageVolumeSize;
/// A floor that means nothing: the storage that exists is one already.
const SMALLEST: i32 = 1;
const METRIC: MetricType = MetricType::KafkaBrokerStorageUtilization;

/// The kind.
#[derive(Debug)]
pub struct StorageScaling;

#[async_trait]
impl Kind for StorageScaling {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            let same = theirs.cluster == spec.cluster;
            same.then(|| format!("`{other}` is the scaling of its cluster, and a cluster has one"))
        })
    }

    /// It belongs to its cluster: one on a cluster that is made anew is another, and the old one goes with the old cluster.
    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.cluster != spec.cluster && reference(&spec.cluster).is_some()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
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
        let clusters = msk::own_clusters(context).await?;
        let mut found = Vec::new();
        for target in &targets {
            let cluster = target.resource_id();
            let own = clusters.iter().find(|(_, one)| one.cluster_arn() == Some(cluster)).map(|(address, _)| address);
            let is_meant = |wanted: &&Wanted<'_, Spec>| {
                let meant = &wanted.spec.cluster;
                *meant == cluster || reference(meant).is_some_and(|address| Some(&address) == own)
            };
            // A cluster has one: who wants that cluster's means this one, tagged or not.
            let by_cluster = wanted.iter().find(is_meant).map(|wanted| wanted.address.clone());
            let tags = target.scalable_target_arn().and_then(|arn| tagged.get(arn));
            let by_tag = tags.and_then(|tags| tags::address(context, "storage_scaling", tags));
            let Some(address) = by_cluster.or(by_tag) else { continue };
            let policy = policies.iter().find(|policy| policy.resource_id() == cluster);
            found.push(live(address, target, policy)?);
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        msk::settled(context, &spec.cluster, msk::CHANGED).await?;
        // Tags of one that is there already aren't taken.
        let exists = targets(context).await?.iter().any(|target| spec.cluster == target.resource_id());
        let tags = (!exists).then(|| tag_lists::owned_map(context, address));
        apply(context, spec, registration(context, spec)?.set_tags(tags)).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        // What somebody suspended goes on.
        let none = SuspendedState::builder().dynamic_scaling_in_suspended(false).dynamic_scaling_out_suspended(false);
        let none = none.scheduled_scaling_suspended(false).build();
        apply(context, spec, registration(context, spec)?.suspended_state(none)).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let cluster = live.spec.cluster.as_str();
        let client = context.aws.application_auto_scaling();
        // The policy goes first, and with it its alarm.
        let call = client.delete_scaling_policy().service_namespace(NAMESPACE).resource_id(cluster);
        let call = call.scalable_dimension(DIMENSION).policy_name(policy_name(cluster));
        wait::found(ask(call.send()).await)?;
        let call = client.deregister_scalable_target().service_namespace(NAMESPACE).resource_id(cluster);
        wait::found(ask(call.scalable_dimension(DIMENSION).send()).await)?;
        Ok(())
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let told: Vec<(&str, &str)> = tags.iter().filter(|(key, _)| *key != tags::APPLIED).copied().collect();
        if told.is_empty() {
            return Ok(());
        }
        let targets = targets(context).await?;
        if let Some(target) = targets.iter().find(|target| target.resource_id() == outcome.id) {
            let arn = target.scalable_target_arn();
            let arn = arn.needed("application-autoscaling", "ScalableTarget.ScalableTargetARN")?;
            let call = context.aws.application_auto_scaling().tag_resource().resource_arn(arn);
            ask(call.set_tags(Some(tag_lists::written_map(&told))).send()).await?;
        }
        Ok(())
    }
}

async fn targets(context: &Context) -> Result<Vec<ScalableTarget>, Error> {
    let call = context.aws.application_auto_scaling().describe_scalable_targets().service_namespace(NAMESPACE);
    let mut all = ask_all(call.into_paginator().items().send()).await?;
    all.retain(|target| *target.scalable_dimension() == DIMENSION);
    Ok(all)
}

async fn policies(context: &Context) -> Result<Vec<ScalingPolicy>, Error> {
    let call = context.aws.application_auto_scaling().describe_scaling_policies().service_namespace(NAMESPACE);
    let mut all = ask_all(call.into_paginator().items().send()).await?;
    all.retain(|policy| *policy.scalable_dimension() == DIMENSION);
    Ok(all)
}

fn registration(context: &Context, spec: &Spec) -> Result<RegisterScalableTargetFluentBuilder> {
    let call = context.aws.application_auto_scaling().register_scalable_target();
    let call = call.service_namespace(NAMESPACE).resource_id(spec.cluster.as_str()).scalable_dimension(DIMENSION);
    Ok(call.min_capacity(SMALLEST).max_capacity(i32::try_from(spec.max_gib)?))
}

/// The policy's name: a cluster has one such policy.
fn policy_name(cluster: &str) -> String {
    let name = cluster.split('/').nth(1).unwrap_or("cluster");
    format!("{name}-broker-storage")
}

/// Registers the target and puts its policy; both take what is there already.
async fn apply(context: &Context, spec: &Spec, registration: RegisterScalableTargetFluentBuilder) -> Result<Outcome> {
    ask(registration.send()).await.context("register the storage")?;
    let tracking = TargetTrackingScalingPolicyConfiguration::builder()
        .target_value(f64::from(spec.target))
        .predefined_metric_specification(
            PredefinedMetricSpecification::builder()
                .predefined_metric_type(METRIC)
                .build()
                .expect("the metric's type is given"),
        )
        // MSK never takes storage away.
        .disable_scale_in(true);
    // A policy is taken whole: what no spec says stays as somebody made it.
    let all = policies(context).await?;
    let live = all.iter().find(|live| live.resource_id() == spec.cluster.as_str());
    let live = live.and_then(|live| live.target_tracking_scaling_policy_configuration());
    let tracking = tracking
        .set_scale_out_cooldown(live.and_then(|live| live.scale_out_cooldown))
        .set_scale_in_cooldown(live.and_then(|live| live.scale_in_cooldown))
        .build()
        .expect("the target value is given");
    let call = context
        .aws
        .application_auto_scaling()
        .put_scaling_policy()
        .policy_name(policy_name(&spec.cluster))
        .service_namespace(NAMESPACE)
        .resource_id(spec.cluster.as_str())
        .scalable_dimension(DIMENSION)
        .policy_type(PolicyType::TargetTrackingScaling)
        .target_tracking_scaling_policy_configuration(tracking);
    wait::visible(context, || ask(call.clone().send())).await?;
    Ok(tags::outcome(&spec.cluster, &[("cluster", &spec.cluster)]))
}

fn live(address: Address, target: &ScalableTarget, policy: Option<&ScalingPolicy>) -> Result<Found<Spec>> {
    let cluster = target.resource_id().needed("application-autoscaling", "ScalableTarget.ResourceId")?;
    let tracking = policy.and_then(|policy| policy.target_tracking_scaling_policy_configuration());
    let spec = Spec {
        cluster: cluster.into(),
        max_gib: u32::try_from(target.max_capacity())?,
        // Zero stands for a target that nothing tracks: it never grows.
        target: tracking.map_or(0, |tracking| tracking.target_value().round() as u32),
    };
    let mut found = tags::found(address, &Tags::new(), cluster, spec, &[("cluster", cluster)]);
    found.departures = departures(target, policy);
    Ok(found)
}

/// What of a scaling is otherwise than in all that are made here.
fn departures(target: &ScalableTarget, policy: Option<&ScalingPolicy>) -> Vec<Departure> {
    let tracking = policy.and_then(|policy| policy.target_tracking_scaling_policy_configuration());
    let metric = tracking.map(|tracking| {
        let known = tracking.predefined_metric_specification().map(|metric| metric.predefined_metric_type().as_str());
        known.unwrap_or_default()
    });
    let suspended = target.suspended_state();
    let stands = suspended.and_then(SuspendedState::dynamic_scaling_out_suspended).unwrap_or_default();
    let all = [
        Departure::of("suspended", stands, false),
        Departure::of("min_gib", target.min_capacity(), SMALLEST),
        Departure::of("target.metric", metric.unwrap_or(METRIC.as_str()), METRIC.as_str()),
        Departure::of("target.disable_scale_in", tracking.is_none_or(|one| one.disable_scale_in() == Some(true)), true),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_applicationautoscaling::primitives::DateTime;
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn what_msk_takes_is_taken() {
        let spec = |max: u32, target: u32| json!({"cluster": "${cluster.main.arn}", "max_gib": max, "target": target});
        assert!(StorageScaling.normalise(&spec(1000, 60)).is_ok());
        assert!(StorageScaling.normalise(&spec(1000, 81)).is_err());
        assert!(StorageScaling.normalise(&spec(20_000, 60)).is_err());
    }

    #[test]
    fn a_target_without_a_policy_differs_from_every_spec() {
        let cluster = "arn:aws:kafka:eu-north-1:1:cluster/shop/uuid";
        let target = ScalableTarget::builder()
            .service_namespace(NAMESPACE)
            .resource_id(cluster)
            .scalable_dimension(DIMENSION)
            .min_capacity(1)
            .max_capacity(500)
            .role_arn("arn:aws:iam::1:role/scaling")
            .creation_time(DateTime::from_secs(0))
            .build()
            .expect("a target");
        let live = live(Address::new("storage_scaling", "main"), &target, None).expect("it can be read");
        assert_eq!(live.spec, Spec { cluster: cluster.into(), max_gib: 500, target: 0 });
        assert_eq!(live.departures, []);
        let mut stands = target;
        stands.suspended_state = Some(SuspendedState::builder().dynamic_scaling_out_suspended(true).build());
        let paths: Vec<String> = departures(&stands, None).into_iter().map(|one| one.path).collect();
        assert_eq!(paths, ["suspended"], "a storage that doesn't grow shows");
        assert_eq!(policy_name(cluster), "shop-broker-storage");
    }
}
