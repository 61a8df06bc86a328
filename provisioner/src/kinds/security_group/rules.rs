//! The rules of a security group, as a stack writes them and as EC2 does.

use anyhow::{Result, bail};
use lakewright_aws::{list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kinds::spec::cidr;
use crate::kinds::wire::some_text;

/// A rule. It has exactly one peer: `cidr`, `group` or `prefix_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a protocol's number. Default: `tcp`.
    #[serde(default = "tcp")]
    pub protocol: String,
    /// The first port, or the ICMP type; absent: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 65535))]
    pub from_port: Option<i32>,
    /// The last port, or the ICMP code; absent: the same as the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 65535))]
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

impl Rule {
    /// Whether both let the same through: rules are equal to AWS whatever their descriptions say.
    pub(super) fn same_traffic(&self, other: &Rule) -> bool {
        Rule { description: other.description.clone(), ..self.clone() } == *other
    }

    /// The rule as AWS takes it; `own` is the group's id.
    pub(super) fn permission(&self, own: &str) -> Value {
        let protocol = if self.protocol == "all" { "-1" } else { &self.protocol };
        let mut permission = json!({"IpProtocol": protocol});
        if let (Some(from), Some(to)) = (self.from_port, self.to_port) {
            permission["FromPort"] = json!(from);
            permission["ToPort"] = json!(to);
        }
        let (list, name, peer) = if let Some(group) = &self.group {
            ("Groups", "GroupId", if group == "self" { own } else { group })
        } else if let Some(prefix_list) = &self.prefix_list {
            ("PrefixListIds", "PrefixListId", prefix_list.as_str())
        } else {
            let cidr = self.cidr.as_deref().unwrap_or_default();
            if cidr.contains(':') { ("Ipv6Ranges", "CidrIpv6", cidr) } else { ("IpRanges", "CidrIp", cidr) }
        };
        let mut item = json!({name: peer});
        if !self.description.is_empty() {
            item["Description"] = json!(self.description);
        }
        permission[list] = json!([item]);
        permission
    }

    /// The rule in the form in which it is read from AWS.
    pub(super) fn canonical(&mut self) -> Result<()> {
        if [&self.cidr, &self.group, &self.prefix_list].iter().filter(|peer| peer.is_some()).count() != 1 {
            bail!("a rule has exactly one of `cidr`, `group` and `prefix_list`");
        }
        if let Some(range) = &self.cidr {
            self.cidr = Some(cidr(range)?);
        }
        let name = match self.protocol.to_lowercase().as_str() {
            "-1" | "all" => "all",
            "6" | "tcp" => "tcp",
            "17" | "udp" => "udp",
            "1" | "icmp" => "icmp",
            "58" | "icmpv6" => "icmpv6",
            number if number.parse::<u8>().is_ok() => number,
            other => bail!("`{other}` is no protocol; protocols are tcp, udp, icmp, icmpv6, all and their numbers"),
        }
        .to_owned();
        self.protocol = name;
        (self.from_port, self.to_port) = match self.protocol.as_str() {
            "tcp" | "udp" => match (self.from_port, self.to_port) {
                (None, None) => (Some(0), Some(65535)),
                (Some(from), to) if from <= to.unwrap_or(from) => (Some(from), to.or(Some(from))),
                _ => bail!("a rule's ports go from `from_port` up to `to_port`"),
            },
            "icmp" | "icmpv6" => (self.from_port.or(Some(-1)), self.to_port.or(Some(-1))),
            _ => (None, None),
        };
        Ok(())
    }
}

/// The rules of one direction, one for each peer.
pub(super) fn rules(group: &Value, own: &str, direction: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for permission in list(group, direction) {
        let port = |name: &str| text(permission, name).parse().ok();
        let mut add = |peer: &Value, cidr: &str, group: &str, prefix_list: &str| {
            let of = |name: &str| if name.is_empty() { None } else { some_text(peer, name) };
            let mut rule = Rule {
                protocol: text(permission, "ipProtocol").to_owned(),
                from_port: port("fromPort"),
                to_port: port("toPort"),
                cidr: of(cidr),
                group: of(group).map(|id| if id == own { "self".to_owned() } else { id }),
                prefix_list: of(prefix_list),
                description: text(peer, "description").to_owned(),
            };
            // What is on AWS is valid; were it not, it is shown as it is.
            let _ = rule.canonical();
            rules.push(rule);
        };
        for peer in list(permission, "ipRanges") {
            add(peer, "cidrIp", "", "");
        }
        for peer in list(permission, "ipv6Ranges") {
            add(peer, "cidrIpv6", "", "");
        }
        for peer in list(permission, "groups") {
            add(peer, "", "groupId", "");
        }
        for peer in list(permission, "prefixListIds") {
            add(peer, "", "", "prefixListId");
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::spec::value;

    #[test]
    fn one_permission_with_several_peers_is_several_rules() {
        let group = json!({"ipPermissions": [
            {
                "ipProtocol": "tcp", "fromPort": "9092", "toPort": "9098",
                "groups": [{"groupId": "sg-1"}, {"groupId": "sg-2", "description": "hosts"}],
                "ipRanges": [{"cidrIp": "10.0.0.0/16"}], "ipv6Ranges": "", "prefixListIds": "",
            },
            {"ipProtocol": "-1", "groups": "", "ipRanges": "", "ipv6Ranges": [{"cidrIpv6": "::/0"}], "prefixListIds": ""},
        ]});
        let read = rules(&group, "sg-1", "ipPermissions");
        assert_eq!(
            value(&read),
            json!([
                {"protocol": "tcp", "from_port": 9092, "to_port": 9098, "cidr": "10.0.0.0/16"},
                {"protocol": "tcp", "from_port": 9092, "to_port": 9098, "group": "self"},
                {"protocol": "tcp", "from_port": 9092, "to_port": 9098, "group": "sg-2", "description": "hosts"},
                {"protocol": "all", "cidr": "::/0"},
            ])
        );
    }
}
