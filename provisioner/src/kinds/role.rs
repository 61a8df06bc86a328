//! `role`: an IAM role with its trust, inline policies and attached policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_iam::types::{self, AttachedPolicy, EntityType, PolicyDetail, RoleDetail};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, in_place, replaces};
use super::values::{none_of, text};
use super::{policy, tag_lists, tags, wait};
use crate::charge::Cost;
use crate::kind::{Comparing, Context, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// A role's name.
    RoleName,
    r"^[A-Za-z0-9_+=,.@-]{1,64}$"
);
/// What IAM takes in no description, with its fix:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>.
const NOT_LATIN: (&str, &str) = (
    r"[^\t\n\r\x20-\x7E\u00A1-\u00FF]",
    "IAM takes letters of Western European languages, and plain quotes and dashes",
);
text!(
    /// A managed policy's ARN.
    PolicyArn,
    r"^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[!-~]+$",
    most = 2048
);

/// A role. What stands here is all that it may do: any other policy found on it is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account.
    pub name: RoleName,
    /// What the role is for.
    #[serde(default)]
    #[schemars(length(max = 1000), extend("not" = none_of(&[NOT_LATIN])))]
    pub description: String,
    /// The trust policy: who may assume the role.
    #[schemars(extend("type" = "object"))]
    pub trust: Value,
    /// The inline policies by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z0-9_+=,.@-]{1,128}$"}))]
    pub policies: BTreeMap<String, Value>,
    /// The ARNs of the attached policies.
    #[serde(default)]
    pub attached_policies: Vec<PolicyArn>,
    /// How many seconds a session may last, 3,600 to 43,200. Default: 3,600.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 3600, max = 43_200))]
    pub max_session_seconds: u32,
}

