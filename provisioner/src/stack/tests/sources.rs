//! The logs of hosts that the shipper reads, in stack files.

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

[hosts.ship]
agents = ["shipper"]

"#;

fn desired(more: &str) -> crate::resource::Desired {
    let text = format!("{HEAD}{more}");
    expanded(&parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{error:#}")))
}

/// The sources of a host's shipper.
fn sources(desired: &crate::resource::Desired) -> Value {
    let object =
        desired.resources.iter().find(|one| one.spec["key"] == "hosts/app/shipper.json").expect("a configuration");
    let config: Value = serde_json::from_str(object.spec["content"].as_str().expect("text")).expect("JSON");
    config["sources"].clone()
}

fn user_data(desired: &crate::resource::Desired, host: &str) -> String {
    let found = desired.resources.iter().find(|one| one.address.to_string() == format!("launch_template.{host}"));
    found.expect("a host").spec["user_data"].as_str().expect("text").to_owned()
}

#[test]
fn every_stack_with_a_shipper_ships_its_hosts_own_logs() {
    let desired = desired("");
    let sources = sources(&desired);
    let files = |name: &str| sources[name]["from"]["files"].clone();
    assert_eq!(files("application")["paths"], json!(["/var/log/lakewright/producer/shop.log*"]));
    assert_eq!(files("agents")["paths"], json!(["/var/log/lakewright/*.log*"]));
    assert_eq!(files("agents")["exclude"], json!(["/var/log/lakewright/shipper.log*"]));
    let reads = |host: &str| {
        let text = user_data(&desired, host);
        text.lines().find_map(|line| line.trim().strip_prefix("SupplementaryGroups=")).map(str::to_owned)
    };
    assert_eq!(reads("app").as_deref(), Some("cwagent lakewright-producer"));
    assert_eq!((reads("ship").as_deref(), reads("search")), (Some("cwagent"), None));
}

#[test]
fn sources_are_declared_by_name_and_take_the_place_of_the_stacks_own() {
    let more = r#"
[agents.shipper.sources.application]
type = "files"
paths = ["/srv/shop/*.log"]
exclude = ["/srv/shop/debug.log"]
begins = '^\d'
quiet = "5s"
time_field = "at"
max_record = "1 MB"

[agents.shipper.sources.system]
type = "journal"
units = ["sshd.service", "lakewright-*"]
"#;
    let desired = desired(more);
    let sources = sources(&desired);
    let application = json!({
        "from": { "files": {
            "paths": ["/srv/shop/*.log"], "exclude": ["/srv/shop/debug.log"], "framing": { "begins": "^\\d" }, "quiet_ms": 5000,
        } },
        "time_field": "at",
        "max_record": 1_000_000,
    });
    assert_eq!(sources["application"], application);
    assert_eq!(sources["system"]["from"], json!({ "journal": { "units": ["sshd.service", "lakewright-*"] } }));
    assert!(user_data(&desired, "app").contains("SupplementaryGroups=cwagent systemd-journal adm\n"));
    let none = self::desired("[agents.shipper]\nown_logs = false\n");
    assert_eq!(self::sources(&none), Value::Null);
    assert!(!user_data(&none, "app").contains("SupplementaryGroups"));
}

#[test]
fn mistakes_of_sources_are_found_all_at_once_each_at_its_place() {
    let text = format!(
        r#"{HEAD}[agents.shipper.sources.Rejected]
type = "files"
paths = ["logs/*.log", "/var/log/[a", "/var/log/"]
units = ["sshd"]

[agents.shipper.sources.rejected]
type = "file"

[agents.shipper.sources.empty]
type = "files"
quiet = "1ms"
max_record = "1 KB"

[agents.shipper.sources.lines]
type = "files"
paths = ["/a"]
begins = "("
pats = ["/b"]

[agents.shipper.sources.both]
type = "files"
paths = ["/a"]
begins = "^a"
indented = true
time_field = ""

[agents.shipper.sources.journal]
type = "journal"
paths = ["/a"]
units = ["--file=/etc/passwd", "a b"]

[agents.shipper.sources.typeless]
units = ["a"]
"#
    );
    insta::assert_snapshot!(mistakes(&text, &[]));
}
