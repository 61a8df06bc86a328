//! `internet_gateway`: a VPC's door to the internet.

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask, ask_all, ask_once};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, Filter, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::replaces;
use super::values::VpcId;
use super::{among, ec2, holders, tag_lists, tags, wait};
use crate::charge::{Cost, Others};
use crate::kind::{Context, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;

/// A VPC's door to the internet. A subnet uses it by a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The id of the VPC that it is attached to, `${vpc.main.id}`.
    pub vpc: VpcId,
}

const FIELDS: &[Field] = &[replaces("vpc")];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] = &[
    "ec2:CreateInternetGateway",
    "ec2:DeleteInternetGateway",
    "ec2:DescribeInternetGateways",
    "ec2:AttachInternetGateway",
    "ec2:DetachInternetGateway",
    "ec2:DescribeNetworkInterfaces",
    "ec2:CreateTags",
    "ec2:DeleteTags",
];
const FACTS: Facts = Facts::of("internet_gateway", "a VPC's door to the internet", FIELDS, OUTPUTS, ACTIONS);

/// The kind.
#[derive(Debug)]
pub struct InternetGateway;

#[async_trait]
impl Kind for InternetGateway {
    type Spec = Spec;
    type Observed = ();

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn cost(&self, _spec: &Spec) -> Cost {
        Cost::Free
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            let same = theirs.vpc == spec.vpc;
            same.then(|| format!("`{other}` is attached to its VPC, and a VPC has one internet gateway"))
        })
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.vpc != spec.vpc
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let gateways = list(context, vec![ec2::of_stack(context)]).await?;
        gateways.iter().filter_map(|gateway| read(context, gateway).transpose()).collect()
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let living = || async {
            let gateways = list(context, ec2::of_address(context, address)).await?;
            gateways.iter().map(|gateway| Ok(id(gateway)?.to_owned())).collect()
        };
        let create = || async {
            let tags = ec2::specification(context, address, ResourceType::InternetGateway);
            let made = ask_once(context.aws.ec2().create_internet_gateway().tag_specifications(tags).send()).await?;
            let gateway = made.internet_gateway.needed("ec2", "CreateInternetGateway.InternetGateway")?;
            Ok(id(&gateway)?.to_owned())
        };
        let id = ec2::make_once(context, address, false, living, create).await?;
        attach(context, &id, &spec.vpc).await
    }

    async fn update(&self, context: &Context, live: &Found<Spec>, spec: &Spec, _changed: &[String]) -> Result<Outcome> {
        attach(context, &live.id, &spec.vpc).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        detach(context, &live.id, None).await?;
        let call = context.aws.ec2().delete_internet_gateway().internet_gateway_id(&live.id);
        wait::released(context, async || Ok(Vec::new()), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(mut gateway) = one(context, id).await? else { return Ok(None) };
        gateway.tags = ec2::claim(context, address, id, gateway.tags())?;
        read(context, &gateway)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        ec2::tag(context, &outcome.id, tags).await
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        ec2::untag(context, &outcome.id, keys).await
    }
}

async fn list(context: &Context, filters: Vec<Filter>) -> Result<Vec<types::InternetGateway>> {
    let call = context.aws.ec2().describe_internet_gateways().set_filters(Some(filters));
    Ok(ask_all(call.into_paginator().items().send()).await?)
}

async fn one(context: &Context, id: &str) -> Result<Option<types::InternetGateway>> {
    let call = context.aws.ec2().describe_internet_gateways().internet_gateway_ids(id);
    let found = wait::found(ask(call.send()).await)?;
    Ok(found.and_then(|answer| answer.internet_gateways?.into_iter().next()))
}

fn id(gateway: &types::InternetGateway) -> Result<&str, Error> {
    gateway.internet_gateway_id().needed("ec2", "InternetGateway.InternetGatewayId")
}

/// The ids of the VPCs that it is attached to.
fn attached(gateway: &types::InternetGateway) -> Result<Vec<&str>, Error> {
    let vpcs = gateway.attachments().iter().map(types::InternetGatewayAttachment::vpc_id);
    vpcs.map(|vpc| vpc.needed("ec2", "InternetGatewayAttachment.VpcId")).collect()
}

/// Attaches the gateway to the VPC and to no other.
async fn attach(context: &Context, id: &str, vpc: &str) -> Result<Outcome> {
    if !detach(context, id, Some(vpc)).await? {
        let call = context.aws.ec2().attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
        wait::visible(context, || ask(call.clone().send())).await?;
    }
    Ok(tags::outcome(id, &[("id", id), ("arn", &ec2::arn(context, "internet-gateway", id))]))
}

/// Detaches the gateway from every VPC but the kept one; returns whether it is attached to that one. While hosts
/// of a VPC have public addresses AWS refuses.
async fn detach(context: &Context, id: &str, keep: Option<&str>) -> Result<bool> {
    let Some(gateway) = one(context, id).await? else { return Ok(false) };
    let mut kept = false;
    for vpc in attached(&gateway)? {
        if keep == Some(vpc) {
            kept = true;
            continue;
        }
        let call = context.aws.ec2().detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
        wait::released(context, || holders::of_gateway(context, vpc), || ask(call.clone().send())).await?;
    }
    Ok(kept)
}

fn read(context: &Context, gateway: &types::InternetGateway) -> Result<Option<Found<Spec>>> {
    let tags = tag_lists::read(gateway.tags());
    let Some(address) = tags::address(context, "internet_gateway", &tags) else { return Ok(None) };
    let id = id(gateway)?;
    // One that is attached to no VPC differs from every spec.
    let vpc = attached(gateway)?.first().copied().unwrap_or_default().into();
    let arn = ec2::arn(context, "internet-gateway", id);
    Ok(Some(tags::found(address, &tags, id, Spec { vpc }, &[("id", id), ("arn", &arn)])))
}
