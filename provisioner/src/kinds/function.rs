//! `function`: a Lambda function from a zip that is made here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_lambda::types::{self, FunctionCode, FunctionConfiguration, LastUpdateStatus, State};
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{LogGroupName, RoleArn, text, words};
use super::{tag_lists, tagged, wait};
use crate::kind::{
    Arn, Billing, Comparing, Context, Delta, ENDS, Facts, Field, Found, Grant, Kind, Outcome, Step, Wanted,
};
use crate::reference::{Reference, plain_text, references};
use crate::resource::{Action, Address, Condition};
use crate::services::Services as _;

mod calls;
pub mod package;
mod permission;
pub mod rules;

use calls::{CHANGED, arn_of, assumed, configuration, configured, departures, get, settle, spec_of, unhindered, zip};
pub use permission::{Permission, Permissions};

text!(
    /// A function's name: letters, digits, `-` and `_`, 64 at most.
    FunctionName,
    r"^[A-Za-z0-9_-]{1,64}$"
);
text!(
    /// The SHA-256 of a zip in base64; empty for one that isn't known.
    CodeHash,
    r"^([A-Za-z0-9+/]{43}=)?$"
);
text!(
    /// What is called: a module and a function in it, `index.handler`.
    Handler,
    r"^\S{1,128}$"
);

/// A Lambda function. Its code goes up in the create call; who may invoke it is part of it, and any other permission found
/// on it is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: FunctionName,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub description: String,
    /// The file or folder beside the stack file that is its code. It is zipped here, equal content to equal bytes; a file
    /// `….zip` goes up as it is. What begins with a dot stays out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    pub source: Option<String>,
    /// Its code as a text, of Python or Node.js, in place of `source`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4_194_304))]
    pub inline: Option<String>,
    /// The SHA-256 of the zip in base64, as Lambda returns it. Default: that of `source` or `inline`.
    #[serde(default)]
    pub code_sha256: CodeHash,
    /// The runtime, `python3.13`.
    #[schemars(extend("enum" = rules::RUNTIMES))]
    pub runtime: String,
    /// What is called: a module and a function in it, `index.handler`.
    pub handler: Handler,
    /// The ARN of the role that it runs as, `${role.hello.arn}`.
    pub role: RoleArn,
    /// Memory in MiB, 128 to 10,240; processors come with it. Default: 128.
    #[serde(default = "memory_mb")]
    #[schemars(range(min = 128, max = 10_240))]
    pub memory_mb: u32,
    /// After how many seconds a call is ended, 900 at most. Default: 30.
    #[serde(default = "timeout_seconds")]
    #[schemars(range(min = 1, max = 900))]
    pub timeout_seconds: u32,
    /// Its environment. Secrets have no place here: whoever may look at the function reads it.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[a-zA-Z][a-zA-Z0-9_]+$"}))]
    pub environment: BTreeMap<String, String>,
    /// `x86_64` or `arm64`. Default: `arm64`.
    #[serde(default)]
    pub architecture: Architecture,
    /// The log group that it writes to; how long entries are kept is that group's. Default: `/aws/lambda/NAME`.
    #[serde(default)]
    pub log_group: LogGroupName,
    /// Who may invoke it, by a name of your own.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[a-zA-Z0-9_-]{1,100}$"}))]
    pub permissions: Permissions,
}

/// The processors that a function runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Those of Intel and AMD.
    #[serde(rename = "x86_64")]
    X86,
    /// AWS's own, of ARM's design.
    #[default]
    #[serde(rename = "arm64")]
    Arm,
    /// What else a function runs on; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Architecture <=> types::Architecture);

fn memory_mb() -> u32 {
    128
}

