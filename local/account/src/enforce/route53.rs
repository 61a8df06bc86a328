//! Route 53: hosted zones, their records and networks.

use super::{Ask, Asks};
use crate::fields::Fields as _;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let id = asks.text("Id").unwrap_or("*");
    let zone = format!("arn:aws:route53:::hostedzone/{}", id.rsplit('/').next().unwrap_or(id));
    let vpc = input["VPC"]
        .text("VPCId")
        .map(|vpc| format!("VPCId={vpc},VPCRegion={}", input["VPC"].text("VPCRegion").unwrap_or_default()));
    match asks.operation() {
        "ListHostedZones" | "ListHostedZonesByName" => asks.own("route53", "*"),
        "ListHostedZonesByVPC" => {
            asks.own("route53", "*");
            look(asks)
        }
        "CreateHostedZone" => {
            asks.add(Ask::on("route53:CreateHostedZone", "*").key("route53:VPCs", vpc.as_deref()));
            if vpc.is_some() { look(asks) } else { Some(()) }
        }
        "AssociateVPCWithHostedZone" | "DisassociateVPCFromHostedZone" => {
            let action = format!("route53:{}", asks.operation());
            asks.add(Ask::on(&action, zone).key("route53:VPCs", vpc.as_deref()));
            look(asks)
        }
        "GetHostedZone" | "UpdateHostedZoneComment" | "DeleteHostedZone" | "ListResourceRecordSets" => {
            asks.own("route53", zone)
        }
        "ChangeResourceRecordSets" => {
            let mut ask = Ask::on("route53:ChangeResourceRecordSets", zone);
            let changes = input["ChangeBatch"].list("Changes");
            let of = |member: &str| {
                changes
                    .iter()
                    .filter_map(|one| one["ResourceRecordSet"].text(member))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let names = of("Name").into_iter().map(|name| name.trim_end_matches('.').to_lowercase());
            ask.keys.set_all("route53:ChangeResourceRecordSetsNormalizedRecordNames", names);
            ask.keys.set_all("route53:ChangeResourceRecordSetsRecordTypes", of("Type"));
            let actions = changes.iter().filter_map(|one| one.text("Action")).map(str::to_owned);
            ask.keys.set_all("route53:ChangeResourceRecordSetsActions", actions);
            asks.add(ask)
        }
        "GetChange" => asks.own("route53", format!("arn:aws:route53:::change/{}", id.rsplit('/').next().unwrap_or(id))),
        "ChangeTagsForResource" | "ListTagsForResource" => {
            let ids = [asks.text("ResourceId").unwrap_or("*").to_owned()];
            on_tagged(asks, &ids)
        }
        "ListTagsForResources" => {
            let ids = input.texts("ResourceIds");
            on_tagged(asks, &ids)
        }
        _ => None,
    }
}

/// Looking at a network in the caller's name, in the network's region.
fn look(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let region = input["VPC"].text("VPCRegion").or(input.text("vpcregion"));
    let ask = Ask::on("ec2:DescribeVpcs", "*").by_service();
    asks.add(ask.key("aws:RequestedRegion", region).key("ec2:Region", region))
}

fn on_tagged(asks: &mut Asks<'_, '_>, ids: &[String]) -> Option<()> {
    let kind = asks.text("ResourceType").unwrap_or("hostedzone");
    for id in ids {
        asks.own("route53", format!("arn:aws:route53:::{kind}/{id}"));
    }
    Some(())
}
