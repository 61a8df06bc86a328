//! `nat_gateway`: a way out of private subnets.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, replaces, typed, value};
use super::wire::some_text;
use super::{elastic_ip, tagged, tags, wait};
use crate::cost::{Charge, Cost, HOURS};
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// A way out of private subnets, by routes to it: connections begin inside only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The id of the subnet that it stands in, `${subnet.a.id}`: with an `address` one that has a route to an internet
    /// gateway.
    #[schemars(regex(pattern = r"^subnet-[0-9a-f]+$"))]
    pub subnet: String,
    /// The id of the elastic IP address that the world sees, `${elastic_ip.a.id}`; absent: it leads to other private
    /// networks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^eipalloc-[0-9a-f]+$"))]
    pub address: Option<String>,
}

const FIELDS: &[Field] = &[replaces("subnet"), replaces("address")];
const OUTPUTS: &[&str] = &["id", "arn", "public_address"];
const ACTIONS: &[&str] = &[
    "ec2:CreateNatGateway",
    "ec2:DeleteNatGateway",
    "ec2:DescribeNatGateways",
    "ec2:DescribeAddresses",
    "ec2:CreateTags",
    "tag:GetResources",
];

/// How long one may take to come, to go, and to give an address free.
const SETTLED: Duration = Duration::from_mins(15);

/// The kind.
#[derive(Debug)]
pub struct NatGateway;

