//! The rules of a security group, as a stack writes them and as EC2 does.

use anyhow::{Result, bail};
use lakewright_aws::Needed as _;
use lakewright_ec2::sdk::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::spec::cidr;
use crate::kinds::values::text;

text!(
    /// What a security group or one of its rules is for.
    Words,
    r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{0,255}$"
);

/// What a rule lets through: a protocol by its name, or by its number if it has no name here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Protocol {
    /// TCP, number 6.
    #[default]
    Tcp,
    /// UDP, number 17.
    Udp,
    /// ICMP, number 1.
    Icmp,
    /// ICMP for IPv6, number 58.
    Icmpv6,
    /// Every protocol.
    All,
    /// Another protocol.
    Number(u8),
    /// What is no protocol; no stack can declare it.
    Other(String),
}

impl From<String> for Protocol {
    fn from(text: String) -> Self {
        match text.to_lowercase().as_str() {
            "-1" | "all" => Self::All,
            "6" | "tcp" => Self::Tcp,
            "17" | "udp" => Self::Udp,
            "1" | "icmp" => Self::Icmp,
            "58" | "icmpv6" => Self::Icmpv6,
            other => other.parse().map_or(Self::Other(text), Self::Number),
        }
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => "tcp".to_owned(),
            Protocol::Udp => "udp".to_owned(),
            Protocol::Icmp => "icmp".to_owned(),
            Protocol::Icmpv6 => "icmpv6".to_owned(),
            Protocol::All => "all".to_owned(),
            Protocol::Number(number) => number.to_string(),
            Protocol::Other(other) => other,
        }
    }
}

/// A rule. It has exactly one peer: `cidr`, `group` or `prefix_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a protocol's number. Default: `tcp`.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^([A-Za-z0-9]{1,16}|-1)$"))]
    pub protocol: Protocol,
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
    #[schemars(length(min = 1, max = 64))]
    pub cidr: Option<String>,
    /// Another security group's id, `${security_group.hosts.id}`; `self` is this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(self|sg-[0-9a-f]{1,17})$"))]
    pub group: Option<String>,
    /// A prefix list's id, `pl-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^pl-[0-9a-f]{1,17}$"))]
    pub prefix_list: Option<String>,
    /// What it is for. Default: empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub description: Words,
}

impl Rule {
    /// Whom it lets through, for people.
    pub fn peer(&self) -> String {
        match (&self.cidr, &self.group, &self.prefix_list) {
            (Some(everybody), ..) if ["0.0.0.0/0", "::/0"].contains(&everybody.as_str()) => {
                format!("everybody ({everybody})")
            }
            (Some(range), ..) => range.clone(),
            (None, Some(own), _) if own == "self" => "its own members".to_owned(),
            (None, Some(group), _) => format!("members of {group}"),
            (None, None, Some(list)) => format!("what {list} lists"),
            (None, None, None) => "nobody".to_owned(),
        }
    }

    /// What it lets through, for people: `tcp port 22`, `every protocol`.
    pub fn ports(&self) -> String {
        let protocol = String::from(self.protocol.clone());
        match (&self.protocol, self.from_port.filter(|port| *port >= 0), self.to_port.filter(|port| *port >= 0)) {
            (Protocol::All, ..) => "every protocol".to_owned(),
            (Protocol::Icmp | Protocol::Icmpv6, None, _) => format!("every {protocol} message"),
            (Protocol::Icmp | Protocol::Icmpv6, Some(kind), None) => format!("{protocol} messages of type {kind}"),
            (Protocol::Icmp | Protocol::Icmpv6, Some(kind), Some(code)) => {
                format!("{protocol} messages of type {kind} and code {code}")
            }
            (Protocol::Tcp | Protocol::Udp, None, _) | (_, Some(0), Some(65535)) => format!("every {protocol} port"),
            (_, Some(from), None) => format!("{protocol} port {from}"),
            (_, Some(from), Some(to)) if from == to => format!("{protocol} port {from}"),
            (_, Some(from), Some(to)) => format!("{protocol} ports {from} to {to}"),
            (_, None, _) => format!("protocol {protocol}"),
        }
    }

