//! `log_group`: a CloudWatch Logs group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types;
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{self, One, each};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::{LogGroupName, text};
use super::{tag_lists, tagged, tagging, wait};
use crate::kind::{Arn, Billing, Context, Delta, ENDS, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::names;
use crate::resource::Address;
use crate::services::Services as _;

text!(
    /// A KMS key's ARN: CloudWatch Logs takes no other name of one.
    KeyArn,
    r"^arn:aws[a-z-]*:kms:[!-~]+$",
    most = 256
);

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, as in `/lakewright/shop/stream`.
    pub name: LogGroupName,
    /// How many days entries are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or another number that AWS takes.
    #[serde(default = "retention_days")]
    #[schemars(extend("enum" = [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ]))]
    pub retention_days: u32,
    /// The ARN of the KMS key, `${key.main.arn}`, that encrypts entries from now on; its policy must let
    /// `logs.REGION.amazonaws.com` use it. Without it, CloudWatch's own keys do.
    #[serde(default)]
    pub key: Option<KeyArn>,
}

fn retention_days() -> u32 {
    30
}

const FIELDS: &[Field] = &[replaces("name"), in_place("retention_days"), in_place("key")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:DescribeLogGroups",
    "logs:PutRetentionPolicy",
    "logs:AssociateKmsKey",
    "logs:DisassociateKmsKey",
    "logs:ListTagsForResource",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[
    ("log group", "logs:{region}:{account}:log-group:{name}"),
    ("log group", "logs:{region}:{account}:log-group:{name}:*"),
];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["logs:log-group"],
    arns: ARNS,
    rights: super::rights::watch::LOGS,
    billing: Billing::ByUse("the bytes taken in, and those kept"),
    follows: &[(ENDS, "the entries that it holds are deleted")],
    tagging: Some(&tagging::Logs),
    ..Facts::of("log_group", "a CloudWatch Logs group", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a key's policy may stay unknown to CloudWatch.
const KNOWN: Duration = Duration::from_mins(1);

/// The kind.
#[derive(Debug)]
pub struct LogGroup;

#[async_trait]
impl Kind for LogGroup {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        // Zero days stand for ever.
        let days = |of: Option<&Spec>| of.map(|spec| spec.retention_days).filter(|days| *days > 0);
        let (old, new) = (days(step.live), days(step.spec));
        let mut said = Vec::new();
        if let Some(new) = new.filter(|new| step.updates("retention_days") && old.is_none_or(|old| *new < old)) {
            said.push(format!("entries that are older than {new} days are deleted"));
        }
        if step.updates("key") && step.live.is_some_and(|live| live.key.is_some()) {
            said.push(
                "entries that are there can be read as long as the key that they were written under is".to_owned(),
            );
        }
        said
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // One list holds all under the stack's own prefix; names elsewhere are asked for one by one.
        let own = names::log_groups(&context.stack);
        let names = wanted.iter().map(|wanted| wanted.spec.name.as_str());
        let mut prefixes: BTreeSet<&str> = names.filter(|name| !name.starts_with(&own)).collect();
        prefixes.insert(&own);
        let lists = try_join_all(prefixes.iter().map(|prefix| groups(context, prefix))).await?;
        let groups = lists.iter().flat_map(|list| list.iter());
        // The tagging API knows the tags of many at once; of those that it doesn't list yet each is asked.
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "logs").await?.into_iter().collect();
        let reads = groups.map(|group| {
            let name = group.log_group_name().unwrap_or_default();
            let address = each::address(context, FACTS.name, None, wanted, |spec| spec.name.as_str() == name);
            One { address, id: name.to_owned(), read: read(context, group, &tagged) }
        });
        let mut found: Vec<Found<Spec>> = each(context, FACTS.name, reads).await?;
        // Prefixes may overlap.
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.logs().create_log_group().log_group_name(spec.name.as_str());
        let call = call.set_kms_key_id(spec.key.clone().map(Into::into));
        let call = call.set_tags(Some(tag_lists::owned_map(context, address)));
        let patience = context.pace.patience(KNOWN);
        let answer = wait::while_refused(context, patience, wait::not_yet, || ask(call.clone().send())).await;
        let tags = async { Ok(tags_of(context, &arn(context, &spec.name)).await?.unwrap_or_default()) };
        let what = format!("the log group {}", spec.name);
        if tags::made(context, address, &what, answer, tags).await?.is_none() {
            encrypt(context, spec).await?;
        }
        settle(context, spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, changed, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        if changed.iter().any(|field| field == "key") {
            encrypt(context, spec).await?;
        }
        settle(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.logs().delete_log_group().log_group_name(live.spec.name.as_str()).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.split_once(":log-group:").map_or(id, |(_, name)| name.trim_end_matches(":*"));
        let groups = groups(context, name).await?;
        let Some(group) = groups.iter().find(|group| group.log_group_name() == Some(name)) else { return Ok(None) };
        let tags = tags_of(context, &arn(context, name)).await?.unwrap_or_default();
        live(context, group, &tags::claimed(context, address, id, tags)?)
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("logs", &format!("log-group:{name}"))
}

/// The groups whose names begin so; flow logs and filters ask for the same.
pub(super) async fn groups(context: &Context, prefix: &str) -> Result<Arc<Vec<types::LogGroup>>, Error> {
    let call = context.aws.logs().describe_log_groups().log_group_name_prefix(prefix);
    let list = async { ask_all(call.into_paginator().items().send()).await };
    context.reading.of(|queries| &queries.log_groups, prefix.to_owned(), list).await
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = ask(context.aws.logs().list_tags_for_resource().resource_arn(arn).send()).await;
    Ok(wait::found(answer)?.map(|answer| tag_lists::read_map(answer.tags())))
}

async fn read(
    context: &Context,
    group: &types::LogGroup,
    tagged: &BTreeMap<String, Tags>,
) -> Result<Option<Found<Spec>>> {
    let arn = arn(context, name(group)?);
    let tags = match tagged.get(&arn) {
        Some(tags) => Some(tags.clone()),
        None => tags_of(context, &arn).await?,
    };
    tags.map_or(Ok(None), |tags| live(context, group, &tags))
}

fn name(group: &types::LogGroup) -> Result<&str, Error> {
    group.log_group_name().needed("logs", "LogGroup.logGroupName")
}

fn live(context: &Context, group: &types::LogGroup, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let name = name(group)?;
    let arn = arn(context, name);
    let Some(address) = tags::address(context, "log_group", tags) else { return Ok(None) };
    // Zero stands for a group whose entries never go: AWS leaves the member out.
    let retention_days = u32::try_from(group.retention_in_days().unwrap_or_default())?;
    let spec = Spec { name: name.into(), retention_days, key: group.kms_key_id().map(Into::into) };
    Ok(Some(tags::found(address, tags, &arn, spec, &[("arn", &arn), ("name", name)])))
}

/// Encrypts what comes in from now on by the key of the spec, or by CloudWatch's own.
async fn encrypt(context: &Context, spec: &Spec) -> Result<()> {
    let logs = context.aws.logs();
    match &spec.key {
        Some(key) => {
            let call = logs.associate_kms_key().log_group_name(spec.name.as_str()).kms_key_id(key.as_str());
            wait::while_refused(context, context.pace.patience(KNOWN), wait::not_yet, || ask(call.clone().send()))
                .await?;
        }
        None => drop(ask(logs.disassociate_kms_key().log_group_name(spec.name.as_str()).send()).await?),
    }
    Ok(())
}

async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let call = context.aws.logs().put_retention_policy().log_group_name(spec.name.as_str());
    let call = call.retention_in_days(i32::try_from(spec.retention_days)?);
    wait::visible(context, || ask(call.clone().send())).await?;
    let arn = arn(context, &spec.name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}
