//! Subnets and availability zones.

use serde_json::{Value, json};

use super::cidr::Cidr;
use super::error::{dependency, invalid, missing};
use super::kind::{INTERFACE, ROUTE_TABLE, SUBNET, VPC};
use super::{done, tags};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Seconds until a new subnet is available.
const CREATE_SECONDS: i64 = 2;

/// Returns the zones of a region: name and id.
pub(super) fn zones(region: &str) -> Vec<(String, String)> {
    let mut short = String::new();
    for (index, part) in region.split('-').enumerate() {
        match (index, part) {
            (0, part) => short.push_str(part),
            (_, "northeast") => short.push_str("ne"),
            (_, "northwest") => short.push_str("nw"),
            (_, "southeast") => short.push_str("se"),
            (_, "southwest") => short.push_str("sw"),
            (_, part) => short.extend(part.chars().next()),
        }
    }
    let zone = |(index, letter)| (format!("{region}{letter}"), format!("{short}-az{}", index + 1));
    ['a', 'b', 'c'].into_iter().enumerate().map(zone).collect()
}

pub(super) fn describe_zones(request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("ZoneName");
    let ids = request.input.texts("ZoneId");
    let all = zones(&request.region);
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|(zone, _)| zone == *name)) {
        return Err(invalid(format!("Invalid availability zone: [{unknown}]")));
    }
    let mut shown = Vec::new();
    for (name, id) in all {
        let chosen = (names.is_empty() || names.contains(&name)) && (ids.is_empty() || ids.contains(&id));
        let filtered = request.input.list("Filter").iter().all(|filter| {
            let actual = match filter.text("Name").unwrap_or_default() {
                "zone-name" => name.as_str(),
                "zone-id" => id.as_str(),
                "state" => "available",
                "region-name" => request.region.as_str(),
                "zone-type" => "availability-zone",
                "opt-in-status" => "opt-in-not-required",
                _ => return false,
            };
            filter.list("Value").iter().filter_map(Value::as_str).any(|pattern| tags::fits(pattern, actual))
        });
        if chosen && filtered {
            shown.push(json!({
                "optInStatus": "opt-in-not-required",
                "messageSet": [],
                "regionName": request.region,
                "zoneName": name,
                "zoneId": id,
                "groupName": format!("{}-zg-1", request.region),
                "networkBorderGroup": request.region,
                "zoneType": "availability-zone",
                "zoneState": "available",
            }));
        }
    }
    Ok(json!({ "availabilityZoneInfo": shown }))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let vpc = VPC.named(state, request, "VpcId")?;
    let given = request.input.text("CidrBlock").ok_or_else(|| missing("cidrBlock"))?;
    let Some(cidr) = Cidr::parse(given) else {
        let message = format!("Value ({given}) for parameter cidrBlock is invalid. This is not a valid CIDR block.");
        return Err(invalid(message));
    };
    let whole = vpc.text("cidrBlock").and_then(Cidr::parse);
    let whole = whole.ok_or_else(|| AwsError::internal("a VPC without a block"))?;
    if !(16..=28).contains(&cidr.length()) || !whole.contains(cidr) {
        return Err(AwsError::new("InvalidSubnet.Range", format!("The CIDR '{given}' is invalid.")));
    }
    let taken = state.list(SUBNET.collection).any(|(_, other)| {
        other["vpcId"] == vpc["vpcId"]
            && other.text("cidrBlock").and_then(Cidr::parse).is_some_and(|it| it.overlaps(cidr))
    });
    if taken {
        let message = format!("The CIDR '{given}' conflicts with another subnet");
        return Err(AwsError::new("InvalidSubnet.Conflict", message));
    }
    let (zone, zone_id) = chosen_zone(request)?;
    let given_tags = tags::specified(request, "subnet")?;
    let id = ids::resource("subnet");
    let document = json!({
        "subnetId": id,
        "subnetArn": SUBNET.arn(state, &id),
        "state": "available",
        "vpcId": vpc["vpcId"],
        "cidrBlock": cidr.to_string(),
        "ipv6CidrBlockAssociationSet": [],
        "assignIpv6AddressOnCreation": false,
        "availableIpAddressCount": cidr.size() - 5,
        "availabilityZone": zone,
        "availabilityZoneId": zone_id,
        "defaultForAz": false,
        "enableDns64": false,
        "ipv6Native": false,
        "mapPublicIpOnLaunch": false,
        "mapCustomerOwnedIpOnLaunch": false,
        "ownerId": request.account,
        "privateDnsNameOptionsOnLaunch": {
            "hostnameType": "ip-name", "enableResourceNameDnsARecord": false, "enableResourceNameDnsAAAARecord": false,
        },
        "_until": state.done_in(CREATE_SECONDS),
        "_before": "pending",
    });
    let mut shown = SUBNET.create(state, document, &given_tags);
    shown["state"] = json!("pending");
    Ok(json!({ "subnet": shown }))
}

