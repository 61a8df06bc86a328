//! Who calls: the administrator of an account, or a session of a role with its policies.

use lakewright_iam::{Document, Kind, Policies, Policy, Principal};
use serde_json::Value;

use super::{global, managed, policies};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::state::{State, Tags, of_all_accounts, tags_of};

/// The caller of a request.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// Its own policies, its boundary and its session's.
    pub policies: Policies,
    /// The tags of its role.
    pub tags: Tags,
}

impl Caller {
    /// The caller with an access key, in the account that the key belongs to.
    ///
    /// Refuses sessions that have ended.
    pub fn of(state: &mut State<'_>, access_key: &str, account: &str) -> Result<Self, AwsError> {
        let session = state.at(of_all_accounts()).get("sts/key", access_key).cloned();
        let Some(session) = session else {
            // What looks like a key of AWS's and is none of this account's belongs to somebody else.
            if access_key.len() == 20 && (access_key.starts_with("ASIA") || access_key.starts_with("AKIA")) {
                let message = "The security token included in the request is invalid.";
                return Err(AwsError::new("InvalidClientTokenId", message).status(403));
            }
            let principal = Principal::root(account);
            return Ok(Self { principal, policies: Policies::default(), tags: Tags::new() });
        };
        if session.number("expires").is_some_and(|at| at <= state.now()) {
            let message = "The security token included in the request is expired";
            return Err(AwsError::new("ExpiredToken", message).status(403));
        }
        Ok(Self::of_session(state, &session))
    }

    pub fn is_administrator(&self) -> bool {
        matches!(self.principal, Principal::Root { .. })
    }

    /// A session that was given out, with the role as it is now.
    fn of_session(state: &mut State<'_>, session: &Value) -> Self {
        let account = session.text("account").unwrap_or_default();
        let mut parts = session.text("arn").unwrap_or_default().split('/').skip(1);
        let (name, session_name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut state = state.at(global(account));
        // A role of the same name that was made since is another one, and the session is no session of it.
        let id = session.text("user_id").unwrap_or_default().split(':').next().unwrap_or_default();
        let role = state.get("iam/role", name).filter(|role| role.text("RoleId") == Some(id)).cloned();
        let role = role.unwrap_or_default();
        let arn = role.text("Arn").map_or_else(|| format!("arn:aws:iam::{account}:role/{name}"), str::to_owned);
        let mut caller = Self::of_role(&mut state, &role, &arn, session_name);
        let given = session.texts("policies");
        let in_session =
            given.iter().filter_map(|text| policies::read(Kind::Session, "session policy", text)).collect();
        caller.policies.session = (!given.is_empty()).then_some(in_session);
        caller
    }

    /// A session of a role as it is now, where what has no region stands.
    pub fn of_role(state: &mut State<'_>, role: &Value, arn: &str, session: &str) -> Self {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let mut own = Vec::new();
        for (policy, text) in role["Policies"].as_object().into_iter().flatten() {
            let text = text.as_str().unwrap_or_default();
            own.extend(policies::read(Kind::Identity, &format!("inline policy {policy} of the role {name}"), text));
        }
        for attached in role.list("Attached").iter().filter_map(Value::as_str) {
            own.extend(managed_policy(state, Kind::Identity, attached));
        }
        let boundary = role.text("PermissionsBoundary");
        let boundary = boundary.map(|arn| managed_policy(state, Kind::Boundary, arn).unwrap_or_else(|| none(arn)));
        Self {
            principal: Principal::session(arn, session),
            policies: Policies { identity: own, boundary, ..Policies::default() },
            tags: tags_of(role.list("Tags"), "Key", "Value"),
        }
    }
}

/// A managed policy as it is now.
fn managed_policy(state: &mut State<'_>, kind: Kind, arn: &str) -> Option<Policy> {
    policies::read(kind, &format!("managed policy {arn}"), &managed_text(state, arn)?)
}

/// What a managed policy says: one of the account, or one of AWS's own that this account knows.
pub(crate) fn managed_text(state: &mut State<'_>, arn: &str) -> Option<String> {
    if let Some(name) = arn.strip_prefix("arn:aws:iam::aws:policy/") {
        let text = managed::document(name);
        if text.is_none() {
            tracing::warn!(policy = arn, "this account doesn't know what AWS's policy says: it allows nothing here");
        }
        return text.map(str::to_owned);
    }
    let policy = state.get("iam/policy", arn)?;
    let default = policy.text("DefaultVersionId");
    let version = policy.list("Versions").iter().find(|version| version.text("VersionId") == default)?;
    version.text("Document").map(str::to_owned)
}

/// The policy that is bound and isn't there: it allows nothing.
fn none(arn: &str) -> Policy {
    let document = Document { kind: Kind::Boundary, variables: true, statements: Vec::new() };
    Policy::new(format!("managed policy {arn}, which isn't there"), document)
}
