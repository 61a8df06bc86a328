//! Quotas: how much of a thing an account may have, against what exists and what a plan adds.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Filter, Instance, NatGatewayState, Reservation};

use crate::charge::Others;
use crate::cost::sides;
use crate::families::processors;
use crate::kind::{AnyKind, Context, Quota};
use crate::kinds;
use crate::plan::{Action, Plan};
use crate::services::Services as _;

/// The actions that comparing takes, none of which a plan needs.
pub const ACTIONS: &[&str] = &[
    "servicequotas:GetServiceQuota",
    "servicequotas:ListServiceQuotas",
    "ec2:DescribeAddresses",
    "ec2:DescribeVpcs",
    "ec2:DescribeNatGateways",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeInstances",
    "kafka:ListClustersV2",
];

/// How many brokers MSK gives an account unless it says otherwise:
/// <https://docs.aws.amazon.com/msk/latest/developerguide/limits.html>.
const BROKERS: f64 = 90.0;

/// The service's code and the quota's; MSK's has none that is documented, and is found by its name.
fn codes(quota: Quota) -> (&'static str, Option<&'static str>) {
    match quota {
        Quota::Addresses => ("ec2", Some("L-0263D0A3")),
        Quota::Vpcs => ("vpc", Some("L-F678F1CE")),
        Quota::NatGateways => ("vpc", Some("L-FE5A380F")),
        Quota::SecurityGroups => ("vpc", Some("L-E79EC296")),
        Quota::Processors => ("ec2", Some("L-1216C47A")),
        Quota::Brokers => ("kafka", None),
        Quota::ServerlessProcessors => ("emr-serverless", Some("L-D05C8A75")),
    }
}

/// What a plan adds to what a quota counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// The quota.
    pub quota: Quota,
    /// How many more.
    pub more: f64,
    /// How many the stack takes without the plan.
    pub own: f64,
}

/// A quota as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What the plan adds.
    pub demand: Demand,
    /// How many an account may have.
    pub limit: f64,
    /// How many there are.
    pub used: f64,
    /// The quota's code; none when AWS returned none.
    pub code: Option<String>,
}

impl Standing {
    /// Whether the plan would hit it.
    pub fn is_hit(&self) -> bool {
        self.used + self.demand.more > self.limit
    }

    /// How it stands, and how to raise the quota where the plan would hit it.
    pub fn sentence(&self) -> String {
        let Self { demand: Demand { quota, more, .. }, limit, code, .. } = self;
        // A sum of nothing is a negative zero.
        let used = self.used + 0.0;
        let (service, _) = codes(*quota);
        let needed = used + more;
        let raise = match code {
            Some(code) => format!(
                "`aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} \
                 --desired-value {needed}` asks for more"
            ),
            None => "AWS Support raises it".to_owned(),
        };
        let code = code.as_deref().map(|code| format!(" (quota {service} {code})")).unwrap_or_default();
        let used = format!("{used} of {limit} {}", quota.words());
        let stands = match quota {
            Quota::ServerlessProcessors => {
                format!("{used} may be in use by the stack's applications, and this lets them take {more} more{code}")
            }
            _ => format!("{used} are in use, and this takes {more} more{code}"),
        };
        if self.is_hit() { format!("{stands}; {raise}") } else { stands }
    }
}

/// What a plan adds, quota by quota; nothing of what it adds nothing to.
pub fn demands(plan: &Plan) -> Vec<Demand> {
    let (before, after) = sides(plan);
    let demand = |quota: Quota| {
        let own = most(total(quota, &before));
        let more = match quota {
            Quota::Addresses | Quota::Vpcs | Quota::SecurityGroups => created(plan, quota, &after),
            Quota::NatGateways | Quota::Processors | Quota::Brokers | Quota::ServerlessProcessors => {
                most(total(quota, &after)) - own
            }
        };
        Demand { quota, more, own }
    };
    Quota::ALL.into_iter().map(demand).filter(|demand| demand.more > 0.0).collect()
}

/// The kinds that count for a quota.
fn counted(quota: Quota) -> impl Iterator<Item = &'static dyn AnyKind> {
    kinds::all().iter().copied().filter(move |kind| kind.facts().quota == Some(quota))
}

