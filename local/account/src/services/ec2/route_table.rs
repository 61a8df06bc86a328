//! Route tables: routes, associations, the main table.

use serde_json::{Value, json};

use super::cidr::Cidr;
use super::error::{dependency, invalid, missing, need};
use super::kind::{INTERNET_GATEWAY, NAT_GATEWAY, ROUTE_TABLE, SUBNET, VPC, VPC_ENDPOINT};
use super::{done, gateway, nat_gateway, tags};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Returns the document of a new table; `main` for the one that a VPC is born with.
pub(super) fn born(vpc: &str, cidr: &str, owner: &str, main: bool) -> Value {
    let id = ids::resource("rtb");
    let associations = if main { vec![association(&id, None)] } else { Vec::new() };
    json!({
        "routeTableId": id,
        "vpcId": vpc,
        "ownerId": owner,
        "routeSet": [{
            "destinationCidrBlock": cidr, "gatewayId": "local", "state": "active", "origin": "CreateRouteTable",
        }],
        "associationSet": associations,
        "propagatingVgwSet": [],
    })
}

fn association(table: &str, subnet: Option<&str>) -> Value {
    let mut association = json!({
        "routeTableAssociationId": ids::resource("rtbassoc"),
        "routeTableId": table,
        "main": subnet.is_none(),
        "associationState": { "state": "associated" },
    });
    if let Some(subnet) = subnet {
        association["subnetId"] = json!(subnet);
    }
    association
}

pub(super) fn is_main(table: &Value) -> bool {
    table.list("associationSet").iter().any(|association| association["main"] == true)
}

