//! What the tagging API knows of the stack: where a kind's own lists carry no tags.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_resourcegroupstagging::config::{Config, Region};
use aws_sdk_resourcegroupstagging::operation::get_resources::builders::GetResourcesFluentBuilder;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_iam::{Arn, partition};

use super::tag_lists;
use super::tags::{self, Tags};
use crate::kind::Context;
use crate::resource::Address;
use crate::services::Services as _;

/// The types that kinds ask for. One question returns all of them, so that a sweep asks it once.
fn types() -> BTreeSet<&'static str> {
    super::all().iter().flat_map(|kind| kind.facts().tag_types).copied().collect()
}

/// The types of the services without a region, which the tagging API of one region returns.
fn types_everywhere() -> BTreeSet<&'static str> {
    super::all().iter().flat_map(|kind| kind.facts().tag_types_everywhere).copied().collect()
}

/// The ARNs and tags of what carries the stack's tag, of the service that ARNs name so. It lists deleted things for a
/// while and new ones late: every one has to be looked at.
pub(super) async fn resources(context: &Context, service: &str) -> Result<Vec<(String, Tags)>> {
    let all = context.reading.of(|queries| &queries.tagged, (), all(context)).await?;
    Ok(of_service(&all, service))
}

/// What was read of one thing. A policy that rests on the stack's tag denies reading what isn't there, and what is another's, alike:
/// where it does, the tags, which it may read of everything, say which. What is there and the stack's stays denied.
pub(super) async fn readable<T>(
    context: &Context,
    answer: Result<Option<T>, Error>,
    tags: impl Future<Output = Result<Option<Tags>>>,
) -> Result<Option<T>, Error> {
    match answer {
        Err(denied) if denied.is_denied() => match tags.await {
            Ok(tags) if tags.as_ref().and_then(|tags| tags.get(tags::STACK)) != Some(&context.stack) => Ok(None),
            _ => Err(denied),
        },
        answer => answer,
    }
}

/// The address that a thing's tags state, if they state this stack's and this kind's, and the tags. What the tagging API doesn't
/// list yet is asked for itself.
pub(super) async fn owner(
    context: &Context,
    kind: &str,
    listed: Option<&Tags>,
    asked: impl Future<Output = Result<Option<Tags>>>,
) -> Result<Option<(Address, Tags)>> {
    let tags = match listed {
        Some(tags) => Some(tags.clone()),
        None => asked.await?,
    };
    Ok(tags.and_then(|tags| Some((tags::address(context, kind, &tags)?, tags))))
}

/// What [`resources`] returns, of a service without a region.
pub(super) async fn everywhere(context: &Context, service: &str) -> Result<Vec<(String, Tags)>> {
    if context.region == home(&context.region) {
        return resources(context, service).await;
    }
    let all = context.reading.of(|queries| &queries.tagged_everywhere, (), all_everywhere(context)).await?;
    Ok(of_service(&all, service))
}

fn of_service(all: &[(String, Tags)], service: &str) -> Vec<(String, Tags)> {
    let is_one = |(arn, _): &&(String, Tags)| Arn::parse(arn).is_some_and(|arn| arn.service == service);
    all.iter().filter(is_one).cloned().collect()
}

/// The region of a partition whose tagging API returns the services without a region.
fn home(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "cn-northwest-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

async fn all(context: &Context) -> Result<Vec<(String, Tags)>> {
    let everywhere = if context.region == home(&context.region) { types_everywhere() } else { BTreeSet::new() };
    let call = asked(context, &types() | &everywhere);
    let found = ask_all(call.into_paginator().items().send()).await?;
    found.iter().map(pair).collect()
}

async fn all_everywhere(context: &Context) -> Result<Vec<(String, Tags)>> {
    let region = Region::new(home(&context.region));
    let call = asked(context, types_everywhere());
    let (mut found, mut next) = (Vec::new(), None);
    // A paginator takes no region of its own.
    loop {
        let page = call.clone().set_pagination_token(next).customize();
        let page = ask(page.config_override(Config::builder().region(region.clone())).send()).await?;
        found.extend(page.resource_tag_mapping_list().iter().map(pair).collect::<Result<Vec<_>>>()?);
        next = page.pagination_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn asked(context: &Context, types: BTreeSet<&str>) -> GetResourcesFluentBuilder {
    let stack = TagFilter::builder().key(tags::STACK).values(&context.stack).build();
    let types = types.into_iter().map(str::to_owned).collect();
    let call = context.aws.tagging().get_resources().tag_filters(stack).set_resource_type_filters(Some(types));
    call.resources_per_page(100)
}

fn pair(one: &ResourceTagMapping) -> Result<(String, Tags)> {
    let arn = one.resource_arn().needed("tagging", "ResourceTagMapping.ResourceARN")?;
    Ok((arn.to_owned(), tag_lists::read(one.tags())))
}

/// Whether something of the stack is or was of that type of the service, as ARNs name it: `natgateway` of `ec2`.
pub(super) async fn any(context: &Context, service: &str, resource_type: &str) -> Result<bool> {
    let all = resources(context, service).await?;
    Ok(all.iter().any(|(arn, _)| Arn::parse(arn).is_some_and(|arn| arn.kind() == resource_type)))
}

/// The names of the stack's buckets by address, as far as they are known to be its own.
pub(super) async fn buckets(context: &Context) -> Result<BTreeMap<Address, String>> {
    let mut own = BTreeMap::new();
    for (address, name, tags) in claimed_buckets(context).await? {
        if tags::is_own(context, &address, &name, &tags).await {
            own.insert(address, name);
        }
    }
    Ok(own)
}

/// The addresses, names and tags of the buckets that carry the stack's tags.
pub(super) async fn claimed_buckets(context: &Context) -> Result<Vec<(Address, String, Tags)>> {
    let found = resources(context, "s3").await?.into_iter();
    let bucket = |(arn, tags): (String, Tags)| {
        let name = Arn::parse(&arn)?.resource;
        let name = Some(name).filter(|name| !name.contains('/'))?.to_owned();
        Some((tags::address(context, "bucket", &tags)?, name, tags))
    };
    Ok(found.filter_map(bucket).collect())
}
