//! An endpoint as EC2 gives it back.

use std::slice;

use anyhow::{Context as _, Result};
use lakewright_aws::{Error, Needed as _};
use lakewright_ec2::sdk::types::{self, State, VpcEndpointType};
use serde_json::{Value, json};

use super::{EndpointType, Spec};
use crate::kind::{Context, Found};
use crate::kinds::ec2::{self, Thing as _};
use crate::kinds::values::SecurityGroupId;
use crate::kinds::{policy, tags};
use crate::resource::Condition;

/// The state, which AWS writes in either case.
pub(super) fn state(endpoint: &types::VpcEndpoint) -> Result<State, Error> {
    let state = endpoint.state().needed("ec2", "VpcEndpoint.State")?;
    let known = State::values().iter().find(|known| known.eq_ignore_ascii_case(state.as_str()));
    Ok(known.map_or_else(|| state.clone(), |known| State::from(*known)))
}

/// The state in small letters, for people.
pub(super) fn word(state: &State) -> String {
    state.as_str().to_lowercase()
}

/// A service as EC2 names it: `com.amazonaws.eu-north-1.s3`.
pub(super) fn service_name(context: &Context, service: &str) -> String {
    format!("com.amazonaws.{}.{service}", context.region)
}

/// The policy that AWS gives an endpoint without one.
pub(super) fn is_open(policy: &Value) -> bool {
    let one_or_list = |value: &Value, text: &str| *value == json!(text) || *value == json!([text]);
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements,
        statement => slice::from_ref(statement),
    };
    let [statement] = statements else { return false };
    statement["Effect"] == "Allow"
        && (one_or_list(&statement["Principal"], "*") || one_or_list(&statement["Principal"]["AWS"], "*"))
        && one_or_list(&statement["Action"], "*")
        && one_or_list(&statement["Resource"], "*")
        && statement.get("Condition").is_none()
}

/// The endpoint; none where it is going, or not the stack's.
pub(super) fn read(context: &Context, endpoint: &types::VpcEndpoint) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "vpc_endpoint", endpoint) else { return Ok(None) };
    let state = state(endpoint)?;
    if matches!(state, State::Deleting | State::Deleted) {
        return Ok(None);
    }
    let service = endpoint.service_name().needed("ec2", "VpcEndpoint.ServiceName")?;
    let kind = endpoint.vpc_endpoint_type().needed("ec2", "VpcEndpoint.VpcEndpointType")?;
    let is_interface = *kind == VpcEndpointType::Interface;
    let group = |group: &types::SecurityGroupIdentifier| -> Result<SecurityGroupId> {
        Ok(group.group_id().needed("ec2", "SecurityGroupIdentifier.GroupId")?.into())
    };
    let policy =
        endpoint.policy_document().map(serde_json::from_str).transpose().context("read the endpoint's policy")?;
    let spec = Spec {
        vpc: endpoint.vpc_id().needed("ec2", "VpcEndpoint.VpcId")?.into(),
        service: service.strip_prefix(&service_name(context, "")).unwrap_or(service).to_owned(),
        kind: if is_interface { EndpointType::Interface } else { EndpointType::Gateway },
        route_tables: endpoint.route_table_ids().iter().cloned().map(Into::into).collect(),
        subnets: endpoint.subnet_ids().iter().cloned().map(Into::into).collect(),
        security_groups: endpoint.groups().iter().map(group).collect::<Result<_>>()?,
        private_dns: is_interface && endpoint.private_dns_enabled().needed("ec2", "VpcEndpoint.PrivateDnsEnabled")?,
        policy: policy.filter(|policy| !is_open(policy)).map(policy::canonical),
    };
    let id = endpoint.id()?;
    let arn = ec2::arn(context, "vpc-endpoint", id);
    let mut live = tags::found(address, &tags, id, spec, &[("id", id), ("arn", &arn)]);
    live.condition = match state {
        State::Available => Condition::Ready,
        State::Failed | State::Rejected | State::Expired => Condition::Failed(word(&state)),
        _ => Condition::Pending(word(&state)),
    };
    Ok(Some(live))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_known_in_either_case() {
        for (written, known) in [
            ("available", State::Available),
            ("Available", State::Available),
            ("pendingAcceptance", State::PendingAcceptance),
            ("new", State::from("new")),
        ] {
            let endpoint = types::VpcEndpoint::builder().state(State::from(written)).build();
            assert_eq!(state(&endpoint).expect("it has a state"), known);
        }
    }
}
