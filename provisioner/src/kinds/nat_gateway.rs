//! `nat_gateway`: a way out of private subnets.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, ConnectivityType, NatGatewayState, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::Thing as _;
use super::spec::replaces;
use super::values::{SubnetId, text};
use super::{among, ec2, elastic_ip, subnet, tagged, tagging, tags, wait};
use crate::charge::{HOURS, Others};
use crate::kind::{Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Quota, Share, Step, Wanted};
use crate::resource::{Action, Address, Condition};

text!(
    /// The id of an elastic IP address, `eipalloc-0a1b2c3d4e5f60718`.
    AllocationId,
    r"^eipalloc-[0-9a-f]{1,17}$"
);

/// A way out of private subnets, by routes to it: connections begin inside only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The id of the subnet that it stands in, `${subnet.a.id}`: with an `address` one that has a route to an internet
    /// gateway.
    pub subnet: SubnetId,
    /// The id of the elastic IP address that the world sees, `${elastic_ip.a.id}`; absent: it leads to other private
    /// networks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<AllocationId>,
}

const FIELDS: &[Field] = &[replaces("subnet"), replaces("address")];
const OUTPUTS: &[&str] = &["id", "arn", "public_address"];
const ACTIONS: &[&str] = &[
    "ec2:CreateNatGateway",
    "ec2:DeleteNatGateway",
    "ec2:DescribeNatGateways",
    "ec2:DescribeAddresses",
    "tag:GetResources",
];
const FACTS: Facts = Facts {
    expected: [Duration::from_mins(2), Duration::from_secs(2), Duration::from_mins(1)],
    tag_types: &["ec2:natgateway"],
    quota: Some(Quota::NatGateways),
    billing: Billing::Monthly("nat_gateway.hour", HOURS, "each GB that goes through it"),
    follows: &[(&[Action::Delete], "connections through it end")],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("nat_gateway", "a way out of private subnets", FIELDS, OUTPUTS, ACTIONS)
};

/// How long one may take to come, to go, and to give an address free.
const SETTLED: Duration = Duration::from_mins(15);

/// The kind.
#[derive(Debug)]
pub struct NatGateway;

#[async_trait]
impl Kind for NatGateway {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn share(&self, spec: &Spec, others: &Others<'_>) -> Share {
        let subnet = others.spec("subnet", &spec.subnet).and_then(|subnet| subnet::Spec::deserialize(subnet).ok());
        let zone = subnet.map(|subnet| String::from(subnet.zone)).unwrap_or_default();
        Share { amount: 1.0, zone }
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            let same = spec.address.is_some() && theirs.address == spec.address;
            same.then(|| format!("its address is that of `{other}`, and one thing only has it"))
        })
    }

    /// One address serves one gateway.
    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.address.is_none() || live.address != spec.address
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        match (step.action, step.live, step.spec) {
            (Action::Replace, Some(live), Some(spec)) if self.coexists(live, spec) => {
                vec!["connections through it end when the routes lead to the new one".to_owned()]
            }
            (Action::Replace, ..) => {
                vec!["the private subnets that use it have no way out until the new one is available".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        if wanted.is_empty() && !tagged::any(context, "ec2", "natgateway").await? {
            return Ok(Vec::new());
        }
        let gateways = types::NatGateway::list(context, vec![ec2::of_stack(context)]).await?;
        let reads = gateways.iter().filter_map(|gateway| read(context, gateway).transpose());
        let mut found: Vec<Found<Spec>> = reads.collect::<Result<_>>()?;
        // One that AWS gave up lingers beside what was made in its place.
        let is_failed = |live: &Found<Spec>| matches!(live.condition, Condition::Failed(_));
        found.sort_by_key(is_failed);
        let mut known = BTreeSet::new();
        found.retain(|live| known.insert(live.address.clone()) || !is_failed(live));
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let known = types::NatGateway::list(context, ec2::of_address(context, address)).await?;
        let lives = |gateway: &&types::NatGateway| {
            matches!(gateway.state(), Some(NatGatewayState::Pending | NatGatewayState::Available))
        };
        let (living, dead): (Vec<&types::NatGateway>, Vec<&types::NatGateway>) = known.iter().partition(lives);
        if let Some(one) = living.first() {
            return available(context, one.id()?).await;
        }
        // A token brings back what it once made, dead or alive: another attempt after a failed one is another thing.
        let dead: Vec<&str> = dead.into_iter().map(ec2::Thing::id).collect::<Result<_, _>>()?;
        let connectivity = if spec.address.is_some() { ConnectivityType::Public } else { ConnectivityType::Private };
        let call = context.aws.ec2().create_nat_gateway().connectivity_type(connectivity);
        let call = call.subnet_id(spec.subnet.as_str());
        let call = call.client_token(tags::client_token(context, address, &(spec, dead)));
        let call = call.set_allocation_id(spec.address.clone().map(String::from));
        let call = call.tag_specifications(ec2::specification(context, address, ResourceType::Natgateway));
        if let Some(allocation) = &spec.address {
            free(context, allocation).await?;
        }
        let made = wait::visible(context, || ask(call.clone().send())).await?;
        available(context, made.nat_gateway.needed("ec2", "CreateNatGateway.NatGateway")?.id()?).await
    }

    async fn update(&self, context: &Context, Delta { live, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        // Nothing of a gateway can be changed; an update waits until it is available.
        available(context, &live.id).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.ec2().delete_nat_gateway().nat_gateway_id(&live.id).send()).await)?;
        wait::until(context, SETTLED, &format!("{} is still there", live.id), || async {
            let gateway = types::NatGateway::described(context, &live.id).await?;
            let is_deleted = |gateway: types::NatGateway| gateway.state == Some(NatGatewayState::Deleted);
            Ok(gateway.is_none_or(is_deleted).then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(gateway) = types::NatGateway::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, gateway)?)
    }
}

fn state(gateway: &types::NatGateway) -> Result<&NatGatewayState, Error> {
    gateway.state().needed("ec2", "NatGateway.State")
}

/// Waits until nothing uses the address: a gateway that is being deleted holds it for minutes, and AWS would give the
/// new one up.
async fn free(context: &Context, allocation: &str) -> Result<()> {
    let user = elastic_ip::used_by(context, allocation).await?;
    let what = format!("{allocation} is still used by {}", user.as_deref().unwrap_or("something else"));
    if user.is_some() {
        context.waiting.tell(&what);
    }
    wait::until(context, SETTLED, &what, || async {
        Ok(types::Address::described(context, allocation).await?.filter(elastic_ip::is_free))
    })
    .await?;
    Ok(())
}

async fn available(context: &Context, id: &str) -> Result<Outcome> {
    let gateway = wait::until(context, SETTLED, &format!("{id} is not available"), || async {
        let Some(gateway) = types::NatGateway::described(context, id).await? else { return Ok(None) };
        match state(&gateway)? {
            NatGatewayState::Available => Ok(Some(gateway)),
            NatGatewayState::Failed => bail!("AWS gave {id} up: {}", failure(&gateway)),
            state @ (NatGatewayState::Deleting | NatGatewayState::Deleted) => bail!("{id} is {state}"),
            _ => Ok(None),
        }
    })
    .await?;
    Ok(tags::outcome(id, &outputs(id, &arn(context, id), &gateway)))
}

/// Why AWS gave it up, as far as it says.
fn failure(gateway: &types::NatGateway) -> String {
    let said = |text: Option<&str>| text.unwrap_or_default().to_owned();
    format!("{}: {}", said(gateway.failure_code()), said(gateway.failure_message()))
}

fn arn(context: &Context, id: &str) -> String {
    ec2::arn(context, "natgateway", id)
}

fn outputs<'a>(id: &'a str, arn: &'a str, gateway: &'a types::NatGateway) -> [(&'static str, &'a str); 3] {
    // Only one that is known to the world has a public address.
    let address = gateway.nat_gateway_addresses().first().and_then(|address| address.public_ip());
    [("id", id), ("arn", arn), ("public_address", address.unwrap_or_default())]
}

