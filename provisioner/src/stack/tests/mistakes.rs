//! Mistakes of stack files, and how they are shown.

use std::path::Path;

use insta::assert_snapshot;

use super::{HOSTS, WATCHED, mistakes, spec};
use crate::resource::Address;
use crate::stack::{Artifact, Diagnostics, Programs, Target, expand, parse, unprogrammed};

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

const TYPOS: &str = r#"[stack]
name = "shop"

[kafka]
brokers = "3"
key = "man"

[kyes.main]

[topic.events]

[topics.actions]
partitons = 6

[bucket.raw]
key = "man"

[buckets.backup]
key = "main"

[table.sales]
topc = "events"
key = ["sale_id"]
partition = ["days(sold_at)"]

[tables.sales.colums]
sale_id = "strng"
quantity = "integer"
amount = { typ = "decimal(12,2)" }
sold_at = "timestamptz"

[serach]
host = "search"

[hots.search]
instance_typ = "t3.medium"

[hosts.app]
agents = ["producer", "shipper"]
volume_gib = "20"
count = true

[agents.producr]
rate = "100 per s"
facts_topic = "events"
actions_topic = "actions"

[agents.shipper]
topics = "actions"

[quer]
scan_limit = 100

[alarm]
emial = ["ops@example.com"]

[budget]
monthly_uds = 500
email = ["ops@example.com"]

[resource.security_group.bastion]
vpc = "${vpc.main.id}"
name = "bastion"
descripton = "who may log in"
"#;

#[test]
fn a_misspelt_name_is_one_mistake_wherever_it_is_missed() {
    let text = mistakes(TYPOS, &[]);
    assert_eq!(text.matches("error: ").count(), 27, "{text}");
    assert_snapshot!(text);
}

#[test]
fn a_wrong_guess_at_a_key_makes_no_second_mistake() {
    let text = mistakes("[stack]\nname = \"shop\"\n[kafka]\nbroker = \"kafka.t3.small\"\n[keys.main]\n", &[]);
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    assert!(text.contains("did you mean `brokers`?"), "{text}");
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

#[test]
fn hosts_whose_processors_have_no_program_are_refused_with_the_cure() {
    let stack = parse(Path::new("test.toml"), HOSTS, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let own = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    let lacking = |programs: &Programs| -> Vec<String> {
        let found = unprogrammed(&stack, programs);
        found.into_iter().map(|one| Diagnostics::new(stack.sources.clone(), vec![one]).render(false)).collect()
    };
    let x86_64 = Programs { x86_64: Some(own.clone()), ..Programs::default() };
    let [text] = &lacking(&x86_64)[..] else { panic!("one host has agents and no program") };
    assert!(text.contains("no agents' program for the arm64 processors of `data`"), "{text}");
    assert!(text.contains("--other-agent FILE") && text.contains("test.toml:"), "{text}");
    assert!(lacking(&Programs { arm64: Some(own.clone()), ..Programs::default() }).is_empty());
    let arm64 = Some(Artifact { sha256: "1".repeat(64), ..own.clone() });
    let both = Programs { arm64, x86_64: Some(own), ..Programs::default() };
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

#[test]
fn buckets_that_s3_refuses_by_their_names_are_refused() {
    for (name, told) in [
        ("a..b", "can't hold two dots in a row"),
        ("1.2.3.4", "can't look like an IP address"),
        ("logs--x-s3", "S3 keeps such names for itself"),
    ] {
        for section in ["buckets", "resource.bucket"] {
            let found = mistakes(&format!("[stack]\nname = \"shop\"\n[{section}.one]\nname = \"{name}\"\n"), &[]);
            assert!(found.contains(told), "{section} {name}:\n{found}");
        }
    }
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
            "alarms in eu-north-1 can't publish to a topic in us-east-1",
        ),
        ("email = [\"a@b.c\"]\nsilence = \"90s\"", "`alarms.silence` must be whole minutes"),
        ("email = [\"a@b.c\"]\n[budget]\nmonthly_usd = 5\nemail = []", "`budget.email` must name one to ten addresses"),
    ] {
        let found = with(lines);
        assert!(found.contains(told), "{lines}:\n{found}");
    }
    assert_eq!(with("topic_arn = \"arn:aws:sns:eu-north-1:123456789012:t\""), "no mistakes");
}
