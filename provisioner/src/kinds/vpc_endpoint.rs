//! `vpc_endpoint`: a private way from a VPC to an AWS service.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, typed, value};
use super::tags;
use super::wait;
use super::wire::{flag, texts};
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
        let interfaces = u32::try_from(list(spec, "subnets").len()).unwrap_or(u32::MAX);
        let quantity = HOURS * f64::from(interfaces);
        Cost::Billed {
            charges: vec![Charge { price: "vpc_endpoint.interface.hour".to_owned(), quantity }],
            by_use: "each GB that goes through it",
        }
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let names = |of: &Value| of["private_names"] == true;
        let service = if spec.is_null() { text(live, "service") } else { text(spec, "service") };
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
        let endpoints = tags::sweep(context, "DescribeVpcEndpoints", "vpcEndpointSet").await?;
        Ok(endpoints.iter().filter_map(|endpoint| read(context, endpoint)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut input = json!({
            "VpcId": spec.vpc,
            "ServiceName": service_name(context, &spec.service),
            "VpcEndpointType": if spec.way == Way::Gateway { "Gateway" } else { "Interface" },
            "RouteTableId": spec.route_tables,
            "SubnetId": spec.subnets,
            "SecurityGroupId": spec.security_groups,
            "ClientToken": tags::client_token(context, address, &spec),
            "TagSpecification": tags::specification(context, address, "vpc-endpoint"),
        });
        if spec.way == Way::Interface {
            input["PrivateDnsEnabled"] = json!(spec.private_names);
        }
        if let Some(policy) = &spec.policy {
            input["PolicyDocument"] = json!(policy.to_string());
        }
        let answer =
            wait::visible(context, || context.aws.call(Service::Ec2, "CreateVpcEndpoint", input.clone())).await?;
        available(context, text(&answer["vpcEndpoint"], "vpcEndpointId")).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let (before, after): (Spec, Spec) = (typed(&live.spec)?, typed(spec)?);
        let without = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|id| !those.contains(id)).cloned().collect()
        };
        let mut input = json!({"VpcEndpointId": live.id});
        for (name, before, after) in [
            ("RouteTableId", &before.route_tables, &after.route_tables),
            ("SubnetId", &before.subnets, &after.subnets),
            ("SecurityGroupId", &before.security_groups, &after.security_groups),
        ] {
            for (verb, ids) in [("Add", without(after, before)), ("Remove", without(before, after))] {
                if !ids.is_empty() {
                    input[format!("{verb}{name}")] = json!(ids);
                }
            }
        }
        if changed.iter().any(|field| field == "private_names") {
            input["PrivateDnsEnabled"] = json!(after.private_names);
        }
        if changed.iter().any(|field| field == "policy") {
            match &after.policy {
                Some(policy) => input["PolicyDocument"] = json!(policy.to_string()),
                None => input["ResetPolicy"] = json!(true),
            }
        }
        wait::visible(context, || context.aws.call(Service::Ec2, "ModifyVpcEndpoint", input.clone())).await?;
        available(context, &live.id).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"VpcEndpointId": [live.id]});
        let answer = wait::found(context.aws.call(Service::Ec2, "DeleteVpcEndpoints", input).await)?;
        // The call succeeds as a whole; each endpoint's failure stands in the answer.
        for failure in answer.iter().flat_map(|answer| list(answer, "unsuccessful")) {
            let error = &failure["error"];
            if !text(error, "code").ends_with("NotFound") {
                bail!("ec2 DeleteVpcEndpoints: {}: {}", text(error, "code"), text(error, "message"));
            }
        }
        wait::until(context, SETTLED, &format!("{} is still there", live.id), || async {
            let endpoint = describe(context, &live.id).await?;
            Ok(endpoint.is_none_or(|endpoint| state(&endpoint) == "deleted").then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one = tags::claim_one(context, address, ("DescribeVpcEndpoints", "vpcEndpointSet"), ("VpcEndpointId", id))
            .await?;
        Ok(one.and_then(|endpoint| read(context, &endpoint)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

async fn describe(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Ec2, "DescribeVpcEndpoints", json!({"VpcEndpointId": [id]})).await;
    Ok(wait::found(answer)?.and_then(|answer| list(&answer, "vpcEndpointSet").first().cloned()))
}

/// AWS writes states in either case.
fn state(endpoint: &Value) -> String {
    text(endpoint, "state").to_lowercase()
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
        match state(&endpoint).as_str() {
            "available" => Ok(Some(())),
            gone @ ("failed" | "rejected" | "expired" | "deleted") => {
                bail!("{id} is {gone}: {}", text(&endpoint["lastError"], "message"))
            }
            _ => Ok(None),
        }
    })
    .await?;
    Ok(tags::outcome(id, &[("id", id), ("arn", &tags::ec2_arn(context, "vpc-endpoint", id))]))
}

fn service_name(context: &Context, service: &str) -> String {
    format!("com.amazonaws.{}.{service}", context.region)
}

/// The policy that AWS gives an endpoint without one.
fn is_open(policy: &Value) -> bool {
    let one_or_list = |value: &Value, text: &str| *value == json!(text) || *value == json!([text]);
    let statements = list(policy, "Statement");
    let [statement] = statements else { return false };
    text(statement, "Effect") == "Allow"
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

fn read(context: &Context, endpoint: &Value) -> Option<Live> {
    let tags = tags::of(list(endpoint, "tagSet"));
    let address = tags::address(context, "vpc_endpoint", &tags)?;
    let state = state(endpoint);
    if matches!(state.as_str(), "deleting" | "deleted") {
        return None;
    }
    let service = text(endpoint, "serviceName");
    let way = if text(endpoint, "vpcEndpointType") == "Interface" { Way::Interface } else { Way::Gateway };
    let spec = Spec {
        vpc: text(endpoint, "vpcId").to_owned(),
        service: service.strip_prefix(&service_name(context, "")).unwrap_or(service).to_owned(),
        way,
        route_tables: texts(endpoint, "routeTableIdSet"),
        subnets: texts(endpoint, "subnetIdSet"),
        security_groups: list(endpoint, "groupSet").iter().map(|group| text(group, "groupId").to_owned()).collect(),
        private_names: way == Way::Interface && flag(endpoint, "privateDnsEnabled"),
        policy: serde_json::from_str(text(endpoint, "policyDocument")).ok().filter(|policy| !is_open(policy)),
    };
    let id = text(endpoint, "vpcEndpointId");
    let arn = tags::ec2_arn(context, "vpc-endpoint", id);
    let mut live = tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn)]);
    live.condition = match state.as_str() {
        "available" => Condition::Ready,
        "failed" | "rejected" | "expired" => Condition::Failed(state),
        _ => Condition::Pending(state),
    };
    Some(live)
}

#[cfg(test)]
mod tests {
    use super::*;

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