fn read(context: &Context, gateway: &types::NatGateway) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "nat_gateway", gateway) else { return Ok(None) };
    let state = state(gateway)?;
    if matches!(state, NatGatewayState::Deleting | NatGatewayState::Deleted) {
        return Ok(None);
    }
    let id = gateway.id()?;
    let subnet = gateway.subnet_id().needed("ec2", "NatGateway.SubnetId")?.into();
    let allocation = gateway.nat_gateway_addresses().first().and_then(|one| ec2::present(one.allocation_id()));
    let spec = Spec { subnet, address: allocation.map(AllocationId::from) };
    let mut live = tags::found(address, &tags, id, spec, &outputs(id, &arn(context, id), gateway));
    live.condition = match state {
        NatGatewayState::Available => Condition::Ready,
        NatGatewayState::Failed => Condition::Failed(failure(gateway)),
        _ => Condition::Pending(state.to_string()),
    };
    Ok(Some(live))
}

#[cfg(test)]
mod tests {
    use lakewright_ec2::sdk::types::NatGatewayAddress;

    use super::super::tag_lists;
    use super::super::testing::context;
    use super::*;

    fn spec(subnet: &str, address: Option<&str>) -> Spec {
        Spec { subnet: subnet.into(), address: address.map(AllocationId::from) }
    }

    fn gateway(state: NatGatewayState) -> types::NatGateway {
        let address = NatGatewayAddress::builder().allocation_id("eipalloc-1").public_ip("198.51.100.1").build();
        let tags = [("lakewright:stack", "shop"), ("lakewright:address", "nat_gateway.a")];
        types::NatGateway::builder()
            .nat_gateway_id("nat-1")
            .subnet_id("subnet-1")
            .state(state)
            .nat_gateway_addresses(address)
            .set_tags(Some(tag_lists::written(&tags)))
            .build()
    }

    #[test]
    fn deleted_gateways_linger_and_are_gone() {
        let read = |gateway: &types::NatGateway| read(&context(), gateway).expect("a whole gateway");
        let live = read(&gateway(NatGatewayState::Available)).expect("a gateway that exists");
        assert_eq!(live.spec, spec("subnet-1", Some("eipalloc-1")));
        assert_eq!(live.outputs["public_address"], "198.51.100.1");
        assert_eq!(live.condition, Condition::Ready);
        for gone in [NatGatewayState::Deleting, NatGatewayState::Deleted] {
            assert!(read(&gateway(gone)).is_none());
        }
        let mut failed = gateway(NatGatewayState::Failed);
        failed.failure_code = Some("Gateway.NotAttached".to_owned());
        let failed = read(&failed).expect("a gateway that AWS gave up");
        assert_eq!(failed.condition, Condition::Failed("Gateway.NotAttached: ".to_owned()));
    }

    #[test]
    fn two_gateways_need_two_addresses() {
        let coexist = |one: Spec, other: Spec| NatGateway.coexists(&one, &other);
        assert!(!coexist(spec("subnet-1", Some("eipalloc-1")), spec("subnet-2", Some("eipalloc-1"))));
        assert!(coexist(spec("subnet-1", Some("eipalloc-1")), spec("subnet-1", Some("${elastic_ip.a.id}"))));
        assert!(coexist(spec("subnet-1", Some("eipalloc-1")), spec("subnet-1", None)));
        assert!(coexist(spec("subnet-1", None), spec("subnet-2", None)));
    }
}
