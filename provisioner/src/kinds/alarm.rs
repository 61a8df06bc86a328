//! `alarm`: a CloudWatch alarm on a metric, or on what is calculated from several.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_cloudwatch::operation::describe_alarms::builders::DescribeAlarmsFluentBuilder;
use aws_sdk_cloudwatch::types::{MetricAlarm, Tag};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, replaces, text, typed, value, yes};
use super::tags::{self, Tags};
use super::{tag_lists, tagged, wait};
use crate::cost::{Charge, Cost};
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};
use crate::services::Services as _;

mod wire;

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
    #[schemars(regex(pattern = r"^(Less|Greater)Than(OrEqualTo)?Threshold$"))]
    pub comparison: String,
    /// The threshold.
    pub threshold: f64,
    /// Over how many periods values are looked at.
    #[serde(default = "one")]
    pub evaluation_periods: u32,
    /// How many of them must be beyond the threshold. Default: all.
    #[serde(default)]
    pub datapoints: Option<u32>,
    /// What a period without a value counts as: `missing` (the state becomes INSUFFICIENT_DATA), `ignore` (the state stays),
    /// `breaching` or `notBreaching`.
    #[serde(default = "missing")]
    #[schemars(regex(pattern = r"^(breaching|notBreaching|ignore|missing)$"))]
    pub missing_data: String,
    /// For how many minutes after it was made or changed it waits for a first value before it judges. Without it, it doesn't.
    #[serde(default)]
    pub warm_up_minutes: Option<u32>,
    /// Whether its actions are carried out.
    #[serde(default = "yes")]
    pub actions_enabled: bool,
    /// What is told of the alarm, by ARN: SNS topics, five at most.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^arn:aws[a-z-]*:[a-z0-9-]+:.+$")))]
    pub alarm_actions: Vec<String>,
    /// What is told when it is over, by ARN.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^arn:aws[a-z-]*:[a-z0-9-]+:.+$")))]
    pub ok_actions: Vec<String>,
}

/// A metric with the statistic of each period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The namespace, `AWS/Kafka`.
    pub namespace: String,
    /// The metric's name.
    pub name: String,
    /// Its dimensions.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`.
    #[serde(default = "average")]
    pub statistic: String,
    /// The period in seconds: 10, 20, 30 or a multiple of 60.
    #[serde(default = "minute")]
    pub period_seconds: u32,
}

/// A value calculated from metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calculation {
    /// The expression, `100 * dead / records`.
    pub expression: String,
    /// What its value is called.
    #[serde(default)]
    pub label: String,
    /// The metrics in it by the names that it uses, ten at most; names begin with a small letter.
    pub metrics: BTreeMap<String, Metric>,
}

fn one() -> u32 {
    1
}

fn minute() -> u32 {
    60
}

fn average() -> String {
    "Average".to_owned()
}

fn missing() -> String {
    "missing".to_owned()
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
    "cloudwatch:TagResource",
    "tag:GetResources",
];

const COMPARISONS: [&str; 4] =
    ["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"];
const STATISTICS: [&str; 5] = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"];
const MISSING: [&str; 4] = ["missing", "ignore", "breaching", "notBreaching"];
/// The most seconds that an alarm looks back over; seven times that with periods of an hour or more.
const DAY: u32 = 86_400;

/// The kind.
#[derive(Debug)]
pub struct Alarm;

fn canonical(spec: &mut Spec) -> Result<()> {
    if !(1..=255).contains(&spec.name.chars().count()) {
        bail!("an alarm's name has 1 to 255 characters, `{}` has not", spec.name);
    }
    if spec.description.chars().count() > 1024 {
        bail!("the description has more than the 1024 characters that CloudWatch takes");
    }
    one_of("comparison", &spec.comparison, &COMPARISONS)?;
    one_of("missing_data", &spec.missing_data, &MISSING)?;
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
        let percentile = metric.statistic.strip_prefix('p').is_some_and(|rest| rest.parse::<f64>().is_ok());
        if !percentile {
            one_of("statistic", &metric.statistic, &STATISTICS)?;
        }
        let period = metric.period_seconds;
        if !([10, 20, 30].contains(&period) || (period > 0 && period.is_multiple_of(60))) {
            bail!("period_seconds is {period}; CloudWatch takes 10, 20, 30 and multiples of 60");
        }
        longest = longest.max(period);
    }
    let most = if longest >= 3600 { 7 * DAY } else { DAY };
    if spec.evaluation_periods == 0 || longest.saturating_mul(spec.evaluation_periods) > most {
        bail!("an alarm looks back over one period at least and {} h at most", most / 3600);
    }
    if spec.datapoints.is_some_and(|datapoints| datapoints == 0 || datapoints > spec.evaluation_periods) {
        bail!("datapoints must be between 1 and evaluation_periods");
    }
    if spec.datapoints == Some(spec.evaluation_periods) {
        spec.datapoints = None;
    }
    if spec.warm_up_minutes.is_some_and(|minutes| !(1..=2880).contains(&minutes)) {
        bail!("warm_up_minutes must be between 1 and 2880");
    }
    if spec.alarm_actions.len() > 5 || spec.ok_actions.len() > 5 {
        bail!("an alarm tells at most five of each");
    }
    Ok(())
}

