//! `elastic_ip`: a public IPv4 address that stays.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, replaces, typed, value};
use super::tags::{self, Making};
use super::{tagged, wait};
use crate::cost::{Charge, Cost, HOURS};
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// A public IPv4 address that stays the same whatever uses it. An account has five in a region unless AWS raised that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The group of zones from which AWS announces it, `eu-north-1`; absent: the region's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub border_group: Option<String>,
}

const FIELDS: &[Field] = &[replaces("border_group")];
const OUTPUTS: &[&str] = &["id", "arn", "address"];
const ACTIONS: &[&str] =
    &["ec2:AllocateAddress", "ec2:ReleaseAddress", "ec2:DescribeAddresses", "ec2:CreateTags", "tag:GetResources"];

/// How long a deleted NAT gateway may hold on to its address.
const FREED: Duration = Duration::from_mins(15);

/// The kind.
#[derive(Debug)]
pub struct ElasticIp;

#[async_trait]
impl Kind for ElasticIp {
    describes!("elastic_ip", "a public IPv4 address that stays", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: vec![Charge { price: "public_ipv4.hour".to_owned(), quantity: HOURS }], by_use: "" }
    }

    fn coexists(&self, _live: &Value, _spec: &Value) -> bool {
        true
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Replace | Action::Delete => {
                vec!["the address goes back to AWS for good: whoever lets it in must be told another".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        if wanted.is_empty() && !tagged::any(context, "ec2", "elastic-ip").await? {
            return Ok(Vec::new());
        }
        let addresses = tags::sweep(context, "DescribeAddresses", "addressesSet").await?;
        Ok(addresses.iter().filter_map(|address| read(context, address)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut input = json!({
            "Domain": "vpc",
            "TagSpecification": tags::specification(context, address, "elastic-ip"),
        });
        if let Some(group) = &spec.border_group {
            input["NetworkBorderGroup"] = json!(group);
        }
        let making = Making {
            operation: "AllocateAddress",
            input,
            element: "",
            describe: "DescribeAddresses",
            set: "addressesSet",
            id: "allocationId",
            unique: false,
        };
        let id = tags::make_once(context, address, making).await?;
        let what = format!("{id} is not listed");
        let found = wait::until(context, wait::VISIBLE, &what, || describe(context, &id)).await?;
        Ok(tags::outcome(&id, &outputs(&id, &arn(context, &id), &found)))
    }

    async fn update(&self, context: &Context, live: &Live, _spec: &Value, _changed: &[String]) -> Result<Outcome> {
        // Nothing of an address can be changed; an update only waits, and an address is there at once.
        let what = format!("{} is not listed", live.id);
        let found = wait::until(context, wait::VISIBLE, &what, || describe(context, &live.id)).await?;
        Ok(tags::outcome(&live.id, &outputs(&live.id, &arn(context, &live.id), &found)))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        // AWS has several codes for an address that something uses, one of them that of a missing permission.
        let what = format!("{} is still in use", live.id);
        wait::until(context, FREED, &what, || async {
            let found = describe(context, &live.id).await?;
            Ok(found.is_none_or(|found| text(&found, "associationId").is_empty()).then_some(()))
        })
        .await?;
        let input = json!({"AllocationId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "ReleaseAddress", input.clone())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one =
            tags::claim_one(context, address, ("DescribeAddresses", "addressesSet"), ("AllocationId", id)).await?;
        Ok(one.and_then(|address| read(context, &address)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

/// The address of that allocation, if AWS has it.
pub(super) async fn describe(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Ec2, "DescribeAddresses", json!({"AllocationId": [id]})).await;
    Ok(wait::found(answer)?.and_then(|answer| list(&answer, "addressesSet").first().cloned()))
}

fn arn(context: &Context, id: &str) -> String {
    tags::ec2_arn(context, "elastic-ip", id)
}

fn outputs<'a>(id: &'a str, arn: &'a str, found: &'a Value) -> [(&'static str, &'a str); 3] {
    [("id", id), ("arn", arn), ("address", text(found, "publicIp"))]
}

fn read(context: &Context, found: &Value) -> Option<Live> {
    let tags = tags::of(list(found, "tagSet"));
    let address = tags::address(context, "elastic_ip", &tags)?;
    let id = text(found, "allocationId");
    let group = text(found, "networkBorderGroup");
    let own = group.is_empty() || group == context.region;
    let spec = Spec { border_group: (!own).then(|| group.to_owned()) };
    Some(tags::live(address, &tags, id, value(&spec), &outputs(id, &arn(context, id), found)))
}
