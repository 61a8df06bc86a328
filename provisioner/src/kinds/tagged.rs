//! What the tagging API knows of the stack: where a kind's own lists carry no tags.

use std::collections::BTreeMap;

use anyhow::Result;
use lakewright_aws::{Service, list, text};
use serde_json::json;

use super::tags::{self, Tags};
use crate::kind::Context;
use crate::resource::Address;

/// The types that kinds ask for. One question tells of all of them, so that a sweep asks it once.
const TYPES: &[&str] = &[
    "s3",
    "kms:key",
    "logs:log-group",
    "emr-serverless",
    "lambda:function",
    "events:rule",
    "codebuild:project",
    "codepipeline",
    "athena:workgroup",
    "ec2:elastic-ip",
    "ec2:natgateway",
    "ec2:vpc-flow-log",
    "application-autoscaling:scalable-target",
    "ec2:volume",
    "sns",
    "cloudwatch:alarm",
];

/// The ARNs and tags of what carries the stack's tag, of the service that ARNs name so. It lists deleted things for a
/// while and new ones late: every one has to be looked at.
pub(super) async fn resources(context: &Context, service: &str) -> Result<Vec<(String, Tags)>> {
    let mut input = json!({
        "TagFilters": [{"Key": tags::STACK, "Values": [context.stack]}],
        "ResourceTypeFilters": TYPES,
        "ResourcesPerPage": 100,
    });
    let mut all = Vec::new();
    loop {
        let page = context.aws.call(Service::Tagging, "GetResources", input.clone()).await?;
        let found = list(&page, "ResourceTagMappingList").iter();
        let found = found.filter(|one| text(one, "ResourceARN").split(':').nth(2) == Some(service));
        all.extend(found.map(|one| (text(one, "ResourceARN").to_owned(), tags::of(list(one, "Tags")))));
        match text(&page, "PaginationToken") {
            "" => return Ok(all),
            next => input["PaginationToken"] = json!(next),
        }
    }
}

/// Whether something of the stack is or was of that type of the service, as ARNs name it: `natgateway` of `ec2`.
pub(super) async fn any(context: &Context, service: &str, resource_type: &str) -> Result<bool> {
    let all = resources(context, service).await?;
    let is_one = |arn: &str| arn.split([':', '/']).nth(5) == Some(resource_type);
    Ok(all.iter().any(|(arn, _)| is_one(arn)))
}

/// The names of the stack's buckets by address.
pub(super) async fn buckets(context: &Context) -> Result<BTreeMap<Address, String>> {
    let found = resources(context, "s3").await?.into_iter();
    Ok(found
        .filter_map(|(arn, tags)| {
            let name = arn.rsplit(':').next().filter(|name| !name.contains('/'))?.to_owned();
            Some((tags::address(context, "bucket", &tags)?, name))
        })
        .collect())
}
