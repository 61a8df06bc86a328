//! MSK configurations and their revisions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{bad_request, cluster, conflict, need, not_found, paged};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Where configurations stand, by ARN, their revisions inside.
pub(super) const COLLECTION: &str = "kafka/configuration";

fn properties(request: &Request) -> Result<String, AwsError> {
    let encoded = need(&request.input, "serverProperties")?;
    let invalid = |why: &str| bad_request("serverProperties", format!("The server properties are not valid: {why}"));
    let bytes = STANDARD.decode(encoded).map_err(|_| invalid("not Base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| invalid("not UTF-8"))?;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, _)) if !name.trim().is_empty() => {}
            _ => return Err(invalid(line)),
        }
    }
    Ok(encoded.to_owned())
}

fn revision(number: usize, description: Option<&str>, properties: String, now: i64) -> Value {
    let mut revision = json!({ "revision": number, "creationTime": clock::iso(now), "serverProperties": properties });
    if let Some(description) = description {
        revision["description"] = json!(description);
    }
    revision
}

fn summary(revision: &Value) -> Value {
    let mut summary = revision.clone();
    summary.as_object_mut().expect("a revision is an object").shift_remove("serverProperties");
    summary
}

fn existing<'a>(state: &'a State<'_>, request: &Request) -> Result<&'a Value, AwsError> {
    let arn = need(&request.input, "arn")?;
    state.get(COLLECTION, arn).ok_or_else(missing)
}

fn missing() -> AwsError {
    not_found("arn", "Configuration ARN does not exist.")
}

/// Says whether a configuration has that revision.
pub(super) fn has_revision(state: &State<'_>, arn: &str, number: i64) -> bool {
    let count = state.get(COLLECTION, arn).map_or(0, |found| found.list("revisions").len());
    (1..=count as i64).contains(&number)
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = need(&request.input, "name")?;
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !named || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || name.len() > 256 {
        return Err(bad_request("name", "The configuration name contains one or more characters that are not valid."));
    }
    if state.list(COLLECTION).any(|(_, other)| other["name"] == name) {
        return Err(conflict("name", "A resource with this name already exists."));
    }
    let properties = properties(request)?;
    let arn = request.arn("kafka", &format!("configuration/{name}/{}-1", ids::uuid()));
    let now = state.now();
    let mut document = json!({
        "arn": arn,
        "creationTime": clock::iso(now),
        "kafkaVersions": request.input.texts("kafkaVersions"),
        "name": name,
        "state": "ACTIVE",
        "revisions": [revision(1, request.input.text("description"), properties, now)],
    });
    if let Some(description) = request.input.text("description") {
        document["description"] = json!(description);
    }
    state.put(COLLECTION, &arn, &document);
    Ok(json!({
        "arn": arn,
        "creationTime": document["creationTime"],
        "latestRevision": summary(&document["revisions"][0]),
        "name": name,
        "state": "ACTIVE",
    }))
}

fn described(document: &Value) -> Value {
    let mut described = document.clone();
    let members = described.as_object_mut().expect("a configuration is an object");
    members.shift_remove("revisions");
    if let Some(latest) = document.list("revisions").last() {
        members.insert("latestRevision".into(), summary(latest));
    }
    described
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(described(existing(state, request)?))
}

pub(super) fn describe_revision(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let document = existing(state, request)?;
    let number = request.input.number("revision").ok_or_else(|| bad_request("revision", "Not a revision."))?;
    let found = document.list("revisions").iter().find(|revision| revision["revision"] == number);
    let mut found = found.cloned().ok_or_else(|| not_found("revision", "The revision does not exist."))?;
    found["arn"] = document["arn"].clone();
    Ok(found)
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let all = state.list(COLLECTION).map(|(_, document)| described(document)).collect();
    paged(request, "configurations", all)
}

pub(super) fn list_revisions(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let all = existing(state, request)?.list("revisions").iter().map(summary).collect();
    paged(request, "revisions", all)
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut document = existing(state, request)?.clone();
    let properties = properties(request)?;
    let now = state.now();
    let revisions = document["revisions"].as_array_mut().expect("a configuration has revisions");
    let latest = revision(revisions.len() + 1, request.input.text("description"), properties, now);
    revisions.push(latest.clone());
    let arn = need(&request.input, "arn")?;
    state.put(COLLECTION, arn, document);
    Ok(json!({ "arn": arn, "latestRevision": summary(&latest) }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = existing(state, request)?["arn"].as_str().unwrap_or_default().to_owned();
    if cluster::uses_configuration(state, &arn) {
        return Err(bad_request(
            "arn",
            "Configuration is in use by one or more clusters. Dissociate the configuration from the clusters.",
        ));
    }
    state.remove(COLLECTION, &arn);
    Ok(json!({ "arn": arn, "state": "DELETING" }))
}
