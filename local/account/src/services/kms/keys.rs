//! Keys: their states, rotation, policies and tags.

use super::{ALIASES, KEYS, invalid_state, key, living, missing, paged, save, signing, validation};
use crate::access::resource_policy::{fault as policy_fault, sid_fault};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::services::iam;
use crate::state::{State, Tags, tag_list, tags_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
/// The specification of keys that encrypt and decrypt.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
/// What they are used for.
const ENCRYPTION: &str = "ENCRYPT_DECRYPT";

/// The key's metadata as answers show it.
fn metadata(key: &Value) -> Value {
    let mut out = json!({
        "AWSAccountId": key["AWSAccountId"], "KeyId": key["KeyId"], "Arn": key["Arn"],
        "CreationDate": clock::epoch(key.number("Created").unwrap_or_default()),
        "Enabled": key["KeyState"] == "Enabled", "Description": key["Description"],
        "KeyUsage": key["KeyUsage"], "KeyState": key["KeyState"], "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key["KeySpec"], "KeySpec": key["KeySpec"],
        "MultiRegion": key["MultiRegion"],
    });
    if is_symmetric(key) {
        out["EncryptionAlgorithms"] = json!([SYMMETRIC]);
    } else {
        out["SigningAlgorithms"] = json!([signing::ALGORITHM]);
    }
    if let Some(at) = key.number("Deletion") {
        out["DeletionDate"] = clock::epoch(at);
    }
    out
}

fn is_symmetric(key: &Value) -> bool {
    key["KeySpec"] == SYMMETRIC
}

/// The refusal of what only symmetric keys have.
fn need_symmetric(key: &Value) -> Result<(), AwsError> {
    if is_symmetric(key) {
        return Ok(());
    }
    let message = format!("{} is asymmetric: such keys aren't rotated.", key.text("Arn").unwrap_or_default());
    Err(AwsError::new("UnsupportedOperationException", message))
}

/// The specification and the use of a new key.
fn spec_and_usage(input: &Value) -> Result<(&str, &str), AwsError> {
    let spec = input.text("KeySpec").or_else(|| input.text("CustomerMasterKeySpec")).unwrap_or(SYMMETRIC);
    match (spec, input.text("KeyUsage")) {
        (SYMMETRIC, None | Some(ENCRYPTION)) => Ok((SYMMETRIC, ENCRYPTION)),
        (signing::SPEC, Some(signing::USAGE)) => Ok((signing::SPEC, signing::USAGE)),
        (SYMMETRIC | signing::SPEC, Some(usage)) if [ENCRYPTION, signing::USAGE].contains(&usage) => {
            Err(validation(format!("KeyUsage {usage} is not compatible with KeySpec {spec}")))
        }
        (signing::SPEC, None) => {
            Err(validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."))
        }
        (spec, usage) => {
            let usage = usage.unwrap_or(ENCRYPTION);
            let message = format!(
                "the local account has symmetric keys for encryption and keys on P-256 that sign, not {spec} for {usage}"
            );
            Err(AwsError::new("UnsupportedOperationException", message))
        }
    }
}

/// The policy that a key has when none is given: its account decides by IAM.
fn default_policy(account: &str) -> String {
    format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \"AWS\" : \"arn:aws:iam::{account}:root\"\n    }},\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  }} ]\n}}"
    )
}

fn checked_policy(state: &mut State<'_>, text: &str) -> Result<String, AwsError> {
    match policy_fault(text, true).or_else(|| sid_fault(text, false)) {
        None if text.len() <= 32_768 => match roles(state, text).into_iter().find(|role| !iam::knows_role(state, role))
        {
            None => Ok(text.to_owned()),
            Some(_) => Err(AwsError::new(
                "MalformedPolicyDocumentException",
                "Policy contains a statement with one or more invalid principals.",
            )),
        },
        None => Err(AwsError::new("LimitExceededException", "the key policy is longer than 32 KiB")),
        Some(fault) => Err(AwsError::new("MalformedPolicyDocumentException", fault)),
    }
}

/// The account's own roles that a policy names as principals.
fn roles(state: &State<'_>, policy: &str) -> Vec<String> {
    let prefix = format!("arn:aws:iam::{}:role/", state.scope().account);
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let principals = statements.iter().flat_map(|statement| statement["Principal"].texts("AWS"));
    let own = principals.filter_map(|arn| arn.strip_prefix(&prefix)?.rsplit('/').next().map(str::to_owned));
    own.collect()
}

fn tags(request: &Request) -> Result<Tags, AwsError> {
    let tags = tags_of(request.input.list("Tags"), "TagKey", "TagValue");
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(AwsError::new("TagException", format!("the tag '{key}' is not valid")));
        }
    }
    if tags.len() > 50 {
        return Err(AwsError::new("LimitExceededException", "a key has at most 50 tags"));
    }
    Ok(tags)
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let (spec, usage) = spec_and_usage(input)?;
    let description = input.text("Description").unwrap_or_default();
    if description.chars().count() > 8192 {
        return Err(validation("Value at 'description' failed to satisfy constraint: at most 8192 characters"));
    }
    let policy = match input.text("Policy") {
        Some(text) => checked_policy(state, text)?,
        None => default_policy(&request.account),
    };
    let multi = input.flag("MultiRegion").unwrap_or(false);
    let id = if multi { format!("mrk-{}", ids::uuid().replace('-', "")) } else { ids::uuid() };
    let arn = request.arn("kms", &format!("key/{id}"));
    let material = match spec {
        SYMMETRIC => STANDARD.encode(rand::random::<[u8; 32]>()),
        _ => signing::material(),
    };
    let key = json!({
        "AWSAccountId": request.account, "KeyId": id, "Arn": arn, "Created": state.now(),
        "Description": description, "KeyUsage": usage, "KeyState": "Enabled", "KeySpec": spec, "MultiRegion": multi,
        "Policy": policy, "Rotation": null, "Material": material,
    });
    let answer = metadata(&key);
    state.set_tags(&arn, &tags(request)?);
    save(state, key);
    Ok(json!({ "KeyMetadata": answer }))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "KeyMetadata": metadata(&key(state, request, true)?) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let keys = state.list(KEYS).map(|(id, key)| json!({ "KeyId": id, "KeyArn": key["Arn"] })).collect();
    paged(request, "Keys", keys, 100, 1000)
}

