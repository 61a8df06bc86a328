//! KMS: keys, aliases, rotation, policies, enough encryption to use a key, and signatures.

mod aliases;
mod crypto;
mod keys;
mod launches;
mod logging;
mod signing;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::State;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) use aliases::key_arn;
pub(crate) use crypto::key_of;
pub(crate) use launches::lets_launch;
pub(crate) use logging::{Encrypting, encrypts};

/// The service.
#[derive(Debug)]
pub struct Kms;

const KEYS: &str = "kms/key";
const ALIASES: &str = "kms/alias";

#[async_trait]
impl Service for Kms {
    fn name(&self) -> &'static str {
        "kms"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("TrentService")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| {
            keys::expire(state);
            answer(state, request)
        })
    }
}

fn answer(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateKey" => keys::create(state, request),
        "DescribeKey" => keys::describe(state, request),
        "ListKeys" => keys::list(state, request),
        "EnableKey" => keys::enable(state, request, "Enabled"),
        "DisableKey" => keys::enable(state, request, "Disabled"),
        "UpdateKeyDescription" => keys::update_description(state, request),
        "ScheduleKeyDeletion" => keys::schedule_deletion(state, request),
        "CancelKeyDeletion" => keys::cancel_deletion(state, request),
        "EnableKeyRotation" => keys::enable_rotation(state, request),
        "DisableKeyRotation" => keys::disable_rotation(state, request),
        "GetKeyRotationStatus" => keys::rotation(state, request),
        "GetKeyPolicy" => keys::policy(state, request),
        "PutKeyPolicy" => keys::put_policy(state, request),
        "ListKeyPolicies" => keys::list_policies(state, request),
        "TagResource" => keys::tag(state, request),
        "UntagResource" => keys::untag(state, request),
        "ListResourceTags" => keys::list_tags(state, request),
        "ListGrants" => keys::list_grants(state, request),
        "CreateAlias" => aliases::create(state, request),
        "UpdateAlias" => aliases::update(state, request),
        "DeleteAlias" => aliases::delete(state, request),
        "ListAliases" => aliases::list(state, request),
        "Sign" => signing::sign(state, request),
        "Verify" => signing::verify(state, request),
        "GetPublicKey" => signing::public_key(state, request),
        "Encrypt" => crypto::encrypt(state, request),
        "Decrypt" => crypto::decrypt(state, request),
        "GenerateDataKey" => crypto::data_key(state, request, true),
        "GenerateDataKeyWithoutPlaintext" => crypto::data_key(state, request, false),
        _ => Err(super::unknown_operation(request)),
    }
}

fn missing(name: &str) -> AwsError {
    AwsError::null_member("ValidationException", name)
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("NotFoundException", message)
}

fn invalid_state(key: &Value, state: &str) -> AwsError {
    let arn = key.text("Arn").unwrap_or_default();
    AwsError::new("KMSInvalidStateException", format!("{arn} is {state}."))
}

/// The key that `KeyId` names: by id, by ARN, and by alias where the operation takes one.
fn key(state: &State<'_>, request: &Request, alias: bool) -> Result<Value, AwsError> {
    let given = request.input.need("KeyId", missing)?;
    let prefix = format!("arn:aws:kms:{}:{}:", request.region, request.account);
    let name = given.strip_prefix(&prefix).unwrap_or(given);
    if let Some(other) = name.strip_prefix("alias/") {
        if !alias {
            return Err(AwsError::new(
                "InvalidArnException",
                format!("Invalid keyId '{given}': an alias is not allowed here"),
            ));
        }
        let target = state.get(ALIASES, &format!("alias/{other}")).and_then(|alias| alias.text("TargetKeyId"));
        let found = target.and_then(|id| state.get(KEYS, id)).cloned();
        return found.ok_or_else(|| not_found(format!("Alias {prefix}{name} is not found.")));
    }
    let id = name.strip_prefix("key/").unwrap_or(name);
    if id.contains(':') {
        return Err(not_found(format!("Key '{given}' does not exist")));
    }
    state.get(KEYS, id).cloned().ok_or_else(|| not_found(format!("Key '{prefix}key/{id}' does not exist")))
}

/// A key that is not waiting for its deletion.
fn living(state: &State<'_>, request: &Request, alias: bool) -> Result<Value, AwsError> {
    let key = key(state, request, alias)?;
    if key["KeyState"] == "PendingDeletion" { Err(invalid_state(&key, "pending deletion")) } else { Ok(key) }
}

fn save(state: &mut State<'_>, key: Value) {
    let id = key.text("KeyId").unwrap_or_default().to_owned();
    state.put(KEYS, &id, key);
}

/// One page of a list, as KMS pages: `Marker`, `Limit`, `Truncated`.
fn paged(request: &Request, member: &str, items: Vec<Value>, default: i64, most: i64) -> Result<Value, AwsError> {
    let limit = request.input.number("Limit").unwrap_or(default);
    if !(1..=most).contains(&limit) {
        return Err(validation(format!(
            "Value '{limit}' at 'limit' failed to satisfy constraint: between 1 and {most}"
        )));
    }
    let invalid = || AwsError::new("InvalidMarkerException", "The marker is not valid");
    let (items, next) = pages::page(items, request.input.text("Marker"), limit as usize, invalid)?;
    let mut out = json!({ member: items, "Truncated": next.is_some() });
    if let Some(next) = next {
        out["NextMarker"] = json!(next);
    }
    Ok(out)
}
