//! Managed policies and their versions.

use super::{conflict, document, encoded, exists, index, missing, name, paged, path, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::state::{State, tag_list};
use lakewright_iam::Arn;
use serde_json::{Value, json};

const POLICIES: &str = "iam/policy";

/// The most characters of a policy; white space doesn't count.
const LONGEST: usize = 6_144;

/// Refuses a document that is longer than a managed policy can be.
fn sized(text: String) -> Result<String, AwsError> {
    let size = text.chars().filter(|character| !character.is_whitespace()).count();
    if size > LONGEST {
        let message = format!("Cannot exceed quota for PolicySize: {LONGEST}");
        return Err(AwsError::new("LimitExceeded", message).status(409));
    }
    Ok(text)
}

fn not_found(arn: &str) -> AwsError {
    AwsError::new("NoSuchEntity", format!("Policy {arn} does not exist or is not attachable.")).status(404)
}

/// Refuses ARNs of policies that don't exist. AWS's own are taken on trust: their list is AWS's.
pub(super) fn known(state: &State<'_>, arn: &str) -> Result<(), AwsError> {
    if arn.starts_with("arn:aws:iam::aws:policy/") || state.get(POLICIES, arn).is_some() {
        return Ok(());
    }
    if Arn::parse(arn).is_some_and(|arn| arn.is("iam", "policy")) {
        return Err(not_found(arn));
    }
    Err(AwsError::new("ValidationError", format!("ARN {arn} is not valid.")))
}

/// Refuses ARNs of policies that can't bound a role.
pub(super) fn bounds(state: &State<'_>, arn: &str) -> Result<(), AwsError> {
    let scope = || {
        let message = format!("Scope ARN: {arn} does not exist or is not attachable.");
        AwsError::new("NoSuchEntity", message).status(404)
    };
    known(state, arn).map_err(|error| if error.code == "NoSuchEntity" { scope() } else { error })
}

fn policy(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let arn = request.input.need("PolicyArn", missing)?;
    known(state, arn)?;
    let found = state.get(POLICIES, arn).cloned();
    let found = found.ok_or_else(|| AwsError::new("AccessDenied", "the policy is AWS's own").status(403))?;
    Ok((arn.to_owned(), found))
}

fn attachments(state: &State<'_>, arn: &str) -> Vec<Value> {
    let roles = state.list("iam/role").filter(|(_, role)| role.list("Attached").iter().any(|other| other == arn));
    roles.map(|(name, role)| json!({ "RoleName": name, "RoleId": role["RoleId"] })).collect()
}

/// The roles that a policy bounds.
fn bounded(state: &State<'_>, arn: &str) -> Vec<Value> {
    let roles = state.list("iam/role").filter(|(_, role)| role.text("PermissionsBoundary") == Some(arn));
    roles.map(|(name, role)| json!({ "RoleName": name, "RoleId": role["RoleId"] })).collect()
}

pub(super) fn shown(state: &State<'_>, policy: &Value) -> Value {
    let mut out = policy.clone();
    let members = out.as_object_mut().expect("policies are objects");
    members.shift_remove("Versions");
    members.shift_remove("NextVersion");
    let arn = policy.text("Arn").unwrap_or_default();
    out["AttachmentCount"] = json!(attachments(state, arn).len());
    out["PermissionsBoundaryUsageCount"] = json!(bounded(state, arn).len());
    out
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request, "PolicyName", 128)?;
    let text = sized(document(request, "PolicyDocument", false)?)?;
    let path = path(request)?;
    if state
        .list(POLICIES)
        .any(|(_, other)| other.text("PolicyName").is_some_and(|other| other.eq_ignore_ascii_case(name)))
    {
        return Err(exists("A policy called", name));
    }
    let arn = format!("arn:aws:iam::{}:policy{path}{name}", request.account);
    let now = clock::iso(state.now());
    let policy = json!({
        "PolicyName": name, "PolicyId": ids::unique("ANPA"), "Arn": arn, "Path": path, "DefaultVersionId": "v1",
        "IsAttachable": true, "Description": request.input.text("Description"),
        "CreateDate": now, "UpdateDate": now, "Tags": tag_list(&tags(request)?, "Key", "Value"),
        "Versions": [{ "VersionId": "v1", "Document": text, "CreateDate": now }], "NextVersion": 2,
    });
    let answer = shown(state, &policy);
    index::show(state, POLICIES, &policy);
    state.put(POLICIES, &arn, policy);
    Ok(json!({ "Policy": answer }))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, policy) = policy(state, request)?;
    Ok(json!({ "Policy": shown(state, &policy) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut policies: Vec<Value> = state.list(POLICIES).map(|(_, policy)| shown(state, policy)).collect();
    if request.input.text("Scope") == Some("AWS") {
        policies.clear();
    }
    if request.input.flag("OnlyAttached") == Some(true) {
        policies.retain(|policy| policy["AttachmentCount"] != 0);
    }
    for policy in &mut policies {
        policy["Tags"] = Value::Null;
        policy["Description"] = Value::Null;
    }
    paged(request, "Policies", policies)
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, policy) = policy(state, request)?;
    if !attachments(state, &arn).is_empty() {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if !bounded(state, &arn).is_empty() {
        return Err(conflict("Cannot delete a policy that is the permissions boundary of entities."));
    }
    if policy.list("Versions").len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    state.remove(POLICIES, &arn);
    index::forget(state, &policy);
    Ok(json!({}))
}

fn version_shown(policy: &Value, version: &Value, whole: bool) -> Value {
    json!({
        "VersionId": version["VersionId"], "CreateDate": version["CreateDate"],
        "IsDefaultVersion": version["VersionId"] == policy["DefaultVersionId"],
        "Document": whole.then(|| encoded(&version["Document"])),
    })
}

pub(super) fn versions(policy: &Value) -> Vec<Value> {
    policy.list("Versions").iter().map(|version| version_shown(policy, version, true)).collect()
}

pub(super) fn create_version(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let text = sized(document(request, "PolicyDocument", false)?)?;
    let (arn, mut policy) = policy(state, request)?;
    if policy.list("Versions").len() >= 5 {
        let message = "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.";
        return Err(AwsError::new("LimitExceeded", message).status(409));
    }
    let number = policy.number("NextVersion").unwrap_or(2);
    let now = clock::iso(state.now());
    let version = json!({ "VersionId": format!("v{number}"), "Document": text, "CreateDate": now });
    policy["NextVersion"] = json!(number + 1);
    policy["UpdateDate"] = json!(now);
    if request.input.flag("SetAsDefault") == Some(true) {
        policy["DefaultVersionId"] = version["VersionId"].clone();
    }
    let answer = version_shown(&policy, &version, false);
    policy["Versions"].as_array_mut().expect("every policy has versions").push(version);
    state.put(POLICIES, &arn, policy);
    Ok(json!({ "PolicyVersion": answer }))
}

fn version(policy: &Value, request: &Request) -> Result<Value, AwsError> {
    let id = request.input.need("VersionId", missing)?;
    let found = policy.list("Versions").iter().find(|version| version["VersionId"] == id).cloned();
    found.ok_or_else(|| AwsError::new("NoSuchEntity", format!("Policy version {id} does not exist.")).status(404))
}

pub(super) fn get_version(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, policy) = policy(state, request)?;
    let version = version(&policy, request)?;
    Ok(json!({ "PolicyVersion": version_shown(&policy, &version, true) }))
}

pub(super) fn list_versions(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, policy) = policy(state, request)?;
    let shown = |version: &Value| version_shown(&policy, version, false);
    paged(request, "Versions", policy.list("Versions").iter().rev().map(shown).collect())
}

