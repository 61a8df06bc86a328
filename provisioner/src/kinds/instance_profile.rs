//! `instance_profile`: what gives a role to EC2 instances.

mod hosts;

use std::collections::BTreeMap;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_iam::types;
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::role::{Path, RoleName, name_beside};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::text;
use super::{tag_lists, tagged, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Step, Wanted};
use crate::names;
use crate::reading::is_denied;
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// An instance profile's name.
    InstanceProfileName,
    r"^[A-Za-z0-9_+=,.@-]{1,128}$"
);

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account, whatever the path.
    pub name: InstanceProfileName,
    /// The path in IAM, `/teams/data/`. A profile that is there keeps the path that it has until `apply
    /// --move-roles` moves it, under another name. Default: `/lakewright/STACK/`.
    #[serde(default)]
    pub path: Option<Path>,
    /// The name of the role that the instances get.
    pub role: RoleName,
}

const FIELDS: &[Field] = &[replaces("name"), compared(replaces("path"), Comparing::Never), in_place("role")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "iam:CreateInstanceProfile",
    "iam:DeleteInstanceProfile",
    "iam:GetInstanceProfile",
    "iam:ListInstanceProfiles",
    "iam:AddRoleToInstanceProfile",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:UntagInstanceProfile",
    "iam:PassRole",
    "tag:GetResources",
    "ec2:DescribeIamInstanceProfileAssociations",
    "ec2:DescribeInstances",
    "ec2:ReplaceIamInstanceProfileAssociation",
];
const ARNS: &[Arn] = &[
    ("profile", "iam::{account}:instance-profile{path}{name}"),
    ("profile before", "iam::{account}:instance-profile/{name}"),
];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types_everywhere: &["iam:instance-profile"],
    relocates: true,
    given_outputs: &["name"],
    review: &["role"],
    arns: ARNS,
    passes_roles_to: &["ec2.amazonaws.com"],
    rights: super::rights::identity::PROFILES_OF_THE_STACK,
    billing: Billing::Free,
    follows: &[(&[Action::Delete], "hosts that run with it lose their credentials")],
    ..Facts::of("instance_profile", "what gives a role to EC2 instances", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct InstanceProfile;

#[async_trait]
impl Kind for InstanceProfile {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn relocated(&self, live: &Spec, spec: &Spec, moves: bool) -> Option<Spec> {
        let (is, wanted) = ((live.path.as_ref(), live.name.as_str()), (spec.path.as_ref(), spec.name.as_str()));
        let name = name_beside(is, wanted, moves, 128)?;
        Some(Spec { name: name.into(), ..spec.clone() })
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let both = step.live.zip(step.spec);
        match step.action {
            Action::Replace if both.is_some_and(|(live, spec)| self.coexists(live, spec)) => {
                vec!["hosts that run get the new one, and with it their role, before the old one goes".to_owned()]
            }
            Action::Update if step.updates("role") => {
                vec!["hosts that run get the new role's credentials within the hour".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        vec![Grant::to("hosts that have it", format!("act as {}", spec.role.as_str()))]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // The list has no tags: those are asked for of the profiles that could be the stack's by their path or name.
        let call = context.aws.iam().list_instance_profiles().max_items(1000);
        let all = ask_all(call.into_paginator().items().send()).await?;
        let own = format!("{}-", context.stack);
        let path = names::identities(&context.stack);
        let is_wanted = |name: &str| wanted.iter().any(|one| one.spec.name == name);
        let could_be = |one: &&types::InstanceProfile| {
            let name = one.instance_profile_name();
            one.path() == path || name.starts_with(&own) || is_wanted(name)
        };
        let candidates: Vec<&types::InstanceProfile> = all.iter().filter(could_be).collect();
        // One question has the tags of many. For a single profile it would save none.
        let tagged = if candidates.len() > 1 { tagged(context).await? } else { BTreeMap::new() };
        let reads = candidates.into_iter().map(async |one| match tagged.get(one.arn()) {
            Some(tags) => read(context, one, tags),
            // What the tagging API doesn't list yet is asked for itself.
            None => match describe(context, one.instance_profile_name()).await? {
                Some(profile) => read(context, &profile, &tag_lists::read(profile.tags())),
                None => Ok(None),
            },
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let path = spec.path.as_ref().map_or_else(|| names::identities(&context.stack), ToString::to_string);
        let call = context.aws.iam().create_instance_profile().instance_profile_name(spec.name.as_str()).path(path);
        let answer = ask(call.set_tags(Some(tag_lists::owned(context, address))).send()).await;
        let tags = async {
            let profile = describe(context, &spec.name).await?;
            Ok(profile.map(|profile| tag_lists::read(profile.tags())).unwrap_or_default())
        };
        tags::made(context, address, &format!("the instance profile {}", spec.name), answer, tags).await?;
        settle(context, spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        settle(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let name = live.spec.name.as_str();
        let Some(profile) = describe(context, name).await? else { return Ok(()) };
        hosts::hand_on(context, live).await?;
        for role in roles(&profile)? {
            take(context, name, role).await?;
        }
        let call = context.aws.iam().delete_instance_profile().instance_profile_name(name);
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(profile) = describe(context, name).await? else { return Ok(None) };
        read(context, &profile, &tags::claimed(context, address, id, tag_lists::read(profile.tags()))?)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let call = context.aws.iam().tag_instance_profile().instance_profile_name(name);
        ask(call.set_tags(Some(tag_lists::written(tags))).send()).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let call = context.aws.iam().untag_instance_profile().instance_profile_name(name);
        ask(call.set_tag_keys(Some(tag_lists::keys(keys))).send()).await?;
        Ok(())
    }
}

const PROFILE: &str = "GetInstanceProfile.InstanceProfile";

/// The tags of the stack's profiles by ARN, as the tagging API lists them; none where nobody may ask another region's.
async fn tagged(context: &Context) -> Result<BTreeMap<String, Tags>> {
    match tagged::everywhere(context, "iam").await {
        Err(error) if is_denied(&error) => Ok(BTreeMap::new()),
        listed => Ok(listed?.into_iter().collect()),
    }
}

async fn describe(context: &Context, name: &str) -> Result<Option<types::InstanceProfile>> {
    let answer = ask(context.aws.iam().get_instance_profile().instance_profile_name(name).send()).await;
    let Some(answer) = wait::found(answer)? else { return Ok(None) };
    Ok(Some(answer.instance_profile.needed("iam", PROFILE)?))
}

async fn take(context: &Context, profile: &str, role: &str) -> Result<()> {
    let call = context.aws.iam().remove_role_from_instance_profile().instance_profile_name(profile);
    wait::found(ask(call.role_name(role).send()).await)?;
    Ok(())
}

fn roles(profile: &types::InstanceProfile) -> Result<Vec<&str>, Error> {
    profile.roles().iter().map(|role| role.role_name().needed("iam", "Role.RoleName")).collect()
}

fn read(context: &Context, profile: &types::InstanceProfile, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "instance_profile", tags) else { return Ok(None) };
    let arn = profile.arn().needed("iam", "InstanceProfile.Arn")?;
    let name = profile.instance_profile_name().needed("iam", "InstanceProfile.InstanceProfileName")?;
    // An empty text stands for a profile without a role.
    let role = roles(profile)?.first().copied().unwrap_or_default().into();
    let spec = Spec { name: name.into(), path: Some(profile.path().into()), role };
    Ok(Some(tags::found(address, tags, arn, spec, &[("arn", arn), ("name", name)])))
}

/// Puts the role of the spec into the profile, which holds at most one.
async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let (name, role) = (spec.name.as_str(), spec.role.as_str());
    let call = context.aws.iam().get_instance_profile().instance_profile_name(name);
    let answer = wait::visible(context, || ask(call.clone().send())).await?;
    let profile = answer.instance_profile.needed("iam", PROFILE)?;
    let present = roles(&profile)?;
    for other in present.iter().filter(|other| **other != role) {
        take(context, name, other).await?;
    }
    if !present.contains(&role) {
        let call = context.aws.iam().add_role_to_instance_profile().instance_profile_name(name).role_name(role);
        wait::visible(context, || ask(call.clone().send())).await?;
    }
    let arn = profile.arn().needed("iam", "InstanceProfile.Arn")?;
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}
