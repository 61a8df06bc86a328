//! Roles with their trust, inline and attached policies.

use super::{
    conflict, document, encoded, exists, missing, name, no_such, paged, path, policies, profiles, tags, validation,
};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::state::{State, tag_list};
use serde_json::{Value, json};

pub(super) const ROLES: &str = "iam/role";

/// A role as answers show it; `whole` adds what lists leave out.
pub(super) fn shown(role: &Value, whole: bool) -> Value {
    let mut out = json!({
        "Path": role["Path"], "RoleName": role["RoleName"], "RoleId": role["RoleId"], "Arn": role["Arn"],
        "CreateDate": role["CreateDate"], "AssumeRolePolicyDocument": encoded(&role["AssumeRolePolicyDocument"]),
        "Description": role["Description"], "MaxSessionDuration": role["MaxSessionDuration"],
    });
    if whole {
        if !role.list("Tags").is_empty() {
            out["Tags"] = role["Tags"].clone();
        }
        if let Some(boundary) = role.text("PermissionsBoundary") {
            out["PermissionsBoundary"] =
                json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary });
        }
        out["RoleLastUsed"] = json!({});
    }
    out
}

fn role(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let name = request.input.need("RoleName", missing)?;
    let found = state.get(ROLES, name).cloned().ok_or_else(|| no_such("role with name", name))?;
    Ok((name.to_owned(), found))
}

fn duration(request: &Request) -> Result<i64, AwsError> {
    let seconds = request.input.number("MaxSessionDuration").unwrap_or(3600);
    if (3600..=43_200).contains(&seconds) {
        return Ok(seconds);
    }
    Err(validation(format!(
        "Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200"
    )))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request, "RoleName", 64)?;
    let trust = document(request, "AssumeRolePolicyDocument", true)?;
    let path = path(request)?;
    // Role names are compared without case.
    if state.list(ROLES).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
        return Err(exists("Role", name));
    }
    let boundary = request.input.text("PermissionsBoundary");
    if let Some(boundary) = boundary {
        policies::bounds(state, boundary)?;
    }
    let role = json!({
        "Path": path, "RoleName": name, "RoleId": ids::unique("AROA"),
        "Arn": format!("arn:aws:iam::{}:role{path}{name}", request.account),
        "CreateDate": clock::iso(state.now()), "AssumeRolePolicyDocument": trust,
        "Description": request.input.text("Description"), "MaxSessionDuration": duration(request)?,
        "PermissionsBoundary": boundary,
        "Tags": tag_list(&tags(request)?, "Key", "Value"), "Policies": {}, "Attached": [],
    });
    let answer = shown(&role, true);
    state.put(ROLES, name, role);
    Ok(json!({ "Role": answer }))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, role) = role(state, request)?;
    Ok(json!({ "Role": shown(&role, true) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let prefix = request.input.text("PathPrefix").unwrap_or("/");
    let fits = |role: &&Value| role.text("Path").unwrap_or_default().starts_with(prefix);
    let roles = state.list(ROLES).map(|(_, role)| role).filter(fits).map(|role| shown(role, false)).collect();
    paged(request, "Roles", roles)
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut role) = role(state, request)?;
    if let Some(description) = request.input.text("Description") {
        role["Description"] = json!(description);
    }
    if request.input.member("MaxSessionDuration").is_some() {
        role["MaxSessionDuration"] = json!(duration(request)?);
    }
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn update_trust(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let trust = document(request, "PolicyDocument", true)?;
    let (name, mut role) = role(state, request)?;
    role["AssumeRolePolicyDocument"] = json!(trust);
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, role) = role(state, request)?;
    if !profiles::of_role(state, &name).is_empty() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    if !role.list("Attached").is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if role["Policies"].as_object().is_some_and(|policies| !policies.is_empty()) {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    state.remove(ROLES, &name);
    Ok(json!({}))
}

pub(super) fn put_boundary(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let boundary = request.input.need("PermissionsBoundary", missing)?;
    let (name, mut role) = role(state, request)?;
    policies::bounds(state, boundary)?;
    role["PermissionsBoundary"] = json!(boundary);
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn delete_boundary(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut role) = role(state, request)?;
    role["PermissionsBoundary"] = Value::Null;
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn put_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let policy = name(request, "PolicyName", 128)?;
    let text = document(request, "PolicyDocument", false)?;
    let (name, mut role) = role(state, request)?;
    role["Policies"][policy] = json!(text);
    let size: usize = role["Policies"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, text)| text.as_str())
        .map(|text| text.chars().filter(|character| !character.is_whitespace()).count())
        .sum();
    if size > 10_240 {
        let message = format!("Maximum policy size of 10240 bytes exceeded for role {name}");
        return Err(AwsError::new("LimitExceeded", message).status(409));
    }
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn get_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let policy = request.input.need("PolicyName", missing)?;
    let (name, role) = role(state, request)?;
    let text = role["Policies"].get(policy).ok_or_else(|| no_such("role policy with name", policy))?;
    Ok(json!({ "RoleName": name, "PolicyName": policy, "PolicyDocument": encoded(text) }))
}

pub(super) fn list_policies(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, role) = role(state, request)?;
    let names = role["Policies"].as_object().into_iter().flatten().map(|(name, _)| json!(name)).collect();
    paged(request, "PolicyNames", names)
}

pub(super) fn delete_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let policy = request.input.need("PolicyName", missing)?;
    let (name, mut role) = role(state, request)?;
    let removed = role["Policies"].as_object_mut().and_then(|policies| policies.shift_remove(policy));
    if removed.is_none() {
        return Err(no_such("role policy with name", policy));
    }
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn attach(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = request.input.need("PolicyArn", missing)?;
    let (name, mut role) = role(state, request)?;
    policies::known(state, arn)?;
    let attached = role["Attached"].as_array_mut().expect("every role has a list of attached policies");
    if !attached.iter().any(|other| other == arn) {
        if attached.len() >= 10 {
            let message = "Cannot exceed quota for PoliciesPerRole: 10";
            return Err(AwsError::new("LimitExceeded", message).status(409));
        }
        attached.push(json!(arn));
    }
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

pub(super) fn detach(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = request.input.need("PolicyArn", missing)?;
    let (name, mut role) = role(state, request)?;
    let attached = role["Attached"].as_array_mut().expect("every role has a list of attached policies");
    let before = attached.len();
    attached.retain(|other| other != arn);
    if attached.len() == before {
        return Err(AwsError::new("NoSuchEntity", format!("Policy {arn} was not found.")).status(404));
    }
    state.put(ROLES, &name, role);
    Ok(json!({}))
}

/// The policies attached to a role, as answers show them.
pub(super) fn attached(role: &Value) -> Vec<Value> {
    let name = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let arns = role.list("Attached").iter().filter_map(Value::as_str);
    arns.map(|arn| json!({ "PolicyName": name(arn), "PolicyArn": arn })).collect()
}

pub(super) fn list_attached(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, role) = role(state, request)?;
    paged(request, "AttachedPolicies", attached(&role))
}
