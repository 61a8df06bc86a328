//! `metric_filter`: a metric counted or read from the entries of a CloudWatch Logs group.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{MetricFilter as Filter, MetricTransformation};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{One, each};
use super::spec::{in_place, reference, replaces};
use super::tags::{self, Tags};
use super::values::{LogGroupName, text};
use super::{log_group, tagged, wait};
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::names;
use crate::resource::Address;
use crate::services::Services as _;

mod unit;

pub use unit::Unit;

text!(
    /// A metric filter's name.
    FilterName,
    r"^[^:*]{1,512}$"
);
text!(
    /// The name of a metric or of a namespace of metrics.
    MetricName,
    r"^[^:*$]{1,255}$"
);

/// A metric filter. It carries no tags: what is found in the stack's own log groups belongs to the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in its log group; no `:` and no `*`.
    pub name: FilterName,
    /// The log group's name.
    pub log_group: LogGroupName,
    /// What entries match, in CloudWatch's pattern syntax, `{ $.level = "ERROR" }`; empty for all.
    #[schemars(length(max = 1024))]
    pub pattern: String,
    /// The metric's namespace, not one that begins with `AWS/`.
    pub namespace: MetricName,
    /// The metric's name.
    pub metric: MetricName,
    /// What a matching entry counts: a number, or a selector of the pattern such as `$.milliseconds`.
    #[serde(default = "one")]
    #[schemars(length(min = 1, max = 100))]
    pub value: String,
    /// What a minute with entries and without a match counts. Without it, nothing. Not together with dimensions.
    #[serde(default)]
    pub default_value: Option<f64>,
    /// The metric's dimensions, each with the selector of its value, three at most.
    #[serde(default)]
    #[schemars(extend(
        "propertyNames" = {"minLength": 1, "maxLength": 255},
        "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 255}
    ))]
    pub dimensions: BTreeMap<String, String>,
    /// The unit, as CloudWatch names it.
    #[serde(default = "no_unit")]
    pub unit: Unit,
}

fn one() -> String {
    "1".to_owned()
}

fn no_unit() -> Unit {
    Unit::None
}

