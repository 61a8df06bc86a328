//! Where a cluster's clients begin, and what they speak there.

use anyhow::Result;
use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput as Brokers;
use aws_sdk_kafka::types::Cluster;
use lakewright_aws::{Error, ask};

use super::{arn, clusters, name};
use crate::kind::{Context, Outcome};
use crate::kinds::{tags, wait};
use crate::services::Services as _;

/// The outputs of a cluster. `bootstrap` is the best of the cluster's bootstrap strings and `protocol` the one that it
/// speaks: `iam`, `scram`, `tls` or `plaintext`; those that end with a way of logging in are that way's strings.
/// `topic_arn` and `group_arn` are the prefixes of its topics' and groups' ARNs, without a slash at the end.
pub(in crate::kinds) const OUTPUTS: &[&str] = &[
    "arn",
    "name",
    "bootstrap",
    "protocol",
    "bootstrap_iam",
    "bootstrap_scram",
    "bootstrap_tls",
    "topic_arn",
    "group_arn",
];

/// A way of logging in, as outputs name it.
struct Way {
    protocol: &'static str,
    output: &'static str,
    /// Its bootstrap string in MSK's answer.
    answer: fn(&Brokers) -> Option<&str>,
}

/// The ways, the best first.
const WAYS: [Way; 3] = [
    Way { protocol: "iam", output: "bootstrap_iam", answer: Brokers::bootstrap_broker_string_sasl_iam },
    Way { protocol: "scram", output: "bootstrap_scram", answer: Brokers::bootstrap_broker_string_sasl_scram },
    Way { protocol: "tls", output: "bootstrap_tls", answer: Brokers::bootstrap_broker_string_tls },
];

/// What MSK returns of a cluster's bootstrap strings; none if the cluster is gone.
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
    let mut best = None;
    for way in &WAYS {
        if let Some(address) = said((way.answer)(brokers)) {
            outputs.push((way.output, address.clone()));
            best = best.or(Some((address, way.protocol)));
        }
    }
    let clear = said(brokers.bootstrap_broker_string());
    if let Some((address, protocol)) = best.or_else(|| clear.map(|address| (address, "plaintext"))) {
        outputs.push(("bootstrap", address));
        outputs.push(("protocol", protocol.to_owned()));
    }
    Ok(outputs)
}

/// A bootstrap string; one that is absent or empty stands for a way that isn't open.
fn said(answer: Option<&str>) -> Option<String> {
    answer.filter(|address| !address.is_empty()).map(str::to_owned)
}

/// The brokers that take clients in clear: of the existing cluster that the stack names, else of the stack's own.
pub(crate) async fn in_clear(context: &Context, existing: Option<&str>) -> Result<Option<String>> {
    let mut arns: Vec<String> = existing.into_iter().map(str::to_owned).collect();
    for kind in ["cluster", "serverless_cluster"] {
        for (_, cluster) in clusters(context, kind).await? {
            arns.push(arn(&cluster)?.to_owned());
        }
    }
    for arn in &arns {
        let brokers = bootstrap(context, arn).await?;
        if let Some(address) = brokers.and_then(|brokers| said(brokers.bootstrap_broker_string())) {
            return Ok(Some(address));
        }
    }
    Ok(None)
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

    use super::*;

    fn of(brokers: &Brokers) -> BTreeMap<&'static str, String> {
        let cluster =
            Cluster::builder().cluster_arn("arn:aws:kafka:eu-north-1:1:cluster/shop/uuid").cluster_name("shop").build();
        outputs(&cluster, Some(brokers)).expect("the cluster has an ARN and a name").into_iter().collect()
    }

    #[test]
    fn the_best_bootstrap_string_is_the_one_that_authenticates() {
        let brokers = Brokers::builder()
            .bootstrap_broker_string_tls("b:9094")
            .bootstrap_broker_string_sasl_scram("b:9096")
            .bootstrap_broker_string_sasl_iam("")
            .build();
        let found = of(&brokers);
        assert_eq!(found["protocol"], "scram");
        assert_eq!(found["bootstrap"], "b:9096");
        assert_eq!(found["bootstrap_tls"], "b:9094");
        assert!(!found.contains_key("bootstrap_iam"));
        assert_eq!(found["topic_arn"], "arn:aws:kafka:eu-north-1:1:topic/shop/uuid");
    }

    #[test]
    fn brokers_in_clear_are_what_clients_get_who_have_no_other_way() {
        let brokers = Brokers::builder().bootstrap_broker_string("b-1.shop:9092");
        let found = of(&brokers.clone().build());
        assert_eq!((&*found["bootstrap"], &*found["protocol"]), ("b-1.shop:9092", "plaintext"));
        let found = of(&brokers.bootstrap_broker_string_sasl_iam("b-1.shop:9098").build());
        assert_eq!((&*found["bootstrap"], &*found["protocol"]), ("b-1.shop:9098", "iam"));
    }
}