fn one_of(field: &str, given: &str, all: &[&str]) -> Result<()> {
    if all.contains(&given) {
        return Ok(());
    }
    bail!("{field} is `{given}`; CloudWatch takes {}", all.join(", "))
}

/// Whether expressions can name a metric so.
fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[async_trait]
impl Kind for Alarm {
    describes!("alarm", "a CloudWatch alarm", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, spec: &Value) -> Cost {
        let metrics = spec["calculation"]["metrics"].as_object().map_or(1, |metrics| metrics.len().max(1));
        let quick = spec["metric"]["period_seconds"].as_u64().is_some_and(|period| period < 60);
        let price = if quick { "cloudwatch.alarm.high_resolution.month" } else { "cloudwatch.alarm.month" };
        let charge = Charge { price: price.to_owned(), quantity: metrics as f64 };
        let metric = if metrics == 1 { &spec["metric"] } else { &Value::Null };
        let own = text(metric, "namespace").starts_with("AWS/");
        Cost::Billed { charges: vec![charge], by_use: if own { "" } else { "a custom metric that it watches" } }
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged = tagged::resources(context, "cloudwatch").await?;
        let tagged: BTreeMap<String, Tags> = tagged.into_iter().filter(|(arn, _)| arn.contains(":alarm:")).collect();
        if wanted.is_empty() && tagged.is_empty() {
            return Ok(Vec::new());
        }
        // One list tells of all whose names begin with the stack's; others are asked for by name.
        let own = format!("{}-", context.stack);
        let names = wanted.iter().map(|wanted| text(wanted.spec, "name"));
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
        let reads = named.map(async |alarm| {
            let arn = arn_of(alarm)?;
            // What the tagging API doesn't list yet is asked for itself.
            let tags = match tagged.get(arn) {
                Some(tags) => Some(tags.clone()),
                None => tags_of(context, arn).await?,
            };
            let Some(tags) = tags else { return Ok(None) };
            let address = tags::address(context, "alarm", &tags);
            address.map(|address| live(alarm, address, &tags)).transpose()
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
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
        put(context, &spec, Some(tag_lists::owned(context, address))).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        put(context, &typed(spec)?, None).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        wait::found(ask(context.aws.cloud_watch().delete_alarms().alarm_names(spec.name).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.split_once(":alarm:").map_or(id, |(_, name)| name);
        let describe = context.aws.cloud_watch().describe_alarms().max_records(1);
        let alarms = described(describe.alarm_names(name)).await?;
        let Some(alarm) = alarms.first() else { return Ok(None) };
        let tags = tags_of(context, arn_of(alarm)?).await?.unwrap_or_default();
        let tags = tags::claimed(context, address, id, tags)?;
        live(alarm, address.clone(), &tags).map(Some)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.cloud_watch().tag_resource().resource_arn(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:cloudwatch:{region}:{account}:alarm:{name}", tags::partition(region))
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

fn live(alarm: &MetricAlarm, address: Address, tags: &Tags) -> Result<Live> {
    let spec = wire::spec(alarm)?;
    let arn = arn_of(alarm)?;
    Ok(tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("name", &spec.name)]))
}

async fn put(context: &Context, spec: &Spec, tags: Option<Vec<Tag>>) -> Result<Outcome> {
    let client = context.aws.cloud_watch();
    ask(wire::input(spec)?.set_tags(tags).send_with(&client)).await?;
    let arn = arn(context, &spec.name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}
