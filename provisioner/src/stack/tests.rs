//! Stacks in, mistakes or resources out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use super::{Artifact, Given, ModelFile, Programs, Stack, Target, expand, load, parse, schema};
use crate::cost::{Estimate, Price, Prices};
use crate::kinds;
use crate::plan::Kinds;
use crate::resource::{Address, Desired};

mod functions;
mod network;

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

/// The stack files of the repository: those that are shipped, and those that tests switch single sections on in.
fn stacks_of_the_repository() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["stacks", "tests/e2e/stacks"].map(|folder| root.join(folder)).into_iter();
    let files =
        folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|name| name == "toml")).collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}

#[test]
fn every_price_that_a_stack_asks_for_is_known_in_the_home_region() {
    let prices = Prices::built_in();
    for path in stacks_of_the_repository() {
        let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
        let desired = expanded(&stack);
        let estimate = Estimate::of_stack(Kinds(kinds::all()), &desired, &prices, "eu-north-1");
        for item in &estimate.items {
            let bill = item.after.as_ref().expect("a resource of a stack has a bill");
            for line in &bill.lines {
                let (path, address) = (path.display(), &item.address);
                assert!(
                    line.price.is_some(),
                    "{path}: {address} asks for `{}`; add it to provisioner/prices",
                    line.name
                );
                assert!(line.quantity >= 0.0 && line.quantity.is_finite(), "{path}: {address}: {line:?}");
            }
        }
    }
}

