//! Networks in, mistakes or subnets and ways out of them.

use std::path::Path;

use insta::assert_snapshot;

use super::super::parse;
use super::{expanded, mistakes, spec};
use crate::resource::Desired;

/// A small stack with this network.
fn networked(network: &str, more: &str) -> String {
    format!(
        "[stack]\nname = \"small\"\n[network]\n{network}\n[kafka]\nbrokers = 2\nsecret = \"kafka\"\n[keys.main]\n\
         [secrets.kafka]\nusername = \"u\"\n[topics.t]\n[buckets.raw]\n[tables.x]\ntopic = \"t\"\nkey = [\"id\"]\n\
         columns = {{ id = \"string\" }}\n[hosts.app]\nagents = [\"stream\"]\n{more}"
    )
}

fn expanded_text(text: &str) -> Desired {
    let stack = parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    expanded(&stack)
}

fn cidrs(desired: &Desired) -> Vec<(String, String)> {
    let subnets = desired.resources.iter().filter(|resource| resource.address.kind == "subnet");
    subnets.map(|one| (one.address.name.clone(), one.spec["cidr"].as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn private_subnets_stand_in_the_upper_half_and_public_ones_stay() {
    let pair = |name: &str, cidr: &str| (name.to_owned(), cidr.to_owned());
    let public = [pair("a", "10.20.0.0/19"), pair("b", "10.20.32.0/19")];
    let private = [pair("private-a", "10.20.128.0/19"), pair("private-b", "10.20.160.0/19")];
    let of = |network: &str| cidrs(&expanded_text(&networked(&format!("zones = [\"a\", \"b\"]\n{network}"), "")));
    assert_eq!(of(""), public);
    let per_zone = [&public[..], &private[..]].concat();
    assert_eq!(of("subnets = \"private\"\nnat = \"per-zone\""), per_zone);
    assert_eq!(of("subnets = \"private\""), [&public[..1], &private[..]].concat());
}

#[test]
fn everybody_in_private_subnets_has_a_way_out_and_none_in() {
    let desired =
        expanded_text(&networked("zones = [\"a\", \"b\"]\nsubnets = \"private\"\nendpoints = [\"glue\"]", ""));
    let private = serde_json::json!(["${subnet.private-a.id}", "${subnet.private-b.id}"]);
    for address in ["auto_scaling_group.app", "cluster.main", "vpc_endpoint.glue"] {
        assert_eq!(spec(&desired, address)["subnets"], private, "{address}");
    }
    for subnet in ["subnet.a", "subnet.private-a", "subnet.private-b"] {
        assert_eq!(spec(&desired, subnet)["map_public_ip_on_launch"], false, "{subnet}");
    }
    for table in ["route_table.private-a", "route_table.private-b"] {
        assert_eq!(spec(&desired, table)["routes"][0]["target"], "${nat_gateway.a.id}", "{table}");
    }
    let hosts = desired.resources.iter().find(|one| one.address.to_string() == "auto_scaling_group.app");
    let after: Vec<String> = hosts.expect("hosts").after.iter().map(ToString::to_string).collect();
    for way in ["route_table.private-a", "route_table.private-b", "vpc_endpoint.s3", "vpc_endpoint.glue"] {
        assert!(after.iter().any(|address| address == way), "{way} isn't among {after:?}");
    }
    let endpoints = spec(&desired, "security_group.endpoints");
    assert_eq!(endpoints["ingress"][0]["group"], "${security_group.app.id}");
    assert_eq!(
        (&endpoints["ingress"][0]["from_port"], endpoints["egress"].as_array().map(Vec::len)),
        (&443.into(), Some(0))
    );
    assert_eq!(spec(&desired, "vpc_endpoint.s3")["route_tables"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_existing_network_is_referred_to_and_nothing_of_it_is_made() {
    let network = "flow_logs = true\n[network.existing]\nvpc = \"vpc-0123456789abcdef0\"\n\
                   subnets = { a = \"subnet-0123456789abcdef0\", b = \"subnet-0123456789abcdef1\" }";
    let desired = expanded_text(&networked(network, ""));
    let made = desired.resources.iter().map(|resource| resource.address.kind.as_str());
    let network = ["vpc", "subnet", "internet_gateway", "route_table", "nat_gateway", "elastic_ip", "vpc_endpoint"];
    assert!(made.into_iter().all(|kind| !network.contains(&kind)));
    let subnets = serde_json::json!(["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]);
    assert_eq!(spec(&desired, "cluster.main")["subnets"], subnets);
    assert_eq!(spec(&desired, "security_group.app")["vpc"], "vpc-0123456789abcdef0");
    assert_eq!(spec(&desired, "flow_log.main")["vpc"], "vpc-0123456789abcdef0");
}

#[test]
fn mistakes_are_shown_with_their_fix() {
    let batch = "[search]\nhost = \"app\"\nlogin = false\n";
    assert_snapshot!(mistakes(
        &networked("zones = [\"a\", \"b\"]\nsubnets = \"private\"\nnat = \"none\"\nendpoints = [\"glue\"]", batch),
        &[]
    ));
    assert_snapshot!(mistakes(
        &networked(
            "zones = [\"a\", \"b\"]\nnat = \"single\"\nendpoints = [\"gleu\", \"s3\", \"kms\", \"kms\", \"com.amazonaws.eu-north-1.sts\"]",
            ""
        ),
        &[]
    ));
    assert_snapshot!(mistakes(
        &networked("zones = [\"a\", \"b\", \"c\", \"d\", \"e\"]\nsubnets = \"private\"", ""),
        &[]
    ));
    assert_snapshot!(mistakes(
        &networked(
            "cidr = \"10.0.0.0/16\"\nzones = [\"a\"]\nnat = \"none\"\n[network.existing]\nvpc = \"main\"\n\
             subnets = { a = \"subnet-0123456789abcdef0\", b = \"subnet-0123456789abcdef0\", main = \"x\" }",
            ""
        ),
        &[]
    ));
}
