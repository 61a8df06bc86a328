//! Secrets Manager: secrets, their versions, and their deletion with a way back.

mod lists;
mod values;

use super::Service;
use crate::access::resource_policy::fault as policy_fault;
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{State, Tags, tag_list, tags_of};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Secrets;

const SECRETS: &str = "secrets/secret";
const DAY: i64 = 86_400_000;

#[async_trait]
impl Service for Secrets {
    fn name(&self) -> &'static str {
        "secretsmanager"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("secretsmanager")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| {
            expire(state);
            match request.operation.as_str() {
                "CreateSecret" => create(state, request),
                "DescribeSecret" => lists::describe(state, request),
                "ListSecrets" => lists::list(state, request),
                "ListSecretVersionIds" => lists::versions(state, request),
                "UpdateSecret" => update(state, request),
                "PutSecretValue" => values::put(state, request),
                "GetSecretValue" => values::get(state, request),
                "BatchGetSecretValue" => values::get_many(state, request),
                "UpdateSecretVersionStage" => values::move_stage(state, request),
                "GetRandomPassword" => Ok(values::password(request)),
                "DeleteSecret" => delete(state, request),
                "RestoreSecret" => restore(state, request),
                "TagResource" => tag(state, request),
                "UntagResource" => untag(state, request),
                "PutResourcePolicy" => put_policy(state, request),
                "GetResourcePolicy" => policy(state, request),
                "DeleteResourcePolicy" => delete_policy(state, request),
                "ValidateResourcePolicy" => validate_policy(request),
                _ => Err(super::unknown_operation(request)),
            }
        })
    }
}

fn missing(name: &str) -> AwsError {
    AwsError::null_member("ValidationException", name)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn refused(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequestException", message)
}

fn not_found(message: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", message)
}

/// What the secret of a name holds now, unless it waits for its deletion.
pub(crate) fn current(state: &State<'_>, name: &str) -> Option<String> {
    state.get(SECRETS, name).filter(|secret| secret.member("Deleted").is_none()).and_then(values::current)
}

/// The secret that `SecretId` names, by name, ARN, or ARN without its random end.
fn find(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let given = request.input.need("SecretId", missing)?;
    let absent = || not_found("Secrets Manager can't find the specified secret.");
    if !given.starts_with("arn:") {
        return state.get(SECRETS, given).cloned().ok_or_else(absent);
    }
    let named = |secret: &Value| {
        let arn = secret.text("ARN").unwrap_or_default();
        arn == given || arn.get(..arn.len().saturating_sub(7)) == Some(given)
    };
    state.list(SECRETS).map(|(_, secret)| secret).find(|secret| named(secret)).cloned().ok_or_else(absent)
}

/// A secret that isn't marked for deletion.
fn living(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = find(state, request)?;
    if secret.member("Deleted").is_some() {
        return Err(refused("You can't perform this operation on the secret because it was marked for deletion."));
    }
    Ok(secret)
}

fn save(state: &mut State<'_>, secret: Value) {
    let name = secret.text("Name").unwrap_or_default().to_owned();
    state.put(SECRETS, &name, secret);
}

/// Removes secrets whose recovery window has passed.
fn expire(state: &mut State<'_>) {
    let now = state.now();
    let due: Vec<(String, String)> = state
        .list(SECRETS)
        .filter(|(_, secret)| secret.number("Gone").is_some_and(|at| at <= now))
        .map(|(name, secret)| (name.to_owned(), secret.text("ARN").unwrap_or_default().to_owned()))
        .collect();
    for (name, arn) in due {
        state.remove(SECRETS, &name);
        state.forget_tags(&arn);
    }
}

fn tags(request: &Request) -> Result<Tags, AwsError> {
    let tags = tags_of(request.input.list("Tags"), "Key", "Value");
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(invalid(format!("the tag '{key}' is not valid")));
        }
    }
    if tags.len() > 50 {
        return Err(AwsError::new("LimitExceededException", "a secret has at most 50 tags"));
    }
    Ok(tags)
}

fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("Name", missing)?;
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte));
    if !fits || name.len() > 512 {
        return Err(AwsError::new(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    let tags = tags(request)?;
    let value = values::given(request)?;
    if let Some(existing) = state.get(SECRETS, name) {
        if existing.member("Deleted").is_some() {
            return Err(refused(
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        // The token is the version's id: a repeat with the same value is the same call.
        let token = request.input.text("ClientRequestToken").unwrap_or_default();
        let version = existing["Versions"].get(token);
        if version.is_some_and(|version| value.as_ref().is_some_and(|value| values::same(version, value))) {
            return Ok(json!({ "ARN": existing["ARN"], "Name": name, "VersionId": token }));
        }
        return Err(AwsError::new(
            "ResourceExistsException",
            format!("The operation failed because the secret {name} already exists."),
        ));
    }
    let arn = request.arn(
        "secretsmanager",
        &format!(
            "secret:{name}-{}",
            ids::letters(6, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        ),
    );
    let now = state.now();
    let mut secret = json!({
        "ARN": arn, "Name": name, "Description": request.input.text("Description"),
        "KmsKeyId": request.input.text("KmsKeyId"), "Created": now, "Changed": now, "Versions": {},
    });
    let mut answer = json!({ "ARN": arn, "Name": name });
    if let Some(value) = value {
        let version = values::add(&mut secret, request, value, &["AWSCURRENT".to_owned()], now)?;
        answer["VersionId"] = json!(version);
    }
    state.set_tags(&arn, &tags);
    save(state, secret);
    Ok(answer)
}

fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut secret = living(state, request)?;
    for member in ["Description", "KmsKeyId"] {
        if let Some(text) = request.input.text(member) {
            secret[member] = json!(text);
        }
    }
    let now = state.now();
    secret["Changed"] = json!(now);
    let mut answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"] });
    if let Some(value) = values::given(request)? {
        let version = values::add(&mut secret, request, value, &["AWSCURRENT".to_owned()], now)?;
        answer["VersionId"] = json!(version);
    }
    save(state, secret);
    Ok(answer)
}

fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let force = request.input.flag("ForceDeleteWithoutRecovery").unwrap_or(false);
    let days = request.input.number("RecoveryWindowInDays");
    if force && days.is_some() {
        return Err(invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."));
    }
    let window = days.unwrap_or(30);
    if !(7..=30).contains(&window) {
        return Err(invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."));
    }
    let found = if force { find(state, request) } else { living(state, request) };
    let mut secret = match found {
        Ok(secret) => secret,
        // Forced deletion of what isn't there succeeds, as on AWS.
        Err(error) if force && error.code == "ResourceNotFoundException" => {
            let name = request.input.text("SecretId").unwrap_or_default();
            let arn = request.arn("secretsmanager", &format!("secret:{name}"));
            return Ok(json!({ "ARN": arn, "Name": name, "DeletionDate": clock::epoch(state.now()) }));
        }
        Err(error) => return Err(error),
    };
    let now = state.now();
    let gone = if force { now } else { now + window * DAY };
    let answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"], "DeletionDate": clock::epoch(gone) });
    if force {
        let name = secret.text("Name").unwrap_or_default();
        state.remove(SECRETS, name);
        state.forget_tags(secret.text("ARN").unwrap_or_default());
    } else {
        secret["Deleted"] = json!(now);
        secret["Gone"] = json!(gone);
        save(state, secret);
    }
    Ok(answer)
}

fn restore(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut secret = find(state, request)?;
    secret["Deleted"] = Value::Null;
    secret["Gone"] = Value::Null;
    let answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"] });
    save(state, secret);
    Ok(answer)
}

fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = living(state, request)?;
    let arn = secret.text("ARN").unwrap_or_default();
    state.add_tags(arn, &tags(request)?);
    if state.tags(arn).len() > 50 {
        return Err(AwsError::new("LimitExceededException", "a secret has at most 50 tags"));
    }
    Ok(json!({}))
}

fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = living(state, request)?;
    state.remove_tags(secret.text("ARN").unwrap_or_default(), &request.input.texts("TagKeys"));
    Ok(json!({}))
}

/// The tags as answers show them.
fn shown_tags(state: &State<'_>, secret: &Value) -> Value {
    tag_list(&state.tags(secret.text("ARN").unwrap_or_default()), "Key", "Value")
}

fn put_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let text = request.input.need("ResourcePolicy", missing)?;
    if let Some(fault) = policy_fault(text, true) {
        return Err(AwsError::new("MalformedPolicyDocumentException", fault));
    }
    let mut secret = living(state, request)?;
    secret["Policy"] = json!(text);
    let answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"] });
    save(state, secret);
    Ok(answer)
}

fn policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = find(state, request)?;
    let mut answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"] });
    if let Some(policy) = secret.text("Policy") {
        answer["ResourcePolicy"] = json!(policy);
    }
    Ok(answer)
}

fn delete_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut secret = living(state, request)?;
    secret["Policy"] = Value::Null;
    let answer = json!({ "ARN": secret["ARN"], "Name": secret["Name"] });
    save(state, secret);
    Ok(answer)
}

fn validate_policy(request: &Request) -> Result<Value, AwsError> {
    let fault = policy_fault(request.input.need("ResourcePolicy", missing)?, true);
    let errors: Vec<Value> =
        fault.iter().map(|fault| json!({ "CheckName": "Syntax", "ErrorMessage": fault })).collect();
    Ok(json!({ "PolicyValidationPassed": errors.is_empty(), "ValidationErrors": errors }))
}
