//! EC2: networks, security groups, endpoints, launch templates, and instances as far as groups of them need.

mod address;
mod attachment;
mod cidr;
mod describe;
mod endpoint;
mod endpoint_interface;
mod error;
mod flow_log;
mod gateway;
mod instance;
mod kind;
mod names;
mod nat_gateway;
mod paging;
mod permission;
mod profile;
mod route_table;
mod security_group;
mod subnet;
mod tags;
mod template;
mod volume;
mod vpc;

pub(crate) use attachment::{
    Attachment, attach, attached, default_group_of_subnet, detach_all, has_group, interfaces_of, zone_name_of, zone_of,
};
pub(crate) use instance::{Launch, instances, launch, mark, terminate};
pub(crate) use template::resolve as resolve_template;
pub(crate) use vpc::exists as has_vpc;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::services::{Service, unknown_operation};
use crate::state::State;

/// The service.
pub struct Ec2 {
    /// Lets time pass before each call, for those too who start and end instances by themselves, as groups do.
    pub settle: fn(&mut State<'_>),
}

#[async_trait]
impl Service for Ec2 {
    fn name(&self) -> &'static str {
        "ec2"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Ec2
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        if request.input.flag("DryRun") == Some(true) {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(AwsError::new("DryRunOperation", message).status(412));
        }
        account.transact(request, |state| {
            (self.settle)(state);
            once(state, request)
        })
    }
}

/// Where the thing of an id is kept, and its type's name in ARNs.
pub(crate) fn resource_of(id: &str) -> Option<(&'static str, &'static str)> {
    kind::of_id(id).map(|kind| (kind.collection, kind.resource))
}

/// Lets time pass for all that changes by itself.
pub(crate) fn settle(state: &mut State<'_>) {
    instance::settle(state);
    nat_gateway::settle(state);
    endpoint_interface::settle(state);
}

/// Answers a call, and a repeated call with the same client token as the first time.
fn once(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let Some(token) = request.input.text("ClientToken").filter(|token| !token.is_empty()) else {
        return operate(state, request);
    };
    if token.len() > 255 || !token.is_ascii() {
        return Err(error::invalid(format!("Value ({token}) for parameter clientToken is invalid.")));
    }
    match state.answered(&format!("ec2/{}", request.operation), token, &request.input) {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => {
            let answer = operate(state, request)?;
            state.remember(&format!("ec2/{}", request.operation), token, &request.input, &answer);
            Ok(answer)
        }
        Err(()) => Err(AwsError::new(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        )),
    }
}

