//! Credentials that the account gives out as services do: to the hosts of an instance profile, to a job's role.

use serde_json::{Value, json};

use crate::access::{Acting, global};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::services::emr;
use crate::services::sts::{self, Session};
use crate::store::Scope;

/// Credentials of an instance profile's role, in the form in which containers and hosts are given theirs.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
pub(crate) fn of_profile(account: &Account, owner: &str, profile: &str, instance: &str) -> Result<Value, AwsError> {
    let role = account.transact_at(global(owner), |state| {
        let missing = || AwsError::new("NoSuchEntity", format!("there is no instance profile {profile}")).status(404);
        let found = state.get("iam/profile", profile).ok_or_else(missing)?;
        let role = found.text("Role").and_then(|role| state.get("iam/role", role)).and_then(|role| role.text("Arn"));
        role.map(str::to_owned).ok_or_else(|| {
            AwsError::new("NoSuchEntity", format!("the instance profile {profile} holds no role")).status(404)
        })
    })?;
    // EC2 says for nobody that it acts.
    let session =
        sts::session_of_service(account, &role, Acting { service: "ec2.amazonaws.com", source: None }, instance)?;
    Ok(shown(&session, &role))
}

/// Credentials of the role of a job run that is under way, known by its name, in the same form.
pub(crate) fn of_job(account: &Account, (owner, region): (&str, &str), job: &str) -> Result<Value, AwsError> {
    let scope = Scope { account: owner.to_owned(), region: region.to_owned() };
    let run = account.transact_at(scope, |state| Ok(emr::open_run(state, job)))?;
    let missing = || AwsError::new("ResourceNotFoundException", format!("no job run {job} is under way")).status(404);
    let run = run.ok_or_else(missing)?;
    let session = emr::session_of_run(account, &run)?;
    Ok(shown(&session, run.text("executionRole").unwrap_or_default()))
}

fn shown(session: &Session, role: &str) -> Value {
    json!({
        "AccessKeyId": session.access_key, "SecretAccessKey": session.secret, "Token": session.token,
        "Expiration": clock::iso(session.expires), "RoleArn": role,
    })
}
