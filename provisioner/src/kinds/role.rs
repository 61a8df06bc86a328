//! `role`: an IAM role with its trust, inline policies and attached policies.

mod calls;
mod moving;

use std::collections::BTreeMap;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_iam::types::{self, AttachedPolicy, PolicyDetail, RoleDetail};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, in_place, replaces};
use super::values::{none_of, text};
use super::{policy, statement, tag_lists, tags, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Step, Wanted};
use crate::names;
use crate::resource::{Action, Address, Obstacle};
use crate::services::Services as _;
use calls::{KNOWN, arns, boundary, described, detach, leave_profiles, present, settle, take_inline};

pub(super) use calls::details;
pub(crate) use calls::document;
pub use moving::Observed;
pub(super) use moving::name_beside;

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
    /// Where a role or an instance profile stands in IAM, with a slash at both ends.
    Path,
    r"^/([A-Za-z0-9_+=,.@-]+/)*$",
    most = 512
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
    /// The name, unique in the account, whatever the path.
    pub name: RoleName,
    /// The path in IAM, `/teams/data/`. A role that is there keeps the path that it has until `apply
    /// --move-roles` moves it, under another name. Default: `/lakewright/STACK/`.
    #[serde(default)]
    pub path: Option<Path>,
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
    /// The ARN of the managed policy beyond which it may do nothing, whatever its own policies say. Default: the stack's
    /// `permissions_boundary`, or else none.
    #[serde(default)]
    pub permissions_boundary: Option<PolicyArn>,
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
    // No call moves a role, and its name is the account's only one: it moves where that is asked for, under another name.
    compared(replaces("path"), Comparing::Never),
    in_place("description"),
    compared(in_place("trust"), Comparing::AsSet),
    compared(in_place("policies"), Comparing::AsSet),
    compared(in_place("attached_policies"), Comparing::AsSet),
    in_place("permissions_boundary"),
    in_place("max_session_seconds"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:UpdateRole",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListRoles",
    "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:ListRolePolicies",
    "iam:PutRolePermissionsBoundary",
    "iam:DeleteRolePermissionsBoundary",
    "iam:AttachRolePolicy",
    "iam:DetachRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:PassRole",
];
const ARNS: &[Arn] = &[("role", "iam::{account}:role{path}{name}"), ("role before", "iam::{account}:role/{name}")];
const FACTS: Facts = Facts {
    renamed_fields: &[("attached", "attached_policies"), ("session_seconds", "max_session_seconds")],
    identified_by: &["name"],
    relocates: true,
    given_outputs: &["name"],
    review: &["trust", "policies", "attached_policies", "permissions_boundary"],
    own_policies: Some("policies"),
    arns: ARNS,
    rights: super::rights::identity::ROLES_OF_THE_STACK,
    billing: Billing::Free,
    follows: &[(&[Action::Delete], "whatever still acts as it is refused")],
    ..Facts::of("role", "an IAM role with its trust and policies", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Role;

#[async_trait]
impl Kind for Role {
    type Spec = Spec;
    type Observed = Observed;
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.trust = policy::arranged("trust", spec.trust.take())?;
        for (name, document) in &mut spec.policies {
            *document = policy::of_identity(&format!("policies.{name}"), document.take())?;
        }
        Ok(())
    }

    fn relocated(&self, live: &Spec, spec: &Spec, moves: bool) -> Option<Spec> {
        let (is, wanted) = ((live.path.as_ref(), live.name.as_str()), (spec.path.as_ref(), spec.name.as_str()));
        let name = name_beside(is, wanted, moves, 64)?;
        Some(Spec { name: name.into(), ..spec.clone() })
    }

    fn outlives(&self, live: &Spec, spec: &Spec) -> bool {
        live.path != spec.path
    }

    fn stays(&self, _live: &Spec, observed: &Observed) -> Option<Obstacle> {
        moving::obstacle(observed)
    }

    fn is_left(&self, observed: &Observed) -> bool {
        observed.is_left
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let goes = |live: &Spec, spec: &Spec| live.policies.keys().any(|name| !spec.policies.contains_key(name));
        let Some((live, spec)) = step.live.zip(step.spec) else { return Vec::new() };
        if step.updates("policies") && goes(live, spec) {
            return vec!["what only the removed policies allow is refused from now on".to_owned()];
        }
        if step.action == Action::Replace && self.coexists(live, spec) && self.outlives(live, spec) {
            return vec![moving::consequence(live, spec)];
        }
        Vec::new()
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        let own = spec.policies.values().flat_map(|policy| statement::grants(policy, "it"));
        let attached =
            spec.attached_policies.iter().map(|arn| Grant::to("it", format!("do what {} allows", arn.as_str())));
        let bound = spec.permissions_boundary.iter();
        let bound = bound.map(|arn| Grant::to("it", format!("do no more than {} allows", arn.as_str())));
        statement::grants(&spec.trust, "it").into_iter().chain(own).chain(attached).chain(bound).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec, Observed>>> {
        let details = details(context).await?;
        let own: Vec<&RoleDetail> = details.roles.iter().filter(|role| owner(context, role).is_some()).collect();
        if own.is_empty() {
            return Ok(Vec::new());
        }
        // The one call that returns policies and tags leaves descriptions and sessions out.
        let listed = ask_all(context.aws.iam().list_roles().max_items(1000).into_paginator().items().send()).await?;
        let reads = own.iter().map(async |detail| {
            let name = detail.role_name().needed("iam", "RoleDetail.RoleName")?;
            match listed.iter().find(|role| role.role_name() == name) {
                Some(role) => read(context, detail, role),
                None => described(context, name).await?.map_or(Ok(None), |role| read(context, detail, &role)),
            }
        });
        let mut found: Vec<_> = try_join_all(reads).await?.into_iter().flatten().collect();
        moving::keep(context, &own, wanted, &mut found).await;
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.iam().create_role().role_name(spec.name.as_str()).description(&spec.description);
        let call = call
            .assume_role_policy_document(spec.trust.to_string())
            .path(spec.path.as_ref().map_or_else(|| names::identities(&context.stack), ToString::to_string))
            .set_permissions_boundary(spec.permissions_boundary.clone().map(Into::into))
            .max_session_duration(i32::try_from(spec.max_session_seconds)?)
            .set_tags(Some(tag_lists::owned(context, address)));
        let answer = wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await;
        let tags = async {
            let present = ask(context.aws.iam().get_role().role_name(spec.name.as_str()).send()).await?;
            Ok(tag_lists::read(present.role.needed("iam", "GetRole.Role")?.tags()))
        };
        tags::made(context, address, &format!("the role {}", spec.name), answer, tags).await?;
        settle(context, spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec, Observed>) -> Result<Outcome> {
        settle(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec, Observed>) -> Result<()> {
        let name = live.spec.name.as_str();
        let Some(present) = present(context, name).await? else { return Ok(()) };
        for policy in &present.inline {
            take_inline(context, name, policy).await?;
        }
        for policy in &present.attached {
            detach(context, name, policy).await?;
        }
        leave_profiles(context, name).await?;
        wait::found(ask(context.aws.iam().delete_role().role_name(name).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec, Observed>>> {
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
            .path(role.path())
            .set_permissions_boundary(role.permissions_boundary.clone())
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

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let call = context.aws.iam().untag_role().role_name(name);
        ask(call.set_tag_keys(Some(tag_lists::keys(keys))).send()).await?;
        Ok(())
    }
}

/// The address that a role's tags state.
fn owner(context: &Context, role: &RoleDetail) -> Option<Address> {
    tags::address(context, "role", &tag_lists::read(role.tags()))
}

/// The role of those details, with what lists say of it besides.
fn read(context: &Context, role: &RoleDetail, listed: &types::Role) -> Result<Option<Found<Spec, Observed>>> {
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
        path: role.path().map(Into::into),
        // A role without a description has no such member.
        description: listed.description().unwrap_or_default().to_owned(),
        trust: policy::parse(trust)?,
        policies,
        attached_policies: arns(role.attached_managed_policies())?,
        permissions_boundary: boundary(role.permissions_boundary()),
        max_session_seconds: listed.max_session_duration().map_or(Ok(an_hour()), u32::try_from)?,
    };
    Ok(Some(tags::found(address, &tags, arn, spec, &[("arn", arn), ("name", name)])))
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::primitives::DateTime;
    use aws_sdk_iam::types::{AttachedPermissionsBoundary, Tag};
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
            .path("/lakewright/shop/")
            .permissions_boundary(
                AttachedPermissionsBoundary::builder()
                    .permissions_boundary_arn("arn:aws:iam::123456789012:policy/b")
                    .build(),
            )
            .arn("arn:aws:iam::1:role/lakewright/shop/shop-host")
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
            "Principal": {"Service": ["ec2.amazonaws.com"]}}]}, "policies": {"p": {"Statement": []}},
            "path": "/lakewright/shop/", "permissions_boundary": "arn:aws:iam::123456789012:policy/b"});
        assert_eq!(serde_json::to_value(&live.spec).expect("JSON"), Role.normalise(&written).expect("a spec"));
        assert_eq!(live.address.to_string(), "role.host");
        let foreign = RoleDetail::builder().role_name("x").assume_role_policy_document("not read").build();
        assert!(read(&context, &foreign, &listed).expect("passed over").is_none());
    }
}
