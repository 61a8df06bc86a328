//! What the section `[kafka]` stands for, and its mistakes.

use std::collections::BTreeSet;

use lakewright_config::{AclUser, AclsConfig, Security};
use serde_json::{Value, json};

use super::{expanded, mistakes, parsed, spec};
use crate::resource::Desired;

/// What a shipper needs.
const SEARCH: &str = "[buckets.backup]\n[hosts.search]\n[search]\nhost = \"search\"\n";

/// A stack with a `[kafka]` of these lines, agents and what they need.
fn with_kafka(kafka: &str) -> String {
    format!(
        "[stack]\nname = \"shop\"\nregion = \"eu-north-1\"\n[kafka]\n{kafka}\n[keys.main]\n[secrets.tools]\nusername = \"t\"\n\
         [buckets.raw]\n[topics.iceberg_events]\n[topics.es_events]\n[tables.sales]\ntopic = \"iceberg_events\"\n\
         key = [\"id\"]\ncolumns = {{ id = \"string\" }}\n[hosts.app]\nagents = [\"producer\", \"stream\"]\n"
    )
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
    assert_eq!(
        allowed("stream", "KafkaGroup")["Resource"],
        serde_json::json!([arn("group/shop/*/shop-stream-cooperative"), arn("group/shop/*/shop-stream")])
    );
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
    let stream: lakewright_config::StreamConfig = serde_json::from_str(text).expect("stream");
    assert_eq!(stream.kafka.bootstrap, "${serverless_cluster.main.bootstrap_iam}");
    assert_eq!(stream.kafka.security, Security::Iam { region: "eu-north-1".to_owned() });
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
        ("authentication = \"scram\"", false, true, false),
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

/// The secrets, in the order of the file, whose users an agent's role reads, and the one by which it logs in.
fn users(desired: &Desired, agent: &str) -> (Value, String) {
    let statements = spec(desired, "role.app")["policies"][agent]["Statement"].as_array().expect("statements");
    let reads = statements.iter().find(|statement| statement["Sid"] == "KafkaUser").expect("it reads its user");
    let text = spec(desired, &format!("object.app-{agent}"))["content"].as_str().expect("content");
    let config: Value = serde_json::from_str(text).expect("a configuration");
    let security = &config["kafka"]["security"];
    assert_eq!(security["protocol"], "scram");
    (reads["Resource"].clone(), security["secret"].as_str().expect("a secret").to_owned())
}

#[test]
fn with_passwords_each_agent_is_a_user_of_its_own() {
    let desired = expanded(&parsed(&with_kafka("authentication = \"scram\"\nrotate_after = \"90d\"")));
    for agent in ["producer", "stream"] {
        let secret = spec(&desired, &format!("secret.{agent}"));
        assert_eq!(secret["name"], format!("AmazonMSK_shop_{agent}"));
        assert_eq!(secret["username"], format!("shop-{agent}"));
        assert_eq!((&secret["key"], &secret["rotate_after_days"]), (&json!("${key.main.arn}"), &json!(90)));
        let own = json!([format!("${{secret.{agent}.arn}}")]);
        assert_eq!(users(&desired, agent), (own, format!("AmazonMSK_shop_{agent}")));
    }
    let associated = &spec(&desired, "scram_association.main")["secrets"];
    assert_eq!(associated, &json!(["${secret.producer.arn}", "${secret.stream.arn}"]), "nobody runs the shipper");
    let object =
        desired.resources.iter().find(|one| one.address.to_string() == "object.app-stream").expect("published");
    let after: Vec<String> = object.after.iter().map(ToString::to_string).collect();
    assert!(after.contains(&"scram_association.main".to_owned()), "it may log in before it is to: {after:?}");
}

#[test]
fn an_agent_keeps_the_lists_of_the_others() {
    let text = with_kafka("authentication = \"scram\"").replace("\"stream\"]", "\"stream\", \"acls\"]");
    let users = "[agents.acls]\nprune = true\n[agents.acls.users.analyst]\nreads = [\"iceberg_events\", \"theirs\"]\n";
    let desired = expanded(&parsed(&format!("{text}{users}[hosts.more]\nagents = [\"shipper\"]\n{SEARCH}")));
    let text = spec(&desired, "object.app-acls")["content"].as_str().expect("content");
    let config: AclsConfig = serde_json::from_str(text).expect("a configuration");
    assert_eq!((config.administrator.as_str(), config.prune, config.every_seconds), ("shop-acls", true, 600));
    assert_eq!(config.kafka.security, Security::Scram { secret: "AmazonMSK_shop_acls".to_owned() });
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let secret = |agent: &str| Some(format!("AmazonMSK_shop_{agent}"));
    let producer =
        AclUser { writes: names(&["es_events", "iceberg_events"]), secret: secret("producer"), ..AclUser::default() };
    let stream = AclUser {
        reads: names(&["iceberg_events"]),
        groups: names(&["shop-stream-cooperative", "shop-stream"]),
        secret: secret("stream"),
        ..AclUser::default()
    };
    // It runs on another host, whose secret no role here reads.
    let groups = names(&["shop-shipper-backup", "shop-shipper"]);
    let shipper = AclUser { reads: names(&["es_events"]), groups, ..AclUser::default() };
    let analyst = AclUser { reads: names(&["iceberg_events", "theirs"]), ..AclUser::default() };
    let expected =
        [("shop-producer", producer), ("shop-stream", stream), ("shop-shipper", shipper), ("analyst", analyst)];
    assert_eq!(config.users, expected.map(|(name, user)| (name.to_owned(), user)).into());

    let statements = &spec(&desired, "role.app")["policies"]["acls"]["Statement"];
    let statements = statements.as_array().expect("statements");
    let tag = statements.iter().find(|one| one["Sid"] == "SayVerified").expect("it says that the lists are verified");
    assert_eq!(tag["Resource"], json!(["${secret.acls.arn}"]));
    assert_eq!(tag["Condition"], json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["lakewright:acls"]}}));
}

