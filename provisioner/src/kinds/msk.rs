//! What the kinds on MSK share: its lists, its settings files, its clusters and their states.

mod bootstrap;
pub(crate) mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aws_sdk_kafka::operation::create_cluster_v2::builders::CreateClusterV2FluentBuilder;
use aws_sdk_kafka::types::{Cluster, ClusterState};
use lakewright_aws::{Error, Needed as _, ask, ask_all};

pub(crate) use bootstrap::in_clear;
pub(super) use bootstrap::{OUTPUTS, bootstrap, outcome, outputs};

use super::spec::reference;
use super::values::ClusterArn;
use super::{tag_lists, tags, wait};
use crate::kind::Context;
use crate::resource::{Address, Condition};
use crate::services::Services as _;

/// How long a change of a cluster may take: a rolling change of many brokers takes hours.
pub(super) const CHANGED: Duration = Duration::from_hours(6);
/// The most that MSK lists at once.
pub(super) const PAGE: i32 = 100;

/// The region's clusters. Several kinds ask for them.
async fn listed(context: &Context) -> Result<Arc<Vec<Cluster>>, Error> {
    let call = context.aws.kafka().list_clusters_v2().max_results(PAGE);
    let list = async { ask_all(call.into_paginator().items().send()).await };
    context.reading.of(|queries| &queries.clusters, (), list).await
}

/// The clusters whose names begin so.
async fn listed_by_name(context: &Context, name: &str) -> Result<Vec<Cluster>, Error> {
    let call = context.aws.kafka().list_clusters_v2().cluster_name_filter(name).max_results(PAGE);
    ask_all(call.into_paginator().items().send()).await
}

/// A cluster's ARN.
pub(super) fn arn(cluster: &Cluster) -> Result<&str, Error> {
    cluster.cluster_arn().needed("kafka", "Cluster.ClusterArn")
}

/// A cluster's name.
pub(super) fn name(cluster: &Cluster) -> Result<&str, Error> {
    cluster.cluster_name().needed("kafka", "Cluster.ClusterName")
}

fn state(cluster: &Cluster) -> Result<&ClusterState, Error> {
    cluster.state().needed("kafka", "Cluster.State")
}

/// The stack's clusters of a kind that aren't being deleted, each with its address. One question returns both kinds.
pub(super) async fn clusters(context: &Context, kind: &str) -> Result<Vec<(Address, Cluster)>> {
    let clusters = listed(context).await?;
    let own = |cluster: &Cluster| {
        let address = tags::address(context, kind, &tag_lists::read_map(cluster.tags()))?;
        (cluster.state() != Some(&ClusterState::Deleting)).then(|| (address, cluster.clone()))
    };
    Ok(clusters.iter().filter_map(own).collect())
}

/// The provisioned ones among them that are known to be the stack's: what stands on others isn't.
pub(super) async fn own_clusters(context: &Context) -> Result<Vec<(Address, Cluster)>> {
    let mut own = Vec::new();
    for (address, cluster) in clusters(context, "cluster").await? {
        let tags = tag_lists::read_map(cluster.tags());
        if tags::is_own(context, &address, arn(&cluster)?, &tags).await {
            own.push((address, cluster));
        }
    }
    Ok(own)
}

/// The ARNs of the provisioned clusters that this stack didn't make and users with passwords can log in to.
pub(super) async fn with_scram(context: &Context) -> Result<Vec<String>> {
    let clusters = listed(context).await?;
    let stack = |cluster: &Cluster| cluster.tags().and_then(|tags| tags.get(tags::STACK).cloned());
    let fit =
        clusters.iter().filter(|one| is_usable(one) && ways::scram(one) && stack(one).as_ref() != Some(&context.stack));
    fit.map(|cluster| Ok(arn(cluster)?.to_owned())).collect()
}

/// The clusters whose parts are looked at: the stack's own provisioned ones that can be asked, and those of `named` that
/// are ARNs.
pub(super) async fn parents(context: &Context, named: &[&ClusterArn]) -> Result<Vec<Parent>> {
    let own = own_clusters(context).await?.into_iter().filter(|(_, cluster)| is_usable(cluster));
    let parent =
        |(address, cluster): (Address, Cluster)| Ok(Parent { address: Some(address), arn: arn(&cluster)?.into() });
    let mut parents = own.map(parent).collect::<Result<Vec<Parent>>>()?;
    for &arn in named {
        if reference(arn).is_none() && !parents.iter().any(|parent| parent.arn == *arn) {
            parents.push(Parent { address: None, arn: arn.clone() });
        }
    }
    Ok(parents)
}

/// A cluster that things without tags belong to.
#[derive(Debug)]
pub(super) struct Parent {
    /// Its address, if it is the stack's own.
    pub(super) address: Option<Address>,
    /// Its ARN.
    pub(super) arn: ClusterArn,
}

impl Parent {
    /// Whether a spec's `cluster` means this one.
    pub(super) fn is_meant(&self, cluster: &ClusterArn) -> bool {
        *cluster == self.arn || reference(cluster).is_some_and(|address| Some(address) == self.address)
    }
}

/// Whether a cluster is in a state in which it answers questions.
pub(super) fn is_usable(cluster: &Cluster) -> bool {
    use ClusterState::{Active, Healing, Maintenance, RebootingBroker, Updating};
    matches!(cluster.state(), Some(Active | Healing | Maintenance | RebootingBroker | Updating))
}

