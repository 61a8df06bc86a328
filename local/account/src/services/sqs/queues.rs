//! Queues, their attributes and tags.

use super::{QUEUES, attributes, error, invalid_name, invalid_parameter, messages};
use super::{missing, no_queue, queue, redrive, url};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages::page;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tags_of_object};
use serde_json::{Map, Value, json};

/// Until when the names of deleted queues aren't free.
const DELETED: &str = "sqs/deleted";
/// Seconds for which the name of a deleted queue isn't free, when the account has delays.
const FREE_SECONDS: i64 = 60;
/// Seconds after which changed attributes show, when the account has delays; on AWS it may be sixty.
const SHOWN_SECONDS: i64 = 10;
/// Seconds between two purges, when the account has delays.
const PURGE_SECONDS: i64 = 60;
/// How many queues a list gives that isn't asked for fewer.
const LISTED: usize = 1000;

fn given_tags(request: &Request, member: &str) -> Result<Tags, AwsError> {
    let tags = tags_of_object(&request.input, member);
    if tags.len() > 50 {
        return Err(invalid_parameter("Too many tags added for queue."));
    }
    match refused_tag(&tags) {
        Some(key) => Err(invalid_parameter(format!("Tag keys and values must be within their limits: {key}."))),
        None => Ok(tags),
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("QueueName", missing)?;
    let mut given = attributes::given(request)?;
    // Standard queues have no such attribute.
    let is_fifo = match given.remove("FifoQueue").as_ref().and_then(Value::as_str) {
        None => false,
        Some("true") => true,
        Some(_) => return Err(invalid_name("Unknown Attribute FifoQueue.")),
    };
    let stem = if is_fifo { name.strip_suffix(".fifo") } else { Some(name) };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.len() > 80 || !stem.is_some_and(|stem| !stem.is_empty() && stem.chars().all(fits)) {
        let fifo = if is_fifo { "; the name of a FIFO queue ends with .fifo" } else { "" };
        let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(invalid_parameter(format!("{message}{fifo}")));
    }
    let tags = given_tags(request, "tags")?;
    let answer = json!({ "QueueUrl": url(request, name) });
    if let Some(there) = state.get(QUEUES, name) {
        return same(there, is_fifo, &given).map(|()| answer);
    }
    if state.get(DELETED, name).and_then(Value::as_i64).is_some_and(|free| free > state.now()) {
        return Err(error(
            "QueueDeletedRecently",
            "AWS.SimpleQueueService.QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        ));
    }
    let arn = request.arn("sqs", name);
    let now = state.now();
    let mut document = json!({ "arn": arn, "fifo": is_fifo, "attributes": {}, "created": now, "modified": now });
    attributes::apply(state, request, &mut document, &given)?;
    state.remove(DELETED, name);
    state.set_tags(&arn, &tags);
    state.put(QUEUES, name, document);
    Ok(answer)
}

/// Whether a queue that exists has what another call to make it gives.
fn same(there: &Value, is_fifo: bool, given: &Map<String, Value>) -> Result<(), AwsError> {
    let settings = attributes::settings(there, &there["attributes"]);
    let mut differing = given.iter().filter(|(name, value)| settings.get(*name).unwrap_or(&json!("")) != *value);
    let first = differing.next().map(|(name, _)| name.as_str());
    match first.or((there["fifo"] != is_fifo).then_some("FifoQueue")) {
        None => Ok(()),
        Some(name) => Err(error(
            "QueueNameExists",
            "QueueAlreadyExists",
            format!("A queue already exists with the same name and a different value for attribute {name}"),
        )),
    }
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, document) = queue(state, request)?;
    messages::drop_all(state, &name);
    state.remove(QUEUES, &name);
    state.forget_tags(document["arn"].as_str().unwrap_or_default());
    let free = state.done_in(FREE_SECONDS);
    if free > state.now() {
        state.put(DELETED, &name, free);
    }
    Ok(json!({}))
}

pub(super) fn url_of(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("QueueName", missing)?;
    let owner = request.input.text("QueueOwnerAWSAccountId").unwrap_or(&request.account);
    match state.get(QUEUES, name).filter(|_| owner == request.account) {
        Some(_) => Ok(json!({ "QueueUrl": url(request, name) })),
        None => Err(no_queue()),
    }
}

fn paged(request: &Request, member: &str, urls: Vec<String>) -> Result<Value, AwsError> {
    let limit = request.input.number("MaxResults");
    if limit.is_some_and(|limit| !(1..=1000).contains(&limit)) {
        return Err(invalid_parameter("Value for parameter MaxResults is invalid. Reason: it must be from 1 to 1000."));
    }
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LISTED);
    let token = || invalid_parameter("Invalid or expired next token.");
    let (page, next) = page(urls, request.input.text("NextToken"), limit, token)?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let prefix = request.input.text("QueueNamePrefix").unwrap_or_default();
    let names = state.list(QUEUES).map(|(name, _)| name).filter(|name| name.starts_with(prefix));
    paged(request, "QueueUrls", names.map(|name| url(request, name)).collect())
}

/// The queues whose dead letters a queue takes.
pub(super) fn sources(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, document) = queue(state, request)?;
    let sends = |other: &Value| redrive::target(other).is_some_and(|(target, _)| document["arn"] == target);
    let names = state.list(QUEUES).filter(|(_, other)| sends(other)).map(|(name, _)| url(request, name));
    paged(request, "queueUrls", names.collect())
}

