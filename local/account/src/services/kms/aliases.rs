//! Aliases: names for keys.

use super::{ALIASES, key, living, missing, not_found, paged, validation};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use crate::store::Scope;
use lakewright_iam::Arn;
use serde_json::{Value, json};

/// The alias in the input, which must look like one.
fn name(request: &Request) -> Result<String, AwsError> {
    let name = request.input.need("AliasName", missing)?;
    let rest = name.strip_prefix("alias/").filter(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
    });
    match rest {
        None => Err(AwsError::new(
            "InvalidAliasNameException",
            "Alias must start with the prefix \"alias/\" and hold only letters, digits, /, _ and -",
        )),
        Some(rest) if rest.starts_with("aws/") => {
            Err(AwsError::new("NotAuthorizedException", "aliases that begin with alias/aws/ are AWS's own"))
        }
        Some(_) if name.len() > 256 => {
            Err(validation("Value at 'aliasName' failed to satisfy constraint: at most 256 characters"))
        }
        Some(_) => Ok(name.to_owned()),
    }
}

/// The request as one about the key that is the alias's target.
fn target(request: &Request) -> Result<Request, AwsError> {
    let id = request.input.need("TargetKeyId", missing)?;
    Ok(Request { input: json!({ "KeyId": id }), ..request.clone() })
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request)?;
    let key = living(state, &target(request)?, false)?;
    if state.get(ALIASES, &name).is_some() {
        let message = format!("An alias with the name {} already exists", request.arn("kms", &name));
        return Err(AwsError::new("AlreadyExistsException", message));
    }
    let now = state.now();
    state.put(ALIASES, &name, json!({ "TargetKeyId": key["KeyId"], "Created": now, "Updated": now }));
    Ok(json!({}))
}

fn absent(request: &Request, name: &str) -> AwsError {
    not_found(format!("Alias {} is not found.", request.arn("kms", name)))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request)?;
    let key = living(state, &target(request)?, false)?;
    let mut alias = state.get(ALIASES, &name).cloned().ok_or_else(|| absent(request, &name))?;
    alias["TargetKeyId"] = key["KeyId"].clone();
    alias["Updated"] = json!(state.now());
    state.put(ALIASES, &name, alias);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request)?;
    state.remove(ALIASES, &name).ok_or_else(|| absent(request, &name))?;
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let only = match request.input.member("KeyId") {
        Some(_) => Some(key(state, request, false)?["KeyId"].clone()),
        None => None,
    };
    let aliases = state
        .list(ALIASES)
        .filter(|(_, alias)| only.as_ref().is_none_or(|id| alias["TargetKeyId"] == *id))
        .map(|(name, alias)| {
            json!({
                "AliasName": name, "AliasArn": request.arn("kms", name), "TargetKeyId": alias["TargetKeyId"],
                "CreationDate": clock::epoch(alias.number("Created").unwrap_or_default()),
                "LastUpdatedDate": clock::epoch(alias.number("Updated").unwrap_or_default()),
            })
        })
        .collect();
    paged(request, "Aliases", aliases, 50, 100)
}

/// The ARN of a key that is given by id, ARN or alias; nothing for AWS's own, which ask their callers for nothing, and for
/// an alias that isn't there, which KMS says before it asks anything.
pub(crate) fn key_arn(state: &mut State<'_>, account: &str, region: &str, given: &str) -> Option<String> {
    let (account, region, name) = match Arn::parse(given) {
        Some(Arn { service: "kms", region, account, resource, .. }) => (account, region, resource),
        _ => (account, region, given),
    };
    if name.starts_with("alias/aws/") || name == "alias/aws" {
        return None;
    }
    let state = state.at(Scope::new(account, region));
    let id = if name.starts_with("alias/") {
        state.get(ALIASES, name).and_then(|alias| alias.text("TargetKeyId"))?.to_owned()
    } else {
        name.strip_prefix("key/").unwrap_or(name).to_owned()
    };
    // The keys of AWS's own services stand under ids that no key of the account has.
    (!id.starts_with("00000000-")).then(|| format!("arn:aws:kms:{region}:{account}:key/{id}"))
}
