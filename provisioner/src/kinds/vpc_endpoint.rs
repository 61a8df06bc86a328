//! `vpc_endpoint`: a private way from a VPC to an AWS service.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Needed as _, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::operation::delete_vpc_endpoints::DeleteVpcEndpointsOutput;
use lakewright_ec2::sdk::types::{self, ResourceType, State, VpcEndpointType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::Thing as _;
use super::spec::{compared, in_place, reference, replaces};
use super::values::{SecurityGroupId, SubnetId, VpcId, text};
use super::{among, ec2, policy, statement, tagging, tags, wait};
use crate::charge::{Charge, Cost, HOURS, Others};
use crate::kind::{Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Listed, Outcome, Step, Wanted};
use crate::resource::{Action, Address};
use wire::{is_open, read, service_name, state, word};

mod wire;

text!(
    /// A route table's id, `rtb-0a1b2c3d4e5f60718`.
    RouteTableId,
    r"^rtb-[0-9a-f]{1,17}$"
);

/// A private way from a VPC to an AWS service: by routes (gateway: S3 and DynamoDB, free of charge) or by network interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: VpcId,
    /// The service's short name, `s3`, `glue`, `kms`.
    #[schemars(length(min = 1, max = 255))]
    pub service: String,
    /// By routes or by network interfaces. Default: `gateway`.
    #[serde(rename = "type", default)]
    pub kind: EndpointType,
    /// The ids of the route tables that lead to a gateway, `${route_table.public.id}`. Default: none.
    #[serde(default)]
    pub route_tables: Vec<RouteTableId>,
    /// The ids of the subnets that an interface stands in, one of a zone. Required of an interface, and of no gateway.
    #[serde(default)]
    pub subnets: Vec<SubnetId>,
    /// The ids of the interfaces' security groups: they must let in HTTPS, TCP port 443. Required of an interface, and of
    /// no gateway.
    #[serde(default)]
    pub security_groups: Vec<SecurityGroupId>,
    /// Whether the service's usual name leads to the interfaces, within the whole VPC; one endpoint of a service in a VPC
    /// can have it. Default: false.
    #[serde(default)]
    pub private_dns: bool,
    /// The policy; absent: everything that the caller's own rights allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

/// How an endpoint is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    /// By routes.
    #[default]
    Gateway,
    /// By network interfaces.
    Interface,
}

impl From<EndpointType> for VpcEndpointType {
    fn from(kind: EndpointType) -> Self {
        match kind {
            EndpointType::Gateway => Self::Gateway,
            EndpointType::Interface => Self::Interface,
        }
    }
}

