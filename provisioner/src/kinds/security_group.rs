//! `security_group`: who may talk to a network interface, and whom it may talk to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, replaces};
use crate::kind::{Comparing, Field};

/// Who may talk to a network interface, and whom it may talk to. Its rules are exactly those named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: String,
    /// The name, unique in the VPC; it can't begin with `sg-`.
    pub name: String,
    /// What it is for; it can't be changed later.
    pub description: String,
    /// What may come in. Default: nothing.
    #[serde(default)]
    pub ingress: Vec<Rule>,
    /// What may go out. Default: everything over IPv4; an empty list forbids everything.
    #[serde(default = "everything")]
    pub egress: Vec<Rule>,
}

/// A rule. It has exactly one peer: `cidr`, `group` or `prefix_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a protocol's number. Default: `tcp`.
    #[serde(default = "tcp")]
    pub protocol: String,
    /// The first port, or the ICMP type; absent: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_port: Option<i32>,
    /// The last port, or the ICMP code; absent: the same as the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_port: Option<i32>,
    /// A range of addresses, IPv4 or IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Another security group's id, `${security_group.hosts.id}`; `self` is this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A prefix list's id, `pl-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_list: Option<String>,
    /// What it is for. Default: empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

fn tcp() -> String {
    "tcp".to_owned()
}

fn everything() -> Vec<Rule> {
    vec![Rule {
        protocol: "all".to_owned(),
        from_port: None,
        to_port: None,
        cidr: Some("0.0.0.0/0".to_owned()),
        group: None,
        prefix_list: None,
        description: String::new(),
    }]
}

const FIELDS: &[Field] = &[
    replaces("vpc"),
    replaces("name"),
    replaces("description"),
    compared(in_place("ingress"), Comparing::AsSet),
    compared(in_place("egress"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["id", "arn", "name"];

/// The kind.
#[derive(Debug)]
pub struct SecurityGroup;
