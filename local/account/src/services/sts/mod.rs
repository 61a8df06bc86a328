//! STS: who am I, and becoming a role.

use super::Service;
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{GLOBAL, State};
use crate::store::Scope;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Sts;

#[async_trait]
impl Service for Sts {
    fn name(&self) -> &'static str {
        "sts"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Query("https://sts.amazonaws.com/doc/2011-06-15/")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "GetCallerIdentity" => Ok(identity(state, request)),
            "AssumeRole" => assume_role(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn identity(state: &mut State<'_>, request: &Request) -> Value {
    let session = state.at(key_scope()).get("sts/key", &request.access_key).cloned();
    match session {
        Some(session) => json!({ "Arn": session["arn"], "UserId": session["user_id"], "Account": request.account }),
        None => json!({
            "Arn": format!("arn:aws:iam::{}:root", request.account),
            "UserId": request.account,
            "Account": request.account,
        }),
    }
}

fn assume_role(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let missing = |name: &str| AwsError::null("ValidationError", name);
    let arn = request.input.need("RoleArn", missing)?;
    let session = request.input.need("RoleSessionName", missing)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if !(2..=64).contains(&session.len()) || !session.bytes().all(fits) {
        let message =
            format!("Value '{session}' at 'roleSessionName' failed to satisfy constraint: 2 to 64 of [\\w+=,.@-]");
        return Err(AwsError::new("ValidationError", message));
    }
    let seconds = request.input.number("DurationSeconds").unwrap_or(3600);
    if !(900..=43_200).contains(&seconds) {
        return Err(AwsError::new(
            "ValidationError",
            format!("Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: between 900 and 43200"),
        ));
    }
    let denied = || {
        let message =
            format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", request.account);
        AwsError::new("AccessDenied", message).status(403)
    };
    let (account, role) = role_of(arn).ok_or_else(denied)?;
    let document = state.at(Scope::new(account, GLOBAL)).get("iam/role", role).cloned().ok_or_else(denied)?;
    let session_arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
    let user = format!("{}:{session}", document.text("RoleId").unwrap_or_default());
    let key = ids::unique("ASIA")[..20].to_owned();
    let expires = state.now() + seconds * 1000;
    let kept = json!({ "account": account, "arn": session_arn, "user_id": user, "expires": expires });
    state.at(key_scope()).put("sts/key", &key, kept);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": ids::letters(40, b"abcdefghijklmnopqrstuvwxyz0123456789"),
            "SessionToken": ids::letters(128, b"abcdefghijklmnopqrstuvwxyz0123456789"),
            "Expiration": clock::iso(expires),
        },
        "AssumedRoleUser": { "Arn": session_arn, "AssumedRoleId": user },
    }))
}

/// Account and name of the role that an ARN names.
fn role_of(arn: &str) -> Option<(&str, &str)> {
    let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    Some((account, path.rsplit('/').next()?))
}

/// Where access keys that this account gave out stand: they must be found before the account is known.
pub fn key_scope() -> Scope {
    Scope::new("", GLOBAL)
}
