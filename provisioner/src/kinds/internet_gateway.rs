//! `internet_gateway`: a VPC's door to the internet.

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, replaces, typed, value};
use super::tags::{self, Making};
use super::wait;
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

/// A VPC's door to the internet. A subnet uses it by a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The id of the VPC that it is attached to, `${vpc.main.id}`.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]+$"))]
    pub vpc: String,
}

const FIELDS: &[Field] = &[replaces("vpc")];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] = &[
    "ec2:CreateInternetGateway",
    "ec2:DeleteInternetGateway",
    "ec2:DescribeInternetGateways",
    "ec2:AttachInternetGateway",
    "ec2:DetachInternetGateway",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct InternetGateway;

#[async_trait]
impl Kind for InternetGateway {
    describes!("internet_gateway", "a VPC's door to the internet", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "vpc")
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let gateways = tags::sweep(context, "DescribeInternetGateways", "internetGatewaySet").await?;
        Ok(gateways.iter().filter_map(|gateway| read(context, gateway)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let making = Making {
            operation: "CreateInternetGateway",
            input: json!({"TagSpecification": tags::specification(context, address, "internet-gateway")}),
            element: "internetGateway",
            describe: "DescribeInternetGateways",
            set: "internetGatewaySet",
            id: "internetGatewayId",
            unique: false,
        };
        let id = tags::make_once(context, address, making).await?;
        attach(context, &id, &spec.vpc).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        attach(context, &live.id, &spec.vpc).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        detach(context, &live.id, "").await?;
        let input = json!({"InternetGatewayId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteInternetGateway", input.clone())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one = tags::claim_one(
            context,
            address,
            ("DescribeInternetGateways", "internetGatewaySet"),
            ("InternetGatewayId", id),
        )
        .await?;
        Ok(one.and_then(|gateway| read(context, &gateway)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

/// Attaches the gateway to the VPC and to no other.
async fn attach(context: &Context, id: &str, vpc: &str) -> Result<Outcome> {
    if !detach(context, id, vpc).await? {
        let input = json!({"InternetGatewayId": id, "VpcId": vpc});
        wait::visible(context, || context.aws.call(Service::Ec2, "AttachInternetGateway", input.clone())).await?;
    }
    Ok(tags::outcome(id, &[("id", id), ("arn", &tags::ec2_arn(context, "internet-gateway", id))]))
}

/// Detaches the gateway from every VPC but the kept one; returns whether it is attached to that one. While hosts
/// of a VPC have public addresses AWS refuses.
async fn detach(context: &Context, id: &str, keep: &str) -> Result<bool> {
    let input = json!({"InternetGatewayId": [id]});
    let answer = context.aws.call(Service::Ec2, "DescribeInternetGateways", input).await;
    let Some(answer) = wait::found(answer)? else { return Ok(false) };
    let mut kept = false;
    for attachment in list(&answer, "internetGatewaySet").iter().flat_map(|gateway| list(gateway, "attachmentSet")) {
        let vpc = text(attachment, "vpcId");
        if vpc == keep {
            kept = true;
            continue;
        }
        let input = json!({"InternetGatewayId": id, "VpcId": vpc});
        wait::released(context, || context.aws.call(Service::Ec2, "DetachInternetGateway", input.clone())).await?;
    }
    Ok(kept)
}

fn read(context: &Context, gateway: &Value) -> Option<Live> {
    let tags = tags::of(list(gateway, "tagSet"));
    let address = tags::address(context, "internet_gateway", &tags)?;
    let id = text(gateway, "internetGatewayId");
    let attached = list(gateway, "attachmentSet").first();
    let spec = Spec { vpc: attached.map(|attachment| text(attachment, "vpcId").to_owned()).unwrap_or_default() };
    let arn = tags::ec2_arn(context, "internet-gateway", id);
    Some(tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn)]))
}
