//! The mappings against the services that they speak of and against AWS's reference.

use std::path::Path;

use lakewright_iam::reference;
use serde_json::{Value, json};

use super::*;
use crate::state::with_state;

const ACCOUNT: &str = "123456789012";

fn request(operation: &str, input: Value) -> Request {
    Request {
        account: ACCOUNT.to_owned(),
        region: "eu-north-1".to_owned(),
        access_key: ACCOUNT.to_owned(),
        operation: operation.to_owned(),
        input,
        request_id: "r".to_owned(),
    }
}

/// What a call asks for; nothing when the operation isn't known.
fn asked(service: &str, operation: &str, input: Value) -> Option<Vec<Ask>> {
    let (_, mapping) = MAPPINGS.iter().find(|(name, _)| *name == service)?;
    with_state(|state| {
        let request = request(operation, input);
        let mut asks = Asks::new(state, &request);
        mapping(&mut asks)?;
        Some(asks.done())
    })
}

/// Every operation that a service has, by its signing name, read from the arms of its matches.
fn operations() -> Vec<(String, String)> {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/services");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(services).expect("the services") {
        let path = entry.expect("a service").path();
        let file = if path.is_dir() { path.join("mod.rs") } else { path };
        let text = std::fs::read_to_string(&file).expect("a source");
        let Some((_, rest)) = text.split_once("fn name(&self) -> &'static str {") else { continue };
        let name = literals(rest).next().expect("a name").to_owned();
        let Some((_, handling)) = rest.split_once("fn handle(") else { continue };
        for line in handling.lines().map(str::trim) {
            // The last line of an arm has its arrow; those before it hold nothing but alternatives.
            let (arm, is_last) = line.split_once("=>").map_or((line, false), |(arm, _)| (arm, true));
            if !is_last && arm.contains([':', ',', ';', '.']) {
                continue;
            }
            if arm.starts_with('"') || arm.starts_with("| \"") || arm.starts_with("(\"") {
                let names = literals(arm).filter(|name| {
                    name.len() > 4
                        && name.starts_with(|c: char| c.is_ascii_uppercase())
                        && name.chars().all(|c| c.is_ascii_alphanumeric())
                        && name.chars().any(|c| c.is_ascii_lowercase())
                });
                found.extend(names.map(|operation| (name.clone(), operation.to_owned())));
            }
        }
    }
    found
}

/// The texts in quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// An input that holds whatever any operation may want to name.
fn everything(service: &str) -> Value {
    let arn = |service: &str, resource: &str| format!("arn:aws:{service}:eu-north-1:{ACCOUNT}:{resource}");
    let role = format!("arn:aws:iam::{ACCOUNT}:role/r");
    let tags = json!([{ "Key": "k", "Value": "v", "key": "k", "value": "v", "TagKey": "k", "TagValue": "v" }]);
    let mut all = json!({
        "RoleName": "r", "RoleArn": role, "Role": role, "serviceRole": role, "executionRoleArn": role,
        "PolicyName": "p", "InstanceProfileName": "i", "Url": "https://example.com/", "Path": "/",
        "AssumeRolePolicyDocument": "{}", "ServiceNamespace": "kafka", "ScalableDimension": "d",
        "FunctionName": "f", "Name": "n", "name": "n", "names": ["n"], "projectName": "n", "Rule": "n",
        "KeyId": "11111111-2222-4333-8444-555555555555", "AliasName": "alias/a", "TargetKeyId": "k",
        "SecretId": "s", "SecretIdList": ["s"], "TopicArn": arn("sns", "t"), "QueueName": "q",
        "QueueUrl": format!("https://sqs.eu-north-1.amazonaws.com/{ACCOUNT}/q"),
        "logGroupName": "/g", "logStreamName": "s", "AutoScalingGroupName": "a",
    });
    let more = json!({
        "InstanceId": "i-0123456789abcdef0", "clusterName": "c", "clusterArn": arn("kafka", "cluster/c/u"),
        "arn": arn("kafka", "configuration/c/u"), "configurationInfo": { "arn": arn("kafka", "configuration/c/u") },
        "topicName": "t", "applicationId": "a", "jobRunId": "j", "WorkGroup": "w", "NamedQueryId": "q",
        "QueryExecutionId": "q", "NamedQueryIds": ["q"], "QueryExecutionIds": ["q"], "DatabaseName": "d",
        "DatabaseInput": { "Name": "d" }, "TableName": "t", "TableInput": { "Name": "t" }, "TablesToDelete": ["t"],
        "pipeline": { "name": "p", "roleArn": role }, "BudgetName": "b", "Budget": { "BudgetName": "b" },
        "AlarmName": "a", "AlarmNames": ["a"], "DashboardName": "d", "DashboardNames": ["d"],
    });
    let most = json!({
        "Id": "Z1", "ResourceType": "hostedzone", "ResourceId": "Z1", "ResourceIds": ["Z1"],
        "VPC": { "VPCId": "vpc-1", "VPCRegion": "eu-north-1" }, "ServiceCode": "ec2", "QuotaCode": "L-1",
        "Names": ["/p"], "Tags": tags, "tags": tags, "Tag": tags, "ResourceTags": tags, "LaunchTemplateName": "l",
        "ImageId": "ami-1", "RegistryName": "r", "SchemaName": "s", "SchemaId": { "RegistryName": "r", "SchemaName": "s" },
    });
    let tagged = match service {
        "application-autoscaling" => arn(service, "scalable-target/t"),
        "athena" => arn(service, "workgroup/w"),
        "budgets" => format!("arn:aws:budgets::{ACCOUNT}:budget/b"),
        "codepipeline" => arn(service, "p"),
        "emr-serverless" => arn(service, "/applications/a"),
        "events" => arn(service, "rule/n"),
        "glue" => arn(service, "database/d"),
        "iam" => format!("arn:aws:iam::{ACCOUNT}:policy/p"),
        "kafka" => arn(service, "cluster/c/u"),
        "lambda" => arn(service, "function:f"),
        "logs" => arn(service, "log-group:/g"),
        "monitoring" => arn("cloudwatch", "alarm:a"),
        _ => arn(service, "t"),
    };
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/example.com");
    let named = json!({
        "ResourceARN": tagged, "ResourceArn": tagged, "resourceArn": tagged, "Resource": tagged, "PolicyArn": tagged,
        "OpenIDConnectProviderArn": provider,
    });
    for part in [more, most, named] {
        let members = part.as_object().expect("an object").clone();
        all.as_object_mut().expect("an object").extend(members);
    }
    all
}