#[async_trait]
impl Kind for NatGateway {
    describes!("nat_gateway", "a way out of private subnets", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed {
            charges: vec![Charge { price: "nat_gateway.hour".to_owned(), quantity: HOURS }],
            by_use: "each GB that goes through it",
        }
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_mins(2), Duration::from_secs(2), Duration::from_mins(1)]
    }

    /// One address serves one gateway.
    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        live["address"].is_null() || spec["address"].is_null() || differs(live, spec, "address")
    }

    fn consequences(&self, action: Action, _changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        match action {
            Action::Replace if self.coexists(live, spec) => {
                vec!["connections through it end when the routes lead to the new one".to_owned()]
            }
            Action::Replace => {
                vec!["the private subnets that use it have no way out until the new one is available".to_owned()]
            }
            Action::Delete => vec!["connections through it end".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        if wanted.is_empty() && !tagged::any(context, "ec2", "natgateway").await? {
            return Ok(Vec::new());
        }
        let gateways = tags::sweep(context, "DescribeNatGateways", "natGatewaySet").await?;
        let mut found: Vec<Live> = gateways.iter().filter_map(|gateway| read(context, gateway)).collect();
        // One that AWS gave up lingers beside what was made in its place.
        let is_failed = |live: &Live| matches!(live.condition, Condition::Failed(_));
        found.sort_by_key(is_failed);
        let mut known = BTreeSet::new();
        found.retain(|live| known.insert(live.address.clone()) || !is_failed(live));
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let known = tags::sweep_address(context, address, "DescribeNatGateways", "natGatewaySet").await?;
        let (living, dead): (Vec<&Value>, Vec<&Value>) =
            known.iter().partition(|gateway| matches!(text(gateway, "state"), "pending" | "available"));
        if let Some(one) = living.first() {
            return available(context, text(one, "natGatewayId")).await;
        }
        // A token brings back what it once made, dead or alive: another attempt after a failed one is another thing.
        let dead: Vec<&str> = dead.iter().map(|gateway| text(gateway, "natGatewayId")).collect();
        let mut input = json!({
            "SubnetId": spec.subnet,
            "ConnectivityType": if spec.address.is_some() { "public" } else { "private" },
            "ClientToken": tags::client_token(context, address, &json!([value(&spec), dead])),
            "TagSpecification": tags::specification(context, address, "natgateway"),
        });
        if let Some(allocation) = &spec.address {
            input["AllocationId"] = json!(allocation);
            free(context, allocation).await?;
        }
        let call = || context.aws.call(Service::Ec2, "CreateNatGateway", input.clone());
        let answer = wait::visible(context, call).await?;
        available(context, text(&answer["natGateway"], "natGatewayId")).await
    }

    async fn update(&self, context: &Context, live: &Live, _spec: &Value, _changed: &[String]) -> Result<Outcome> {
        // Nothing of a gateway can be changed; an update waits until it is available.
        available(context, &live.id).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"NatGatewayId": live.id});
        wait::found(context.aws.call(Service::Ec2, "DeleteNatGateway", input).await)?;
        wait::until(context, SETTLED, &format!("{} is still there", live.id), || async {
            let gateway = describe(context, &live.id).await?;
            Ok(gateway.is_none_or(|gateway| text(&gateway, "state") == "deleted").then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one =
            tags::claim_one(context, address, ("DescribeNatGateways", "natGatewaySet"), ("NatGatewayId", id)).await?;
        Ok(one.and_then(|gateway| read(context, &gateway)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

async fn describe(context: &Context, id: &str) -> Result<Option<Value>, Error> {
    let answer = context.aws.call(Service::Ec2, "DescribeNatGateways", json!({"NatGatewayId": [id]})).await;
    Ok(wait::found(answer)?.and_then(|answer| list(&answer, "natGatewaySet").first().cloned()))
}

/// Waits until nothing uses the address: a gateway that is being deleted holds it for minutes, and AWS would give the
/// new one up.
async fn free(context: &Context, allocation: &str) -> Result<()> {
    wait::until(context, SETTLED, &format!("{allocation} is still used by something else"), || async {
        let found = elastic_ip::describe(context, allocation).await?;
        Ok(found.filter(|found| text(found, "associationId").is_empty()))
    })
    .await?;
    Ok(())
}

async fn available(context: &Context, id: &str) -> Result<Outcome> {
    let gateway = wait::until(context, SETTLED, &format!("{id} is not available"), || async {
        let Some(gateway) = describe(context, id).await? else { return Ok(None) };
        match text(&gateway, "state") {
            "available" => Ok(Some(gateway)),
            "failed" => bail!("AWS gave {id} up: {}", failure(&gateway)),
            state @ ("deleting" | "deleted") => bail!("{id} is {state}"),
            _ => Ok(None),
        }
    })
    .await?;
    Ok(tags::outcome(id, &outputs(id, &arn(context, id), &gateway)))
}

fn failure(gateway: &Value) -> String {
    format!("{}: {}", text(gateway, "failureCode"), text(gateway, "failureMessage"))
}

fn arn(context: &Context, id: &str) -> String {
    tags::ec2_arn(context, "natgateway", id)
}

fn outputs<'a>(id: &'a str, arn: &'a str, gateway: &'a Value) -> [(&'static str, &'a str); 3] {
    let address = list(gateway, "natGatewayAddressSet").first().map_or("", |address| text(address, "publicIp"));
    [("id", id), ("arn", arn), ("public_address", address)]
}

fn read(context: &Context, gateway: &Value) -> Option<Live> {
    let tags = tags::of(list(gateway, "tagSet"));
    let address = tags::address(context, "nat_gateway", &tags)?;
    let state = text(gateway, "state");
    if matches!(state, "deleting" | "deleted") {
        return None;
    }
    let id = text(gateway, "natGatewayId");
    let allocation = list(gateway, "natGatewayAddressSet").first().and_then(|one| some_text(one, "allocationId"));
    let spec = Spec { subnet: text(gateway, "subnetId").to_owned(), address: allocation };
    let mut live = tags::live(address, &tags, id, value(&spec), &outputs(id, &arn(context, id), gateway));
    live.condition = match state {
        "available" => Condition::Ready,
        "failed" => Condition::Failed(failure(gateway)),
        _ => Condition::Pending(state.to_owned()),
    };
    Some(live)
}

#[cfg(test)]
mod tests {
    use super::super::testing::context;
    use super::*;

    fn gateway(state: &str) -> Value {
        json!({
            "natGatewayId": "nat-1", "subnetId": "subnet-1", "state": state,
            "natGatewayAddressSet": [{"allocationId": "eipalloc-1", "publicIp": "198.51.100.1"}],
            "tagSet": [
                {"key": "lakewright:stack", "value": "shop"}, {"key": "lakewright:address", "value": "nat_gateway.a"},
            ],
        })
    }

    #[test]
    fn deleted_gateways_linger_and_are_gone() {
        let live = read(&context(), &gateway("available")).expect("a gateway that lives");
        assert_eq!(live.spec, json!({"subnet": "subnet-1", "address": "eipalloc-1"}));
        assert_eq!(live.outputs["public_address"], "198.51.100.1");
        assert_eq!(live.condition, Condition::Ready);
        assert!(read(&context(), &gateway("deleting")).is_none() && read(&context(), &gateway("deleted")).is_none());
        let mut failed = gateway("failed");
        failed["failureCode"] = json!("Gateway.NotAttached");
        let failed = read(&context(), &failed).expect("a gateway that AWS gave up");
        assert_eq!(failed.condition, Condition::Failed("Gateway.NotAttached: ".to_owned()));
    }

    #[test]
    fn two_gateways_need_two_addresses() {
        let spec = |subnet: &str, address: &str| json!({"subnet": subnet, "address": address});
        assert!(!NatGateway.coexists(&spec("subnet-1", "eipalloc-1"), &spec("subnet-2", "eipalloc-1")));
        assert!(NatGateway.coexists(&spec("subnet-1", "eipalloc-1"), &spec("subnet-1", "${elastic_ip.a.id}")));
        assert!(NatGateway.coexists(&json!({"subnet": "subnet-1"}), &json!({"subnet": "subnet-2"})));
    }
}
