//! `role`: an IAM role with its trust, inline policies and attached policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_iam::types::{AttachedPolicy, EntityType, PolicyDetail, RoleDetail};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, replaces, typed, value};
use super::{policy, tag_lists, tags, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// A role. What stands here is all that it may do: any other policy found on it is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+=,.@-]{1,64}$"))]
    pub name: String,
    /// What the role is for.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub description: String,
    /// The trust policy: who may assume the role.
    pub trust: Value,
    /// The inline policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// The ARNs of the attached policies.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^arn:aws[a-z-]*:iam:.+$")))]
    pub attached: Vec<String>,
    /// How many seconds a session may last, 3,600 to 43,200. Default: 3,600.
    #[serde(default = "an_hour")]
    pub session_seconds: u32,
}

fn an_hour() -> u32 {
    3600
}

const FIELDS: &[Field] = &[
    replaces("name"),
    // The one call that lists all roles with their policies doesn't tell it.
    compared(in_place("description"), Comparing::Never),
    compared(in_place("trust"), Comparing::AsSet),
    compared(in_place("policies"), Comparing::AsSet),
    compared(in_place("attached"), Comparing::AsSet),
    // Neither does it tell this.
    compared(in_place("session_seconds"), Comparing::Never),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:GetRole",
    "iam:UpdateRole",
    "iam:GetAccountAuthorizationDetails",
    "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:ListRolePolicies",
    "iam:AttachRolePolicy",
    "iam:DetachRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:TagRole",
    "iam:PassRole",
];

/// How long a principal that was made may stay unknown to IAM.
const KNOWN: Duration = Duration::from_secs(60);

/// The kind.
#[derive(Debug)]
pub struct Role;

fn canonical(spec: &mut Spec) -> Result<()> {
    if !(3600..=43_200).contains(&spec.session_seconds) {
        bail!("`session_seconds` is {}; IAM takes 3,600 to 43,200", spec.session_seconds);
    }
    spec.trust = policy::canonical(spec.trust.take());
    if !spec.trust.is_object() {
        bail!("`trust` is no policy: write a table with `Statement`");
    }
    for policy in spec.policies.values_mut() {
        *policy = policy::canonical(policy.take());
    }
    Ok(())
}