    /// Whether both let the same through: rules are equal to AWS whatever their descriptions say.
    pub(super) fn same_traffic(&self, other: &Rule) -> bool {
        Rule { description: other.description.clone(), ..self.clone() } == *other
    }

    /// The rule as AWS takes it; `own` is the group's id.
    pub(super) fn permission(&self, own: &str) -> IpPermission {
        let mut permission = IpPermission::builder().ip_protocol(match &self.protocol {
            Protocol::All => "-1".to_owned(),
            protocol => protocol.clone().into(),
        });
        if let (Some(from), Some(to)) = (self.from_port, self.to_port) {
            permission = permission.from_port(from).to_port(to);
        }
        let words = Some(String::from(self.description.clone())).filter(|words| !words.is_empty());
        let permission = if let Some(group) = &self.group {
            let group = if group == "self" { own } else { group };
            let peer = UserIdGroupPair::builder().group_id(group).set_description(words);
            permission.user_id_group_pairs(peer.build())
        } else if let Some(prefix_list) = &self.prefix_list {
            let peer = PrefixListId::builder().prefix_list_id(prefix_list).set_description(words);
            permission.prefix_list_ids(peer.build())
        } else {
            let cidr = self.cidr.as_deref().unwrap_or_default();
            if cidr.contains(':') {
                permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).set_description(words).build())
            } else {
                permission.ip_ranges(IpRange::builder().cidr_ip(cidr).set_description(words).build())
            }
        };
        permission.build()
    }

    /// The rule in the form in which it is read from AWS.
    pub(super) fn canonical(&mut self) -> Result<()> {
        if [&self.cidr, &self.group, &self.prefix_list].iter().filter(|peer| peer.is_some()).count() != 1 {
            bail!("a rule has exactly one of `cidr`, `group` and `prefix_list`");
        }
        if let Some(range) = &self.cidr {
            self.cidr = Some(cidr(range)?);
        }
        (self.from_port, self.to_port) = match (&self.protocol, self.from_port, self.to_port) {
            (Protocol::Tcp | Protocol::Udp, None, None) => (Some(0), Some(65535)),
            (Protocol::Tcp | Protocol::Udp, Some(from), to) if from <= to.unwrap_or(from) => {
                (Some(from), to.or(Some(from)))
            }
            (Protocol::Tcp | Protocol::Udp, ..) => bail!("a rule's ports go from `from_port` up to `to_port`"),
            (Protocol::Icmp | Protocol::Icmpv6, from, to) => (from.or(Some(-1)), to.or(Some(-1))),
            (Protocol::All | Protocol::Number(_), ..) => (None, None),
            (Protocol::Other(other), ..) => {
                bail!("`{other}` is no protocol; protocols are tcp, udp, icmp, icmpv6, all and their numbers")
            }
        };
        Ok(())
    }
}

