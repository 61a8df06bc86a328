//! Stacks in, mistakes or resources out.

use std::collections::BTreeSet;
use std::path::Path;

use insta::assert_snapshot;
use lakewright_config::agents::stream::{OnGap, OnReject};
use serde_json::Value;

use super::{Artifact, Given, ModelFile, Programs, Stack, Target, expand, load, parse};
use crate::kinds;
use crate::permissions::{Deployer, Purpose};
use crate::resource::{Address, Desired};

mod account;
mod buckets;
mod code;
mod fields;
mod functions;
mod kafka;
mod keys;
mod maintenance;
mod mistakes;
mod network;
mod perimeter;
mod renamed;
mod roles;
mod scenario;
mod search;
mod shipped;
mod sources;
mod spark;
mod tables;
mod tags;
mod texts;
mod together;
mod topics;
mod transforms;

fn shipped(name: &str) -> Stack {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks").join(name);
    load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"))
}

fn expanded(stack: &Stack) -> Desired {
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let agent = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    expand(stack, &target, &Programs::everywhere(agent))
}

fn mistakes(text: &str, models: &[(&str, &str)]) -> String {
    let models = models.iter().map(|(name, text)| ModelFile {
        name: (*name).to_owned(),
        path: format!("models/{name}.sql"),
        text: (*text).to_owned(),
    });
    let models: Vec<ModelFile> = models.collect();
    match parse(Path::new("test.toml"), text, Some(models)) {
        Ok(_) => "no mistakes".to_owned(),
        Err(diagnostics) => diagnostics.render(false),
    }
}

const WATCHED: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

[hosts.idle]
count = 0

[hosts.app]

[alarms]
email = ["ops@example.com"]
"#;

#[test]
fn alarms_watch_what_the_stack_has() {
    let stack = parse(Path::new("test.toml"), WATCHED, None).unwrap_or_else(|error| panic!("{error:#}"));
    let desired = expanded(&stack);
    let watching = ["alarm", "dashboard", "sns_topic", "budget"];
    let found = desired.resources.iter().map(|one| &one.address).filter(|one| watching.contains(&one.kind.as_str()));
    let found: Vec<String> = found.map(ToString::to_string).collect();
    assert_eq!(found, ["sns_topic.alarms", "alarm.host-app-failed", "dashboard.main"]);
    let told = &spec(&desired, "alarm.host-app-failed")["alarm_actions"];
    assert_eq!(told, &serde_json::json!(["${sns_topic.alarms.arn}"]));
}

#[test]
fn the_shop_expands_to_these_resources() {
    let desired = expanded(&shipped("shop.toml"));
    let addresses: Vec<String> = desired.resources.iter().map(|resource| resource.address.to_string()).collect();
    assert_snapshot!(addresses.join("\n"));
}

#[test]
fn addresses_are_unique_and_references_lead_to_resources() {
    for name in ["shop.toml", "minimal.toml"] {
        let desired = expanded(&shipped(name));
        let addresses: BTreeSet<&Address> = desired.resources.iter().map(|resource| &resource.address).collect();
        assert_eq!(addresses.len(), desired.resources.len(), "{name}");
        for resource in &desired.resources {
            for (address, output) in references(&resource.spec) {
                assert!(addresses.contains(&address), "{name}: {} refers to {address}.{output}", resource.address);
                assert_ne!(address, resource.address, "{name}: refers to itself");
            }
            for address in &resource.after {
                assert!(addresses.contains(address), "{name}: {} comes after {address}", resource.address);
            }
        }
    }
}

#[test]
fn kinds_take_every_spec_and_have_every_output_that_is_referred_to() {
    for name in ["shop.toml", "minimal.toml"] {
        for resource in &expanded(&shipped(name)).resources {
            let kind = kinds::named(&resource.address.kind).expect("a kind");
            let normal =
                kind.normalise(&resource.spec).unwrap_or_else(|error| panic!("{}: {error:#}", resource.address));
            assert_eq!(normal, resource.spec, "{name}: {} leaves a default out", resource.address);
            for (address, output) in references(&resource.spec) {
                let outputs = kinds::named(&address.kind).expect("a kind").outputs();
                assert!(
                    outputs.contains(&output.as_str()),
                    "{name}: {address} has no output {output}, only {outputs:?}"
                );
            }
        }
    }
}

