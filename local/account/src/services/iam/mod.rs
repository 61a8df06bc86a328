//! IAM: roles, policies and instance profiles.

mod details;
mod index;
mod oidc;
mod policies;
mod profiles;
mod propagation;
mod roles;

pub(crate) use index::take_over;
pub(crate) use propagation::{knows_profile, knows_role, profile_arn};

use super::Service;
use crate::access::resource_policy;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{State, Tags, tag_list, tags_of};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Iam;

#[async_trait]
impl Service for Iam {
    fn name(&self) -> &'static str {
        "iam"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Query("https://iam.amazonaws.com/doc/2010-05-08/")
    }

    fn global(&self) -> bool {
        true
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "CreateRole" => roles::create(state, request),
            "GetRole" => roles::get(state, request),
            "ListRoles" => roles::list(state, request),
            "UpdateRole" => roles::update(state, request),
            "UpdateAssumeRolePolicy" => roles::update_trust(state, request),
            "DeleteRole" => roles::delete(state, request),
            "TagRole" => tag(state, request, "iam/role", "RoleName"),
            "UntagRole" => untag(state, request, "iam/role", "RoleName"),
            "ListRoleTags" => list_tags(state, request, "iam/role", "RoleName"),
            "PutRolePermissionsBoundary" => roles::put_boundary(state, request),
            "DeleteRolePermissionsBoundary" => roles::delete_boundary(state, request),
            "PutRolePolicy" => roles::put_policy(state, request),
            "GetRolePolicy" => roles::get_policy(state, request),
            "ListRolePolicies" => roles::list_policies(state, request),
            "DeleteRolePolicy" => roles::delete_policy(state, request),
            "AttachRolePolicy" => roles::attach(state, request),
            "DetachRolePolicy" => roles::detach(state, request),
            "ListAttachedRolePolicies" => roles::list_attached(state, request),
            "CreatePolicy" => policies::create(state, request),
            "GetPolicy" => policies::get(state, request),
            "ListPolicies" => policies::list(state, request),
            "DeletePolicy" => policies::delete(state, request),
            "CreatePolicyVersion" => policies::create_version(state, request),
            "GetPolicyVersion" => policies::get_version(state, request),
            "ListPolicyVersions" => policies::list_versions(state, request),
            "DeletePolicyVersion" => policies::delete_version(state, request),
            "SetDefaultPolicyVersion" => policies::set_default(state, request),
            "TagPolicy" => tag(state, request, "iam/policy", "PolicyArn"),
            "UntagPolicy" => untag(state, request, "iam/policy", "PolicyArn"),
            "ListPolicyTags" => list_tags(state, request, "iam/policy", "PolicyArn"),
            "ListEntitiesForPolicy" => policies::entities(state, request),
            "CreateInstanceProfile" => profiles::create(state, request),
            "GetInstanceProfile" => profiles::get(state, request),
            "ListInstanceProfiles" => profiles::list(state, request),
            "ListInstanceProfilesForRole" => profiles::list_for_role(state, request),
            "DeleteInstanceProfile" => profiles::delete(state, request),
            "AddRoleToInstanceProfile" => profiles::add_role(state, request),
            "RemoveRoleFromInstanceProfile" => profiles::remove_role(state, request),
            "TagInstanceProfile" => tag(state, request, "iam/profile", "InstanceProfileName"),
            "UntagInstanceProfile" => untag(state, request, "iam/profile", "InstanceProfileName"),
            "ListInstanceProfileTags" => list_tags(state, request, "iam/profile", "InstanceProfileName"),
            "CreateOpenIDConnectProvider" => oidc::create(state, request),
            "GetOpenIDConnectProvider" => oidc::get(state, request),
            "ListOpenIDConnectProviders" => oidc::list(state),
            "DeleteOpenIDConnectProvider" => oidc::delete(state, request),
            "AddClientIDToOpenIDConnectProvider" => oidc::add_client(state, request),
            "RemoveClientIDFromOpenIDConnectProvider" => oidc::remove_client(state, request),
            "UpdateOpenIDConnectProviderThumbprint" => oidc::update_thumbprints(state, request),
            "TagOpenIDConnectProvider" => tag(state, request, oidc::PROVIDERS, "OpenIDConnectProviderArn"),
            "UntagOpenIDConnectProvider" => untag(state, request, oidc::PROVIDERS, "OpenIDConnectProviderArn"),
            "ListOpenIDConnectProviderTags" => list_tags(state, request, oidc::PROVIDERS, "OpenIDConnectProviderArn"),
            "GetAccountAuthorizationDetails" => details::get(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

/// The error for a member that is missing.
fn missing(name: &str) -> AwsError {
    let mut member = name.to_owned();
    if let Some(first) = member.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    validation(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

fn no_such(what: &str, name: &str) -> AwsError {
    AwsError::new("NoSuchEntity", format!("The {what} {name} cannot be found.")).status(404)
}

fn exists(what: &str, name: &str) -> AwsError {
    AwsError::new("EntityAlreadyExists", format!("{what} with name {name} already exists.")).status(409)
}

fn conflict(message: &str) -> AwsError {
    AwsError::new("DeleteConflict", message).status(409)
}

/// A name that must be there and fit IAM's pattern.
fn name<'r>(request: &'r Request, member: &str, longest: usize) -> Result<&'r str, AwsError> {
    let name = request.input.need(member, missing)?;
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte));
    if fits && name.len() <= longest {
        return Ok(name);
    }
    Err(validation(format!(
        "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and be at most {longest} long"
    )))
}