#[async_trait]
impl Kind for Role {
    describes!("role", "an IAM role with its trust and policies", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let policies = |of: &Value| of["policies"].as_object().cloned().unwrap_or_default();
        let (old, new) = (policies(live), policies(spec));
        let goes = changed.contains(&"policies") && old.keys().any(|name| !new.contains_key(name));
        match action {
            Action::Update if goes => vec!["what only the removed policies allow is refused from now on".to_owned()],
            Action::Delete => vec!["whatever still acts as it is refused".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let roles = details(context).await?;
        Ok(roles.iter().map(|role| read(context, role)).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = context.aws.iam().create_role().role_name(&spec.name).description(&spec.description);
        let call = call
            .assume_role_policy_document(spec.trust.to_string())
            .max_session_duration(i32::try_from(spec.session_seconds)?)
            .set_tags(Some(tag_lists::owned(context, address)));
        match wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let present = ask(context.aws.iam().get_role().role_name(&spec.name).send()).await?;
                let tags = tag_lists::read(present.role.needed("iam", "GetRole.Role")?.tags());
                if tags::address(context, "role", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the role {}", spec.name), &tags));
                }
            }
            Err(error) => return Err(error.into()),
        }
        settle(context, &spec).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        settle(context, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let name = &spec.name;
        let Some(present) = present(context, name).await? else { return Ok(()) };
        for policy in &present.inline {
            take_inline(context, name, policy).await?;
        }
        for policy in &present.attached {
            detach(context, name, policy).await?;
        }
        let profiles = ask(context.aws.iam().list_instance_profiles_for_role().role_name(name).send()).await?;
        for profile in profiles.instance_profiles() {
            let profile = profile.instance_profile_name().needed("iam", "InstanceProfile.InstanceProfileName")?;
            let call = context.aws.iam().remove_role_from_instance_profile().role_name(name);
            wait::found(ask(call.instance_profile_name(profile).send()).await)?;
        }
        wait::found(ask(context.aws.iam().delete_role().role_name(name).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let answer = wait::found(ask(context.aws.iam().get_role().role_name(name).send()).await)?;
        let Some(answer) = answer else { return Ok(None) };
        let role = answer.role.needed("iam", "GetRole.Role")?;
        let Some(present) = present(context, name).await? else { return Ok(None) };
        let inline = present.inline.iter().map(async |policy| {
            let answer = ask(context.aws.iam().get_role_policy().role_name(name).policy_name(policy).send()).await?;
            Ok::<_, Error>(PolicyDetail::builder().policy_name(policy).policy_document(answer.policy_document).build())
        });
        let inline = try_join_all(inline).await?;
        let attached = present.attached.iter().map(|arn| AttachedPolicy::builder().policy_arn(arn).build());
        let claimed = tags::claimed(context, address, id, tag_lists::read(role.tags()))?;
        let detail = RoleDetail::builder()
            .role_name(role.role_name)
            .arn(role.arn)
            .set_assume_role_policy_document(role.assume_role_policy_document)
            .set_role_policy_list(Some(inline))
            .set_attached_managed_policies(Some(attached.collect()))
            .set_tags(Some(tag_lists::listed(&claimed)));
        read(context, &detail.build())
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let call = context.aws.iam().tag_role().role_name(name);
        ask(call.set_tags(Some(tag_lists::written(tags))).send()).await?;
        Ok(())
    }
}

/// What IAM tells of every role of the account, its tags and policies too. A sweep asks it once.
pub(super) async fn details(context: &Context) -> Result<Arc<Vec<RoleDetail>>, Error> {
    let call = context.aws.iam().get_account_authorization_details().filter(EntityType::Role).max_items(1000);
    let all = async {
        let pages = ask_all(call.into_paginator().send()).await?;
        Ok(pages.into_iter().flat_map(|page| page.role_detail_list.unwrap_or_default()).collect())
    };
    context.reading.of(|queries| &queries.roles, (), all).await
}

async fn take_inline(context: &Context, role: &str, policy: &str) -> Result<()> {
    let call = context.aws.iam().delete_role_policy().role_name(role).policy_name(policy);
    wait::found(ask(call.send()).await)?;
    Ok(())
}

async fn detach(context: &Context, role: &str, policy: &str) -> Result<()> {
    let call = context.aws.iam().detach_role_policy().role_name(role).policy_arn(policy);
    wait::found(ask(call.send()).await)?;
    Ok(())
}

fn read(context: &Context, role: &RoleDetail) -> Result<Option<Live>> {
    let tags = tag_lists::read(role.tags());
    let Some(address) = tags::address(context, "role", &tags) else { return Ok(None) };
    let mut policies = BTreeMap::new();
    for inline in role.role_policy_list() {
        let name = inline.policy_name().needed("iam", "PolicyDetail.PolicyName")?;
        let document = inline.policy_document().needed("iam", "PolicyDetail.PolicyDocument")?;
        policies.insert(name.to_owned(), policy::parse(document)?);
    }
    let arn = role.arn().needed("iam", "RoleDetail.Arn")?;
    let name = role.role_name().needed("iam", "RoleDetail.RoleName")?;
    let trust = role.assume_role_policy_document().needed("iam", "RoleDetail.AssumeRolePolicyDocument")?;
    let spec = Spec {
        name: name.to_owned(),
        description: String::new(),
        trust: policy::parse(trust)?,
        policies,
        attached: arns(role.attached_managed_policies())?,
        session_seconds: an_hour(),
    };
    Ok(Some(tags::live(address, &tags, arn, value(&spec), &[("arn", arn), ("name", name)])))
}

fn arns(attached: &[AttachedPolicy]) -> Result<Vec<String>, Error> {
    let arn = |policy: &AttachedPolicy| policy.policy_arn.clone().needed("iam", "AttachedPolicy.PolicyArn");
    attached.iter().map(arn).collect()
}

/// The policies that a role has, by name and ARN.
struct Present {
    inline: Vec<String>,
    attached: Vec<String>,
}

async fn present(context: &Context, name: &str) -> Result<Option<Present>> {
    let call = context.aws.iam().list_role_policies().role_name(name).max_items(1000);
    let Some(inline) = wait::found(ask(call.send()).await)? else { return Ok(None) };
    let call = context.aws.iam().list_attached_role_policies().role_name(name).max_items(1000);
    let attached = ask(call.send()).await?;
    Ok(Some(Present { inline: inline.policy_names, attached: arns(attached.attached_policies())? }))
}

/// Makes trust and policies those of the spec; whatever else the role may do is taken from it.
async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let name = &spec.name;
    let call = context.aws.iam().get_role().role_name(name);
    let answer = wait::visible(context, || ask(call.clone().send())).await?;
    let role = answer.role.needed("iam", "GetRole.Role")?;
    let arn = role.arn().needed("iam", "Role.Arn")?;
    let trust = role.assume_role_policy_document().needed("iam", "Role.AssumeRolePolicyDocument")?;
    if policy::parse(trust)? != policy::canonical(spec.trust.clone()) {
        let call =
            context.aws.iam().update_assume_role_policy().role_name(name).policy_document(spec.trust.to_string());
        wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
    }
    let seconds = i32::try_from(spec.session_seconds)?;
    // A role without a description has no such member.
    if role.description().unwrap_or_default() != spec.description || role.max_session_duration() != Some(seconds) {
        let call = context.aws.iam().update_role().role_name(name);
        ask(call.description(&spec.description).max_session_duration(seconds).send()).await?;
    }
    let present = present(context, name).await?.unwrap_or(Present { inline: vec![], attached: vec![] });
    for (policy, document) in &spec.policies {
        let call = context.aws.iam().put_role_policy().role_name(name).policy_name(policy);
        ask(call.policy_document(document.to_string()).send()).await?;
    }
    for policy in present.inline.iter().filter(|policy| !spec.policies.contains_key(*policy)) {
        take_inline(context, name, policy).await?;
    }
    for policy in spec.attached.iter().filter(|policy| !present.attached.contains(policy)) {
        ask(context.aws.iam().attach_role_policy().role_name(name).policy_arn(policy).send()).await?;
    }
    for policy in present.attached.iter().filter(|policy| !spec.attached.contains(policy)) {
        detach(context, name, policy).await?;
    }
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::Tag;
    use serde_json::json;

    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag::builder().key(key).value(value).build().expect("a tag")
    }

    #[test]
    fn details_of_a_role_become_its_spec() {
        let context = crate::kinds::testing::context();
        let trust = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D";
        let policy = PolicyDetail::builder().policy_name("p").policy_document("{\"Statement\":[]}").build();
        let role = RoleDetail::builder()
            .role_name("shop-host")
            .arn("arn:aws:iam::1:role/shop-host")
            .assume_role_policy_document(trust)
            .role_policy_list(policy)
            .tags(tag(tags::STACK, "shop"))
            .tags(tag(tags::ADDRESS, "role.host"))
            .build();
        let live = read(&context, &role).expect("read").expect("ours");
        let written = json!({"name": "shop-host", "trust": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": ["ec2.amazonaws.com"]}}]}, "policies": {"p": {"Statement": []}}});
        assert_eq!(live.spec, Role.normalise(&written).expect("a spec"));
        assert_eq!(live.address.to_string(), "role.host");
        let foreign = RoleDetail::builder().role_name("x").assume_role_policy_document("not read").build();
        assert!(read(&context, &foreign).expect("passed over").is_none());
    }
}
