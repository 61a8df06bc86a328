//! What those who apply a stack must be allowed to do, as narrow as one policy can say it.

mod operations;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::kind::AnyKind;
use crate::quotas;
use crate::resource::{Desired, Resource};
use crate::{kinds, names};
pub use operations::action;

/// What the lease and the first question need, whatever the stack holds.
const ALWAYS: &[&str] = &[
    "sts:GetCallerIdentity",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:ListBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
];
/// The characters that a managed policy holds.
const LONGEST: usize = 6144;
/// What is allowed on everything or nothing, in no region.
const ON_EVERYTHING: &[&str] = &[
    "iam:GetAccountAuthorizationDetails",
    "iam:ListInstanceProfiles",
    "iam:ListRoles",
    "iam:CreateServiceLinkedRole",
    "sts:GetCallerIdentity",
];

/// The policy that planning, applying and destroying the stack takes in an account and region.
pub fn policy(desired: &Desired, account: &str, region: &str, partition: &str) -> Value {
    let present: BTreeSet<&str> = desired.resources.iter().map(|resource| resource.address.kind.as_str()).collect();
    let of_kinds = present.into_iter().filter_map(kinds::named).flat_map(AnyKind::actions);
    // What has left the file is looked for among all kinds, whichever the file still has.
    let swept = kinds::all().iter().copied().flat_map(AnyKind::actions).filter(|said| is_swept(said));
    let mut statements: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for said in of_kinds.chain(swept).chain(ALWAYS).chain(quotas::ACTIONS) {
        let (service, operation) = said.split_once(':').expect("a service and what is done with it");
        let action = &action(service, operation);
        let sid = match service {
            "s3" => "Buckets",
            // Budgets are asked for in no region.
            "budgets" => "Account",
            // The one region that Route 53 stands in, and whose tagging API tells of it, is another one than the stack's.
            "route53" | "tag" => "Account",
            _ if ON_EVERYTHING.contains(&action.as_str()) => "Account",
            "iam" => "Identities",
            _ => "Region",
        };
        statements.entry(sid).or_default().insert(in_short(action));
    }
    let full = written(&statements, desired, account, region, partition);
    if full.to_string().len() <= LONGEST {
        return full;
    }
    if let Some(actions) = statements.get_mut("Region") {
        *actions = by_verb(actions);
    }
    written(&statements, desired, account, region, partition)
}

/// The statements as a policy.
fn written(
    statements: &BTreeMap<&str, BTreeSet<String>>,
    desired: &Desired,
    account: &str,
    region: &str,
    partition: &str,
) -> Value {
    let stack = &desired.stack;
    let statements = statements.iter().map(|(sid, actions)| {
        let sid = *sid;
        let resource = match sid {
            "Buckets" => buckets(desired, account, region, partition),
            "Identities" => {
                let own = names::of_part(stack, "*");
                // A sweep looks at the providers that the stack's roles trust, whoever made them.
                let paths = [format!("role/{own}"), format!("instance-profile/{own}"), "oidc-provider/*".to_owned()];
                paths.iter().map(|path| format!("arn:{partition}:iam::{account}:{path}")).collect()
            }
            _ => json!("*"),
        };
        let mut statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource});
        if sid == "Region" {
            statement["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": region}});
        }
        statement
    });
    json!({"Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>()})
}

/// The actions, with one pattern for all that begin with the same verb: where a policy would grow too long, and of services in
/// which nothing is read or opened by it.
fn by_verb(actions: &BTreeSet<String>) -> BTreeSet<String> {
    let verb = |action: &str| {
        let (service, name) = action.split_once(':')?;
        let end = name.char_indices().skip(1).find(|(_, c)| c.is_uppercase()).map_or(name.len(), |(at, _)| at);
        (!matches!(service, "ec2" | "kms" | "secretsmanager")).then(|| format!("{service}:{}*", &name[..end]))
    };
    let alike = |pattern: &String| actions.iter().filter(|other| verb(other).as_ref() == Some(pattern)).count();
    let short = |action: &String| verb(action).filter(|pattern| alike(pattern) > 1).unwrap_or_else(|| action.clone());
    actions.iter().map(short).collect()
}

/// Whether a plan may ask so of a kind of which the file has none.
fn is_swept(action: &str) -> bool {
    let (service, name) = action.split_once(':').unwrap_or_default();
    match service {
        "s3" | "sts" => false,
        "iam" => {
            (ON_EVERYTHING.contains(&action) && name != "CreateServiceLinkedRole") || name == "GetOpenIDConnectProvider"
        }
        "secretsmanager" => name.starts_with("List"),
        // One permission for all that is asked of budgets.
        "budgets" => name.starts_with("View") || name.starts_with("List"),
        _ => ["Describe", "List", "Get"].iter().any(|verb| name.starts_with(verb)),
    }
}

/// The action, or the pattern that covers it where reading more of the same service gives nothing away: a policy holds
/// 6,144 characters.
fn in_short(action: &str) -> String {
    let reads = ["Describe", "List", "Get"].into_iter().find_map(|verb| {
        let (service, name) = action.split_once(':')?;
        let tells_secrets = matches!(service, "secretsmanager" | "s3" | "sts" | "iam");
        (name.starts_with(verb) && !tells_secrets).then(|| format!("{service}:{verb}*"))
    });
    reads.unwrap_or_else(|| action.to_owned())
}

/// The stack's buckets and the one that holds its lease, with what is in them.
fn buckets(desired: &Desired, account: &str, region: &str, partition: &str) -> Value {
    let name = |resource: &Resource| {
        let field = kinds::named(&resource.address.kind)?.facts().bucket_name?;
        resource.spec[field].as_str().map(str::to_owned)
    };
    let names = desired.resources.iter().filter_map(name).chain([names::state_bucket(account, region)]);
    names.flat_map(|name| [format!("arn:{partition}:s3:::{name}"), format!("arn:{partition}:s3:::{name}/*")]).collect()
}
