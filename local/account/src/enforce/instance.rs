//! Credentials that the account gives out as services do: to the hosts of an instance profile, to a job's role.

use lakewright_iam::{Policies, Principal, Request, ResourceRule};
use serde_json::{Value, json};

use super::{global, policies};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::services::sts::{self, Session};

/// How long the credentials of a host or a job live.
const SECONDS: i64 = 6 * 3600;

/// A session of a role that a service of AWS becomes, if the role's trust policy lets it.
pub(crate) fn session(account: &Account, role: &str, service: &str, name: &str) -> Result<Session, AwsError> {
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let owner = parts.get(4).copied().unwrap_or_default();
    let refused = |why: String| AwsError::new("AccessDenied", why).status(403);
    account.transact_at(global(owner), |state| {
        let short = role.rsplit('/').next().unwrap_or_default();
        let known = state.get("iam/role", short).filter(|known| known.text("Arn") == Some(role));
        if known.is_none() {
            return Err(refused(format!("there is no role {role}")));
        }
        let request = Request::new(Principal::Service(service.to_owned()), "sts:AssumeRole", role)
            .key("aws:SourceAccount", owner)
            .key("aws:RequestedRegion", "us-east-1");
        let (resource, rule) = policies::of_resource(state, "sts:AssumeRole", role, owner);
        let decision = Policies { resource, rule, ..Policies::default() }.evaluate(&request);
        debug_assert_eq!(rule, ResourceRule::Decides);
        if account.enforce && !decision.is_allowed() {
            return Err(refused(format!("{service} can't become {role}: its trust policy doesn't let it")));
        }
        sts::give_out(state, role, name, SECONDS)
    })
}

/// Credentials of an instance profile's role, in the form in which containers and hosts are given theirs.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
pub(crate) fn credentials(account: &Account, owner: &str, profile: &str, instance: &str) -> Result<Value, AwsError> {
    let role = account.transact_at(global(owner), |state| {
        let missing = || AwsError::new("NoSuchEntity", format!("there is no instance profile {profile}")).status(404);
        let found = state.get("iam/profile", profile).ok_or_else(missing)?;
        let role = found.text("Role").and_then(|role| state.get("iam/role", role)).and_then(|role| role.text("Arn"));
        role.map(str::to_owned).ok_or_else(|| {
            AwsError::new("NoSuchEntity", format!("the instance profile {profile} holds no role")).status(404)
        })
    })?;
    let session = session(account, &role, "ec2.amazonaws.com", instance)?;
    Ok(json!({
        "AccessKeyId": session.access_key, "SecretAccessKey": session.secret, "Token": session.token,
        "Expiration": clock::iso(session.expires), "RoleArn": role,
    }))
}