/// How far a cluster is.
pub(super) fn condition(cluster: &Cluster) -> Result<Condition, Error> {
    Ok(match state(cluster)? {
        ClusterState::Active | ClusterState::Healing | ClusterState::Maintenance => Condition::Ready,
        ClusterState::Failed => Condition::Failed(failure(cluster)),
        state => Condition::Pending(state.to_string()),
    })
}

/// A cluster's description; none if it is gone.
pub(crate) async fn describe(context: &Context, arn: &str) -> Result<Option<Cluster>, Error> {
    let answer = wait::found(ask(context.aws.kafka().describe_cluster_v2().cluster_arn(arn).send()).await)?;
    answer.map(|answer| answer.cluster_info.needed("kafka", "DescribeClusterV2.ClusterInfo")).transpose()
}

/// Waits until a cluster can be changed; returns its description.
pub(super) async fn settled(context: &Context, arn: &str, timeout: Duration) -> Result<Cluster> {
    let began = Instant::now();
    wait::until(context, timeout, &format!("{arn} is not active"), || async {
        let Some(cluster) = describe(context, arn).await? else {
            // One that was just made is not known everywhere yet.
            if began.elapsed() > context.pace.settles {
                bail!("there is no cluster {arn}");
            }
            return Ok(None);
        };
        match state(&cluster)? {
            ClusterState::Active => Ok(Some(cluster)),
            ClusterState::Failed => bail!("MSK gave {arn} up: {}", failure(&cluster)),
            ClusterState::Deleting => bail!("{arn} is being deleted"),
            _ => Ok(None),
        }
    })
    .await
}

/// Why MSK gave a cluster up, as far as it says so.
fn failure(cluster: &Cluster) -> String {
    let Some(info) = cluster.state_info() else { return String::new() };
    format!("{} {}", info.code().unwrap_or_default(), info.message().unwrap_or_default()).trim().to_owned()
}

/// The create call; a cluster of that name that is this very one is taken over, one on its way out is waited for.
pub(super) async fn make(
    context: &Context,
    address: &Address,
    name: &str,
    call: CreateClusterV2FluentBuilder,
) -> Result<String> {
    let call = call.cluster_name(name).set_tags(Some(tag_lists::owned_map(context, address)));
    for _ in 0..2 {
        let refusal = match ask(call.clone().send()).await {
            Ok(answer) => return Ok(answer.cluster_arn.needed("kafka", "CreateClusterV2.ClusterArn")?),
            Err(error) if error.is_already_exists() => error,
            Err(error) => return Err(error.into()),
        };
        let namesakes = listed_by_name(context, name).await?;
        let Some(namesake) = namesakes.iter().find(|cluster| cluster.cluster_name() == Some(name)) else {
            return Err(refusal.into());
        };
        let arn = arn(namesake)?;
        let tags = tag_lists::read_map(namesake.tags());
        if *state(namesake)? == ClusterState::Deleting {
            gone(context, arn).await?;
        } else if tags::address(context, &address.kind, &tags).as_ref() == Some(address) {
            return Ok(arn.to_owned());
        } else {
            return Err(tags::taken(refusal, &format!("the MSK cluster {name}"), &tags));
        }
    }
    bail!("a cluster named {name} was made by somebody else while the former one was being deleted")
}

async fn gone(context: &Context, arn: &str) -> Result<()> {
    wait::until(context, CHANGED, &format!("{arn} is still there"), || async {
        Ok(describe(context, arn).await?.is_none().then_some(()))
    })
    .await
}

/// Deletes a cluster. One that is being made or changed can't be deleted yet; one that MSK gave up can.
pub(super) async fn delete(context: &Context, arn: &str) -> Result<()> {
    let deleting = wait::until(context, CHANGED, &format!("{arn} can't be deleted yet"), || async {
        let Some(cluster) = describe(context, arn).await? else { return Ok(Some(false)) };
        Ok(match state(&cluster)? {
            ClusterState::Creating | ClusterState::Updating | ClusterState::RebootingBroker => None,
            _ => Some(true),
        })
    })
    .await?;
    if deleting {
        wait::found(ask(context.aws.kafka().delete_cluster().cluster_arn(arn).send()).await)?;
    }
    gone(context, arn).await
}

/// The cluster of an ARN or a name that isn't being deleted.
pub(super) async fn named(context: &Context, id: &str) -> Result<Option<Cluster>> {
    let cluster = if id.starts_with("arn:") {
        describe(context, id).await?
    } else {
        listed_by_name(context, id).await?.into_iter().find(|cluster| cluster.cluster_name() == Some(id))
    };
    Ok(cluster.filter(|cluster| cluster.state() != Some(&ClusterState::Deleting)))
}

/// The description of a cluster that is to be adopted, its tags as if they were the address's.
pub(super) fn claim(context: &Context, address: &Address, id: &str, mut cluster: Cluster) -> Result<Cluster> {
    let tags = tags::claimed(context, address, id, tag_lists::read_map(cluster.tags()))?;
    cluster.tags = Some(tags.into_iter().collect());
    Ok(cluster)
}

/// Settings as MSK takes them: the lines of a properties file.
pub(super) fn encode_properties(properties: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.join("\n")
}

/// The settings of a properties file; lines that are none are left out.
pub(super) fn decode_properties(file: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(file);
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_way_to_msk() {
        let properties = BTreeMap::from([
            ("compression.type".to_owned(), "producer".to_owned()),
            ("retention.ms".to_owned(), "604800000".to_owned()),
        ]);
        assert_eq!(decode_properties(encode_properties(&properties).as_bytes()), properties);
        let written_by_hand = b"# how long\nretention.ms = 604800000\r\n\ncompression.type=producer\n";
        assert_eq!(decode_properties(written_by_hand), properties);
    }
}
