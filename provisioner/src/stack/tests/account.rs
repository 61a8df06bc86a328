//! The account that a stack belongs to, and the role that it is applied as.

use serde_json::{Value, json};

use super::{expanded, mistakes, parsed, spec};
use crate::plan::AssumedRole;
use crate::resource::Desired;

const ROLE: &str = "arn:aws:iam::123456789012:role/teams/deployer";
/// A bucket of what hosts, jobs and builds run, and a pipeline.
const MORE: &str = "[buckets.artifacts]\n[pipeline]\nrepository = \"octocat/shop\"\nstack = \"shop.toml\"\n\
                    connection = \"arn:aws:codeconnections:eu-north-1:123456789012:connection/a\"\n";

fn stack(lines: &str) -> String {
    format!("[stack]\nname = \"shop\"\n{lines}\n")
}

#[test]
fn a_role_says_which_account_a_stack_belongs_to() {
    let of = |lines: &str| parsed(&stack(lines)).file.stack;
    let named = of(&format!("role = \"{ROLE}\"\nexternal_id = \"ours\""));
    assert_eq!(named.only_account(), Some("123456789012"));
    assert_eq!(named.assumed_role(), Some(AssumedRole { arn: ROLE.to_owned(), external_id: Some("ours".to_owned()) }));
    assert_eq!(of("account = \"210987654321\"").only_account(), Some("210987654321"));
    assert_eq!((of("").only_account(), of("").assumed_role()), (None, None));
    for (region, partition) in
        [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]
    {
        let named = of(&format!("region = \"{region}\"\nrole = \"arn:{partition}:iam::123456789012:role/deployer\""));
        assert_eq!(named.only_account(), Some("123456789012"), "{region}");
    }
}

#[test]
fn a_role_is_one_of_the_stacks_account_and_partition() {
    for (lines, said) in [
        (
            "account = \"210987654321\"\nrole = \"ROLE\"",
            "belongs to the account 210987654321, and its role to 123456789012",
        ),
        ("region = \"cn-north-1\"\nrole = \"ROLE\"", "the region cn-north-1 is of the partition aws-cn"),
        ("role = \"role/deployer\"", "`role/deployer` is no role that could be assumed"),
        ("role = \"arn:aws:iam::123456789012:user/deployer\"", "no ARN of a role"),
        ("role = \"arn:aws:iam::123:role/deployer\"", "no ARN of a role"),
        ("role = \"arn:aws:iam::123456789012:role/*\"", "no ARN of a role"),
        ("external_id = \"ours\"", "an external id without a role"),
        ("role = \"ROLE\"\nexternal_id = \"o\"", "`o` is no external id"),
        ("role = \"ROLE\"\nexternal_id = \"our id\"", "`our id` is no external id"),
    ] {
        let text = mistakes(&stack(&lines.replace("ROLE", ROLE)), &[]);
        assert!(text.contains(said) && text.matches("error: ").count() == 1, "{lines}\n{text}");
    }
    assert_eq!(mistakes(&stack(&format!("account = \"123456789012\"\nrole = \"{ROLE}\"")), &[]), "no mistakes");
}

#[test]
fn the_role_is_a_deployer_and_builds_need_none() {
    let desired = |lines: &str| expanded(&parsed(&format!("{}{MORE}", stack(lines))));
    let as_role = desired(&format!("role = \"{ROLE}\"\ndeployers = []"));
    let statements = spec(&as_role, "bucket.artifacts")["policy"]["Statement"].clone();
    let statement = statements.as_array().expect("a list").iter().find(|one| one["Sid"] == "CodeByDeployers");
    let allowed = &statement.expect("a statement")["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
    assert!(allowed.as_array().expect("a list").contains(&json!(ROLE)), "{allowed}");
    // A pipeline stands in the account, with roles of its own.
    let builds = ["build_project.pipeline-plan", "build_project.pipeline-apply"];
    let says_so = |desired: &Desired| {
        builds.map(|build| {
            let spec: &Value = spec(desired, build);
            spec["buildspec"].as_str().expect("text").contains("--no-role")
        })
    };
    assert_eq!(says_so(&as_role), [true, true]);
    assert_eq!(says_so(&desired("")), [false, false]);
}
