//! Bootstrap strings, in the names that MSK gives to brokers.

use serde_json::{Map, Value, json};

use crate::fields::Fields as _;

/// The ways to log in, each with its string's member, its port and whether a cluster's description opens it.
const WAYS: [(&str, u16, fn(&Value) -> bool); 3] = [
    ("bootstrapBrokerStringSaslIam", 9098, |ways| ways["sasl"]["iam"].flag("enabled") == Some(true)),
    ("bootstrapBrokerStringSaslScram", 9096, |ways| ways["sasl"]["scram"].flag("enabled") == Some(true)),
    ("bootstrapBrokerStringTls", 9094, |ways| {
        ways["unauthenticated"].flag("enabled") == Some(true) || ways["tls"].flag("enabled") == Some(true)
    }),
];

/// The strings of the ways that a cluster has open. Nobody listens there: the brokers are on loopback, in clear.
pub(super) fn strings(cluster: &Value, region: &str) -> Value {
    let name = cluster.text("clusterName").unwrap_or_default().to_lowercase();
    let arn = cluster.text("clusterArn").unwrap_or_default();
    let mark: String = arn.rsplit('/').next().unwrap_or_default().chars().filter(|c| *c != '-').take(6).collect();
    let serverless = cluster["serverless"].is_object();
    let kind = if serverless { "serverless" } else { "provisioned" };
    let brokers = cluster["provisioned"].number("numberOfBrokerNodes").unwrap_or(1).min(3);
    let mut strings = Map::new();
    for (member, port, open) in WAYS {
        if !open(&cluster[kind]["clientAuthentication"]) {
            continue;
        }
        let hosts = if serverless {
            vec![format!("boot-{mark}.c2.kafka-serverless.{region}.amazonaws.com:{port}")]
        } else {
            let host = |broker| format!("b-{broker}.{name}.{mark}.c2.kafka.{region}.amazonaws.com:{port}");
            (1..=brokers).map(host).collect()
        };
        strings.insert(member.to_owned(), json!(hosts.join(",")));
    }
    Value::Object(strings)
}
