//! Metrics out of log events: those in the embedded metric format, and those that metric filters count.

use super::filters;
use crate::fields::Fields;
use crate::services::cloudwatch::{Metric, record};
use crate::state::State;
use serde_json::Value;
use std::collections::BTreeMap;

/// Takes the metrics of an event of a group.
pub(super) fn extract(state: &mut State<'_>, group: &str, time: i64, message: &str) {
    let line: Option<Value> =
        message.trim_start().starts_with('{').then(|| serde_json::from_str(message).ok()).flatten();
    let mut found = line.as_ref().map(embedded).unwrap_or_default();
    for (_, filter) in filters::of_group(state, group) {
        found.extend(counted(filter, message, line.as_ref()).map(|(metric, value)| (metric, time, value)));
    }
    for (metric, time, value) in found {
        record(state, &metric, time, value);
    }
}

/// The values of an event in the embedded metric format.
fn embedded(line: &Value) -> Vec<(Metric, i64, f64)> {
    let Some(time) = line["_aws"].number("Timestamp") else { return Vec::new() };
    let mut found = Vec::new();
    for directive in line["_aws"].list("CloudWatchMetrics") {
        let sets: Vec<Vec<&str>> = directive
            .list("Dimensions")
            .iter()
            .map(|set| set.as_array().into_iter().flatten().filter_map(Value::as_str).collect())
            .collect();
        let names = directive.list("Metrics").iter().filter_map(|metric| metric.text("Name"));
        for name in names {
            let values: Vec<f64> = match &line[name] {
                Value::Array(all) => all.iter().filter_map(Value::as_f64).collect(),
                one => one.as_f64().into_iter().collect(),
            };
            for set in &sets {
                let dimensions = set.iter().filter_map(|key| Some(((*key).to_owned(), line.text(key)?.to_owned())));
                let metric = Metric {
                    namespace: directive.text("Namespace").unwrap_or_default().to_owned(),
                    name: name.to_owned(),
                    dimensions: dimensions.collect(),
                };
                found.extend(values.iter().map(|value| (metric.clone(), time, *value)));
            }
        }
    }
    found
}

/// The member of a line that a selector such as `$.a.b` names.
fn selected<'a>(line: &'a Value, selector: &str) -> Option<&'a Value> {
    selector.strip_prefix("$.")?.split('.').try_fold(line, |place, name| place.get(name))
}

/// Whether an event matches: words, `?words`, and JSON patterns of comparisons joined by `&&`.
fn matches(pattern: &str, message: &str, line: Option<&Value>) -> bool {
    let pattern = pattern.trim();
    if let Some(conditions) = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return line.is_some_and(|line| conditions.split("&&").all(|condition| holds(condition.trim(), line)));
    }
    let words: Vec<&str> = pattern.split_whitespace().collect();
    let has = |word: &str| message.contains(word.trim_matches('"'));
    let (any, all): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|word| word.starts_with('?'));
    all.iter().all(|word| has(word)) && (any.is_empty() || any.iter().any(|word| has(&word[1..])))
}

fn holds(condition: &str, line: &Value) -> bool {
    let operator = ["!=", ">=", "<=", "=", ">", "<"].into_iter().find(|operator| condition.contains(operator));
    let Some((selector, wanted)) = operator.and_then(|operator| condition.split_once(operator)) else { return false };
    let (Some(value), wanted) = (selected(line, selector.trim()), wanted.trim().trim_matches('"')) else {
        return false;
    };
    match (operator, value.as_f64().zip(wanted.parse::<f64>().ok())) {
        (Some("="), None) => value.as_str() == Some(wanted),
        (Some("!="), None) => value.as_str() != Some(wanted),
        (Some("="), Some((a, b))) => (a - b).abs() < f64::EPSILON,
        (Some("!="), Some((a, b))) => (a - b).abs() >= f64::EPSILON,
        (Some(">"), Some((a, b))) => a > b,
        (Some("<"), Some((a, b))) => a < b,
        (Some(">="), Some((a, b))) => a >= b,
        (Some("<="), Some((a, b))) => a <= b,
        _ => false,
    }
}

/// What a filter makes of an event.
fn counted(filter: &Value, message: &str, line: Option<&Value>) -> Option<(Metric, f64)> {
    if !matches(filter.text("filterPattern").unwrap_or_default(), message, line) {
        return None;
    }
    let transformation = &filter["metricTransformations"][0];
    let value = transformation.text("metricValue")?;
    let value = match value.strip_prefix('$') {
        Some(_) => selected(line?, value)?.as_f64()?,
        None => value.parse().ok()?,
    };
    let selectors = transformation.member("dimensions").and_then(Value::as_object).into_iter().flatten();
    let dimensions = selectors
        .map(|(name, selector)| Some((name.clone(), selected(line?, selector.as_str()?)?.as_str()?.to_owned())))
        .collect::<Option<BTreeMap<_, _>>>()?;
    let metric = Metric {
        namespace: transformation.text("metricNamespace")?.to_owned(),
        name: transformation.text("metricName")?.to_owned(),
        dimensions,
    };
    Some((metric, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_match_as_cloudwatch_says() {
        let line = json!({"level": "ERROR", "took": {"seconds": 61}});
        let text = line.to_string();
        for pattern in
            ["", "ERROR", "?WARN ?ERROR", "{ $.level = \"ERROR\" }", "{ $.took.seconds > 60 && $.level != \"INFO\" }"]
        {
            assert!(matches(pattern, &text, Some(&line)), "{pattern}");
        }
        for pattern in ["WARN", "?WARN ?INFO", "{ $.level = \"INFO\" }", "{ $.took.seconds > 61 }", "{ $.none = 1 }"] {
            assert!(!matches(pattern, &text, Some(&line)), "{pattern}");
        }
    }
}
