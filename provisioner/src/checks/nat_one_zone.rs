//! A NAT gateway that several zones share.

use std::collections::BTreeSet;

use super::{Around, Rule, said, typed};
use crate::kinds::nat_gateway::Spec;
use crate::kinds::route_table::RouteTable;
use crate::kinds::subnet::Subnet;

pub(super) const RULE: Rule = Rule {
    name: "nat-one-zone",
    kinds: &["nat_gateway"],
    reason: "when its zone is lost, the other zones lose their way out, too; and AWS bills what they send through it",
    fix: "have one in each zone: `nat = \"per-zone\"`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(_: &Spec, around: &Around<'_>) -> Vec<String> {
    let id = around.address.output("id");
    let tables = around.of(&RouteTable).map(|(_, table)| table);
    let leading = tables.filter(|table| table.routes.iter().any(|route| route.target == id));
    let subnets: Vec<_> = leading.flat_map(|table| table.subnets).collect();
    let behind = around.of(&Subnet).filter(|(address, _)| subnets.contains(&address.output("id").into()));
    let zones: BTreeSet<_> = behind.map(|(_, subnet)| subnet.zone).collect();
    said(zones.len() > 1, format!("it is the only way out of {} zones", zones.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::{lines, stack};

    #[test]
    fn one_gateway_for_several_zones_is_found() {
        let table = |gateway: &str, subnet: &str| {
            json!({
                "routes": [{"destination": "0.0.0.0/0", "target": format!("${{nat_gateway.{gateway}.id}}")}],
                "subnets": [format!("${{subnet.{subnet}.id}}")],
            })
        };
        let with = |second: &str| {
            let desired = stack(&[
                ("subnet.a", json!({"zone": "eu-north-1a"})),
                ("subnet.b", json!({"zone": "eu-north-1b"})),
                ("nat_gateway.a", json!({})),
                ("nat_gateway.b", json!({})),
                ("route_table.a", table("a", "a")),
                ("route_table.b", table(second, "b")),
            ]);
            lines(&RULE, &desired)
        };
        assert_eq!(with("a"), ["nat_gateway.a: it is the only way out of 2 zones"]);
        assert_eq!(with("b"), [""; 0]);
    }
}
