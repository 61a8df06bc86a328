//! A Kafka cluster that anybody may use.

use super::{Around, Rule, said, typed};
use crate::kinds::cluster::Spec;

pub(super) const RULE: Rule = Rule {
    name: "cluster-open",
    kinds: &["cluster"],
    reason: "every process in the network may read and write every topic",
    fix: "authenticate clients: `authentication = \"iam\"`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(cluster: &Spec, _: &Around<'_>) -> Vec<String> {
    said(cluster.authentication.unauthenticated, "clients needn't prove who they are")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn clients_prove_who_they_are() {
        let found = texts(&RULE, json!({"authentication": {"iam": true, "unauthenticated": true}}));
        assert_eq!(found, ["clients needn't prove who they are"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