fn timeout_seconds() -> u32 {
    30
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    compared(in_place("source"), Comparing::Never),
    compared(in_place("inline"), Comparing::Never),
    in_place("code_sha256"),
    in_place("runtime"),
    in_place("handler"),
    in_place("role"),
    in_place("memory_mb"),
    in_place("timeout_seconds"),
    in_place("environment"),
    in_place("architecture"),
    in_place("log_group"),
    in_place("permissions"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "lambda:CreateFunction",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
    "lambda:DeleteFunction",
    "lambda:GetFunction",
    "lambda:GetPolicy",
    "lambda:ListTags",
    "lambda:AddPermission",
    "lambda:RemovePermission",
    "lambda:TagResource",
    "lambda:UntagResource",
    "iam:PassRole",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("function", "lambda:{region}:{account}:function:{name}")];
const FACTS: Facts = Facts {
    expected: [Duration::from_secs(15), Duration::from_secs(10), Duration::from_secs(2)],
    identified_by: &["name"],
    tag_types: &["lambda:function"],
    review: &["source", "inline", "code_sha256", "role", "environment", "permissions"],
    sensitive: &["environment"],
    arns: ARNS,
    passes_roles_to: &["lambda.amazonaws.com"],
    rights: super::rights::code::FUNCTIONS_OF_THE_STACK,
    billing: Billing::ByUse("requests, and memory by the time that they take"),
    follows: &[(ENDS, "whatever still invokes it fails")],
    ..Facts::of("function", "a Lambda function from a zip", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Function;

#[async_trait]
impl Kind for Function {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        rules::environment(&spec.environment)?;
        permission::canonical(&mut spec.permissions)?;
        if spec.log_group.is_empty() {
            spec.log_group = format!("/aws/lambda/{}", spec.name).into();
        }
        match (&spec.source, &spec.inline) {
            (Some(_), Some(_)) => bail!("give `source` or `inline`, not both"),
            (None, None) => bail!("the function has no code: give `source = \"functions/NAME\"` or `inline`"),
            (None, Some(code)) => {
                let file = rules::inline_file(&spec.runtime, &spec.handler)?;
                let is_reference = |one: &Reference| super::named(&one.address.kind).is_some();
                if let Some(reference) = references(&Value::from(code.as_str())).into_iter().find(is_reference) {
                    bail!(
                        "code is zipped when the plan is made, and can't refer to {reference}: give its value by \
                         `environment`, or write `${reference}` where the text itself is meant"
                    );
                }
                if spec.code_sha256.is_empty() {
                    spec.code_sha256 = package::hash(&package::of_text(&file, &plain_text(code))).into();
                }
            }
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let mut said = Vec::new();
        if step.updates("code_sha256") && step.changed.len() > 1 {
            said.push("code and settings change one after the other: calls in between meet one of them new".to_owned());
        }
        let changes = |(live, spec): (&Spec, &Spec)| {
            let mut old = live.permissions.iter();
            old.any(|(sid, one)| spec.permissions.get(sid).is_some_and(|other| other != one))
        };
        if step.action == Action::Update && step.live.zip(step.spec).is_some_and(changes) {
            said.push("a changed permission is taken away and given anew: a call in between is refused".to_owned());
        }
        said
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        let acts = Grant::to("its code", format!("act as {}", spec.role.as_str()));
        spec.permissions.values().map(Permission::grant).chain([acts]).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged = tagged::resources(context, "lambda").await?;
        let mut names: BTreeSet<&str> = tagged.iter().filter_map(|(arn, _)| name_in(arn)).collect();
        names.extend(wanted.iter().map(|wanted| wanted.spec.name.as_str()));
        let reads = names.into_iter().map(|name| {
            let tags = tagged.iter().find(|(arn, _)| name_in(arn) == Some(name)).map(|(_, tags)| tags);
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name.as_str() == name);
            let read = async move {
                let Some(function) = get(context, name).await? else { return Ok(None) };
                read(context, configuration(&function)?, &tag_lists::read_map(function.tags())).await
            };
            One { address, id: name.to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = configured!(context.aws.lambda().create_function(), spec)
            .code(FunctionCode::builder().zip_file(zip(spec).await?).build())
            .architectures((&spec.architecture).into())
            .set_tags(Some(tag_lists::owned_map(context, address)));
        let answer = assumed(context, || ask(call.clone().send())).await;
        let tags = async {
            let function = get(context, &spec.name).await?;
            Ok(function.map(|function| tag_lists::read_map(function.tags())).unwrap_or_default())
        };
        tags::made(context, address, &format!("the function {}", spec.name), answer, tags).await?;
        settle(context, spec).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        settle(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let name = live.spec.name.as_str();
        let call = context.aws.lambda().delete_function().function_name(name);
        wait::found(unhindered(context, || ask(call.clone().send())).await)?;
        wait::until(context, CHANGED, &format!("the function {name} is still there"), || async {
            Ok(get(context, name).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = name_in(id).unwrap_or(id);
        let Some(function) = get(context, name).await? else { return Ok(None) };
        let tags = tags::claimed(context, address, id, tag_lists::read_map(function.tags()))?;
        read(context, configuration(&function)?, &tags).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.lambda().tag_resource().resource(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written_map(tags)));
        wait::visible(context, || unhindered(context, || ask(call.clone().send()))).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let call = context.aws.lambda().untag_resource().resource(&outcome.id);
        let call = call.set_tag_keys(Some(tag_lists::keys(keys)));
        unhindered(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

/// The name in a function's ARN.
fn name_in(arn: &str) -> Option<&str> {
    lakewright_iam::Arn::parse(arn)?.resource.strip_prefix("function:")?.split(':').next()
}

/// The function with these tags; none if they aren't the stack's.
async fn read(context: &Context, function: &FunctionConfiguration, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "function", tags) else { return Ok(None) };
    let name = function.function_name().needed("lambda", "FunctionConfiguration.FunctionName")?;
    let arn = arn_of(function)?;
    let spec = spec_of(function, permission::read(context, name).await?)?;
    let mut found = tags::found(address, tags, arn, spec, &[("arn", arn), ("name", name)]);
    found.departures = departures(function);
    found.condition = match (function.state(), function.last_update_status()) {
        (Some(State::Failed), _) => Condition::Failed(function.state_reason().unwrap_or_default().to_owned()),
        (Some(state @ State::Pending), _) => Condition::Pending(state.to_string()),
        (_, Some(status @ LastUpdateStatus::InProgress)) => Condition::Pending(status.to_string()),
        _ => Condition::Ready,
    };
    Ok(Some(found))
}