#[test]
fn each_operation_of_each_service_is_known() {
    let operations = operations();
    assert!(operations.len() > 300, "the arms of the services' matches are found: {}", operations.len());
    let unknown: Vec<_> =
        operations.iter().filter(|(service, name)| asked(service, name, everything(service)).is_none()).collect();
    assert!(unknown.is_empty(), "nobody says what these ask for: {unknown:?}");
    assert!(asked("ec2", "ConjureVpc", json!({})).is_none());
}

#[test]
fn each_ask_is_one_that_aws_knows() {
    let mut strange = Vec::new();
    for (service, operation) in operations() {
        for ask in asked(&service, &operation, everything(&service)).into_iter().flatten() {
            if !reference::is_asked_on(&ask.action, &ask.resource) {
                strange.push(format!("{service} {operation}: {} on {}", ask.action, ask.resource));
            }
        }
    }
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn tags_of_a_call_are_keys_of_its_ask() {
    let tags = json!({ "Tags": [{ "Key": "lakewright:stack", "Value": "shop" }], "RoleName": "r" });
    let asks = asked("iam", "CreateRole", tags).expect("it is known");
    let actions: Vec<&str> = asks.iter().map(|ask| ask.action.as_str()).collect();
    assert_eq!(actions, ["iam:CreateRole", "iam:TagRole"]);
    assert_eq!(asks[0].keys.one("aws:RequestTag/lakewright:stack"), Some("shop"));
    assert_eq!(asks[0].keys.get("aws:TagKeys"), ["lakewright:stack"]);

    let tagged = json!([{ "ResourceType": "vpc", "Tag": [{ "Key": "a", "Value": "b" }] }]);
    let asks = asked("ec2", "CreateVpc", json!({ "CidrBlock": "10.0.0.0/16", "TagSpecification": tagged }));
    let asks = asks.expect("it is known");
    assert_eq!(asks[1].action, "ec2:CreateTags");
    assert_eq!(asks[1].keys.one("ec2:CreateAction"), Some("CreateVpc"));
    assert_eq!(asks[1].keys.one("aws:RequestTag/a"), Some("b"));
}

#[test]
fn a_role_is_passed_to_a_service() {
    for (service, operation, to) in [
        ("lambda", "CreateFunction", "lambda.amazonaws.com"),
        ("emr-serverless", "StartJobRun", "emr-serverless.amazonaws.com"),
        ("codebuild", "CreateProject", "codebuild.amazonaws.com"),
        ("codepipeline", "CreatePipeline", "codepipeline.amazonaws.com"),
        ("iam", "AddRoleToInstanceProfile", "ec2.amazonaws.com"),
    ] {
        let asks = asked(service, operation, everything(service)).expect("it is known");
        let passed = asks.iter().find(|ask| ask.action == "iam:PassRole").expect("a role is passed");
        assert_eq!(passed.resource, format!("arn:aws:iam::{ACCOUNT}:role/r"));
        assert_eq!(passed.keys.one("iam:PassedToService"), Some(to), "{service} {operation}");
    }
}