fn an_hour() -> u32 {
    3600
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    compared(in_place("trust"), Comparing::AsSet),
    compared(in_place("policies"), Comparing::AsSet),
    compared(in_place("attached_policies"), Comparing::AsSet),
    in_place("max_session_seconds"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:GetRole",
    "iam:UpdateRole",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListRoles",
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
const FACTS: Facts = Facts {
    renamed_fields: &[("attached", "attached_policies"), ("session_seconds", "max_session_seconds")],
    identified_by: &["name"],
    ..Facts::of("role", "an IAM role with its trust and policies", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a principal that was made may stay unknown to IAM.
const KNOWN: Duration = Duration::from_secs(60);

/// The kind.
#[derive(Debug)]
pub struct Role;

#[async_trait]
impl Kind for Role {
    type Spec = Spec;
    type Observed = ();

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        for document in spec.policies.values_mut().chain([&mut spec.trust]) {
            *document = policy::canonical(document.take());
        }
        Ok(())
    }

    fn cost(&self, _spec: &Spec) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.name != spec.name
    }

    fn consequences(&self, action: Action, changed: &[&str], live: Option<&Spec>, spec: Option<&Spec>) -> Vec<String> {
        let goes = |live: &Spec, spec: &Spec| live.policies.keys().any(|name| !spec.policies.contains_key(name));
        match (action, live, spec) {
            (Action::Update, Some(live), Some(spec)) if changed.contains(&"policies") && goes(live, spec) => {
                vec!["what only the removed policies allow is refused from now on".to_owned()]
            }
            (Action::Delete, ..) => vec!["whatever still acts as it is refused".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let roles = details(context).await?;
        let own: Vec<&RoleDetail> = roles.iter().filter(|role| owner(context, role).is_some()).collect();
        if own.is_empty() {
            return Ok(Vec::new());
        }
        // The one call that tells of policies and tags leaves descriptions and sessions out.
        let listed = ask_all(context.aws.iam().list_roles().max_items(1000).into_paginator().items().send()).await?;
        let reads = own.into_iter().map(async |detail| {
            let name = detail.role_name().needed("iam", "RoleDetail.RoleName")?;
            match listed.iter().find(|role| role.role_name() == name) {
                Some(role) => read(context, detail, role),
                None => described(context, name).await?.map_or(Ok(None), |role| read(context, detail, &role)),
            }
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.iam().create_role().role_name(spec.name.as_str()).description(&spec.description);
        let call = call
            .assume_role_policy_document(spec.trust.to_string())
            .max_session_duration(i32::try_from(spec.max_session_seconds)?)
            .set_tags(Some(tag_lists::owned(context, address)));
        match wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let present = ask(context.aws.iam().get_role().role_name(spec.name.as_str()).send()).await?;
                let tags = tag_lists::read(present.role.needed("iam", "GetRole.Role")?.tags());
                if tags::address(context, "role", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the role {}", spec.name), &tags));
                }
            }
            Err(error) => return Err(error.into()),
        }
        settle(context, spec).await
    }

    async fn update(
        &self,
        context: &Context,
        _live: &Found<Spec>,
        spec: &Spec,
        _changed: &[String],
    ) -> Result<Outcome> {
        settle(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let name = live.spec.name.as_str();
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

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(role) = described(context, name).await? else { return Ok(None) };
        let Some(present) = present(context, name).await? else { return Ok(None) };
        let inline = present.inline.iter().map(async |policy| {
            let answer = ask(context.aws.iam().get_role_policy().role_name(name).policy_name(policy).send()).await?;
            Ok::<_, Error>(PolicyDetail::builder().policy_name(policy).policy_document(answer.policy_document).build())
        });
        let inline = try_join_all(inline).await?;
        let attached = present.attached.iter().map(|arn| AttachedPolicy::builder().policy_arn(arn.as_str()).build());
        let claimed = tags::claimed(context, address, id, tag_lists::read(role.tags()))?;
        let detail = RoleDetail::builder()
            .role_name(role.role_name())
            .arn(role.arn())
            .set_assume_role_policy_document(role.assume_role_policy_document.clone())
            .set_role_policy_list(Some(inline))
            .set_attached_managed_policies(Some(attached.collect()))
            .set_tags(Some(tag_lists::listed(&claimed)));
        read(context, &detail.build(), &role)
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

async fn described(context: &Context, name: &str) -> Result<Option<types::Role>> {
    let answer = wait::found(ask(context.aws.iam().get_role().role_name(name).send()).await)?;
    Ok(answer.map(|answer| answer.role.needed("iam", "GetRole.Role")).transpose()?)
}

/// The address that a role's tags state.
fn owner(context: &Context, role: &RoleDetail) -> Option<Address> {
    tags::address(context, "role", &tag_lists::read(role.tags()))
}

/// The role of those details, with what lists say of it besides.
fn read(context: &Context, role: &RoleDetail, listed: &types::Role) -> Result<Option<Found<Spec>>> {
    let Some(address) = owner(context, role) else { return Ok(None) };
    let tags = tag_lists::read(role.tags());
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
        name: name.into(),
        // A role without a description has no such member.
        description: listed.description().unwrap_or_default().to_owned(),
        trust: policy::parse(trust)?,
        policies,
        attached_policies: arns(role.attached_managed_policies())?,
        max_session_seconds: listed.max_session_duration().map_or(Ok(an_hour()), u32::try_from)?,
    };
    Ok(Some(tags::found(address, &tags, arn, spec, &[("arn", arn), ("name", name)])))
}

fn arns(attached: &[AttachedPolicy]) -> Result<Vec<PolicyArn>, Error> {
    let arn = |policy: &AttachedPolicy| Ok(policy.policy_arn().needed("iam", "AttachedPolicy.PolicyArn")?.into());
    attached.iter().map(arn).collect()
}

/// The policies that a role has, by name and ARN.
struct Present {
    inline: Vec<String>,
    attached: Vec<PolicyArn>,
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
    let name = spec.name.as_str();
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
    let seconds = i32::try_from(spec.max_session_seconds)?;
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
    for policy in spec.attached_policies.iter().filter(|policy| !present.attached.contains(policy)) {
        ask(context.aws.iam().attach_role_policy().role_name(name).policy_arn(policy.as_str()).send()).await?;
    }
    for policy in present.attached.iter().filter(|policy| !spec.attached_policies.contains(policy)) {
        detach(context, name, policy).await?;
    }
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::primitives::DateTime;
    use aws_sdk_iam::types::Tag;
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

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
        let listed = types::Role::builder()
            .path("/")
            .role_name("shop-host")
            .role_id("AROA")
            .arn("arn:aws:iam::1:role/shop-host")
            .create_date(DateTime::from_secs(0))
            .description("hosts")
            .max_session_duration(7200)
            .build()
            .expect("a role");
        let live = read(&context, &role, &listed).expect("read").expect("ours");
        let written = json!({"name": "shop-host", "description": "hosts", "max_session_seconds": 7200, "trust": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": ["ec2.amazonaws.com"]}}]}, "policies": {"p": {"Statement": []}}});
        assert_eq!(serde_json::to_value(&live.spec).expect("JSON"), Role.normalise(&written).expect("a spec"));
        assert_eq!(live.address.to_string(), "role.host");
        let foreign = RoleDetail::builder().role_name("x").assume_role_policy_document("not read").build();
        assert!(read(&context, &foreign, &listed).expect("passed over").is_none());
    }
}
