//! `subnet`: a range of a VPC in one availability zone.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Needed as _, ask, ask_once};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, AttributeBooleanValue, ResourceType, SubnetState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::Thing as _;
use super::spec::{cidr, in_place, reference, replaces};
use super::values::{Ipv4Range, VpcId, Zone};
use super::{among, ec2, holders, tagging, tags, vpc, wait};
use crate::charge::Others;
use crate::kind::{Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address, Condition};

/// A range of a VPC in one availability zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: VpcId,
    /// The IPv4 range, within the VPC's and apart from its other subnets.
    pub cidr: Ipv4Range,
    /// The availability zone, `eu-north-1a`.
    pub zone: Zone,
    /// Whether hosts started here get a public address. Default: false.
    #[serde(default)]
    pub map_public_ip_on_launch: bool,
}

const FIELDS: &[Field] = &[replaces("vpc"), replaces("cidr"), replaces("zone"), in_place("map_public_ip_on_launch")];
const OUTPUTS: &[&str] = &["id", "arn", "cidr", "zone"];
const ACTIONS: &[&str] = &[
    "ec2:CreateSubnet",
    "ec2:DeleteSubnet",
    "ec2:DescribeSubnets",
    "ec2:ModifySubnetAttribute",
    "ec2:DescribeNetworkInterfaces",
];
const FACTS: Facts = Facts {
    renamed_fields: &[("public_addresses", "map_public_ip_on_launch")],
    billing: Billing::Free,
    follows: &[(&[Action::Replace], "hosts, endpoints and brokers in the subnet move to the new one or end")],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("subnet", "a range of a VPC in one availability zone", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Subnet;

/// How long a new subnet may take.
const AVAILABLE: Duration = Duration::from_mins(5);

#[async_trait]
impl Kind for Subnet {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.cidr = cidr(&spec.cidr)?.into();
        Ok(())
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        let Some(own) = range(&spec.cidr) else { return Vec::new() };
        let mut told = among::of_its_kind(address, others, |other, theirs: &Spec| {
            let meets = theirs.vpc == spec.vpc && range(&theirs.cidr).is_some_and(|theirs| meet(own, theirs));
            let apart = "and subnets of a VPC have no address in common";
            meets.then(|| format!("its range {} overlaps {}, that of `{other}`, {apart}", spec.cidr, theirs.cidr))
        });
        let network = reference(&spec.vpc).and_then(|vpc| {
            let theirs = vpc::Spec::deserialize(others.at(&vpc)?).ok()?;
            Some((vpc, range(&theirs.cidr)?, theirs.cidr))
        });
        if let Some((vpc, (_, bits), cidr)) = network.filter(|(_, whole, _)| !(meet(own, *whole) && own.1 >= whole.1)) {
            let lies = if own.1 < bits { "is wider than" } else { "lies outside of" };
            told.push(format!("its range {} {lies} {cidr}, that of `{vpc}`", spec.cidr));
        }
        told
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.vpc != spec.vpc || !overlap(&live.cidr, &spec.cidr)
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        ec2::found(context, read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let create = || async {
            let tags = ec2::specification(context, address, ResourceType::Subnet);
            let call = context.aws.ec2().create_subnet().vpc_id(spec.vpc.as_str()).cidr_block(spec.cidr.as_str());
            let call = call.availability_zone(spec.zone.as_str()).tag_specifications(tags);
            let made = ask_once(call.send()).await?;
            Ok(made.subnet.needed("ec2", "CreateSubnet.Subnet")?.id()?.to_owned())
        };
        let id = ec2::make_once::<types::Subnet, _>(context, address, true, create).await?;
        wait::until(context, AVAILABLE, &format!("{id} is not available"), || async {
            Ok(types::Subnet::described(context, &id)
                .await?
                .filter(|subnet| subnet.state() == Some(&SubnetState::Available)))
        })
        .await?;
        set_public_ip(context, &id, spec).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        set_public_ip(context, &live.id, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.ec2().delete_subnet().subnet_id(&live.id);
        wait::released(context, || holders::of_subnet(context, &live.id), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(subnet) = types::Subnet::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, subnet)?)
    }
}

async fn set_public_ip(context: &Context, id: &str, spec: &Spec) -> Result<Outcome> {
    let on = AttributeBooleanValue::builder().value(spec.map_public_ip_on_launch).build();
    let call = context.aws.ec2().modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(on);
    wait::visible(context, || ask(call.clone().send())).await?;
    Ok(tags::outcome(id, &outputs(id, &ec2::arn(context, "subnet", id), &spec.cidr, &spec.zone)))
}

fn outputs<'a>(id: &'a str, arn: &'a str, cidr: &'a str, zone: &'a str) -> [(&'static str, &'a str); 4] {
    [("id", id), ("arn", arn), ("cidr", cidr), ("zone", zone)]
}

fn read(context: &Context, subnet: &types::Subnet) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "subnet", subnet) else { return Ok(None) };
    let id = subnet.id()?;
    let cidr = subnet.cidr_block().needed("ec2", "Subnet.CidrBlock")?;
    let zone = subnet.availability_zone().needed("ec2", "Subnet.AvailabilityZone")?;
    let spec = Spec {
        vpc: subnet.vpc_id().needed("ec2", "Subnet.VpcId")?.into(),
        cidr: cidr.into(),
        zone: zone.into(),
        map_public_ip_on_launch: subnet.map_public_ip_on_launch().needed("ec2", "Subnet.MapPublicIpOnLaunch")?,
    };
    let arn = ec2::arn(context, "subnet", id);
    let mut live = tags::found(address, &tags, id, spec, &outputs(id, &arn, cidr, zone));
    let state = subnet.state().needed("ec2", "Subnet.State")?;
    if *state != SubnetState::Available {
        live.condition = Condition::Pending(state.to_string());
    }
    Ok(Some(live))
}

/// Whether two ranges have addresses in common; what isn't known yet may have.
fn overlap(one: &str, other: &str) -> bool {
    range(one).zip(range(other)).is_none_or(|(one, other)| meet(one, other))
}

/// A range's first address and the bits that all of them share; none for a reference.
fn range(text: &str) -> Option<(u32, u32)> {
    let (ip, bits) = text.split_once('/')?;
    Some((ip.parse::<Ipv4Addr>().ok()?.to_bits(), bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?))
}

/// Whether two ranges have addresses in common.
fn meet((one, one_bits): (u32, u32), (other, other_bits): (u32, u32)) -> bool {
    let mask = u32::MAX.checked_shl(32 - one_bits.min(other_bits)).unwrap_or(0);
    one & mask == other & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_apart_live_side_by_side() {
        assert!(overlap("10.0.0.0/20", "10.0.0.0/24"));
        assert!(overlap("10.0.0.0/8", "10.3.0.0/24"));
        assert!(!overlap("10.0.0.0/20", "10.0.16.0/20"));
        assert!(overlap("10.0.0.0/20", "${vpc.main.cidr}"));
        let subnet = |vpc: &str, cidr: &str| Spec {
            vpc: vpc.into(),
            cidr: cidr.into(),
            zone: "eu-north-1a".into(),
            map_public_ip_on_launch: false,
        };
        assert!(Subnet.coexists(&subnet("vpc-1", "10.0.0.0/20"), &subnet("${vpc.main.id}", "10.0.0.0/20")));
        assert!(!Subnet.coexists(&subnet("vpc-1", "10.0.0.0/20"), &subnet("vpc-1", "10.0.0.0/21")));
    }
}
