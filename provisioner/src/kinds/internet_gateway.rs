//! `internet_gateway`: a VPC's door to the internet.

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask, ask_once};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::Thing as _;
use super::spec::replaces;
use super::values::VpcId;
use super::{among, ec2, holders, tagging, tags, wait};
use crate::charge::Others;
use crate::kind::{Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
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
];
const FACTS: Facts = Facts {
    billing: Billing::Free,
    tagging: Some(&tagging::Ec2),
    ..Facts::of("internet_gateway", "a VPC's door to the internet", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct InternetGateway;

#[async_trait]
impl Kind for InternetGateway {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

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
        ec2::found(context, read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let create = || async {
            let tags = ec2::specification(context, address, ResourceType::InternetGateway);
            let made = ask_once(context.aws.ec2().create_internet_gateway().tag_specifications(tags).send()).await?;
            let gateway = made.internet_gateway.needed("ec2", "CreateInternetGateway.InternetGateway")?;
            Ok(gateway.id()?.to_owned())
        };
        let id = ec2::make_once::<types::InternetGateway, _>(context, address, false, create).await?;
        attach(context, &id, &spec.vpc).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        attach(context, &live.id, &spec.vpc).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        detach(context, &live.id, None).await?;
        let call = context.aws.ec2().delete_internet_gateway().internet_gateway_id(&live.id);
        wait::released(context, async || Ok(Vec::new()), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(gateway) = types::InternetGateway::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, gateway)?)
    }
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
    let Some(gateway) = types::InternetGateway::described(context, id).await? else { return Ok(false) };
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
    let Some((address, tags)) = ec2::owner(context, "internet_gateway", gateway) else { return Ok(None) };
    let id = gateway.id()?;
    // One that is attached to no VPC differs from every spec.
    let vpc = attached(gateway)?.first().copied().unwrap_or_default().into();
    let arn = ec2::arn(context, "internet-gateway", id);
    Ok(Some(tags::found(address, &tags, id, Spec { vpc }, &[("id", id), ("arn", &arn)])))
}