const FIELDS: &[Field] = &[
    replaces("name"),
    replaces("log_group"),
    in_place("pattern"),
    in_place("namespace"),
    in_place("metric"),
    in_place("value"),
    in_place("default_value"),
    in_place("dimensions"),
    in_place("unit"),
];
const OUTPUTS: &[&str] = &["name"];
const ACTIONS: &[&str] = &[
    "logs:PutMetricFilter",
    "logs:DeleteMetricFilter",
    "logs:DescribeMetricFilters",
    "logs:DescribeLogGroups",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[
    ("filtered", "logs:{region}:{account}:log-group:{log_group}"),
    ("filtered", "logs:{region}:{account}:log-group:{log_group}:*"),
];
const FACTS: Facts = Facts {
    is_tagless: true,
    identified_by: &["log_group", "name"],
    tag_types: &["logs:log-group"],
    arns: ARNS,
    billing: Billing::Monthly("cloudwatch.metric.month", 1.0, ""),
    ..Facts::of("metric_filter", "a metric read from a log group's entries", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct MetricFilter;

#[async_trait]
impl Kind for MetricFilter {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.namespace.starts_with("AWS/") && !spec.namespace.contains("${") {
            bail!("the namespace {} is AWS's own", spec.namespace);
        }
        if !spec.value.starts_with('$') && !spec.value.contains("${") && spec.value.parse::<f64>().is_err() {
            bail!("value is `{}`: write a number, or a selector that begins with `$`", spec.value);
        }
        if spec.dimensions.len() > 3 {
            bail!("a metric filter has at most three dimensions, here are {}", spec.dimensions.len());
        }
        let finds_fields = spec.pattern.contains("${") || spec.pattern.trim_start().starts_with(['{', '[']);
        if !spec.dimensions.is_empty() && !finds_fields {
            bail!("dimensions need a pattern that finds fields: `{{ $.field = … }}` of JSON, or `[a, b, …]` of words");
        }
        if !spec.dimensions.is_empty() && spec.default_value.is_some() {
            bail!("default_value and dimensions can't be given together");
        }
        Ok(())
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let own = own_groups(context).await?;
        let group_of = |wanted: &Wanted<'_, Spec>| {
            let group = wanted.spec.log_group.as_str();
            let named = || BTreeSet::from([group.to_owned()]);
            reference(group).map_or_else(named, |address| own.get(&address).cloned().unwrap_or_default())
        };
        let mut groups: BTreeSet<String> = wanted.iter().flat_map(&group_of).collect();
        groups.extend(with_filters(context, &own).await?);
        let reads = groups.iter().map(|group| {
            let is_here = |one: &Wanted<'_, Spec>| group_of(one).contains(group);
            let id = if wanted.iter().any(is_here) { String::new() } else { group.clone() };
            let read = async move { Ok(Some(filters(context, group).await?)) };
            One { address: None, id, read }
        });
        let filters = each(context, FACTS.name, reads).await?;
        let specs: Vec<Spec> = filters.iter().flatten().map(spec).collect::<Result<_, _>>()?;
        let meant = |spec: &Spec| {
            let same =
                |one: &&Wanted<'_, Spec>| one.spec.name == spec.name && group_of(one).contains(spec.log_group.as_str());
            wanted.iter().find(same).map(|one| one.address.clone())
        };
        // A log group that is only about to get its address is meant by what is left, where that is one.
        let left = |spec: &Spec| {
            let of_name = |other: &&Spec| other.name == spec.name && meant(other).is_none();
            let unknown = |one: &&Wanted<'_, Spec>| one.spec.name == spec.name && group_of(one).is_empty();
            let mut those = wanted.iter().filter(unknown);
            let one = those.next().filter(|_| specs.iter().filter(of_name).count() == 1)?;
            those.next().is_none().then(|| one.address.clone())
        };
        // What nobody means in a log group of others is theirs.
        let is_own = |spec: &&Spec| own.values().any(|names| names.contains(spec.log_group.as_str()));
        let known = |spec: &Spec| meant(spec).or_else(|| left(spec)).or_else(|| is_own(&spec).then(|| derived(spec)));
        Ok(specs.iter().filter_map(|spec| Some(live(known(spec)?, spec))).collect())
    }

    async fn create(&self, context: &Context, _address: &Address, spec: &Spec) -> Result<Outcome> {
        put(context, spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        put(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let Spec { log_group, name, .. } = &live.spec;
        let call = context.aws.logs().delete_metric_filter();
        let call = call.log_group_name(log_group.as_str()).filter_name(name.as_str());
        wait::found(ask(call.send()).await)?;
        Ok(())
    }
}

/// The names of the stack's own log groups by address: of one that was made anew under another name the tags of both are
/// listed for a while.
async fn own_groups(context: &Context) -> Result<BTreeMap<Address, BTreeSet<String>>> {
    let mut own: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    for (arn, tags) in tagged::resources(context, "logs").await? {
        let Some((_, name)) = arn.split_once(":log-group:") else { continue };
        let (arn, name) = (arn.trim_end_matches(":*"), name.trim_end_matches(":*").to_owned());
        if let Some(address) = tags::address(context, "log_group", &tags)
            && tags::is_own(context, &address, arn, &tags).await
        {
            own.entry(address).or_default().insert(name);
        }
    }
    Ok(own)
}

/// The stack's own log groups that say that they have filters. The list is the one that log groups are read from.
async fn with_filters(context: &Context, own: &BTreeMap<Address, BTreeSet<String>>) -> Result<Vec<String>> {
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let groups = log_group::groups(context, &names::log_groups(&context.stack)).await?;
    // A group without filters may lack the count.
    let groups = groups.iter().filter(|group| group.metric_filter_count().is_some_and(|count| count > 0));
    let names = groups.map(|group| group.log_group_name().needed("logs", "LogGroup.logGroupName"));
    let names = names.collect::<Result<Vec<_>, _>>()?.into_iter();
    Ok(names.filter(|name| own.values().any(|own| own.contains(*name))).map(str::to_owned).collect())
}

/// The filters of a log group; none if there is no such group.
async fn filters(context: &Context, group: &str) -> Result<Vec<Filter>, Error> {
    let call = context.aws.logs().describe_metric_filters().log_group_name(group);
    let found = wait::found(ask_all(call.into_paginator().items().send()).await)?;
    Ok(found.unwrap_or_default())
}

fn spec(filter: &Filter) -> Result<Spec, Error> {
    let transformation = filter.metric_transformations().first();
    let transformation = transformation.needed("logs", "MetricFilter.metricTransformations")?;
    let of = |member: &str| format!("MetricTransformation.{member}");
    Ok(Spec {
        name: filter.filter_name().needed("logs", "MetricFilter.filterName")?.into(),
        log_group: filter.log_group_name().needed("logs", "MetricFilter.logGroupName")?.into(),
        // A pattern that matches everything is empty, or absent.
        pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
        namespace: transformation.metric_namespace().needed("logs", &of("metricNamespace"))?.into(),
        metric: transformation.metric_name().needed("logs", &of("metricName"))?.into(),
        value: transformation.metric_value().needed("logs", &of("metricValue"))?.to_owned(),
        default_value: transformation.default_value(),
        dimensions: transformation.dimensions().cloned().unwrap_or_default().into_iter().collect(),
        // Absent, it is None.
        unit: transformation.unit().map_or(Unit::None, Unit::from),
    })
}

/// The address of a filter that the file doesn't name: its log group's last part and its name.
fn derived(spec: &Spec) -> Address {
    let group = spec.log_group.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    Address::new("metric_filter", format!("{group}-{}", spec.name).chars().map(plain).collect::<String>())
}

fn live(address: Address, spec: &Spec) -> Found<Spec> {
    let id = format!("{}:{}", spec.log_group, spec.name);
    tags::found(address, &Tags::new(), &id, spec.clone(), &[("name", &spec.name)])
}

async fn put(context: &Context, spec: &Spec) -> Result<Outcome> {
    let dimensions = spec.dimensions.iter().map(|(name, selector)| (name.clone(), selector.clone())).collect();
    let transformation = MetricTransformation::builder()
        .metric_name(spec.metric.as_str())
        .metric_namespace(spec.namespace.as_str())
        .metric_value(&spec.value)
        .unit((&spec.unit).into())
        .set_default_value(spec.default_value)
        .set_dimensions((!spec.dimensions.is_empty()).then_some(dimensions));
    let transformation = transformation.build().expect("name, namespace and value are given");
    let call = context.aws.logs().put_metric_filter().log_group_name(spec.log_group.as_str());
    let call = call.filter_name(spec.name.as_str()).filter_pattern(&spec.pattern);
    let mut call = call.metric_transformations(transformation);
    // CloudWatch takes a filter whole: what no spec says stays as somebody made it.
    let all = filters(context, &spec.log_group).await?;
    if let Some(live) = all.into_iter().find(|live| live.filter_name() == Some(spec.name.as_str())) {
        call = call
            .set_apply_on_transformed_logs(live.apply_on_transformed_logs.then_some(true))
            .set_field_selection_criteria(live.field_selection_criteria)
            .set_emit_system_field_dimensions(live.emit_system_field_dimensions);
    }
    wait::visible(context, || ask(call.clone().send())).await?;
    Ok(tags::outcome(&format!("{}:{}", spec.log_group, spec.name), &[("name", &spec.name)]))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn what_logs_refuses_is_refused() {
        let with = |name: &str, given: Value| {
            let mut spec =
                json!({"name": "errors", "log_group": "/g", "pattern": "ERROR", "namespace": "N", "metric": "M"});
            spec[name] = given;
            MetricFilter.normalise(&spec)
        };
        assert!(with("unit", json!("Count")).is_ok());
        for (name, given) in [
            ("name", json!("a:b")),
            ("namespace", json!("AWS/Kafka")),
            ("value", json!("x")),
            ("dimensions", json!({"a": "$.a", "b": "$.b", "c": "$.c", "d": "$.d"})),
        ] {
            assert!(with(name, given).is_err(), "{name}");
        }
    }

    #[test]
    fn a_filter_that_nobody_named_has_an_address() {
        let counts = MetricTransformation::builder().metric_name("M").metric_namespace("N").metric_value("1");
        let filter = Filter::builder()
            .filter_name("by hand")
            .log_group_name("/lakewright/shop/stream")
            .metric_transformations(counts.build().expect("whole"))
            .build();
        let spec = spec(&filter).expect("readable");
        assert_eq!((&spec.unit, spec.pattern.as_str()), (&Unit::None, ""));
        assert_eq!(derived(&spec).to_string(), "metric_filter.stream-by-hand");
    }
}
