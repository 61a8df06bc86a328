//! `alarm`: a CloudWatch alarm on a metric, or on what is calculated from several.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_cloudwatch::operation::describe_alarms::builders::DescribeAlarmsFluentBuilder;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmInputBuilder;
use aws_sdk_cloudwatch::types::MetricAlarm;
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces, yes};
use super::tags::{self, Tags};
use super::values::text;
use super::{tag_lists, tagged, tagging, wait};
use crate::charge::{Charge, Cost};
use crate::kind::{Arn, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

mod metric;
mod wire;

pub use metric::{Calculation, Comparison, Metric, MissingData, Statistic};

text!(
    /// The ARN of what an alarm notifies.
    Target,
    r"^arn:aws[a-z-]*:[a-z0-9-]+:.+$",
    most = 1024
);
/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What it means and what to do, at most 1024 characters: it stands in the message.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// The metric that it watches. Exactly one of this and `calculation` is given.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// What it watches when that is calculated from metrics.
    #[serde(default)]
    pub calculation: Option<Calculation>,
    /// How a value is compared with the threshold, as AWS names it: `GreaterThanThreshold`,
    /// `GreaterThanOrEqualToThreshold`, `LessThanThreshold`, `LessThanOrEqualToThreshold`.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Over how many periods values are looked at.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub evaluation_periods: u32,
    /// How many of them must be beyond the threshold. Default: all.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub datapoints: Option<u32>,
    /// What a period without a value counts as: `missing` (the state becomes INSUFFICIENT_DATA), `ignore` (the state stays),
    /// `breaching` or `notBreaching`.
    #[serde(default)]
    pub missing_data: MissingData,
    /// For how many minutes after it was made or changed it waits for a first value before it judges. Without it, it doesn't.
    #[serde(default)]
    #[schemars(range(min = 1, max = 2880))]
    pub warm_up_minutes: Option<u32>,
    /// Whether its actions are carried out.
    #[serde(default = "yes")]
    pub actions_enabled: bool,
    /// What is notified of the alarm, by ARN: SNS topics, five at most.
    #[serde(default)]
    pub alarm_actions: Vec<Target>,
    /// What is notified when it is over, by ARN.
    #[serde(default)]
    pub ok_actions: Vec<Target>,
}

