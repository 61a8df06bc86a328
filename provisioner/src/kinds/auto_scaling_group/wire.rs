//! A group as EC2 Auto Scaling has it: what calls say of it, and what answers say.

use anyhow::Result;
use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::operation::update_auto_scaling_group::builders::UpdateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types::builders::TagBuilder;
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter, LaunchTemplateSpecification, Tag};
use lakewright_aws::{Error, Needed as _, ask_all};

use super::{Refreshing, Spec, suspended};
use crate::kind::{Context, Departure, Found, Outcome, RESERVED};
use crate::kinds::values::SubnetId;
use crate::kinds::{tag_lists, tags};
use crate::resource::{Address, Condition};
use crate::services::Services as _;

const HEALTH: &str = "EC2";

/// The template that new hosts get.
pub(super) fn template(spec: &Spec) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder()
        .launch_template_id(spec.launch_template.as_str())
        .version(spec.launch_template_version.as_str())
        .build()
}

/// The create call, without tags.
pub(super) fn create(context: &Context, spec: &Spec) -> Result<CreateAutoScalingGroupFluentBuilder> {
    Ok(context
        .aws
        .auto_scaling()
        .create_auto_scaling_group()
        .auto_scaling_group_name(&spec.name)
        .launch_template(template(spec))
        .vpc_zone_identifier(spec.subnets.join(","))
        .min_size(i32::try_from(spec.min_size)?)
        .max_size(i32::try_from(spec.max_size)?)
        .desired_capacity(i32::try_from(spec.desired_capacity)?)
        .health_check_type(HEALTH)
        .health_check_grace_period(i32::try_from(spec.health_check_grace_seconds)?))
}

/// The update call, without the template.
pub(super) fn update(context: &Context, spec: &Spec) -> Result<UpdateAutoScalingGroupFluentBuilder> {
    Ok(context
        .aws
        .auto_scaling()
        .update_auto_scaling_group()
        .auto_scaling_group_name(&spec.name)
        .vpc_zone_identifier(spec.subnets.join(","))
        .min_size(i32::try_from(spec.min_size)?)
        .max_size(i32::try_from(spec.max_size)?)
        .desired_capacity(i32::try_from(spec.desired_capacity)?)
        .health_check_type(HEALTH)
        .health_check_grace_period(i32::try_from(spec.health_check_grace_seconds)?))
}

/// A tag of a group by its key.
pub(super) fn named_tag(group: &str, key: &str) -> TagBuilder {
    Tag::builder().resource_id(group).resource_type("auto-scaling-group").key(key)
}

/// A tag of a group. Hosts that it starts get those of the stack file, whatever its template said when that was made; what is
/// Lakewright's own they have from the template.
pub(super) fn tag(group: &str, key: &str, value: &str) -> Tag {
    named_tag(group, key).value(value).propagate_at_launch(!key.starts_with(RESERVED)).build()
}

/// The groups with the stack's tag.
pub(super) async fn groups_of_stack(context: &Context) -> Result<Vec<AutoScalingGroup>, Error> {
    let of_stack = Filter::builder().name(format!("tag:{}", tags::STACK)).values(&context.stack).build();
    let call = context.aws.auto_scaling().describe_auto_scaling_groups().filters(of_stack);
    ask_all(call.into_paginator().items().send()).await
}

/// The group of that name.
pub(super) async fn described(context: &Context, name: &str) -> Result<Option<AutoScalingGroup>> {
    let call = context.aws.auto_scaling().describe_auto_scaling_groups().auto_scaling_group_names(name);
    Ok(ask_all(call.into_paginator().items().send()).await?.into_iter().next())
}

/// The address that a group's tags state.
pub(super) fn owner(context: &Context, group: &AutoScalingGroup) -> Option<Address> {
    tags::address(context, "auto_scaling_group", &tag_lists::read(group.tags()))
}

fn name(group: &AutoScalingGroup) -> Result<&str, Error> {
    group.auto_scaling_group_name().needed("autoscaling", "AutoScalingGroup.AutoScalingGroupName")
}

fn arn(group: &AutoScalingGroup) -> Result<&str, Error> {
    group.auto_scaling_group_arn().needed("autoscaling", "AutoScalingGroup.AutoScalingGroupARN")
}

/// What a create or an update gave.
pub(super) fn outcome(group: &AutoScalingGroup) -> Result<Outcome> {
    let name = name(group)?;
    Ok(tags::outcome(name, &[("name", name), ("arn", arn(group)?)]))
}

/// A group of the stack as it exists.
pub(super) fn read(context: &Context, group: &AutoScalingGroup) -> Result<Option<Found<Spec>>> {
    let Some(address) = owner(context, group) else { return Ok(None) };
    let name = name(group)?;
    // A group that somebody gave a launch configuration or a mix of instances has no template of its own, and one outside a VPC no
    // subnets.
    let template = group.launch_template();
    let subnets = group.vpc_zone_identifier().unwrap_or_default().split(',').filter(|id| !id.is_empty());
    let number = |number: Option<i32>, member: &str| -> Result<u32> {
        Ok(u32::try_from(number.needed("autoscaling", &format!("AutoScalingGroup.{member}"))?)?)
    };
    let spec = Spec {
        name: name.to_owned(),
        launch_template: template.and_then(|one| one.launch_template_id()).unwrap_or_default().into(),
        launch_template_version: template.and_then(|one| one.version()).unwrap_or_default().into(),
        subnets: subnets.map(SubnetId::from).collect(),
        min_size: number(group.min_size(), "MinSize")?,
        max_size: number(group.max_size(), "MaxSize")?,
        desired_capacity: number(group.desired_capacity(), "DesiredCapacity")?,
        // Without one, health counts from the start on.
        health_check_grace_seconds: u32::try_from(group.health_check_grace_period().unwrap_or_default())?,
        refresh: Refreshing::Never,
    };
    let outputs = [("name", name), ("arn", arn(group)?)];
    let mut found = tags::found(address, &tag_lists::read(group.tags()), name, spec, &outputs);
    found.departures.extend(Departure::of("health_check", group.health_check_type().unwrap_or(HEALTH), HEALTH));
    found.departures.extend(suspended::departure(group));
    // AWS gives a group a status only when it is on its way out.
    if let Some(status) = group.status() {
        found.condition = Condition::Pending(status.to_owned());
    }
    Ok(Some(found))
}
