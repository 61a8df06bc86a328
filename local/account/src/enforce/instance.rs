//! Credentials that the account gives out as services do: to the hosts of an instance profile, to a job's role.

use lakewright_iam::{Arn, Policies};
use serde_json::{Value, json};

use super::{Acting, Ask, Caller, decide, global, policies};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::services::emr;
use crate::services::sts::{self, Session};
use crate::state::State;
use crate::store::Scope;

/// How long the credentials of a host or a job live.
const SECONDS: i64 = 6 * 3600;

/// A session of a role that a service of AWS becomes, if the role's trust policy lets it.
pub(crate) fn session(account: &Account, role: &str, acting: Acting<'_>, name: &str) -> Result<Session, AwsError> {
    let owner = owner_of(role);
    account.transact_at(global(owner), |state| {
        if account.enforce {
            trusted(state, role, acting).map_err(|why| AwsError::new("AccessDenied", why).status(403))?;
        }
        sts::give_out(state, role, name, SECONDS)
    })
}

/// Refuses, with the reason, a service that the trust policy of a role doesn't let in for what it acts.
pub(crate) fn trusted(state: &mut State<'_>, role: &str, acting: Acting<'_>) -> Result<(), String> {
    let owner = owner_of(role);
    let (resource, rule) = policies::of_resource(state, "sts:AssumeRole", role, owner);
    let request = acting.request("sts:AssumeRole", role);
    let decision = Policies { resource, rule, ..Policies::default() }.evaluate(&request);
    let Some(missing) = request.missing(&decision) else { return Ok(()) };
    let statement =
        json!({ "Effect": "Allow", "Principal": { "Service": acting.service }, "Action": "sts:AssumeRole" });
    tracing::warn!(service = acting.service, role, %missing, "denied");
    let (refusal, brought) = (request.refusal(&decision), missing.brought());
    Err(format!("{refusal}. The trust policy needs {statement}; the call brought {brought}"))
}

/// Refuses, with the reason, a service that can't become a role or may not do something as it.
pub(crate) fn works(
    state: &mut State<'_>,
    role: &str,
    acting: Acting<'_>,
    (actions, resource): (&[&str], &str),
) -> Result<(), String> {
    trusted(state, role, acting)?;
    let region = state.scope().region.clone();
    let caller = {
        let mut state = state.at(global(owner_of(role)));
        let name = role.rsplit('/').next().unwrap_or_default();
        let known = state.get("iam/role", name).cloned().unwrap_or_default();
        Caller::of_role(&mut state, &known, role, "service")
    };
    for action in actions {
        let judged = decide::decide(state, &caller, Ask::on(action, resource), &region);
        judged.map_err(|denied| denied.request.refusal(&denied.decision))?;
    }
    Ok(())
}

fn owner_of(role: &str) -> &str {
    Arn::parse(role).map_or("", |arn| arn.account)
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
    // EC2 says for nobody that it acts.
    let session = session(account, &role, Acting { service: "ec2.amazonaws.com", source: None }, instance)?;
    Ok(shown(&session, &role))
}

/// Credentials of the role of a job run that is under way, known by its name, in the same form.
pub(crate) fn job_credentials(account: &Account, (owner, region): (&str, &str), job: &str) -> Result<Value, AwsError> {
    let scope = Scope { account: owner.to_owned(), region: region.to_owned() };
    let run = account.transact_at(scope, |state| Ok(emr::open_run(state, job)))?;
    let missing = || AwsError::new("ResourceNotFoundException", format!("no job run {job} is under way")).status(404);
    let run = run.ok_or_else(missing)?;
    let session = session_of_run(account, &run)?;
    Ok(shown(&session, run.text("executionRole").unwrap_or_default()))
}

/// A session of a job run's role, if the role lets EMR in for the application.
pub(crate) fn session_of_run(account: &Account, run: &Value) -> Result<Session, AwsError> {
    let part = |member: &str| run.text(member).unwrap_or_default();
    let application = part("arn").split("/jobruns/").next().unwrap_or_default();
    let owner = owner_of(application);
    let acting = Acting { service: "emr-serverless.amazonaws.com", source: Some((owner, application)) };
    session(account, part("executionRole"), acting, part("jobRunId"))
}

fn shown(session: &Session, role: &str) -> Value {
    json!({
        "AccessKeyId": session.access_key, "SecretAccessKey": session.secret, "Token": session.token,
        "Expiration": clock::iso(session.expires), "RoleArn": role,
    })
}