fn one() -> u32 {
    1
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    in_place("metric"),
    in_place("calculation"),
    in_place("comparison"),
    in_place("threshold"),
    in_place("evaluation_periods"),
    in_place("datapoints"),
    in_place("missing_data"),
    in_place("warm_up_minutes"),
    in_place("actions_enabled"),
    compared(in_place("alarm_actions"), Comparing::AsSet),
    compared(in_place("ok_actions"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:ListTagsForResource",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("alarm", "cloudwatch:{region}:{account}:alarm:{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["cloudwatch:alarm"],
    arns: ARNS,
    rights: super::rights::watch::METRICS,
    tagging: Some(&tagging::CloudWatch),
    ..Facts::of("alarm", "a CloudWatch alarm", FIELDS, OUTPUTS, ACTIONS)
};

/// The most seconds that an alarm looks back over; seven times that with periods of an hour or more.
const DAY: u32 = 86_400;

/// The kind.
#[derive(Debug)]
pub struct Alarm;

/// Whether expressions can name a metric so.
fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[async_trait]
impl Kind for Alarm {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        let metrics: Vec<&Metric> = match (&spec.metric, &spec.calculation) {
            (Some(metric), None) => vec![metric],
            (None, Some(calculation)) => {
                if !(1..=10).contains(&calculation.metrics.len()) {
                    bail!("an alarm is calculated from one to ten metrics, here are {}", calculation.metrics.len());
                }
                if let Some(wrong) = calculation.metrics.keys().find(|id| !is_id(id)) {
                    bail!("`{wrong}` can't name a metric in an expression: it must begin with a small letter");
                }
                calculation.metrics.values().collect()
            }
            _ => bail!("an alarm has exactly one of `metric` and `calculation`"),
        };
        let mut longest = 60;
        for metric in metrics {
            let period = metric.period_seconds;
            if !([10, 20, 30].contains(&period) || (period > 0 && period.is_multiple_of(60))) {
                bail!("period_seconds is {period}; CloudWatch takes 10, 20, 30 and multiples of 60");
            }
            longest = longest.max(period);
        }
        let most = if longest >= 3600 { 7 * DAY } else { DAY };
        if longest.saturating_mul(spec.evaluation_periods) > most {
            bail!("an alarm looks back over {} h at most", most / 3600);
        }
        if spec.datapoints.is_some_and(|datapoints| datapoints > spec.evaluation_periods) {
            bail!("datapoints can't be more than evaluation_periods");
        }
        if spec.datapoints == Some(spec.evaluation_periods) {
            spec.datapoints = None;
        }
        if spec.alarm_actions.len() > 5 || spec.ok_actions.len() > 5 {
            bail!("an alarm has at most five actions of each kind");
        }
        Ok(())
    }

    fn cost(&self, spec: &Spec) -> Cost {
        let metrics = spec.calculation.as_ref().map_or(1, |calculation| calculation.metrics.len().max(1));
        let quick = spec.metric.as_ref().is_some_and(|metric| metric.period_seconds < 60);
        let price = if quick { "cloudwatch.alarm.high_resolution.month" } else { "cloudwatch.alarm.month" };
        let own = spec.metric.as_ref().is_some_and(|metric| metric.namespace.starts_with("AWS/"));
        Cost::Billed {
            charges: vec![Charge::new(price, metrics as f64)],
            by_use: if own { "" } else { "a custom metric that it watches" },
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged = tagged::resources(context, "cloudwatch").await?;
        let tagged: BTreeMap<String, Tags> = tagged.into_iter().filter(|(arn, _)| arn.contains(":alarm:")).collect();
        if wanted.is_empty() && tagged.is_empty() {
            return Ok(Vec::new());
        }
        // One list holds all whose names begin with the stack's; others are asked for by name.
        let own = format!("{}-", context.stack);
        let names = wanted.iter().map(|wanted| wanted.spec.name.as_str());
        let names = names.chain(tagged.keys().filter_map(|arn| arn.split_once(":alarm:").map(|(_, name)| name)));
        let names: BTreeSet<&str> = names.collect();
        let describe = context.aws.cloud_watch().describe_alarms().max_records(100);
        let mut alarms = Vec::new();
        if names.iter().any(|name| name.starts_with(&own)) {
            alarms = described(describe.clone().alarm_name_prefix(&own)).await?;
        }
        let others: Vec<&str> = names.iter().copied().filter(|name| !name.starts_with(&own)).collect();
        for some in others.chunks(100) {
            let some = some.iter().map(|name| (*name).to_owned()).collect();
            alarms.extend(described(describe.clone().set_alarm_names(Some(some))).await?);
        }
        let named = alarms.iter().filter(|alarm| alarm.alarm_name().is_some_and(|name| names.contains(name)));
        let reads = named.map(|alarm| {
            let (name, tags) =
                (alarm.alarm_name().unwrap_or_default(), alarm.alarm_arn().and_then(|arn| tagged.get(arn)));
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name.as_str() == name);
            let read = async move {
                let asked = async { tags_of(context, arn_of(alarm)?).await };
                let owner = tagged::owner(context, FACTS.name, tags, asked).await?;
                owner.map(|(address, tags)| found(alarm, address, &tags)).transpose()
            };
            One { address, id: name.to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        // The call overwrites whatever has the name.
        if let Some(tags) = tags_of(context, &arn(context, &spec.name)).await?
            && tags::address(context, "alarm", &tags).as_ref() != Some(address)
        {
            bail!(
                "the alarm {} is there already and isn't {address} of this stack{}; give this one another name, or take \
                 that one over by `lakewright adopt {address} {}`",
                spec.name,
                tags.get(tags::STACK).map(|stack| format!(" but the stack {stack}'s")).unwrap_or_default(),
                spec.name
            );
        }
        put(context, wire::input(spec)?.set_tags(Some(tag_lists::owned(context, address))), spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let named = context.aws.cloud_watch().describe_alarms().max_records(1).alarm_names(&spec.name);
        let live = described(named).await?.into_iter().next().unwrap_or_else(|| MetricAlarm::builder().build());
        put(context, wire::keeping(wire::input(spec)?, &live), spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.cloud_watch().delete_alarms().alarm_names(&live.spec.name).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.split_once(":alarm:").map_or(id, |(_, name)| name);
        let describe = context.aws.cloud_watch().describe_alarms().max_records(1);
        let alarms = described(describe.alarm_names(name)).await?;
        let Some(alarm) = alarms.first() else { return Ok(None) };
        let tags = tags_of(context, arn_of(alarm)?).await?.unwrap_or_default();
        let tags = tags::claimed(context, address, id, tags)?;
        found(alarm, address.clone(), &tags).map(Some)
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("cloudwatch", &format!("alarm:{name}"))
}

fn arn_of(alarm: &MetricAlarm) -> Result<&str, Error> {
    alarm.alarm_arn().needed("monitoring", "MetricAlarm.AlarmArn")
}

/// The metric alarms that the call lists. The SDK has no list of items for it, for there are other alarms too.
async fn described(call: DescribeAlarmsFluentBuilder) -> Result<Vec<MetricAlarm>, Error> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page = ask(call.clone().set_next_token(next).send()).await?;
        all.extend(page.metric_alarms.unwrap_or_default());
        next = page.next_token.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = wait::found(ask(context.aws.cloud_watch().list_tags_for_resource().resource_arn(arn).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())))
}

fn found(alarm: &MetricAlarm, address: Address, tags: &Tags) -> Result<Found<Spec>> {
    let spec = wire::spec(alarm)?;
    let arn = arn_of(alarm)?;
    let name = spec.name.clone();
    let mut found = tags::found(address, tags, arn, spec, &[("arn", arn), ("name", &name)]);
    found.departures = wire::departures(alarm);
    Ok(found)
}

async fn put(context: &Context, input: PutMetricAlarmInputBuilder, spec: &Spec) -> Result<Outcome> {
    ask(input.send_with(&context.aws.cloud_watch())).await?;
    let arn = arn(context, &spec.name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}
