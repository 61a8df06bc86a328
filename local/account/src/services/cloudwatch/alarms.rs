//! Alarms and their states.

use super::tags::{alarm as arn, given};
use super::{ALARMS, alarm_input, invalid, missing};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

const STATES: [&str; 3] = ["OK", "ALARM", "INSUFFICIENT_DATA"];

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let alarm = alarm_input::alarm(&request.input)?;
    let tags = given(request)?;
    let name = request.input.need("AlarmName", missing)?;
    let now = clock::iso(state.now());
    let before = state.get(ALARMS, name).cloned();
    let mut document = Value::Object(alarm);
    // An alarm that is changed keeps its state until it is evaluated again, and its tags whatever the input says.
    let kept = before.clone().unwrap_or_else(|| {
        json!({
            "StateValue": "INSUFFICIENT_DATA", "StateReason": "Unchecked: Initial alarm creation",
            "StateUpdatedTimestamp": now, "StateTransitionedTimestamp": now,
        })
    });
    for member in
        ["StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp"]
    {
        if let Some(value) = kept.member(member) {
            document[member] = value.clone();
        }
    }
    document["AlarmArn"] = json!(arn(request, name));
    document["AlarmConfigurationUpdatedTimestamp"] = json!(now);
    if before.is_none() {
        state.set_tags(&arn(request, name), &tags);
    }
    state.put(ALARMS, name, document);
    Ok(json!({}))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let names = input.texts("AlarmNames");
    let prefix = input.text("AlarmNamePrefix");
    if !names.is_empty() && prefix.is_some() {
        return Err(invalid("AlarmNames and AlarmNamePrefix must not be given together"));
    }
    if names.len() > 100 {
        return Err(invalid("AlarmNames holds at most 100 names"));
    }
    let most = input.number("MaxRecords").unwrap_or(50);
    if !(1..=100).contains(&most) {
        return Err(invalid("MaxRecords must be between 1 and 100"));
    }
    let types = input.texts("AlarmTypes");
    let wanted = input.text("StateValue");
    let action = input.text("ActionPrefix");
    let actions = |alarm: &Value| -> Vec<String> {
        ["OKActions", "AlarmActions", "InsufficientDataActions"].iter().flat_map(|list| alarm.texts(list)).collect()
    };
    let found: Vec<Value> = state
        .list(ALARMS)
        .filter(|(name, _)| names.is_empty() || names.iter().any(|one| one == name))
        .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .filter(|(_, alarm)| wanted.is_none_or(|wanted| alarm.text("StateValue") == Some(wanted)))
        .filter(|(_, alarm)| action.is_none_or(|action| actions(alarm).iter().any(|arn| arn.starts_with(action))))
        .filter(|_| types.is_empty() || types.iter().any(|one| one == "MetricAlarm"))
        .map(|(_, alarm)| alarm.clone())
        .collect();
    let token = || AwsError::new("InvalidNextToken", "The next token specified is invalid.");
    let (page, next) = pages::page(found, input.text("NextToken"), most as usize, token)?;
    Ok(json!({ "MetricAlarms": page, "CompositeAlarms": [], "NextToken": next }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("AlarmNames");
    if names.is_empty() || names.len() > 100 {
        return Err(invalid("AlarmNames must name 1 to 100 alarms"));
    }
    // Those that are there are deleted whatever the others are.
    let mut lacks = false;
    for name in &names {
        if state.remove(ALARMS, name).is_some() {
            state.forget_tags(&arn(request, name));
        } else {
            lacks = true;
        }
    }
    if lacks && names.len() == 1 {
        return Err(AwsError::new("ResourceNotFound", format!("the alarm {} does not exist", names[0])).status(404));
    }
    Ok(json!({}))
}

pub(super) fn set_state(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let value = request.input.need("StateValue", missing)?;
    let reason = request.input.need("StateReason", missing)?;
    if !STATES.contains(&value) {
        return Err(invalid(format!("StateValue must be one of {STATES:?}")));
    }
    let now = clock::iso(state.now());
    let there = state.update(ALARMS, request.input.need("AlarmName", missing)?, |alarm| {
        if alarm["StateValue"] != value {
            alarm["StateTransitionedTimestamp"] = json!(now);
        }
        alarm["StateValue"] = json!(value);
        alarm["StateReason"] = json!(reason);
        alarm["StateUpdatedTimestamp"] = json!(now);
    });
    if there { Ok(json!({})) } else { Err(AwsError::new("ResourceNotFound", "the alarm does not exist").status(404)) }
}

pub(super) fn enable_actions(state: &mut State<'_>, request: &Request, enabled: bool) -> Result<Value, AwsError> {
    for name in request.input.texts("AlarmNames") {
        state.update(ALARMS, &name, |alarm| alarm["ActionsEnabled"] = json!(enabled));
    }
    Ok(json!({}))
}