pub(super) fn enable(state: &mut State<'_>, request: &Request, to: &str) -> Result<Value, AwsError> {
    let mut key = living(state, request, false)?;
    key["KeyState"] = json!(to);
    save(state, key);
    Ok(json!({}))
}

pub(super) fn update_description(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut key = living(state, request, false)?;
    key["Description"] = json!(request.input.text("Description").ok_or_else(|| missing("Description"))?);
    save(state, key);
    Ok(json!({}))
}

pub(super) fn schedule_deletion(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let days = request.input.number("PendingWindowInDays").unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(validation(format!(
            "Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: between 7 and 30"
        )));
    }
    let mut key = living(state, request, false)?;
    let at = state.now() + days * DAY;
    key["KeyState"] = json!("PendingDeletion");
    key["Deletion"] = json!(at);
    let answer = json!({
        "KeyId": key["Arn"], "DeletionDate": clock::epoch(at), "KeyState": "PendingDeletion", "PendingWindowInDays": days,
    });
    save(state, key);
    Ok(answer)
}

pub(super) fn cancel_deletion(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut key = key(state, request, false)?;
    if key["KeyState"] != "PendingDeletion" {
        return Err(invalid_state(&key, "not pending deletion"));
    }
    // A key comes back disabled, so that nobody uses it by surprise.
    key["KeyState"] = json!("Disabled");
    key["Deletion"] = Value::Null;
    let answer = json!({ "KeyId": key["Arn"] });
    save(state, key);
    Ok(answer)
}

