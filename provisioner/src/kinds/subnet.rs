//! `subnet`: a range of a VPC in one availability zone.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{cidr, describes, differs, in_place, replaces, typed, value};
use super::tags::{self, Making};
use super::wait;
use super::wire::flag;
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// A range of a VPC in one availability zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]+$"))]
    pub vpc: String,
    /// The IPv4 range, within the VPC's and apart from its other subnets.
    #[schemars(regex(pattern = r"^[0-9.]+/[0-9]+$"))]
    pub cidr: String,
    /// The availability zone, `eu-north-1a`.
    #[schemars(regex(pattern = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+([a-z]|(-[a-z0-9]+)+-[0-9]+[a-z]?)$"))]
    pub zone: String,
    /// Whether hosts started here get a public address. Default: false.
    #[serde(default)]
    pub public_addresses: bool,
}

const FIELDS: &[Field] = &[replaces("vpc"), replaces("cidr"), replaces("zone"), in_place("public_addresses")];
const OUTPUTS: &[&str] = &["id", "arn", "cidr", "zone"];
const ACTIONS: &[&str] =
    &["ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:DescribeSubnets", "ec2:ModifySubnetAttribute", "ec2:CreateTags"];

/// The kind.
#[derive(Debug)]
pub struct Subnet;

/// How long a new subnet may take.
const AVAILABLE: Duration = Duration::from_mins(5);

#[async_trait]
impl Kind for Subnet {
    describes!("subnet", "a range of a VPC in one availability zone", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "vpc") || !overlap(text(live, "cidr"), text(spec, "cidr"))
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Replace => vec!["hosts, endpoints and brokers in the subnet move to the new one or end".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let subnets = tags::sweep(context, "DescribeSubnets", "subnetSet").await?;
        Ok(subnets.iter().filter_map(|subnet| read(context, subnet)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let making = Making {
            operation: "CreateSubnet",
            input: json!({
                "VpcId": spec.vpc,
                "CidrBlock": spec.cidr,
                "AvailabilityZone": spec.zone,
                "TagSpecification": tags::specification(context, address, "subnet"),
            }),
            element: "subnet",
            describe: "DescribeSubnets",
            set: "subnetSet",
            id: "subnetId",
            unique: true,
        };
        let id = tags::make_once(context, address, making).await?;
        wait::until(context, AVAILABLE, &format!("{id} is not available"), || async {
            let answer = context.aws.call(Service::Ec2, "DescribeSubnets", json!({"SubnetId": [id]})).await;
            let subnet = wait::found(answer)?.and_then(|answer| list(&answer, "subnetSet").first().cloned());
            Ok(subnet.filter(|subnet| text(subnet, "state") == "available"))
        })
        .await?;
        set_public_addresses(context, &id, &spec).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        set_public_addresses(context, &live.id, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"SubnetId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteSubnet", input.clone())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one = tags::claim_one(context, address, ("DescribeSubnets", "subnetSet"), ("SubnetId", id)).await?;
        Ok(one.and_then(|subnet| read(context, &subnet)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

async fn set_public_addresses(context: &Context, id: &str, spec: &Spec) -> Result<Outcome> {
    let input = json!({"SubnetId": id, "MapPublicIpOnLaunch": {"Value": spec.public_addresses}});
    wait::visible(context, || context.aws.call(Service::Ec2, "ModifySubnetAttribute", input.clone())).await?;
    Ok(tags::outcome(id, &outputs(id, &tags::ec2_arn(context, "subnet", id), spec)))
}

fn outputs<'a>(id: &'a str, arn: &'a str, spec: &'a Spec) -> [(&'static str, &'a str); 4] {
    [("id", id), ("arn", arn), ("cidr", &spec.cidr), ("zone", &spec.zone)]
}

fn read(context: &Context, subnet: &Value) -> Option<Live> {
    let tags = tags::of(list(subnet, "tagSet"));
    let address = tags::address(context, "subnet", &tags)?;
    let id = text(subnet, "subnetId");
    let spec = Spec {
        vpc: text(subnet, "vpcId").to_owned(),
        cidr: text(subnet, "cidrBlock").to_owned(),
        zone: text(subnet, "availabilityZone").to_owned(),
        public_addresses: flag(subnet, "mapPublicIpOnLaunch"),
    };
    let arn = tags::ec2_arn(context, "subnet", id);
    let mut live = tags::live(address, &tags, id, value(&spec), &outputs(id, &arn, &spec));
    if text(subnet, "state") != "available" {
        live.condition = Condition::Pending(text(subnet, "state").to_owned());
    }
    Some(live)
}

/// Whether two ranges have addresses in common; what isn't known yet may have.
fn overlap(one: &str, other: &str) -> bool {
    let parse = |text: &str| {
        let (ip, bits) = text.split_once('/')?;
        Some((ip.parse::<Ipv4Addr>().ok()?.to_bits(), bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?))
    };
    let (Some((one, one_bits)), Some((other, other_bits))) = (parse(one), parse(other)) else { return true };
    let mask = u32::MAX.checked_shl(32 - one_bits.min(other_bits)).unwrap_or(0);
    one & mask == other & mask
}

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.cidr = cidr(&spec.cidr)?;
    Ok(())
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
        let subnet = |vpc: &str, cidr: &str| json!({"vpc": vpc, "cidr": cidr, "zone": "eu-north-1a"});
        assert!(Subnet.coexists(&subnet("vpc-1", "10.0.0.0/20"), &subnet("${vpc.main.id}", "10.0.0.0/20")));
        assert!(!Subnet.coexists(&subnet("vpc-1", "10.0.0.0/20"), &subnet("vpc-1", "10.0.0.0/21")));
    }
}