#[test]
fn mistakes_of_the_agent_that_keeps_lists_are_shown_with_their_places() {
    let with = |kafka: &str, agents: &str| with_kafka(kafka).replace("\"stream\"]", "\"stream\", \"acls\"]") + agents;
    let scram = "authentication = \"scram\"";
    for (text, said) in [
        (with("", ""), "there are no users whose access control lists it could keep"),
        (with("secret = \"tools\"", ""), "there are no users whose access control lists it could keep"),
        (with(&format!("{scram}\nformer_secret = \"tools\""), ""), "would be shut out"),
        (with(scram, "[agents.acls]\nverify_every = \"2h\"\n"), "`verify_every` is out of range"),
        (with(scram, "[agents.acls.users.x]\nreads = [\"*\"]\n"), "`*` is no name of a topic or group"),
        (with(scram, "[agents.acls.users.x]\nreads = [\"a b\"]\n"), "`a b` is no name of a topic or group"),
        (with(scram, "[agents.acls.users.\"User:x\"]\n"), "`User:x` is more than the name"),
        (with(scram, "[hosts.more]\nagents = [\"acls\"]\n"), "two groups of hosts keep the same lists"),
        (
            with(scram, "[agents.acls]\nprune = true\n").replace("[hosts.app]", "[hosts.app]\ncount = 2"),
            "`prune` needs a group of one host",
        ),
        (with(scram, "[agents.acls.users.shop-stream]\n"), "`shop-stream` is the user of an agent"),
    ] {
        let shown = mistakes(&text, &[]);
        assert!(shown.contains(said), "{said}\n{shown}");
        assert!(shown.contains("--> test.toml:"), "{said}\n{shown}");
    }
    assert_eq!(mistakes(&with(scram, ""), &[]), "no mistakes");
}

#[test]
fn users_come_before_the_one_that_all_shared_goes() {
    // All share one, as before.
    let shared = expanded(&parsed(&with_kafka("secret = \"tools\"")));
    let arns = |names: &[&str]| -> Value { names.iter().map(|name| format!("${{secret.{name}.arn}}")).collect() };
    for agent in ["producer", "stream"] {
        assert_eq!(users(&shared, agent), (arns(&["tools"]), "AmazonMSK_shop_tools".to_owned()));
    }
    assert_eq!(spec(&shared, "scram_association.main")["secrets"], arns(&["tools"]));
    assert!(!shared.resources.iter().any(|one| one.address.to_string() == "secret.stream"));

    // Each has its own, and whoever runs by the former configuration reads that and logs in as before.
    let lines = "authentication = \"scram\"\nformer_secret = \"tools\"";
    let both = expanded(&parsed(&with_kafka(lines)));
    assert_eq!(users(&both, "stream"), (arns(&["stream", "tools"]), "AmazonMSK_shop_stream".to_owned()));
    assert_eq!(spec(&both, "scram_association.main")["secrets"], arns(&["producer", "stream", "tools"]));
}

#[test]
fn a_cluster_of_others_gets_a_user_for_each_agent() {
    let existing = "authentication = \"scram\"\nkey = \"KEY\"\n[kafka.existing]\n\
                    arn = \"arn:aws:kafka:eu-north-1:123456789012:cluster/theirs/0a\"\n\
                    bootstrap = \"b-1.x.amazonaws.com:9096\"";
    let desired = expanded(&parsed(&with_kafka(&existing.replace("KEY", "main"))));
    assert_eq!(spec(&desired, "secret.stream")["key"], "${key.main.arn}");
    let text = mistakes(&with_kafka(&existing.replace("KEY", "lost")), &[]);
    assert!(text.contains("there is no key `lost`"), "{text}");
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
        ("authentication = [\"iam\", \"scram\"]", "`kafka` lacks `secret`"),
        ("former_secret = \"tools\"", "`former_secret` has no use where agents have no users of their own"),
        ("secret = \"tools\"\nrotate_after = \"90d\"", "`rotate_after` has no use where agents have no users"),
        ("authentication = \"scram\"\nformer_secret = \"toolz\"", "there is no secret `toolz`"),
        ("authentication = \"scram\"\nrotate_after = \"36h\"", "write whole days, as in \"90d\", 1 to 3650 of them"),
        ("authentication = \"scram\"\nrotate_after = \"3651d\"", "`kafka.rotate_after` isn't an age in whole days"),
        ("authentication = \"scram\"\nrotate_after = \"90\"", "write whole days"),
        ("authentication = \"scram\"\n[secrets.stream]\nusername = \"x\"", "the secret `stream` is the agent's own"),
        ("authentication = \"iam\"\nsecret = \"tools\"", "`secret` has no use without SCRAM"),
        (
            "configuration = { \"allow.everyone.if.no.acl.found\" = \"False\" }",
            "takes everything but `true` for `false`",
        ),
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
