//! `role`: an IAM role with its trust, inline policies and attached policies.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, typed, value};
use super::tags;
use super::wire::{number, texts};
use super::{policy, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

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
        let input = json!({
            "RoleName": spec.name,
            "AssumeRolePolicyDocument": spec.trust.to_string(),
            "Description": spec.description,
            "MaxSessionDuration": spec.session_seconds,
            "Tags": tags::pairs(context, address),
        });
        let made = wait::while_refused(context, KNOWN, wait::not_yet, || {
            context.aws.call(Service::Iam, "CreateRole", input.clone())
        });
        match made.await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let role = call(context, "GetRole", json!({"RoleName": spec.name})).await?;
                let tags = tags::of(list(&role["Role"], "Tags"));
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
            gone(context, "DeleteRolePolicy", json!({"RoleName": name, "PolicyName": policy})).await?;
        }
        for policy in &present.attached {
            gone(context, "DetachRolePolicy", json!({"RoleName": name, "PolicyArn": policy})).await?;
        }
        let profiles = call(context, "ListInstanceProfilesForRole", json!({"RoleName": name})).await?;
        for profile in list(&profiles, "InstanceProfiles") {
            let profile = text(profile, "InstanceProfileName");
            let input = json!({"RoleName": name, "InstanceProfileName": profile});
            gone(context, "RemoveRoleFromInstanceProfile", input).await?;
        }
        gone(context, "DeleteRole", json!({"RoleName": name})).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let answer = wait::found(call(context, "GetRole", json!({"RoleName": name})).await)?;
        let Some(mut role) = answer.map(|mut answer| answer["Role"].take()) else { return Ok(None) };
        let Some(present) = present(context, name).await? else { return Ok(None) };
        let inline = present.inline.iter().map(|policy| async move {
            call(context, "GetRolePolicy", json!({"RoleName": name, "PolicyName": policy})).await
        });
        role["RolePolicyList"] = try_join_all(inline).await?.into();
        role["AttachedManagedPolicies"] = present.attached.iter().map(|arn| json!({"PolicyArn": arn})).collect();
        read(context, &tags::claim(context, address, id, role, "Tags")?)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let input = json!({"RoleName": name, "Tags": tags::list_of(tags)});
        call(context, "TagRole", input).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Iam, operation, input).await
}

/// What IAM tells of every role of the account, its tags and policies too. A sweep asks it once.
pub(super) async fn details(context: &Context) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut input = json!({"Filter": ["Role"], "MaxItems": 1000});
    loop {
        let page = call(context, "GetAccountAuthorizationDetails", input.clone()).await?;
        found.extend_from_slice(list(&page, "RoleDetailList"));
        match text(&page, "Marker") {
            next if text(&page, "IsTruncated") == "true" && !next.is_empty() => input["Marker"] = json!(next),
            _ => return Ok(found),
        }
    }
}

async fn gone(context: &Context, operation: &str, input: Value) -> Result<()> {
    wait::found(call(context, operation, input).await)?;
    Ok(())
}

fn read(context: &Context, role: &Value) -> Result<Option<Live>> {
    let tags = tags::of(list(role, "Tags"));
    let Some(address) = tags::address(context, "role", &tags) else { return Ok(None) };
    let mut policies = BTreeMap::new();
    for inline in list(role, "RolePolicyList") {
        policies.insert(text(inline, "PolicyName").to_owned(), policy::parse(text(inline, "PolicyDocument"))?);
    }
    let attached = list(role, "AttachedManagedPolicies").iter();
    let (arn, name) = (text(role, "Arn"), text(role, "RoleName"));
    let spec = Spec {
        name: name.to_owned(),
        description: String::new(),
        trust: policy::parse(text(role, "AssumeRolePolicyDocument"))?,
        policies,
        attached: attached.map(|policy| text(policy, "PolicyArn").to_owned()).collect(),
        session_seconds: an_hour(),
    };
    Ok(Some(tags::live(address, &tags, arn, value(&spec), &[("arn", arn), ("name", name)])))
}

