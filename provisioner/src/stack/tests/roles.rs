//! Roles: their path, their boundary, and for whom the services act that they trust.

use serde_json::{Value, json};

use super::{expanded, mistakes, shipped, spec};

#[test]
fn roles_stand_under_the_stacks_path_and_within_its_boundary() {
    let desired = expanded(&shipped("production.toml"));
    let mut roles = 0;
    for resource in &desired.resources {
        let kind = resource.address.kind.as_str();
        if ["role", "instance_profile"].contains(&kind) {
            assert_eq!(resource.spec["path"], "/lakewright/shop-production/", "{}", resource.address);
        }
        if kind == "role" {
            let boundary = "arn:aws:iam::123456789012:policy/shop-production-boundary";
            assert_eq!(resource.spec["permissions_boundary"], boundary, "{}", resource.address);
            roles += 1;
        }
    }
    assert!(roles > 3);
    let said =
        mistakes("[stack]\nname = \"shop\"\npermissions_boundary = \"shop-boundary\"\nstate_bucket = \"A\"\n", &[]);
    assert!(said.contains("no managed policy") && said.contains("\"policy/shop-boundary\""), "{said}");
    assert!(said.contains("the bucket of the leases can't be named `A`"), "{said}");
}

#[test]
fn services_act_for_the_stacks_account_and_things() {
    let desired = expanded(&shipped("production.toml"));
    let condition = |role: &str| spec(&desired, role)["trust"]["Statement"][0]["Condition"].clone();
    let for_whom = |source: &str| {
        json!({
            "StringEquals": {"aws:SourceAccount": ["123456789012"]},
            "ArnLike": {"aws:SourceArn": [source]},
        })
    };
    let jobs = "arn:aws:emr-serverless:eu-north-1:123456789012:/applications/*";
    assert_eq!(condition("role.batch-jobs"), for_whom(jobs));
    let logs = "arn:aws:ec2:eu-north-1:123456789012:vpc-flow-log/*";
    assert_eq!(condition("role.flow-logs"), for_whom(logs));
    assert_eq!(condition("role.app"), Value::Null, "EC2 says for nobody");
}
