//! Hosts that run with a profile that goes: they get the one that has taken its place, so that no host is ever without a role.

use std::time::Duration;

use anyhow::{Result, bail};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::operation::describe_instances::DescribeInstancesOutput;
use lakewright_ec2::sdk::types::{Filter, IamInstanceProfileAssociation, IamInstanceProfileSpecification, Reservation};

use super::Spec;
use crate::kind::{Context, Found};
use crate::kinds::{ec2, wait};
use crate::record::Heir;

/// How long a profile that was just made may be unknown to EC2, and a host keep its old one.
const KNOWN: Duration = Duration::from_mins(2);
/// What of a host that still may ask for credentials.
const ALIVE: [&str; 4] = ["pending", "running", "stopping", "stopped"];
/// How many hosts a call names.
const AT_ONCE: usize = 100;

/// Gives the hosts of a profile that is about to go the one that has its address now. Where the stack wants none there any more, they
/// lose theirs.
pub(super) async fn hand_on(context: &Context, live: &Found<Spec>) -> Result<()> {
    let hosts = hosts_of(context, &live.id).await?;
    if hosts.is_empty() {
        return Ok(());
    }
    let heir = match context.records.heir() {
        Heir::Nobody => return Ok(()),
        Heir::Missing(address) => bail!(
            "hosts have it ({} among them, of {} in all), and nothing exists at {address} that they could get instead; apply \
             again when that is made",
            hosts[0],
            hosts.len()
        ),
        Heir::Known(id) => id,
    };
    let name = heir.rsplit('/').next().unwrap_or(heir);
    for some in hosts.chunks(AT_ONCE) {
        for association in associations(context, some, &live.id).await? {
            replace(context, &association, name).await?;
        }
    }
    let what = format!("not all hosts of {} have {heir} yet", live.id);
    wait::until(context, KNOWN, &what, || async { Ok(hosts_of(context, &live.id).await?.is_empty().then_some(())) })
        .await
}

/// The hosts that have a profile.
async fn hosts_of(context: &Context, profile: &str) -> Result<Vec<String>> {
    let alive = Filter::builder().name("instance-state-name");
    let alive = alive.set_values(Some(ALIVE.iter().map(|&state| state.to_owned()).collect())).build();
    let call = context.aws.ec2().describe_instances().filters(alive);
    let call = call.filters(ec2::filter("iam-instance-profile.arn", profile));
    let pages = ask_all(call.into_paginator().send()).await?;
    let hosts = pages.iter().flat_map(DescribeInstancesOutput::reservations).flat_map(Reservation::instances);
    let ids = hosts.map(|host| host.instance_id().needed("ec2", "Instance.InstanceId").map(str::to_owned));
    Ok(ids.collect::<Result<_, Error>>()?)
}

/// The associations of hosts with a profile.
async fn associations(
    context: &Context,
    hosts: &[String],
    profile: &str,
) -> Result<Vec<IamInstanceProfileAssociation>> {
    let of_hosts = Filter::builder().name("instance-id").set_values(Some(hosts.to_vec()));
    let call = context.aws.ec2().describe_iam_instance_profile_associations().filters(of_hosts.build());
    let mut all = ask_all(call.into_paginator().items().send()).await?;
    let has_it = |one: &IamInstanceProfileAssociation| {
        one.iam_instance_profile().and_then(|profile| profile.arn()) == Some(profile)
    };
    all.retain(has_it);
    Ok(all)
}

/// Gives a host another profile in one call, so that it has one all the time.
async fn replace(context: &Context, association: &IamInstanceProfileAssociation, profile: &str) -> Result<()> {
    let id = association.association_id().needed("ec2", "IamInstanceProfileAssociation.AssociationId")?;
    let profile = IamInstanceProfileSpecification::builder().name(profile).build();
    let call = context.aws.ec2().replace_iam_instance_profile_association().association_id(id);
    let call = call.iam_instance_profile(profile);
    let unseen = |error: &Error| wait::not_yet(error) || error.is_busy();
    match wait::while_refused(context, KNOWN, unseen, || ask(call.clone().send())).await {
        Ok(_) => Ok(()),
        // The host has ended since.
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
