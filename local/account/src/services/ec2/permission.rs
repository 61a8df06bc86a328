//! Rules as requests bring them (permissions with several sources) and as they are kept (one source each).

use std::net::Ipv6Addr;

use serde_json::{Map, Value, json};

use super::cidr::Cidr;
use super::error::{invalid, missing};
use super::kind::SECURITY_GROUP;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;

/// What a rule is compared by: everything but its description and its id.
pub(super) const IDENTITY: [&str; 7] =
    ["isEgress", "ipProtocol", "fromPort", "toPort", "cidrIpv4", "cidrIpv6", "prefixListId"];

/// Says whether two rules of a group let the same traffic through.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    IDENTITY.iter().all(|member| one.get(member) == other.get(member))
        && one["referencedGroupInfo"]["groupId"] == other["referencedGroupInfo"]["groupId"]
}

/// Reads the rules of a request for `group`: from `IpPermissions`, or from the short form beside it.
pub(super) fn read(state: &State<'_>, request: &Request, group: &Value, egress: bool) -> Result<Vec<Value>, AwsError> {
    let input = &request.input;
    let permissions = input.list("IpPermissions");
    if !permissions.is_empty() {
        if input.member("IpProtocol").is_some() || input.member("CidrIp").is_some() {
            let message = "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'";
            return Err(AwsError::new("InvalidParameterCombination", message));
        }
        let mut rules = Vec::new();
        for permission in permissions {
            rules.extend(of_permission(state, permission, group, egress)?);
        }
        return Ok(rules);
    }
    if input.member("IpProtocol").is_none() {
        return Err(missing("ipPermissions"));
    }
    let short = json!({
        "IpProtocol": input["IpProtocol"],
        "FromPort": input["FromPort"],
        "ToPort": input["ToPort"],
        "IpRanges": [{ "CidrIp": input["CidrIp"] }],
    });
    of_permission(state, &short, group, egress)
}

fn of_permission(state: &State<'_>, permission: &Value, group: &Value, egress: bool) -> Result<Vec<Value>, AwsError> {
    let protocol = protocol(permission.text("IpProtocol").ok_or_else(|| missing("ipProtocol"))?)?;
    let (from, to) = ports(&protocol, permission.number("FromPort"), permission.number("ToPort"))?;
    let rule = |source: Map<String, Value>, description: Option<&str>| -> Result<Value, AwsError> {
        let mut rule = json!({
            "groupId": group["groupId"],
            "groupOwnerId": group["ownerId"],
            "isEgress": egress,
            "ipProtocol": protocol,
            "fromPort": from,
            "toPort": to,
        });
        rule.as_object_mut().expect("it was made an object").extend(source);
        if let Some(description) = description.filter(|text| !text.is_empty()) {
            check_description(description)?;
            rule["description"] = json!(description);
        }
        Ok(rule)
    };
    let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
    let mut rules = Vec::new();
    for range in permission.list("IpRanges") {
        let text = range.text("CidrIp").unwrap_or_default();
        let cidr = Cidr::parse(text).ok_or_else(|| malformed(text))?;
        rules.push(rule(one("cidrIpv4", json!(cidr.to_string())), range.text("Description"))?);
    }
    for range in permission.list("Ipv6Ranges") {
        let cidr = ipv6(range.text("CidrIpv6").unwrap_or_default())?;
        rules.push(rule(one("cidrIpv6", json!(cidr)), range.text("Description"))?);
    }
    for list in permission.list("PrefixListIds") {
        let id = list.text("PrefixListId").unwrap_or_default();
        if !id.starts_with("pl-") {
            let message = format!("The prefix list ID '{id}' does not exist");
            return Err(AwsError::new("InvalidPrefixListID.NotFound", message));
        }
        rules.push(rule(one("prefixListId", json!(id)), list.text("Description"))?);
    }
    for pair in permission.list("Groups") {
        let referenced = referenced(state, pair, group)?;
        rules.push(rule(one("referencedGroupInfo", referenced), pair.text("Description"))?);
    }
    if rules.is_empty() {
        return Err(missing("ipRanges, ipv6Ranges, prefixListIds or groups"));
    }
    Ok(rules)
}

