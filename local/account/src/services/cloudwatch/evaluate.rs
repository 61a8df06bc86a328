//! Judging alarms, when somebody looks at them.

use super::metrics::{Metric, between};
use super::{ALARMS, expression};
use crate::clock;
use crate::fields::Fields;
use crate::state::State;
use chrono::DateTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an alarm looks at: a metric, or what is calculated of some.
struct Watched {
    /// What it is called when the alarm names it.
    name: String,
    /// In milliseconds.
    period: i64,
}

/// The values of a metric's statistic by the time at which their periods begin; percentiles aren't kept.
fn series(state: &State<'_>, of: &Value, statistic: &str, span: (i64, i64), period: i64) -> Option<BTreeMap<i64, f64>> {
    let metric = Metric::of(of, None).ok()?;
    let found = between(state, &metric, span, period).into_iter();
    Some(found.filter_map(|(time, summary)| Some((time, summary.statistic(statistic)?))).collect())
}

/// What the alarm watches; none where this account can't say.
fn watched(alarm: &Value) -> Option<Watched> {
    if let Some(period) = alarm.number("Period") {
        return Some(Watched { name: alarm.text("MetricName")?.to_owned(), period: period * 1000 });
    }
    let periods = alarm.list("Metrics").iter().filter_map(|one| one["MetricStat"].number("Period"));
    let result = alarm.list("Metrics").iter().find(|one| one.flag("ReturnData").unwrap_or(true))?;
    let name = result.text("Label").or_else(|| result.text("Expression")).or_else(|| result.text("Id"))?;
    Some(Watched { name: name.to_owned(), period: periods.max()? * 1000 })
}

/// The values that the alarm is about, from one time to another.
fn values(state: &State<'_>, alarm: &Value, span: (i64, i64), period: i64) -> Option<Vec<f64>> {
    if alarm.list("Metrics").is_empty() {
        return Some(series(state, alarm, alarm.text("Statistic")?, span, period)?.into_values().collect());
    }
    let mut by_time: BTreeMap<i64, BTreeMap<String, f64>> = BTreeMap::new();
    let mut result = None;
    for query in alarm.list("Metrics") {
        let id = query.text("Id")?;
        if query.flag("ReturnData").unwrap_or(true) {
            result = Some(query.text("Expression").unwrap_or(id));
        }
        let Some(stat) = query.member("MetricStat") else { continue };
        for (time, value) in series(state, &stat["Metric"], stat.text("Stat")?, span, period)? {
            by_time.entry(time).or_default().insert(id.to_owned(), value);
        }
    }
    let result = result?;
    Some(by_time.values().filter_map(|metrics| expression::value(result, metrics)).collect())
}

/// What CloudWatch would say now of an alarm: its state and the reason. Percentiles aren't judged here.
fn judge(state: &State<'_>, alarm: &Value) -> Option<(&'static str, String)> {
    let Watched { name, period } = watched(alarm)?;
    let periods = alarm.number("EvaluationPeriods")?;
    let needed = alarm.number("DatapointsToAlarm").unwrap_or(periods);
    let threshold = alarm["Threshold"].as_f64()?;
    let now = state.now();
    // The period that is under way isn't judged.
    let end = now - now.rem_euclid(period);
    let values = values(state, alarm, (end - periods * period, end), period)?;
    let beyond = |value: f64| match alarm.text("ComparisonOperator") {
        Some("GreaterThanThreshold") => value > threshold,
        Some("GreaterThanOrEqualToThreshold") => value >= threshold,
        Some("LessThanThreshold") => value < threshold,
        _ => value <= threshold,
    };
    let lacking = periods - values.len() as i64;
    let breaching = values.iter().filter(|value| beyond(**value)).count() as i64;
    if values.is_empty() && warms_up(alarm, now) {
        return None;
    }
    let treated = alarm.text("TreatMissingData").unwrap_or("missing");
    let told = format!("{breaching} of {} values of {name} are beyond {threshold}", values.len());
    let beyond = breaching + if treated == "breaching" { lacking } else { 0 };
    match treated {
        "missing" if values.is_empty() => Some(("INSUFFICIENT_DATA", "no value".to_owned())),
        "ignore" if values.is_empty() => None,
        _ if beyond >= needed => Some(("ALARM", told)),
        _ => Some(("OK", told)),
    }
}

/// Whether an alarm still waits for the first value.
fn warms_up(alarm: &Value, now: i64) -> bool {
    let Some(warm_up) = alarm.member("WarmUpConfiguration") else { return false };
    let minutes = warm_up.number("WarmUpPeriodDurationInMinutes").unwrap_or_default();
    let since = alarm.text("AlarmConfigurationUpdatedTimestamp").and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    since.is_some_and(|since| now < since.timestamp_millis() + minutes * 60_000)
}

/// Brings all alarms to the state that they would have by now.
pub(super) fn all(state: &mut State<'_>) {
    let changed: Vec<(String, &'static str, String)> = state
        .list(ALARMS)
        .filter_map(|(name, alarm)| {
            let (value, reason) = judge(state, alarm)?;
            (alarm["StateValue"] != value).then(|| (name.to_owned(), value, reason))
        })
        .collect();
    let now = clock::iso(state.now());
    for (name, value, reason) in changed {
        state.update(ALARMS, &name, |alarm| {
            alarm["StateValue"] = json!(value);
            alarm["StateReason"] = json!(reason);
            alarm["StateUpdatedTimestamp"] = json!(now);
            alarm["StateTransitionedTimestamp"] = json!(now);
        });
    }
}
