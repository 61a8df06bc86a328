//! The notifications of a budget and their subscribers.

use super::{BUDGETS, invalid, missing, named, not_found, paged};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use lakewright_iam::Arn;
use serde_json::{Value, json};

/// What distinguishes one notification of a budget from another.
const IDENTITY: [&str; 4] = ["NotificationType", "ComparisonOperator", "Threshold", "ThresholdType"];

/// A notification as it is kept, with its subscribers.
pub(super) fn notification(given: Option<&Value>, subscribers: Vec<Value>) -> Result<Value, AwsError> {
    let given = given.ok_or_else(|| missing("notification"))?;
    let kind = given.need("NotificationType", missing)?;
    let operator = given.need("ComparisonOperator", missing)?;
    let scale = given.text("ThresholdType").unwrap_or("PERCENTAGE");
    let threshold = given.member("Threshold").and_then(Value::as_f64).ok_or_else(|| missing("threshold"))?;
    if !["ACTUAL", "FORECASTED"].contains(&kind)
        || !["GREATER_THAN", "LESS_THAN", "EQUAL_TO"].contains(&operator)
        || !["PERCENTAGE", "ABSOLUTE_VALUE"].contains(&scale)
    {
        return Err(invalid("NotificationType, ComparisonOperator or ThresholdType is none that there is"));
    }
    if threshold <= 0.0 {
        return Err(invalid("Notification threshold must be a positive number"));
    }
    Ok(json!({
        "NotificationType": kind, "ComparisonOperator": operator, "Threshold": threshold, "ThresholdType": scale,
        "NotificationState": "OK", "subscribers": subscribers,
    }))
}

fn subscriber(given: &Value) -> Result<Value, AwsError> {
    let kind = given.need("SubscriptionType", missing)?;
    let address = given.need("Address", missing)?;
    let sound = match kind {
        "EMAIL" => address.contains('@') && address.len() <= 50,
        "SNS" => Arn::parse(address).is_some_and(|arn| arn.service == "sns"),
        _ => false,
    };
    if !sound {
        return Err(invalid(format!("the subscriber {kind} {address} is not valid")));
    }
    Ok(json!({ "SubscriptionType": kind, "Address": address }))
}

/// The subscribers of an input: one topic at most, ten addresses at most.
pub(super) fn subscriber_list(given: &[Value]) -> Result<Vec<Value>, AwsError> {
    let all: Vec<Value> = given.iter().map(subscriber).collect::<Result<_, _>>()?;
    fits(&all)?;
    Ok(all)
}

fn fits(all: &[Value]) -> Result<(), AwsError> {
    let topics = all.iter().filter(|one| one["SubscriptionType"] == "SNS").count();
    if all.is_empty() {
        return Err(invalid("a notification has at least one subscriber"));
    }
    if topics > 1 || all.len() - topics > 10 {
        return Err(AwsError::new("CreationLimitExceededException", "at most one topic and ten addresses"));
    }
    Ok(())
}

fn same(kept: &Value, given: &Value) -> bool {
    IDENTITY.iter().all(|member| kept[member] == given[member])
}

/// The place of the input's notification in the budget.
fn place(request: &Request, budget: &Value) -> Result<usize, AwsError> {
    let given = notification(request.input.member("Notification"), Vec::new())?;
    let all = budget["notifications"].as_array().into_iter().flatten();
    all.enumerate().find(|(_, kept)| same(kept, &given)).map(|(at, _)| at).ok_or_else(|| not_found("the notification"))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut budget) = named(state, request)?;
    let subscribers = subscriber_list(request.input.list("Subscribers"))?;
    let given = notification(request.input.member("Notification"), subscribers)?;
    if place(request, &budget).is_ok() {
        return Err(AwsError::new("DuplicateRecordException", "the notification already exists"));
    }
    let Some(all) = budget["notifications"].as_array_mut() else { return Err(AwsError::internal("no notifications")) };
    if all.len() >= 5 {
        return Err(AwsError::new("CreationLimitExceededException", "a budget has at most 5 notifications"));
    }
    all.push(given);
    state.put(BUDGETS, &name, budget);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut budget) = named(state, request)?;
    let at = place(request, &budget)?;
    if let Some(all) = budget["notifications"].as_array_mut() {
        all.remove(at);
    }
    state.put(BUDGETS, &name, budget);
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, budget) = named(state, request)?;
    let told = |one: &Value| {
        let mut one = one.clone();
        if let Some(members) = one.as_object_mut() {
            members.remove("subscribers");
        }
        one
    };
    paged(request, "Notifications", budget.list("notifications").iter().map(told).collect(), 100)
}

pub(super) fn subscribers(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, budget) = named(state, request)?;
    let at = place(request, &budget)?;
    paged(request, "Subscribers", budget["notifications"][at].list("subscribers").to_vec(), 100)
}

pub(super) fn add_subscriber(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut budget) = named(state, request)?;
    let at = place(request, &budget)?;
    let given = subscriber(request.input.member("Subscriber").ok_or_else(|| missing("subscriber"))?)?;
    let mut all = budget["notifications"][at].list("subscribers").to_vec();
    if all.contains(&given) {
        return Err(AwsError::new("DuplicateRecordException", "the subscriber already exists"));
    }
    all.push(given);
    fits(&all)?;
    budget["notifications"][at]["subscribers"] = Value::Array(all);
    state.put(BUDGETS, &name, budget);
    Ok(json!({}))
}

pub(super) fn remove_subscriber(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut budget) = named(state, request)?;
    let at = place(request, &budget)?;
    let given = subscriber(request.input.member("Subscriber").ok_or_else(|| missing("subscriber"))?)?;
    let mut all = budget["notifications"][at].list("subscribers").to_vec();
    let before = all.len();
    all.retain(|one| *one != given);
    if all.len() == before {
        return Err(not_found("the subscriber"));
    }
    // A notification without subscribers goes with the last of them.
    if let Some(notifications) = budget["notifications"].as_array_mut().filter(|_| all.is_empty()) {
        notifications.remove(at);
    } else {
        budget["notifications"][at]["subscribers"] = Value::Array(all);
    }
    state.put(BUDGETS, &name, budget);
    Ok(json!({}))
}
