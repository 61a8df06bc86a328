//! Application Auto Scaling.

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
