//! Values of metrics, summed up by the minute, and what is asked of them.

use super::{invalid, missing};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::request::Request;
use crate::state::State;
use chrono::DateTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const VALUES: &str = "cloudwatch/value";
const MINUTE: i64 = 60_000;
/// How long values are kept, in milliseconds: long enough for what is looked at on one machine.
const KEPT: i64 = 6 * 3_600_000;

/// A metric: its namespace, name and dimensions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The dimensions.
    pub dimensions: BTreeMap<String, String>,
}

/// Values of one time, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    sum: f64,
    count: f64,
    least: f64,
    most: f64,
}

impl Summary {
    fn of(value: f64) -> Self {
        Self { sum: value, count: 1.0, least: value, most: value }
    }

    fn and(self, other: Self) -> Self {
        Self {
            sum: self.sum + other.sum,
            count: self.count + other.count,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    fn read(value: &Value) -> Option<Self> {
        let [sum, count, least, most] = value.as_array()?.as_slice() else { return None };
        Some(Self { sum: sum.as_f64()?, count: count.as_f64()?, least: least.as_f64()?, most: most.as_f64()? })
    }

    fn json(self) -> Value {
        json!([self.sum, self.count, self.least, self.most])
    }

    /// A statistic of it; percentiles aren't kept.
    pub(super) fn statistic(self, name: &str) -> Option<f64> {
        match name {
            "Sum" => Some(self.sum),
            "SampleCount" => Some(self.count),
            "Average" => Some(self.sum / self.count),
            "Minimum" => Some(self.least),
            "Maximum" => Some(self.most),
            _ => None,
        }
    }
}

impl Metric {
    /// The metric that a value with `Namespace` or the one given, `MetricName` and `Dimensions` names.
    pub(super) fn of(value: &Value, namespace: Option<&str>) -> Result<Self, AwsError> {
        let namespace = match namespace {
            Some(namespace) => namespace,
            None => value.need("Namespace", missing)?,
        };
        let mut dimensions = BTreeMap::new();
        for one in value.list("Dimensions") {
            dimensions.insert(one.need("Name", missing)?.to_owned(), one.need("Value", missing)?.to_owned());
        }
        let name = value.need("MetricName", missing)?.to_owned();
        Ok(Self { namespace: namespace.to_owned(), name, dimensions })
    }

    /// What its documents' ids begin with.
    fn prefix(&self) -> String {
        let dimensions = serde_json::to_string(&self.dimensions).unwrap_or_default();
        format!("{}\0{}\0{dimensions}\0", self.namespace, self.name)
    }

    fn parse(id: &str) -> Option<Self> {
        let mut parts = id.split('\0');
        let (namespace, name) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { namespace, name, dimensions: serde_json::from_str(parts.next()?).ok()? })
    }

    fn json(&self) -> Value {
        let dimensions: Value =
            self.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        json!({ "Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions })
    }
}

fn add(state: &mut State<'_>, metric: &Metric, time: i64, more: Summary) {
    let prefix = metric.prefix();
    let oldest = format!("{prefix}{:016}", (state.now() - KEPT).max(0));
    let old: Vec<String> =
        state.range(VALUES, &prefix).take_while(|(id, _)| *id < oldest.as_str()).map(|(id, _)| id.to_owned()).collect();
    for id in old {
        state.remove(VALUES, &id);
    }
    let id = format!("{prefix}{:016}", time - time.rem_euclid(MINUTE));
    let before = state.get(VALUES, &id).and_then(Summary::read);
    state.put(VALUES, &id, before.map_or(more, |before| before.and(more)).json());
}

/// Takes a value of a metric.
pub(crate) fn record(state: &mut State<'_>, metric: &Metric, time: i64, value: f64) {
    add(state, metric, time, Summary::of(value));
}

/// The values from one time to another by periods of so many milliseconds, counted from the first time.
pub(super) fn between(
    state: &State<'_>,
    metric: &Metric,
    (from, to): (i64, i64),
    period: i64,
) -> BTreeMap<i64, Summary> {
    let prefix = metric.prefix();
    let mut found: BTreeMap<i64, Summary> = BTreeMap::new();
    let first = format!("{prefix}{:016}", from.max(0));
    let values = state.range(VALUES, &first).take_while(|(id, _)| id.starts_with(&prefix));
    for (id, value) in values {
        let time = id[prefix.len()..].parse::<i64>().ok();
        let (Some(time), Some(summary)) = (time.filter(|time| *time < to), Summary::read(value)) else { continue };
        let start = time - (time - from).rem_euclid(period);
        found.entry(start).and_modify(|before| *before = before.and(summary)).or_insert(summary);
    }
    found
}

fn time(value: &Value, name: &str) -> Option<i64> {
    let member = value.member(name)?;
    let seconds = member.as_f64().map(|seconds| (seconds * 1000.0) as i64);
    seconds.or_else(|| Some(DateTime::parse_from_rfc3339(member.as_str()?).ok()?.timestamp_millis()))
}

fn double(value: &Value, name: &str) -> Option<f64> {
    let member = value.member(name)?;
    member.as_f64().or_else(|| member.as_str()?.parse().ok()).filter(|number| number.is_finite())
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let namespace = request.input.need("Namespace", missing)?;
    if namespace.starts_with("AWS/") {
        return Err(AwsError::new("InvalidParameterValue", "The namespace AWS/ is reserved."));
    }
    let data = request.input.list("MetricData");
    if data.is_empty() || data.len() > 1000 {
        return Err(missing("MetricData"));
    }
    for datum in data {
        let metric = Metric::of(datum, Some(namespace))?;
        let at = time(datum, "Timestamp").unwrap_or(state.now());
        let values = datum.list("Values");
        if let Some(value) = double(datum, "Value") {
            record(state, &metric, at, value);
        } else if let Some(set) = datum.member("StatisticValues") {
            let need = |name: &str| double(set, name).ok_or_else(|| missing(name));
            let (sum, count) = (need("Sum")?, need("SampleCount")?);
            add(state, &metric, at, Summary { sum, count, least: need("Minimum")?, most: need("Maximum")? });
        } else if values.is_empty() {
            return Err(invalid("a datum has one of Value, Values and StatisticValues"));
        }
        for value in values.iter().filter_map(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok())) {
            record(state, &metric, at, value);
        }
    }
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let wanted = input.list("Dimensions");
    let fits = |metric: &Metric| {
        input.text("Namespace").is_none_or(|namespace| metric.namespace == namespace)
            && input.text("MetricName").is_none_or(|name| metric.name == name)
            && wanted.iter().all(|one| {
                let value = metric.dimensions.get(one.text("Name").unwrap_or_default());
                value.is_some_and(|value| one.text("Value").is_none_or(|wanted| wanted == value))
            })
    };
    let all: BTreeSet<Metric> = state.list(VALUES).filter_map(|(id, _)| Metric::parse(id)).filter(fits).collect();
    let token = || AwsError::new("InvalidParameterValue", "the token is invalid");
    let (page, next) = pages::page(all.iter().map(Metric::json).collect(), input.text("NextToken"), 500, token)?;
    Ok(json!({ "Metrics": page, "NextToken": next }))
}

/// The span and the period that an input asks for, in milliseconds.
fn span(input: &Value, period: &Value) -> Result<((i64, i64), i64), AwsError> {
    let from = time(input, "StartTime").ok_or_else(|| missing("StartTime"))?;
    let to = time(input, "EndTime").ok_or_else(|| missing("EndTime"))?;
    let period = period.number("Period").ok_or_else(|| missing("Period"))?;
    if from >= to {
        return Err(AwsError::new("InvalidParameterValue", "StartTime must be less than EndTime."));
    }
    if period < 60 || period % 60 != 0 {
        return Err(AwsError::new("InvalidParameterValue", "the local account keeps values by the minute"));
    }
    Ok(((from - from.rem_euclid(MINUTE), to), period * 1000))
}

pub(super) fn statistics(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let metric = Metric::of(input, None)?;
    let (times, period) = span(input, input)?;
    let names = input.texts("Statistics");
    if names.is_empty() {
        return Err(missing("Statistics"));
    }
    let found = between(state, &metric, times, period);
    let points = found.into_iter().map(|(time, summary)| {
        let mut point = json!({ "Timestamp": clock::iso(time), "Unit": "None" });
        for name in &names {
            point[name] = json!(summary.statistic(name));
        }
        point
    });
    Ok(json!({ "Label": metric.name, "Datapoints": points.collect::<Vec<_>>() }))
}

pub(super) fn data(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut results = Vec::new();
    for query in request.input.list("MetricDataQueries") {
        let Some(stat) = query.member("MetricStat") else {
            return Err(invalid("the local account calculates no expressions"));
        };
        let metric = Metric::of(stat.member("Metric").ok_or_else(|| missing("Metric"))?, None)?;
        let (times, period) = span(&request.input, stat)?;
        let name = stat.need("Stat", missing)?;
        let found = between(state, &metric, times, period);
        let points: Vec<(String, f64)> = found
            .into_iter()
            .rev()
            .filter_map(|(time, summary)| Some((clock::iso(time), summary.statistic(name)?)))
            .collect();
        let (times, values): (Vec<String>, Vec<f64>) = points.into_iter().unzip();
        if query.flag("ReturnData").unwrap_or(true) {
            results.push(json!({
                "Id": query.need("Id", missing)?, "Label": query.text("Label").unwrap_or(&metric.name),
                "Timestamps": times, "Values": values, "StatusCode": "Complete",
            }));
        }
    }
    Ok(json!({ "MetricDataResults": results, "Messages": [] }))
}
