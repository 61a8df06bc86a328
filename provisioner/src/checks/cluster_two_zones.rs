//! A Kafka cluster in fewer than three zones.

use super::{Around, Rule, said, typed};
use crate::kinds::cluster::Spec;

pub(super) const RULE: Rule = Rule {
    name: "cluster-two-zones",
    kinds: &["cluster"],
    reason: "with fewer than three zones, the loss of one stops writers that wait for two copies",
    fix: "give the network three zones",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(cluster: &Spec, _: &Around<'_>) -> Vec<String> {
    let zones = cluster.subnets.len();
    said(zones < 3, format!("its brokers stand in {zones} zone{}", if zones == 1 { "" } else { "s" }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_cluster_has_three_zones() {
        let found = texts(&RULE, json!({"brokers": 2, "subnets": ["subnet-1", "subnet-2"]}));
        assert_eq!(found, ["its brokers stand in 2 zones"]);
        assert_eq!(texts(&RULE, json!({"subnets": ["subnet-1"]})), ["its brokers stand in 1 zone"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
