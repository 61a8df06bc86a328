//! Metric filters of log groups.

use super::groups::group;
use super::{invalid, missing, not_found, paged};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

pub(super) const FILTERS: &str = "logs/metric-filter";
/// How many a log group has at most.
const MOST: usize = 100;

fn id(group: &str, filter: &str) -> String {
    format!("{group}\0{filter}")
}

/// The filters of a group by id.
pub(super) fn of_group<'s>(state: &'s State<'_>, group: &str) -> Vec<(&'s str, &'s Value)> {
    let prefix = id(group, "");
    state.range(FILTERS, &prefix).take_while(|(id, _)| id.starts_with(&prefix)).collect()
}

/// Removes a group's filters.
pub(super) fn drop_all(state: &mut State<'_>, group: &str) {
    let all: Vec<String> = of_group(state, group).into_iter().map(|(id, _)| id.to_owned()).collect();
    for id in all {
        state.remove(FILTERS, &id);
    }
}

/// What is wrong with a pattern; its brackets and quotes are checked, not its words.
fn pattern_mistake(pattern: &str) -> Option<&'static str> {
    if pattern.chars().count() > 1024 {
        return Some("longer than 1024 characters");
    }
    let trimmed = pattern.trim();
    if !trimmed.matches('"').count().is_multiple_of(2) {
        return Some("a quote isn't closed");
    }
    match trimmed.chars().next() {
        Some('{') if !trimmed.ends_with('}') => Some("a brace isn't closed"),
        Some('{') if !trimmed.contains('$') => Some("a JSON pattern selects by $"),
        Some('{') if !trimmed.contains(['=', '<', '>']) && !trimmed.contains(" IS ") && !trimmed.contains(" NOT ") => {
            Some("a JSON pattern compares")
        }
        Some('[') if !trimmed.ends_with(']') => Some("a bracket isn't closed"),
        Some('%') if trimmed.len() < 2 || !trimmed.ends_with('%') => Some("a regular expression isn't closed"),
        _ => None,
    }
}

fn name(request: &Request) -> Result<&str, AwsError> {
    let name = request.input.need("filterName", missing)?;
    if name.chars().count() > 512 || name.contains([':', '*']) {
        return Err(invalid("Value at 'filterName' failed to satisfy constraint: [^:*]*"));
    }
    Ok(name)
}

fn transformation(given: &Value, pattern: &str) -> Result<Value, AwsError> {
    for (member, most) in [("metricName", 255), ("metricNamespace", 255), ("metricValue", 100)] {
        let value = given.need(member, missing)?;
        let plain = member == "metricValue" || !value.contains([':', '*', '$']);
        if value.chars().count() > most || !plain {
            return Err(invalid(format!("Value '{value}' at '{member}' is not valid")));
        }
    }
    let value = given.text("metricValue").unwrap_or_default();
    if !value.starts_with('$') && value.parse::<f64>().is_err() {
        return Err(invalid(format!(
            "Invalid metric transformation: metricValue {value} is no number and no selector"
        )));
    }
    let dimensions = given.member("dimensions").and_then(Value::as_object);
    if let Some(dimensions) = dimensions.filter(|dimensions| !dimensions.is_empty()) {
        if dimensions.len() > 3 || given.member("defaultValue").is_some() {
            return Err(invalid("Invalid metric transformation: at most 3 dimensions, and no default value with them"));
        }
        if !pattern.trim().starts_with(['{', '[']) {
            return Err(invalid("Invalid metric transformation: dimensions need a JSON or space-delimited pattern"));
        }
    }
    Ok(given.clone())
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (group, _) = group(state, request)?;
    let name = name(request)?;
    let pattern = request.input.text("filterPattern").ok_or_else(|| missing("filterPattern"))?;
    if let Some(mistake) = pattern_mistake(pattern) {
        return Err(invalid(format!("Invalid metric filter pattern: {mistake}")));
    }
    let [transformation_given] = request.input.list("metricTransformations") else {
        return Err(invalid("a metric filter has exactly one metric transformation"));
    };
    let transformation = transformation(transformation_given, pattern)?;
    let id = id(&group, name);
    let known = state.get(FILTERS, &id).is_some();
    if !known && of_group(state, &group).len() >= MOST {
        return Err(AwsError::new("LimitExceededException", "Resource limit exceeded."));
    }
    let created = state.get(FILTERS, &id).map_or(json!(state.now()), |filter| filter["creationTime"].clone());
    let mut filter = json!({
        "filterName": name, "logGroupName": group, "filterPattern": pattern, "creationTime": created,
        "metricTransformations": [transformation],
        "applyOnTransformedLogs": request.input.flag("applyOnTransformedLogs").unwrap_or_default(),
    });
    for member in ["fieldSelectionCriteria", "emitSystemFieldDimensions"] {
        if let Some(given) = request.input.member(member) {
            filter[member] = given.clone();
        }
    }
    state.put(FILTERS, &id, filter);
    Ok(json!({}))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let one = input.text("logGroupName");
    if one.is_some() {
        group(state, request)?;
    }
    let prefix = input.text("filterNamePrefix").filter(|_| one.is_some());
    let (metric, namespace) = (input.text("metricName"), input.text("metricNamespace"));
    if metric.is_some() != namespace.is_some() {
        return Err(invalid("metricName and metricNamespace must be given together"));
    }
    let fits = |filter: &Value| {
        let transformation = &filter["metricTransformations"][0];
        one.is_none_or(|group| filter["logGroupName"] == group)
            && prefix.is_none_or(|prefix| filter.text("filterName").is_some_and(|name| name.starts_with(prefix)))
            && metric.is_none_or(|metric| transformation["metricName"] == metric)
            && namespace.is_none_or(|namespace| transformation["metricNamespace"] == namespace)
    };
    let found = state.list(FILTERS).map(|(_, filter)| filter).filter(|filter| fits(filter)).cloned().collect();
    paged(request, "metricFilters", found, 50)
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (group, _) = group(state, request)?;
    let id = id(&group, name(request)?);
    match state.remove(FILTERS, &id) {
        Some(_) => Ok(json!({})),
        None => Err(not_found("metric filter")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_logs_refuses_are_told_from_others() {
        for sound in ["", "ERROR", "?ERROR ?\"a b\"", "{ $.level = \"ERROR\" }", "[ip, user, ...]", "%ERR.%"] {
            assert_eq!(pattern_mistake(sound), None, "{sound}");
        }
        for wrong in ["{ $.level = \"ERROR\"", "\"a", "[a, b", "{ level }", "{ $.level }", "%"] {
            assert!(pattern_mistake(wrong).is_some(), "{wrong}");
        }
    }
}
