//! `elastic_ip`: a public IPv4 address that stays.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask, ask_once};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, DomainType, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::Thing as _;
use super::spec::replaces;
use super::{ec2, tagged, tagging, tags, wait};
use crate::charge::HOURS;
use crate::kind::{Billing, Context, Delta, ENDS, Facts, Field, Found, Kind, Outcome, Quota, Wanted};
use crate::resource::Address;

/// A public IPv4 address that stays the same whatever uses it. An account has five in a region unless AWS raised that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The group of zones from which AWS announces it, `eu-north-1`; absent: the region's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub network_border_group: Option<String>,
}

const FIELDS: &[Field] = &[replaces("network_border_group")];
const OUTPUTS: &[&str] = &["id", "arn", "address"];
const ACTIONS: &[&str] = &["ec2:AllocateAddress", "ec2:ReleaseAddress", "ec2:DescribeAddresses", "tag:GetResources"];
const FACTS: Facts = Facts {
    renamed_fields: &[("border_group", "network_border_group")],
    tag_types: &["ec2:elastic-ip"],
    quota: Some(Quota::Addresses),
    billing: Billing::Monthly("public_ipv4.hour", HOURS, ""),
    follows: &[(ENDS, "the address goes back to AWS for good: whoever lets it in needs another one")],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("elastic_ip", "a public IPv4 address that stays", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a deleted NAT gateway may hold on to its address.
const FREED: Duration = Duration::from_mins(15);

/// The kind.
#[derive(Debug)]
pub struct ElasticIp;

#[async_trait]
impl Kind for ElasticIp {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn coexists(&self, _live: &Spec, _spec: &Spec) -> bool {
        true
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        if wanted.is_empty() && !tagged::any(context, "ec2", "elastic-ip").await? {
            return Ok(Vec::new());
        }
        ec2::found(context, read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let create = || async {
            let tags = ec2::specification(context, address, ResourceType::ElasticIp);
            let call = context.aws.ec2().allocate_address().domain(DomainType::Vpc).tag_specifications(tags);
            let made = ask_once(call.set_network_border_group(spec.network_border_group.clone()).send()).await?;
            made.allocation_id.needed("ec2", "AllocateAddress.AllocationId")
        };
        let id = ec2::make_once::<types::Address, _>(context, address, false, create).await?;
        let what = format!("{id} is not listed");
        let found = wait::until(context, wait::VISIBLE, &what, || types::Address::described(context, &id)).await?;
        outcome(context, &id, &found)
    }

    async fn update(&self, context: &Context, Delta { live, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        // Nothing of an address can be changed; an update only waits, and an address is there at once.
        let what = format!("{} is not listed", live.id);
        let found = wait::until(context, wait::VISIBLE, &what, || types::Address::described(context, &live.id)).await?;
        outcome(context, &live.id, &found)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        // AWS has several codes for an address that something uses, one of them that of a missing permission.
        let user = used_by(context, &live.id).await?;
        let what = format!("{} is still used by {}", live.id, user.as_deref().unwrap_or("something"));
        if user.is_some() {
            context.waiting.tell(&what);
        }
        wait::until(context, FREED, &what, || async {
            let found = types::Address::described(context, &live.id).await?;
            Ok(found.as_ref().is_none_or(is_free).then_some(()))
        })
        .await?;
        let call = context.aws.ec2().release_address().allocation_id(&live.id);
        wait::released(context, async || Ok(Vec::new()), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(found) = types::Address::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, found)?)
    }
}

/// What uses the address; none if nothing does.
pub(super) async fn used_by(context: &Context, id: &str) -> Result<Option<String>> {
    let found = types::Address::described(context, id).await?.filter(|address| !is_free(address));
    Ok(found.map(|address| match (ec2::present(address.instance_id()), address.network_interface_id()) {
        (Some(host), _) => format!("the host {host}"),
        (None, Some(interface)) => format!("the interface {interface}"),
        (None, None) => "something that AWS doesn't name".to_owned(),
    }))
}

/// Whether nothing uses the address.
pub(super) fn is_free(address: &types::Address) -> bool {
    ec2::present(address.association_id()).is_none()
}

fn arn(context: &Context, id: &str) -> String {
    ec2::arn(context, "elastic-ip", id)
}

fn outputs<'a>(id: &'a str, arn: &'a str, found: &'a types::Address) -> Result<[(&'static str, &'a str); 3], Error> {
    Ok([("id", id), ("arn", arn), ("address", found.public_ip().needed("ec2", "Address.PublicIp")?)])
}

fn outcome(context: &Context, id: &str, found: &types::Address) -> Result<Outcome> {
    Ok(tags::outcome(id, &outputs(id, &arn(context, id), found)?))
}

fn read(context: &Context, found: &types::Address) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "elastic_ip", found) else { return Ok(None) };
    let id = found.id()?;
    let group = found.network_border_group().needed("ec2", "Address.NetworkBorderGroup")?;
    let spec = Spec { network_border_group: (group != context.region).then(|| group.to_owned()) };
    Ok(Some(tags::found(address, &tags, id, spec, &outputs(id, &arn(context, id), found)?)))
}