/// The policies that a role has, by name and ARN.
struct Present {
    inline: Vec<String>,
    attached: Vec<String>,
}

async fn present(context: &Context, name: &str) -> Result<Option<Present>> {
    let input = json!({"RoleName": name, "MaxItems": 1000});
    let Some(inline) = wait::found(call(context, "ListRolePolicies", input.clone()).await)? else { return Ok(None) };
    let attached = call(context, "ListAttachedRolePolicies", input).await?;
    let arn = |policy: &Value| text(policy, "PolicyArn").to_owned();
    Ok(Some(Present {
        inline: texts(&inline, "PolicyNames"),
        attached: list(&attached, "AttachedPolicies").iter().map(arn).collect(),
    }))
}

/// Makes trust and policies those of the spec; whatever else the role may do is taken from it.
async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let name = &spec.name;
    let present = wait::visible(context, || call(context, "GetRole", json!({"RoleName": name}))).await?;
    let arn = text(&present["Role"], "Arn").to_owned();
    if policy::parse(text(&present["Role"], "AssumeRolePolicyDocument"))? != policy::canonical(spec.trust.clone()) {
        let input = json!({"RoleName": name, "PolicyDocument": spec.trust.to_string()});
        wait::while_refused(context, KNOWN, wait::not_yet, || call(context, "UpdateAssumeRolePolicy", input.clone()))
            .await?;
    }
    let description = text(&present["Role"], "Description");
    if description != spec.description || number(&present["Role"], "MaxSessionDuration") != spec.session_seconds {
        let input = json!({
            "RoleName": name, "Description": spec.description, "MaxSessionDuration": spec.session_seconds,
        });
        call(context, "UpdateRole", input).await?;
    }
    let present = self::present(context, name).await?.unwrap_or(Present { inline: vec![], attached: vec![] });
    for (policy, document) in &spec.policies {
        let input = json!({"RoleName": name, "PolicyName": policy, "PolicyDocument": document.to_string()});
        call(context, "PutRolePolicy", input).await?;
    }
    for policy in present.inline.iter().filter(|policy| !spec.policies.contains_key(*policy)) {
        gone(context, "DeleteRolePolicy", json!({"RoleName": name, "PolicyName": policy})).await?;
    }
    for policy in spec.attached.iter().filter(|policy| !present.attached.contains(policy)) {
        call(context, "AttachRolePolicy", json!({"RoleName": name, "PolicyArn": policy})).await?;
    }
    for policy in present.attached.iter().filter(|policy| !spec.attached.contains(policy)) {
        gone(context, "DetachRolePolicy", json!({"RoleName": name, "PolicyArn": policy})).await?;
    }
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", name)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_of_a_role_become_its_spec() {
        let context = crate::kinds::testing::context();
        let trust = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D";
        let tags = json!([{"Key": tags::STACK, "Value": "shop"}, {"Key": tags::ADDRESS, "Value": "role.host"}]);
        let role = json!({
            "RoleName": "shop-host", "Arn": "arn:aws:iam::1:role/shop-host", "AssumeRolePolicyDocument": trust, "Tags": tags,
            "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": "{\"Statement\":[]}"}],
            "AttachedManagedPolicies": "",
        });
        let live = read(&context, &role).expect("read").expect("ours");
        let written = json!({"name": "shop-host", "trust": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": ["ec2.amazonaws.com"]}}]}, "policies": {"p": {"Statement": []}}});
        assert_eq!(live.spec, Role.normalise(&written).expect("a spec"));
        assert_eq!(live.address.to_string(), "role.host");
        let foreign = json!({"RoleName": "x", "Tags": "", "AssumeRolePolicyDocument": "not read"});
        assert!(read(&context, &foreign).expect("passed over").is_none());
    }
}
