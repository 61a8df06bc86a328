//! `vpc`: a virtual private cloud.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use futures::future::try_join;
use lakewright_aws::{Needed as _, ask, ask_once};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, AttributeBooleanValue, ResourceType, VpcAttributeName, VpcState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{One, each};
use super::ec2::Thing as _;
use super::spec::{cidr, in_place, replaces, yes};
use super::values::Ipv4Range;
use super::{ec2, holders, security_group, tag_lists, tagging, tags, wait};
use crate::kind::{Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Quota, Step, Wanted};
use crate::resource::{Action, Address, Condition};

/// A virtual private cloud: the network that everything else stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The IPv4 range, `10.0.0.0/16`.
    pub cidr: Ipv4Range,
    /// Whether the network's own resolver answers; hosts need it to find AWS. Default: true.
    #[serde(default = "yes")]
    pub dns_support: bool,
    /// Whether hosts with public addresses get names. Default: true.
    #[serde(default = "yes")]
    pub dns_hostnames: bool,
    /// What the security group lets through that AWS makes with the network, and that whatever names no other belongs to.
    /// Default: `closed`.
    #[serde(default)]
    pub default_group: DefaultGroup,
}

/// What a network's default security group lets through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefaultGroup {
    /// Nothing: it has no rule.
    #[default]
    Closed,
    /// Whatever its rules say, which are left to others and aren't looked at: AWS gives it such by which its members reach each
    /// other and everything outside.
    Open,
}

const FIELDS: &[Field] =
    &[replaces("cidr"), in_place("dns_support"), in_place("dns_hostnames"), in_place("default_group")];
const OUTPUTS: &[&str] = &["id", "arn", "cidr"];
const ACTIONS: &[&str] = &[
    "ec2:CreateVpc",
    "ec2:DeleteVpc",
    "ec2:DescribeVpcs",
    "ec2:DescribeVpcAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
];
const FACTS: Facts = Facts {
    quota: Some(Quota::Vpcs),
    rights: super::rights::network::EC2_PARTS,
    review: &["default_group"],
    billing: Billing::Free,
    follows: &[(&[Action::Replace], "everything in the network is made again in the new one")],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("vpc", "a virtual private cloud", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Vpc;

#[async_trait]
impl Kind for Vpc {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.cidr = cidr(&spec.cidr)?.into();
        Ok(())
    }

    fn coexists(&self, _live: &Spec, _spec: &Spec) -> bool {
        true
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        if step.updates("default_group") && step.spec.is_some_and(|spec| spec.default_group == DefaultGroup::Closed) {
            return vec!["what is only in the network's default security group reaches nothing any more".to_owned()];
        }
        Vec::new()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let is_closed = |address: &Address| {
            wanted.iter().any(|one| one.address == address && one.spec.default_group == DefaultGroup::Closed)
        };
        let vpcs = types::Vpc::list(context, vec![ec2::of_stack(context)]).await?;
        let reads = vpcs.iter().map(|vpc| {
            let address = tags::address(context, FACTS.name, &tag_lists::read(vpc.tags()));
            let looks = address.as_ref().is_some_and(is_closed);
            One { address, id: vpc.vpc_id().unwrap_or_default().to_owned(), read: read(context, vpc, looks) }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let create = || async {
            let tags = ec2::specification(context, address, ResourceType::Vpc);
            let call = context.aws.ec2().create_vpc().cidr_block(spec.cidr.as_str()).tag_specifications(tags);
            let made = ask_once(call.send()).await?;
            Ok(made.vpc.needed("ec2", "CreateVpc.Vpc")?.id()?.to_owned())
        };
        let id = ec2::make_once::<types::Vpc, _>(context, address, false, create).await?;
        wait::until(context, AVAILABLE, &format!("{id} is not available"), || async {
            Ok(types::Vpc::described(context, &id).await?.filter(|vpc| vpc.state() == Some(&VpcState::Available)))
        })
        .await?;
        set_names(context, &id, spec).await?;
        close(context, &id, spec).await?;
        Ok(tags::outcome(&id, &outputs(&id, &ec2::arn(context, "vpc", &id), &spec.cidr)))
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        set_names(context, &live.id, spec).await?;
        close(context, &live.id, spec).await?;
        Ok(tags::outcome(&live.id, &outputs(&live.id, &ec2::arn(context, "vpc", &live.id), &spec.cidr)))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.ec2().delete_vpc().vpc_id(&live.id);
        wait::released(context, || holders::of_vpc(context, &live.id), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(vpc) = types::Vpc::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, vpc)?, true).await
    }
}

const AVAILABLE: Duration = Duration::from_mins(5);

fn outputs<'a>(id: &'a str, arn: &'a str, cidr: &'a str) -> [(&'static str, &'a str); 3] {
    [("id", id), ("arn", arn), ("cidr", cidr)]
}

/// Sets the two attributes, in the order that AWS accepts: names need the resolver.
async fn set_names(context: &Context, id: &str, spec: &Spec) -> Result<()> {
    let on = |on: bool| AttributeBooleanValue::builder().value(on).build();
    let call = context.aws.ec2().modify_vpc_attribute().vpc_id(id);
    let support = call.clone().enable_dns_support(on(spec.dns_support));
    let mut calls = [support, call.enable_dns_hostnames(on(spec.dns_hostnames))];
    if !spec.dns_support {
        calls.reverse();
    }
    for call in calls {
        wait::visible(context, || ask(call.clone().send())).await?;
    }
    Ok(())
}

/// Takes the default group its rules, where it is to have none.
async fn close(context: &Context, id: &str, spec: &Spec) -> Result<()> {
    if spec.default_group == DefaultGroup::Closed {
        security_group::default::close(context, id).await?;
    }
    Ok(())
}

/// A network as it exists; `looks` says whether its default group is looked at.
async fn read(context: &Context, vpc: &types::Vpc, looks: bool) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "vpc", vpc) else { return Ok(None) };
    let id = vpc.id()?;
    let attribute = async |name: VpcAttributeName| -> Result<_> {
        let call = context.aws.ec2().describe_vpc_attribute().vpc_id(id).attribute(name);
        Ok(wait::found(ask(call.send()).await)?)
    };
    let asked = (attribute(VpcAttributeName::EnableDnsSupport), attribute(VpcAttributeName::EnableDnsHostnames));
    // Deleted between the two looks.
    let (Some(support), Some(names)) = try_join(asked.0, asked.1).await? else { return Ok(None) };
    let is_open = !looks || !security_group::default::is_closed(context, id).await?;
    let is_on = |attribute: Option<AttributeBooleanValue>, member: &str| {
        attribute.and_then(|attribute| attribute.value).needed("ec2", member)
    };
    let cidr = vpc.cidr_block().needed("ec2", "Vpc.CidrBlock")?;
    let spec = Spec {
        cidr: cidr.into(),
        dns_support: is_on(support.enable_dns_support, "DescribeVpcAttribute.EnableDnsSupport")?,
        dns_hostnames: is_on(names.enable_dns_hostnames, "DescribeVpcAttribute.EnableDnsHostnames")?,
        default_group: if is_open { DefaultGroup::Open } else { DefaultGroup::Closed },
    };
    let arn = ec2::arn(context, "vpc", id);
    let mut live = tags::found(address, &tags, id, spec, &outputs(id, &arn, cidr));
    let state = vpc.state().needed("ec2", "Vpc.State")?;
    if *state != VpcState::Available {
        live.condition = Condition::Pending(state.to_string());
    }
    Ok(Some(live))
}
