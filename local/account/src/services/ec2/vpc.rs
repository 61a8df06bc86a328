//! VPCs, with the security group, route table and network ACL that each is born with.

use serde_json::{Value, json};

use super::cidr::Cidr;
use super::error::{dependency, invalid, missing, need};
use super::kind::{
    INTERFACE, INTERNET_GATEWAY, NETWORK_ACL, ROUTE_TABLE, SECURITY_GROUP, SECURITY_GROUP_RULE, SUBNET, VPC,
    VPC_ENDPOINT,
};
use super::names::lower_first;
use super::{done, flow_log, route_table, security_group, tags};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::{State, Tags};

/// Seconds until a new VPC is available.
const CREATE_SECONDS: i64 = 2;

/// The attributes of a VPC: name and value at birth.
const ATTRIBUTES: [(&str, bool); 3] =
    [("enableDnsSupport", true), ("enableDnsHostnames", false), ("enableNetworkAddressUsageMetrics", false)];

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let given = request.input.text("CidrBlock").ok_or_else(|| missing("cidrBlock"))?;
    let Some(cidr) = Cidr::parse(given) else {
        let message = format!("Value ({given}) for parameter cidrBlock is invalid. This is not a valid CIDR block.");
        return Err(invalid(message));
    };
    if !(16..=28).contains(&cidr.length()) {
        return Err(AwsError::new("InvalidVpc.Range", format!("The CIDR '{given}' is invalid.")));
    }
    let tenancy = request.input.text("InstanceTenancy").unwrap_or("default");
    if !["default", "dedicated", "host"].contains(&tenancy) {
        return Err(invalid(format!("Value ({tenancy}) for parameter instanceTenancy is invalid.")));
    }
    let given_tags = tags::specified(request, "vpc")?;
    let id = ids::resource("vpc");
    let mut document = json!({
        "vpcId": id,
        "ownerId": request.account,
        "state": "available",
        "cidrBlock": cidr.to_string(),
        "cidrBlockAssociationSet": [{
            "cidrBlock": cidr.to_string(),
            "associationId": ids::resource("vpc-cidr-assoc"),
            "cidrBlockState": { "state": "associated" },
        }],
        "dhcpOptionsId": "default",
        "instanceTenancy": tenancy,
        "isDefault": false,
        "_until": state.done_in(CREATE_SECONDS),
        "_before": "pending",
    });
    for (name, value) in ATTRIBUTES {
        document[format!("_{name}")] = json!(value);
    }
    let mut shown = VPC.create(state, document, &given_tags);
    shown["state"] = json!("pending");

    let none = Tags::new();
    ROUTE_TABLE.create(state, route_table::born(&id, &cidr.to_string(), &request.account, true), &none);
    let acl = ids::resource("acl");
    NETWORK_ACL.create(state, born_acl(&acl, &id, &request.account), &none);
    security_group::born(state, &id, &request.account);
    Ok(json!({ "vpc": shown }))
}

fn born_acl(acl: &str, vpc: &str, owner: &str) -> Value {
    let entry = |egress: bool, number: i64, action: &str| {
        json!({
            "cidrBlock": "0.0.0.0/0", "egress": egress, "protocol": "-1", "ruleAction": action, "ruleNumber": number,
        })
    };
    json!({
        "networkAclId": acl,
        "vpcId": vpc,
        "ownerId": owner,
        "default": true,
        "entrySet": [
            entry(true, 100, "allow"), entry(true, 32767, "deny"), entry(false, 100, "allow"),
            entry(false, 32767, "deny"),
        ],
    })
}

/// Adds the subnets of an ACL: all of its VPC, as there are no other ACLs.
pub(super) fn derive_acl(state: &State<'_>, shown: &mut Value) {
    let acl = shown["networkAclId"].clone();
    let associations: Vec<Value> = state
        .list(SUBNET.collection)
        .filter(|(_, subnet)| subnet["vpcId"] == shown["vpcId"])
        .map(|(id, _)| {
            let association = id.replace("subnet-", "aclassoc-");
            json!({ "networkAclAssociationId": association, "networkAclId": acl, "subnetId": id })
        })
        .collect();
    shown["associationSet"] = json!(associations);
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let vpc = VPC.named(state, request, "VpcId")?;
    let id = vpc.text("vpcId").unwrap_or_default();
    let mine = |kind: &'static super::kind::Kind| {
        let all = state.list(kind.collection).filter(|(_, document)| document["vpcId"] == id);
        all.map(|(id, document)| (id.to_owned(), document.clone())).collect::<Vec<_>>()
    };
    let tables = mine(&ROUTE_TABLE);
    let groups = mine(&SECURITY_GROUP);
    let attached = state
        .list(INTERNET_GATEWAY.collection)
        .any(|(_, gateway)| gateway.list("attachmentSet").iter().any(|attachment| attachment["vpcId"] == id));
    let others = !mine(&SUBNET).is_empty()
        || !mine(&INTERFACE).is_empty()
        || !mine(&VPC_ENDPOINT).is_empty()
        || tables.iter().any(|(_, table)| !route_table::is_main(table))
        || groups.iter().any(|(_, group)| group["groupName"] != "default");
    if attached || others {
        return Err(dependency("vpc", id));
    }
    let acls = mine(&NETWORK_ACL);
    for (group, _) in &groups {
        let rules: Vec<String> = state
            .list(SECURITY_GROUP_RULE.collection)
            .filter(|(_, rule)| rule["groupId"] == *group)
            .map(|(id, _)| id.to_owned())
            .collect();
        for rule in &rules {
            SECURITY_GROUP_RULE.delete(state, rule);
        }
        SECURITY_GROUP.delete(state, group);
    }
    for (table, _) in &tables {
        ROUTE_TABLE.delete(state, table);
    }
    for (acl, _) in &acls {
        NETWORK_ACL.delete(state, acl);
    }
    flow_log::end(state, id);
    VPC.delete(state, id);
    Ok(done())
}

/// Whether the VPC exists.
pub(crate) fn exists(state: &State<'_>, id: &str) -> bool {
    state.get(VPC.collection, id).is_some()
}

pub(super) fn describe_attribute(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let vpc = VPC.named(state, request, "VpcId")?;
    let attribute = need(&request.input, "Attribute")?;
    if !ATTRIBUTES.iter().any(|(name, _)| *name == attribute) {
        return Err(invalid(format!("Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")));
    }
    Ok(json!({ "vpcId": vpc["vpcId"], attribute: { "value": vpc[format!("_{attribute}")] } }))
}

pub(super) fn modify_attribute(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut vpc = VPC.named(state, request, "VpcId")?;
    let given: Vec<(&String, &Value)> = request
        .input
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| ATTRIBUTES.iter().any(|(known, _)| *known == lower_first(name)))
        .collect();
    let [(name, value)] = given[..] else {
        let message = "Exactly one attribute can be modified in a request.";
        return Err(AwsError::new("InvalidParameterCombination", message));
    };
    let value = value.flag("Value").ok_or_else(|| missing("Value"))?;
    vpc[format!("_{}", lower_first(name))] = json!(value);
    if vpc["_enableDnsHostnames"] == true && vpc["_enableDnsSupport"] == false {
        return Err(invalid("enableDnsHostnames requires enableDnsSupport."));
    }
    let id = vpc.text("vpcId").unwrap_or_default().to_owned();
    state.put(VPC.collection, &id, vpc);
    Ok(done())
}
