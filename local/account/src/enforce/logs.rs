//! CloudWatch Logs. What is done to a group is asked on its streams' ARN, that of the group with `:*` in policies; tags
//! alone are asked on the group's.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html>

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let given = asks.text("logGroupName").or(asks.text("logGroupIdentifier")).unwrap_or("*");
    let name = given.rsplit_once(":log-group:").map_or(given, |(_, name)| name).trim_end_matches(":*");
    let group = asks.arn("logs", &format!("log-group:{name}"));
    let streams = format!("{group}:log-stream:");
    let tags = tags_of_object(input, "tags");
    match asks.operation() {
        "DescribeLogGroups" => asks.own("logs", "*"),
        "CreateLogGroup" => {
            asks.with_tags("logs", &streams, &tags);
            asks.tag_made("logs:TagResource", group, &tags)
        }
        "DeleteLogGroup"
        | "PutRetentionPolicy"
        | "DeleteRetentionPolicy"
        | "AssociateKmsKey"
        | "DisassociateKmsKey"
        | "PutMetricFilter"
        | "DescribeMetricFilters"
        | "DeleteMetricFilter"
        | "DescribeLogStreams"
        | "FilterLogEvents" => asks.own("logs", streams),
        "CreateLogStream" | "DeleteLogStream" | "PutLogEvents" | "GetLogEvents" => {
            asks.own("logs", format!("{streams}{}", asks.text("logStreamName").unwrap_or("*")))
        }
        "TagLogGroup" => asks.with_tags("logs", group, &tags),
        "UntagLogGroup" => asks.add(Ask::on("logs:UntagLogGroup", group).tag_keys(input.texts("tags"))),
        "ListTagsLogGroup" => asks.own("logs", group),
        "TagResource" => asks.with_tags("logs", given_arn(asks), &tags),
        "UntagResource" => asks.add(Ask::on("logs:UntagResource", given_arn(asks)).tag_keys(input.texts("tagKeys"))),
        "ListTagsForResource" => asks.own("logs", given_arn(asks)),
        _ => None,
    }
}

fn given_arn(asks: &Asks<'_, '_>) -> String {
    asks.text("resourceArn").unwrap_or("*").trim_end_matches(":*").to_owned()
}