/// The references in a spec, as address and output.
fn references(spec: &Value) -> Vec<(Address, String)> {
    let text = spec.to_string();
    let parts = text.split("${").skip(1).filter_map(|part| part.split_once('}').map(|(inside, _)| inside));
    // Scripts of hosts write the shell's own variables in the same way.
    let reference = |inside: &str| {
        let (address, output) = inside.rsplit_once('.')?;
        Some((address.parse().ok()?, output.to_owned()))
    };
    parts.filter_map(reference).collect()
}

fn spec<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    let found = desired.resources.iter().find(|resource| resource.address.to_string() == address);
    &found.unwrap_or_else(|| panic!("no {address}")).spec
}

#[test]
fn agents_get_configurations_that_they_can_read() {
    let desired = expanded(&shipped("shop.toml"));
    let read = |address: &str| spec(&desired, address)["content"].as_str().expect("content");
    let producer: lakewright_config::ProducerConfig =
        serde_json::from_str(read("object.app-producer")).expect("producer");
    assert_eq!(producer.rate, lakewright_config::Rate::Events(500.0));
    let stream: lakewright_config::StreamConfig = serde_json::from_str(read("object.ingest-stream")).expect("stream");
    assert_eq!(stream.commit_interval_ms, 2000);
    assert_eq!((stream.on_reject, stream.on_gap), (OnReject::DeadLetters, OnGap::Skip));
    assert_eq!(stream.tables[1].location, "s3://shop-raw-123456789012/raw/sales");
    assert_eq!(stream.kafka.security, lakewright_config::Security::Iam { region: "eu-north-1".to_owned() });
    let shipper: lakewright_config::ShipperConfig = serde_json::from_str(read("object.app-shipper")).expect("shipper");
    assert_eq!(shipper.search.url, "https://search.shop.internal:9200");
    serde_json::from_str::<lakewright_config::BatchConfig>(read("object.app-batch")).expect("batch");
}

#[test]
fn the_manifest_names_databases_and_orders_models() {
    let desired = expanded(&shipped("shop.toml"));
    let content = spec(&desired, "object.manifest")["content"].as_str().expect("content");
    let manifest: lakewright_config::Manifest = serde_json::from_str(content).expect("a manifest");
    let names: Vec<&str> = manifest.models.iter().map(|model| model.name.as_str()).collect();
    let ordered =
        ["inventory", "inventory_aggregated", "sales", "sales_aggregated", "searches", "keyword_performance", "users"];
    assert_eq!(names, ordered);
    assert_eq!(manifest.location, "s3://shop-warehouse-123456789012/warehouse");
    let sales = &manifest.models[2].sql;
    assert!(
        sales.contains("FROM shop_raw.sales") && !sales.contains("raw.sales\n  )") && !sales.contains(';'),
        "{sales}"
    );
    assert!(manifest.models[3].sql.contains("FROM shop.sales AS sales"));
}

#[test]
fn a_host_may_touch_what_its_agents_touch_and_nothing_else() {
    let desired = expanded(&shipped("shop.toml"));
    assert_snapshot!(serde_json::to_string_pretty(&spec(&desired, "role.ingest")["policies"]).expect("JSON"));
}