pub(super) fn attributes(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, document) = queue(state, request)?;
    let changed = document["modified"].as_i64().unwrap_or_default();
    // A change takes its time to show.
    let shows = state.delays().visible(changed, state.now(), SHOWN_SECONDS);
    let given = document.member("before").filter(|_| !shows).unwrap_or(&document["attributes"]);
    let mut all = attributes::settings(&document, given);
    let [waiting, in_flight, delayed] = messages::counts(state, &name);
    let seconds = |member: &str| (document[member].as_i64().unwrap_or_default() / 1000).to_string();
    for (name, value) in [
        ("QueueArn", document["arn"].as_str().unwrap_or_default().to_owned()),
        ("ApproximateNumberOfMessages", waiting.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
        ("CreatedTimestamp", seconds("created")),
        ("LastModifiedTimestamp", seconds("modified")),
    ] {
        all.insert(name.to_owned(), json!(value));
    }
    let asked = request.input.texts("AttributeNames");
    all.retain(|name, _| asked.iter().any(|asked| asked == "All" || asked == name));
    Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
}

pub(super) fn set_attributes(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut document) = queue(state, request)?;
    let given = attributes::given(request)?;
    if given.is_empty() {
        return Err(missing("Attribute.Name"));
    }
    let before = document["attributes"].clone();
    attributes::apply(state, request, &mut document, &given)?;
    document["before"] = before;
    document["modified"] = json!(state.now());
    state.put(QUEUES, &name, document);
    Ok(json!({}))
}

fn arn_of(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    Ok(queue(state, request)?.1["arn"].as_str().unwrap_or_default().to_owned())
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = arn_of(state, request)?;
    let tags = given_tags(request, "Tags")?;
    if tags.is_empty() {
        return Err(missing("Tags"));
    }
    state.add_tags(&arn, &tags);
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = arn_of(state, request)?;
    state.remove_tags(&arn, &request.input.texts("TagKeys"));
    Ok(json!({}))
}

pub(super) fn list_tags(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let tags = state.tags(&arn_of(state, request)?);
    Ok(if tags.is_empty() { json!({}) } else { json!({ "Tags": tags }) })
}

pub(super) fn purge(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut document) = queue(state, request)?;
    if document["purged"].as_i64().is_some_and(|until| until > state.now()) {
        let message = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
        let query_code = "AWS.SimpleQueueService.PurgeQueueInProgress";
        return Err(error("PurgeQueueInProgress", query_code, message).status(403));
    }
    messages::drop_all(state, &name);
    document["purged"] = json!(state.done_in(PURGE_SECONDS));
    state.put(QUEUES, &name, document);
    Ok(json!({}))
}
