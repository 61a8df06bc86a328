//! The values of secrets: versions, and the stages that point at them.

use super::{find, invalid, living, missing, not_found, refused, save};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// The value in the input: one of text or bytes, or none.
pub(super) fn given(request: &Request) -> Result<Option<Value>, AwsError> {
    match (request.input.text("SecretString"), request.input.text("SecretBinary")) {
        (Some(_), Some(_)) => {
            Err(invalid("You can't specify both a binary secret value and a string secret value in the same secret."))
        }
        (Some(text), None) if text.len() > 65_536 => Err(AwsError::new(
            "ValidationException",
            "Value at 'secretString' failed to satisfy constraint: at most 65536 bytes",
        )),
        (Some(text), None) => Ok(Some(json!({ "SecretString": text }))),
        (None, Some(bytes)) => Ok(Some(json!({ "SecretBinary": bytes }))),
        (None, None) => Ok(None),
    }
}

/// Whether a version holds this value.
pub(super) fn same(version: &Value, value: &Value) -> bool {
    ["SecretString", "SecretBinary"].iter().all(|member| version[*member] == value[*member])
}

/// The text that a secret's current version holds.
pub(super) fn current(secret: &Value) -> Option<String> {
    let mut versions = secret["Versions"].as_object()?.values();
    let version = versions.find(|version| version.list("Stages").iter().any(|stage| stage == CURRENT))?;
    version.text("SecretString").map(str::to_owned)
}

/// Adds a version under the request's token and moves stages to it; the version's id.
pub(super) fn add(
    secret: &mut Value,
    request: &Request,
    mut value: Value,
    stages: &[String],
    now: i64,
) -> Result<String, AwsError> {
    let token = match request.input.text("ClientRequestToken") {
        Some(token) if !(32..=64).contains(&token.len()) => {
            return Err(invalid("ClientRequestToken must be between 32 and 64 characters long."));
        }
        Some(token) => token.to_owned(),
        None => ids::uuid(),
    };
    if let Some(version) = secret["Versions"].get(&token) {
        if !same(version, &value) {
            return Err(AwsError::new(
                "ResourceExistsException",
                format!(
                    "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {}.",
                    secret["ARN"]
                ),
            ));
        }
        return Ok(token);
    }
    value["Created"] = json!(now);
    value["Stages"] = json!([]);
    secret["Versions"][&token] = value;
    for stage in stages {
        move_to(secret, stage, Some(&token));
    }
    secret["Changed"] = json!(now);
    let versions = secret["Versions"].as_object_mut().expect("every secret has a map of versions");
    // Versions that no stage points at may vanish; the newest hundred stay.
    while versions.len() > 100 {
        let Some(old) = versions.iter().find(|(_, version)| version.list("Stages").is_empty()) else { break };
        let old = old.0.clone();
        versions.shift_remove(&old);
    }
    Ok(token)
}

/// Points a stage at one version. What was current becomes previous.
fn move_to(secret: &mut Value, stage: &str, to: Option<&str>) {
    let versions = secret["Versions"].as_object_mut().expect("every secret has a map of versions");
    let mut from = None;
    for (id, version) in versions.iter_mut() {
        let stages = version["Stages"].as_array_mut().expect("every version has a list of stages");
        if stages.iter().any(|other| other == stage) {
            stages.retain(|other| other != stage);
            from = Some(id.clone());
        }
    }
    if let Some(version) = to.and_then(|to| versions.get_mut(to)) {
        version["Stages"].as_array_mut().expect("every version has a list of stages").push(json!(stage));
    }
    if let Some(from) = from.filter(|from| stage == CURRENT && Some(from.as_str()) != to) {
        move_to(secret, PREVIOUS, Some(&from));
    }
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let value = given(request)?.ok_or_else(|| refused("You must provide either SecretString or SecretBinary."))?;
    let mut secret = living(state, request)?;
    let mut stages = request.input.texts("VersionStages");
    if stages.is_empty() {
        stages.push(CURRENT.to_owned());
    }
    let version = add(&mut secret, request, value, &stages, state.now())?;
    let stages = secret["Versions"][&version]["Stages"].clone();
    let answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"], "VersionId": version, "VersionStages": stages });
    save(state, secret);
    Ok(answer)
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = living(state, request)?;
    let stage = request.input.text("VersionStage");
    let id = request.input.text("VersionId");
    let wanted = |version: &Value, stage: &str| version.list("Stages").iter().any(|other| other == stage);
    let versions = secret["Versions"].as_object().into_iter().flatten();
    let mut fitting = versions.filter(|(other, version)| match (id, stage) {
        (Some(id), Some(stage)) => *other == id && wanted(version, stage),
        (Some(id), None) => *other == id,
        (None, stage) => wanted(version, stage.unwrap_or(CURRENT)),
    });
    let (id, version) = fitting.next().ok_or_else(|| {
        not_found(&format!(
            "Secrets Manager can't find the specified secret value for {}",
            match (id, stage) {
                (Some(id), _) => format!("VersionId: {id}"),
                (None, stage) => format!("staging label: {}", stage.unwrap_or(CURRENT)),
            }
        ))
    })?;
    let mut answer = json!({
        "ARN": secret["ARN"], "Name": secret["Name"], "VersionId": id, "VersionStages": version["Stages"],
        "CreatedDate": clock::epoch(version.number("Created").unwrap_or_default()),
    });
    for member in ["SecretString", "SecretBinary"] {
        if let Some(value) = version.text(member) {
            answer[member] = json!(value);
        }
    }
    Ok(answer)
}

pub(super) fn get_many(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut values = Vec::new();
    let mut errors = Vec::new();
    for id in request.input.texts("SecretIdList") {
        let one = Request { input: json!({ "SecretId": id }), ..request.clone() };
        match get(state, &one) {
            Ok(value) => values.push(value),
            Err(error) => errors.push(json!({ "SecretId": id, "ErrorCode": error.code, "Message": error.message })),
        }
    }
    Ok(json!({ "SecretValues": values, "Errors": errors }))
}

pub(super) fn move_stage(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let stage = request.input.need("VersionStage", missing)?;
    let mut secret = find(state, request)?;
    let to = request.input.text("MoveToVersionId");
    if to.is_some_and(|to| secret["Versions"].get(to).is_none()) {
        return Err(not_found("Secrets Manager can't find the specified secret version."));
    }
    if to.is_none() && stage == CURRENT {
        return Err(invalid("You can't remove the staging label AWSCURRENT without moving it."));
    }
    move_to(&mut secret, stage, to);
    let answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"] });
    save(state, secret);
    Ok(answer)
}

pub(super) fn password(request: &Request) -> Value {
    let length = request.input.number("PasswordLength").unwrap_or(32).clamp(1, 4096) as usize;
    let excluded = request.input.text("ExcludeCharacters").unwrap_or_default();
    let mut alphabet: Vec<u8> = (b'!'..=b'~').collect();
    let off = |member: &str| request.input.flag(member) == Some(true);
    alphabet.retain(|byte| {
        let left_out = excluded.as_bytes().contains(byte)
            || off("ExcludePunctuation") && byte.is_ascii_punctuation()
            || off("ExcludeNumbers") && byte.is_ascii_digit()
            || off("ExcludeUppercase") && byte.is_ascii_uppercase()
            || off("ExcludeLowercase") && byte.is_ascii_lowercase();
        !left_out
    });
    if alphabet.is_empty() {
        alphabet.push(b'x');
    }
    json!({ "RandomPassword": ids::letters(length, &alphabet) })
}
