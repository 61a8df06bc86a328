//! STS: who am I, and becoming a role.

use super::Service;
use crate::access::resource_policy;
use crate::access::{self, Acting};
use crate::account::Account;
use crate::clock;
use crate::engine::Temporary;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::signature::{Key, Secret};
use crate::state::{GLOBAL, State, of_all_accounts};
use crate::store::Scope;
use async_trait::async_trait;
use lakewright_iam::Arn;
use serde_json::{Value, json};
use std::sync::Arc;

/// How long the credentials of a host or a job live.
const SERVICE_SECONDS: i64 = 6 * 3600;

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
    let known = state.at(Scope::new(account, GLOBAL)).get("iam/role", role).is_some();
    if !known {
        return Err(denied());
    }
    let policies = session_policies(state, request, account)?;
    let made = give_out(state, arn, session, seconds)?;
    if !policies.is_empty() {
        state.at(key_scope()).update("sts/key", &made.access_key, |kept| kept["policies"] = json!(policies));
    }
    Ok(json!({
        "Credentials": {
            "AccessKeyId": made.access_key,
            "SecretAccessKey": made.secret,
            "SessionToken": made.token,
            "Expiration": clock::iso(made.expires),
        },
        "AssumedRoleUser": { "Arn": made.arn, "AssumedRoleId": made.user_id },
    }))
}

/// The policies that bound a session: the request's own and the managed ones that it names.
fn session_policies(state: &mut State<'_>, request: &Request, account: &str) -> Result<Vec<String>, AwsError> {
    let mut policies = Vec::new();
    if let Some(text) = request.input.text("Policy").filter(|text| !text.is_empty()) {
        if let Some(fault) = resource_policy::fault(text, false) {
            return Err(AwsError::new("MalformedPolicyDocument", fault));
        }
        policies.push(text.to_owned());
    }
    for arn in request.input.list("PolicyArns").iter().filter_map(|one| one.text("arn")) {
        let mut state = state.at(Scope::new(account, GLOBAL));
        let text = access::managed_text(&mut state, arn);
        let missing = || AwsError::new("ValidationError", format!("Policy {arn} does not exist or is not attachable."));
        policies.push(text.ok_or_else(missing)?);
    }
    Ok(policies)
}

/// Credentials of a session.
pub(crate) struct Session {
    /// The access key.
    pub access_key: String,
    /// What it signs with.
    pub secret: String,
    /// What every request of it shows.
    pub token: String,
    /// When it ends, in milliseconds since the epoch.
    pub expires: i64,
    /// The session's ARN.
    pub arn: String,
    /// The role's id and the session's name.
    pub user_id: String,
}

/// Gives out credentials of a session of a role.
pub(crate) fn give_out(state: &mut State<'_>, role: &str, name: &str, seconds: i64) -> Result<Session, AwsError> {
    let missing = || AwsError::new("AccessDenied", format!("there is no role {role}")).status(403);
    let (account, short) = role_of(role).ok_or_else(missing)?;
    let document = state.at(Scope::new(account, GLOBAL)).get("iam/role", short).cloned().ok_or_else(missing)?;
    let made = Session {
        access_key: ids::unique("ASIA")[..20].to_owned(),
        secret: ids::letters(40, b"abcdefghijklmnopqrstuvwxyz0123456789"),
        token: ids::letters(128, b"abcdefghijklmnopqrstuvwxyz0123456789"),
        expires: state.now() + seconds * 1000,
        arn: format!("arn:aws:sts::{account}:assumed-role/{short}/{name}"),
        user_id: format!("{}:{name}", document.text("RoleId").unwrap_or_default()),
    };
    let kept = json!({
        "account": account, "arn": made.arn, "user_id": made.user_id, "expires": made.expires, "secret": made.secret,
        "token": made.token,
    });
    state.at(key_scope()).put("sts/key", &made.access_key, kept);
    Ok(made)
}

/// A session of a role that a service of AWS becomes, if the role's trust policy lets it.
pub(crate) fn session_of_service(
    account: &Account,
    role: &str,
    acting: Acting<'_>,
    name: &str,
) -> Result<Session, AwsError> {
    account.transact_at(access::global(access::owner_of(role)), |state| {
        if account.enforce {
            access::trusted(state, role, acting).map_err(|why| AwsError::new("AccessDenied", why).status(403))?;
        }
        give_out(state, role, name, SERVICE_SECONDS)
    })
}

/// Account and name of the role that an ARN names.
fn role_of(arn: &str) -> Option<(&str, &str)> {
    let arn = Arn::parse(arn).filter(|arn| arn.is("iam", "role"))?;
    Some((arn.account, arn.resource.rsplit('/').next()?))
}

/// What an access key that this account gave out is signed with.
pub(crate) fn key(entry: &Value) -> Option<Key> {
    let secret = |name: &str| entry.text(name).map(Secret::new);
    Some(Key { secret: secret("secret")?, session: Some((secret("token")?, entry.number("expires")?)) })
}

/// The credentials of a session by its access key; nothing for an administrator's key.
pub(crate) fn temporary(account: &Account, access_key: &str) -> Result<Option<Temporary>, AwsError> {
    account.transact_at(key_scope(), |state| {
        let Some(session) = state.get("sts/key", access_key) else { return Ok(None) };
        let text = |name: &str| session.text(name).unwrap_or_default().to_owned();
        Ok(Some(Temporary { access_key: access_key.to_owned(), secret: text("secret"), token: text("token") }))
    })
}

/// Where access keys that this account gave out stand: they must be found before the account is known.
pub fn key_scope() -> Scope {
    of_all_accounts()
}