#[test]
fn the_search_host_may_write_its_own_record_and_nothing_else_of_its_zone() {
    let desired = expanded(&shipped("shop.toml"));
    let zone = spec(&desired, "private_zone.search");
    assert_eq!((&zone["name"], &zone["vpc"]), (&"shop.internal".into(), &"${vpc.main.id}".into()));
    assert_eq!(zone["host_records"], serde_json::json!(["search"]));
    let statements = |host: &str| {
        let policies = &spec(&desired, &format!("role.{host}"))["policies"];
        let all = policies
            .as_object()
            .expect("policies")
            .values()
            .flat_map(|policy| policy["Statement"].as_array().expect("statements").clone());
        all.filter(|one| one["Action"].to_string().contains("route53")).collect::<Vec<_>>()
    };
    assert_eq!(
        statements("search"),
        [serde_json::json!({
            "Sid": "OwnName",
            "Effect": "Allow",
            "Action": ["route53:ChangeResourceRecordSets"],
            "Resource": ["${private_zone.search.arn}"],
            "Condition": { "ForAllValues:StringEquals": {
                "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["search.shop.internal"],
                "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
                "route53:ChangeResourceRecordSetsActions": ["UPSERT"],
            } },
        })]
    );
    assert!(statements("app").is_empty());
    // Nobody asks EC2 where the cluster is.
    let looks = |one: &&crate::resource::Resource| one.spec.to_string().contains("ec2:DescribeInstances");
    let looking = desired.resources.iter().filter(|one| one.address.kind == "role").find(looks);
    assert_eq!(looking.map(|one| &one.address), None);
    let script = spec(&desired, "launch_template.search")["user_data"].as_str().expect("user data");
    assert!(script.contains("ZONE=${private_zone.search.id}\n      NAME=search.shop.internal\n"), "{script}");
    let without = expanded(&shipped("cheapest.toml"));
    assert!(without.resources.iter().all(|one| one.address.kind != "private_zone"));
}

#[test]
fn the_policies_of_a_role_fit_into_what_iam_takes_however_many_tables_there_are() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/minimal.toml"));
    let text = text.expect("the smallest stack is shipped");
    let by_iam = text.replace("secret = \"kafka\"", "authentication = \"iam\"");
    for (count, text) in [15, 16, 300].into_iter().flat_map(|count| [(count, text.clone()), (count, by_iam.clone())]) {
        let table = |index| {
            let name = format!("a_table_with_a_rather_long_name_{index}");
            format!("[tables.{name}]\ntopic = \"iceberg_events\"\nkey = [\"id\"]\ncolumns = {{ id = \"string\" }}\n")
        };
        let text = format!("{text}\n{}", (0..count).map(table).collect::<String>());
        let stack =
            parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let desired = expanded(&stack);
        let policies = &spec(&desired, "role.app")["policies"];
        let policies = policies.as_object().expect("policies by name").values();
        let size: usize = policies.map(|policy| policy.to_string().len()).sum();
        assert!(size <= 10_240, "{count} tables take {size} characters");
    }
}

#[test]
fn what_stands_still_has_an_alarm_and_bad_records_have_a_policy() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/minimal.toml"));
    let text = text.expect("the smallest stack is shipped");
    let policies =
        "[agents.stream]\non_reject = \"stop\"\non_gap = \"fail\"\n[alarms]\nemail = [\"ops@example.com\"]\n";
    let desired = expanded(&parsed(&format!("{text}\n{policies}")));
    let content = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let stream: lakewright_config::StreamConfig = serde_json::from_str(content).expect("stream");
    assert_eq!((stream.on_reject, stream.on_gap), (OnReject::Stop, OnGap::Fail));
    assert_eq!(stream.maintenance, None);
    let alarm = &spec(&desired, "alarm.stream-quarantined")["metric"];
    assert_eq!(alarm["name"], "Quarantined");
    // Nobody else measures it.
    let others = desired.resources.iter().filter(|one| one.address.to_string().ends_with("-quarantined"));
    assert_eq!(others.count(), 1);
}

