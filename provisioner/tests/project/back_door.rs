//! `lakewright check` finds every line of a stack that is a back door.

use std::path::Path;

use lakewright::checks::{Finding, findings};
use lakewright::stack::{Artifact, Given, Programs, Target, expand, load};

/// Each line of `back_door.toml`, as its rule says it.
const FOUND: &[(&str, &str, &str)] = &[
    ("bucket-without-key", "bucket.raw", "only S3's own keys encrypt its objects"),
    ("open-trust", "role.helper", "everybody on AWS may become it"),
    ("foreign-policy", "role.helper", "arn:aws:iam::666666666666:policy/anything is attached"),
    ("not-action", "role.helper", "its policy p allows every action but s3:NoSuch"),
    ("iam-write", "role.helper", "its policy p allows iam:* on anything"),
    ("wildcard-iam", "role.helper", "its policy p allows iam:* on everything"),
    ("pass-role-any", "role.helper", "its policy p allows to pass and become any role"),
    ("iam-write", "role.helper", "its policy p allows iam:CreateAccessKey on anything"),
    ("open-policy", "key.k", "its policy lets everybody do kms:*"),
    ("open-policy", "sns_topic.t", "its policy lets everybody do SNS:*"),
    ("topic-without-key", "sns_topic.t", "its messages aren't encrypted at rest"),
    ("url-with-credentials", "sns_topic.t", "https[0] holds an address with a password"),
    ("open-ingress", "security_group.sg", "the whole internet may come in by every protocol"),
    ("open-policy", "queue.q", "its policy lets everybody do sqs:*"),
    ("bucket-public", "bucket.b", "public access isn't blocked"),
    ("open-policy", "bucket.b", "its policy lets everybody do everything but s3:NoSuch"),
    ("not-action", "bucket.b", "its policy allows every action but s3:NoSuch"),
    ("metadata-hops", "launch_template.l", "the metadata service's answers go 2 hops far"),
    ("search-open", "launch_template.l", "its search index asks for no login"),
    ("log-group-without-key", "log_group.g", "only CloudWatch's own keys encrypt its entries"),
    ("open-trust", "role.pusher", "whoever has a token of ${oidc_provider.o.arn} may become it"),
];

#[test]
fn every_back_door_is_found() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/back_door.toml");
    let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let artifact = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    let found = findings(&expand(&stack, &target, &Programs::everywhere(artifact)), &[]);
    let lines: Vec<String> =
        found.iter().map(|one| format!("{} {}: {}", one.rule.name, one.address, one.text)).collect();
    for (rule, address, text) in FOUND {
        let line = format!("{rule} {address}: {text}");
        assert!(lines.iter().any(|found| found.starts_with(&line)), "{line}\n{}", lines.join("\n"));
    }
    assert!(!lines.join("\n").contains("hunter2"), "{lines:?}");
    // Nothing is wrong with what the stack makes of its sections by itself; a boundary is the file's to name.
    let own = |one: &&Finding| {
        let address = one.address.to_string();
        ["role.function-hello", "function.hello"].contains(&address.as_str())
            && one.rule.name != "role-without-boundary"
    };
    assert_eq!(found.iter().filter(own).count(), 0, "{lines:?}");
}
