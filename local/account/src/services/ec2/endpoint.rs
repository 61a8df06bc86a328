//! VPC endpoints: what those by routes (S3 and DynamoDB) and those by interfaces have in common.

use serde_json::{Value, json};

use super::error::{invalid, missing, only};
use super::kind::{ROUTE_TABLE, VPC, VPC_ENDPOINT};
use super::paging::paged;
use super::{done, endpoint_interface, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

const PARAMETERS: &[&str] = &[
    "VpcId",
    "ServiceName",
    "VpcEndpointType",
    "PolicyDocument",
    "RouteTableId",
    "SubnetId",
    "SecurityGroupId",
    "PrivateDnsEnabled",
    "IpAddressType",
    "ClientToken",
    "TagSpecification",
];
const MODIFY_PARAMETERS: &[&str] = &[
    "VpcEndpointId",
    "ResetPolicy",
    "PolicyDocument",
    "AddRouteTableId",
    "RemoveRouteTableId",
    "AddSubnetId",
    "RemoveSubnetId",
    "AddSecurityGroupId",
    "RemoveSecurityGroupId",
    "PrivateDnsEnabled",
];

/// Services with gateway endpoints, and the digits of their prefix lists.
const GATEWAYS: [(&str, &str); 2] = [("s3", "a5"), ("dynamodb", "d7")];

/// Returns the prefix list of a service in a region; the same one every time.
fn prefix_list(region: &str, digits: &str) -> String {
    let sum = region.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("pl-{digits}{:06x}", sum & 0x00ff_ffff)
}

fn gateway_of<'a>(region: &str, service: &'a str) -> Option<(&'a str, String)> {
    let name = service.strip_prefix(&format!("com.amazonaws.{region}."))?;
    GATEWAYS.iter().find(|(known, _)| *known == name).map(|(_, digits)| (name, prefix_list(region, digits)))
}

pub(super) fn describe_prefix_lists(request: &Request) -> Result<Value, AwsError> {
    let all: Vec<Value> = GATEWAYS
        .iter()
        .map(|(service, digits)| {
            json!({
                "prefixListId": prefix_list(&request.region, digits),
                "prefixListName": format!("com.amazonaws.{}.{service}", request.region),
                "cidrSet": ["52.95.168.0/24"],
            })
        })
        .filter(|list| {
            let ids = request.input.texts("PrefixListId");
            ids.is_empty() || list.text("prefixListId").is_some_and(|id| ids.iter().any(|other| other == id))
        })
        .filter(|list| {
            request.input.list("Filter").iter().all(|filter| {
                let member = match filter.text("Name") {
                    Some("prefix-list-id") => "prefixListId",
                    _ => "prefixListName",
                };
                let actual = list.text(member).unwrap_or_default();
                filter.list("Value").iter().filter_map(Value::as_str).any(|pattern| tags::fits(pattern, actual))
            })
        })
        .collect();
    let (lists, _) = paged(request, all)?;
    Ok(json!({ "prefixListSet": lists }))
}

fn check_policy(policy: &str) -> Result<(), AwsError> {
    match serde_json::from_str::<Value>(policy) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(AwsError::new("InvalidPolicyDocument", "Syntax errors in policy.")),
    }
}