/// A key that can be used.
fn enabled(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = living(state, request, false)?;
    need_symmetric(&key)?;
    if key["KeyState"] == "Disabled" {
        let arn = key.text("Arn").unwrap_or_default();
        return Err(AwsError::new("DisabledException", format!("{arn} is disabled.")));
    }
    Ok(key)
}

pub(super) fn enable_rotation(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut key = enabled(state, request)?;
    let days = request.input.number("RotationPeriodInDays").or_else(|| key["Rotation"].number("Days")).unwrap_or(365);
    if !(90..=2560).contains(&days) {
        return Err(validation(format!(
            "Value '{days}' at 'rotationPeriodInDays' failed to satisfy constraint: between 90 and 2560"
        )));
    }
    key["Rotation"] = json!({ "Days": days, "Next": state.now() + days * DAY });
    save(state, key);
    Ok(json!({}))
}

pub(super) fn disable_rotation(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut key = enabled(state, request)?;
    key["Rotation"] = Value::Null;
    save(state, key);
    Ok(json!({}))
}

pub(super) fn rotation(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = key(state, request, false)?;
    need_symmetric(&key)?;
    let pending = key["KeyState"] == "PendingDeletion";
    let mut out = json!({ "KeyId": key["Arn"], "KeyRotationEnabled": !pending && key["Rotation"].is_object() });
    if let Some(days) = key["Rotation"].number("Days").filter(|_| !pending) {
        out["RotationPeriodInDays"] = json!(days);
        out["NextRotationDate"] = clock::epoch(key["Rotation"].number("Next").unwrap_or_default());
    }
    Ok(out)
}

fn policy_name(request: &Request) -> Result<(), AwsError> {
    match request.input.text("PolicyName") {
        None | Some("default") => Ok(()),
        Some(_) => Err(super::not_found("No such policy exists")),
    }
}

pub(super) fn policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    policy_name(request)?;
    let key = key(state, request, false)?;
    Ok(json!({ "Policy": key["Policy"], "PolicyName": "default" }))
}

pub(super) fn put_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    policy_name(request)?;
    let text = checked_policy(state, request.input.need("Policy", missing)?)?;
    let mut key = living(state, request, false)?;
    key["Policy"] = json!(text);
    save(state, key);
    Ok(json!({}))
}

pub(super) fn list_policies(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    key(state, request, false)?;
    Ok(json!({ "PolicyNames": ["default"], "Truncated": false }))
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = living(state, request, false)?;
    let arn = key.text("Arn").unwrap_or_default();
    state.add_tags(arn, &tags(request)?);
    if state.tags(arn).len() > 50 {
        return Err(AwsError::new("LimitExceededException", "a key has at most 50 tags"));
    }
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = living(state, request, false)?;
    state.remove_tags(key.text("Arn").unwrap_or_default(), &request.input.texts("TagKeys"));
    Ok(json!({}))
}

pub(super) fn list_tags(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = key(state, request, false)?;
    let tags = tag_list(&state.tags(key.text("Arn").unwrap_or_default()), "TagKey", "TagValue");
    paged(request, "Tags", tags.as_array().cloned().unwrap_or_default(), 50, 50)
}

pub(super) fn list_grants(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    key(state, request, false)?;
    Ok(json!({ "Grants": [], "Truncated": false }))
}

/// Removes keys whose time has come, with their aliases and tags.
pub(super) fn expire(state: &mut State<'_>) {
    let now = state.now();
    let due: Vec<(String, String)> = state
        .list(KEYS)
        .filter(|(_, key)| key.number("Deletion").is_some_and(|at| at <= now))
        .map(|(id, key)| (id.to_owned(), key.text("Arn").unwrap_or_default().to_owned()))
        .collect();
    for (id, arn) in due {
        let aliases: Vec<String> = state
            .list(ALIASES)
            .filter(|(_, alias)| alias.text("TargetKeyId") == Some(&id))
            .map(|(name, _)| name.to_owned())
            .collect();
        for alias in aliases {
            state.remove(ALIASES, &alias);
        }
        state.remove(KEYS, &id);
        state.forget_tags(&arn);
    }
}
