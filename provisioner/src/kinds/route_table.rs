//! `route_table`: where a subnet's packets go.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{cidr, compared, describes, differs, in_place, replaces, typed, value};
use super::tags;
use super::wait;
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

/// Where the packets of some subnets go. Its routes and subnets are exactly those named here; the VPC's own local route
/// and the routes of gateway endpoints are AWS's and never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]+$"))]
    pub vpc: String,
    /// The routes. Default: none.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The ids of the subnets that use this table, `${subnet.a.id}`. Default: none.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^subnet-[0-9a-f]+$")))]
    pub subnets: Vec<String>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The range of addresses, `0.0.0.0/0` or `::/0`.
    pub destination: String,
    /// The id of what the packets go to: an internet gateway, NAT gateway, network interface, peering connection,
    /// transit gateway or virtual private gateway.
    pub target: String,
}

const FIELDS: &[Field] =
    &[replaces("vpc"), compared(in_place("routes"), Comparing::AsSet), compared(in_place("subnets"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] = &[
    "ec2:CreateRouteTable",
    "ec2:DeleteRouteTable",
    "ec2:DescribeRouteTables",
    "ec2:AssociateRouteTable",
    "ec2:DisassociateRouteTable",
    "ec2:ReplaceRouteTableAssociation",
    "ec2:CreateRoute",
    "ec2:ReplaceRoute",
    "ec2:DeleteRoute",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct RouteTable;

/// How long a new route table may stay out of the lists.
const VISIBLE: Duration = Duration::from_mins(2);

#[async_trait]
impl Kind for RouteTable {
    describes!("route_table", "where the packets of some subnets go", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "vpc")
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tables = tags::sweep(context, "DescribeRouteTables", "routeTableSet").await?;
        Ok(tables.iter().filter_map(|table| live(context, table)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({
            "VpcId": spec.vpc,
            "ClientToken": tags::client_token(context, address, &spec),
            "TagSpecification": tags::specification(context, address, "route-table"),
        });
        let answer =
            wait::visible(context, || context.aws.call(Service::Ec2, "CreateRouteTable", input.clone())).await?;
        arrange(context, text(&answer["routeTable"], "routeTableId"), &spec).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        arrange(context, &live.id, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"RouteTableId": [live.id]});
        let answer = context.aws.call(Service::Ec2, "DescribeRouteTables", input).await;
        let Some(answer) = wait::found(answer)? else { return Ok(()) };
        for association in list(&answer, "routeTableSet").iter().flat_map(associations) {
            disassociate(context, association).await?;
        }
        let input = json!({"RouteTableId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteRouteTable", input.clone())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one =
            tags::claim_one(context, address, ("DescribeRouteTables", "routeTableSet"), ("RouteTableId", id)).await?;
        Ok(one.and_then(|table| live(context, &table)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

/// Makes the table's routes and subnets exactly those of the spec.
async fn arrange(context: &Context, id: &str, spec: &Spec) -> Result<Outcome> {
    let table = wait::until(context, VISIBLE, &format!("{id} is not listed"), || async {
        let answer = context.aws.call(Service::Ec2, "DescribeRouteTables", json!({"RouteTableId": [id]})).await;
        Ok(wait::found(answer)?.and_then(|answer| list(&answer, "routeTableSet").first().cloned()))
    })
    .await?;
    let routes = read_routes(&table);
    for extra in routes.iter().filter(|live| !spec.routes.iter().any(|route| route.destination == live.destination)) {
        let input = json!({"RouteTableId": id, destination_name(&extra.destination): extra.destination});
        wait::found(context.aws.call(Service::Ec2, "DeleteRoute", input).await)?;
    }
    for route in spec.routes.iter().filter(|route| !routes.contains(route)) {
        let input = json!({
            "RouteTableId": id,
            destination_name(&route.destination): route.destination,
            target_name(&route.target)?: route.target,
        });
        let replaced = routes.iter().any(|live| live.destination == route.destination);
        let operation = if replaced { "ReplaceRoute" } else { "CreateRoute" };
        wait::visible(context, || context.aws.call(Service::Ec2, operation, input.clone())).await?;
    }
    for association in associations(&table).filter(|one| !spec.subnets.iter().any(|id| id == text(one, "subnetId"))) {
        disassociate(context, association).await?;
    }
    for subnet in spec.subnets.iter().filter(|id| !associations(&table).any(|one| text(one, "subnetId") == *id)) {
        associate(context, id, subnet).await?;
    }
    Ok(tags::outcome(id, &[("id", id), ("arn", &tags::ec2_arn(context, "route-table", id))]))
}

/// Gives a subnet this table, in place of the one that it has.
async fn associate(context: &Context, id: &str, subnet: &str) -> Result<()> {
    let filter = json!({"Filter": [{"Name": "association.subnet-id", "Value": [subnet]}]});
    let holders = tags::describe(context, "DescribeRouteTables", "routeTableSet", filter).await?;
    let held = holders.iter().flat_map(associations).find(|one| text(one, "subnetId") == subnet);
    let (operation, input) = match held {
        Some(held) => {
            let association = text(held, "routeTableAssociationId");
            ("ReplaceRouteTableAssociation", json!({"AssociationId": association, "RouteTableId": id}))
        }
        None => ("AssociateRouteTable", json!({"SubnetId": subnet, "RouteTableId": id})),
    };
    wait::visible(context, || context.aws.call(Service::Ec2, operation, input.clone())).await?;
    Ok(())
}

async fn disassociate(context: &Context, association: &Value) -> Result<()> {
    let input = json!({"AssociationId": text(association, "routeTableAssociationId")});
    wait::found(context.aws.call(Service::Ec2, "DisassociateRouteTable", input).await)?;
    Ok(())
}

/// The table's associations with subnets: not the VPC's own with its main table, nor those on their way out.
fn associations(table: &Value) -> impl Iterator<Item = &Value> {
    list(table, "associationSet").iter().filter(|association| {
        let state = association.get("associationState").map(|state| text(state, "state")).unwrap_or_default();
        !text(association, "subnetId").is_empty() && !matches!(state, "disassociating" | "disassociated")
    })
}

fn destination_name(destination: &str) -> &'static str {
    if destination.contains(':') { "DestinationIpv6CidrBlock" } else { "DestinationCidrBlock" }
}

/// The parameter that takes a target of this type, told by the id's prefix.
fn target_name(target: &str) -> Result<&'static str> {
    Ok(match target.split('-').next().unwrap_or_default() {
        "igw" | "vgw" => "GatewayId",
        "nat" => "NatGatewayId",
        "eni" => "NetworkInterfaceId",
        "pcx" => "VpcPeeringConnectionId",
        "tgw" => "TransitGatewayId",
        "eigw" => "EgressOnlyInternetGatewayId",
        "vpce" => "VpcEndpointId",
        _ => bail!(
            "`{target}` is no target of a route; targets are the ids of gateways (igw-, nat-, vgw-, tgw-, eigw-), \
             endpoints (vpce-), network interfaces (eni-) and peering connections (pcx-)"
        ),
    })
}

/// The table's routes but AWS's own: the local route, those of gateway endpoints, those that a virtual private gateway spreads.
fn read_routes(table: &Value) -> Vec<Route> {
    let own = |route: &&Value| {
        text(route, "gatewayId") != "local"
            && text(route, "destinationPrefixListId").is_empty()
            && matches!(text(route, "origin"), "" | "CreateRoute")
    };
    let targets = [
        "gatewayId",
        "natGatewayId",
        "networkInterfaceId",
        "vpcPeeringConnectionId",
        "transitGatewayId",
        "egressOnlyInternetGatewayId",
    ];
    let first = |route: &Value, names: &[&str]| {
        names.iter().map(|name| text(route, name)).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let route = |route: &Value| Route {
        destination: first(route, &["destinationCidrBlock", "destinationIpv6CidrBlock"]),
        target: first(route, &targets),
    };
    list(table, "routeSet").iter().filter(own).map(route).collect()
}

fn live(context: &Context, table: &Value) -> Option<Live> {
    let tags = tags::of(list(table, "tagSet"));
    let address = tags::address(context, "route_table", &tags)?;
    let id = text(table, "routeTableId");
    let spec = Spec {
        vpc: text(table, "vpcId").to_owned(),
        routes: read_routes(table),
        subnets: associations(table).map(|one| text(one, "subnetId").to_owned()).collect(),
    };
    let arn = tags::ec2_arn(context, "route-table", id);
    Some(tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn)]))
}

fn canonical(spec: &mut Spec) -> Result<()> {
    for route in &mut spec.routes {
        route.destination = cidr(&route.destination)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_aws_itself_are_left_out() {
        let table = json!({"routeSet": [
            {"destinationCidrBlock": "10.0.0.0/16", "gatewayId": "local", "origin": "CreateRouteTable"},
            {"destinationPrefixListId": "pl-1", "gatewayId": "vpce-1", "origin": "CreateRoute"},
            {"destinationCidrBlock": "10.1.0.0/16", "gatewayId": "vgw-1", "origin": "EnableVgwRoutePropagation"},
            {"destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-1", "origin": "CreateRoute"},
            {"destinationIpv6CidrBlock": "::/0", "egressOnlyInternetGatewayId": "eigw-1", "origin": "CreateRoute"},
        ]});
        let route = |destination: &str, target: &str| Route { destination: destination.into(), target: target.into() };
        assert_eq!(read_routes(&table), [route("0.0.0.0/0", "igw-1"), route("::/0", "eigw-1")]);
    }

    #[test]
    fn the_main_association_is_no_subnet() {
        let table = json!({"associationSet": [
            {"main": "true", "routeTableAssociationId": "rtbassoc-1"},
            {"subnetId": "subnet-1", "routeTableAssociationId": "rtbassoc-2", "associationState": {"state": "associated"}},
            {"subnetId": "subnet-2", "routeTableAssociationId": "rtbassoc-3", "associationState": {"state": "disassociated"}},
        ]});
        assert_eq!(associations(&table).map(|one| text(one, "subnetId")).collect::<Vec<_>>(), ["subnet-1"]);
    }
}
