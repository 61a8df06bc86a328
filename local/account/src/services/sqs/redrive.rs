//! Which queue takes a queue's dead letters, and which queues' dead letters a queue takes.

use super::{QUEUES, invalid_parameter};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use lakewright_iam::Arn;
use serde_json::Value;

fn invalid(value: &str, reason: &str) -> AwsError {
    invalid_parameter(format!("Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}"))
}

/// Where a queue's dead letters go, and after how many receives; none if they go nowhere.
pub(super) fn target(queue: &Value) -> Option<(String, i64)> {
    let policy: Value = serde_json::from_str(queue["attributes"].text("RedrivePolicy")?).ok()?;
    Some((policy.text("deadLetterTargetArn")?.to_owned(), policy.number("maxReceiveCount")?))
}

/// Refuses a redrive policy that SQS would refuse.
pub(super) fn check(state: &State<'_>, request: &Request, queue: &Value, value: &str) -> Result<(), AwsError> {
    let policy: Option<Value> = serde_json::from_str(value).ok();
    let policy = policy.filter(Value::is_object);
    let policy = policy.ok_or_else(|| invalid(value, "Redrive policy is not a valid JSON map."))?;
    for name in ["deadLetterTargetArn", "maxReceiveCount"] {
        if policy.member(name).is_none() {
            return Err(invalid(value, &format!("Redrive policy does not contain mandatory attribute: {name}.")));
        }
    }
    if !policy.number("maxReceiveCount").is_some_and(|count| (1..=1000).contains(&count)) {
        let reason = "Invalid value for maxReceiveCount: it must be from 1 to 1000.";
        return Err(invalid(value, reason));
    }
    let arn = policy.text("deadLetterTargetArn").unwrap_or_default();
    let name = Arn::parse(arn).map_or("", |arn| arn.resource);
    let target = state.get(QUEUES, name).filter(|target| target["arn"] == arn && arn == request.arn("sqs", name));
    let target = target.ok_or_else(|| invalid(value, "Dead letter target does not exist."))?;
    if target["fifo"] != queue["fifo"] {
        let reason = "Dead-letter queue must be same type of queue as the source.";
        return Err(invalid(value, reason));
    }
    if !takes(target, queue["arn"].as_str().unwrap_or_default()) {
        return Err(invalid(value, "The dead-letter queue's redrive allow policy doesn't name this queue."));
    }
    Ok(())
}

/// Whether a queue takes the dead letters of another.
fn takes(target: &Value, source: &str) -> bool {
    let allow = target["attributes"].text("RedriveAllowPolicy").unwrap_or("{}");
    let allow: Value = serde_json::from_str(allow).unwrap_or_default();
    match allow.text("redrivePermission") {
        Some("denyAll") => false,
        Some("byQueue") => allow.texts("sourceQueueArns").iter().any(|arn| arn == source),
        _ => true,
    }
}

/// Refuses a redrive allow policy that SQS would refuse.
pub(super) fn check_allow(value: &str) -> Result<(), AwsError> {
    let allow: Value = serde_json::from_str(value).unwrap_or_default();
    let sources = allow.list("sourceQueueArns");
    let fits = match allow.text("redrivePermission") {
        Some("allowAll" | "denyAll") => sources.is_empty(),
        Some("byQueue") => (1..=10).contains(&sources.len()),
        _ => false,
    };
    if fits { Ok(()) } else { Err(invalid_parameter("Invalid value for the parameter RedriveAllowPolicy.")) }
}
