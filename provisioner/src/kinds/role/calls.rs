//! What IAM is asked of roles, and what it is to change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use aws_sdk_iam::types::{self, AttachedPermissionsBoundary, AttachedPolicy, EntityType, Policy, PolicyVersion};
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all};
use serde_json::Value;

use super::{PolicyArn, Spec};
use crate::kind::{Context, Outcome};
use crate::kinds::{policy, tags, wait};
use crate::reading::Details;
use crate::services::Services as _;

/// How long a principal that was made may stay unknown to IAM.
pub(super) const KNOWN: Duration = Duration::from_secs(60);

/// What IAM returns of every role of the account, its tags and policies too, and of every policy. A sweep asks it once.
pub(in crate::kinds) async fn details(context: &Context) -> Result<Arc<Details>, Error> {
    let call = context.aws.iam().get_account_authorization_details().max_items(1000);
    let call = call.filter(EntityType::Role).filter(EntityType::LocalManagedPolicy);
    let all = async {
        let mut all = Details::default();
        for page in ask_all(call.into_paginator().send()).await? {
            all.roles.extend(page.role_detail_list.unwrap_or_default());
            all.policies.extend(page.policies.unwrap_or_default());
        }
        Ok(all)
    };
    context.reading.of(|queries| &queries.roles, (), all).await
}

pub(super) async fn take_inline(context: &Context, role: &str, policy: &str) -> Result<()> {
    let call = context.aws.iam().delete_role_policy().role_name(role).policy_name(policy);
    wait::found(ask(call.send()).await)?;
    Ok(())
}

pub(super) async fn detach(context: &Context, role: &str, policy: &str) -> Result<()> {
    let call = context.aws.iam().detach_role_policy().role_name(role).policy_arn(policy);
    wait::found(ask(call.send()).await)?;
    Ok(())
}

/// Takes a role out of every instance profile that has it.
pub(super) async fn leave_profiles(context: &Context, role: &str) -> Result<()> {
    let profiles = ask(context.aws.iam().list_instance_profiles_for_role().role_name(role).send()).await?;
    for profile in profiles.instance_profiles() {
        let profile = profile.instance_profile_name().needed("iam", "InstanceProfile.InstanceProfileName")?;
        let call = context.aws.iam().remove_role_from_instance_profile().role_name(role);
        wait::found(ask(call.instance_profile_name(profile).send()).await)?;
    }
    Ok(())
}

pub(super) async fn described(context: &Context, name: &str) -> Result<Option<types::Role>> {
    let answer = wait::found(ask(context.aws.iam().get_role().role_name(name).send()).await)?;
    Ok(answer.map(|answer| answer.role.needed("iam", "GetRole.Role")).transpose()?)
}

pub(super) fn arns(attached: &[AttachedPolicy]) -> Result<Vec<PolicyArn>, Error> {
    let arn = |policy: &AttachedPolicy| Ok(policy.policy_arn().needed("iam", "AttachedPolicy.PolicyArn")?.into());
    attached.iter().map(arn).collect()
}

/// The policies that a role has, by name and ARN.
pub(super) struct Present {
    pub(super) inline: Vec<String>,
    pub(super) attached: Vec<PolicyArn>,
}

pub(super) async fn present(context: &Context, name: &str) -> Result<Option<Present>> {
    let call = context.aws.iam().list_role_policies().role_name(name).max_items(1000);
    let Some(inline) = wait::found(ask(call.send()).await)? else { return Ok(None) };
    let call = context.aws.iam().list_attached_role_policies().role_name(name).max_items(1000);
    let attached = ask(call.send()).await?;
    Ok(Some(Present { inline: inline.policy_names, attached: arns(attached.attached_policies())? }))
}

/// Makes trust and policies those of the spec; whatever else the role may do is taken from it.
pub(super) async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let name = spec.name.as_str();
    let call = context.aws.iam().get_role().role_name(name);
    let answer = wait::visible(context, || ask(call.clone().send())).await?;
    let role = answer.role.needed("iam", "GetRole.Role")?;
    let bounded = boundary(role.permissions_boundary());
    if let Some(wanted) = spec.permissions_boundary.as_ref().filter(|wanted| bounded.as_ref() != Some(*wanted)) {
        // First: whoever may write only within the boundary may write from now on.
        let call = context.aws.iam().put_role_permissions_boundary().role_name(name);
        ask(call.permissions_boundary(wanted.as_str()).send()).await?;
    }
    let arn = role.arn().needed("iam", "Role.Arn")?;
    let trust = role.assume_role_policy_document().needed("iam", "Role.AssumeRolePolicyDocument")?;
    if policy::parse(trust)? != policy::canonical(spec.trust.clone()) {
        let call =
            context.aws.iam().update_assume_role_policy().role_name(name).policy_document(spec.trust.to_string());
        wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
    }
    let seconds = i32::try_from(spec.max_session_seconds)?;
    // A role without a description has no such member.
    if role.description().unwrap_or_default() != spec.description || role.max_session_duration() != Some(seconds) {
        let call = context.aws.iam().update_role().role_name(name);
        ask(call.description(&spec.description).max_session_duration(seconds).send()).await?;
    }
    let present = present(context, name).await?.unwrap_or(Present { inline: vec![], attached: vec![] });
    let put = async |policy: &str, document: &Value| {
        let call = context.aws.iam().put_role_policy().role_name(name).policy_name(policy);
        ask(call.policy_document(document.to_string()).send()).await
    };
    // All policies together must not be too long, those that go among them: what finds no room yet waits for it.
    let mut waiting = Vec::new();
    for (policy, document) in &spec.policies {
        match put(policy, document).await {
            Err(error) if error.kind == ErrorKind::Quota => waiting.push((policy, document)),
            answer => drop(answer?),
        }
    }
    for policy in present.inline.iter().filter(|policy| !spec.policies.contains_key(*policy)) {
        take_inline(context, name, policy).await?;
    }
    for (policy, document) in waiting {
        put(policy, document).await?;
    }
    for policy in spec.attached_policies.iter().filter(|policy| !present.attached.contains(policy)) {
        ask(context.aws.iam().attach_role_policy().role_name(name).policy_arn(policy.as_str()).send()).await?;
    }
    for policy in present.attached.iter().filter(|policy| !spec.attached_policies.contains(policy)) {
        detach(context, name, policy).await?;
    }
    if spec.permissions_boundary.is_none() && bounded.is_some() {
        ask(context.aws.iam().delete_role_permissions_boundary().role_name(name).send()).await?;
    }
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

/// The ARN of a boundary.
pub(super) fn boundary(attached: Option<&AttachedPermissionsBoundary>) -> Option<PolicyArn> {
    attached.and_then(AttachedPermissionsBoundary::permissions_boundary_arn).map(Into::into)
}

/// What a managed policy says now; none if there is no such policy.
pub(crate) async fn document(context: &Context, arn: &str) -> Result<Option<Value>> {
    let iam = context.aws.iam();
    let Some(answer) = wait::found(ask(iam.get_policy().policy_arn(arn).send()).await)? else { return Ok(None) };
    let version = answer.policy.as_ref().and_then(Policy::default_version_id);
    let version = version.needed("iam", "GetPolicy.Policy.DefaultVersionId")?;
    let call = iam.get_policy_version().policy_arn(arn).version_id(version);
    let Some(answer) = wait::found(ask(call.send()).await)? else { return Ok(None) };
    let document = answer.policy_version.as_ref().and_then(PolicyVersion::document);
    Ok(Some(policy::parse(document.needed("iam", "GetPolicyVersion.PolicyVersion.Document")?)?))
}