fn chosen_zone(request: &Request) -> Result<(String, String), AwsError> {
    let all = zones(&request.region);
    let wanted = request.input.text("AvailabilityZone").map(|name| ("availabilityZone", name));
    let wanted = wanted.or_else(|| request.input.text("AvailabilityZoneId").map(|id| ("availabilityZoneId", id)));
    let Some((parameter, wanted)) = wanted else { return Ok(all[0].clone()) };
    let found = all.iter().find(|(name, id)| name == wanted || id == wanted).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        invalid(format!(
            "Value ({wanted}) for parameter {parameter} is invalid. Subnets can currently only be created in the \
             following availability zones: {}.",
            names.join(", ")
        ))
    })
}

/// Takes the addresses in use off a subnet's count.
pub(super) fn derive(state: &State<'_>, shown: &mut Value) {
    let used = state.list(INTERFACE.collection).filter(|(_, interface)| interface["subnetId"] == shown["subnetId"]);
    let free = shown.number("availableIpAddressCount").unwrap_or_default() - used.count() as i64;
    shown["availableIpAddressCount"] = json!(free);
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let subnet = SUBNET.named(state, request, "SubnetId")?;
    let id = subnet.text("subnetId").unwrap_or_default();
    if state.list(INTERFACE.collection).any(|(_, interface)| interface["subnetId"] == id) {
        return Err(dependency("subnet", id));
    }
    let tables: Vec<(String, Value)> = state
        .list(ROUTE_TABLE.collection)
        .filter(|(_, table)| table.list("associationSet").iter().any(|association| association["subnetId"] == id))
        .map(|(table_id, table)| (table_id.to_owned(), table.clone()))
        .collect();
    for (table_id, mut table) in tables {
        if let Some(associations) = table["associationSet"].as_array_mut() {
            associations.retain(|association| association["subnetId"] != id);
        }
        state.put(ROUTE_TABLE.collection, &table_id, table);
    }
    SUBNET.delete(state, id);
    Ok(done())
}

pub(super) fn modify_attribute(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut subnet = SUBNET.named(state, request, "SubnetId")?;
    let flags = [
        ("MapPublicIpOnLaunch", "mapPublicIpOnLaunch"),
        ("AssignIpv6AddressOnCreation", "assignIpv6AddressOnCreation"),
        ("EnableDns64", "enableDns64"),
    ];
    let given: Vec<_> = flags.iter().filter(|(name, _)| request.input.member(name).is_some()).collect();
    let [(name, member)] = given[..] else {
        let message = "Exactly one attribute can be modified in a request.";
        return Err(AwsError::new("InvalidParameterCombination", message));
    };
    let value = request.input[*name].flag("Value").ok_or_else(|| missing("Value"))?;
    subnet[*member] = json!(value);
    let id = subnet.text("subnetId").unwrap_or_default().to_owned();
    state.put(SUBNET.collection, &id, subnet);
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::zones;

    #[test]
    fn zones_have_names_and_ids() {
        assert_eq!(zones("eu-north-1")[1], ("eu-north-1b".to_owned(), "eun1-az2".to_owned()));
        assert_eq!(zones("ap-southeast-2")[0].1, "apse2-az1");
    }
}