/// What a plan makes anew of what a quota counts, whatever it deletes later.
fn created(plan: &Plan, quota: Quota, others: &Others<'_>) -> f64 {
    let made = plan.steps.iter().filter(|step| step.action == Action::Create);
    let shares = made.filter_map(|step| {
        let kind = counted(quota).find(|kind| kind.name() == step.address.kind)?;
        Some(kind.share(step.spec.as_ref()?, others).amount)
    });
    shares.sum()
}

/// What the resources of one side take of a quota, by zone.
fn total(quota: Quota, side: &Others<'_>) -> BTreeMap<String, f64> {
    let mut zones = BTreeMap::new();
    for kind in counted(quota) {
        for spec in side.of_kind(kind.name()) {
            let share = kind.share(spec, side);
            *zones.entry(share.zone).or_insert(0.0) += share.amount;
        }
    }
    zones
}

fn most(zones: BTreeMap<String, f64>) -> f64 {
    zones.into_values().fold(0.0, f64::max)
}

/// How those quotas stand in the account.
pub async fn stand(context: &Context, demands: &[Demand]) -> Result<Vec<Standing>> {
    let asked = demands.iter().map(async |demand| {
        let (limit, used) = tokio::join!(limit(context, demand.quota), used(context, demand));
        let of = || format!("compare the quota of {}", demand.quota.words());
        let (limit, code) = limit.with_context(of)?;
        Ok(Standing { demand: *demand, limit, used: used.with_context(of)?, code })
    });
    futures::future::try_join_all(asked).await
}

/// The quota's value and code.
async fn limit(context: &Context, quota: Quota) -> Result<(f64, Option<String>)> {
    let (service, code) = codes(quota);
    let client = context.aws.service_quotas();
    if let Some(code) = code {
        let answer = ask(client.get_service_quota().service_code(service).quota_code(code).send()).await?;
        let quota = answer.quota.needed("servicequotas", "GetServiceQuota.Quota")?;
        return Ok((quota.value.needed("servicequotas", "ServiceQuota.Value")?, Some(code.to_owned())));
    }
    let call = client.list_service_quotas().service_code(service).max_results(100);
    for one in ask_all(call.into_paginator().items().send()).await? {
        let name = one.quota_name().unwrap_or_default().to_lowercase();
        if let (true, Some(value)) = (name.contains("brokers per account"), one.value) {
            return Ok((value, one.quota_code));
        }
    }
    Ok((BROKERS, None))
}

/// How many there are in the region, whoever's they are. Of the processors of EMR Serverless those that the stack's own
/// applications may take: what others' take changes with their jobs, and many are let take far more than they ever do.
async fn used(context: &Context, demand: &Demand) -> Result<f64> {
    let client = context.aws.ec2();
    Ok(match demand.quota {
        Quota::Addresses => count(&ask(client.describe_addresses().send()).await?.addresses.unwrap_or_default()),
        Quota::Vpcs => count(&ask_all(client.describe_vpcs().into_paginator().items().send()).await?),
        Quota::SecurityGroups => {
            let call = client.describe_security_groups().max_results(PAGE);
            count(&ask_all(call.into_paginator().items().send()).await?)
        }
        Quota::NatGateways => gateways(context).await?,
        Quota::Processors => {
            let running = Filter::builder().name("instance-state-name").values("pending").values("running").build();
            let call = client.describe_instances().filters(running).max_results(PAGE);
            let reservations = ask_all(call.into_paginator().items().send()).await?;
            let instances = reservations.iter().flat_map(Reservation::instances);
            // Those of the spot market and of capacity blocks have other quotas.
            let on_demand = instances.filter(|instance| instance.instance_lifecycle().is_none());
            on_demand.map(processors_of).sum::<Result<f64, Error>>()?
        }
        Quota::Brokers => brokers(context).await?,
        Quota::ServerlessProcessors => demand.own,
    })
}

/// How many items a page holds at most.
const PAGE: i32 = 1000;

fn count<T>(all: &[T]) -> f64 {
    all.len() as f64
}

fn processors_of(instance: &Instance) -> Result<f64, Error> {
    let instance_type = instance.instance_type().needed("ec2", "Instance.InstanceType")?;
    Ok(processors(instance_type.as_str()))
}

