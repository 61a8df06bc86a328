//! Network interfaces that other things hold: instances, brokers, endpoints.

use serde_json::{Value, json};

use super::cidr::Cidr;
use super::kind::{INTERFACE, SECURITY_GROUP, SUBNET};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::state::{State, Tags};

/// A wish for a network interface.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// What holds it: an ARN or an id.
    pub owner: String,
    /// The subnet that it lies in.
    pub subnet: String,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Its description.
    pub description: String,
    /// The instance that it is the first interface of, and whether that one has a public address.
    pub instance: Option<(String, bool)>,
}

/// Makes a network interface with a free address of its subnet.
pub(crate) fn attach(state: &mut State<'_>, wish: &Attachment) -> Result<Value, AwsError> {
    let subnet = SUBNET.get(state, &wish.subnet)?;
    let block = subnet.text("cidrBlock").and_then(Cidr::parse);
    let block = block.ok_or_else(|| AwsError::internal("a subnet without a block"))?;
    let used: Vec<&str> = state
        .list(INTERFACE.collection)
        .filter(|(_, interface)| interface["subnetId"] == wish.subnet.as_str())
        .filter_map(|(_, interface)| interface.text("privateIpAddress"))
        .collect();
    let free = block.usable().map(|address| address.to_string()).find(|address| !used.contains(&address.as_str()));
    let full = || AwsError::new("InsufficientFreeAddressesInSubnet", "There are not enough free addresses in subnet.");
    let address = free.ok_or_else(full)?;
    let mut groups = Vec::new();
    for group in &wish.groups {
        let found = SECURITY_GROUP.get(state, group)?;
        if found["vpcId"] != subnet["vpcId"] {
            let message = format!("Security group {group} and subnet {} belong to different networks.", wish.subnet);
            return Err(AwsError::new("InvalidParameter", message));
        }
        groups.push(json!({ "groupId": group, "groupName": found["groupName"] }));
    }
    let region = &state.scope().region;
    let name = format!("ip-{}.{region}.compute.internal", address.replace('.', "-"));
    let digits = ids::letters(10, b"0123456789abcdef");
    let mac: Vec<&str> = (0..5).map(|place| &digits[place * 2..place * 2 + 2]).collect();
    let mut document = json!({
        "networkInterfaceId": ids::resource("eni"),
        "subnetId": wish.subnet,
        "vpcId": subnet["vpcId"],
        "availabilityZone": subnet["availabilityZone"],
        "description": wish.description,
        "groupSet": groups,
        "interfaceType": "interface",
        "macAddress": format!("06:{}", mac.join(":")),
        "ownerId": state.scope().account,
        "privateDnsName": name,
        "privateIpAddress": address,
        "privateIpAddressesSet": [{ "primary": true, "privateDnsName": name, "privateIpAddress": address }],
        "requesterManaged": wish.instance.is_none(),
        "sourceDestCheck": true,
        "status": "in-use",
        "attachment": {
            "attachmentId": ids::resource("eni-attach"),
            "attachTime": clock::iso(state.now()),
            "deleteOnTermination": true,
            "deviceIndex": 0,
            "status": "attached",
        },
        "_owner": wish.owner,
    });
    if let Some((instance, public)) = &wish.instance {
        document["attachment"]["instanceId"] = json!(instance);
        if *public {
            let last = ids::letters(2, b"123456789");
            document["association"] = json!({ "ipOwnerId": "amazon", "publicIp": format!("203.0.113.{last}") });
        }
    }
    Ok(INTERFACE.create(state, document, &Tags::new()))
}

/// Removes every interface that something held.
pub(crate) fn detach_all(state: &mut State<'_>, owner: &str) {
    let held: Vec<String> = state
        .list(INTERFACE.collection)
        .filter(|(_, interface)| interface["_owner"] == owner)
        .map(|(id, _)| id.to_owned())
        .collect();
    for interface in &held {
        INTERFACE.delete(state, interface);
    }
}

/// Returns the interfaces that something holds, in the order in which they were made.
pub(crate) fn interfaces_of(state: &State<'_>, owner: &str) -> Vec<Value> {
    let mut held: Vec<Value> = state
        .list(INTERFACE.collection)
        .filter(|(_, interface)| interface["_owner"] == owner)
        .map(|(_, interface)| interface.clone())
        .collect();
    held.sort_by_key(|interface| interface.number("_created"));
    held
}

/// Returns how many interfaces something holds.
pub(crate) fn attached(state: &State<'_>, owner: &str) -> usize {
    state.list(INTERFACE.collection).filter(|(_, interface)| interface["_owner"] == owner).count()
}

/// Returns the id of the zone that a subnet lies in, if there is such a subnet.
pub(crate) fn zone_of(state: &State<'_>, subnet: &str) -> Option<String> {
    state.get(SUBNET.collection, subnet)?.text("availabilityZoneId").map(str::to_owned)
}

/// Returns the name of the zone that a subnet lies in, if there is such a subnet.
pub(crate) fn zone_name_of(state: &State<'_>, subnet: &str) -> Option<String> {
    state.get(SUBNET.collection, subnet)?.text("availabilityZone").map(str::to_owned)
}

/// Says whether there is a security group of that id.
pub(crate) fn has_group(state: &State<'_>, group: &str) -> bool {
    state.get(SECURITY_GROUP.collection, group).is_some()
}

/// Returns the group that a VPC was born with.
pub(super) fn default_group(state: &State<'_>, vpc: &str) -> Vec<String> {
    state
        .list(SECURITY_GROUP.collection)
        .filter(|(_, group)| group["vpcId"] == vpc && group["groupName"] == "default")
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// Returns the default group of the VPC that a subnet lies in.
pub(crate) fn default_group_of_subnet(state: &State<'_>, subnet: &str) -> Vec<String> {
    let vpc = state.get(SUBNET.collection, subnet).and_then(|subnet| subnet.text("vpcId"));
    vpc.map(|vpc| default_group(state, vpc)).unwrap_or_default()
}
