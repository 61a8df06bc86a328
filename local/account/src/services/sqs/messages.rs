//! Messages: sent, deleted, and hidden for longer or shorter.

use super::{attributes, error, invalid_parameter, missing, queue};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::state::State;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::Sha256;

/// Where messages stand, by queue and in the order in which they were sent.
const MESSAGES: &str = "sqs/message";
/// The number of the next message of a queue.
const NEXT: &str = "sqs/next";
/// The messages that FIFO queues took, by queue and deduplication id.
const TAKEN: &str = "sqs/taken";
/// For how long a FIFO queue takes no second message with a deduplication id, in milliseconds.
const DEDUPLICATED: i64 = 300_000;
/// The most messages in one batch.
const BATCH: usize = 10;

/// The messages of a queue, the first sent first: the key of each and its document.
pub(super) fn all(state: &State<'_>, queue: &str) -> Vec<(String, Value)> {
    let prefix = format!("{queue}/");
    let found = state.range(MESSAGES, &prefix).take_while(|(key, _)| key.starts_with(&prefix));
    found.map(|(key, message)| (key.to_owned(), message.clone())).collect()
}

/// Forgets what a queue holds.
pub(super) fn drop_all(state: &mut State<'_>, queue: &str) {
    for (key, _) in all(state, queue) {
        state.remove(MESSAGES, &key);
    }
    let prefix = format!("{queue}/");
    let taken: Vec<String> = state.range(TAKEN, &prefix).map(|(key, _)| key.to_owned()).collect();
    for key in taken.iter().take_while(|key| key.starts_with(&prefix)) {
        state.remove(TAKEN, key);
    }
}

/// How many messages of a queue can be received, are being worked on, and are still delayed.
pub(super) fn counts(state: &State<'_>, queue: &str) -> [usize; 3] {
    let all = all(state, queue);
    let hidden = |message: &Value| message["visible"].as_i64().is_some_and(|at| at > state.now());
    let received = |message: &Value| message["receives"] != 0;
    let in_flight = all.iter().filter(|(_, message)| hidden(message) && received(message)).count();
    let delayed = all.iter().filter(|(_, message)| hidden(message) && !received(message)).count();
    [all.len() - in_flight - delayed, in_flight, delayed]
}

/// Changes a message.
pub(super) fn put(state: &mut State<'_>, key: &str, message: Value) {
    state.put(MESSAGES, key, message);
}

/// Takes a message out.
pub(super) fn take_out(state: &mut State<'_>, key: &str) {
    state.remove(MESSAGES, key);
}

/// Adds a message at the end of a queue.
pub(super) fn append(state: &mut State<'_>, queue: &str, message: Value) {
    let next = state.get(NEXT, queue).and_then(Value::as_u64).unwrap_or_default();
    state.put(NEXT, queue, next + 1);
    state.put(MESSAGES, &format!("{queue}/{next:020}"), message);
}

