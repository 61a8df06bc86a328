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

#[test]
fn roles_are_bounded_by_a_policy_of_their_own_account() {
    let found = |lines: &str| mistakes(&format!("[stack]\nname = \"shop\"\n{lines}"), &[]);
    let bounded = |account: &str| format!("permissions_boundary = \"arn:aws:iam::{account}:policy/teams/shop\"\n");
    let own = "account = \"123456789012\"\n";
    let said = found(&format!("{own}{}", bounded("210987654321")));
    assert!(
        said.contains("the stack belongs to the account 123456789012") && said.contains("to 210987654321"),
        "{said}"
    );
    assert!(said.contains("a policy of 210987654321") && said.contains("write \"policy/teams/shop\""), "{said}");
    let role = "role = \"arn:aws:iam::123456789012:role/deployer\"\n";
    assert!(found(&format!("{role}{}", bounded("210987654321"))).contains("a policy of 210987654321"));
    let china = format!("region = \"cn-north-1\"\n{}", bounded("123456789012"));
    assert!(found(&china).contains("a policy of the partition aws"), "{}", found(&china));
    for fine in [bounded("123456789012"), bounded("aws"), "permissions_boundary = \"policy/shop\"\n".to_owned()] {
        assert_eq!(found(&format!("{own}{fine}")), "no mistakes", "{fine}");
    }
    // Without an account in the file it is known when somebody applies it.
    let text = format!("[stack]\nname = \"shop\"\n{}", bounded("210987654321"));
    let stack = super::super::parse(std::path::Path::new("shop.toml"), &text, None).expect("no mistakes yet");
    let foreign = |account: &str| super::super::foreign_boundary(&stack, account);
    assert!(foreign("210987654321").is_none());
    assert_eq!(foreign("123456789012").expect("another account's").label, "a policy of 210987654321");
}