pub(super) fn delete_version(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, mut policy) = policy(state, request)?;
    let version = version(&policy, request)?;
    if version["VersionId"] == policy["DefaultVersionId"] {
        return Err(conflict("Cannot delete the default version of a policy."));
    }
    let versions = policy["Versions"].as_array_mut().expect("every policy has versions");
    versions.retain(|other| other["VersionId"] != version["VersionId"]);
    state.put(POLICIES, &arn, policy);
    Ok(json!({}))
}

pub(super) fn set_default(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, mut policy) = policy(state, request)?;
    policy["DefaultVersionId"] = version(&policy, request)?["VersionId"].clone();
    state.put(POLICIES, &arn, policy);
    Ok(json!({}))
}

pub(super) fn entities(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = request.input.need("PolicyArn", missing)?;
    known(state, arn)?;
    let (mut roles, bounds) = (attachments(state, arn), bounded(state, arn));
    match request.input.text("PolicyUsageFilter") {
        Some("PermissionsPolicy") => {}
        Some("PermissionsBoundary") => roles = bounds,
        _ => {
            let others: Vec<Value> = bounds.into_iter().filter(|role| !roles.contains(role)).collect();
            roles.extend(others);
        }
    }
    Ok(json!({ "PolicyRoles": roles, "PolicyUsers": [], "PolicyGroups": [], "IsTruncated": false }))
}
