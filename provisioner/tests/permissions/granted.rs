//! What those who plan, apply and adopt may do, asked of an evaluator of IAM and held against AWS's own list of what actions take.

use std::collections::BTreeSet;

use crate::deployer::{BOUNDARY, MADE, OWNED, allowing, allows, deployer, desired, judged, shop, stacks, texts};
use lakewright::kind::On;
use lakewright::kinds;
use lakewright::permissions::{Deployer, Purpose, action};
use lakewright_iam::reference;

const PURPOSES: [Purpose; 4] = [Purpose::Plan, Purpose::Apply, Purpose::Adopt, Purpose::Setup];

#[test]
fn the_deployer_of_a_stack_owns_neither_the_account_nor_another_stack() {
    let of_another = ("aws:ResourceTag/lakewright:stack", "shop-production");
    let taken = ("aws:RequestTag/lakewright:stack", "shop");
    for (name, stack) in stacks() {
        let mut stack = stack;
        stack.file.stack.name.value = "shop".to_owned();
        let desired = desired(&stack);
        let policies = judged(&deployer(&desired).policies(Purpose::Apply));
        for (action, resource, keys) in [
            ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/shop-production-ci", &[of_another][..]),
            (
                "iam:PutRolePolicy",
                "arn:aws:iam::123456789012:role/lakewright/shop-production/shop-production-ci",
                &[of_another],
            ),
            ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/payroll", &[]),
            ("iam:UpdateAssumeRolePolicy", "arn:aws:iam::123456789012:role/shop-production-app", &[of_another]),
            (
                "iam:AttachRolePolicy",
                "arn:aws:iam::123456789012:role/lakewright/shop/shop-app",
                &[("iam:PolicyARN", "arn:aws:iam::aws:policy/AdministratorAccess")],
            ),
            (
                "iam:PassRole",
                "arn:aws:iam::123456789012:role/lakewright/shop/shop-app",
                &[("iam:PassedToService", "sagemaker.amazonaws.com")],
            ),
            (
                "iam:PassRole",
                "arn:aws:iam::123456789012:role/shop-production-app",
                &[("iam:PassedToService", "ec2.amazonaws.com")],
            ),
            (
                "secretsmanager:GetSecretValue",
                "arn:aws:secretsmanager:eu-north-1:123456789012:secret:payroll-AbCdEf",
                &[],
            ),
            (
                "secretsmanager:GetSecretValue",
                "arn:aws:secretsmanager:eu-north-1:123456789012:secret:AmazonMSK_shop-production_kafka-AbCdEf",
                &[of_another],
            ),
            ("kms:PutKeyPolicy", "arn:aws:kms:eu-north-1:123456789012:key/1", &[]),
            ("kms:Decrypt", "arn:aws:kms:eu-north-1:123456789012:key/1", &[]),
            ("kms:Decrypt", "arn:aws:kms:eu-north-1:123456789012:key/1", OWNED),
            ("kms:ScheduleKeyDeletion", "arn:aws:kms:eu-north-1:123456789012:key/1", &[of_another]),
            ("kms:TagResource", "arn:aws:kms:eu-north-1:123456789012:key/1", &[of_another, taken]),
            (
                "kms:TagResource",
                "arn:aws:kms:eu-north-1:123456789012:key/1",
                &[taken, ("kms:ResourceAliases", "alias/payroll")],
            ),
            ("ec2:DeleteVpc", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", &[]),
            ("ec2:DeleteVpc", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", &[of_another]),
            ("ec2:ModifyLaunchTemplate", "arn:aws:ec2:eu-north-1:123456789012:launch-template/lt-1", &[]),
            // Nobody's groups, as a network's default one is, are an administrator's.
            ("ec2:AuthorizeSecurityGroupIngress", "arn:aws:ec2:eu-north-1:123456789012:security-group/sg-1", &[]),
            ("ec2:RevokeSecurityGroupIngress", "arn:aws:ec2:eu-north-1:123456789012:security-group/sg-1", &[]),
            ("ec2:RevokeSecurityGroupEgress", "arn:aws:ec2:eu-north-1:123456789012:security-group/sg-1", &[]),
            (
                "ec2:RevokeSecurityGroupIngress",
                "arn:aws:ec2:eu-north-1:123456789012:security-group/sg-1",
                &[of_another],
            ),
            ("ec2:CreateTags", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", &[taken]),
            ("ec2:CreateTags", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", &[of_another, taken]),
            ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-north-1:123456789012:function:payroll", &[]),
            (
                "lambda:UpdateFunctionCode",
                "arn:aws:lambda:eu-north-1:123456789012:function:shop-production-x",
                &[of_another],
            ),
            ("iam:DeleteOpenIDConnectProvider", "arn:aws:iam::123456789012:oidc-provider/oidc.eks.example.com", &[]),
            ("iam:AddClientIDToOpenIDConnectProvider", "arn:aws:iam::123456789012:oidc-provider/example.okta.com", &[]),
            ("s3:PutObject", "arn:aws:s3:::lakewright-123456789012-eu-north-1/stacks/shop-production.json", &[]),
            ("s3:PutBucketPolicy", "arn:aws:s3:::lakewright-123456789012-eu-north-1", &[]),
            ("s3:GetObject", "arn:aws:s3:::payroll/x", &[]),
            (
                "iam:CreateServiceLinkedRole",
                "arn:aws:iam::123456789012:role/aws-service-role/x/y",
                &[("iam:AWSServiceName", "organizations.amazonaws.com")],
            ),
            ("logs:PutSubscriptionFilter", "arn:aws:logs:eu-north-1:123456789012:log-group:payroll", &[]),
            ("logs:PutResourcePolicy", "*", &[]),
            ("glue:CreateJob", "arn:aws:glue:eu-north-1:123456789012:job/x", &[]),
            ("glue:DeleteTable", "arn:aws:glue:eu-north-1:123456789012:table/shop_production/x", &[]),
            (
                "autoscaling:CreateOrUpdateTags",
                "arn:aws:autoscaling:eu-north-1:123456789012:autoScalingGroup:1:autoScalingGroupName/payroll",
                &[taken],
            ),
            ("sqs:DeleteQueue", "arn:aws:sqs:eu-north-1:123456789012:payroll", &[]),
            ("events:PutRule", "arn:aws:events:eu-north-1:123456789012:rule/payroll", &[taken]),
            (
                "cloudwatch:PutMetricAlarm",
                "arn:aws:cloudwatch:eu-north-1:123456789012:alarm:shop-production-x",
                &[taken, of_another],
            ),
            ("cloudwatch:DeleteDashboards", "arn:aws:cloudwatch::123456789012:dashboard/shop-production", &[]),
        ] {
            // The tag is the stack's own where it says so: that a key is used by way of a service is another matter.
            assert!(!allows(&policies, action, resource, keys), "{name}: {action} on {resource} with {keys:?}");
        }
    }
}

#[test]
fn what_a_stack_takes_is_allowed_on_its_own() {
    let desired = desired(&shop());
    let policies = judged(&deployer(&desired).policies(Purpose::Apply));
    let via = ("kms:ViaService", "s3.eu-north-1.amazonaws.com");
    for (action, resource, keys) in [
        ("ec2:CreateVpc", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", MADE),
        ("ec2:CreateSubnet", "arn:aws:ec2:eu-north-1:123456789012:subnet/subnet-1", MADE),
        ("ec2:CreateSubnet", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", OWNED),
        (
            "ec2:CreateTags",
            "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1",
            &[MADE[0], ("ec2:CreateAction", "CreateVpc")],
        ),
        ("ec2:CreateTags", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", OWNED),
        ("ec2:DeleteVpc", "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-1", OWNED),
        ("ec2:RevokeSecurityGroupIngress", "arn:aws:ec2:eu-north-1:123456789012:security-group/sg-1", OWNED),
        ("ec2:RunInstances", "arn:aws:ec2:eu-north-1:123456789012:launch-template/lt-1", OWNED),
        ("iam:CreateRole", "arn:aws:iam::123456789012:role/lakewright/shop/shop-app", MADE),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/lakewright/shop/shop-app", &[]),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/shop-app", OWNED),
        ("iam:DeleteRole", "arn:aws:iam::123456789012:role/shop-gone", OWNED),
        (
            "iam:PassRole",
            "arn:aws:iam::123456789012:role/lakewright/shop/shop-app",
            &[("iam:PassedToService", "ec2.amazonaws.com")],
        ),
        ("kms:CreateKey", "*", MADE),
        ("kms:TagResource", "arn:aws:kms:eu-north-1:123456789012:key/1", MADE),
        ("kms:PutKeyPolicy", "arn:aws:kms:eu-north-1:123456789012:key/1", OWNED),
        ("kms:Decrypt", "arn:aws:kms:eu-north-1:123456789012:key/1", &[OWNED[0], via]),
        ("s3:CreateBucket", "arn:aws:s3:::shop-raw-123456789012", &[]),
        ("s3:PutObject", "arn:aws:s3:::shop-artifacts-123456789012/hosts/app/stream.toml", &[]),
        ("s3:GetObject", "arn:aws:s3:::shop-raw-123456789012/raw/users/metadata/00000.metadata.json", &[]),
        ("s3:PutObject", "arn:aws:s3:::lakewright-123456789012-eu-north-1/stacks/shop.json", &[]),
        ("s3:GetObjectVersion", "arn:aws:s3:::lakewright-123456789012-eu-north-1/stacks/shop.json", &[]),
        ("glue:CreateTable", "arn:aws:glue:eu-north-1:123456789012:table/shop_raw/users", &[]),
        ("kafka:CreateTopic", "arn:aws:kafka:eu-north-1:123456789012:topic/shop/uuid/iceberg_events", &[]),
        ("logs:CreateLogGroup", "arn:aws:logs:eu-north-1:123456789012:log-group:/lakewright/shop/stream", MADE),
        ("athena:CreateWorkGroup", "arn:aws:athena:eu-north-1:123456789012:workgroup/shop", MADE),
        ("emr-serverless:CreateApplication", "*", MADE),
        ("emr-serverless:DeleteApplication", "arn:aws:emr-serverless:eu-north-1:123456789012:/applications/1", OWNED),
        ("ssm:GetParameters", "arn:aws:ssm:eu-north-1::parameter/aws/service/ami-amazon-linux-latest/x", &[]),
    ] {
        assert!(allows(&policies, action, resource, keys), "{action} on {resource} with {keys:?}");
    }
}

const ADMINISTRATOR: &str = "an administrator's: whoever applies a stack doesn't write what those may do who apply it";

/// Actions of kinds that a stack has and that it needs only sometimes, each with when.
const SOMETIMES: &[(&str, &str)] = &[
    ("iam:CreatePolicy", ADMINISTRATOR),
    ("iam:CreatePolicyVersion", ADMINISTRATOR),
    ("iam:DeletePolicy", ADMINISTRATOR),
    ("iam:DeletePolicyVersion", ADMINISTRATOR),
    ("iam:ListPolicyVersions", ADMINISTRATOR),
    ("iam:CreateOpenIDConnectProvider", ADMINISTRATOR),
    ("iam:AttachRolePolicy", "where a role attaches a policy"),
    ("iam:DeleteRolePermissionsBoundary", "where no boundary is said"),
    ("codeconnections:PassConnection", "for connections of that service"),
    ("codestar-connections:PassConnection", "for connections of that service"),
    ("iam:CreateServiceLinkedRole", "for kinds that say whose"),
];

#[test]
fn every_action_of_every_kind_has_a_right() {
    for kind in kinds::all() {
        for said in kind.actions() {
            let (service, operation) = said.split_once(':').unwrap();
            let needed = action(service, operation);
            let has = |actions: &[&str]| actions.contains(&needed.as_str());
            let of_kinds = kinds::all().iter().flat_map(|kind| kind.facts().rights).any(|right| has(right.actions));
            let always = ["tag:GetResources", "sts:GetCallerIdentity"].contains(&needed.as_str());
            let by_others = SOMETIMES.contains(&(needed.as_str(), ADMINISTRATOR));
            assert!(of_kinds || always || by_others, "{}: no right says how far {needed} goes", kind.name());
        }
    }
}

#[test]
fn words_of_rights_are_words_of_kinds() {
    let known: BTreeSet<&str> = kinds::all().iter().flat_map(|kind| kind.facts().arns).map(|(word, _)| *word).collect();
    for right in kinds::all().iter().flat_map(|kind| kind.facts().rights) {
        if let On::Named(words) = right.on {
            assert!(words.iter().all(|word| known.contains(word)), "{words:?}");
        }
    }
}

#[test]
fn what_the_kinds_of_a_stack_ask_for_is_allowed_somehow() {
    for (name, stack) in stacks() {
        let desired = desired(&stack);
        let policies = deployer(&desired).policies(Purpose::Apply);
        let allowed: BTreeSet<&str> = allowing(&policies).flat_map(|statement| texts(&statement["Action"])).collect();
        let present: BTreeSet<&str> = desired.resources.iter().map(|one| one.address.kind.as_str()).collect();
        for said in present.iter().flat_map(|kind| kinds::named(kind).unwrap().actions()) {
            let (service, operation) = said.split_once(':').unwrap();
            let needed = action(service, operation);
            let sometimes = SOMETIMES.iter().any(|(action, _)| *action == needed);
            assert!(allowed.contains(needed.as_str()) || sometimes, "{name}: {needed} isn't allowed on anything");
        }
    }
}

/// A resource of a statement as each of the types that an action takes of it.
fn as_types(action: &str, resource: &str) -> Vec<String> {
    match resource.strip_suffix(":*/*").filter(|head| head.contains(":ec2:")) {
        Some(head) => {
            let types = reference::action(action).map_or(&[][..], |action| &action.types);
            types.iter().map(|one| format!("{head}:{}/x", one.name)).collect()
        }
        None => vec![resource.to_owned()],
    }
}

#[test]
fn what_is_allowed_is_what_aws_can_limit_so() {
    let mut everything = BTreeSet::new();
    for (name, stack) in stacks() {
        let desired = desired(&stack);
        for boundary in [None, Some(BOUNDARY)] {
            for purpose in PURPOSES {
                let policies = Deployer { boundary, ..deployer(&desired) }.policies(purpose);
                for statement in allowing(&policies) {
                    let resources = texts(&statement["Resource"]);
                    let operators = statement["Condition"].as_object().into_iter().flatten();
                    let keys: Vec<&String> = operators
                        .flat_map(|(_, keys)| keys.as_object().into_iter().flatten())
                        .map(|(key, _)| key)
                        .collect();
                    for action in texts(&statement["Action"]) {
                        assert!(!action.contains('*'), "{name}: {action}");
                        // The same permission by the service's old name, which AWS asks for with ARNs of the new one, too.
                        if action.starts_with("codestar-connections:") {
                            continue;
                        }
                        assert!(reference::action(action).is_some(), "{name}: {action} isn't in the reference");
                        let takes = |resource: &&str| {
                            as_types(action, resource).iter().any(|resource| {
                                let kind = reference::type_of(action, resource).map(|kind| kind.name.as_str());
                                reference::is_asked_on(action, resource)
                                    && keys.iter().all(|key| reference::supports(action, kind.or(Some("")), key))
                            })
                        };
                        assert!(
                            resources.iter().any(takes),
                            "{name} {purpose:?}: {action} is never allowed on {resources:?} with {keys:?}"
                        );
                        if resources.contains(&"*") {
                            everything.insert(action.to_owned());
                        }
                    }
                }
            }
        }
    }
    // Each of them is listed for those who judge what can't be limited.
    let listed = include_str!("../../../docs/security.md");
    for action in everything {
        assert!(listed.contains(&format!("`{action}`")), "docs/security.md doesn't list {action}");
    }
}

#[test]
fn secrets_of_a_stack_are_made_read_and_rotated_by_who_applies_it() {
    let (_, mut stack) = stacks().into_iter().find(|(name, _)| name == "minimal.toml").unwrap();
    stack.file.stack.name.value = "shop".to_owned();
    let desired = desired(&stack);
    let policies = judged(&deployer(&desired).policies(Purpose::Apply));
    let secret = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:AmazonMSK_shop_kafka-AbCdEf";
    for (operation, keys) in [("CreateSecret", MADE), ("GetSecretValue", OWNED), ("PutSecretValue", OWNED)] {
        let action = format!("secretsmanager:{operation}");
        assert!(allows(&policies, &action, secret, keys), "{action} with {keys:?}");
        assert!(!allows(&policies, &action, &secret.replace("shop", "payroll"), keys), "{action} on another's");
    }

    // One that logs in by IAM lets go of the users that it had before.
    let (_, mut stack) = stacks().into_iter().find(|(name, _)| name == "cheapest.toml").unwrap();
    stack.file.stack.name.value = "shop".to_owned();
    let desired = self::desired(&stack);
    let policies = judged(&deployer(&desired).policies(Purpose::Apply));
    let cluster = "arn:aws:kafka:eu-north-1:123456789012:cluster/shop/0a-1";
    assert!(allows(&policies, "kafka:BatchDisassociateScramSecret", cluster, OWNED));
    assert!(!allows(&policies, "kafka:BatchDisassociateScramSecret", cluster, &[]));
}

#[test]
fn no_plan_reads_what_is_secret() {
    for (name, stack) in stacks() {
        let mut stack = stack;
        stack.file.stack.name.value = "shop".to_owned();
        let desired = desired(&stack);
        for purpose in [Purpose::Plan, Purpose::Apply] {
            let policies = judged(&deployer(&desired).policies(purpose));
            for (action, resource) in [
                ("ssm:GetParameter", "arn:aws:ssm:eu-north-1:123456789012:parameter/payroll"),
                ("ssm:GetParameters", "arn:aws:ssm:eu-north-1:123456789012:parameter/payroll"),
                ("ssm:GetParametersByPath", "arn:aws:ssm:eu-north-1:123456789012:parameter/payroll"),
                ("logs:GetLogEvents", "arn:aws:logs:eu-north-1:123456789012:log-group:payroll:log-stream:x"),
                ("logs:GetLogEvents", "arn:aws:logs:eu-north-1:123456789012:log-group:/lakewright/shop/x:log-stream:x"),
                ("glue:GetConnection", "arn:aws:glue:eu-north-1:123456789012:connection/payroll"),
                ("glue:GetConnections", "arn:aws:glue:eu-north-1:123456789012:catalog"),
                ("lambda:GetFunction", "arn:aws:lambda:eu-north-1:123456789012:function:payroll"),
                ("codebuild:BatchGetProjects", "arn:aws:codebuild:eu-north-1:123456789012:project/payroll"),
                ("athena:GetQueryResults", "arn:aws:athena:eu-north-1:123456789012:workgroup/primary"),
                ("sqs:ReceiveMessage", "arn:aws:sqs:eu-north-1:123456789012:payroll"),
                (
                    "secretsmanager:GetSecretValue",
                    "arn:aws:secretsmanager:eu-north-1:123456789012:secret:payroll-AbCdEf",
                ),
                ("s3:GetObject", "arn:aws:s3:::payroll/x"),
                ("s3:GetObject", "arn:aws:s3:::shop-raw-123456789012/raw/users/data/x.parquet"),
            ] {
                assert!(!allows(&policies, action, resource, &[]), "{name} {purpose:?}: {action} on {resource}");
            }
        }
        let plan = deployer(&desired).policies(Purpose::Plan);
        for action in allowing(&plan).flat_map(|statement| texts(&statement["Action"])) {
            let level = reference::action(action).map(|action| action.level);
            let reads = matches!(level, Some(reference::Level::List | reference::Level::Read));
            let others = ["kafka-cluster:Connect", "kms:Decrypt"].contains(&action);
            assert!(reads || others, "{name}: a plan may {action}");
            assert_ne!(action, "secretsmanager:GetSecretValue");
        }
    }
}

#[test]
fn policies_have_the_sizes_that_iam_takes() {
    for (name, stack) in stacks() {
        let desired = desired(&stack);
        for boundary in [None, Some(BOUNDARY)] {
            for purpose in PURPOSES {
                let policies = Deployer { boundary, is_own: true, ..deployer(&desired) }.policies(purpose);
                assert!(policies.len() <= 10, "{name} {purpose:?}: {} policies", policies.len());
                for policy in policies {
                    assert!(policy.to_string().len() <= 6144, "{name} {purpose:?}: {}", policy.to_string().len());
                }
            }
        }
        for role in desired.resources.iter().filter(|one| one.address.kind == "role") {
            let policies = role.spec["policies"].as_object().unwrap();
            let size: usize = policies.values().map(|policy| policy.to_string().len()).sum();
            assert!(size <= 10_240, "{name}: the policies of {} have {size} characters", role.address);
        }
    }
}
