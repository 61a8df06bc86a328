//! Whose buckets the stack's roles and network reach, and by which services they use its keys.

use std::path::Path;

use serde_json::{Value, json};

use super::super::parse;
use super::{expanded, mistakes, shipped, spec};
use crate::resource::Desired;

const SHIPPED: [&str; 5] = ["shop.toml", "production.toml", "minimal.toml", "cheapest.toml", "lake-only.toml"];

/// A stack with what none of the shipped ones has: a pipeline under a key, and functions that S3 calls.
const MORE: &str = r#"[stack]
name = "more"
[keys.main]
[buckets.artifacts]
key = "main"
[buckets.in]
key = "main"
[pipeline]
repository = "example/more"
stack = "more.toml"
connection = "arn:aws:codeconnections:eu-north-1:123456789012:connection/0a1b2c3d-0000-1111-2222-333344445555"
[functions.hello]
inline = "def handler(event, context): pass"
runtime = "python3.13"
handler = "index.handler"
on_upload = { bucket = "in" }
"#;

fn expanded_text(text: &str) -> Desired {
    let stack = parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    expanded(&stack)
}

/// The statements of the roles of a stack, but for those of who applies it, with the roles' names.
fn statements(desired: &Desired) -> Vec<(String, Value)> {
    let roles = desired.resources.iter().filter(|one| one.address.kind == "role");
    let policies = roles.flat_map(|role| {
        let policies = role.spec["policies"].as_object().expect("policies").iter();
        policies.map(|(name, policy)| (format!("{}/{name}", role.address), policy))
    });
    let ours = policies.filter(|(name, _)| !["/apply-", "/plan-", "/own"].iter().any(|part| name.contains(part)));
    ours.flat_map(|(name, policy)| {
        let all = policy["Statement"].as_array().expect("statements");
        all.iter().map(move |one| (name.clone(), one.clone())).collect::<Vec<_>>()
    })
    .collect()
}

/// Whether a statement is about actions of a service.
fn is_of(statement: &Value, service: &str) -> bool {
    let actions = statement["Action"].as_array().expect("actions").iter();
    actions.filter_map(Value::as_str).any(|action| action.starts_with(service))
}

