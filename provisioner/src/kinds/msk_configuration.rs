//! `msk_configuration`: the brokers' settings.

mod closing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::primitives::Blob;
use aws_sdk_kafka::types::{Configuration, ConfigurationRevision, ConfigurationState};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::closing::{Observed, judge, refusal, wanted_lists};
pub use self::closing::{SETTING as CLOSING, closes};
use super::each::{One, each};
use super::msk::{self, decode_properties, encode_properties};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::text;
use super::{secret, tag_lists, wait};
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address, Obstacle};
use crate::services::Services as _;

text!(
    /// A configuration's name.
    ConfigurationName,
    r"^[0-9A-Za-z][0-9A-Za-z-]*$"
);

/// The brokers' settings. A change makes a new revision; a cluster moves to it when its `configuration` says so.
/// MSK configurations carry no tags: this one's description says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region: letters, digits and `-`.
    pub name: ConfigurationName,
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
const ARNS: &[Arn] = &[("configuration", "kafka:{region}:{account}:configuration/{name}/*")];
const FACTS: Facts = Facts {
    is_tagless: true,
    beside: &["object"],
    moving_outputs: &["revision"],
    identified_by: &["name"],
    arns: ARNS,
    billing: Billing::Free,
    ..Facts::of("msk_configuration", "the settings of a cluster's brokers", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct MskConfiguration;

/// How long a configuration may take to be ready, or to go.
const SETTLED: Duration = Duration::from_mins(10);

#[async_trait]
impl Kind for MskConfiguration {
    type Spec = Spec;
    type Observed = Observed;
    const FACTS: &'static Facts = &FACTS;

    fn refuses(&self, live: &Spec, observed: &Observed, spec: &Spec) -> Option<Obstacle> {
        refusal(live, observed, spec)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let closed = |spec: Option<&Spec>| spec.is_some_and(|spec| closes(&spec.properties));
        match step.action {
            Action::Create if closed(step.spec) => vec![format!(
                "a cluster that is closed before there are access control lists lets nobody in, and nobody can make them: remove \
                 \"{CLOSING}\" from [kafka.configuration] and apply, until the lists are verified"
            )],
            Action::Update if closed(step.spec) && !closed(step.live) => {
                vec!["users whom no access control list names may no longer use the cluster".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// The old one goes first, whatever both are named.
    fn coexists(&self, _live: &Spec, _spec: &Spec) -> bool {
        false
    }

    async fn find_among(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Spec>],
        beside: &[Wanted<'_>],
    ) -> Result<Vec<Found<Spec, Observed>>> {
        // Only a plan that closes a cluster looks for lists.
        let is_closing = wanted.iter().any(|one| closes(&one.spec.properties));
        let lists = if is_closing { wanted_lists(beside) } else { BTreeSet::new() };
        let observed = if lists.is_empty() { Observed::default() } else { observe(context, &lists).await? };
        let all = all(context).await?;
        let own = all.iter().filter_map(|one| Some((owner(context, one)?, one)));
        let living = own.filter(|(_, one)| one.state() != Some(&ConfigurationState::Deleting));
        let reads = living.map(|(address, one)| One {
            address: Some(address.clone()),
            id: one.name().unwrap_or_default().to_owned(),
            read: async {
                let found = read(context, address, one).await?;
                Ok(Some(Found { observed: observed.clone(), ..found }))
            },
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.kafka().create_configuration().name(spec.name.as_str());
        let call = call.description(description(context, address)).server_properties(properties(spec));
        match ask(call.send()).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
        let one = wait::until(context, SETTLED, &format!("the configuration {} is not active", spec.name), || async {
            let named = all(context).await?.into_iter().find(|one| one.name() == Some(&*spec.name));
            match named {
                Some(one) if owner(context, &one).as_ref() != Some(address) => bail!(
                    "an MSK configuration named {} is there already and is not {address} of this stack; \
                     give this one another name or delete that one",
                    spec.name
                ),
                one => Ok(one.filter(|one| one.state() == Some(&ConfigurationState::Active))),
            }
        })
        .await?;
        Ok(outcome(arn(&one)?, latest(one.latest_revision())?))
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec, Observed>) -> Result<Outcome> {
        let call = context.aws.kafka().update_configuration().arn(&live.id);
        let call = call.description(description(context, &live.address)).server_properties(properties(spec));
        let answer = ask(call.send()).await?;
        Ok(outcome(&live.id, latest(answer.latest_revision())?))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec, Observed>) -> Result<()> {
        // MSK calls a configuration that isn't there a bad request: the list says it better.
        let listed = async || -> Result<bool> { Ok(all(context).await?.iter().any(|one| one.arn() == Some(&live.id))) };
        if !listed().await? {
            return Ok(());
        }
        wait::found(ask(context.aws.kafka().delete_configuration().arn(&live.id).send()).await)?;
        wait::until(context, SETTLED, &format!("{} is still there", live.id), || async {
            Ok((!listed().await?).then_some(()))
        })
        .await
    }
}

async fn all(context: &Context) -> Result<Vec<Configuration>, Error> {
    ask_all(context.aws.kafka().list_configurations().max_results(msk::PAGE).into_paginator().items().send()).await
}

/// What the agent that keeps access control lists says of them, in a secret that is known to be the stack's.
async fn observe(context: &Context, wanted: &BTreeSet<String>) -> Result<Observed> {
    let address = closing::secret();
    for one in secret::listed(context).await?.iter().filter(|one| !secret::waits(one)) {
        let tags = tag_lists::read(one.tags());
        let is_there = tags::address(context, "secret", &tags).is_some_and(|its| its == address);
        if is_there && tags::is_own(context, &address, one.arn().unwrap_or_default(), &tags).await {
            return Ok(judge(Some(&tags), wanted, context.clock.now()));
        }
    }
    Ok(judge(None, wanted, context.clock.now()))
}

async fn read(context: &Context, address: Address, configuration: &Configuration) -> Result<Found<Spec, Observed>> {
    let (arn, revision) = (arn(configuration)?, latest(configuration.latest_revision())?);
    let call = context.aws.kafka().describe_configuration_revision().arn(arn).revision(revision);
    // A file without a line may be left out.
    let file = ask(call.send()).await?.server_properties.map(Blob::into_inner).unwrap_or_default();
    let spec = Spec {
        name: configuration.name().unwrap_or_default().needed("kafka", "Configuration.Name")?.into(),
        properties: decode_properties(&file),
    };
    let outputs = [("arn", arn), ("revision", &*revision.to_string())];
    Ok(tags::found(address, &Tags::new(), arn, spec, &outputs))
}

fn properties(spec: &Spec) -> Blob {
    Blob::new(encode_properties(&spec.properties))
}

fn arn(configuration: &Configuration) -> Result<&str, Error> {
    configuration.arn().unwrap_or_default().needed("kafka", "Configuration.Arn")
}

/// What says whose a configuration is.
fn description(context: &Context, address: &Address) -> String {
    format!("lakewright {} {address}", context.stack)
}

/// The address that a configuration's description states, if it states this stack.
fn owner(context: &Context, configuration: &Configuration) -> Option<Address> {
    let (stack, address) = configuration.description()?.strip_prefix("lakewright ")?.split_once(' ')?;
    address.parse().ok().filter(|address: &Address| stack == context.stack && address.kind == "msk_configuration")
}

/// The number of a latest revision; the first is 1.
fn latest(revision: Option<&ConfigurationRevision>) -> Result<i64, Error> {
    let number = revision.and_then(ConfigurationRevision::revision).filter(|number| *number > 0);
    number.needed("kafka", "ConfigurationRevision.Revision")
}

fn outcome(arn: &str, revision: i64) -> Outcome {
    tags::outcome(arn, &[("arn", arn), ("revision", &revision.to_string())])
}
