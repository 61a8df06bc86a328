//! The types of shipped members and how long indices are kept, in stack files.

use std::path::Path;

use serde_json::{Value, json};

use super::{expanded, mistakes};
use crate::stack::parse;

const HEAD: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

[keys.main]

[kafka]

[topics.es_events]
[topics.iceberg_events]

[buckets.backup]

[search]
host = "search"

[hosts.search]

[hosts.app]
agents = ["producer", "shipper"]

"#;

/// The shipper's settings, and what the search host is started with.
fn expansion(more: &str) -> (Value, String) {
    let text = format!("{HEAD}{more}");
    let desired = expanded(&parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{error:#}")));
    let spec = |is_it: &dyn Fn(&crate::resource::Resource) -> bool| {
        desired.resources.iter().find(|one| is_it(one)).expect("a resource").spec.clone()
    };
    let object = spec(&|one| one.spec["key"] == "hosts/app/shipper.json");
    let host = spec(&|one| one.address.to_string() == "launch_template.search");
    let config = serde_json::from_str(object["content"].as_str().expect("text")).expect("JSON");
    (config, host["user_data"].as_str().expect("text").to_owned())
}

#[test]
fn types_and_days_are_declared_for_topics_and_for_each_source() {
    let (config, search) = expansion(
        r#"[agents.shipper]
keep_days = 90

[agents.shipper.fields]
status = "long"
"user.id" = "keyword"

[agents.shipper.sources.nginx]
type = "files"
paths = ["/var/log/nginx/access.log*"]
keep_days = 7
fields = { remote = "ip", labels = "flattened" }
"#,
    );
    assert_eq!(
        (&config["fields"], &config["keep_days"]),
        (&json!({ "status": "long", "user.id": "keyword" }), &json!(90))
    );
    let sources = &config["sources"];
    assert_eq!(sources["nginx"]["fields"], json!({ "remote": "ip", "labels": "flattened" }));
    let days = ["nginx", "application", "agents"].map(|name| sources[name]["keep_days"].as_u64());
    assert_eq!(days, [Some(7), Some(90), Some(90)], "the shipper's where a source says nothing");
    assert!(search.contains("delete_index"), "a policy acts by the rights of who put it");
}

#[test]
fn without_days_nothing_may_be_deleted() {
    let (config, search) = expansion("");
    assert_eq!((&config["fields"], &config["keep_days"]), (&Value::Null, &Value::Null));
    assert!(search.contains("indices:admin/index_template/put") && !search.contains("delete_index"), "{search}");
}

#[test]
fn mistakes_of_types_are_found_all_at_once_each_at_its_place() {
    let text = format!(
        r#"{HEAD}[agents.shipper]
keep_days = 0

[agents.shipper.fields]
status = "int"
"user" = "keyword"
"user.id" = "keyword"
kafka_offset = "long"
"a..b" = "long"
"_id" = "keyword"

[agents.shipper.sources.nginx]
type = "files"
paths = ["/a"]
fields = {{ "labels" = "flattened", "labels.app" = "keyword", "b.*" = "long" }}
"#
    );
    insta::assert_snapshot!(mistakes(&text, &[]));
}