#[test]
fn the_shop_costs_what_its_brokers_and_hosts_cost() {
    let desired = expanded(&shipped("shop.toml"));
    let mut prices = Prices::default();
    for (name, usd) in [
        ("msk.kafka.m7g.large.hour", 0.2),
        ("msk.storage.gib_month", 0.1),
        ("ec2.t3.medium.hour", 0.04),
        ("ec2.m7i.large.hour", 0.1),
        ("ebs.gp3.gib_month", 0.08),
        ("public_ipv4.hour", 0.005),
        ("kms.key.month", 1.0),
    ] {
        let price = Price {
            usd,
            source: "https://example.com".into(),
            read: "2026-01-01".into(),
            checked: name != "kms.key.month",
        };
        prices.insert("eu-north-1", name, price);
    }
    let estimate = Estimate::of_stack(Kinds(kinds::all()), &desired, &prices, "eu-north-1");
    assert_snapshot!(anstream::adapter::strip_str(&crate::render::cost_text(&estimate)).to_string());
    let unpriced: Vec<String> = estimate.unpriced().map(ToString::to_string).collect();
    assert_eq!(unpriced, ["secret.kafka"]);
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
        content.replace("${cluster.main.protocol_scram}", "scram")
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

#[test]
fn what_can_not_stand_together_is_refused_with_its_place() {
    let text = r#"[stack]
name = "sthree"

[kafka]
authentication = "none"

[keys.main]

[topics.es_events]

[topics.facts]
name = "es.events"

[topics.copied]
replication = 2
configuration = { "min.insync.replicas" = 3 }

[buckets.backup]
name = "one-for-both"

[buckets.other]
name = "one-for-both"

[buckets.lease]
name = "lakewright-123456789012"

[search]
host = "search"

[hosts.search]
count = 3

[hosts.app]
agents = ["shipper"]

[agents.producer]
facts_topic = "es_events"

[agents.shipper]
topics = ["es_events", "facts", "es_events"]
backup_prefix = "/events/"
"#;
    assert_snapshot!(mistakes(text, &[]));
    let without = mistakes(&text.replace("topics = [\"es_events\", \"facts\", \"es_events\"]", "topics = []"), &[]);
    assert!(without.contains("the shipper has no topic to ship"), "{without}");
}

/// A stack with a `[kafka]` of these lines, agents and what they need.
fn with_kafka(kafka: &str) -> String {
    format!(
        "[stack]\nname = \"shop\"\nregion = \"eu-north-1\"\n[kafka]\n{kafka}\n[keys.main]\n[secrets.tools]\nusername = \"t\"\n\
         [buckets.raw]\n[topics.iceberg_events]\n[topics.es_events]\n[tables.sales]\ntopic = \"iceberg_events\"\n\
         key = [\"id\"]\ncolumns = {{ id = \"string\" }}\n[hosts.app]\nagents = [\"producer\", \"stream\"]\n"
    )
}

fn parsed(text: &str) -> Stack {
    parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

#[test]
fn under_iam_a_role_may_use_its_topics_and_nothing_else() {
    let desired = expanded(&parsed(&with_kafka("authentication = [\"iam\", \"scram\"]\nsecret = \"tools\"")));
    let policies = &spec(&desired, "role.app")["policies"];
    let allowed = |agent: &str, sid: &str| {
        let statements = policies[agent]["Statement"].as_array().expect("statements");
        statements.iter().find(|statement| statement["Sid"] == sid).cloned().unwrap_or_default()
    };
    let arn = |of: &str| format!("arn:aws:kafka:eu-north-1:123456789012:{of}");
    let producer = allowed("producer", "Kafka");
    assert_eq!(producer["Resource"], serde_json::json!([arn("cluster/shop/*")]));
    assert_eq!(producer["Action"], serde_json::json!(["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]));
    let topics = serde_json::json!([arn("topic/shop/*/es_events"), arn("topic/shop/*/iceberg_events")]);
    assert_eq!(allowed("producer", "KafkaTopics")["Resource"], topics);
    let stream = allowed("stream", "KafkaTopics");
    assert_eq!(stream["Resource"], serde_json::json!([arn("topic/shop/*/iceberg_events")]));
    assert_eq!(stream["Action"], serde_json::json!(["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]));
    assert_eq!(allowed("stream", "KafkaGroup")["Resource"], serde_json::json!([arn("group/shop/*/shop-stream")]));
    assert!(allowed("stream", "KafkaUser").is_null(), "agents log in by IAM where they can");
    let ports = spec(&desired, "security_group.kafka")["ingress"].as_array().expect("rules");
    let ports: Vec<i64> = ports.iter().filter_map(|rule| rule["from_port"].as_i64()).collect();
    assert_eq!(ports, [9098, 9096]);
}

#[test]
fn agents_of_a_serverless_cluster_are_told_the_topics_that_they_make() {
    let desired = expanded(&parsed(&with_kafka("type = \"serverless\"")));
    let kinds: BTreeSet<&str> = desired.resources.iter().map(|one| one.address.kind.as_str()).collect();
    assert!(kinds.contains("serverless_cluster"));
    for absent in ["cluster", "topic", "msk_configuration", "scram_association"] {
        assert!(!kinds.contains(absent), "{absent}");
    }
    let text = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let text = text.replace("${serverless_cluster.main.protocol_iam}", "iam");
    let stream: lakewright_config::StreamConfig = serde_json::from_str(&text).expect("stream");
    assert_eq!(stream.kafka.bootstrap, "${serverless_cluster.main.bootstrap_iam}");
    assert_eq!(stream.kafka.security, lakewright_config::Security::Iam { region: "eu-north-1".to_owned() });
    let topics: Vec<_> = stream.kafka.topics.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect();
    assert_eq!(topics, [("iceberg_events", 6)]);
    let policies = &spec(&desired, "role.app")["policies"]["stream"];
    assert!(policies.to_string().contains("kafka-cluster:CreateTopic"));
}

#[test]
fn a_way_to_log_in_is_iam_unless_a_secret_names_a_user() {
    for (kafka, iam, scram, open) in [
        ("", true, false, false),
        ("secret = \"tools\"", false, true, false),
        ("authentication = \"none\"", false, false, true),
        ("authentication = [\"scram\", \"iam\"]\nsecret = \"tools\"", true, true, false),
    ] {
        let desired = expanded(&parsed(&with_kafka(kafka)));
        let ways = &spec(&desired, "cluster.main")["authentication"];
        let expected = serde_json::json!({
            "scram": scram, "iam": iam, "unauthenticated": open, "certificate_authorities": [],
        });
        assert_eq!(ways, &expected, "{kafka}");
    }
}

#[test]
fn mistakes_of_kafka_are_shown_with_their_places() {
    let existing = "[kafka.existing]\narn = \"arn:aws:kafka:us-east-1:123456789012:topic/x/y\"\n\
                    bootstrap = \"b-1.x.amazonaws.com:9096\"";
    for (kafka, said) in [
        ("version = \"4.0.x\"", "lacks `.kraft`"),
        ("version = \"3.6.0.kraft\"", "too old for KRaft"),
        ("storage_max_gib = 80", "storage can't grow from 100 GiB to 80 GiB"),
        ("storage_target = 70", "has no use without `storage_max_gib`"),
        ("storage_max_gib = 800\nstorage_target = 95", "must be between 10 and 80"),
        ("authentication = [\"iam\", \"none\"]", "`none` leaves the other ways without a meaning"),
        ("authentication = [\"iam\", \"iam\"]", "`iam` stands here twice"),
        ("authentication = []", "names no way to log in"),
        ("authentication = \"kerberos\"", "`kafka.authentication` can't be `kerberos`"),
        ("authentication = 7", "a way or a list of ways"),
        ("authentication = \"scram\"", "`kafka` lacks `secret`"),
        ("authentication = \"iam\"\nsecret = \"tools\"", "`secret` has no use without SCRAM"),
        ("monitoring = \"everything\"", "`kafka.monitoring` can't be `everything`"),
        ("log_bucket = \"lost\"", "there is no bucket `lost`"),
        ("type = \"serverless\"\nbrokers = 3", "`brokers` has no use on a serverless cluster"),
        ("type = \"serverless\"\nkey = \"main\"", "`key` has no use on a serverless cluster"),
        ("type = \"serverless\"\nconfiguration = { a = 1 }", "`configuration` has no use on a serverless cluster"),
        ("type = \"serverless\"\nsecret = \"tools\"", "clients can't log in to a serverless cluster by `scram`"),
        ("type = \"serverless\"\nauthentication = \"none\"", "clients can't log in to a serverless cluster by `none`"),
        (existing, "is no ARN of an MSK cluster"),
        (existing, "the agents log in by `iam`, and port 9096 takes `scram`"),
        (&format!("brokers = 3\n{existing}"), "`brokers` is up to whoever the existing cluster belongs to"),
        ("[kafka.existing]\narn = \"x\"", "lacks `bootstrap`"),
    ] {
        let text = mistakes(&with_kafka(kafka), &[]);
        assert!(text.contains(said), "{kafka}: {said}\n{text}");
        assert!(text.contains("--> test.toml:"), "{kafka}\n{text}");
    }
    let serverless = with_kafka("type = \"serverless\"");
    for (topic, said) in [
        ("replication = 2", "keeps three copies, not 2"),
        ("configuration = { \"min.insync.replicas\" = 2 }", "has no setting `min.insync.replicas`"),
        ("configuration = { \"max.message.bytes\" = 9000000 }", "at most 8388608"),
    ] {
        let text = serverless.replace("[topics.es_events]", &format!("[topics.es_events]\n{topic}"));
        let text = mistakes(&text, &[]);
        assert!(text.contains(said), "{topic}\n{text}");
    }
    let idle = mistakes(&format!("{serverless}[topics.idle]\n"), &[]);
    assert!(idle.contains("nobody makes the topic `idle`"), "{idle}");
    assert_eq!(mistakes(&with_kafka("type = \"serverless\"\nauthentication = \"iam\""), &[]), "no mistakes");
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
        assert_eq!((&volume["gib"], &volume["key"]), (&50.into(), &"${key.main.arn}".into()));
        let group = spec(&desired, &format!("auto_scaling_group.data-{index}"));
        assert_eq!((&group["desired"], &group["max"]), (&1.into(), &1.into()));
        assert_eq!(group["subnets"], serde_json::json!([format!("${{subnet.{zone}.id}}")]));
        assert_eq!(group["refresh"], "terminate_first");
        assert_eq!(group["launch_template_version"], format!("${{launch_template.data-{index}.version}}"));
        let template = spec(&desired, &format!("launch_template.data-{index}"));
        let user_data = template["user_data"].as_str().expect("text");
        assert!(user_data.contains(&format!("ADDRESS=volume.data-{index}\n")), "{user_data}");
        assert!(template["image"].as_str().is_some_and(|image| image.ends_with("arm64")));
    }
    let plain = spec(&desired, "auto_scaling_group.plain");
    assert_eq!((&plain["desired"], &plain["refresh"]), (&3.into(), &"never".into()));
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
    assert_eq!(role["attached"], serde_json::json!([]));
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
    let policy = crate::permissions::policy(&desired, "123456789012", "eu-north-1", "aws");
    let kind = kinds::named("role").expect("a kind");
    let mut same = role.clone();
    same["policies"]["apply"] = policy;
    assert_eq!(
        *role,
        kind.normalise(&same).expect("a role"),
        "the pipeline's policy is that of `lakewright permissions`"
    );
    let existing = format!("{HOSTS}environment = \"live\"\nexisting = true\n");
    let stack =
        parse(Path::new("test.toml"), &existing, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    assert!(desired.resources.iter().all(|resource| resource.address.kind != "oidc_provider"));
    let trust = spec(&desired, "role.ci")["trust"].to_string();
    assert!(trust.contains("arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"), "{trust}");
    assert!(trust.contains("repo:acme/shop:environment:live"), "{trust}");
}

#[test]
fn hosts_whose_processors_have_no_program_are_refused_with_the_cure() {
    let stack = parse(Path::new("test.toml"), HOSTS, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let own = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    let lacking = |programs: &Programs| -> Vec<String> {
        let found = super::unprogrammed(&stack, programs);
        found.into_iter().map(|one| super::Diagnostics::new(stack.sources.clone(), vec![one]).render(false)).collect()
    };
    let x86_64 = Programs { x86_64: Some(own.clone()), arm64: None };
    let [text] = &lacking(&x86_64)[..] else { panic!("one host has agents and no program") };
    assert!(text.contains("no agents' program for the arm64 processors of `data`"), "{text}");
    assert!(text.contains("--other-agent FILE") && text.contains("test.toml:"), "{text}");
    assert!(lacking(&Programs { arm64: Some(own.clone()), x86_64: None }).is_empty());
    let both = Programs { arm64: Some(Artifact { sha256: "1".repeat(64), ..own.clone() }), x86_64: Some(own) };
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let desired = expand(&stack, &target, &both);
    assert_eq!(spec(&desired, "release.agent-arm64")["sha256"], "1".repeat(64));
    assert_eq!(spec(&desired, "object.data-release")["content"], format!("{}\n", "1".repeat(64)));
    assert!(desired.resources.iter().all(|resource| resource.address != Address::new("release", "agent")));
}

#[test]
fn mistakes_of_hosts_and_of_the_pipeline_are_shown_at_once() {
    assert_snapshot!(mistakes(
        r#"[stack]
name = "shop"

[hosts.data]
count = 2
data_volume_gib = 20
data_volume_type = "st1"
data_volume_throughput = 500

[hosts.data-1]
data_volume_iops = 4000
statements = [{ Effect = "Allow", Action = "GetObject", Resource = ["mine"] }, { Effect = "Allow", Resource = "*" }]

[hosts.ci]
refresh = "roling"

[ci]
repository = "shop"
branch = "release/*"
environment = "live"
"#,
        &[]
    ));
}
