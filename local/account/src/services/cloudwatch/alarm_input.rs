//! What an alarm's input may say.

use super::{invalid, missing};
use crate::error::AwsError;
use crate::fields::Fields;
use lakewright_iam::Arn;
use serde_json::{Map, Value, json};

const TEXTS: [&str; 14] = [
    "AlarmName",
    "AlarmDescription",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Unit",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "ThresholdMetricId",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
];
const NUMBERS: [&str; 3] = ["Period", "EvaluationPeriods", "DatapointsToAlarm"];
const OTHERS: [&str; 6] = ["ActionsEnabled", "Dimensions", "Threshold", "Metrics", "Tags", "WarmUpConfiguration"];

const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
const COMPARISONS: [&str; 4] =
    ["GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"];
const MISSING: [&str; 4] = ["breaching", "notBreaching", "ignore", "missing"];
/// The seconds that an alarm may look back over: a day, and a week where periods are an hour or more.
const DAY: i64 = 86_400;

/// The alarm that an input describes, numbers typed and defaults filled in.
pub(super) fn alarm(input: &Value) -> Result<Map<String, Value>, AwsError> {
    let members = input.as_object().ok_or_else(|| missing("AlarmName"))?;
    let known = |name: &str| TEXTS.contains(&name) || NUMBERS.contains(&name) || OTHERS.contains(&name);
    if let Some(unknown) = members.keys().find(|name| !known(name)) {
        return Err(invalid(format!("the local account knows no parameter {unknown}")));
    }
    length(input, "AlarmName", 1, 255)?;
    length(input, "AlarmDescription", 0, 1024)?;
    one_of(input, "ComparisonOperator", &COMPARISONS)?;
    one_of(input, "TreatMissingData", &MISSING)?;
    one_of(input, "Statistic", &STATISTICS)?;
    input.need("ComparisonOperator", missing)?;
    let evaluations = positive(input, "EvaluationPeriods")?.ok_or_else(|| missing("EvaluationPeriods"))?;
    if let Some(datapoints) = positive(input, "DatapointsToAlarm")?
        && datapoints > evaluations
    {
        return Err(invalid("DatapointsToAlarm must not be greater than EvaluationPeriods"));
    }
    let threshold = double(input, "Threshold").ok_or_else(|| missing("Threshold"))?;
    actions(input)?;
    let metrics = input.list("Metrics");
    let period = if metrics.is_empty() { single(input)? } else { queries(input, metrics)? };
    let most = if period >= 3600 { 7 * DAY } else { DAY };
    if period * evaluations > most {
        return Err(invalid(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {most}).",
            if most == DAY { "a day" } else { "seven days" }
        )));
    }
    let mut alarm: Map<String, Value> = members
        .iter()
        .filter(|(name, value)| *name != "Tags" && !value.is_null())
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    for name in NUMBERS {
        if let Some(number) = input.number(name) {
            alarm.insert(name.to_owned(), json!(number));
        }
    }
    alarm.insert("Threshold".to_owned(), json!(threshold));
    alarm.insert("ActionsEnabled".to_owned(), json!(input.flag("ActionsEnabled").unwrap_or(true)));
    alarm.remove("Metrics");
    if !metrics.is_empty() {
        alarm.insert("Metrics".to_owned(), Value::Array(metrics.iter().map(typed_query).collect()));
    }
    if let Some(minutes) = warm_up(input)? {
        alarm.insert("WarmUpConfiguration".to_owned(), minutes);
    }
    for list in ["OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions"] {
        alarm.insert(list.to_owned(), Value::Array(input.list(list).to_vec()));
    }
    Ok(alarm)
}

fn warm_up(input: &Value) -> Result<Option<Value>, AwsError> {
    let Some(given) = input.member("WarmUpConfiguration") else { return Ok(None) };
    let minutes = given.number("WarmUpPeriodDurationInMinutes").filter(|minutes| (1..=2880).contains(minutes));
    let minutes = minutes.ok_or_else(|| invalid("WarmUpPeriodDurationInMinutes must be between 1 and 2880"))?;
    let wait = given.flag("OnlyStartEvaluatingAfterWarmUpPeriodEnds").unwrap_or(false);
    Ok(Some(json!({
        "WarmUpPeriodDurationInMinutes": minutes, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": wait,
    })))
}

fn length(value: &Value, name: &str, least: usize, most: usize) -> Result<(), AwsError> {
    let length = value.text(name).map_or(0, |text| text.chars().count());
    if (least..=most).contains(&length) {
        return Ok(());
    }
    Err(invalid(format!("{name} must have {least} to {most} characters")))
}

