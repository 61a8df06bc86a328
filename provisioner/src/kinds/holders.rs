//! Who keeps a thing of EC2 from being deleted: interfaces that stand in it, groups whose rules name it, parts of a network.

use anyhow::Result;
use lakewright_aws::ask_all;
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, Tag};

use super::tags::STACK;
use super::wait::Holder;
use super::{ec2, tag_lists};
use crate::kind::Context;

/// What a security group is held by.
pub(super) async fn of_group(context: &Context, id: &str) -> Result<Vec<Holder>> {
    let (interfaces, incoming, outgoing) = tokio::join!(
        interfaces(context, "group-id", id),
        naming(context, "ip-permission.group-id", id),
        naming(context, "egress.ip-permission.group-id", id),
    );
    known([incoming, outgoing, interfaces])
}

/// What a subnet is held by.
pub(super) async fn of_subnet(context: &Context, id: &str) -> Result<Vec<Holder>> {
    interfaces(context, "subnet-id", id).await
}

/// What a VPC is held by.
pub(super) async fn of_vpc(context: &Context, id: &str) -> Result<Vec<Holder>> {
    let (subnets, groups, gateways, tables, interfaces) = tokio::join!(
        subnets(context, id),
        groups(context, id),
        gateways(context, id),
        route_tables(context, id),
        interfaces(context, "vpc-id", id),
    );
    known([subnets, groups, gateways, tables, interfaces])
}

/// What keeps an internet gateway in its VPC: public addresses.
pub(super) async fn of_gateway(context: &Context, vpc: &str) -> Result<Vec<Holder>> {
    let filter = ec2::filter("vpc-id", vpc);
    let call = context.aws.ec2().describe_network_interfaces().filters(filter);
    let found = ask_all(call.into_paginator().items().send()).await?;
    let public = found.iter().filter(|one| one.association().is_some_and(|one| one.public_ip().is_some()));
    Ok(public.map(interface).collect())
}

/// What holds a volume: the hosts that it is attached to.
pub(super) fn of_volume(volume: &types::Volume) -> Vec<Holder> {
    let hosts = volume.attachments().iter().filter_map(|one| one.instance_id());
    hosts.map(|host| Holder { what: format!("the host {host}"), goes: true }).collect()
}

/// What is known of the holders; an error only where nothing is, and something couldn't be asked.
fn known(looks: impl IntoIterator<Item = Result<Vec<Holder>>>) -> Result<Vec<Holder>> {
    let (mut holders, mut failed) = (Vec::new(), None);
    for look in looks {
        match look {
            Ok(found) => holders.extend(found),
            Err(error) => failed = Some(error),
        }
    }
    holders.dedup();
    match failed {
        Some(error) if holders.is_empty() => Err(error),
        _ => Ok(holders),
    }
}

async fn interfaces(context: &Context, filter: &str, value: &str) -> Result<Vec<Holder>> {
    let call = context.aws.ec2().describe_network_interfaces().filters(ec2::filter(filter, value));
    Ok(ask_all(call.into_paginator().items().send()).await?.iter().map(interface).collect())
}

/// An interface goes with what it belongs to.
fn interface(one: &types::NetworkInterface) -> Holder {
    let id = one.network_interface_id().unwrap_or("an interface");
    let host = one.attachment().and_then(|attachment| attachment.instance_id()).map(|id| format!("of the host {id}"));
    let about = host.or_else(|| one.description().filter(|text| !text.is_empty()).map(str::to_owned));
    let about = about.map(|about| format!(" ({about})")).unwrap_or_default();
    Holder { what: format!("the interface {id}{about}"), goes: true }
}

/// The groups with rules that name a group. One of others keeps its rules.
async fn naming(context: &Context, filter: &str, id: &str) -> Result<Vec<Holder>> {
    let call = context.aws.ec2().describe_security_groups().filters(ec2::filter(filter, id));
    let found = ask_all(call.into_paginator().items().send()).await?;
    let others = found.iter().filter(|group| group.group_id() != Some(id));
    Ok(others
        .map(|group| named(context, "a rule of the security group", group.group_id(), group.group_name(), group.tags()))
        .collect())
}

async fn groups(context: &Context, vpc: &str) -> Result<Vec<Holder>> {
    let call = context.aws.ec2().describe_security_groups().filters(ec2::filter("vpc-id", vpc));
    let found = ask_all(call.into_paginator().items().send()).await?;
    // The one that a VPC is born with goes with it.
    let own = found.iter().filter(|group| group.group_name() != Some("default"));
    Ok(own
        .map(|group| named(context, "the security group", group.group_id(), group.group_name(), group.tags()))
        .collect())
}

async fn subnets(context: &Context, vpc: &str) -> Result<Vec<Holder>> {
    let call = context.aws.ec2().describe_subnets().filters(ec2::filter("vpc-id", vpc));
    let found = ask_all(call.into_paginator().items().send()).await?;
    Ok(found.iter().map(|one| named(context, "the subnet", one.subnet_id(), one.cidr_block(), one.tags())).collect())
}

async fn gateways(context: &Context, vpc: &str) -> Result<Vec<Holder>> {
    let call = context.aws.ec2().describe_internet_gateways().filters(ec2::filter("attachment.vpc-id", vpc));
    let found = ask_all(call.into_paginator().items().send()).await?;
    let gateway = |one: &types::InternetGateway| {
        named(context, "the internet gateway", one.internet_gateway_id(), None, one.tags())
    };
    Ok(found.iter().map(gateway).collect())
}

async fn route_tables(context: &Context, vpc: &str) -> Result<Vec<Holder>> {
    let call = context.aws.ec2().describe_route_tables().filters(ec2::filter("vpc-id", vpc));
    let found = ask_all(call.into_paginator().items().send()).await?;
    // The main one goes with the VPC.
    let is_main = |table: &types::RouteTable| table.associations().iter().any(|one| one.main() == Some(true));
    let own = found.iter().filter(|table| !is_main(table));
    Ok(own.map(|table| named(context, "the route table", table.route_table_id(), None, table.tags())).collect())
}

/// A thing with its id and name. The stack's own go with it, or are changed; those of others stay.
fn named(context: &Context, what: &str, id: Option<&str>, name: Option<&str>, tags: &[Tag]) -> Holder {
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let goes = tag_lists::read(tags).get(STACK) == Some(&context.stack);
    Holder { what: format!("{what} {}{name}", id.unwrap_or_default()), goes }
}
