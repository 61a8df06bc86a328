//! `managed_policy`: an IAM policy that roles attach, as those that apply a stack do.

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_iam::types::{ManagedPolicyDetail, PolicyVersion};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, in_place, replaces};
use super::tags::Tags;
use super::values::text;
use super::{each, policy, role, statement, tags, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Wanted};
use crate::names;
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// A managed policy's name.
    PolicyName,
    r"^[A-Za-z0-9_+=,.@-]{1,128}$"
);

/// A policy. Under the stack's own path there are no others; they carry no tags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account.
    pub name: PolicyName,
    /// What it says, at most 6,144 characters.
    #[schemars(extend("type" = "object"))]
    pub document: Value,
}

const FIELDS: &[Field] = &[replaces("name"), compared(in_place("document"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListPolicyVersions",
];
const ARNS: &[Arn] = &[("arn", "iam::{account}:policy/lakewright/{stack}/{name}")];
const FACTS: Facts = Facts {
    is_tagless: true,
    irregular_plural: Some("managed_policies"),
    identified_by: &["name"],
    review: &["document"],
    arns: ARNS,
    billing: Billing::Free,
    follows: &[(&[Action::Delete], "roles that had it may no longer do what it allowed")],
    ..Facts::of("managed_policy", "an IAM policy that roles attach", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct ManagedPolicy;

#[async_trait]
impl Kind for ManagedPolicy {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.document = policy::of_identity("document", spec.document.take())?;
        Ok(())
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        statement::grants(&spec.document, "whoever has it")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let path = names::identities(&context.stack);
        let details = role::details(context).await?;
        let own = details.policies.iter().filter(|policy| policy.path() == Some(&path));
        own.map(|policy| read(context, policy, wanted)).collect()
    }

    async fn create(&self, context: &Context, _address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.iam().create_policy().policy_name(spec.name.as_str());
        let call = call.path(names::identities(&context.stack)).policy_document(spec.document.to_string());
        match ask(call.send()).await {
            // An attempt whose answer was lost made it, or an apply that was killed.
            Err(error) if error.is_already_exists() => write(context, spec).await?,
            answer => drop(answer?),
        }
        Ok(outcome(context, spec))
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        write(context, spec).await?;
        Ok(outcome(context, spec))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        drop_versions(context, &live.id).await?;
        wait::found(ask(context.aws.iam().delete_policy().policy_arn(&live.id).send()).await)?;
        Ok(())
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().global("iam", &format!("policy{}{name}", names::identities(&context.stack)))
}

fn outcome(context: &Context, spec: &Spec) -> Outcome {
    let arn = arn(context, &spec.name);
    tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)])
}

/// Makes what the policy says that of the spec. A policy has five versions at most: only the new one stays.
async fn write(context: &Context, spec: &Spec) -> Result<()> {
    let arn = arn(context, &spec.name);
    drop_versions(context, &arn).await?;
    let call = context.aws.iam().create_policy_version().policy_arn(&arn).set_as_default(true);
    ask(call.policy_document(spec.document.to_string()).send()).await?;
    drop_versions(context, &arn).await
}

/// Deletes the versions that say nothing any more.
async fn drop_versions(context: &Context, arn: &str) -> Result<()> {
    let iam = context.aws.iam();
    let call = iam.list_policy_versions().policy_arn(arn).into_paginator().items();
    let Some(versions) = wait::found(ask_all(call.send()).await)? else { return Ok(()) };
    for version in versions.iter().filter(|version| !version.is_default_version()) {
        let id = version.version_id().needed("iam", "PolicyVersion.VersionId")?;
        wait::found(ask(iam.delete_policy_version().policy_arn(arn).version_id(id).send()).await)?;
    }
    Ok(())
}

fn read(context: &Context, detail: &ManagedPolicyDetail, wanted: &[Wanted<'_, Spec>]) -> Result<Found<Spec>> {
    let name = detail.policy_name().needed("iam", "ManagedPolicyDetail.PolicyName")?;
    let arn = detail.arn().needed("iam", "ManagedPolicyDetail.Arn")?;
    let begin = names::of_part(&context.stack, "");
    let former = || Address::new(FACTS.name, name.strip_prefix(&begin).unwrap_or(name));
    let address = each::address(context, FACTS.name, None, wanted, |spec| spec.name == name).unwrap_or_else(former);
    let spec = Spec { name: name.into(), document: policy::parse(document(detail)?)? };
    Ok(tags::found(address, &Tags::new(), arn, spec, &[("arn", arn), ("name", name)]))
}

/// What the policy says now.
fn document(detail: &ManagedPolicyDetail) -> Result<&str, Error> {
    let version = detail.policy_version_list().iter().find(|version| version.is_default_version());
    version.and_then(PolicyVersion::document).needed("iam", "ManagedPolicyDetail.PolicyVersionList.Document")
}
