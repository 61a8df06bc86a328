//! EC2 Auto Scaling: groups, and what starting their instances asks for.

use super::{Ask, Asks, ec2};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("autoscaling:{}", asks.operation());
    let input = asks.input();
    match asks.operation() {
        "DescribeAutoScalingGroups"
        | "DescribeAutoScalingInstances"
        | "DescribeScalingActivities"
        | "DescribeInstanceRefreshes"
        | "DescribeTags" => asks.plain(&action),
        "CreateAutoScalingGroup" => {
            let arn = group(asks, asks.text("AutoScalingGroupName").unwrap_or_default());
            let tags = tags_of(input.list("Tags"), "Key", "Value");
            asks.add(Ask::on(&action, &arn).tags(&tags));
            asks.tag_made("autoscaling:CreateOrUpdateTags", arn, &tags);
            asks.link("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling");
            launch(asks)
        }
        "UpdateAutoScalingGroup" => {
            let arn = group(asks, asks.text("AutoScalingGroupName").unwrap_or_default());
            asks.on(&action, arn);
            launch(asks)
        }
        "StartInstanceRefresh"
        | "DeleteAutoScalingGroup"
        | "SetDesiredCapacity"
        | "SuspendProcesses"
        | "ResumeProcesses" => {
            let arn = group(asks, asks.text("AutoScalingGroupName").unwrap_or_default());
            asks.on(&action, arn)
        }
        "TerminateInstanceInAutoScalingGroup" => {
            let instance = asks.text("InstanceId").and_then(|id| asks.state.get("ec2/instance", id));
            let name = instance.and_then(|instance| instance.text("_group")).unwrap_or("*").to_owned();
            let arn = group(asks, &name);
            asks.on(&action, arn)
        }
        "CreateOrUpdateTags" | "DeleteTags" => {
            for tag in input.list("Tags") {
                let arn = group(asks, tag.text("ResourceId").unwrap_or_default());
                asks.add(Ask::on(&action, arn).tags(&tags_of(std::slice::from_ref(tag), "Key", "Value")));
            }
            Some(())
        }
        _ => None,
    }
}

/// The ARN of a group; of one that isn't there, with any id.
fn group(asks: &Asks<'_, '_>, name: &str) -> String {
    let found = asks.state.get("autoscaling/group", name).and_then(|group| group.text("AutoScalingGroupARN"));
    let any = || asks.arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{name}"));
    found.map_or_else(any, str::to_owned)
}

/// What a group's launch template asks for: whoever names one must be allowed to start its instances.
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html>
fn launch(asks: &mut Asks<'_, '_>) -> Option<()> {
    let given = asks.input().member("LaunchTemplate");
    let given =
        given.or_else(|| asks.input()["MixedInstancesPolicy"]["LaunchTemplate"].member("LaunchTemplateSpecification"));
    let Some(template) = given.cloned() else { return Some(()) };
    let subnets: Vec<String> = asks
        .text("VPCZoneIdentifier")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    ec2::launch(asks, &template, &subnets)
}