/// Adds the routes of gateway endpoints, and says which routes lead nowhere.
pub(super) fn derive(state: &State<'_>, shown: &mut Value) {
    let id = shown.text("routeTableId").unwrap_or_default().to_owned();
    let vpc = shown.text("vpcId").unwrap_or_default().to_owned();
    let Some(routes) = shown["routeSet"].as_array_mut() else { return };
    for route in routes.iter_mut() {
        if let Some(target) = route.text("gatewayId").filter(|target| target.starts_with("igw-")) {
            let live = state.get(INTERNET_GATEWAY.collection, target);
            let live = live.is_some_and(|found| gateway::attached_to(found) == Some(&vpc));
            route["state"] = json!(if live { "active" } else { "blackhole" });
        }
        if let Some(target) = route.text("natGatewayId") {
            let live = state.get(NAT_GATEWAY.collection, target).is_some_and(nat_gateway::takes_routes);
            route["state"] = json!(if live { "active" } else { "blackhole" });
        }
    }
    for (endpoint, document) in state.list(VPC_ENDPOINT.collection) {
        if document.texts("routeTableIdSet").contains(&id) {
            routes.push(json!({
                "destinationPrefixListId": document["_prefixList"],
                "gatewayId": endpoint,
                "state": "active",
                "origin": "CreateRoute",
            }));
        }
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let vpc = VPC.named(state, request, "VpcId")?;
    let given = tags::specified(request, "route-table")?;
    let (id, cidr) = (vpc.text("vpcId").unwrap_or_default(), vpc.text("cidrBlock").unwrap_or_default());
    let document = born(id, cidr, &request.account, false);
    Ok(json!({ "routeTable": ROUTE_TABLE.create(state, document, &given) }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let table = ROUTE_TABLE.named(state, request, "RouteTableId")?;
    let id = table.text("routeTableId").unwrap_or_default();
    if !table.list("associationSet").is_empty() {
        return Err(dependency("routeTable", id));
    }
    let endpoints: Vec<(String, Value)> = state
        .list(VPC_ENDPOINT.collection)
        .filter(|(_, endpoint)| endpoint.texts("routeTableIdSet").iter().any(|table| table == id))
        .map(|(endpoint, document)| (endpoint.to_owned(), document.clone()))
        .collect();
    for (endpoint, mut document) in endpoints {
        let mut tables = document.texts("routeTableIdSet");
        tables.retain(|table| table != id);
        document["routeTableIdSet"] = json!(tables);
        state.put(VPC_ENDPOINT.collection, &endpoint, document);
    }
    ROUTE_TABLE.delete(state, id);
    Ok(done())
}

fn destination(request: &Request) -> Result<(&'static str, String), AwsError> {
    if let Some(block) = request.input.text("DestinationCidrBlock") {
        let cidr = Cidr::parse(block).ok_or_else(|| {
            invalid(format!(
                "Value ({block}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
            ))
        })?;
        return Ok(("destinationCidrBlock", cidr.to_string()));
    }
    if let Some(block) = request.input.text("DestinationIpv6CidrBlock") {
        return Ok(("destinationIpv6CidrBlock", block.to_lowercase()));
    }
    if request.input.text("DestinationPrefixListId").is_some() {
        return Err(invalid("Routes to prefix lists are made by their gateway endpoints."));
    }
    Err(missing("destinationCidrBlock"))
}

/// Returns what a route leads to, and the member that names it.
fn target(state: &State<'_>, request: &Request, table: &Value) -> Result<(&'static str, String), AwsError> {
    let other = |target: &str| {
        let id = table.text("routeTableId").unwrap_or_default();
        invalid(format!("route table {id} and network gateway {target} belong to different networks"))
    };
    match (request.input.text("GatewayId"), request.input.text("NatGatewayId")) {
        (Some(target), None) => {
            let gateway = INTERNET_GATEWAY.get(state, target)?;
            if gateway::attached_to(&gateway) != table.text("vpcId") {
                return Err(other(target));
            }
            Ok(("gatewayId", target.to_owned()))
        }
        (None, Some(target)) => {
            let found = state.get(NAT_GATEWAY.collection, target).filter(|it| nat_gateway::takes_routes(it));
            let gateway = found.ok_or_else(|| {
                let message = format!("The natGateway ID '{target}' does not exist");
                AwsError::new("InvalidNatGatewayID.NotFound", message)
            })?;
            if gateway["vpcId"] != table["vpcId"] {
                return Err(other(target));
            }
            Ok(("natGatewayId", target.to_owned()))
        }
        (Some(_), Some(_)) => {
            let message = "The request must contain exactly one target of the route.";
            Err(AwsError::new("InvalidParameterCombination", message))
        }
        (None, None) => {
            let message =
                "The local account routes to internet and NAT gateways only; give a gatewayId or natGatewayId.";
            Err(AwsError::new("MissingParameter", message))
        }
    }
}

/// Makes a route, or with `replace` changes where one leads.
pub(super) fn create_route(state: &mut State<'_>, request: &Request, replace: bool) -> Result<Value, AwsError> {
    let mut table = ROUTE_TABLE.named(state, request, "RouteTableId")?;
    let id = table.text("routeTableId").unwrap_or_default().to_owned();
    let (member, block) = destination(request)?;
    let (target_member, target) = target(state, request, &table)?;
    let routes = table["routeSet"].as_array_mut().expect("a route table has routes");
    let present = routes.iter().position(|route| route[member] == block);
    let origin = json!({ member: block, target_member: target, "state": "active", "origin": "CreateRoute" });
    match (present, replace) {
        (Some(_), false) => {
            let message = format!("The route identified by {block} already exists.");
            return Err(AwsError::new("RouteAlreadyExists", message));
        }
        (None, true) => {
            let message = format!("There is no route defined for '{block}' in the route table.");
            return Err(invalid(message));
        }
        (Some(place), true) if routes[place]["gatewayId"] == "local" => {
            return Err(invalid(format!("cannot replace local route {block} in route table {id}")));
        }
        (Some(place), true) => routes[place] = origin,
        (None, false) => routes.push(origin),
    }
    state.put(ROUTE_TABLE.collection, &id, table);
    Ok(done())
}

pub(super) fn delete_route(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut table = ROUTE_TABLE.named(state, request, "RouteTableId")?;
    let id = table.text("routeTableId").unwrap_or_default().to_owned();
    let (member, block) = destination(request)?;
    let routes = table["routeSet"].as_array_mut().expect("a route table has routes");
    let Some(place) = routes.iter().position(|route| route[member] == block) else {
        let name =
            if member == "destinationCidrBlock" { "destination-cidr-block" } else { "destination-ipv6-cidr-block" };
        let message = format!("no route with {name} {block} in route table {id}");
        return Err(AwsError::new("InvalidRoute.NotFound", message));
    };
    if routes[place]["gatewayId"] == "local" {
        return Err(invalid(format!("cannot remove local route {block} in route table {id}")));
    }
    routes.remove(place);
    state.put(ROUTE_TABLE.collection, &id, table);
    Ok(done())
}

/// Returns the table that has an association, and its place in the table's list.
fn find(state: &State<'_>, association: &str) -> Result<(Value, usize), AwsError> {
    for (_, table) in state.list(ROUTE_TABLE.collection) {
        let place =
            table.list("associationSet").iter().position(|found| found["routeTableAssociationId"] == association);
        if let Some(place) = place {
            return Ok((table.clone(), place));
        }
    }
    let message = format!("The association ID '{association}' does not exist");
    Err(AwsError::new("InvalidAssociationID.NotFound", message))
}

fn put(state: &mut State<'_>, table: Value) {
    let id = table.text("routeTableId").unwrap_or_default().to_owned();
    state.put(ROUTE_TABLE.collection, &id, table);
}

fn push(table: &mut Value, association: Value) {
    table["associationSet"].as_array_mut().expect("a route table has associations").push(association);
}

pub(super) fn associate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut table = ROUTE_TABLE.named(state, request, "RouteTableId")?;
    let id = table.text("routeTableId").unwrap_or_default().to_owned();
    let subnet = SUBNET.named(state, request, "SubnetId")?;
    if subnet["vpcId"] != table["vpcId"] {
        let subnet = subnet.text("subnetId").unwrap_or_default();
        return Err(invalid(format!("route table {id} and subnet {subnet} belong to different networks")));
    }
    let subnet = subnet.text("subnetId").unwrap_or_default();
    for (other, document) in state.list(ROUTE_TABLE.collection) {
        let found = document.list("associationSet").iter().find(|association| association["subnetId"] == subnet);
        if let Some(found) = found {
            // The same association once more is answered like the first time.
            if other == id {
                return Ok(associated(found, "associationId"));
            }
            let message =
                format!("the specified association for route table {id} conflicts with an existing association");
            return Err(AwsError::new("Resource.AlreadyAssociated", message));
        }
    }
    let made = association(&id, Some(subnet));
    push(&mut table, made.clone());
    put(state, table);
    Ok(associated(&made, "associationId"))
}

fn associated(association: &Value, member: &str) -> Value {
    json!({ member: association["routeTableAssociationId"], "associationState": { "state": "associated" } })
}

pub(super) fn disassociate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "AssociationId")?;
    let (mut table, place) = find(state, id)?;
    if table["associationSet"][place]["main"] == true {
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(invalid(message));
    }
    table["associationSet"].as_array_mut().expect("it was just found there").remove(place);
    put(state, table);
    Ok(done())
}

pub(super) fn replace_association(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "AssociationId")?;
    let target = ROUTE_TABLE.named(state, request, "RouteTableId")?;
    let (mut table, place) = find(state, id)?;
    if table["vpcId"] != target["vpcId"] {
        return Err(invalid("the route tables belong to different networks"));
    }
    let target_id = target.text("routeTableId").unwrap_or_default().to_owned();
    let old = table["associationSet"].as_array_mut().expect("it was just found there").remove(place);
    put(state, table);
    let mut target = ROUTE_TABLE.get(state, &target_id)?;
    let made = association(&target_id, old.text("subnetId"));
    push(&mut target, made.clone());
    put(state, target);
    Ok(associated(&made, "newAssociationId"))
}
