//! `vpc`: a virtual private cloud.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use futures::future::{try_join, try_join_all};
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{cidr, describes, in_place, replaces, typed, value, yes};
use super::tags::{self, Making};
use super::wait;
use super::wire::flag;
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// A virtual private cloud: the network that everything else stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The IPv4 range, `10.0.0.0/16`.
    #[schemars(regex(pattern = r"^[0-9.]+/[0-9]+$"))]
    pub cidr: String,
    /// Whether the network's own resolver answers; hosts need it to find AWS. Default: true.
    #[serde(default = "yes")]
    pub dns_support: bool,
    /// Whether hosts with public addresses get names. Default: true.
    #[serde(default = "yes")]
    pub dns_hostnames: bool,
}

const FIELDS: &[Field] = &[replaces("cidr"), in_place("dns_support"), in_place("dns_hostnames")];
const OUTPUTS: &[&str] = &["id", "arn", "cidr"];
const ACTIONS: &[&str] = &[
    "ec2:CreateVpc",
    "ec2:DeleteVpc",
    "ec2:DescribeVpcs",
    "ec2:DescribeVpcAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct Vpc;

#[async_trait]
impl Kind for Vpc {
    describes!("vpc", "a virtual private cloud", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, _live: &Value, _spec: &Value) -> bool {
        true
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Replace => vec!["everything in the network is made again in the new one".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let vpcs = tags::sweep(context, "DescribeVpcs", "vpcSet").await?;
        try_join_all(vpcs.iter().map(|vpc| read(context, vpc))).await.map(|live| live.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let making = Making {
            operation: "CreateVpc",
            input: json!({
                "CidrBlock": spec.cidr,
                "TagSpecification": tags::specification(context, address, "vpc"),
            }),
            element: "vpc",
            describe: "DescribeVpcs",
            set: "vpcSet",
            id: "vpcId",
            unique: false,
        };
        let id = tags::make_once(context, address, making).await?;
        wait::until(context, AVAILABLE, &format!("{id} is not available"), || async {
            let found = wait::found(context.aws.call(Service::Ec2, "DescribeVpcs", json!({"VpcId": [id]})).await)?;
            let vpc = found.and_then(|answer| list(&answer, "vpcSet").first().cloned());
            Ok(vpc.filter(|vpc| text(vpc, "state") == "available"))
        })
        .await?;
        set_names(context, &id, &spec).await?;
        Ok(tags::outcome(&id, &outputs(&id, &tags::ec2_arn(context, "vpc", &id), &spec)))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        set_names(context, &live.id, &spec).await?;
        Ok(tags::outcome(&live.id, &outputs(&live.id, &tags::ec2_arn(context, "vpc", &live.id), &spec)))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteVpc", json!({"VpcId": live.id}))).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one = tags::claim_one(context, address, ("DescribeVpcs", "vpcSet"), ("VpcId", id)).await?;
        match one {
            Some(vpc) => read(context, &vpc).await,
            None => Ok(None),
        }
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

const AVAILABLE: Duration = Duration::from_mins(5);

fn outputs<'a>(id: &'a str, arn: &'a str, spec: &'a Spec) -> [(&'static str, &'a str); 3] {
    [("id", id), ("arn", arn), ("cidr", &spec.cidr)]
}

/// Sets the two attributes, in the order that AWS accepts: names need the resolver.
async fn set_names(context: &Context, id: &str, spec: &Spec) -> Result<()> {
    let mut attributes = [("EnableDnsSupport", spec.dns_support), ("EnableDnsHostnames", spec.dns_hostnames)];
    if !spec.dns_support {
        attributes.reverse();
    }
    for (attribute, on) in attributes {
        let input = json!({"VpcId": id, attribute: {"Value": on}});
        wait::visible(context, || context.aws.call(Service::Ec2, "ModifyVpcAttribute", input.clone())).await?;
    }
    Ok(())
}

async fn read(context: &Context, vpc: &Value) -> Result<Option<Live>> {
    let tags = tags::of(list(vpc, "tagSet"));
    let Some(address) = tags::address(context, "vpc", &tags) else { return Ok(None) };
    let id = text(vpc, "vpcId");
    let attribute = async |name: &str| -> Result<Option<bool>> {
        let input = json!({"VpcId": id, "Attribute": name});
        let answer = wait::found(context.aws.call(Service::Ec2, "DescribeVpcAttribute", input).await)?;
        Ok(answer.map(|answer| flag(&answer[name], "value")))
    };
    let (support, names) = try_join(attribute("enableDnsSupport"), attribute("enableDnsHostnames")).await?;
    // Deleted between the two looks.
    let (Some(dns_support), Some(dns_hostnames)) = (support, names) else { return Ok(None) };
    let spec = Spec { cidr: text(vpc, "cidrBlock").to_owned(), dns_support, dns_hostnames };
    let arn = tags::ec2_arn(context, "vpc", id);
    let mut live = tags::live(address, &tags, id, value(&spec), &outputs(id, &arn, &spec));
    if text(vpc, "state") != "available" {
        live.condition = Condition::Pending(text(vpc, "state").to_owned());
    }
    Ok(Some(live))
}

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.cidr = cidr(&spec.cidr)?;
    Ok(())
}
