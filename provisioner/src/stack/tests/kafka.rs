//! What the section `[kafka]` stands for, and its mistakes.

use std::collections::BTreeSet;

use super::{expanded, mistakes, parsed, spec};

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
    let stream: lakewright_config::StreamConfig = serde_json::from_str(text).expect("stream");
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
