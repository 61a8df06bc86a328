//! Instance profiles: the way a role gets onto a host.

use super::{conflict, exists, index, missing, name, no_such, paged, path, roles, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::state::{State, tag_list};
use serde_json::{Value, json};

pub(super) const PROFILES: &str = "iam/profile";

pub(super) fn shown(state: &State<'_>, profile: &Value, whole: bool) -> Value {
    let role = profile.text("Role").and_then(|name| state.get("iam/role", name));
    json!({
        "Path": profile["Path"], "InstanceProfileName": profile["InstanceProfileName"],
        "InstanceProfileId": profile["InstanceProfileId"], "Arn": profile["Arn"], "CreateDate": profile["CreateDate"],
        "Roles": role.map(|role| roles::shown(role, false)).into_iter().collect::<Vec<_>>(),
        "Tags": if whole { profile["Tags"].clone() } else { Value::Null },
    })
}

/// The instance profiles that hold a role.
pub(super) fn of_role(state: &State<'_>, role: &str) -> Vec<Value> {
    let profiles = state.list(PROFILES).filter(|(_, profile)| profile.text("Role") == Some(role));
    profiles.map(|(_, profile)| shown(state, profile, false)).collect()
}

fn profile(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let name = request.input.need("InstanceProfileName", missing)?;
    let found = state.get(PROFILES, name).cloned().ok_or_else(|| no_such("Instance Profile", name))?;
    Ok((name.to_owned(), found))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request, "InstanceProfileName", 128)?;
    let path = path(request)?;
    if state.list(PROFILES).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
        return Err(exists("Instance Profile", name));
    }
    let profile = json!({
        "Path": path, "InstanceProfileName": name, "InstanceProfileId": ids::unique("AIPA"),
        "Arn": format!("arn:aws:iam::{}:instance-profile{path}{name}", request.account),
        "CreateDate": clock::iso(state.now()), "Role": null, "Tags": tag_list(&tags(request)?, "Key", "Value"),
    });
    let answer = shown(state, &profile, true);
    index::show(state, PROFILES, &profile);
    state.put(PROFILES, name, profile);
    Ok(json!({ "InstanceProfile": answer }))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, profile) = profile(state, request)?;
    Ok(json!({ "InstanceProfile": shown(state, &profile, true) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let prefix = request.input.text("PathPrefix").unwrap_or("/");
    let fits = |profile: &&Value| profile.text("Path").unwrap_or_default().starts_with(prefix);
    let profiles = state.list(PROFILES).map(|(_, profile)| profile).filter(fits);
    let profiles = profiles.map(|profile| shown(state, profile, false)).collect();
    paged(request, "InstanceProfiles", profiles)
}

pub(super) fn list_for_role(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let role = request.input.need("RoleName", missing)?;
    state.get("iam/role", role).ok_or_else(|| no_such("role with name", role))?;
    paged(request, "InstanceProfiles", of_role(state, role))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, profile) = profile(state, request)?;
    if profile.text("Role").is_some() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    state.remove(PROFILES, &name);
    index::forget(state, &profile);
    Ok(json!({}))
}

pub(super) fn add_role(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let role = request.input.need("RoleName", missing)?;
    let (name, mut profile) = profile(state, request)?;
    state.get("iam/role", role).ok_or_else(|| no_such("role with name", role))?;
    if profile.text("Role").is_some() {
        let message = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
        return Err(AwsError::new("LimitExceeded", message).status(409));
    }
    profile["Role"] = json!(role);
    state.put(PROFILES, &name, profile);
    Ok(json!({}))
}

pub(super) fn remove_role(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let role = request.input.need("RoleName", missing)?;
    let (name, mut profile) = profile(state, request)?;
    if profile.text("Role") != Some(role) {
        return Err(no_such("role with name", role));
    }
    profile["Role"] = Value::Null;
    state.put(PROFILES, &name, profile);
    Ok(json!({}))
}
