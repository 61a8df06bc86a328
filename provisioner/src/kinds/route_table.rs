//! `route_table`: where a subnet's packets go.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{
    self, ResourceType, RouteOrigin, RouteTableAssociation, RouteTableAssociationStateCode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::Thing as _;
use super::spec::{cidr, compared, in_place, reference, replaces};
use super::values::{SubnetId, VpcId};
use super::{among, ec2, tagging, tags, wait};
use crate::charge::Others;
use crate::kind::{Billing, Clash, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;

/// Where the packets of some subnets go. Its routes and subnets are exactly those named here; the VPC's own local route
/// and the routes of gateway endpoints are AWS's and never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: VpcId,
    /// The routes. Default: none.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The ids of the subnets that use this table, `${subnet.a.id}`. Default: none.
    #[serde(default)]
    pub subnets: Vec<SubnetId>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The range of addresses, `0.0.0.0/0` or `::/0`.
    #[schemars(length(min = 1, max = 64))]
    pub destination: String,
    /// The id of what the packets go to: an internet gateway, NAT gateway, network interface, peering connection,
    /// transit gateway or virtual private gateway.
    #[schemars(length(min = 1, max = 64))]
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
];
const FACTS: Facts = Facts {
    billing: Billing::Free,
    tagging: Some(&tagging::Ec2),
    ..Facts::of("route_table", "where the packets of some subnets go", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct RouteTable;

/// How long a new route table may stay out of the lists.
const VISIBLE: Duration = Duration::from_mins(2);

#[async_trait]
impl Kind for RouteTable {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        for route in &mut spec.routes {
            route.destination = cidr(&route.destination)?;
        }
        let same = |one: &Route, other: &Route| one.destination == other.destination;
        Ok(Clash::within("routes", &spec.routes, same, "lead to one destination, and a table has one route to each")?)
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        let name = |id: &SubnetId| reference(id).map_or_else(|| id.to_string(), |subnet| subnet.to_string());
        let mut told = among::of_its_kind(address, others, |other, theirs: &Spec| {
            let both = spec.subnets.iter().find(|subnet| theirs.subnets.contains(subnet));
            both.map(|both| format!("`{}` uses `{other}` too, and a subnet has one route table", name(both)))
        });
        let elsewhere = spec.subnets.iter().filter(|id| {
            let vpc = others.spec("subnet", id).and_then(|subnet| reference(subnet["vpc"].as_str()?));
            vpc.zip(reference(&spec.vpc)).is_some_and(|(theirs, own)| theirs != own)
        });
        told.extend(elsewhere.map(|subnet| format!("`{}` stands in another VPC than it does", name(subnet))));
        told
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.vpc != spec.vpc
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        ec2::found(context, live).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.ec2().create_route_table().vpc_id(spec.vpc.as_str());
        let call = call.client_token(tags::client_token(context, address, spec));
        let call = call.tag_specifications(ec2::specification(context, address, ResourceType::RouteTable));
        let made = wait::visible(context, || ask(call.clone().send())).await?;
        arrange(context, made.route_table.needed("ec2", "CreateRouteTable.RouteTable")?.id()?, spec).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        arrange(context, &live.id, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let Some(table) = types::RouteTable::described(context, &live.id).await? else { return Ok(()) };
        for (_, association) in associations(&table) {
            disassociate(context, association).await?;
        }
        let call = context.aws.ec2().delete_route_table().route_table_id(&live.id);
        wait::released(context, async || Ok(Vec::new()), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(table) = types::RouteTable::described(context, id).await? else { return Ok(None) };
        live(context, &ec2::claimed(context, address, id, table)?)
    }
}

fn association_id(association: &RouteTableAssociation) -> Result<&str, Error> {
    association.route_table_association_id().needed("ec2", "RouteTableAssociation.RouteTableAssociationId")
}

/// Names a route's destination to a call.
macro_rules! of_destination {
    ($call:expr, $destination:expr) => {
        if $destination.contains(':') {
            $call.destination_ipv6_cidr_block($destination)
        } else {
            $call.destination_cidr_block($destination)
        }
    };
}

/// Names a route's destination and target to a call that makes or replaces it.
macro_rules! of_route {
    ($call:expr, $route:expr) => {{
        let (call, target) = (of_destination!($call, &$route.destination), &$route.target);
        match Target::of(target)? {
            Target::Gateway => call.gateway_id(target),
            Target::NatGateway => call.nat_gateway_id(target),
            Target::NetworkInterface => call.network_interface_id(target),
            Target::VpcPeeringConnection => call.vpc_peering_connection_id(target),
            Target::TransitGateway => call.transit_gateway_id(target),
            Target::EgressOnlyInternetGateway => call.egress_only_internet_gateway_id(target),
            Target::VpcEndpoint => call.vpc_endpoint_id(target),
        }
    }};
}

/// Makes the table's routes and subnets exactly those of the spec.
async fn arrange(context: &Context, id: &str, spec: &Spec) -> Result<Outcome> {
    let ec2 = context.aws.ec2();
    let table =
        wait::until(context, VISIBLE, &format!("{id} is not listed"), || types::RouteTable::described(context, id))
            .await?;
    let routes = read_routes(&table)?;
    for extra in routes.iter().filter(|live| !spec.routes.iter().any(|route| route.destination == live.destination)) {
        let call = of_destination!(ec2.delete_route().route_table_id(id), &extra.destination);
        wait::found(ask(call.send()).await)?;
    }
    for route in spec.routes.iter().filter(|route| !routes.contains(route)) {
        if routes.iter().any(|live| live.destination == route.destination) {
            let call = of_route!(ec2.replace_route().route_table_id(id), route);
            wait::visible(context, || ask(call.clone().send())).await?;
        } else {
            let call = of_route!(ec2.create_route().route_table_id(id), route);
            wait::visible(context, || ask(call.clone().send())).await?;
        }
    }
    for (_, association) in associations(&table).filter(|(subnet, _)| !spec.subnets.iter().any(|id| id == subnet)) {
        disassociate(context, association).await?;
    }
    for subnet in spec.subnets.iter().filter(|id| !associations(&table).any(|(subnet, _)| subnet == id.as_str())) {
        associate(context, id, subnet).await?;
    }
    Ok(tags::outcome(id, &[("id", id), ("arn", &ec2::arn(context, "route-table", id))]))
}

/// Gives a subnet this table, in place of the one that it has.
async fn associate(context: &Context, id: &str, subnet: &str) -> Result<()> {
    let holders = types::RouteTable::list(context, vec![ec2::filter("association.subnet-id", subnet)]).await?;
    let held = holders.iter().flat_map(associations).find(|(holder, _)| *holder == subnet);
    if let Some((_, held)) = held {
        let call = context.aws.ec2().replace_route_table_association().association_id(association_id(held)?);
        let call = call.route_table_id(id);
        wait::visible(context, || ask(call.clone().send())).await?;
    } else {
        let call = context.aws.ec2().associate_route_table().subnet_id(subnet).route_table_id(id);
        wait::visible(context, || ask(call.clone().send())).await?;
    }
    Ok(())
}

async fn disassociate(context: &Context, association: &RouteTableAssociation) -> Result<()> {
    let call = context.aws.ec2().disassociate_route_table().association_id(association_id(association)?);
    wait::found(ask(call.send()).await)?;
    Ok(())
}

/// The table's associations with subnets, each with the subnet's id: not the VPC's own with its main table, nor those
/// on their way out.
fn associations(table: &types::RouteTable) -> impl Iterator<Item = (&str, &RouteTableAssociation)> {
    table.associations().iter().filter_map(|association| {
        let state = association.association_state().and_then(|state| state.state());
        let goes = matches!(
            state,
            Some(RouteTableAssociationStateCode::Disassociating | RouteTableAssociationStateCode::Disassociated)
        );
        association.subnet_id().filter(|subnet| !subnet.is_empty() && !goes).map(|subnet| (subnet, association))
    })
}

/// The types of targets, each of which a call takes by a member of its own.
enum Target {
    Gateway,
    NatGateway,
    NetworkInterface,
    VpcPeeringConnection,
    TransitGateway,
    EgressOnlyInternetGateway,
    VpcEndpoint,
}

impl Target {
    /// The type, by the id's prefix.
    fn of(target: &str) -> Result<Self> {
        Ok(match target.split('-').next().unwrap_or_default() {
            "igw" | "vgw" => Self::Gateway,
            "nat" => Self::NatGateway,
            "eni" => Self::NetworkInterface,
            "pcx" => Self::VpcPeeringConnection,
            "tgw" => Self::TransitGateway,
            "eigw" => Self::EgressOnlyInternetGateway,
            "vpce" => Self::VpcEndpoint,
            _ => bail!(
                "`{target}` is no target of a route; targets are the ids of gateways (igw-, nat-, vgw-, tgw-, eigw-), \
                 endpoints (vpce-), network interfaces (eni-) and peering connections (pcx-)"
            ),
        })
    }
}

/// The table's routes but AWS's own: the local route, those of gateway endpoints, those that a virtual private gateway
/// spreads.
fn read_routes(table: &types::RouteTable) -> Result<Vec<Route>, Error> {
    let own = |route: &&types::Route| {
        route.gateway_id() != Some("local")
            && ec2::present(route.destination_prefix_list_id()).is_none()
            && matches!(route.origin(), None | Some(RouteOrigin::CreateRoute))
    };
    let route = |route: &types::Route| {
        let destinations = [route.destination_cidr_block(), route.destination_ipv6_cidr_block()];
        let targets = [
            route.gateway_id(),
            route.nat_gateway_id(),
            route.network_interface_id(),
            route.vpc_peering_connection_id(),
            route.transit_gateway_id(),
            route.egress_only_internet_gateway_id(),
        ];
        Ok(Route {
            destination: destinations.into_iter().find_map(ec2::present).needed("ec2", "Route.DestinationCidrBlock")?,
            // Those of types that no spec can name have none here, and differ from every spec's.
            target: targets.into_iter().find_map(ec2::present).unwrap_or_default(),
        })
    };
    table.routes().iter().filter(own).map(route).collect()
}

fn live(context: &Context, table: &types::RouteTable) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "route_table", table) else { return Ok(None) };
    let id = table.id()?;
    let spec = Spec {
        vpc: table.vpc_id().needed("ec2", "RouteTable.VpcId")?.into(),
        routes: read_routes(table)?,
        subnets: associations(table).map(|(subnet, _)| subnet.into()).collect(),
    };
    let arn = ec2::arn(context, "route-table", id);
    Ok(Some(tags::found(address, &tags, id, spec, &[("id", id), ("arn", &arn)])))
}

#[cfg(test)]
mod tests {
    use lakewright_ec2::sdk::types::RouteTableAssociationState;
    use lakewright_ec2::sdk::types::builders::RouteBuilder;

    use super::*;

    #[test]
    fn routes_of_aws_itself_are_left_out() {
        let of = |origin: RouteOrigin| types::Route::builder().origin(origin);
        let made = || of(RouteOrigin::CreateRoute);
        let routes = [
            of(RouteOrigin::CreateRouteTable).destination_cidr_block("10.0.0.0/16").gateway_id("local"),
            made().destination_prefix_list_id("pl-1").gateway_id("vpce-1"),
            of(RouteOrigin::EnableVgwRoutePropagation).destination_cidr_block("10.1.0.0/16").gateway_id("vgw-1"),
            made().destination_cidr_block("0.0.0.0/0").gateway_id("igw-1"),
            made().destination_ipv6_cidr_block("::/0").egress_only_internet_gateway_id("eigw-1"),
        ];
        let routes = routes.into_iter().map(RouteBuilder::build).collect();
        let table = types::RouteTable::builder().set_routes(Some(routes)).build();
        let route = |destination: &str, target: &str| Route { destination: destination.into(), target: target.into() };
        let read = read_routes(&table).expect("every route has a destination");
        assert_eq!(read, [route("0.0.0.0/0", "igw-1"), route("::/0", "eigw-1")]);
    }

    #[test]
    fn the_main_association_is_no_subnet() {
        let subnet = |subnet: &str, state: RouteTableAssociationStateCode| {
            let state = RouteTableAssociationState::builder().state(state).build();
            RouteTableAssociation::builder().subnet_id(subnet).association_state(state).build()
        };
        let table = types::RouteTable::builder()
            .associations(RouteTableAssociation::builder().main(true).build())
            .associations(subnet("subnet-1", RouteTableAssociationStateCode::Associated))
            .associations(subnet("subnet-2", RouteTableAssociationStateCode::Disassociated))
            .build();
        assert_eq!(associations(&table).map(|(subnet, _)| subnet).collect::<Vec<_>>(), ["subnet-1"]);
    }
}
