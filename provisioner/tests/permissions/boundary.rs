//! What a stack's roles may do, their boundary, and what takes a policy of its own, asked of an evaluator of IAM.

use std::collections::BTreeSet;
use std::path::Path;

use crate::deployer::{BOUNDARY, MADE, OWNED, allowing, allows, deployer, desired, judged, shop, stacks, texts};
use lakewright::permissions::{Deployer, Purpose};
use lakewright_iam::reference;
use serde_json::Value;

/// The roles that apply a stack.
const DEPLOYERS: [&str; 3] = ["ci", "pipeline-apply", "pipeline-plan"];

#[test]
fn a_boundary_is_demanded_and_kept() {
    let desired = desired(&shop());
    let bounded = Deployer { boundary: Some(BOUNDARY), is_own: true, ..deployer(&desired) };
    let policies = judged(&bounded.policies(Purpose::Apply));
    let role = "arn:aws:iam::123456789012:role/lakewright/shop/shop-app";
    let within = ("iam:PermissionsBoundary", BOUNDARY);
    for (action, keys) in [
        ("iam:CreateRole", MADE),
        ("iam:PutRolePolicy", &[][..]),
        ("iam:UpdateAssumeRolePolicy", &[]),
        ("iam:PutRolePermissionsBoundary", &[]),
    ] {
        let with: Vec<(&str, &str)> = keys.iter().copied().chain([within]).collect();
        assert!(allows(&policies, action, role, &with), "{action}");
        assert!(!allows(&policies, action, role, keys), "{action} without a boundary");
        let other: Vec<(&str, &str)> = keys
            .iter()
            .copied()
            .chain([("iam:PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess")])
            .collect();
        assert!(!allows(&policies, action, role, &other), "{action} with another boundary");
    }
    // Not even somebody who may do anything beside it.
    let anything: Value = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let mut all = bounded.policies(Purpose::Apply);
    all.push(anything);
    let policies = judged(&all);
    assert!(!allows(&policies, "iam:DeleteRolePermissionsBoundary", role, &[within]));
    for action in
        ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion"]
    {
        assert!(!allows(&policies, action, BOUNDARY, &[]), "{action}");
    }
    for part in DEPLOYERS {
        for path in ["", "lakewright/shop/"] {
            let own = format!("arn:aws:iam::123456789012:role/{path}shop-{part}");
            for action in [
                "iam:PutRolePolicy",
                "iam:AttachRolePolicy",
                "iam:UpdateAssumeRolePolicy",
                "iam:DeleteRole",
                "iam:TagRole",
            ] {
                assert!(!allows(&policies, action, &own, &[within, OWNED[0]]), "{action} on {own}");
            }
        }
    }
}

#[test]
fn the_roles_of_a_stack_fit_in_the_boundary_that_is_printed() {
    for (name, stack) in stacks() {
        let mut stack = stack;
        if stack.file.stack.permissions_boundary.is_none() {
            let text = format!("[stack]\nname = \"xy\"\npermissions_boundary = \"{BOUNDARY}\"\n");
            let bounded = lakewright::stack::parse(Path::new("x.toml"), &text, None).unwrap();
            stack.file.stack.permissions_boundary = bounded.file.stack.permissions_boundary;
        }
        let desired = desired(&stack);
        let deployer = deployer(&desired);
        let bounds = deployer.bounds().unwrap_or_else(|| panic!("{name}: no policy holds it"));
        assert!(bounds.to_string().len() <= 6144, "{name}");
        for arn in deployer.boundaries() {
            assert_eq!(deployer.lacking(&arn, &bounds).unwrap(), [], "{name}");
            let nothing = serde_json::json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]});
            let lacking = deployer.lacking(&arn, &nothing).unwrap();
            assert!(lacking.iter().all(|lack| lack.action.starts_with("s3:")), "{name}: {lacking:?}");
        }
        for resource in desired.resources.iter().filter(|one| one.address.kind == "role") {
            let deploys = DEPLOYERS.contains(&resource.address.name.as_str());
            assert_eq!(resource.spec["permissions_boundary"].is_null(), deploys, "{name}: {}", resource.address);
        }
        // What it bounds is the stack's: it opens nothing of others.
        let policies = judged(std::slice::from_ref(&bounds));
        for (action, resource) in [
            ("s3:GetObject", "arn:aws:s3:::payroll/x"),
            ("iam:CreateRole", "arn:aws:iam::123456789012:role/x"),
            ("kms:Decrypt", "arn:aws:kms:eu-north-1:123456789012:key/1"),
            ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-north-1:123456789012:secret:payroll-AbCdEf"),
        ] {
            assert!(!allows(&policies, action, resource, &[]), "{name}: {action}");
        }
    }
}

#[test]
fn adopting_takes_a_policy_of_its_own() {
    let desired = desired(&shop());
    let apply = deployer(&desired).policies(Purpose::Apply);
    let adopt = deployer(&desired).policies(Purpose::Adopt);
    for (action, resource) in [
        ("ec2:CreateTags", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1"),
        ("kms:TagResource", "arn:aws:kms:eu-north-1:123456789012:key/1"),
        ("iam:TagRole", "arn:aws:iam::123456789012:role/shop-app"),
        ("sns:TagResource", "arn:aws:sns:eu-north-1:123456789012:alerts"),
    ] {
        let keys = [MADE[0], ("kms:ResourceAliases", "alias/payroll")];
        assert!(!allows(&judged(&apply), action, resource, &keys), "{action}");
        let is_present = allowing(&adopt).any(|statement| texts(&statement["Action"]).contains(&action));
        assert_eq!(allows(&judged(&adopt), action, resource, &keys), is_present, "{action}");
    }
    assert!(allows(&judged(&adopt), "ec2:CreateTags", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", MADE));
}

#[test]
fn what_a_stacks_roles_may_do_is_what_aws_knows() {
    let mut known = BTreeSet::new();
    for (name, stack) in stacks() {
        let desired = desired(&stack);
        for role in desired.resources.iter().filter(|one| one.address.kind == "role") {
            let policies: Vec<_> = role.spec["policies"].as_object().unwrap().values().cloned().collect();
            for statement in allowing(&policies) {
                let resources = texts(&statement["Resource"]);
                for action in texts(&statement["Action"]) {
                    let is_known = reference::covered_by(action).next().is_some();
                    assert!(is_known, "{name} {}: {action} is unknown", role.address);
                    // What stands in a log group is meant by `:*`, streams among it.
                    let taken = |resource: &&str| {
                        let is_pattern = resource.contains("${") || *resource == "*" || resource.ends_with(":*");
                        // Connections are asked for by their former service's name too.
                        let is_former = action.starts_with("codestar-connections:");
                        let is_asked = |one: &reference::Action| reference::is_asked_on(&one.name, resource);
                        is_pattern || is_former || reference::covered_by(action).any(is_asked)
                    };
                    assert!(resources.iter().any(taken), "{name} {}: {action} on {resources:?}", role.address);
                    known.insert(action.to_owned());
                }
            }
        }
    }
    assert!(known.contains("ssm:UpdateInstanceInformation") && known.len() > 30, "{known:?}");
}
