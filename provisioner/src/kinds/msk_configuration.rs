//! `msk_configuration`: the brokers' settings.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Service, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::msk::{self, decode_properties, encode_properties};
use super::spec::{describes, in_place, replaces, typed, value};
use super::tags::{self, Tags};
use super::wait;
use super::wire::number;
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

/// The brokers' settings. A change makes a new revision; a cluster moves to it when its `configuration` says so.
/// MSK configurations carry no tags: this one's description says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region: letters, digits and `-`.
    #[schemars(regex(pattern = r"^[0-9A-Za-z][0-9A-Za-z-]*$"))]
    pub name: String,
    /// The settings as in a broker's `server.properties`, `"auto.create.topics.enable" = "false"`. Default: none.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

const FIELDS: &[Field] = &[replaces("name"), in_place("properties")];
const OUTPUTS: &[&str] = &["arn", "revision"];
const ACTIONS: &[&str] = &[
    "kafka:CreateConfiguration",
    "kafka:UpdateConfiguration",
    "kafka:DeleteConfiguration",
    "kafka:ListConfigurations",
    "kafka:DescribeConfigurationRevision",
];

/// The kind.
#[derive(Debug)]
pub struct MskConfiguration;

/// How long a configuration may take to be ready, or to go.
const SETTLED: Duration = Duration::from_mins(10);

#[async_trait]
impl Kind for MskConfiguration {
    describes!("msk_configuration", "the settings of a cluster's brokers", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn moving_outputs(&self) -> &'static [&'static str] {
        &["revision"]
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let all = all(context).await?;
        let own = all.iter().filter_map(|one| Some((owner(context, one)?, one)));
        let read = own.filter(|(_, one)| text(one, "state") != "DELETING").map(async |(address, one)| {
            let (arn, revision) = (text(one, "arn"), latest(one));
            let input = json!({"arn": arn, "revision": revision});
            let answer = context.aws.call(Service::Kafka, "DescribeConfigurationRevision", input).await?;
            let spec = Spec {
                name: text(one, "name").to_owned(),
                properties: decode_properties(text(&answer, "serverProperties")),
            };
            let outputs = [("arn", arn), ("revision", &*revision.to_string())];
            Ok(tags::live(address, &Tags::new(), arn, value(&spec), &outputs))
        });
        try_join_all(read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({
            "name": spec.name,
            "description": description(context, address),
            "serverProperties": encode_properties(&spec.properties),
        });
        match context.aws.call(Service::Kafka, "CreateConfiguration", input).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
        let one = wait::until(context, SETTLED, &format!("the configuration {} is not active", spec.name), || async {
            let named = all(context).await?.into_iter().find(|one| text(one, "name") == spec.name);
            match named {
                Some(one) if owner(context, &one).as_ref() != Some(address) => bail!(
                    "an MSK configuration named {} lives already and is not {address} of this stack; \
                     give this one another name or delete that one",
                    spec.name
                ),
                one => Ok(one.filter(|one| text(one, "state") == "ACTIVE")),
            }
        })
        .await?;
        Ok(outcome(text(&one, "arn"), latest(&one)))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({
            "arn": live.id,
            "description": description(context, &live.address),
            "serverProperties": encode_properties(&spec.properties),
        });
        let answer = context.aws.call(Service::Kafka, "UpdateConfiguration", input).await?;
        Ok(outcome(&live.id, latest(&answer)))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        // MSK calls a configuration that isn't there a bad request: the list says it better.
        let listed = async || -> Result<bool> { Ok(all(context).await?.iter().any(|one| text(one, "arn") == live.id)) };
        if !listed().await? {
            return Ok(());
        }
        wait::found(context.aws.call(Service::Kafka, "DeleteConfiguration", json!({"arn": live.id})).await)?;
        wait::until(context, SETTLED, &format!("{} is still there", live.id), || async {
            Ok((!listed().await?).then_some(()))
        })
        .await
    }

    fn is_tagless(&self) -> bool {
        true
    }

    async fn tag(&self, _context: &Context, _outcome: &Outcome, _tags: &[(&str, &str)]) -> Result<()> {
        Ok(())
    }
}

async fn all(context: &Context) -> Result<Vec<Value>> {
    msk::pages(context, "ListConfigurations", "configurations", json!({})).await
}

/// What says whose a configuration is.
fn description(context: &Context, address: &Address) -> String {
    format!("lakewright {} {address}", context.stack)
}

/// The address that a configuration's description states, if it states this stack.
fn owner(context: &Context, configuration: &Value) -> Option<Address> {
    let stated = text(configuration, "description").strip_prefix("lakewright ")?;
    let (stack, address) = stated.split_once(' ')?;
    address.parse().ok().filter(|address: &Address| stack == context.stack && address.kind == "msk_configuration")
}

fn latest(configuration: &Value) -> u32 {
    number(&configuration["latestRevision"], "revision")
}

fn outcome(arn: &str, revision: u32) -> Outcome {
    tags::outcome(arn, &[("arn", arn), ("revision", &revision.to_string())])
}
