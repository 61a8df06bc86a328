//! NAT gateways: made and deleted in minutes, holding a network interface and an address all the while.

use serde_json::{Value, json};

use super::attachment::{self, Attachment};
use super::error::{invalid, missing, only};
use super::kind::{INTERFACE, INTERNET_GATEWAY, NAT_GATEWAY, SUBNET};
use super::{address, gateway, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Seconds until a NAT gateway is available, or given up.
const CREATE_SECONDS: i64 = 90;
/// Seconds until a deleted one lets its address go.
const DELETE_SECONDS: i64 = 60;
/// Seconds that one which is deleted or given up still shows, with its tags.
const LINGER_SECONDS: i64 = 3600;
/// How many NAT gateways a zone has.
const MOST: usize = 5;

/// Whether one stands in the way of nothing any more.
fn is_dead(gateway: &Value) -> bool {
    matches!(gateway.text("state"), Some("deleted" | "failed"))
}

/// Whether a route may lead to it.
pub(super) fn takes_routes(gateway: &Value) -> bool {
    matches!(gateway.text("state"), Some("pending" | "available"))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["SubnetId", "AllocationId", "ConnectivityType", "ClientToken", "TagSpecification"])?;
    let subnet = SUBNET.named(state, request, "SubnetId")?;
    let given = tags::specified(request, "natgateway")?;
    let allocation = request.input.text("AllocationId");
    let connectivity = request.input.text("ConnectivityType").unwrap_or("public");
    let mapped = match (connectivity, allocation) {
        ("public", None) => return Err(missing("AllocationId")),
        ("public", Some(_)) => Some(address::named(state, allocation)?),
        ("private", None) => None,
        ("private", Some(_)) => {
            let message = "AllocationId cannot be specified with ConnectivityType private";
            return Err(AwsError::new("InvalidParameterCombination", message));
        }
        _ => return Err(invalid(format!("Value ({connectivity}) for parameter connectivityType is invalid."))),
    };
    let zone = &subnet["availabilityZone"];
    let held = state.list(NAT_GATEWAY.collection).filter(|(_, other)| !is_dead(other) && other["_zone"] == *zone);
    if held.count() >= MOST {
        let message = format!("The maximum number of NAT gateways in {zone} has been reached.");
        return Err(AwsError::new("NatGatewayLimitExceeded", message));
    }
    let id = ids::resource("nat");
    let failure = mapped.as_ref().and_then(|mapped| failure(state, mapped, &subnet));
    let mut document = json!({
        "natGatewayId": id,
        "subnetId": subnet["subnetId"],
        "vpcId": subnet["vpcId"],
        "state": "pending",
        "connectivityType": connectivity,
        "createTime": clock::iso(state.now()),
        "natGatewayAddressSet": [],
        "_zone": zone,
        "_due": state.done_in(CREATE_SECONDS),
    });
    match failure {
        Some((code, message)) => document["_failure"] = json!([code, message]),
        None => document["natGatewayAddressSet"] = json!([interface(state, &id, &subnet, mapped.as_ref())?]),
    }
    let shown = NAT_GATEWAY.create(state, document, &given);
    let token = request.input.text("ClientToken").map_or_else(ids::uuid, str::to_owned);
    Ok(json!({ "natGateway": shown, "clientToken": token }))
}

/// What AWS finds out only after it has answered.
fn failure(state: &State<'_>, mapped: &Value, subnet: &Value) -> Option<(&'static str, String)> {
    let allocation = mapped.text("allocationId").unwrap_or_default();
    if address::user(state, allocation).is_some() {
        let message = format!("Elastic IP address [{allocation}] is already associated");
        return Some(("Resource.AlreadyAssociated", message));
    }
    let vpc = subnet.text("vpcId");
    if !state.list(INTERNET_GATEWAY.collection).any(|(_, one)| gateway::attached_to(one) == vpc) {
        let message = format!("Network {} has no Internet gateway attached", vpc.unwrap_or_default());
        return Some(("Gateway.NotAttached", message));
    }
    None
}

/// Makes the gateway's interface and maps the address to it; returns what the gateway shows of both.
fn interface(state: &mut State<'_>, id: &str, subnet: &Value, mapped: Option<&Value>) -> Result<Value, AwsError> {
    let wish = Attachment {
        owner: id.to_owned(),
        subnet: subnet.text("subnetId").unwrap_or_default().to_owned(),
        groups: Vec::new(),
        description: format!("Interface for NAT Gateway {id}"),
        instance: None,
    };
    let made = attachment::attach(state, &wish)?;
    let mut shown = json!({
        "networkInterfaceId": made["networkInterfaceId"],
        "privateIp": made["privateIpAddress"],
        "isPrimary": true,
        "status": "succeeded",
    });
    if let Some(mapped) = mapped {
        let association = ids::resource("eipassoc");
        for member in ["allocationId", "publicIp"] {
            shown[member] = mapped[member].clone();
        }
        shown["associationId"] = json!(association);
        let of_interface = json!({
            "allocationId": mapped["allocationId"],
            "associationId": association,
            "publicIp": mapped["publicIp"],
            "ipOwnerId": state.scope().account,
        });
        let interface = made.text("networkInterfaceId").unwrap_or_default();
        state.update(INTERFACE.collection, interface, |document| {
            document["interfaceType"] = json!("nat_gateway");
            document["association"] = of_interface;
        });
    }
    Ok(shown)
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["NatGatewayId"])?;
    let mut gateway = NAT_GATEWAY.named(state, request, "NatGatewayId")?;
    let id = gateway.text("natGatewayId").unwrap_or_default().to_owned();
    if gateway["state"] == "deleted" {
        return Err(AwsError::new(NAT_GATEWAY.not_found, format!("The NAT gateway {id} was not found")));
    }
    if gateway["state"] != "deleting" {
        gateway["state"] = json!("deleting");
        gateway["deleteTime"] = json!(clock::iso(state.now()));
        gateway["_due"] = json!(state.done_in(DELETE_SECONDS));
        state.put(NAT_GATEWAY.collection, &id, gateway);
    }
    Ok(json!({ "natGatewayId": id }))
}

/// Lets time pass: what is pending becomes available or fails, what is deleting goes.
pub(super) fn settle(state: &mut State<'_>) {
    let now = state.now();
    let due: Vec<(String, Value)> = state
        .list(NAT_GATEWAY.collection)
        .filter(|(_, gateway)| gateway.number("_due").is_some_and(|due| due <= now))
        .map(|(id, gateway)| (id.to_owned(), gateway.clone()))
        .collect();
    for (id, mut gateway) in due {
        let linger = json!(now + LINGER_SECONDS * 1000);
        match gateway.text("state") {
            Some("pending") => match gateway["_failure"].as_array().cloned().as_deref() {
                Some([code, message]) => {
                    gateway["state"] = json!("failed");
                    gateway["failureCode"] = code.clone();
                    gateway["failureMessage"] = message.clone();
                    gateway["_due"] = linger;
                }
                _ => {
                    gateway["state"] = json!("available");
                    gateway["_due"] = json!(null);
                }
            },
            Some("deleting") => {
                attachment::detach_all(state, &id);
                gateway["state"] = json!("deleted");
                gateway["_due"] = linger;
            }
            _ => {
                NAT_GATEWAY.delete(state, &id);
                continue;
            }
        }
        state.put(NAT_GATEWAY.collection, &id, gateway);
    }
}
