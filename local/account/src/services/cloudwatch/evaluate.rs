//! Judging alarms, when somebody looks at them.

use super::ALARMS;
use super::metrics::{Metric, between};
use crate::clock;
use crate::fields::Fields;
use crate::state::State;
use chrono::DateTime;
use serde_json::{Value, json};

/// What CloudWatch would say now of an alarm: its state and the reason. Alarms that are calculated, and percentiles, aren't
/// judged here.
fn judge(state: &State<'_>, alarm: &Value) -> Option<(&'static str, String)> {
    let metric = Metric::of(alarm, None).ok()?;
    let statistic = alarm.text("Statistic")?;
    let period = alarm.number("Period")? * 1000;
    let periods = alarm.number("EvaluationPeriods")?;
    let needed = alarm.number("DatapointsToAlarm").unwrap_or(periods);
    let threshold = alarm["Threshold"].as_f64()?;
    let now = state.now();
    // The period that is under way isn't judged.
    let end = now - now.rem_euclid(period);
    let found = between(state, &metric, (end - periods * period, end), period);
    let beyond = |value: f64| match alarm.text("ComparisonOperator") {
        Some("GreaterThanThreshold") => value > threshold,
        Some("GreaterThanOrEqualToThreshold") => value >= threshold,
        Some("LessThanThreshold") => value < threshold,
        _ => value <= threshold,
    };
    let values: Vec<f64> = found.values().filter_map(|summary| summary.statistic(statistic)).collect();
    let lacking = periods - values.len() as i64;
    let breaching = values.iter().filter(|value| beyond(**value)).count() as i64;
    if values.is_empty() && warms_up(alarm, now) {
        return None;
    }
    let treated = alarm.text("TreatMissingData").unwrap_or("missing");
    let told = format!("{breaching} of {} values of {} are beyond {threshold}", values.len(), metric.name);
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
