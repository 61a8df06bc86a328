//! Where a cluster's clients begin, and what they speak there.

use anyhow::Result;
use lakewright_aws::{Service, text};
use serde_json::{Value, json};

use crate::kind::{Context, Outcome};
use crate::kinds::tags;
use crate::kinds::wait;
use crate::kinds::wire::{flag, some_text};

/// The outputs of a cluster. `bootstrap` is the best of the cluster's bootstrap strings and `protocol` the one that it
/// speaks: `iam`, `scram`, `tls` or `plaintext`; those that end with a way of logging in are that way's. `topic_arn` and
/// `group_arn` are the prefixes of its topics' and groups' ARNs, without a slash at the end.
pub(in crate::kinds) const OUTPUTS: &[&str] = &[
    "arn",
    "name",
    "bootstrap",
    "protocol",
    "bootstrap_iam",
    "protocol_iam",
    "bootstrap_scram",
    "protocol_scram",
    "bootstrap_tls",
    "protocol_tls",
    "topic_arn",
    "group_arn",
];

/// A way of logging in, as outputs name it.
struct Way {
    protocol: &'static str,
    bootstrap_output: &'static str,
    protocol_output: &'static str,
    /// Its bootstrap string in MSK's answer.
    answer: &'static str,
    /// Whether a cluster's description says that it is open.
    open: fn(&Value) -> bool,
}

/// The ways, the best first.
const WAYS: [Way; 3] = [
    Way {
        protocol: "iam",
        bootstrap_output: "bootstrap_iam",
        protocol_output: "protocol_iam",
        answer: "bootstrapBrokerStringSaslIam",
        open: |authentication| flag(&authentication["sasl"]["iam"], "enabled"),
    },
    Way {
        protocol: "scram",
        bootstrap_output: "bootstrap_scram",
        protocol_output: "protocol_scram",
        answer: "bootstrapBrokerStringSaslScram",
        open: |authentication| flag(&authentication["sasl"]["scram"], "enabled"),
    },
    Way {
        protocol: "tls",
        bootstrap_output: "bootstrap_tls",
        protocol_output: "protocol_tls",
        answer: "bootstrapBrokerStringTls",
        open: |authentication| {
            flag(&authentication["unauthenticated"], "enabled") || flag(&authentication["tls"], "enabled")
        },
    },
];

/// What MSK tells of a cluster's bootstrap strings; none if the cluster is gone.
pub(in crate::kinds) async fn bootstrap(context: &Context, arn: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Kafka, "GetBootstrapBrokers", json!({"clusterArn": arn})).await;
    Ok(wait::found(answer)?)
}

/// The outputs of a described cluster, as far as its bootstrap strings are known.
pub(in crate::kinds) fn outputs(cluster: &Value, brokers: Option<&Value>) -> Vec<(&'static str, String)> {
    let arn = text(cluster, "clusterArn");
    let mut outputs = vec![
        ("arn", arn.to_owned()),
        ("name", text(cluster, "clusterName").to_owned()),
        ("topic_arn", arn.replacen(":cluster/", ":topic/", 1)),
        ("group_arn", arn.replacen(":cluster/", ":group/", 1)),
    ];
    let Some(brokers) = brokers else { return outputs };
    let clear = some_text(brokers, "bootstrapBrokerString");
    // Brokers on loopback speak in clear, whatever way the cluster has: nobody else is on the wire.
    let local = clear.clone().filter(|address| is_loopback(address));
    let kind = if cluster["serverless"].is_object() { "serverless" } else { "provisioned" };
    let authentication = &cluster[kind]["clientAuthentication"];
    let mut best = None;
    for way in &WAYS {
        let found = match &local {
            Some(address) => Some((address.clone(), "plaintext")).filter(|_| (way.open)(authentication)),
            None => some_text(brokers, way.answer).map(|address| (address, way.protocol)),
        };
        if let Some((address, protocol)) = found {
            outputs.push((way.bootstrap_output, address.clone()));
            outputs.push((way.protocol_output, protocol.to_owned()));
            best = best.or(Some((address, protocol)));
        }
    }
    if let Some((address, protocol)) = best.or_else(|| clear.map(|address| (address, "plaintext"))) {
        outputs.push(("bootstrap", address));
        outputs.push(("protocol", protocol.to_owned()));
    }
    outputs
}

/// Whether the first of some brokers is on this machine.
pub fn is_loopback(bootstrap: &str) -> bool {
    let first = bootstrap.split(',').next().unwrap_or_default();
    ["127.", "localhost:", "[::1]:"].iter().any(|start| first.starts_with(start))
}

/// What a create or an update of a cluster gives.
pub(in crate::kinds) async fn outcome(context: &Context, cluster: &Value) -> Result<Outcome> {
    let arn = text(cluster, "clusterArn");
    let brokers = bootstrap(context, arn).await?;
    let outputs = outputs(cluster, brokers.as_ref());
    let outputs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(tags::outcome(arn, &outputs))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(authentication: &Value, brokers: &Value) -> BTreeMap<&'static str, String> {
        let cluster = json!({
            "clusterArn": "arn:aws:kafka:eu-north-1:1:cluster/shop/uuid", "clusterName": "shop",
            "provisioned": {"clientAuthentication": authentication},
        });
        outputs(&cluster, Some(brokers)).into_iter().collect()
    }

    #[test]
    fn the_best_bootstrap_string_is_the_one_that_authenticates() {
        let found =
            of(&json!({}), &json!({"bootstrapBrokerStringTls": "b:9094", "bootstrapBrokerStringSaslScram": "b:9096"}));
        assert_eq!(found["protocol"], "scram");
        assert_eq!(found["bootstrap"], "b:9096");
        assert_eq!(found["bootstrap_tls"], "b:9094");
        assert!(!found.contains_key("bootstrap_iam"));
        assert_eq!(found["topic_arn"], "arn:aws:kafka:eu-north-1:1:topic/shop/uuid");
    }

    #[test]
    fn brokers_on_loopback_speak_in_clear_by_the_ways_that_are_open() {
        let brokers = json!({
            "bootstrapBrokerString": "127.0.0.1:9092",
            "bootstrapBrokerStringSaslIam": "b-1.shop.abcdef.c2.kafka.eu-north-1.amazonaws.com:9098",
        });
        let found = of(&json!({"sasl": {"iam": {"enabled": true}, "scram": {"enabled": false}}}), &brokers);
        assert_eq!((&*found["bootstrap_iam"], &*found["protocol_iam"]), ("127.0.0.1:9092", "plaintext"));
        assert_eq!(found["protocol"], "plaintext");
        assert!(!found.contains_key("bootstrap_scram"));
    }
}
