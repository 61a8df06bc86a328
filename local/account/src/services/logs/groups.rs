//! Log groups: retention, keys and tags.

use super::{GROUPS, STREAMS, events, filters, invalid, missing, not_found, paged};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::services::kms::{self, Encrypting};
use crate::state::{State, Tags};
use serde::Deserialize;
use serde_json::{Value, json};

/// The retentions, in days, that exist.
const RETENTIONS: [i64; 23] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, 36_500];

/// The ARN by which tags know a group.
fn arn(request: &Request, name: &str) -> String {
    request.arn("logs", &format!("log-group:{name}"))
}

/// The group that the input names.
pub(super) fn group(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let named = request.input.text("logGroupName").or_else(|| {
        let given = request.input.text("logGroupIdentifier")?;
        Some(given.split_once(":log-group:").map_or(given, |(_, name)| name.trim_end_matches(":*")))
    });
    let name = named.ok_or_else(|| missing("logGroupName"))?;
    let found = state.get(GROUPS, name).cloned().ok_or_else(|| not_found("log group"))?;
    Ok((name.to_owned(), found))
}

fn tags(input: &Value) -> Result<Tags, AwsError> {
    let tags: Tags = match input.member("tags") {
        Some(tags) => {
            Tags::deserialize(tags).map_err(|error| AwsError::new("SerializationException", error.to_string()))?
        }
        None => Tags::new(),
    };
    let bad = |(key, value): (&String, &String)| {
        key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:")
    };
    if tags.len() > 50 || tags.iter().any(bad) {
        return Err(invalid("the tags are not valid"));
    }
    Ok(tags)
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("logGroupName", missing)?;
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/#".contains(&byte));
    if !fits || name.len() > 512 {
        return Err(invalid(format!(
            "Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
        )));
    }
    let class = request.input.text("logGroupClass").unwrap_or("STANDARD");
    if !["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"].contains(&class) {
        return Err(invalid(format!("Value '{class}' at 'logGroupClass' is not valid")));
    }
    if state.get(GROUPS, name).is_some() {
        return Err(AwsError::new("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    let tags = tags(&request.input)?;
    if let Some(key) = request.input.text("kmsKeyId") {
        check_key(state, key, &arn(request, name))?;
    }
    state.set_tags(&arn(request, name), &tags);
    let group = json!({
        "created": state.now(), "retention": null, "kmsKeyId": request.input.text("kmsKeyId"), "class": class,
    });
    state.put(GROUPS, name, group);
    Ok(json!({}))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let prefix = request.input.text("logGroupNamePrefix");
    let pattern = request.input.text("logGroupNamePattern").map(str::to_lowercase);
    if prefix.is_some() && pattern.is_some() {
        return Err(invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."));
    }
    let fits = |name: &str| {
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.as_ref().is_none_or(|pattern| name.to_lowercase().contains(pattern))
    };
    let groups = state
        .list(GROUPS)
        .filter(|(name, _)| fits(name))
        .map(|(name, group)| {
            let arn = arn(request, name);
            let mut out = json!({
                "logGroupName": name, "creationTime": group["created"],
                "metricFilterCount": filters::of_group(state, name).len(),
                "arn": format!("{arn}:*"), "logGroupArn": arn, "storedBytes": 0, "logGroupClass": group["class"],
            });
            if let Some(days) = group.number("retention") {
                out["retentionInDays"] = json!(days);
            }
            if let Some(key) = group.text("kmsKeyId") {
                out["kmsKeyId"] = json!(key);
            }
            out
        })
        .collect();
    paged(request, "logGroups", groups, 50)
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = group(state, request)?;
    let prefix = format!("{name}\0");
    let streams: Vec<String> =
        state.list(STREAMS).map(|(id, _)| id.to_owned()).filter(|id| id.starts_with(&prefix)).collect();
    for stream in streams {
        events::drop_stream(state, &stream);
    }
    filters::drop_all(state, &name);
    state.remove(GROUPS, &name);
    state.forget_tags(&arn(request, &name));
    Ok(json!({}))
}

fn set(state: &mut State<'_>, request: &Request, member: &str, value: Value) -> Result<Value, AwsError> {
    let (name, mut group) = group(state, request)?;
    group[member] = value;
    state.put(GROUPS, &name, group);
    Ok(json!({}))
}

pub(super) fn put_retention(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let days = request.input.number("retentionInDays").ok_or_else(|| missing("retentionInDays"))?;
    if !RETENTIONS.contains(&days) {
        return Err(invalid(format!("Value '{days}' at 'retentionInDays' is not one of {RETENTIONS:?}")));
    }
    set(state, request, "retention", json!(days))
}

pub(super) fn delete_retention(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    set(state, request, "retention", Value::Null)
}

pub(super) fn key(state: &mut State<'_>, request: &Request, associate: bool) -> Result<Value, AwsError> {
    let mut value = Value::Null;
    if associate {
        let key = request.input.need("kmsKeyId", missing)?;
        let (name, _) = group(state, request)?;
        check_key(state, key, &arn(request, &name))?;
        value = json!(key);
    }
    set(state, request, "kmsKeyId", value)
}

/// Refuses a key that can't encrypt the group.
fn check_key(state: &State<'_>, key: &str, group: &str) -> Result<(), AwsError> {
    match kms::encrypts(state, key, group) {
        Encrypting::Allowed => Ok(()),
        Encrypting::Unusable => Err(invalid("The specified KMS Key Id could not be found or is not enabled.")),
        Encrypting::Refused => {
            let message =
                format!("The specified KMS key does not exist or is not allowed to be used with Arn '{group}'");
            Err(AwsError::new("AccessDeniedException", message))
        }
    }
}

/// The ARN in the input, if it names a group that exists.
fn tagged(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let given = request.input.need("resourceArn", missing)?.trim_end_matches(":*");
    let name = given.split_once(":log-group:").map(|(_, name)| name);
    match name.filter(|name| state.get(GROUPS, name).is_some()) {
        Some(name) => Ok(arn(request, name)),
        None => Err(not_found("resource")),
    }
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.add_tags(&arn, &tags(&request.input)?);
    if state.tags(&arn).len() > 50 {
        return Err(AwsError::new("TooManyTagsException", "a log group has at most 50 tags"));
    }
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.remove_tags(&arn, &request.input.texts("tagKeys"));
    Ok(json!({}))
}

pub(super) fn list_tags(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "tags": state.tags(&tagged(state, request)?) }))
}

pub(super) fn tag_by_name(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = group(state, request)?;
    state.add_tags(&arn(request, &name), &tags(&request.input)?);
    Ok(json!({}))
}

pub(super) fn untag_by_name(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = group(state, request)?;
    state.remove_tags(&arn(request, &name), &request.input.texts("tags"));
    Ok(json!({}))
}

pub(super) fn list_tags_by_name(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = group(state, request)?;
    Ok(json!({ "tags": state.tags(&arn(request, &name)) }))
}