fn one_of(value: &Value, name: &str, all: &[&str]) -> Result<(), AwsError> {
    match value.text(name) {
        Some(text) if !all.contains(&text) => Err(invalid(format!(
            "Value '{text}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set: {all:?}"
        ))),
        _ => Ok(()),
    }
}

fn double(value: &Value, name: &str) -> Option<f64> {
    let value = value.member(name)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite())
}

fn positive(value: &Value, name: &str) -> Result<Option<i64>, AwsError> {
    match value.number(name) {
        Some(..=0) => Err(invalid(format!("{name} must be at least 1"))),
        None if value.member(name).is_some() => Err(invalid(format!("{name} must be a number"))),
        number => Ok(number),
    }
}

fn actions(input: &Value) -> Result<(), AwsError> {
    for list in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        let actions = input.texts(list);
        if actions.len() > 5 {
            return Err(invalid(format!("{list} holds at most 5 actions")));
        }
        if let Some(wrong) = actions.iter().find(|arn| Arn::parse(arn).is_none()) {
            return Err(invalid(format!("Invalid arn syntax: {wrong}")));
        }
    }
    Ok(())
}

fn period(value: &Value) -> Result<i64, AwsError> {
    let period = positive(value, "Period")?.ok_or_else(|| missing("Period"))?;
    if [10, 20, 30].contains(&period) || period % 60 == 0 {
        return Ok(period);
    }
    Err(invalid("Period must be 10, 20, 30 or a multiple of 60"))
}

fn dimensions(value: &Value) -> Result<(), AwsError> {
    let dimensions = value.list("Dimensions");
    if dimensions.len() > 30 {
        return Err(invalid("a metric has at most 30 dimensions"));
    }
    for dimension in dimensions {
        length(dimension, "Name", 1, 255)?;
        length(dimension, "Value", 1, 1024)?;
    }
    Ok(())
}

fn metric(value: &Value) -> Result<(), AwsError> {
    length(value, "MetricName", 1, 255)?;
    length(value, "Namespace", 1, 255)?;
    if value.text("Namespace").is_some_and(|namespace| namespace.starts_with(':')) {
        return Err(invalid("Namespace must not begin with a colon"));
    }
    dimensions(value)
}

/// The period of an alarm on one metric.
fn single(input: &Value) -> Result<i64, AwsError> {
    metric(input)?;
    if input.member("Statistic").is_some() == input.member("ExtendedStatistic").is_some() {
        return Err(invalid("exactly one of Statistic and ExtendedStatistic must be given"));
    }
    period(input)
}

/// The longest period of an alarm on metrics that are calculated with.
fn queries(input: &Value, queries: &[Value]) -> Result<i64, AwsError> {
    for alone in ["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"] {
        if input.member(alone).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
            return Err(invalid(format!("{alone} must not be given together with Metrics")));
        }
    }
    if queries.len() > 20 {
        return Err(invalid("an alarm takes at most 20 metrics and expressions"));
    }
    let mut ids = Vec::new();
    let (mut returned, mut metrics, mut longest) = (0, 0, 60);
    for query in queries {
        let id = query.need("Id", missing)?;
        let fits = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !fits || ids.contains(&id) {
            return Err(invalid(format!("Invalid or repeated metric id: {id}")));
        }
        ids.push(id);
        returned += usize::from(query.flag("ReturnData").unwrap_or(true));
        match (query.member("MetricStat"), query.member("Expression")) {
            (Some(stat), None) => {
                metrics += 1;
                metric(stat.member("Metric").ok_or_else(|| missing("Metric"))?)?;
                stat.need("Stat", missing)?;
                longest = longest.max(period(stat)?);
            }
            (None, Some(_)) => {
                length(query, "Expression", 1, 2048)?;
                longest = longest.max(positive(query, "Period")?.unwrap_or(60));
            }
            _ => return Err(invalid("each of Metrics has a MetricStat or an Expression")),
        }
    }
    if metrics > 10 {
        return Err(invalid("an alarm takes at most 10 metrics"));
    }
    if returned != 1 {
        return Err(invalid("exactly one of Metrics must return data"));
    }
    Ok(longest)
}

fn typed_query(query: &Value) -> Value {
    let mut query = query.clone();
    query["ReturnData"] = json!(query.flag("ReturnData").unwrap_or(true));
    if let Some(number) = query.number("Period") {
        query["Period"] = json!(number);
    }
    if let Some(number) = query.member("MetricStat").and_then(|stat| stat.number("Period")) {
        query["MetricStat"]["Period"] = json!(number);
    }
    query
}