fn referenced(state: &State<'_>, pair: &Value, group: &Value) -> Result<Value, AwsError> {
    let found = match (pair.text("GroupId"), pair.text("GroupName")) {
        (Some(id), _) => SECURITY_GROUP.get(state, id)?,
        (None, Some(name)) => {
            let same = |other: &Value| other["vpcId"] == group["vpcId"] && other["groupName"] == name;
            let found = state.list(SECURITY_GROUP.collection).find(|(_, other)| same(other));
            let message =
                || AwsError::new("InvalidGroup.NotFound", format!("The security group '{name}' does not exist"));
            found.map(|(_, document)| document.clone()).ok_or_else(message)?
        }
        (None, None) => return Err(missing("groups.groupId")),
    };
    if found["vpcId"] != group["vpcId"] {
        let id = found.text("groupId").unwrap_or_default();
        return Err(AwsError::new(
            "InvalidGroup.NotFound",
            format!("You have specified two resources that belong to different networks: {id}"),
        ));
    }
    Ok(json!({ "groupId": found["groupId"], "userId": found["ownerId"] }))
}

pub(super) fn protocol(text: &str) -> Result<String, AwsError> {
    let name = match text.to_lowercase().as_str() {
        "tcp" | "6" => "tcp".to_owned(),
        "udp" | "17" => "udp".to_owned(),
        "icmp" | "1" => "icmp".to_owned(),
        "icmpv6" | "58" => "icmpv6".to_owned(),
        "-1" | "all" => "-1".to_owned(),
        number if number.parse::<u8>().is_ok() => number.to_owned(),
        _ => return Err(invalid(format!("Invalid value '{text}' for IP protocol. Unknown protocol."))),
    };
    Ok(name)
}

/// Checks ports against the protocol; -1 stands for "all".
pub(super) fn ports(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<(i64, i64), AwsError> {
    match protocol {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                let message = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
                return Err(invalid(message));
            };
            if !(0..=65535).contains(&from) || !(0..=65535).contains(&to) || from > to {
                return Err(invalid(format!("Invalid TCP/UDP port range ({from}:{to})")));
            }
            Ok((from, to))
        }
        "icmp" | "icmpv6" => Ok((from.unwrap_or(-1), to.unwrap_or(-1))),
        _ => Ok((-1, -1)),
    }
}

fn malformed(cidr: &str) -> AwsError {
    invalid(format!("CIDR block {cidr} is malformed"))
}

fn ipv6(text: &str) -> Result<String, AwsError> {
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(address, length)| {
        Some((address.parse::<Ipv6Addr>().ok()?, length.parse::<u32>().ok().filter(|length| *length <= 128)?))
    });
    let (address, length) = parsed.ok_or_else(|| malformed(text))?;
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    Ok(format!("{}/{length}", Ipv6Addr::from(u128::from(address) & mask)))
}

/// Checks the characters that descriptions of groups and rules may have.
pub(super) fn check_description(text: &str) -> Result<(), AwsError> {
    let fits = |character: char| character.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(character);
    if text.chars().count() > 255 || !text.chars().all(fits) {
        return Err(invalid(format!(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following \
             set: a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*: {text}"
        )));
    }
    Ok(())
}

/// Turns rules back into permissions, as DescribeSecurityGroups shows them.
pub(super) fn permissions(rules: &[&Value]) -> Value {
    let mut grouped: Vec<Value> = Vec::new();
    for rule in rules {
        let all = rule["ipProtocol"] == "-1";
        let matches = |permission: &&mut Value| {
            permission["ipProtocol"] == rule["ipProtocol"]
                && (all || (permission["fromPort"] == rule["fromPort"] && permission["toPort"] == rule["toPort"]))
        };
        let place = match grouped.iter_mut().find(matches) {
            Some(place) => place,
            None => {
                let mut made = json!({ "ipProtocol": rule["ipProtocol"] });
                if !all {
                    made["fromPort"] = rule["fromPort"].clone();
                    made["toPort"] = rule["toPort"].clone();
                }
                for list in ["groups", "ipRanges", "ipv6Ranges", "prefixListIds"] {
                    made[list] = json!([]);
                }
                grouped.push(made);
                grouped.last_mut().expect("it was just pushed")
            }
        };
        let (list, mut source) = if let Some(group) = rule.member("referencedGroupInfo") {
            ("groups", json!({ "userId": group["userId"], "groupId": group["groupId"] }))
        } else if let Some(cidr) = rule.member("cidrIpv6") {
            ("ipv6Ranges", json!({ "cidrIpv6": cidr }))
        } else if let Some(id) = rule.member("prefixListId") {
            ("prefixListIds", json!({ "prefixListId": id }))
        } else {
            ("ipRanges", json!({ "cidrIp": rule["cidrIpv4"] }))
        };
        if let Some(description) = rule.member("description") {
            source["description"] = description.clone();
        }
        place[list].as_array_mut().expect("it was made a list").push(source);
    }
    Value::Array(grouped)
}
