//! No stack's deployer reaches into another stack, whatever the two are called, asked of an evaluator of IAM.

use std::collections::BTreeSet;
use std::path::Path;

use crate::deployer::{allowing, allows, deployer, desired, judged, shop, stacks, texts};
use lakewright::permissions::Purpose;
use lakewright::resource::Desired;
use lakewright::stack::{Stack, parse, stack_name_mistake};
use lakewright_iam::{Policies, reference};
use serde_json::Value;

/// What IAM can't distinguish one stack's from another's by, or what belongs to all: the start of ARNs.
const SHARED: &[&str] = &[
    ":catalog",
    ":role/aws-service-role/",
    ":oidc-provider/token.actions",
    ":hostedzone/",
    ":change/",
    ":security-group-rule/",
    "::image/",
    "parameter/aws/service/",
    ":*/*",
];

/// A stack that a workflow of GitHub applies.
const CI: &str = r#"
[stack]
name = "shop"
region = "eu-north-1"
[buckets.raw]
[ci]
repository = "octocat/shop"
"#;

/// A resource that a pattern takes.
fn one_of(pattern: &str) -> String {
    pattern.replace("??????", "AbCdEf").replace('*', "x1")
}

/// The shop by another name.
fn called(file: &Stack, name: &str) -> Desired {
    let mut stack = file.clone();
    stack.file.stack.name.value = name.to_owned();
    desired(&stack)
}

/// Asserts that who applies the one changes nothing that who applies the other may change.
fn is_apart((one, policies): (&str, &Policies), (other, theirs): (&str, &[Value])) {
    let mut tried = 0;
    for statement in allowing(theirs) {
        // Whoever makes something of EC2's with a tag of their own touches nothing that is there.
        let makes = statement["Condition"].to_string().contains("aws:RequestTag");
        for resource in texts(&statement["Resource"]) {
            if resource == "*" || SHARED.iter().any(|shared| resource.contains(shared)) {
                continue;
            }
            let resource = one_of(resource);
            for action in texts(&statement["Action"]) {
                // Lists and reads of tags return everything that there is.
                let is_read = reference::action(action)
                    .is_none_or(|action| matches!(action.level, reference::Level::List | reference::Level::Read));
                let is_new = (makes && action.starts_with("ec2:")) || action == "ec2:RunInstances";
                if is_read || is_new || reference::type_of(action, &resource).is_none() {
                    continue;
                }
                tried += 1;
                let tagged = [
                    ("aws:ResourceTag/lakewright:stack", other),
                    ("aws:RequestTag/lakewright:stack", one),
                    ("iam:PassedToService", "ec2.amazonaws.com"),
                    ("kms:ResourceAliases", "alias/theirs"),
                    ("kms:ViaService", "s3.eu-north-1.amazonaws.com"),
                    ("kms:GrantIsForAWSResource", "true"),
                ];
                assert!(!allows(policies, action, &resource, &tagged), "{one}: {action} on {other}'s {resource}");
            }
        }
    }
    assert!(tried > 50, "{one} {other}: {tried}");
}

#[test]
fn no_stack_reaches_into_another_whatever_their_names() {
    let names =
        ["shop", "shop-production", "shop-ci", "shop2", "sho", "a1", "a1-b", "a1-b-c", "prod", "x-shop", "shop-x"];
    let file = shop();
    let all: Vec<(&str, Vec<Value>)> =
        names.iter().map(|name| (*name, deployer(&called(&file, name)).policies(Purpose::Apply))).collect();
    for (one, own) in &all {
        let policies = judged(own);
        for (other, theirs) in all.iter().filter(|(other, _)| other != one) {
            is_apart((one, &policies), (other, theirs));
        }
    }
}

/// What a stack appends to its name, as parts of another's name.
fn appended(value: &Value, suffixes: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => suffixes.extend(
            text.strip_prefix("shop").filter(|rest| rest.starts_with(['-', '_'])).map(|rest| rest.replace('_', "-")),
        ),
        Value::Array(items) => items.iter().for_each(|item| appended(item, suffixes)),
        Value::Object(members) => members.values().for_each(|member| appended(member, suffixes)),
        _ => {}
    }
}

#[test]
fn a_stack_that_is_called_like_a_part_of_another_has_its_own_or_is_refused() {
    let file = shop();
    let desired = called(&file, "shop");
    let own = deployer(&desired).policies(Purpose::Apply);
    let policies = judged(&own);
    let mut suffixes = BTreeSet::new();
    desired.resources.iter().for_each(|one| appended(&one.spec, &mut suffixes));
    assert!(suffixes.contains("-raw") && suffixes.contains("-app") && suffixes.len() > 5, "{suffixes:?}");
    let (mut refused, mut apart) = (Vec::new(), 0);
    for suffix in suffixes {
        let other = format!("shop{suffix}");
        match stack_name_mistake(&other) {
            Some(mistake) if mistake.contains("has `shop` and") => refused.push(other),
            // No stack is called so.
            Some(_) => {}
            None => {
                let theirs = deployer(&called(&file, &other)).policies(Purpose::Apply);
                is_apart(("shop", &policies), (&other, &theirs));
                is_apart((&other, &judged(&theirs)), ("shop", &own));
                apart += 1;
            }
        }
    }
    assert_eq!(refused, ["shop-raw"]);
    assert!(apart > 3, "{apart}");
}

#[test]
fn no_tag_is_written_on_what_others_made() {
    let endpoint = "arn:aws:ec2:eu-north-1:123456789012:vpc-endpoint/vpce-1";
    let provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    let own = ("aws:RequestTag/lakewright:stack", "shop");
    let (mut serverless, mut trusting) = (0, 0);
    let ci = parse(Path::new("ci.toml"), CI, None).unwrap();
    for (name, mut stack) in stacks().into_iter().chain([("ci.toml".to_owned(), ci)]) {
        stack.file.stack.name.value = "shop".to_owned();
        let desired = desired(&stack);
        let policies = judged(&deployer(&desired).policies(Purpose::Apply));
        let setup = judged(&deployer(&desired).policies(Purpose::Setup));
        let has = |kind: &str| desired.resources.iter().any(|one| one.address.kind == kind);
        // An endpoint is tagged for MSK while it is made.
        let of_msk = [
            ("aws:RequestTag/AWSMSKManaged", "true"),
            ("aws:RequestTag/ClusterArn", "arn:aws:kafka:eu-north-1:123456789012:cluster/shop/1-s1"),
        ];
        let made = [of_msk[0], of_msk[1], ("ec2:CreateAction", "CreateVpcEndpoint")];
        assert!(!allows(&policies, "ec2:CreateTags", endpoint, &of_msk), "{name}");
        assert_eq!(allows(&policies, "ec2:CreateTags", endpoint, &made), has("serverless_cluster"), "{name}");
        serverless += usize::from(has("serverless_cluster"));
        // Nothing says whether a provider is being made.
        for action in ["iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"] {
            assert!(!allows(&policies, action, provider, &[own]), "{name}: {action}");
            assert_eq!(allows(&setup, action, provider, &[own]), has("oidc_provider"), "{name}: {action}");
        }
        trusting += usize::from(has("oidc_provider"));
    }
    assert!(serverless > 0 && trusting > 0, "{serverless} {trusting}");
}