pub(super) fn send(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, document) = queue(state, request)?;
    let input = &request.input;
    let body = input.need("MessageBody", missing)?;
    let attributes = input.member("MessageAttributes").cloned().unwrap_or_else(|| json!({}));
    let most = attributes::number(&document, "MaximumMessageSize");
    if body.len() + attributes_size(&attributes) > most as usize {
        let message = format!("One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.");
        return Err(invalid_parameter(message));
    }
    let is_fifo = document["fifo"] == true;
    let group = input.text("MessageGroupId");
    if is_fifo && group.is_none() {
        return Err(missing("MessageGroupId"));
    }
    if is_fifo && input.member("DelaySeconds").is_some() {
        return Err(invalid_parameter(
            "Value for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for \
             this queue type.",
        ));
    }
    let delay = input.number("DelaySeconds").unwrap_or_else(|| attributes::number(&document, "DelaySeconds"));
    if !(0..=900).contains(&delay) {
        return Err(invalid_parameter(
            "Value for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        ));
    }
    let mut answer = json!({ "MessageId": ids::uuid(), "MD5OfMessageBody": hex::encode(Md5::digest(body)) });
    if let Some(digest) = digest(&attributes) {
        answer["MD5OfMessageAttributes"] = json!(digest);
    }
    let deduplication = if is_fifo { Some(deduplication(&document, input, body)?) } else { None };
    if let Some(id) = &deduplication {
        let key = format!("{name}/{id}");
        let lately = |taken: &&Value| taken["at"].as_i64().is_some_and(|at| at + DEDUPLICATED > state.now());
        let before = state.get(TAKEN, &key).filter(lately);
        if let Some(before) = before {
            return Ok(before["answer"].clone());
        }
        let next = state.get(NEXT, &name).and_then(Value::as_u64).unwrap_or_default();
        answer["SequenceNumber"] = json!(format!("{next:020}"));
        let taken = json!({ "at": state.now(), "answer": answer });
        state.put(TAKEN, &key, taken);
    }
    let message = json!({
        "id": answer["MessageId"], "body": body, "attributes": attributes, "sent": state.now(),
        "visible": state.now() + delay * 1000, "receives": 0, "group": group, "deduplication": deduplication,
        "sequence": answer.get("SequenceNumber"),
    });
    append(state, &name, message);
    Ok(answer)
}

/// What distinguishes a FIFO queue's message from others.
fn deduplication(queue: &Value, input: &Value, body: &str) -> Result<String, AwsError> {
    if let Some(id) = input.text("MessageDeduplicationId") {
        return Ok(id.to_owned());
    }
    if queue["attributes"]["ContentBasedDeduplication"] == "true" {
        return Ok(hex::encode(Sha256::digest(body)));
    }
    Err(invalid_parameter(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ))
}

/// How many bytes a message's attributes count for.
fn attributes_size(attributes: &Value) -> usize {
    let size = |(name, value): (&String, &Value)| {
        let text = |member: &str| value.text(member).map_or(0, str::len);
        name.len() + text("DataType") + text("StringValue") + text("BinaryValue")
    };
    attributes.as_object().into_iter().flatten().map(size).sum()
}

/// The MD5 of message attributes, as SQS's developer guide defines it; none for none:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
pub(super) fn digest(attributes: &Value) -> Option<String> {
    let members = attributes.as_object().filter(|members| !members.is_empty())?;
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut text = Vec::new();
    let part = |text: &mut Vec<u8>, bytes: &[u8]| {
        text.extend((bytes.len() as u32).to_be_bytes());
        text.extend(bytes);
    };
    for (name, value) in sorted {
        part(&mut text, name.as_bytes());
        part(&mut text, value.text("DataType").unwrap_or_default().as_bytes());
        // Bytes are written in base64 in JSON, and count as they are.
        let bytes = value.text("BinaryValue").and_then(|encoded| STANDARD.decode(encoded).ok());
        text.push(if bytes.is_some() { 2 } else { 1 });
        part(&mut text, bytes.as_deref().unwrap_or(value.text("StringValue").unwrap_or_default().as_bytes()));
    }
    Some(hex::encode(Md5::digest(&text)))
}

/// What a receiver deletes a message by.
pub(super) fn handle(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{key} {}", ids::uuid()))
}

/// The key of the message that a handle stands for, and its document if it is still there.
fn handled(state: &State<'_>, request: &Request, queue: &str) -> Result<(String, Option<Value>), AwsError> {
    let given = request.input.need("ReceiptHandle", missing)?;
    let text = URL_SAFE_NO_PAD.decode(given).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.as_deref().and_then(|text| text.split_once(' ')).map(|(key, _)| key);
    let key = key.filter(|key| key.rsplit_once('/').is_some_and(|(of, _)| of == queue));
    let Some(key) = key else {
        let message = format!("The input receipt handle \"{given}\" is not a valid receipt handle.");
        return Err(error("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message).status(404));
    };
    Ok((key.to_owned(), state.get(MESSAGES, key).cloned()))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = queue(state, request)?;
    let (key, _) = handled(state, request, &name)?;
    state.remove(MESSAGES, &key);
    Ok(json!({}))
}

pub(super) fn change_visibility(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = queue(state, request)?;
    let seconds = request.input.number("VisibilityTimeout").ok_or_else(|| missing("VisibilityTimeout"))?;
    if !(0..=43_200).contains(&seconds) {
        return Err(invalid_parameter(format!(
            "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200."
        )));
    }
    let (key, found) = handled(state, request, &name)?;
    let hidden = |message: &Value| message["visible"].as_i64().is_some_and(|at| at > state.now());
    let in_flight = |message: &Value| message["receives"] != 0 && hidden(message);
    let Some(mut message) = found.filter(in_flight) else {
        let code = "MessageNotInflight";
        let message = "The message referred to isn't in flight.";
        return Err(error(code, &format!("AWS.SimpleQueueService.{code}"), message));
    };
    message["visible"] = json!(state.now() + seconds * 1000);
    state.put(MESSAGES, &key, message);
    Ok(json!({}))
}

/// Does to each entry of a batch what an operation does to one, and says of each how it went.
pub(super) fn batch(
    state: &mut State<'_>,
    request: &Request,
    one: fn(&mut State<'_>, &Request) -> Result<Value, AwsError>,
) -> Result<Value, AwsError> {
    queue(state, request)?;
    let refused = |code: &str, message: &str| error(code, &format!("AWS.SimpleQueueService.{code}"), message);
    let entries = request.input.list("Entries");
    if entries.is_empty() {
        return Err(refused("EmptyBatchRequest", "There should be at least one entry in the request."));
    }
    if entries.len() > BATCH {
        return Err(refused("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10."));
    }
    let mut ids: Vec<&str> = entries.iter().filter_map(|entry| entry.text("Id")).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != entries.len() {
        return Err(refused("BatchEntryIdsNotDistinct", "Each entry has an id of its own."));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut input = entry.clone();
        input["QueueUrl"] = request.input["QueueUrl"].clone();
        let outcome = one(state, &Request { input, ..request.clone() });
        match outcome {
            Ok(mut done) => {
                done["Id"] = entry["Id"].clone();
                successful.push(done);
            }
            Err(error) => {
                let code = error.query_code.unwrap_or(error.code);
                failed.push(json!({
                    "Id": entry["Id"], "Code": code, "Message": error.message, "SenderFault": true,
                }));
            }
        }
    }
    let mut answer = json!({ "Successful": successful });
    if !failed.is_empty() {
        answer["Failed"] = json!(failed);
    }
    Ok(answer)
}
