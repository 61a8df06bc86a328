//! Subscriptions. What people must confirm stays pending until they do, and goes after two days.

use super::{SUBSCRIPTIONS, invalid, map, missing, topic};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::pages;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

/// What a list says in place of the ARN of what isn't confirmed.
const PENDING: &str = "PendingConfirmation";
/// How long a subscription may wait for its confirmation, in milliseconds.
const WAITS: i64 = 48 * 3_600_000;

fn is_there(subscription: &Value, now: i64) -> bool {
    subscription["confirmed"] == true || subscription.number("since").is_some_and(|since| now - since < WAITS)
}

/// The subscriptions of a topic by ARN.
fn of_topic(state: &State<'_>, topic: &str) -> Vec<(String, Value)> {
    let prefix = format!("{topic}:");
    let all = state.range(SUBSCRIPTIONS, &prefix).take_while(|(arn, _)| arn.starts_with(&prefix));
    all.filter(|(_, one)| is_there(one, state.now())).map(|(arn, one)| (arn.to_owned(), one.clone())).collect()
}

/// How many are pending and how many are confirmed.
pub(super) fn counts(state: &State<'_>, topic: &str) -> (usize, usize) {
    let all = of_topic(state, topic);
    let confirmed = all.iter().filter(|(_, one)| one["confirmed"] == true).count();
    (all.len() - confirmed, confirmed)
}

/// Removes all of a topic's.
pub(super) fn drop_all(state: &mut State<'_>, topic: &str) {
    let prefix = format!("{topic}:");
    let all: Vec<String> = state.list(SUBSCRIPTIONS).map(|(arn, _)| arn.to_owned()).collect();
    for arn in all.iter().filter(|arn| arn.starts_with(&prefix)) {
        state.remove(SUBSCRIPTIONS, arn);
    }
}

fn check(protocol: &str, endpoint: &str) -> Result<bool, AwsError> {
    let wrong = |reason: &str| Err(invalid(&format!("Endpoint {endpoint}"), reason));
    match protocol {
        "email" | "email-json" => {
            let parts: Vec<&str> = endpoint.split('@').collect();
            match parts[..] {
                [local, domain] if !local.is_empty() && domain.contains('.') => Ok(false),
                _ => Err(invalid("Email address", "Email address is not valid")),
            }
        }
        "http" | "https" if endpoint.starts_with(&format!("{protocol}://")) => Ok(false),
        "http" | "https" => wrong("Endpoint must match the specified protocol"),
        "sqs" | "lambda" | "firehose" if endpoint.starts_with("arn:") => Ok(true),
        "sqs" | "lambda" | "firehose" => wrong("the endpoint is no ARN"),
        "sms" if endpoint.starts_with('+') => Ok(true),
        "sms" => wrong("Invalid SMS endpoint"),
        _ => Err(invalid("Protocol", &format!("Does not support this protocol string: {protocol}"))),
    }
}

pub(super) fn subscribe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (topic, _) = topic(state, request)?;
    let protocol = request.input.need("Protocol", missing)?;
    let endpoint = request.input.need("Endpoint", |_| invalid("Endpoint", "null"))?;
    let confirmed = check(protocol, endpoint)?;
    let same = |one: &Value| one["protocol"] == protocol && one["endpoint"] == endpoint;
    let before = of_topic(state, &topic).into_iter().find(|(_, one)| same(one));
    let (arn, confirmed) = match before {
        Some((arn, one)) => (arn, one["confirmed"] == true),
        None => {
            let arn = format!("{topic}:{}", ids::uuid());
            let now = state.now();
            let document = json!({
                "protocol": protocol, "endpoint": endpoint, "confirmed": confirmed, "since": now, "topic": topic,
            });
            state.put(SUBSCRIPTIONS, &arn, document);
            (arn, confirmed)
        }
    };
    let told = confirmed || request.input.flag("ReturnSubscriptionArn").unwrap_or(false);
    Ok(json!({ "SubscriptionArn": if told { arn } else { "pending confirmation".to_owned() } }))
}

/// The token that AWS would send to the endpoint is here the last part of the subscription's ARN.
pub(super) fn confirm(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (topic, _) = topic(state, request)?;
    let arn = format!("{topic}:{}", request.input.need("Token", missing)?);
    if state.update(SUBSCRIPTIONS, &arn, |one| one["confirmed"] = json!(true)) {
        return Ok(json!({ "SubscriptionArn": arn }));
    }
    Err(invalid("Token", "Invalid token"))
}

/// The subscription that an input names.
fn subscription(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let arn = request.input.need("SubscriptionArn", missing)?;
    if arn.splitn(7, ':').count() < 7 {
        return Err(invalid("SubscriptionArn", "An ARN must have at least 6 elements"));
    }
    let found = state.get(SUBSCRIPTIONS, arn).filter(|one| is_there(one, state.now())).cloned();
    let found = found.ok_or_else(|| AwsError::new("NotFound", "Subscription does not exist").status(404))?;
    Ok((arn.to_owned(), found))
}

pub(super) fn unsubscribe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, found) = match subscription(state, request) {
        Err(error) if error.code == "NotFound" => return Ok(json!({})),
        found => found?,
    };
    if found["confirmed"] != true {
        return Err(invalid("SubscriptionArn", "This subscription is pending confirmation and can't be deleted"));
    }
    state.remove(SUBSCRIPTIONS, &arn);
    Ok(json!({}))
}

pub(super) fn attributes(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, one) = subscription(state, request)?;
    let text = |name: &str| one.text(name).unwrap_or_default().to_owned();
    let attributes = [
        ("SubscriptionArn", arn.clone()),
        ("TopicArn", text("topic")),
        ("Owner", request.account.clone()),
        ("Protocol", text("protocol")),
        ("Endpoint", text("endpoint")),
        ("PendingConfirmation", (one["confirmed"] != true).to_string()),
        ("RawMessageDelivery", "false".to_owned()),
    ];
    Ok(json!({ "Attributes": map(attributes) }))
}

fn paged(request: &Request, found: Vec<(String, Value)>) -> Result<Value, AwsError> {
    let listed = found.into_iter().map(|(arn, one)| {
        json!({
            "SubscriptionArn": if one["confirmed"] == true { arn } else { PENDING.to_owned() },
            "Owner": request.account, "Protocol": one["protocol"], "Endpoint": one["endpoint"], "TopicArn": one["topic"],
        })
    });
    let token = || invalid("NextToken", "Bad pagination token");
    let (page, next) = pages::page(listed.collect(), request.input.text("NextToken"), 100, token)?;
    Ok(json!({ "Subscriptions": page, "NextToken": next }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let all = state.list(SUBSCRIPTIONS).filter(|(_, one)| is_there(one, state.now()));
    paged(request, all.map(|(arn, one)| (arn.to_owned(), one.clone())).collect())
}

pub(super) fn list_by_topic(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (topic, _) = topic(state, request)?;
    paged(request, of_topic(state, &topic))
}