const FIELDS: &[Field] = &[
    replaces("vpc"),
    replaces("service"),
    replaces("type"),
    compared(in_place("route_tables"), Comparing::AsSet),
    compared(in_place("subnets"), Comparing::AsSet),
    compared(in_place("security_groups"), Comparing::AsSet),
    in_place("private_dns"),
    compared(in_place("policy"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] =
    &["ec2:CreateVpcEndpoint", "ec2:DeleteVpcEndpoints", "ec2:DescribeVpcEndpoints", "ec2:ModifyVpcEndpoint"];
const FACTS: Facts = Facts {
    expected: [Duration::from_mins(1), Duration::from_secs(5), Duration::from_secs(30)],
    renamed_fields: &[("way", "type"), ("private_names", "private_dns")],
    review: &["policy"],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("vpc_endpoint", "a private way from a VPC to an AWS service", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct VpcEndpoint;

/// How long a new endpoint's interfaces, or a deleted one's, may take.
const SETTLED: Duration = Duration::from_mins(15);

/// A grant of the policy of a way into a service: it opens nothing to whoever comes another way.
fn through(grant: Grant) -> Grant {
    match grant {
        Grant::Statement { denies, who, may, on, conditions } if who == Listed::of(["*"]) => {
            Grant::Statement { denies, who: Listed::of(["everybody through this endpoint"]), may, on, conditions }
        }
        grant => grant.only_if("asked through this endpoint"),
    }
}

#[async_trait]
impl Kind for VpcEndpoint {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        let own = spec.policy.take().filter(|policy| !is_open(policy));
        spec.policy = own.map(|policy| policy::arranged("policy", policy)).transpose()?;
        match spec.kind {
            EndpointType::Gateway
                if !spec.subnets.is_empty() || !spec.security_groups.is_empty() || spec.private_dns =>
            {
                bail!("a gateway endpoint has `route_tables` and neither subnets, security groups nor private DNS")
            }
            EndpointType::Interface if !spec.route_tables.is_empty() => {
                bail!("an interface endpoint has `subnets` and no route tables")
            }
            EndpointType::Interface if spec.subnets.is_empty() || spec.security_groups.is_empty() => {
                bail!("an interface endpoint needs `subnets` to stand in and `security_groups`")
            }
            _ => Ok(()),
        }
    }

    fn cost(&self, spec: &Spec) -> Cost {
        if spec.kind != EndpointType::Interface {
            return Cost::Free;
        }
        // Each network interface is billed: one in each subnet.
        let interfaces = u32::try_from(spec.subnets.len()).unwrap_or(u32::MAX);
        let quantity = HOURS * f64::from(interfaces);
        Cost::Billed {
            charges: vec![Charge { price: "vpc_endpoint.interface.hour".to_owned(), quantity }],
            by_use: "each GB that goes through it",
        }
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let names = |of: Option<&Spec>| of.is_some_and(|of| of.private_dns);
        let Some(Spec { service, .. }) = step.spec.or(step.live) else { return Vec::new() };
        match step.action {
            Action::Delete | Action::Replace if names(step.live) => {
                vec![format!("whoever has no other way out can't reach {service} meanwhile")]
            }
            Action::Create if names(step.spec) => {
                vec![format!("the whole VPC reaches {service} by it from then on, if its security groups let it in")]
            }
            Action::Update if step.updates("private_dns") && names(step.live) => {
                vec![format!("whoever has no other way out can't reach {service} any more")]
            }
            _ => Vec::new(),
        }
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            if (&theirs.vpc, &theirs.service) != (&spec.vpc, &spec.service) {
                return None;
            }
            if theirs.private_dns && spec.private_dns {
                let one = "and in a VPC it leads to one endpoint";
                return Some(format!("`{other}` has the name of {} too, {one}", spec.service));
            }
            let table = spec.route_tables.iter().find(|table| theirs.route_tables.contains(table))?;
            let table = reference(table).map_or_else(|| table.to_string(), |table| table.to_string());
            Some(format!("`{table}` leads to `{other}` for {} too, and has one route to a service", spec.service))
        })
    }

    /// Two of one service and type in one network are refused: their routes or names are the same.
    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        (&live.vpc, &live.service, live.kind) != (&spec.vpc, &spec.service, spec.kind)
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        match &spec.policy {
            Some(policy) => {
                let asked = statement::grants(policy, "whoever comes through it").into_iter();
                asked.map(through).collect()
            }
            None => vec![Grant::to("whoever comes through it", "do what their own rights allow")],
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        ec2::found(context, read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let (name, kind) = (service_name(context, &spec.service), VpcEndpointType::from(spec.kind));
        let call = context.aws.ec2().create_vpc_endpoint().service_name(name).vpc_endpoint_type(kind);
        let call = call
            .vpc_id(spec.vpc.as_str())
            .set_route_table_ids(without(&spec.route_tables, &[]))
            .set_subnet_ids(without(&spec.subnets, &[]))
            .set_security_group_ids(without(&spec.security_groups, &[]))
            .client_token(tags::client_token(context, address, spec))
            .tag_specifications(ec2::specification(context, address, ResourceType::VpcEndpoint))
            .set_private_dns_enabled((spec.kind == EndpointType::Interface).then_some(spec.private_dns))
            .set_policy_document(spec.policy.as_ref().map(Value::to_string));
        let made = wait::visible(context, || ask(call.clone().send())).await?;
        let endpoint = made.vpc_endpoint.needed("ec2", "CreateVpcEndpoint.VpcEndpoint")?;
        available(context, endpoint.id()?).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        let (before, after) = (&live.spec, spec);
        let mut call = context
            .aws
            .ec2()
            .modify_vpc_endpoint()
            .vpc_endpoint_id(&live.id)
            .set_add_route_table_ids(without(&after.route_tables, &before.route_tables))
            .set_remove_route_table_ids(without(&before.route_tables, &after.route_tables))
            .set_add_subnet_ids(without(&after.subnets, &before.subnets))
            .set_remove_subnet_ids(without(&before.subnets, &after.subnets))
            .set_add_security_group_ids(without(&after.security_groups, &before.security_groups))
            .set_remove_security_group_ids(without(&before.security_groups, &after.security_groups));
        if changed.iter().any(|field| field == "private_dns") {
            call = call.private_dns_enabled(after.private_dns);
        }
        if changed.iter().any(|field| field == "policy") {
            call = match &after.policy {
                Some(policy) => call.policy_document(policy.to_string()),
                None => call.reset_policy(true),
            };
        }
        wait::visible(context, || ask(call.clone().send())).await?;
        available(context, &live.id).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.ec2().delete_vpc_endpoints().vpc_endpoint_ids(&live.id);
        let answer = wait::found(ask(call.send()).await)?;
        // The call succeeds as a whole; each endpoint's failure stands in the answer.
        for item in answer.iter().flat_map(DeleteVpcEndpointsOutput::unsuccessful) {
            let failure = ec2::failure("DeleteVpcEndpoints", item);
            if !failure.is_not_found() {
                return Err(failure.into());
            }
        }
        wait::until(context, SETTLED, &format!("{} is still there", live.id), || async {
            let Some(endpoint) = types::VpcEndpoint::described(context, &live.id).await? else { return Ok(Some(())) };
            Ok((state(&endpoint)? == State::Deleted).then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(endpoint) = types::VpcEndpoint::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, endpoint)?)
    }
}

/// The ids that others aren't among, for a call, which leaves out an empty list.
fn without<T: AsRef<str> + PartialEq>(these: &[T], others: &[T]) -> Option<Vec<String>> {
    let ids: Vec<String> = these.iter().filter(|id| !others.contains(id)).map(|id| id.as_ref().to_owned()).collect();
    Some(ids).filter(|ids| !ids.is_empty())
}

async fn available(context: &Context, id: &str) -> Result<Outcome> {
    let started = Instant::now();
    wait::until(context, SETTLED, &format!("{id} is not available"), || async {
        let Some(endpoint) = types::VpcEndpoint::described(context, id).await? else {
            // A token that was used before answers with what it made then, even if that has been deleted.
            if started.elapsed() > context.pace.settles * 2 {
                bail!("{id} isn't there any more: somebody deleted it; apply again makes another");
            }
            return Ok(None);
        };
        match state(&endpoint)? {
            State::Available => Ok(Some(())),
            gone @ (State::Failed | State::Rejected | State::Expired | State::Deleted) => {
                let why = endpoint.last_error().and_then(|error| error.message()).unwrap_or_default();
                bail!("{id} is {}: {why}", word(&gone))
            }
            _ => Ok(None),
        }
    })
    .await?;
    Ok(tags::outcome(id, &[("id", id), ("arn", &ec2::arn(context, "vpc-endpoint", id))]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind;

    #[test]
    fn what_everybody_may_through_it_is_said_to_be_through_it() {
        let statement = json!({
            "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": { "StringEquals": { "aws:ResourceAccount": "123456789012" } },
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        let spec = json!({"vpc": "vpc-1", "service": "s3", "policy": policy});
        let spec = serde_json::from_value(AnyKind::normalise(&VpcEndpoint, &spec).expect("a gateway")).expect("a spec");
        let said: Vec<String> = Kind::grants(&VpcEndpoint, &spec).iter().map(Grant::words).collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("everybody through this endpoint may s3:* on everything, if "), "{said:?}");
    }

    #[test]
    fn an_interface_stands_in_subnets_behind_security_groups() {
        let canonical =
            |spec: Value| -> Result<Spec> { Ok(serde_json::from_value(AnyKind::normalise(&VpcEndpoint, &spec)?)?) };
        let gateway = canonical(json!({"vpc": "vpc-1", "service": "s3"})).expect("a whole gateway");
        assert_eq!(VpcEndpoint.cost(&gateway), Cost::Free);
        let mut interface =
            json!({"vpc": "vpc-1", "service": "glue", "type": "interface", "subnets": ["subnet-1", "subnet-2"]});
        assert!(canonical(interface.clone()).is_err());
        interface["security_groups"] = json!(["sg-1"]);
        let interface = canonical(interface).expect("a whole interface");
        let Cost::Billed { charges, .. } = VpcEndpoint.cost(&interface) else { panic!("it costs nothing") };
        assert_eq!((charges[0].price.as_str(), charges[0].quantity), ("vpc_endpoint.interface.hour", 1460.0));
    }
}
