//! A Kafka cluster whose clients prove who they are, and may then do anything.

use super::{Around, Rule, said, typed};
use crate::kinds::cluster::Spec;
use crate::kinds::msk_configuration::{MskConfiguration, closes};

pub(super) const RULE: Rule = Rule {
    name: "cluster-without-acls",
    kinds: &["cluster"],
    reason: "whoever gets one client's password or certificate reads, writes and deletes every topic",
    fix: "let clients log in by IAM, whose policies name topics: `authentication = \"iam\"`; or let the agent `acls` keep \
          each client's access control lists, and then set \"allow.everyone.if.no.acl.found\" = \"false\" in [kafka.configuration]",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(cluster: &Spec, around: &Around<'_>) -> Vec<String> {
    let ways = &cluster.authentication;
    let named = ways.scram || !ways.certificate_authorities.is_empty();
    let configuration = cluster.configuration.as_ref().map(|one| one.arn.as_str());
    let closed = around
        .of(&MskConfiguration)
        .any(|(address, spec)| configuration == Some(address.output("arn").as_str()) && closes(&spec.properties));
    said(named && !closed, "no access control list says which topics a client may use")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::{lines, stack, texts};

    #[test]
    fn a_password_opens_the_topics_of_its_client_only() {
        let found = texts(&RULE, json!({"authentication": {"scram": true}}));
        assert_eq!(found, ["no access control list says which topics a client may use"]);
        let arn = "arn:aws:acm-pca:eu-north-1:123456789012:certificate-authority/a";
        assert_eq!(texts(&RULE, json!({"authentication": {"certificate_authorities": [arn]}})).len(), 1);
        assert_eq!(texts(&RULE, json!({"authentication": {"iam": true}})), [""; 0]);

        let with = |value: &str| {
            let configuration = json!({"arn": "${msk_configuration.main.arn}", "revision": "1"});
            stack(&[
                ("msk_configuration.main", json!({"properties": {"allow.everyone.if.no.acl.found": value}})),
                ("cluster.main", json!({"authentication": {"scram": true}, "configuration": configuration})),
            ])
        };
        assert_eq!(lines(&RULE, &with("true")).len(), 1);
        assert_eq!(lines(&RULE, &with("false")), [""; 0]);
    }
}
