//! Elastic IP addresses: given out, found, and taken back when nothing uses them.

use serde_json::{Value, json};

use super::error::{invalid, missing, only};
use super::kind::{ADDRESS, INTERFACE};
use super::{done, tags};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// How many addresses an account has in a region.
const MOST: usize = 5;

pub(super) fn allocate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Domain", "NetworkBorderGroup", "PublicIpv4Pool", "TagSpecification"])?;
    let domain = request.input.text("Domain").unwrap_or("vpc");
    if domain != "vpc" {
        return Err(invalid(format!("Value ({domain}) for parameter domain is invalid.")));
    }
    let group = request.input.text("NetworkBorderGroup").unwrap_or(&request.region);
    if group != request.region {
        return Err(invalid(format!("The network border group '{group}' is not available.")));
    }
    let pool = request.input.text("PublicIpv4Pool").unwrap_or("amazon");
    if pool != "amazon" {
        let message = format!("The pool ID '{pool}' does not exist");
        return Err(AwsError::new("InvalidPublicIpv4PoolID.NotFound", message));
    }
    let given = tags::specified(request, "elastic-ip")?;
    let used: Vec<&str> = state.list(ADDRESS.collection).filter_map(|(_, one)| one.text("publicIp")).collect();
    if used.len() >= MOST {
        let message = "The maximum number of addresses has been reached.";
        return Err(AwsError::new("AddressLimitExceeded", message));
    }
    let free = (1..255).map(|last| format!("198.51.100.{last}")).find(|address| !used.contains(&address.as_str()));
    let address = free.ok_or_else(|| AwsError::internal("more addresses than the limit allows"))?;
    let id = ids::resource("eipalloc");
    let shown = json!({
        "allocationId": id,
        "publicIp": address,
        "domain": "vpc",
        "publicIpv4Pool": pool,
        "networkBorderGroup": group,
    });
    ADDRESS.create(state, shown.clone(), &given);
    Ok(shown)
}

/// Returns the interface that an address is mapped to.
pub(super) fn user(state: &State<'_>, allocation: &str) -> Option<Value> {
    let mapped = |interface: &Value| interface["association"]["allocationId"] == allocation;
    state.list(INTERFACE.collection).find(|(_, interface)| mapped(interface)).map(|(_, interface)| interface.clone())
}

/// Adds what an address is mapped to.
pub(super) fn derive(state: &State<'_>, shown: &mut Value) {
    let Some(interface) = shown.text("allocationId").and_then(|id| user(state, id)) else { return };
    shown["associationId"] = interface["association"]["associationId"].clone();
    shown["networkInterfaceId"] = interface["networkInterfaceId"].clone();
    shown["networkInterfaceOwnerId"] = interface["ownerId"].clone();
    shown["privateIpAddress"] = interface["privateIpAddress"].clone();
}

pub(super) fn release(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["AllocationId", "PublicIp", "NetworkBorderGroup"])?;
    if request.input.text("AllocationId").is_none() && request.input.text("PublicIp").is_some() {
        return Err(invalid("You must specify an allocation id when releasing a VPC elastic IP address"));
    }
    let address = ADDRESS.named(state, request, "AllocationId")?;
    let id = address.text("allocationId").unwrap_or_default();
    if user(state, id).is_some() {
        let ip = address.text("publicIp").unwrap_or_default();
        return Err(AwsError::new("InvalidIPAddress.InUse", format!("Address {ip} is in use.")));
    }
    ADDRESS.delete(state, id);
    Ok(done())
}

pub(super) fn describe(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["AllocationId", "PublicIp", "Filter"])?;
    let mut found = ADDRESS.find(state, request)?;
    let wanted = request.input.texts("PublicIp");
    for address in &wanted {
        if !found.iter().any(|one| one["publicIp"] == address.as_str()) {
            return Err(AwsError::new("InvalidAddress.NotFound", format!("Address '{address}' not found.")));
        }
    }
    found.retain(|one| wanted.is_empty() || one.text("publicIp").is_some_and(|ip| wanted.iter().any(|it| it == ip)));
    Ok(json!({ "addressesSet": found }))
}

/// Returns the address that a required allocation names.
pub(super) fn named(state: &State<'_>, allocation: Option<&str>) -> Result<Value, AwsError> {
    ADDRESS.get(state, allocation.ok_or_else(|| missing("AllocationId"))?)
}
