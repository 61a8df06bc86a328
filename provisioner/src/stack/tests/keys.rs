//! Which keys encrypt what, whom their policies let in, and what an older stack keeps.

use std::path::Path;

use serde_json::{Value, json};

use super::super::parse;
use super::{expanded, mistakes, shipped, spec};
use crate::resource::Desired;

fn desired(text: &str) -> Desired {
    let stack = parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    expanded(&stack)
}

/// A stack with something of each class; `keys` is a line of `[stack]`, `more` what stands besides.
fn stack(keys: &str, more: &str) -> Desired {
    desired(&format!(
        r#"[stack]
name = "small"
{keys}
[network]
zones = ["a", "b"]
[kafka]
brokers = 2
secret = "kafka"
[secrets.kafka]
username = "small"
[buckets.raw]
[buckets.logs]
[buckets.in]
access_logs = "logs"
[topics.events]
[tables.sales]
topic = "events"
key = ["sale_id"]
columns = {{ sale_id = "string" }}
[hosts.app]
agents = ["stream"]
[alarms]
email = ["ops@example.com"]
{more}"#
    ))
}

fn keys(desired: &Desired) -> Vec<&str> {
    let keys = desired.resources.iter().filter(|one| one.address.kind == "key");
    keys.map(|key| key.address.name.as_str()).collect()
}

/// The key of each of these, by its name.
fn of<'a>(desired: &'a Desired, those: &[&str]) -> Vec<&'a str> {
    let key = |address: &&str| {
        let spec = spec(desired, address);
        let field = if address.starts_with("cluster.") { "encryption_key" } else { "key" };
        spec[field].as_str().map_or("", |arn| arn.trim_start_matches("${key.").trim_end_matches(".arn}"))
    };
    those.iter().map(key).collect()
}

/// What has a key, or could have one.
const ALL: [&str; 9] = [
    "cluster.main",
    "bucket.raw",
    "bucket.results",
    "secret.kafka",
    "log_group.stream",
    "log_group.sessions",
    "sns_topic.alarms",
    "session_document.main",
    "bucket.artifacts",
];

#[test]
fn a_file_that_says_nothing_of_keys_keeps_those_that_it_names() {
    let plain = stack("", "[keys.main]\n");
    assert_eq!(keys(&plain), ["main"]);
    assert_eq!(of(&plain, &ALL), ["main", "", "main", "main", "", "main", "", "main", ""]);
}

#[test]
fn one_key_encrypts_everything() {
    for more in ["", "[keys.main]\n"] {
        let one = stack("keys = \"one\"", more);
        assert_eq!(keys(&one), ["main"]);
        assert_eq!(of(&one, &ALL), ["main", "main", "main", "main", "main", "main", "main", "main", ""]);
        assert_eq!(of(&one, &["bucket.logs"]), [""], "S3 writes access logs under no key");
    }
    assert_eq!(of(&stack("keys = \"one\"", "[keys.lake]\n"), &ALL[..1]), ["lake"]);
}

#[test]
fn each_class_of_data_has_a_key_and_data_keeps_the_one_that_it_has() {
    for more in ["", "[keys.main]\n", "[keys.logs]\ndeletion_days = 7\n"] {
        let by_class = stack("keys = \"by-class\"", more);
        let mut made = keys(&by_class);
        made.sort_unstable();
        assert_eq!(made, ["logs", "main", "secrets"], "{more}");
        assert_eq!(of(&by_class, &ALL), ["main", "main", "main", "secrets", "logs", "logs", "logs", "logs", ""]);
    }
    // What names a key keeps it, brokers above all: MSK never changes theirs.
    let older = stack("keys = \"by-class\"", "[keys.lake]\n[buckets.other]\nkey = \"lake\"\n");
    assert_eq!(of(&older, &["cluster.main", "bucket.raw", "bucket.other"]), ["lake"; 3]);
    // Without passwords nobody pays for their key.
    let serverless = desired("[stack]\nname = \"small\"\nkeys = \"by-class\"\n[buckets.raw]\n");
    assert_eq!(keys(&serverless), ["main"]);
}

#[test]
fn the_cluster_of_a_shipped_stack_keeps_its_key() {
    for name in ["shop.toml", "production.toml", "minimal.toml", "cheapest.toml"] {
        assert_eq!(of(&expanded(&shipped(name)), &["cluster.main"]), ["main"], "{name}");
    }
    assert_eq!(keys(&expanded(&shipped("production.toml"))), ["logs", "secrets", "main"]);
    assert_eq!(keys(&expanded(&shipped("cheapest.toml"))), ["main"]);
}

