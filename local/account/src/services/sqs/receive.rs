//! Receiving: messages are hidden from others for a while, and go to the dead-letter queue when they come too often.

use super::{QUEUES, attributes, invalid_parameter, messages, queue, redrive};
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use lakewright_iam::Arn;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a queue is looked at while a receiver waits.
const LOOK: Duration = Duration::from_millis(50);

/// The messages of a queue, waited for as long as the call or the queue says.
pub(super) async fn receive(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let (_, document) = account.transact(request, |state| queue(state, request))?;
    let default = |name: &str| attributes::number(&document, name);
    let number = |name: &str, default: i64, least: i64, most: i64| {
        let given = request.input.number(name).unwrap_or(default);
        if (least..=most).contains(&given) {
            return Ok(given);
        }
        Err(invalid_parameter(format!(
            "Value {given} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
        )))
    };
    let wait = number("WaitTimeSeconds", default("ReceiveMessageWaitTimeSeconds"), 0, 20)?;
    let most = number("MaxNumberOfMessages", 1, 1, 10)?;
    let hidden = number("VisibilityTimeout", default("VisibilityTimeout"), 0, 43_200)?;
    let end = Instant::now() + Duration::from_secs(wait.unsigned_abs());
    loop {
        let found = account.transact(request, |state| take(state, request, most as usize, hidden))?;
        if !found.is_empty() {
            return Ok(json!({ "Messages": found }));
        }
        if Instant::now() >= end {
            return Ok(json!({}));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes messages that can be received, and moves those away that were received too often.
fn take(state: &mut State<'_>, request: &Request, most: usize, hidden: i64) -> Result<Vec<Value>, AwsError> {
    let (name, document) = queue(state, request)?;
    let now = state.now();
    let kept_since = now - attributes::number(&document, "MessageRetentionPeriod") * 1000;
    let dead = redrive::target(&document);
    let (mut found, mut busy) = (Vec::new(), BTreeSet::new());
    for (key, mut message) in messages::all(state, &name) {
        if message["sent"].as_i64().is_some_and(|sent| sent < kept_since) {
            messages::take_out(state, &key);
            continue;
        }
        let group = message.text("group").filter(|_| document["fifo"] == true).map(str::to_owned);
        // The messages of a group come one after the other.
        if group.as_ref().is_some_and(|group| busy.contains(group)) || found.len() == most {
            continue;
        }
        if message["visible"].as_i64().is_some_and(|at| at > now) {
            busy.extend(group);
            continue;
        }
        let receives = message["receives"].as_i64().unwrap_or_default() + 1;
        if let Some((target, _)) = dead.as_ref().filter(|(_, limit)| receives > *limit)
            && move_away(state, &document, target, &message)
        {
            messages::take_out(state, &key);
            continue;
        }
        message["receives"] = json!(receives);
        message["visible"] = json!(now + hidden * 1000);
        if message.member("first").is_none() {
            message["first"] = json!(now);
        }
        found.push(shown(request, &key, &message));
        messages::put(state, &key, message);
    }
    Ok(found)
}

/// Moves a message to the dead-letter queue; false when there is none of that ARN.
fn move_away(state: &mut State<'_>, source: &Value, target: &str, message: &Value) -> bool {
    let name = Arn::parse(target).map_or("", |arn| arn.resource);
    if state.get(QUEUES, name).is_none_or(|queue| queue["arn"] != target) {
        return false;
    }
    let mut moved = message.clone();
    moved["receives"] = json!(0);
    moved["first"] = Value::Null;
    moved["source"] = source["arn"].clone();
    messages::append(state, name, moved);
    true
}

/// A message as its receiver asked for it.
fn shown(request: &Request, key: &str, message: &Value) -> Value {
    let body = message["body"].as_str().unwrap_or_default();
    let mut shown = json!({
        "MessageId": message["id"], "ReceiptHandle": messages::handle(key), "Body": body,
        "MD5OfBody": hex::encode(Md5::digest(body)),
    });
    let mut asked = request.input.texts("AttributeNames");
    asked.extend(request.input.texts("MessageSystemAttributeNames"));
    let text = |member: &str| match message.member(member)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let system = [
        ("SenderId", Some(request.access_key.clone())),
        ("SentTimestamp", text("sent")),
        ("ApproximateReceiveCount", text("receives")),
        ("ApproximateFirstReceiveTimestamp", text("first")),
        ("MessageGroupId", text("group")),
        ("MessageDeduplicationId", text("deduplication")),
        ("SequenceNumber", text("sequence")),
        ("DeadLetterQueueSourceArn", text("source")),
    ];
    let is_asked = |name: &str| asked.iter().any(|one| one == "All" || one == name);
    let system: Map<String, Value> = system
        .into_iter()
        .filter(|(name, _)| is_asked(name))
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect();
    if !system.is_empty() {
        shown["Attributes"] = json!(system);
    }
    let names = request.input.texts("MessageAttributeNames");
    let is_named = |name: &str| {
        let meant = |one: &String| {
            one == "All" || one == name || one.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
        };
        names.iter().any(meant)
    };
    let own = message["attributes"].as_object().into_iter().flatten().filter(|(name, _)| is_named(name));
    let own: Map<String, Value> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    let own = json!(own);
    if let Some(digest) = messages::digest(&own) {
        shown["MD5OfMessageAttributes"] = json!(digest);
        shown["MessageAttributes"] = own;
    }
    shown
}
