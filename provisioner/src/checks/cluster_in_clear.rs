//! A Kafka cluster with connections without TLS.

use super::{Around, Rule, said, typed};
use crate::kinds::cluster::{ClientEncryption, Spec};

pub(super) const RULE: Rule = Rule {
    name: "cluster-in-clear",
    kinds: &["cluster"],
    reason: "whoever is in the network can read everything",
    fix: "use TLS between clients and brokers, and between brokers",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(cluster: &Spec, _: &Around<'_>) -> Vec<String> {
    let mut found = match &cluster.client_encryption {
        ClientEncryption::Tls => Vec::new(),
        ClientEncryption::TlsPlaintext => vec!["clients may talk to brokers without TLS".to_owned()],
        ClientEncryption::Plaintext => vec!["clients talk to brokers without TLS".to_owned()],
        // None is declared.
        ClientEncryption::Other(_) => Vec::new(),
    };
    found.extend(said(!cluster.broker_encryption, "brokers talk to each other without TLS"));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn all_connections_are_by_tls() {
        let found = texts(&RULE, json!({"client_encryption": "TLS_PLAINTEXT"}));
        assert_eq!(found, ["clients may talk to brokers without TLS"]);
        assert_eq!(texts(&RULE, json!({"client_encryption": "PLAINTEXT"})), ["clients talk to brokers without TLS"]);
        assert_eq!(texts(&RULE, json!({"broker_encryption": false})), ["brokers talk to each other without TLS"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