/// The statement of a key's policy under a name.
fn statement(desired: &Desired, key: &str, sid: &str) -> Value {
    let policy = &spec(desired, key)["policy"]["Statement"];
    policy.as_array().into_iter().flatten().find(|one| one["Sid"] == sid).cloned().unwrap_or_default()
}

#[test]
fn a_key_lets_in_the_services_that_write_under_it() {
    let by_class = stack("keys = \"by-class\"", "");
    let logs = statement(&by_class, "key.logs", "Logs");
    assert_eq!(logs["Principal"], json!({"Service": ["logs.eu-north-1.amazonaws.com"]}));
    let groups = "arn:aws:logs:eu-north-1:123456789012:log-group:/lakewright/small/*";
    assert_eq!(logs["Condition"], json!({"ArnLike": {"kms:EncryptionContext:aws:logs:arn": [groups]}}));
    let notices = statement(&by_class, "key.logs", "Notices");
    assert_eq!(notices["Principal"], json!({"Service": ["cloudwatch.amazonaws.com"]}));
    assert_eq!(notices["Condition"], json!({"StringEquals": {"aws:SourceAccount": ["123456789012"]}}));
    assert_eq!(spec(&by_class, "key.main")["policy"], Value::Null);
    assert_eq!(spec(&by_class, "key.secrets")["policy"], Value::Null);
    let own = "[resource.log_group.far]\nname = \"/elsewhere/far\"\nkey = \"${key.main.arn}\"\n\
               [resource.sns_topic.events]\nname = \"events\"\nkey = \"${key.main.arn}\"\n\
               [resource.sns_topic.events.policy]\nVersion = \"2012-10-17\"\n\
               [[resource.sns_topic.events.policy.Statement]]\nEffect = \"Allow\"\nAction = \"SNS:Publish\"\n\
               Resource = \"arn:aws:sns:eu-north-1:123456789012:events\"\nPrincipal = { Service = \"events.amazonaws.com\" }\n";
    let own = stack("keys = \"by-class\"", own);
    let far = "arn:aws:logs:eu-north-1:123456789012:log-group:/elsewhere/far";
    let logs = statement(&own, "key.main", "Logs");
    assert_eq!(logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"], json!([far]));
    // EventBridge says to KMS for nobody.
    assert_eq!(statement(&own, "key.main", "Events")["Condition"], Value::Null);
    assert_eq!(statement(&own, "key.main", "Events")["Effect"], "Allow");
}

#[test]
fn who_reads_a_bucket_decrypts_by_its_former_keys_too() {
    let text = "[buckets.data]\nkey = \"new\"\nformer_keys = [\"main\"]\n[keys.main]\n[keys.new]\n\
                [tables.orders]\ntopic = \"events\"\nbucket = \"data\"\nkey = [\"id\"]\ncolumns = { id = \"string\" }\n";
    let moved = stack("", text);
    let role = &spec(&moved, "role.app")["policies"]["stream"]["Statement"];
    let kms = role.as_array().expect("statements").iter().filter(|one| one["Action"].to_string().contains("kms:"));
    let on = |key: &str| -> Vec<Value> {
        let arn = format!("${{key.{key}.arn}}");
        let of_key = kms.clone().filter(|one| one["Resource"] == json!([arn]));
        of_key.map(|one| one["Action"].clone()).collect()
    };
    assert!(on("new").contains(&json!(["kms:Decrypt", "kms:GenerateDataKey"])), "{role:#}");
    assert!(on("main").contains(&json!(["kms:Decrypt"])), "{role:#}");
    let said = mistakes("[stack]\nname = \"shop\"\n[buckets.data]\nformer_keys = [\"old\"]\n", &[]);
    assert!(said.contains("there is no key `old`"), "{said}");
}

#[test]
fn sessions_run_by_a_document_of_the_stack() {
    let document = |name: &str| {
        let desired = expanded(&shipped(name));
        spec(&desired, "session_document.main").clone()
    };
    let production = document("production.toml");
    assert_eq!(production["name"], "lakewright-shop-production-session");
    assert_eq!(production["key"], "${key.logs.arn}");
    assert_eq!(production["log_group"], "${log_group.sessions.name}");
    assert_eq!((&production["encrypted_log"], &production["idle_minutes"]), (&json!(true), &json!(20)));
    assert_eq!(document("cheapest.toml")["key"], "${key.main.arn}");
    let none = desired("[stack]\nname = \"small\"\n[hosts.app]\nsession_manager = false\n");
    assert!(none.resources.iter().all(|one| one.address.kind != "session_document"));
    let keyless = desired("[stack]\nname = \"small\"\n[hosts.app]\n");
    let document = spec(&keyless, "session_document.main");
    assert_eq!((&document["key"], &document["encrypted_log"]), (&Value::Null, &json!(false)));
}