fn parsed(text: &str) -> Stack {
    parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

const HOSTS: &str = r#"[stack]
name = "shop"

[network]
zones = ["a", "b"]

[kafka]
brokers = 2
authentication = "none"

[keys.main]
[buckets.raw]
[topics.events]

[tables.sales]
topic = "events"
key = ["sale_id"]
columns = { sale_id = "string" }

[hosts.data]
count = 3
key = "main"
agents = ["stream"]
instance_type = "m7g.large"
data_volume_gib = 50
refresh = "rolling"

[hosts.plain]
count = 3
session_manager = false
statements = [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${bucket.raw.arn}/*"] }]

[ci]
repository = "acme/shop"
"#;

#[test]
fn hosts_with_data_volumes_stand_in_a_zone_each_under_names_of_their_own() {
    let stack = parse(Path::new("test.toml"), HOSTS, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    for (index, zone) in ["a", "b", "a"].into_iter().enumerate() {
        let volume = spec(&desired, &format!("volume.data-{index}"));
        assert_eq!(volume["zone"], format!("eu-north-1{zone}"));
        assert_eq!((&volume["size_gib"], &volume["key"]), (&50.into(), &"${key.main.arn}".into()));
        let group = spec(&desired, &format!("auto_scaling_group.data-{index}"));
        assert_eq!((&group["desired_capacity"], &group["max_size"]), (&1.into(), &1.into()));
        assert_eq!(group["subnets"], serde_json::json!([format!("${{subnet.{zone}.id}}")]));
        assert_eq!(group["refresh"], "terminate_first");
        assert_eq!(group["launch_template_version"], format!("${{launch_template.data-{index}.version}}"));
        let template = spec(&desired, &format!("launch_template.data-{index}"));
        let user_data = template["user_data"].as_str().expect("text");
        assert!(user_data.contains(&format!("ADDRESS=volume.data-{index}\n")), "{user_data}");
        assert!(template["image"].as_str().is_some_and(|image| image.ends_with("arm64")));
    }
    let plain = spec(&desired, "auto_scaling_group.plain");
    assert_eq!((&plain["desired_capacity"], &plain["refresh"]), (&3.into(), &"never".into()));
    assert_eq!(plain["launch_template_version"], "$Default");
    let host = &spec(&desired, "role.data")["policies"]["host"]["Statement"];
    let attach =
        host.as_array().expect("statements").iter().find(|one| one["Sid"] == "AttachVolume").expect("attaches");
    assert_eq!(
        attach["Condition"]["StringEquals"],
        serde_json::json!({
            "aws:ResourceTag/lakewright:stack": ["shop"],
            "aws:ResourceTag/lakewright:address": ["volume.data-0", "volume.data-1", "volume.data-2"],
        })
    );
    let role = spec(&desired, "role.plain");
    assert_eq!(role["attached_policies"], serde_json::json!([]));
    assert_eq!(role["policies"]["own"]["Statement"][0]["Resource"], serde_json::json!(["${bucket.raw.arn}/*"]));
}

#[test]
fn a_pipeline_may_do_what_applying_takes_from_one_branch() {
    let stack = parse(Path::new("test.toml"), HOSTS, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    let role = spec(&desired, "role.ci");
    let statement = &role["trust"]["Statement"][0];
    assert_eq!(statement["Principal"]["Federated"], serde_json::json!(["${oidc_provider.github.arn}"]));
    assert_eq!(
        statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"],
        serde_json::json!(["repo:acme/shop:ref:refs/heads/main"])
    );
    let deployer = Deployer {
        desired: &desired,
        account: "123456789012",
        region: "eu-north-1",
        role: None,
        boundary: None,
        state_bucket: "lakewright-123456789012-eu-north-1",
        is_own: true,
    };
    let policies = deployer.policies(Purpose::Apply);
    assert_eq!(role["attached_policies"].as_array().map(Vec::len), Some(policies.len()));
    let kind = kinds::named("managed_policy").expect("a kind");
    for (index, policy) in policies.into_iter().enumerate() {
        let attached = spec(&desired, &format!("managed_policy.ci-{}", index + 1));
        let mut same = attached.clone();
        same["document"] = policy;
        let same = kind.normalise(&same).expect("a policy");
        assert_eq!(*attached, same, "the pipeline's policies are those of `lakewright permissions`");
    }
    let existing = format!("{HOSTS}environment = \"live\"\nexisting = true\n");
    let stack =
        parse(Path::new("test.toml"), &existing, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    assert!(desired.resources.iter().all(|resource| resource.address.kind != "oidc_provider"));
    let trust = spec(&desired, "role.ci")["trust"].to_string();
    assert!(trust.contains("arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"), "{trust}");
    assert!(trust.contains("repo:acme/shop:environment:live"), "{trust}");
}
