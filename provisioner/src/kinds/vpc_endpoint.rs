//! `vpc_endpoint`: a private way from a VPC to an AWS service.

use std::slice;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::operation::delete_vpc_endpoints::DeleteVpcEndpointsOutput;
use lakewright_ec2::sdk::types::{self, ResourceType, State, VpcEndpointType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, typed, value};
use super::{ec2, tag_lists, tags, wait};
use crate::cost::{Charge, Cost, HOURS};
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// A private way from a VPC to an AWS service: by routes (gateway: S3 and DynamoDB, free of charge) or by network interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]+$"))]
    pub vpc: String,
    /// The service's short name, `s3`, `glue`, `kms`.
    #[schemars(length(min = 1, max = 255))]
    pub service: String,
    /// By routes or by network interfaces. Default: `gateway`.
    #[serde(default)]
    pub way: Way,
    /// The ids of the route tables that lead to a gateway, `${route_table.public.id}`. Default: none.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^rtb-[0-9a-f]+$")))]
    pub route_tables: Vec<String>,
    /// The ids of the subnets that an interface stands in, one of a zone. Required of an interface, and of no gateway.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^subnet-[0-9a-f]+$")))]
    pub subnets: Vec<String>,
    /// The ids of the interfaces' security groups: they must let in HTTPS, TCP port 443. Required of an interface, and of
    /// no gateway.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^sg-[0-9a-f]+$")))]
    pub security_groups: Vec<String>,
    /// Whether the service's usual name leads to the interfaces, within the whole VPC; one endpoint of a service in a VPC
    /// can have it. Default: false.
    #[serde(default)]
    pub private_names: bool,
    /// The policy; absent: everything that the caller's own rights allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

/// How an endpoint is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By routes.
    #[default]
    Gateway,
    /// By network interfaces.
    Interface,
}

impl Way {
    fn endpoint_type(self) -> VpcEndpointType {
        match self {
            Self::Gateway => VpcEndpointType::Gateway,
            Self::Interface => VpcEndpointType::Interface,
        }
    }
}