/// The path of a new thing.
fn path(request: &Request) -> Result<String, AwsError> {
    let path = request.input.text("Path").unwrap_or("/");
    if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 {
        return Ok(path.to_owned());
    }
    Err(validation(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    ))
}

/// A policy document that must be there and be one.
fn document(request: &Request, member: &str, principal: bool) -> Result<String, AwsError> {
    let text = request.input.need(member, missing)?;
    match resource_policy::fault(text, principal).or_else(|| resource_policy::sid_fault(text, !principal)) {
        None => Ok(text.to_owned()),
        Some(fault) => Err(AwsError::new("MalformedPolicyDocument", fault)),
    }
}

/// The document as IAM answers it: percent encoded.
fn encoded(document: &Value) -> String {
    let mut out = String::new();
    for byte in document.as_str().unwrap_or_default().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The tags in the input, checked as IAM checks them.
fn tags(request: &Request) -> Result<Tags, AwsError> {
    let list = request.input.list("Tags");
    let tags = tags_of(list, "Key", "Value");
    if tags.len() != list.len() {
        return Err(AwsError::new(
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    if tags.len() > 50 {
        return Err(AwsError::new("LimitExceeded", "The number of tags has reached the maximum limit.").status(409));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(validation(format!("the tag '{key}' is not valid")));
        }
    }
    Ok(tags)
}

/// The thing named by `member` of the input.
fn find(state: &State<'_>, request: &Request, collection: &str, member: &str) -> Result<Value, AwsError> {
    let name = request.input.need(member, missing)?;
    state.get(collection, name).cloned().ok_or_else(|| {
        let what = match collection {
            "iam/role" => "role with name",
            "iam/profile" => "Instance Profile",
            "iam/oidc" => "OpenIDConnect Provider with ARN",
            _ => "policy",
        };
        no_such(what, name)
    })
}

fn tag(state: &mut State<'_>, request: &Request, collection: &str, member: &str) -> Result<Value, AwsError> {
    let mut thing = find(state, request, collection, member)?;
    let mut all = tags_of(thing.list("Tags"), "Key", "Value");
    all.extend(tags(request)?);
    if all.len() > 50 {
        return Err(AwsError::new("LimitExceeded", "The number of tags has reached the maximum limit.").status(409));
    }
    thing["Tags"] = tag_list(&all, "Key", "Value");
    index::show(state, collection, &thing);
    state.put(collection, request.input.need(member, missing)?, thing);
    Ok(json!({}))
}

fn untag(state: &mut State<'_>, request: &Request, collection: &str, member: &str) -> Result<Value, AwsError> {
    let mut thing = find(state, request, collection, member)?;
    let keys = request.input.texts("TagKeys");
    let mut all = tags_of(thing.list("Tags"), "Key", "Value");
    all.retain(|key, _| !keys.contains(key));
    thing["Tags"] = tag_list(&all, "Key", "Value");
    index::show(state, collection, &thing);
    state.put(collection, request.input.need(member, missing)?, thing);
    Ok(json!({}))
}

fn list_tags(state: &mut State<'_>, request: &Request, collection: &str, member: &str) -> Result<Value, AwsError> {
    let thing = find(state, request, collection, member)?;
    paged(request, "Tags", thing.list("Tags").to_vec())
}

/// One page of a list, as IAM pages: `Marker`, `MaxItems`, `IsTruncated`.
fn paged(request: &Request, member: &str, items: Vec<Value>) -> Result<Value, AwsError> {
    let most = request.input.number("MaxItems").unwrap_or(100);
    if !(1..=1000).contains(&most) {
        return Err(validation(format!(
            "Value '{most}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000"
        )));
    }
    let invalid = || validation("Invalid Marker");
    let (items, next) = pages::page(items, request.input.text("Marker"), most as usize, invalid)?;
    let truncated = next.is_some();
    Ok(json!({ member: items, "IsTruncated": truncated, "Marker": next }))
}
