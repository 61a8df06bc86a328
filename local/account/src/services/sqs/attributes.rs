//! The attributes of queues: which there are, what each takes, and what a queue has that was given none.

use super::{invalid_name, invalid_value, redrive};
use crate::access::resource_policy::fault as policy_fault;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use serde_json::{Map, Value, json};

/// The attributes that are numbers, with their limits and what a new queue has.
const NUMBERS: [(&str, u64, u64, u64); 6] = [
    ("DelaySeconds", 0, 900, 0),
    ("KmsDataKeyReusePeriodSeconds", 60, 86_400, 300),
    ("MaximumMessageSize", 1024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];
/// The attributes that are words, with what they may be and what a new queue has.
const WORDS: [(&str, [&str; 2], &str); 4] = [
    ("ContentBasedDeduplication", ["true", "false"], "false"),
    ("DeduplicationScope", ["queue", "messageGroup"], "queue"),
    ("FifoThroughputLimit", ["perQueue", "perMessageGroupId"], "perQueue"),
    ("SqsManagedSseEnabled", ["true", "false"], "true"),
];
/// The words that FIFO queues alone have.
const OF_FIFO: [&str; 3] = ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
/// The attributes that an empty text takes away.
const REMOVABLE: [&str; 4] = ["KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"];

/// The attributes of an input.
pub(super) fn given(request: &Request) -> Result<Map<String, Value>, AwsError> {
    let given = request.input.member("Attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    match given.iter().find(|(_, value)| !value.is_string()) {
        Some((name, _)) => Err(invalid_value(name)),
        None => Ok(given),
    }
}

/// Puts given attributes over those that a queue has, or says which of them SQS refuses.
pub(super) fn apply(
    state: &State<'_>,
    request: &Request,
    queue: &mut Value,
    given: &Map<String, Value>,
) -> Result<(), AwsError> {
    let is_fifo = queue["fifo"] == true;
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    for (name, value) in given {
        let value = value.as_str().unwrap_or_default();
        check(name, value, is_fifo)?;
        match name.as_str() {
            "RedrivePolicy" if !value.is_empty() => redrive::check(state, request, queue, value)?,
            "RedriveAllowPolicy" if !value.is_empty() => redrive::check_allow(value)?,
            _ => {}
        }
    }
    let key = text("KmsMasterKeyId").or_else(|| queue["attributes"].text("KmsMasterKeyId")).unwrap_or_default();
    if text("SqsManagedSseEnabled") == Some("true") && !key.is_empty() {
        return Err(invalid_name(
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS \
             SSE.",
        ));
    }
    let attributes = queue["attributes"].as_object_mut().expect("a queue has attributes");
    if text("KmsMasterKeyId").is_some_and(|key| !key.is_empty()) {
        attributes.insert("SqsManagedSseEnabled".to_owned(), json!("false"));
    }
    for (name, value) in given {
        if value == "" {
            attributes.remove(name);
        } else {
            attributes.insert(name.clone(), value.clone());
        }
    }
    Ok(())
}

/// Refuses an attribute that there isn't, and a value that it doesn't take.
fn check(name: &str, value: &str, is_fifo: bool) -> Result<(), AwsError> {
    if let Some((_, least, most, _)) = NUMBERS.iter().find(|(number, ..)| *number == name) {
        let fits = value.parse::<u64>().is_ok_and(|number| (*least..=*most).contains(&number));
        return if fits { Ok(()) } else { Err(invalid_value(name)) };
    }
    if let Some((_, words, _)) = WORDS.iter().find(|(word, ..)| *word == name) {
        if OF_FIFO.contains(&name) && !is_fifo {
            return Err(invalid_name(format!("You can specify the {name} only when FifoQueue is set to true.")));
        }
        return if words.contains(&value) { Ok(()) } else { Err(invalid_value(name)) };
    }
    match name {
        "Policy" if !value.is_empty() && policy_fault(value, true).is_some() => Err(invalid_value(name)),
        "KmsMasterKeyId" if value.len() > 2048 => Err(invalid_value(name)),
        _ if REMOVABLE.contains(&name) => Ok(()),
        // A queue is made as one, and stays one.
        "FifoQueue" => Err(invalid_name("Unknown Attribute FifoQueue.")),
        _ => Err(invalid_name(format!("Unknown Attribute {name}."))),
    }
}

/// The attributes that were given or have a default.
pub(super) fn settings(queue: &Value, attributes: &Value) -> Map<String, Value> {
    let is_fifo = queue["fifo"] == true;
    let has_key = attributes.text("KmsMasterKeyId").is_some();
    let mut all = Map::new();
    for (name, _, _, default) in NUMBERS {
        if name != "KmsDataKeyReusePeriodSeconds" || has_key {
            all.insert(name.to_owned(), json!(default.to_string()));
        }
    }
    for (name, _, default) in WORDS {
        if is_fifo || !OF_FIFO.contains(&name) {
            all.insert(name.to_owned(), json!(default));
        }
    }
    if is_fifo {
        all.insert("FifoQueue".to_owned(), json!("true"));
    }
    let given = attributes.as_object().into_iter().flatten();
    let given = given.filter(|(name, _)| *name != "KmsDataKeyReusePeriodSeconds" || has_key);
    all.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// A number among a queue's attributes.
pub(super) fn number(queue: &Value, name: &str) -> i64 {
    let default = NUMBERS.iter().find(|(number, ..)| *number == name).map_or(0, |(.., default)| *default as i64);
    queue["attributes"].number(name).unwrap_or(default)
}
