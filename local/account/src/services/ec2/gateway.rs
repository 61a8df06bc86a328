//! Internet gateways.

use serde_json::{Value, json};

use super::error::{dependency, invalid};
use super::kind::{INTERFACE, INTERNET_GATEWAY, VPC};
use super::{done, tags};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let given = tags::specified(request, "internet-gateway")?;
    let document = json!({ "attachmentSet": [], "ownerId": request.account });
    Ok(json!({ "internetGateway": INTERNET_GATEWAY.create(state, document, &given) }))
}

/// Returns the VPC that a gateway is attached to.
pub(super) fn attached_to(gateway: &Value) -> Option<&str> {
    gateway.list("attachmentSet").first().and_then(|attachment| attachment.text("vpcId"))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let gateway = INTERNET_GATEWAY.named(state, request, "InternetGatewayId")?;
    let id = gateway.text("internetGatewayId").unwrap_or_default();
    if attached_to(&gateway).is_some() {
        return Err(dependency("internetGateway", id));
    }
    INTERNET_GATEWAY.delete(state, id);
    Ok(done())
}

pub(super) fn attach(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut gateway = INTERNET_GATEWAY.named(state, request, "InternetGatewayId")?;
    let vpc = VPC.named(state, request, "VpcId")?;
    let id = gateway.text("internetGatewayId").unwrap_or_default().to_owned();
    let vpc = vpc.text("vpcId").unwrap_or_default();
    if let Some(other) = attached_to(&gateway) {
        let message = format!("resource {id} is already attached to network {other}");
        return Err(AwsError::new("Resource.AlreadyAssociated", message));
    }
    if state.list(INTERNET_GATEWAY.collection).any(|(_, other)| attached_to(other) == Some(vpc)) {
        return Err(invalid(format!("Network {vpc} already has an internet gateway attached")));
    }
    gateway["attachmentSet"] = json!([{ "vpcId": vpc, "state": "available" }]);
    state.put(INTERNET_GATEWAY.collection, &id, gateway);
    Ok(done())
}

pub(super) fn detach(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut gateway = INTERNET_GATEWAY.named(state, request, "InternetGatewayId")?;
    let vpc = VPC.named(state, request, "VpcId")?;
    let id = gateway.text("internetGatewayId").unwrap_or_default().to_owned();
    let vpc = vpc.text("vpcId").unwrap_or_default();
    if attached_to(&gateway) != Some(vpc) {
        return Err(AwsError::new("Gateway.NotAttached", format!("resource {id} is not attached to network {vpc}")));
    }
    let public = state
        .list(INTERFACE.collection)
        .any(|(_, interface)| interface["vpcId"] == vpc && interface["association"].text("publicIp").is_some());
    if public {
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching \
             the gateway."
        );
        return Err(AwsError::new("DependencyViolation", message));
    }
    gateway["attachmentSet"] = json!([]);
    state.put(INTERNET_GATEWAY.collection, &id, gateway);
    Ok(done())
}
