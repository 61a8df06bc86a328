//! Stacks in, mistakes or resources out.

use std::collections::BTreeSet;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use super::{Artifact, Given, ModelFile, Stack, Target, expand, load, parse, schema};
use crate::kinds;
use crate::resource::{Address, Desired};

mod network;

fn shipped(name: &str) -> Stack {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks").join(name);
    load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"))
}

fn expanded(stack: &Stack) -> Desired {
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let agent = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    expand(stack, &target, &agent)
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

const TEN_MISTAKES: &str = r#"[stack]
name = "shop"

[network]
cidr = "10.20.0.0/28"

[kafka]
version = "3.5.1"
brokrs = 6
storage_gib = 20000
instance_type = "kafka.m7g.lage"
secret = "kafka"
key = "main"

[keys.main]

[secrets.kafka]
username = "shop"

[topics.events]
retention = "7 weeks"

[buckets.raw]

[tables.sales]
topic = "evnts"
key = ["sale"]
columns = { sale_id = "string", amount = "decimal(40,2)" }

[hosts.app]
agents = ["producr"]
"#;

#[test]
fn ten_mistakes_show_ten_snippets() {
    let text = mistakes(TEN_MISTAKES, &[]);
    assert_eq!(text.matches("error: ").count(), 10, "{text}");
    assert_eq!(text.matches("--> test.toml:").count(), 10, "{text}");
    assert_snapshot!(text);
}

#[test]
fn mistakes_of_models_are_shown_in_their_files() {
    let text = mistakes(
        "[stack]\nname = \"shop\"\n[buckets.warehouse]\n[batch]\n",
        &[
            ("a", "-- materialization: replace\nSELECT 1 FROM warehouse.b"),
            ("b", "-- materialization: marge\nSELECT 1 FROM warehouse.a JOIN raw.sales ON true"),
        ],
    );
    assert_snapshot!(text);
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
fn alarms_that_tell_nobody_are_refused() {
    let with = |lines: &str| mistakes(&WATCHED.replace("email = [\"ops@example.com\"]", lines), &[]);
    for (lines, told) in [
        ("", "nobody hears of the alarms"),
        ("email = [\"ops\"]", "`ops` is no mail address"),
        ("email = [\"a@b.c\"]\ntopic_arn = \"arn:aws:sns:eu-north-1:123456789012:t\"", "both `email` and `topic_arn`"),
        ("topic_arn = \"page\"", "no ARN of a topic"),
        (
            "topic_arn = \"arn:aws:sns:us-east-1:123456789012:t\"",
            "alarms in eu-north-1 can't tell a topic in us-east-1",
        ),
        ("email = [\"a@b.c\"]\nsilence = \"90s\"", "`alarms.silence` must be whole minutes"),
        ("email = [\"a@b.c\"]\n[budget]\nmonthly_usd = 5\nemail = []", "`budget.email` must name one to ten addresses"),
    ] {
        let found = with(lines);
        assert!(found.contains(told), "{lines}:\n{found}");
    }
    assert_eq!(with("topic_arn = \"arn:aws:sns:eu-north-1:123456789012:t\""), "no mistakes");
}

#[test]
fn what_toml_refuses_is_shown_with_its_line() {
    assert_snapshot!(mistakes("[stack]\nname = \"shop\n", &[]));
}

#[test]
fn a_wrong_value_is_reported_once_and_hides_nothing_else() {
    let text = mistakes("[stack]\nname = 7\n[topics.a]\npartitions = \"many\"\n[hosts.x]\nkey = \"no\"\n", &[]);
    assert_snapshot!(text);
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
    parts
        .map(|inside| {
            let (address, output) = inside.rsplit_once('.').expect("a reference has three parts");
            (address.parse().expect("an address"), output.to_owned())
        })
        .collect()
}

fn spec<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    let found = desired.resources.iter().find(|resource| resource.address.to_string() == address);
    &found.unwrap_or_else(|| panic!("no {address}")).spec
}

#[test]
fn agents_get_configurations_that_they_can_read() {
    let desired = expanded(&shipped("shop.toml"));
    let read = |address: &str| {
        let content = spec(&desired, address)["content"].as_str().expect("content");
        content.replace("${cluster.main.protocol}", "scram")
    };
    let producer: lakewright_config::ProducerConfig =
        serde_json::from_str(&read("object.app-producer")).expect("producer");
    assert_eq!(producer.rate, lakewright_config::Rate::Events(500.0));
    let stream: lakewright_config::StreamConfig = serde_json::from_str(&read("object.ingest-stream")).expect("stream");
    assert_eq!(stream.commit_interval_ms, 2000);
    assert_eq!(stream.tables[1].location, "s3://shop-raw-123456789012/raw/sales");
    assert_eq!(stream.kafka.security, lakewright_config::Security::Scram { secret: "AmazonMSK_shop_kafka".to_owned() });
    let plain = read("object.ingest-stream").replace("\"scram\"", "\"plaintext\"");
    let stream: lakewright_config::StreamConfig = serde_json::from_str(&plain).expect("stream in clear");
    assert_eq!(stream.kafka.security, lakewright_config::Security::Plaintext);
    serde_json::from_str::<lakewright_config::ShipperConfig>(&read("object.app-shipper")).expect("shipper");
    serde_json::from_str::<lakewright_config::BatchConfig>(&read("object.app-batch")).expect("batch");
}

#[test]
fn the_manifest_names_databases_and_orders_models() {
    let desired = expanded(&shipped("shop.toml"));
    let content = spec(&desired, "object.manifest")["content"].as_str().expect("content");
    let manifest: lakewright_config::Manifest = serde_json::from_str(content).expect("a manifest");
    let names: Vec<&str> = manifest.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["inventory", "inventory_aggregated", "sales", "sales_aggregated", "users"]);
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
fn the_policies_of_a_role_fit_into_what_iam_takes_however_many_tables_there_are() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/minimal.toml"));
    let text = text.expect("the smallest stack is shipped");
    for count in [15, 16, 300] {
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
fn shipped_stacks_are_what_the_schema_describes() {
    let schema = schema();
    for name in ["shop.toml", "minimal.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks").join(name);
        let text = std::fs::read_to_string(path).expect("a shipped stack");
        let value: Value = toml::from_str(&text).expect("TOML");
        assert_eq!(violations(&schema, &schema, &value, name), Vec::<String>::new());
    }
    let wrong = serde_json::json!({ "stack": { "name": "x", "nam": "y" }, "network": { "cidr": 7 } });
    assert_eq!(violations(&schema, &schema, &wrong, "").len(), 2);
}

/// Where a value breaks the parts of JSON Schema that stack schemas use.
fn violations(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).expect("a definition");
        return violations(root, target, value, place);
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let fits = choices.iter().any(|choice| violations(root, choice, value, place).is_empty());
        return if fits { vec![] } else { vec![format!("{place} is none of the choices")] };
    }
    let mut found = Vec::new();
    if let Some(expected) = schema.get("const")
        && expected != value
    {
        found.push(format!("{place} isn't {expected}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let fits = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    if !types.is_empty() && !types.iter().any(fits) {
        found.push(format!("{place} is no {types:?}"));
    }
    if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < minimum
    {
        found.push(format!("{place} is below {minimum}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(violations(root, &schema["items"], item, &format!("{place}[{index}]")));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                found.push(format!("{place} lacks {name}"));
            }
        }
        for (name, item) in object {
            let place = format!("{place}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => found.extend(violations(root, schema, item, &place)),
                (None, Value::Bool(false)) => found.push(format!("{place} is unknown")),
                (None, schema) => found.extend(violations(root, schema, item, &place)),
            }
        }
    }
    found
}

#[test]
fn the_shipped_stacks_break_no_rule_without_a_reason() {
    for name in ["shop.toml", "minimal.toml"] {
        let stack = shipped(name);
        let found = crate::checks::findings(&expanded(&stack), &crate::cli::check::allowed(&stack));
        let open: Vec<_> = found.iter().filter(|one| one.allowed.is_none()).collect();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
    let said = mistakes("[stack]\nname = \"shop\"\n[allow.open-ingres]\n\"topic\" = \"x\"\n", &[]);
    assert!(said.contains("did you mean `open-ingress`?") && said.contains("write the address in quotes"), "{said}");
}