fn operate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    use kind::{
        FLOW_LOG, INSTANCE, INTERFACE, INTERNET_GATEWAY, NAT_GATEWAY, NETWORK_ACL, ROUTE_TABLE, SECURITY_GROUP,
        SECURITY_GROUP_RULE, SUBNET, VOLUME, VPC, VPC_ENDPOINT,
    };
    match request.operation.as_str() {
        "CreateVpc" => vpc::create(state, request),
        "DeleteVpc" => vpc::delete(state, request),
        "DescribeVpcs" => VPC.describe(state, request),
        "DescribeVpcAttribute" => vpc::describe_attribute(state, request),
        "ModifyVpcAttribute" => vpc::modify_attribute(state, request),
        "CreateSubnet" => subnet::create(state, request),
        "DeleteSubnet" => subnet::delete(state, request),
        "DescribeSubnets" => SUBNET.describe(state, request),
        "ModifySubnetAttribute" => subnet::modify_attribute(state, request),
        "DescribeAvailabilityZones" => subnet::describe_zones(request),
        "CreateInternetGateway" => gateway::create(state, request),
        "DeleteInternetGateway" => gateway::delete(state, request),
        "AttachInternetGateway" => gateway::attach(state, request),
        "DetachInternetGateway" => gateway::detach(state, request),
        "DescribeInternetGateways" => INTERNET_GATEWAY.describe(state, request),
        "AllocateAddress" => address::allocate(state, request),
        "ReleaseAddress" => address::release(state, request),
        "DescribeAddresses" => address::describe(state, request),
        "CreateNatGateway" => nat_gateway::create(state, request),
        "DeleteNatGateway" => nat_gateway::delete(state, request),
        "DescribeNatGateways" => NAT_GATEWAY.describe(state, request),
        "CreateFlowLogs" => flow_log::create(state, request),
        "DeleteFlowLogs" => flow_log::delete(state, request),
        "DescribeFlowLogs" => {
            flow_log::sweep(state);
            FLOW_LOG.describe(state, request)
        }
        "CreateRouteTable" => route_table::create(state, request),
        "DeleteRouteTable" => route_table::delete(state, request),
        "DescribeRouteTables" => ROUTE_TABLE.describe(state, request),
        "CreateRoute" => route_table::create_route(state, request, false),
        "ReplaceRoute" => route_table::create_route(state, request, true),
        "DeleteRoute" => route_table::delete_route(state, request),
        "AssociateRouteTable" => route_table::associate(state, request),
        "DisassociateRouteTable" => route_table::disassociate(state, request),
        "ReplaceRouteTableAssociation" => route_table::replace_association(state, request),
        "CreateSecurityGroup" => security_group::create(state, request),
        "DeleteSecurityGroup" => security_group::delete(state, request),
        "DescribeSecurityGroups" => SECURITY_GROUP.describe(state, request),
        "DescribeSecurityGroupRules" => SECURITY_GROUP_RULE.describe(state, request),
        "AuthorizeSecurityGroupIngress" => security_group::authorize(state, request, false),
        "AuthorizeSecurityGroupEgress" => security_group::authorize(state, request, true),
        "RevokeSecurityGroupIngress" => security_group::revoke(state, request, false),
        "RevokeSecurityGroupEgress" => security_group::revoke(state, request, true),
        "ModifySecurityGroupRules" => security_group::modify_rules(state, request),
        "UpdateSecurityGroupRuleDescriptionsIngress" => security_group::describe_rules_anew(state, request, false),
        "UpdateSecurityGroupRuleDescriptionsEgress" => security_group::describe_rules_anew(state, request, true),
        "DescribeNetworkAcls" => NETWORK_ACL.describe(state, request),
        "DescribeNetworkInterfaces" => INTERFACE.describe(state, request),
        "CreateVpcEndpoint" => endpoint::create(state, request),
        "ModifyVpcEndpoint" => endpoint::modify(state, request),
        "DeleteVpcEndpoints" => endpoint::delete(state, request),
        "DescribeVpcEndpoints" => VPC_ENDPOINT.describe(state, request),
        "DescribePrefixLists" => endpoint::describe_prefix_lists(request),
        "CreateLaunchTemplate" => template::create(state, request),
        "CreateLaunchTemplateVersion" => template::create_version(state, request),
        "ModifyLaunchTemplate" => template::modify(state, request),
        "DeleteLaunchTemplate" => template::delete(state, request),
        "DeleteLaunchTemplateVersions" => template::delete_versions(state, request),
        "DescribeLaunchTemplates" => template::describe(state, request),
        "DescribeLaunchTemplateVersions" => template::describe_versions(state, request),
        "RunInstances" => instance::run(state, request),
        "TerminateInstances" => instance::terminate_requested(state, request),
        "DescribeInstances" => instance::describe(state, request),
        "DescribeIamInstanceProfileAssociations" => profile::describe(state, request),
        "ReplaceIamInstanceProfileAssociation" => profile::replace(state, request),
        "DescribeInstanceAttribute" => instance::describe_attribute(state, request),
        "CreateVolume" => volume::create(state, request),
        "DeleteVolume" => volume::delete(state, request),
        "ModifyVolume" => volume::modify(state, request),
        "AttachVolume" => volume::attach(state, request),
        "DetachVolume" => volume::detach(state, request),
        "DescribeVolumes" => VOLUME.describe(state, request),
        "DescribeVolumesModifications" => volume::describe_modifications(state, request),
        "CreateTags" => tags::create(state, request),
        "DeleteTags" => tags::delete(state, request),
        "DescribeTags" => tags::describe(state, request),
        "DescribeInstanceStatus" => {
            let answer = INSTANCE.describe(state, request)?;
            Ok(instance::statuses(&answer))
        }
        _ => Err(unknown_operation(request)),
    }
}

fn done() -> Value {
    json!({ "return": true })
}
