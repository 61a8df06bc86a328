//! A group's hosts with their root volumes, which carry the group's tags and stand in no plan.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use lakewright_aws::{ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Filter, Tag, Volume};
use lakewright_iam::Arn;

use super::wire::described;
use crate::kind::{Context, GIVEN, Part};
use crate::kinds::tags::{self, Tags};
use crate::kinds::{ec2, tag_lists, tagged, wait};

/// How many things one call tags: EC2 takes a thousand.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html>
const AT_ONCE: usize = 500;
/// The values that a filter of EC2's takes.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>
const FILTERED: usize = 200;

/// The hosts of each group, by the group's name, and their root volumes where one's tags are like no host's. The tagging API,
/// which a sweep asks once, returns the tags of all hosts; it lists volumes that are gone, and doesn't say whose one is.
pub(super) async fn of_groups(context: &Context, groups: &[AutoScalingGroup]) -> Result<BTreeMap<String, Vec<Part>>> {
    if groups.iter().all(|group| group.instances().is_empty()) {
        return Ok(BTreeMap::new());
    }
    let (mut hosts, mut volumes) = (BTreeMap::new(), Vec::new());
    for (arn, tags) in tagged::resources(context, "ec2").await? {
        match Arn::parse(&arn).and_then(|arn| arn.resource.split_once('/')) {
            Some(("instance", id)) => drop(hosts.insert(id.to_owned(), tags::others(&tags))),
            Some(("volume", _)) if is_root(&tags) => volumes.push(tags::others(&tags)),
            _ => {}
        }
    }
    let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let mut known: BTreeSet<&Tags> = BTreeSet::new();
    let mut group_of: BTreeMap<String, String> = BTreeMap::new();
    for group in groups {
        let name = group.auto_scaling_group_name().unwrap_or_default();
        for id in instances(group) {
            group_of.insert(id.clone(), name.to_owned());
            // A new host is listed late.
            let Some(tags) = hosts.get(&id) else { continue };
            known.insert(tags);
            parts.entry(name.to_owned()).or_default().push(Part { id, tags: tags.clone(), given: None });
        }
    }
    if volumes.iter().all(|tags| known.contains(tags)) {
        return Ok(parts);
    }
    let call = context.aws.ec2().describe_volumes().filters(ec2::of_stack(context));
    let found: Vec<Volume> = ask_all(call.into_paginator().items().send()).await?;
    for volume in &found {
        let tags = tag_lists::read(volume.tags());
        let group = volume.attachments().iter().find_map(|one| group_of.get(one.instance_id()?));
        if let (Some(group), Some(id)) = (group.filter(|_| is_root(&tags)), volume.volume_id()) {
            let (id, given) = (id.to_owned(), tags.get(GIVEN).cloned());
            parts.entry(group.clone()).or_default().push(Part { id, tags: tags::others(&tags), given });
        }
    }
    Ok(parts)
}

/// Whether a volume is one that a launch made: those of the stack file have an address.
fn is_root(tags: &Tags) -> bool {
    !tags.contains_key(tags::ADDRESS)
}

fn instances(group: &AutoScalingGroup) -> Vec<String> {
    group.instances().iter().filter_map(|instance| instance.instance_id()).map(str::to_owned).collect()
}

/// Writes tags on a group's hosts and their root volumes, and takes others away. Nothing is started or ended by it.
pub(super) async fn tag(context: &Context, group: &str, tags: &Tags, gone: &[&str]) -> Result<()> {
    let Some(group) = described(context, group).await? else { return Ok(()) };
    let mut ids = instances(&group);
    for some in ids.clone().chunks(FILTERED) {
        let of_hosts = Filter::builder().name("attachment.instance-id").set_values(Some(some.to_vec())).build();
        let call = context.aws.ec2().describe_volumes().filters(of_hosts);
        let found: Vec<Volume> = ask_all(call.into_paginator().items().send()).await?;
        let roots = found.iter().filter(|volume| is_root(&tag_lists::read(volume.tags())));
        ids.extend(roots.filter_map(|volume| volume.volume_id()).map(str::to_owned));
    }
    for some in ids.chunks(AT_ONCE) {
        if write(context, some, tags, gone).await? {
            continue;
        }
        // One of them ended meanwhile, and nothing was written on any.
        for id in some {
            write(context, std::slice::from_ref(id), tags, gone).await?;
        }
    }
    Ok(())
}

/// Writes tags on some things, and takes others away; false if one of them isn't there.
async fn write(context: &Context, ids: &[String], tags: &Tags, gone: &[&str]) -> Result<bool> {
    let some = || Some(ids.to_vec());
    if !gone.is_empty() {
        let keys = gone.iter().map(|key| Tag::builder().key(*key).build()).collect();
        let call = context.aws.ec2().delete_tags().set_resources(some()).set_tags(Some(keys));
        if wait::found(ask(call.send()).await)?.is_none() {
            return Ok(false);
        }
    }
    if tags.is_empty() {
        return Ok(true);
    }
    let call = context.aws.ec2().create_tags().set_resources(some()).set_tags(Some(tag_lists::listed(tags)));
    Ok(wait::found(ask(call.send()).await)?.is_some())
}
