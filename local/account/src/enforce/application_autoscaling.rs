//! Application Auto Scaling.

use lakewright_iam::Arn;

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("application-autoscaling:{}", asks.operation());
    let input = asks.input();
    match asks.operation() {
        "DescribeScalableTargets" | "DescribeScalingPolicies" => asks.plain(&action),
        "RegisterScalableTarget" | "DeregisterScalableTarget" | "PutScalingPolicy" | "DeleteScalingPolicy" => {
            let target = asks.text("ResourceId").unwrap_or_default();
            let known = asks.state.get("application-autoscaling/target", target);
            let arn = known.and_then(|target| target.text("ScalableTargetARN")).map(str::to_owned);
            let arn = arn.unwrap_or_else(|| asks.arn("application-autoscaling", "scalable-target/*"));
            let tags = tags_of_object(input, "Tags");
            let ask = Ask::on(&action, &arn)
                .key("application-autoscaling:service-namespace", asks.text("ServiceNamespace"))
                .key("application-autoscaling:scalable-dimension", asks.text("ScalableDimension"));
            asks.add(ask.tags(&tags));
            in_name(asks, target);
            asks.tag_made("application-autoscaling:TagResource", arn, &tags)
        }
        "TagResource" => {
            let ask = Ask::on(&action, asks.text("ResourceARN").unwrap_or("*"));
            asks.add(ask.tags(&tags_of_object(input, "Tags")))
        }
        "UntagResource" => {
            let ask = Ask::on(&action, asks.text("ResourceARN").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("TagKeys")))
        }
        "ListTagsForResource" => asks.on(&action, asks.text("ResourceARN").unwrap_or("*")),
        _ => None,
    }
}

/// What the service does in the caller's name: it makes its own role with a target, looks at the cluster, and makes and deletes
/// the alarms that a policy follows.
/// <https://docs.aws.amazon.com/autoscaling/application/userguide/security_iam_id-based-policy-examples.html>
fn in_name(asks: &mut Asks<'_, '_>, cluster: &str) {
    let alarms = asks.arn("cloudwatch", &format!("alarm:TargetTracking-{cluster}-*"));
    match asks.operation() {
        "RegisterScalableTarget" => {
            let service = "kafka.application-autoscaling.amazonaws.com";
            asks.link(service, "AWSServiceRoleForApplicationAutoScaling_KafkaCluster");
            if Arn::parse(cluster).is_some_and(|arn| arn.is("kafka", "cluster")) {
                asks.in_name("kafka:DescribeCluster", cluster);
            }
        }
        "PutScalingPolicy" => {
            asks.in_name("cloudwatch:PutMetricAlarm", alarms);
        }
        "DeleteScalingPolicy" => {
            asks.in_name("cloudwatch:DeleteAlarms", alarms);
        }
        _ => {}
    }
}
