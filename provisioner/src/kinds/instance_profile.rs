//! `instance_profile`: what gives a role to EC2 instances.

use anyhow::Result;
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, in_place, replaces, typed, value};
use super::{tags, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+=,.@-]{1,128}$"))]
    pub name: String,
    /// The name of the role that the instances get.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+=,.@-]{1,64}$"))]
    pub role: String,
}

const FIELDS: &[Field] = &[replaces("name"), in_place("role")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "iam:CreateInstanceProfile",
    "iam:DeleteInstanceProfile",
    "iam:GetInstanceProfile",
    "iam:ListInstanceProfiles",
    "iam:AddRoleToInstanceProfile",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:PassRole",
];

/// The kind.
#[derive(Debug)]
pub struct InstanceProfile;

#[async_trait]
impl Kind for InstanceProfile {
    describes!("instance_profile", "what gives a role to EC2 instances", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update if changed.contains(&"role") => {
                vec!["hosts that run get the new role's credentials within the hour".to_owned()]
            }
            Action::Delete => vec!["hosts that run with it lose their credentials".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        // The list has no tags: those are read of the profiles whose names could be the stack's.
        let mut names = Vec::new();
        let mut input = json!({"MaxItems": 1000});
        loop {
            let page = call(context, "ListInstanceProfiles", input.clone()).await?;
            let listed = list(&page, "InstanceProfiles").iter().map(|profile| text(profile, "InstanceProfileName"));
            let own = format!("{}-", context.stack);
            let may_be_ours =
                |name: &&str| name.starts_with(&own) || wanted.iter().any(|one| text(one.spec, "name") == *name);
            names.extend(listed.filter(may_be_ours).map(str::to_owned));
            match text(&page, "Marker") {
                next if text(&page, "IsTruncated") == "true" && !next.is_empty() => input["Marker"] = json!(next),
                _ => break,
            }
        }
        let profiles = try_join_all(names.iter().map(|name| describe(context, name))).await?;
        Ok(profiles.into_iter().flatten().filter_map(|profile| read(context, &profile)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({"InstanceProfileName": spec.name, "Tags": tags::pairs(context, address)});
        match call(context, "CreateInstanceProfile", input).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let profile = describe(context, &spec.name).await?.unwrap_or_default();
                let tags = tags::of(list(&profile, "Tags"));
                if tags::address(context, "instance_profile", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the instance profile {}", spec.name), &tags));
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
        let Some(profile) = describe(context, &spec.name).await? else { return Ok(()) };
        for role in roles(&profile) {
            let input = json!({"InstanceProfileName": spec.name, "RoleName": role});
            wait::found(call(context, "RemoveRoleFromInstanceProfile", input).await)?;
        }
        let input = json!({"InstanceProfileName": spec.name});
        wait::found(call(context, "DeleteInstanceProfile", input).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(profile) = describe(context, name).await? else { return Ok(None) };
        Ok(read(context, &tags::claim(context, address, id, profile, "Tags")?))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let input = json!({"InstanceProfileName": name, "Tags": tags::list_of(tags)});
        call(context, "TagInstanceProfile", input).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Iam, operation, input).await
}

async fn describe(context: &Context, name: &str) -> Result<Option<Value>> {
    let answer = call(context, "GetInstanceProfile", json!({"InstanceProfileName": name})).await;
    Ok(wait::found(answer)?.map(|mut answer| answer["InstanceProfile"].take()))
}

fn roles(profile: &Value) -> Vec<String> {
    list(profile, "Roles").iter().map(|role| text(role, "RoleName").to_owned()).collect()
}

fn read(context: &Context, profile: &Value) -> Option<Live> {
    let tags = tags::of(list(profile, "Tags"));
    let address = tags::address(context, "instance_profile", &tags)?;
    let (arn, name) = (text(profile, "Arn"), text(profile, "InstanceProfileName"));
    let spec = Spec { name: name.to_owned(), role: roles(profile).into_iter().next().unwrap_or_default() };
    Some(tags::live(address, &tags, arn, value(&spec), &[("arn", arn), ("name", name)]))
}

/// Puts the role of the spec into the profile, which holds at most one.
async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let input = json!({"InstanceProfileName": spec.name});
    let mut profile = wait::visible(context, || call(context, "GetInstanceProfile", input.clone())).await?;
    let profile = profile["InstanceProfile"].take();
    let present = roles(&profile);
    for other in present.iter().filter(|role| **role != spec.role) {
        let input = json!({"InstanceProfileName": spec.name, "RoleName": other});
        wait::found(call(context, "RemoveRoleFromInstanceProfile", input).await)?;
    }
    if !present.contains(&spec.role) {
        let input = json!({"InstanceProfileName": spec.name, "RoleName": spec.role});
        wait::visible(context, || call(context, "AddRoleToInstanceProfile", input.clone())).await?;
    }
    let arn = text(&profile, "Arn");
    Ok(tags::outcome(arn, &[("arn", arn), ("name", &spec.name)]))
}
