//! A security group that lets the whole internet in.

use super::{Around, Rule, typed};
use crate::kinds::security_group::{self, Protocol, Spec};

pub(super) const RULE: Rule = Rule {
    name: "open-ingress",
    kind: "security_group",
    reason: "scanners find it within minutes",
    fix: "name the ranges or groups that may come in; reach hosts by Session Manager",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(group: &Spec, _: &Around<'_>) -> Vec<String> {
    let open = group.ingress.iter().filter(|rule| matches!(rule.cidr.as_deref(), Some("0.0.0.0/0" | "::/0")));
    open.map(|rule| format!("the whole internet may come in by {}", ports(rule))).collect()
}

fn ports(rule: &security_group::Rule) -> String {
    let protocol = String::from(rule.protocol.clone());
    match (rule.from_port, rule.to_port) {
        (Some(from), Some(to)) if from == to => format!("{protocol} port {from}"),
        (Some(from), Some(to)) => format!("{protocol} ports {from} to {to}"),
        _ if rule.protocol == Protocol::All => "every protocol".to_owned(),
        _ => protocol,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn not_everybody_may_come_in() {
        let ingress = json!([
            {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0"},
            {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "10.0.0.0/8"},
            {"protocol": "udp", "from_port": 1, "to_port": 9, "cidr": "::/0"},
            {"protocol": "all", "cidr": "0.0.0.0/0"},
            {"protocol": "47", "cidr": "0.0.0.0/0"},
        ]);
        let by = ["tcp port 22", "udp ports 1 to 9", "every protocol", "47"];
        let expected = by.map(|by| format!("the whole internet may come in by {by}"));
        assert_eq!(texts(&RULE, json!({"ingress": ingress})), expected);
    }
}
