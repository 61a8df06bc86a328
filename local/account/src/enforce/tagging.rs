//! The Resource Groups Tagging API: changing tags asks for its own action, and for that of each resource's service.

use lakewright_iam::Arn;

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

/// The actions of services that add and take away tags by others than `TagResource` and `UntagResource`.
const ACTIONS: [(&str, &str, &str); 9] = [
    ("ec2:", "ec2:CreateTags", "ec2:DeleteTags"),
    ("iam:role/", "iam:TagRole", "iam:UntagRole"),
    ("iam:policy/", "iam:TagPolicy", "iam:UntagPolicy"),
    ("iam:instance-profile/", "iam:TagInstanceProfile", "iam:UntagInstanceProfile"),
    ("iam:oidc-provider/", "iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider"),
    ("route53:", "route53:ChangeTagsForResource", "route53:ChangeTagsForResource"),
    ("s3:", "s3:PutBucketTagging", "s3:PutBucketTagging"),
    ("sqs:", "sqs:TagQueue", "sqs:UntagQueue"),
    ("ssm:", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"),
];

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let adds = match asks.operation() {
        "GetResources" | "GetTagKeys" | "GetTagValues" => return asks.own("tag", "*"),
        "TagResources" => true,
        "UntagResources" => false,
        _ => return None,
    };
    asks.own("tag", "*");
    let (tags, removed) = (tags_of_object(input, "Tags"), input.texts("TagKeys"));
    for arn in input.texts("ResourceARNList") {
        let Some(Arn { service, resource, .. }) = Arn::parse(&arn) else { continue };
        let named = format!("{service}:{resource}");
        let known = ACTIONS.iter().find(|(prefix, ..)| named.starts_with(prefix));
        let action = match known {
            Some((_, add, _)) if adds => (*add).to_owned(),
            Some((_, _, remove)) => (*remove).to_owned(),
            None if adds => format!("{service}:TagResource"),
            None => format!("{service}:UntagResource"),
        };
        let ask = Ask::on(&action, &arn);
        asks.add(if adds { ask.tags(&tags) } else { ask.tag_keys(removed.clone()) });
    }
    Some(())
}
