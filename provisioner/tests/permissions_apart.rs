//! No stack's deployer reaches into another stack, whatever the two are called, asked of an evaluator of IAM.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod deployer;

use deployer::{allowing, allows, deployer, desired, judged, shop, texts};
use lakewright::permissions::Purpose;
use lakewright_iam::reference;
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

/// A resource that a pattern takes.
fn one_of(pattern: &str) -> String {
    pattern.replace("??????", "AbCdEf").replace('*', "x1")
}

#[test]
fn no_stack_reaches_into_another_whatever_their_names() {
    let names =
        ["shop", "shop-production", "shop-ci", "shop2", "sho", "a1", "a1-b", "a1-b-c", "prod", "x-shop", "shop-x"];
    let file = shop();
    let of = |name: &str| {
        let mut stack = file.clone();
        stack.file.stack.name.value = name.to_owned();
        desired(&stack)
    };
    let all: Vec<(&str, Vec<Value>)> =
        names.iter().map(|name| (*name, deployer(&of(name)).policies(Purpose::Apply))).collect();
    for (one, own) in &all {
        let policies = judged(own);
        for (other, theirs) in all.iter().filter(|(other, _)| other != one) {
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
                        let is_read = reference::action(action).is_none_or(|action| {
                            matches!(action.level, reference::Level::List | reference::Level::Read)
                        });
                        let is_new = (makes && action.starts_with("ec2:")) || action == "ec2:RunInstances";
                        if is_read || is_new || reference::type_of(action, &resource).is_none() {
                            continue;
                        }
                        tried += 1;
                        let tagged = [
                            ("aws:ResourceTag/lakewright:stack", *other),
                            ("aws:RequestTag/lakewright:stack", *one),
                            ("iam:PassedToService", "ec2.amazonaws.com"),
                            ("kms:ResourceAliases", "alias/theirs"),
                            ("kms:ViaService", "s3.eu-north-1.amazonaws.com"),
                            ("kms:GrantIsForAWSResource", "true"),
                        ];
                        assert!(
                            !allows(&policies, action, &resource, &tagged),
                            "{one}: {action} on {other}'s {resource}"
                        );
                    }
                }
            }
            assert!(tried > 50, "{one} {other}: {tried}");
        }
    }
}