#[test]
fn roles_reach_buckets_of_the_account_alone() {
    let mut seen = 0;
    for desired in SHIPPED.map(|name| expanded(&shipped(name))).into_iter().chain([expanded_text(MORE)]) {
        for (role, statement) in statements(&desired).iter().filter(|(_, one)| is_of(one, "s3:")) {
            assert_eq!(
                statement["Condition"]["StringEquals"]["aws:ResourceAccount"],
                json!(["123456789012"]),
                "{} {role}: {statement}",
                desired.stack
            );
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn keys_are_used_by_the_services_that_keep_what_they_encrypt() {
    let mut services = std::collections::BTreeSet::new();
    for desired in SHIPPED.map(|name| expanded(&shipped(name))).into_iter().chain([expanded_text(MORE)]) {
        for (role, statement) in statements(&desired).iter().filter(|(_, one)| is_of(one, "kms:")) {
            if statement["Condition"]["Bool"]["kms:GrantIsForAWSResource"] == json!(["true"]) {
                continue;
            }
            // Session Manager's agent asks for itself, and only for keys of sessions.
            if statement["Sid"] == "SessionKey" {
                assert_eq!(
                    statement["Condition"],
                    json!({"Null": {"kms:EncryptionContext:aws:ssm:SessionId": ["false"]}})
                );
                assert_eq!(statement["Action"], json!(["kms:Decrypt"]));
                continue;
            }
            let via = &statement["Condition"]["StringEquals"]["kms:ViaService"][0];
            let via = via.as_str().unwrap_or_else(|| panic!("{} {role}: {statement}", desired.stack));
            services.insert(via.to_owned());
        }
    }
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    assert_eq!(services, ["s3.eu-north-1.amazonaws.com", "secretsmanager.eu-north-1.amazonaws.com"]);
}

#[test]
fn the_way_to_s3_leads_to_buckets_of_the_account_and_to_updates() {
    let foreign = "[stack]\nname = \"small\"\nforeign_buckets = { partner-data = \"210987654321\" }\n[hosts.app]\n";
    for desired in [expanded(&shipped("production.toml")), expanded_text(foreign)] {
        let policy = &spec(&desired, "vpc_endpoint.s3")["policy"];
        let statements = policy["Statement"].as_array().expect("statements");
        let mut open = statements.iter().filter(|one| one.get("Condition").is_none());
        let updates = open.next().expect("updates");
        assert!(open.next().is_none(), "{policy:#}");
        assert_eq!(updates["Action"], json!(["s3:GetObject"]));
        let sources: Vec<&str> =
            updates["Resource"].as_array().expect("sources").iter().filter_map(Value::as_str).collect();
        for wanted in
            ["al2023-repos-eu-north-1-de612dc2", "amazon-ssm-eu-north-1", "patch-baseline-snapshot-eu-north-1"]
        {
            assert!(sources.contains(&format!("arn:aws:s3:::{wanted}/*").as_str()), "{wanted}");
        }
        assert!(sources.iter().all(|source| source.contains("eu-north-1")), "{sources:?}");
        let owners: Vec<(&Value, &Value)> = statements
            .iter()
            .filter_map(|one| Some((&one["Resource"], one.get("Condition")?.get("StringEquals")?)))
            .collect();
        let account = json!({"aws:ResourceAccount": ["123456789012"]});
        assert_eq!(owners[0], (&json!(["*"]), &account));
        if desired.stack == "small" {
            let names = json!(["arn:aws:s3:::partner-data", "arn:aws:s3:::partner-data/*"]);
            assert_eq!(owners[1..], [(&names, &json!({"aws:ResourceAccount": ["210987654321"]}))]);
            assert_eq!(desired.foreign_buckets["partner-data"], "210987654321");
        } else {
            assert_eq!(owners.len(), 1);
        }
    }
}

#[test]
fn agents_know_whose_their_buckets_must_be() {
    let desired = expanded(&shipped("shop.toml"));
    let configurations: Vec<Value> = desired
        .resources
        .iter()
        .filter(|one| one.address.kind == "object")
        .filter_map(|one| serde_json::from_str(one.spec["content"].as_str()?).ok())
        .filter(|one: &Value| one.get("backup_bucket").is_some() || one.get("dead_letters").is_some())
        .collect();
    assert_eq!(configurations.len(), 2);
    for one in configurations {
        assert_eq!(one["account"], "123456789012", "{one:#}");
    }
}

#[test]
fn buckets_of_others_have_owners_and_are_none_of_the_stacks() {
    let text = "[stack]\nname = \"small\"\nforeign_buckets = { Theirs = \"210987654321\", partner = \"B\", ours = \"210987654321\" }\n\
                [buckets.in]\nname = \"ours\"\n";
    let told = mistakes(text, &[]);
    for wanted in ["a bucket can't be named `Theirs`", "`B` is no AWS account", "`ours` can't be another account's"] {
        assert!(told.contains(wanted), "{told}");
    }
}

#[test]
fn results_and_logs_stand_in_a_bucket_of_their_own_under_the_stacks_key() {
    for name in SHIPPED {
        let desired = expanded(&shipped(name));
        let bucket = spec(&desired, "bucket.results");
        let name = bucket["name"].as_str().expect("a name");
        assert_eq!(bucket["key"], "${key.main.arn}");
        let rules = bucket["lifecycle"].as_array().expect("rules");
        assert!(rules.iter().any(|rule| rule["expire_days"] == 7 && rule["prefix"] == ""), "{rules:?}");
        assert_eq!(bucket["versioning"], false);
        let workgroup = spec(&desired, "workgroup.main");
        assert_eq!(workgroup["output_location"], format!("s3://{name}/athena/"));
        assert_eq!(workgroup["key"], "${key.main.arn}");
        let contents = desired.resources.iter().filter_map(|one| one.spec["content"].as_str());
        let configurations = contents.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        for logs in configurations.filter_map(|one| one.get("log_location").cloned()) {
            assert_eq!(logs, format!("s3://{name}/logs/batch/"));
        }
        for (role, statement) in statements(&desired).iter().filter(|(role, _)| role.starts_with("role.batch-jobs")) {
            let writes = statement["Action"].to_string().contains("s3:PutObject");
            assert!(!writes || !statement["Resource"].to_string().contains("-artifacts-"), "{role}: {statement}");
        }
    }
}

#[test]
fn results_are_kept_as_the_file_says_it() {
    let text = |buckets: &str| {
        format!(
            "[stack]\nname = \"small\"\n[kafka]\nsecret = \"kafka\"\n[keys.main]\n[keys.data]\n[secrets.kafka]\n\
             username = \"u\"\n[topics.t]\n[buckets.raw]\n{buckets}[tables.x]\ntopic = \"t\"\nkey = [\"id\"]\n\
             columns = {{ id = \"string\" }}\n"
        )
    };
    let own = expanded_text(&text("[buckets.results]\nname = \"ours\"\nkey = \"data\"\nexpire_after = \"30d\"\n"));
    assert_eq!(spec(&own, "bucket.results")["key"], "${key.data.arn}");
    assert_eq!(spec(&own, "workgroup.main")["output_location"], "s3://ours/athena/");
    assert_eq!(spec(&own, "workgroup.main")["key"], "${key.data.arn}");
    let plain = expanded_text(&text("[buckets.results]\n"));
    assert_eq!(spec(&plain, "workgroup.main")["key"], Value::Null);
    let nothing = expanded_text("[stack]\nname = \"small\"\n[hosts.app]\n");
    assert!(nothing.resources.iter().all(|one| one.address.to_string() != "bucket.results"));
}

/// What members of a group may reach: ports, or `all`, with the addresses or groups.
fn reached(desired: &Desired, group: &str) -> Vec<String> {
    let rules = spec(desired, &format!("security_group.{group}"))["egress"].as_array().expect("rules").iter();
    let said = rules.map(|rule| {
        let peer = rule["cidr"].as_str().or(rule["group"].as_str()).expect("a peer");
        format!(
            "{} {peer}",
            rule.get("from_port").filter(|port| !port.is_null()).map_or("all".to_owned(), Value::to_string)
        )
    });
    said.collect()
}

#[test]
fn nobody_reaches_more_than_is_needed() {
    let shop = expanded(&shipped("shop.toml"));
    assert_eq!(reached(&shop, "app"), ["443 0.0.0.0/0", "9098 10.20.0.0/16", "9200 10.20.0.0/16"]);
    assert_eq!(reached(&shop, "ingest"), ["443 0.0.0.0/0", "9098 10.20.0.0/16"]);
    assert_eq!(reached(&shop, "search"), ["443 0.0.0.0/0"]);
    assert_eq!(reached(&shop, "kafka"), ["all self"]);
    let production = expanded(&shipped("production.toml"));
    assert_eq!(reached(&production, "batch-jobs"), ["443 0.0.0.0/0", "all self"]);
    assert_eq!(reached(&production, "endpoints"), [""; 0]);
    assert_eq!(reached(&production, "ingest"), ["443 0.0.0.0/0", "9098 10.20.0.0/16"]);
    // Brokers of others stand wherever they stand.
    let lake = expanded(&shipped("lake-only.toml"));
    assert_eq!(reached(&lake, "ingest"), ["443 0.0.0.0/0", "9098 0.0.0.0/0"]);
    let own = expanded_text("[stack]\nname = \"small\"\n[hosts.app]\negress_ports = [5432, 443]\n");
    assert_eq!(reached(&own, "app"), ["443 0.0.0.0/0", "5432 0.0.0.0/0"]);
}

#[test]
fn networks_are_closed_where_nobody_looks_and_say_who_talks_to_whom() {
    for name in SHIPPED.into_iter().filter(|name| *name != "lake-only.toml") {
        let desired = expanded(&shipped(name));
        assert_eq!(spec(&desired, "vpc.main")["default_group"], "closed", "{name}");
        let logged = desired.resources.iter().any(|one| one.address.to_string() == "flow_log.main");
        assert_eq!(logged, name != "cheapest.toml", "{name}");
    }
}

#[test]
fn administrators_of_a_key_neither_use_it_nor_let_anybody_use_it() {
    let role = "arn:aws:iam::123456789012:role/auditor";
    let desired = expanded_text(&format!("[stack]\nname = \"small\"\n[keys.main]\nadministrators = [\"{role}\"]\n"));
    let statements = &spec(&desired, "key.main")["policy"]["Statement"];
    let theirs = statements.as_array().expect("statements").iter().find(|one| one["Sid"] == "Administrators");
    let actions =
        theirs.expect("administrators")["Action"].as_array().expect("actions").iter().filter_map(Value::as_str);
    let uses = ["CreateGrant", "Decrypt", "Encrypt", "GenerateDataKey", "PutKeyPolicy", "ReEncrypt", "Sign", "*"];
    for action in actions {
        assert!(!uses.iter().any(|one| action.contains(one)), "{action}");
    }
}
