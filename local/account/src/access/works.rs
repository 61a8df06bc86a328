//! Services of AWS that become a role of an account: whether the role lets one in, and lets it do its work.

use lakewright_iam::{Arn, Policies};
use serde_json::json;

use super::{Acting, Ask, Caller, decide, global, policies};
use crate::state::State;

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
        let judged = decide(state, &caller, Ask::on(action, resource), &region);
        judged.map_err(|denied| denied.request.refusal(&denied.decision))?;
    }
    Ok(())
}

/// The account that an ARN names.
pub(crate) fn owner_of(role: &str) -> &str {
    Arn::parse(role).map_or("", |arn| arn.account)
}