/// The rules of one direction, one for each peer; `own` is the group's id.
pub(super) fn rules(permissions: &[IpPermission], own: &str) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for permission in permissions {
        let protocol = permission.ip_protocol().needed("ec2", "IpPermission.IpProtocol")?;
        let protocol = Protocol::from(protocol.to_owned());
        // Protocols without ports have none; a rule may have no description.
        let rule = |description: Option<&str>| Rule {
            protocol: protocol.clone(),
            from_port: permission.from_port(),
            to_port: permission.to_port(),
            description: description.unwrap_or_default().into(),
            ..Rule::default()
        };
        for peer in permission.ip_ranges() {
            let cidr = peer.cidr_ip().needed("ec2", "IpRange.CidrIp")?;
            rules.push(Rule { cidr: Some(cidr.to_owned()), ..rule(peer.description()) });
        }
        for peer in permission.ipv6_ranges() {
            let cidr = peer.cidr_ipv6().needed("ec2", "Ipv6Range.CidrIpv6")?;
            rules.push(Rule { cidr: Some(cidr.to_owned()), ..rule(peer.description()) });
        }
        for peer in permission.user_id_group_pairs() {
            let id = peer.group_id().needed("ec2", "UserIdGroupPair.GroupId")?;
            let group = if id == own { "self" } else { id };
            rules.push(Rule { group: Some(group.to_owned()), ..rule(peer.description()) });
        }
        for peer in permission.prefix_list_ids() {
            let id = peer.prefix_list_id().needed("ec2", "PrefixListId.PrefixListId")?;
            rules.push(Rule { prefix_list: Some(id.to_owned()), ..rule(peer.description()) });
        }
    }
    for rule in &mut rules {
        // What is on AWS is valid; were it not, it is shown as it is.
        let _ = rule.canonical();
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_permission_with_several_peers_is_several_rules() {
        let kafka = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(9092)
            .to_port(9098)
            .user_id_group_pairs(UserIdGroupPair::builder().group_id("sg-1").build())
            .user_id_group_pairs(UserIdGroupPair::builder().group_id("sg-2").description("hosts").build())
            .ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/16").build())
            .build();
        let all = IpPermission::builder().ip_protocol("-1").ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build());
        let read = rules(&[kafka, all.build()], "sg-1").expect("every peer has an id or a range");
        assert_eq!(
            serde_json::to_value(&read).expect("a list of rules"),
            json!([
                {"protocol": "tcp", "from_port": 9092, "to_port": 9098, "cidr": "10.0.0.0/16"},
                {"protocol": "tcp", "from_port": 9092, "to_port": 9098, "group": "self"},
                {"protocol": "tcp", "from_port": 9092, "to_port": 9098, "group": "sg-2", "description": "hosts"},
                {"protocol": "all", "cidr": "::/0"},
            ])
        );
    }

    #[test]
    fn a_rule_is_said_in_words() {
        let words = |rule: serde_json::Value| {
            let rule: Rule = serde_json::from_value(rule).expect("a rule");
            let read = format!("{}: {}", rule.peer(), rule.ports());
            let mut canonical = rule;
            canonical.canonical().expect("a rule");
            assert_eq!(format!("{}: {}", canonical.peer(), canonical.ports()), read, "as AWS gives it back");
            read
        };
        for (rule, said) in [
            (json!({"from_port": 22, "cidr": "0.0.0.0/0"}), "everybody (0.0.0.0/0): tcp port 22"),
            (
                json!({"from_port": 1, "to_port": 9, "protocol": "udp", "group": "sg-1"}),
                "members of sg-1: udp ports 1 to 9",
            ),
            (json!({"prefix_list": "pl-1"}), "what pl-1 lists: every tcp port"),
            (json!({"protocol": "icmp", "group": "self"}), "its own members: every icmp message"),
            (
                json!({"protocol": "icmp", "from_port": -1, "to_port": -1, "cidr": "::/0"}),
                "everybody (::/0): every icmp message",
            ),
            (json!({"protocol": "icmp", "from_port": 8, "cidr": "10.0.0.0/8"}), "10.0.0.0/8: icmp messages of type 8"),
            (
                json!({"protocol": "icmpv6", "from_port": 1, "to_port": 4, "group": "sg-1"}),
                "members of sg-1: icmpv6 messages of type 1 and code 4",
            ),
            (json!({"protocol": "47", "cidr": "10.0.0.0/8"}), "10.0.0.0/8: protocol 47"),
            (json!({"protocol": "all", "cidr": "10.0.0.0/8"}), "10.0.0.0/8: every protocol"),
        ] {
            assert_eq!(words(rule), said);
        }
    }

    #[test]
    fn a_rule_is_read_as_it_was_written() {
        let open = Rule { from_port: Some(443), to_port: Some(443), description: "people".into(), ..Rule::default() };
        for rule in [
            Rule { cidr: Some("10.0.0.0/16".to_owned()), ..open.clone() },
            Rule { cidr: Some("::/0".to_owned()), description: Words::default(), ..open.clone() },
            Rule { group: Some("self".to_owned()), ..open.clone() },
            Rule { prefix_list: Some("pl-1".to_owned()), ..open.clone() },
            Rule { protocol: Protocol::All, from_port: None, to_port: None, group: Some("sg-2".to_owned()), ..open },
        ] {
            assert_eq!(rules(&[rule.permission("sg-1")], "sg-1").expect("it is whole"), [rule]);
        }
    }
}