/// The NAT gateways of the zone that has most.
async fn gateways(context: &Context) -> Result<f64> {
    let client = context.aws.ec2();
    let live = [NatGatewayState::Pending, NatGatewayState::Available].map(|state| state.as_str().to_owned());
    let live = Filter::builder().name("state").set_values(Some(live.into())).build();
    let gateways = ask_all(client.describe_nat_gateways().filter(live).into_paginator().items().send()).await?;
    if gateways.is_empty() {
        return Ok(0.0);
    }
    let subnets = ask_all(client.describe_subnets().into_paginator().items().send()).await?;
    let zone_of: BTreeMap<_, _> =
        subnets.iter().map(|subnet| (subnet.subnet_id(), subnet.availability_zone())).collect();
    let mut zones: BTreeMap<String, f64> = BTreeMap::new();
    for gateway in &gateways {
        // A regional gateway stands in no subnet.
        let zone = zone_of.get(&gateway.subnet_id()).copied().flatten().unwrap_or_default();
        *zones.entry(zone.to_owned()).or_insert(0.0) += 1.0;
    }
    Ok(most(zones))
}

async fn brokers(context: &Context) -> Result<f64> {
    let call = context.aws.kafka().list_clusters_v2().max_results(100);
    let clusters = ask_all(call.into_paginator().items().send()).await?;
    let provisioned = clusters.iter().filter_map(|cluster| cluster.provisioned());
    let mut brokers = 0.0;
    for cluster in provisioned {
        brokers += f64::from(cluster.number_of_broker_nodes().needed("kafka", "Provisioned.NumberOfBrokerNodes")?);
    }
    Ok(brokers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Address;

    #[test]
    fn gateways_are_counted_in_the_zone_that_has_most() {
        let subnet = |zone: &str| json!({ "vpc": "vpc-1", "cidr": "10.0.0.0/24", "zone": zone });
        let gateway = |subnet: &str| json!({ "subnet": format!("${{subnet.{subnet}.id}}") });
        let resources = [
            ("subnet.a", subnet("eu-north-1a")),
            ("subnet.b", subnet("eu-north-1b")),
            ("nat_gateway.one", gateway("a")),
            ("nat_gateway.two", gateway("a")),
            ("nat_gateway.three", gateway("b")),
        ];
        let addresses = resources.each_ref().map(|(address, _)| address.parse::<Address>().expect(address));
        let specs = addresses.iter().zip(resources.iter().map(|(_, spec)| spec)).collect();
        let zones = total(Quota::NatGateways, &Others::new(specs, BTreeMap::new()));
        assert_eq!(zones, BTreeMap::from([("eu-north-1a".to_owned(), 2.0), ("eu-north-1b".to_owned(), 1.0)]));
        assert!((most(zones) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_hit_is_said_with_the_cure() {
        let demand = Demand { quota: Quota::Addresses, more: 3.0, own: 0.0 };
        let standing = |used| Standing { demand, limit: 5.0, used, code: Some("L-0263D0A3".to_owned()) };
        assert!(!standing(2.0).is_hit() && standing(3.0).is_hit());
        insta::assert_snapshot!(
            standing(4.0).sentence(),
            @"4 of 5 Elastic IP addresses are in use, and this takes 3 more (quota ec2 L-0263D0A3); `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-0263D0A3 --desired-value 7` asks for more"
        );
    }

    #[test]
    fn what_all_applications_may_take_at_once_is_added_up() {
        let application = |name: &str| json!({ "name": name, "max_capacity": { "vcpu": 12 } });
        let resources = [
            ("emr_application.models", application("models")),
            ("emr_application.stream", application("stream")),
            ("emr_application.default", json!({ "name": "default" })),
        ];
        let addresses = resources.each_ref().map(|(address, _)| address.parse::<Address>().expect(address));
        let specs = addresses.iter().zip(resources.iter().map(|(_, spec)| spec)).collect();
        let zones = total(Quota::ServerlessProcessors, &Others::new(specs, BTreeMap::new()));
        assert_eq!(zones, BTreeMap::from([(String::new(), 40.0)]));
        let demand = Demand { quota: Quota::ServerlessProcessors, more: 12.0, own: 12.0 };
        let standing = Standing { demand, limit: 16.0, used: 12.0, code: Some("L-D05C8A75".to_owned()) };
        insta::assert_snapshot!(
            standing.sentence(),
            @"12 of 16 processors of EMR Serverless may be in use by the stack's applications, and this lets them take 12 more (quota emr-serverless L-D05C8A75); `aws service-quotas request-service-quota-increase --service-code emr-serverless --quota-code L-D05C8A75 --desired-value 24` asks for more"
        );
    }
}