fn check_tables(
    state: &State<'_>,
    tables: &[String],
    vpc: &str,
    list: &str,
    own: Option<&str>,
) -> Result<(), AwsError> {
    for table in tables {
        let found = ROUTE_TABLE.get(state, table)?;
        if found["vpcId"] != vpc {
            return Err(invalid(format!("Route table {table} belongs to another VPC.")));
        }
        let taken = state.list(VPC_ENDPOINT.collection).any(|(id, other)| {
            Some(id) != own && other["_prefixList"] == list && other.texts("routeTableIdSet").contains(table)
        });
        if taken {
            let message = format!("route table {table} already has a route with destination-prefix-list-id {list}");
            return Err(AwsError::new("RouteAlreadyExists", message));
        }
    }
    Ok(())
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, PARAMETERS)?;
    let vpc = VPC.named(state, request, "VpcId")?;
    let vpc_id = vpc.text("vpcId").unwrap_or_default();
    let service = request.input.text("ServiceName").ok_or_else(|| missing("serviceName"))?;
    let kind = request.input.text("VpcEndpointType").unwrap_or("Gateway");
    let given = tags::specified(request, "vpc-endpoint")?;
    let gateway = gateway_of(&request.region, service);
    let offered =
        if kind == "Gateway" { gateway.is_some() } else { endpoint_interface::offers(&request.region, service) };
    if !offered {
        let message = format!("The Vpc Endpoint Service '{service}' does not exist");
        return Err(AwsError::new("InvalidServiceName", message));
    }
    let default = json!({
        "Version": "2008-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" }],
    });
    let policy = request.input.text("PolicyDocument").map_or_else(|| default.to_string(), str::to_owned);
    check_policy(&policy)?;
    let id = ids::resource("vpce");
    let mut document = json!({
        "vpcEndpointId": id,
        "vpcEndpointType": kind,
        "vpcId": vpc_id,
        "serviceName": service,
        "state": "available",
        "policyDocument": policy,
        "routeTableIdSet": [],
        "subnetIdSet": [],
        "groupSet": [],
        "privateDnsEnabled": false,
        "requesterManaged": false,
        "networkInterfaceIdSet": [],
        "dnsEntrySet": [],
        "creationTimestamp": clock::iso(state.now()),
        "ownerId": request.account,
    });
    match (kind, gateway) {
        ("Gateway", Some((_, list))) => {
            let tables = request.input.texts("RouteTableId");
            check_tables(state, &tables, vpc_id, &list, None)?;
            document["routeTableIdSet"] = json!(tables);
            document["_prefixList"] = json!(list);
        }
        ("Interface", _) => endpoint_interface::create(state, request, &vpc, &mut document)?,
        _ => return Err(invalid(format!("Endpoint type ({kind}) does not match available service types."))),
    }
    let shown = VPC_ENDPOINT.create(state, document, &given);
    Ok(json!({ "vpcEndpoint": shown }))
}

pub(super) fn modify(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, MODIFY_PARAMETERS)?;
    let mut endpoint = VPC_ENDPOINT.named(state, request, "VpcEndpointId")?;
    let id = endpoint.text("vpcEndpointId").unwrap_or_default().to_owned();
    let added = request.input.texts("AddRouteTableId");
    let removed = request.input.texts("RemoveRouteTableId");
    if !added.is_empty() || !removed.is_empty() {
        let Some(list) = endpoint.text("_prefixList").map(str::to_owned) else {
            return Err(invalid("Route tables belong to gateway endpoints only."));
        };
        check_tables(state, &added, endpoint.text("vpcId").unwrap_or_default(), &list, Some(&id))?;
        let mut tables = endpoint.texts("routeTableIdSet");
        tables.retain(|table| !removed.contains(table));
        for table in added {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        endpoint["routeTableIdSet"] = json!(tables);
    }
    if request.input.flag("ResetPolicy") == Some(true) {
        let open = json!({
            "Version": "2008-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" }],
        });
        endpoint["policyDocument"] = json!(open.to_string());
    } else if let Some(policy) = request.input.text("PolicyDocument") {
        check_policy(policy)?;
        endpoint["policyDocument"] = json!(policy);
    }
    endpoint_interface::modify(state, request, &mut endpoint)?;
    state.put(VPC_ENDPOINT.collection, &id, endpoint);
    Ok(done())
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let ids = request.input.texts("VpcEndpointId");
    if ids.is_empty() {
        return Err(missing("VpcEndpointId"));
    }
    let mut unsuccessful = Vec::new();
    for id in ids {
        match VPC_ENDPOINT.get(state, &id) {
            Ok(endpoint) => endpoint_interface::delete(state, &id, endpoint),
            Err(error) => unsuccessful.push(json!({
                "resourceId": id, "error": { "code": error.code, "message": error.message },
            })),
        }
    }
    Ok(json!({ "unsuccessful": unsuccessful }))
}
