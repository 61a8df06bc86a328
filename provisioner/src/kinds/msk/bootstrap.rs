//! Where a cluster's clients begin, and what they speak there.

use anyhow::Result;
use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput as Brokers;
use aws_sdk_kafka::types::Cluster;
use lakewright_aws::{Error, ask};

use super::{arn, name, ways};
use crate::kind::{Context, Outcome};
use crate::kinds::{tags, wait};
use crate::services::Services as _;

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
    answer: fn(&Brokers) -> Option<&str>,
    /// Whether a cluster's description says that it is open.
    open: fn(&Cluster) -> bool,
}

/// The ways, the best first.
const WAYS: [Way; 3] = [
    Way {
        protocol: "iam",
        bootstrap_output: "bootstrap_iam",
        protocol_output: "protocol_iam",
        answer: Brokers::bootstrap_broker_string_sasl_iam,
        open: ways::iam,
    },
    Way {
        protocol: "scram",
        bootstrap_output: "bootstrap_scram",
        protocol_output: "protocol_scram",
        answer: Brokers::bootstrap_broker_string_sasl_scram,
        open: ways::scram,
    },
    Way {
        protocol: "tls",
        bootstrap_output: "bootstrap_tls",
        protocol_output: "protocol_tls",
        answer: Brokers::bootstrap_broker_string_tls,
        open: |cluster| ways::unauthenticated(cluster) || ways::certificates(cluster),
    },
];

/// What MSK tells of a cluster's bootstrap strings; none if the cluster is gone.
pub(in crate::kinds) async fn bootstrap(context: &Context, arn: &str) -> Result<Option<Brokers>> {
    Ok(wait::found(ask(context.aws.kafka().get_bootstrap_brokers().cluster_arn(arn).send()).await)?)
}

/// The outputs of a described cluster, as far as its bootstrap strings are known.
pub(in crate::kinds) fn outputs(
    cluster: &Cluster,
    brokers: Option<&Brokers>,
) -> Result<Vec<(&'static str, String)>, Error> {
    let arn = arn(cluster)?;
    let mut outputs = vec![
        ("arn", arn.to_owned()),
        ("name", name(cluster)?.to_owned()),
        ("topic_arn", arn.replacen(":cluster/", ":topic/", 1)),
        ("group_arn", arn.replacen(":cluster/", ":group/", 1)),
    ];
    let Some(brokers) = brokers else { return Ok(outputs) };
    // A string that is absent or empty stands for a way that isn't open.
    let said = |answer: Option<&str>| answer.filter(|address| !address.is_empty()).map(str::to_owned);
    let clear = said(brokers.bootstrap_broker_string());
    // Brokers on loopback speak in clear, whatever way the cluster has: nobody else is on the wire.
    let local = clear.clone().filter(|address| is_loopback(address));
    let mut best = None;
    for way in &WAYS {
        let found = match &local {
            Some(address) => Some((address.clone(), "plaintext")).filter(|_| (way.open)(cluster)),
            None => said((way.answer)(brokers)).map(|address| (address, way.protocol)),
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
    Ok(outputs)
}

/// Whether the first of some brokers is on this machine.
pub fn is_loopback(bootstrap: &str) -> bool {
    let first = bootstrap.split(',').next().unwrap_or_default();
    ["127.", "localhost:", "[::1]:"].iter().any(|start| first.starts_with(start))
}

/// What a create or an update of a cluster gives.
pub(in crate::kinds) async fn outcome(context: &Context, cluster: &Cluster) -> Result<Outcome> {
    let arn = arn(cluster)?;
    let brokers = bootstrap(context, arn).await?;
    let outputs = outputs(cluster, brokers.as_ref())?;
    let outputs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(tags::outcome(arn, &outputs))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_sdk_kafka::types::{ClientAuthentication, Iam, Provisioned, Sasl, Scram};

    use super::*;

    fn of(authentication: ClientAuthentication, brokers: &Brokers) -> BTreeMap<&'static str, String> {
        let cluster = Cluster::builder()
            .cluster_arn("arn:aws:kafka:eu-north-1:1:cluster/shop/uuid")
            .cluster_name("shop")
            .provisioned(Provisioned::builder().client_authentication(authentication).build())
            .build();
        outputs(&cluster, Some(brokers)).expect("the cluster has an ARN and a name").into_iter().collect()
    }

    #[test]
    fn the_best_bootstrap_string_is_the_one_that_authenticates() {
        let brokers = Brokers::builder()
            .bootstrap_broker_string_tls("b:9094")
            .bootstrap_broker_string_sasl_scram("b:9096")
            .bootstrap_broker_string_sasl_iam("")
            .build();
        let found = of(ClientAuthentication::builder().build(), &brokers);
        assert_eq!(found["protocol"], "scram");
        assert_eq!(found["bootstrap"], "b:9096");
        assert_eq!(found["bootstrap_tls"], "b:9094");
        assert!(!found.contains_key("bootstrap_iam"));
        assert_eq!(found["topic_arn"], "arn:aws:kafka:eu-north-1:1:topic/shop/uuid");
    }

    #[test]
    fn brokers_on_loopback_speak_in_clear_by_the_ways_that_are_open() {
        let brokers = Brokers::builder()
            .bootstrap_broker_string("127.0.0.1:9092")
            .bootstrap_broker_string_sasl_iam("b-1.shop.abcdef.c2.kafka.eu-north-1.amazonaws.com:9098")
            .build();
        let sasl =
            Sasl::builder().iam(Iam::builder().enabled(true).build()).scram(Scram::builder().enabled(false).build());
        let found = of(ClientAuthentication::builder().sasl(sasl.build()).build(), &brokers);
        assert_eq!((&*found["bootstrap_iam"], &*found["protocol_iam"]), ("127.0.0.1:9092", "plaintext"));
        assert_eq!(found["protocol"], "plaintext");
        assert!(!found.contains_key("bootstrap_scram"));
    }
}