const FIELDS: &[Field] = &[
    replaces("vpc"),
    replaces("service"),
    replaces("way"),
    compared(in_place("route_tables"), Comparing::AsSet),
    compared(in_place("subnets"), Comparing::AsSet),
    compared(in_place("security_groups"), Comparing::AsSet),
    in_place("private_names"),
    in_place("policy"),
];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] = &[
    "ec2:CreateVpcEndpoint",
    "ec2:DeleteVpcEndpoints",
    "ec2:DescribeVpcEndpoints",
    "ec2:ModifyVpcEndpoint",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct VpcEndpoint;

/// How long a new endpoint's interfaces, or a deleted one's, may take.
const SETTLED: Duration = Duration::from_mins(15);

#[async_trait]
impl Kind for VpcEndpoint {
    describes!("vpc_endpoint", "a private way from a VPC to an AWS service", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, spec: &Value) -> Cost {
        if spec["way"] != "interface" {
            return Cost::Free;
        }
        // Each network interface is billed: one in each subnet.
        let interfaces = u32::try_from(spec["subnets"].as_array().map_or(0, Vec::len)).unwrap_or(u32::MAX);
        let quantity = HOURS * f64::from(interfaces);
        Cost::Billed {
            charges: vec![Charge { price: "vpc_endpoint.interface.hour".to_owned(), quantity }],
            by_use: "each GB that goes through it",
        }
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let names = |of: &Value| of["private_names"] == true;
        let service = if spec.is_null() { &live["service"] } else { &spec["service"] };
        let service = service.as_str().unwrap_or_default();
        match action {
            Action::Delete | Action::Replace if names(live) => {
                vec![format!("whoever has no other way out can't reach {service} meanwhile")]
            }
            Action::Create if names(spec) => {
                vec![format!("the whole VPC reaches {service} by it from then on, if its security groups let it in")]
            }
            Action::Update if changed.contains(&"private_names") && names(live) => {
                vec![format!("whoever has no other way out can't reach {service} any more")]
            }
            _ => Vec::new(),
        }
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_mins(1), Duration::from_secs(5), Duration::from_secs(30)]
    }

    /// Two of one service and way in one network are refused: their routes or names are the same.
    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        ["vpc", "service", "way"].iter().any(|field| differs(live, spec, field))
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let call = context.aws.ec2().describe_vpc_endpoints().filters(ec2::of_stack(context));
        let endpoints = ask_all(call.into_paginator().items().send()).await?;
        endpoints.iter().filter_map(|endpoint| read(context, endpoint).transpose()).collect()
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let (name, kind) = (service_name(context, &spec.service), spec.way.endpoint_type());
        let call = context.aws.ec2().create_vpc_endpoint().vpc_id(&spec.vpc).service_name(name).vpc_endpoint_type(kind);
        let call = call
            .set_route_table_ids(some(spec.route_tables.clone()))
            .set_subnet_ids(some(spec.subnets.clone()))
            .set_security_group_ids(some(spec.security_groups.clone()))
            .client_token(tags::client_token(context, address, &spec))
            .tag_specifications(ec2::specification(context, address, ResourceType::VpcEndpoint))
            .set_private_dns_enabled((spec.way == Way::Interface).then_some(spec.private_names))
            .set_policy_document(spec.policy.as_ref().map(Value::to_string));
        let made = wait::visible(context, || ask(call.clone().send())).await?;
        let endpoint = made.vpc_endpoint.needed("ec2", "CreateVpcEndpoint.VpcEndpoint")?;
        available(context, id(&endpoint)?).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let (before, after): (Spec, Spec) = (typed(&live.spec)?, typed(spec)?);
        let without = |these: &[String], those: &[String]| -> Option<Vec<String>> {
            some(these.iter().filter(|id| !those.contains(id)).cloned().collect())
        };
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
        if changed.iter().any(|field| field == "private_names") {
            call = call.private_dns_enabled(after.private_names);
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

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
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
            let Some(endpoint) = describe(context, &live.id).await? else { return Ok(Some(())) };
            Ok((state(&endpoint)? == State::Deleted).then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let Some(mut endpoint) = describe(context, id).await? else { return Ok(None) };
        endpoint.tags = ec2::claim(context, address, id, endpoint.tags())?;
        read(context, &endpoint)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        ec2::tag(context, &outcome.id, tags).await
    }
}

async fn describe(context: &Context, id: &str) -> Result<Option<types::VpcEndpoint>> {
    let found = wait::found(ask(context.aws.ec2().describe_vpc_endpoints().vpc_endpoint_ids(id).send()).await)?;
    Ok(found.and_then(|answer| answer.vpc_endpoints?.into_iter().next()))
}

fn id(endpoint: &types::VpcEndpoint) -> Result<&str, Error> {
    endpoint.vpc_endpoint_id().needed("ec2", "VpcEndpoint.VpcEndpointId")
}

/// The state, which AWS writes in either case.
fn state(endpoint: &types::VpcEndpoint) -> Result<State, Error> {
    let state = endpoint.state().needed("ec2", "VpcEndpoint.State")?;
    let known = State::values().iter().find(|known| known.eq_ignore_ascii_case(state.as_str()));
    Ok(known.map_or_else(|| state.clone(), |known| State::from(*known)))
}

fn word(state: &State) -> String {
    state.as_str().to_lowercase()
}

/// A list for a call, which leaves out an empty one.
fn some(ids: Vec<String>) -> Option<Vec<String>> {
    Some(ids).filter(|ids| !ids.is_empty())
}

async fn available(context: &Context, id: &str) -> Result<Outcome> {
    let started = Instant::now();
    wait::until(context, SETTLED, &format!("{id} is not available"), || async {
        let Some(endpoint) = describe(context, id).await? else {
            // A token that was used before answers with what it made then, even if that has been deleted.
            if started.elapsed() > context.settles * 2 {
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

fn service_name(context: &Context, service: &str) -> String {
    format!("com.amazonaws.{}.{service}", context.region)
}

/// The policy that AWS gives an endpoint without one.
fn is_open(policy: &Value) -> bool {
    let one_or_list = |value: &Value, text: &str| *value == json!(text) || *value == json!([text]);
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements,
        statement => slice::from_ref(statement),
    };
    let [statement] = statements else { return false };
    statement["Effect"] == "Allow"
        && (one_or_list(&statement["Principal"], "*") || one_or_list(&statement["Principal"]["AWS"], "*"))
        && one_or_list(&statement["Action"], "*")
        && one_or_list(&statement["Resource"], "*")
        && statement.get("Condition").is_none()
}

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.policy.take_if(|policy| is_open(policy));
    match spec.way {
        Way::Gateway if !spec.subnets.is_empty() || !spec.security_groups.is_empty() || spec.private_names => {
            bail!("a gateway endpoint has `route_tables` and neither subnets, security groups nor private names")
        }
        Way::Interface if !spec.route_tables.is_empty() => {
            bail!("an interface endpoint has `subnets` and no route tables")
        }
        Way::Interface if spec.subnets.is_empty() || spec.security_groups.is_empty() => {
            bail!("an interface endpoint needs `subnets` to stand in and `security_groups`")
        }
        _ => Ok(()),
    }
}

fn read(context: &Context, endpoint: &types::VpcEndpoint) -> Result<Option<Live>> {
    let tags = tag_lists::read(endpoint.tags());
    let Some(address) = tags::address(context, "vpc_endpoint", &tags) else { return Ok(None) };
    let state = state(endpoint)?;
    if matches!(state, State::Deleting | State::Deleted) {
        return Ok(None);
    }
    let service = endpoint.service_name().needed("ec2", "VpcEndpoint.ServiceName")?;
    let way = endpoint.vpc_endpoint_type().needed("ec2", "VpcEndpoint.VpcEndpointType")?;
    let is_interface = *way == VpcEndpointType::Interface;
    let group = |group: &types::SecurityGroupIdentifier| {
        Ok(group.group_id().needed("ec2", "SecurityGroupIdentifier.GroupId")?.to_owned())
    };
    let policy = endpoint.policy_document().and_then(|policy| serde_json::from_str(policy).ok());
    let spec = Spec {
        vpc: endpoint.vpc_id().needed("ec2", "VpcEndpoint.VpcId")?.to_owned(),
        service: service.strip_prefix(&service_name(context, "")).unwrap_or(service).to_owned(),
        way: if is_interface { Way::Interface } else { Way::Gateway },
        route_tables: endpoint.route_table_ids().to_vec(),
        subnets: endpoint.subnet_ids().to_vec(),
        security_groups: endpoint.groups().iter().map(group).collect::<Result<_>>()?,
        private_names: is_interface && endpoint.private_dns_enabled().needed("ec2", "VpcEndpoint.PrivateDnsEnabled")?,
        policy: policy.filter(|policy| !is_open(policy)),
    };
    let id = id(endpoint)?;
    let arn = ec2::arn(context, "vpc-endpoint", id);
    let mut live = tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn)]);
    live.condition = match state {
        State::Available => Condition::Ready,
        State::Failed | State::Rejected | State::Expired => Condition::Failed(word(&state)),
        _ => Condition::Pending(word(&state)),
    };
    Ok(Some(live))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_known_in_either_case() {
        for (written, known) in [
            ("available", State::Available),
            ("Available", State::Available),
            ("pendingAcceptance", State::PendingAcceptance),
            ("new", State::from("new")),
        ] {
            let endpoint = types::VpcEndpoint::builder().state(State::from(written)).build();
            assert_eq!(state(&endpoint).expect("it has a state"), known);
        }
    }

    #[test]
    fn an_interface_stands_in_subnets_behind_security_groups() {
        let gateway = json!({"vpc": "vpc-1", "service": "s3"});
        assert!(VpcEndpoint.normalise(&gateway).is_ok());
        assert_eq!(VpcEndpoint.cost(&gateway), Cost::Free);
        let mut interface =
            json!({"vpc": "vpc-1", "service": "glue", "way": "interface", "subnets": ["subnet-1", "subnet-2"]});
        assert!(VpcEndpoint.normalise(&interface).is_err());
        interface["security_groups"] = json!(["sg-1"]);
        let interface = VpcEndpoint.normalise(&interface).expect("a whole interface");
        let Cost::Billed { charges, .. } = VpcEndpoint.cost(&interface) else { panic!("it costs nothing") };
        assert_eq!((charges[0].price.as_str(), charges[0].quantity), ("vpc_endpoint.interface.hour", 1460.0));
    }
}
