//! `function`: a Lambda function from a zip that is made here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_lambda::types::{FunctionCode, FunctionConfiguration, LastUpdateStatus, State};
use futures::future::try_join_all;
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tag_lists, tagged, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};
use crate::services::Services as _;

mod calls;
pub mod package;
mod permission;
pub mod rules;

use calls::{
    CHANGED, architecture_of, arn_of, assumed, configuration, configured, get, settle, spec_of, unhindered, zip,
};
pub use permission::{Permission, Permissions};

/// A Lambda function. Its code goes up in the create call; who may invoke it is part of it, and any other permission found
/// on it is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
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
    /// The SHA-256 of the zip in base64, as Lambda tells it. Default: that of `source` or `inline`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^([A-Za-z0-9+/]{43}=)?$"))]
    pub code_sha256: String,
    /// The runtime, `python3.13`.
    #[schemars(length(min = 1, max = 64))]
    pub runtime: String,
    /// What is called: a module and a function in it, `index.handler`.
    #[schemars(regex(pattern = r"^\S{1,128}$"))]
    pub handler: String,
    /// The ARN of the role that it runs as, `${role.hello.arn}`.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$"))]
    pub role: String,
    /// Memory in MiB, 128 to 10,240; processors come with it. Default: 128.
    #[serde(default = "memory_mb")]
    pub memory_mb: u32,
    /// After how many seconds a call is ended, 900 at most. Default: 30.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u32,
    /// Its environment. Secrets have no place here: whoever may look at the function reads it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// `x86_64` or `arm64`. Default: `arm64`.
    #[serde(default = "architecture")]
    #[schemars(length(min = 1, max = 64))]
    pub architecture: String,
    /// The log group that it writes to; how long entries are kept is that group's. Default: `/aws/lambda/NAME`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_./#-]{1,512}$"))]
    pub log_group: String,
    /// Who may invoke it, by a name of your own.
    #[serde(default)]
    pub permissions: Permissions,
}

fn memory_mb() -> u32 {
    128
}

fn timeout_seconds() -> u32 {
    30
}

fn architecture() -> String {
    "arm64".into()
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
    "iam:PassRole",
    "tag:GetResources",
];

/// The kind.
#[derive(Debug)]
pub struct Function;

fn canonical(spec: &mut Spec) -> Result<()> {
    rules::name(&spec.name)?;
    rules::runtime(&spec.runtime)?;
    rules::environment(&spec.environment)?;
    permission::canonical(&mut spec.permissions)?;
    if !["x86_64", "arm64"].contains(&spec.architecture.as_str()) {
        bail!("`{}` is no architecture; write x86_64 or arm64", spec.architecture);
    }
    if !(128..=10_240).contains(&spec.memory_mb) {
        bail!("memory_mb is {}; Lambda takes 128 to 10240", spec.memory_mb);
    }
    if !(1..=900).contains(&spec.timeout_seconds) {
        bail!("timeout_seconds is {}; Lambda takes 1 to 900", spec.timeout_seconds);
    }
    if spec.log_group.is_empty() {
        spec.log_group = format!("/aws/lambda/{}", spec.name);
    }
    match (&spec.source, &spec.inline) {
        (Some(_), Some(_)) => bail!("give `source` or `inline`, not both"),
        (None, None) => bail!("the function has no code: give `source = \"functions/NAME\"` or `inline`"),
        (None, Some(code)) => {
            let file = rules::inline_file(&spec.runtime, &spec.handler)?;
            if spec.code_sha256.is_empty() {
                spec.code_sha256 = package::hash(&package::of_text(&file, code));
            }
        }
        (Some(_), None) => {}
    }
    Ok(())
}

#[async_trait]
impl Kind for Function {
    describes!("function", "a Lambda function from a zip", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: Vec::new(), by_use: "requests, and memory by the time that they take" }
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(15), Duration::from_secs(10), Duration::from_secs(2)]
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let mut said = Vec::new();
        let of = |value: &Value| value["permissions"].as_object().cloned().unwrap_or_default();
        match action {
            Action::Update if changed.contains(&"code_sha256") && changed.len() > 1 => {
                said.push("code and settings change one after the other: calls in between meet one of them new".into());
            }
            Action::Delete | Action::Replace => said.push("whatever still invokes it fails".to_owned()),
            _ => {}
        }
        let (old, new) = (of(live), of(spec));
        if action == Action::Update && old.iter().any(|(sid, one)| new.get(sid).is_some_and(|other| other != one)) {
            said.push("a changed permission is taken away and given anew: a call in between is refused".to_owned());
        }
        said
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged = tagged::resources(context, "lambda").await?;
        let mut names: BTreeSet<&str> = tagged.iter().filter_map(|(arn, _)| name_in(arn)).collect();
        names.extend(wanted.iter().map(|wanted| text(wanted.spec, "name")));
        let found = try_join_all(names.into_iter().map(|name| async move {
            let Some(function) = get(context, name).await? else { return Ok(None) };
            read(context, configuration(&function)?, &tag_lists::read_map(function.tags())).await
        }));
        let found: Vec<Option<Live>> = found.await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = configured!(context.aws.lambda().create_function(), &spec)
            .code(FunctionCode::builder().zip_file(zip(&spec).await?).build())
            .architectures(architecture_of(&spec))
            .set_tags(Some(tag_lists::owned_map(context, address)));
        match assumed(context, || ask(call.clone().send())).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let function = get(context, &spec.name).await?;
                let tags = function.map(|function| tag_lists::read_map(function.tags())).unwrap_or_default();
                if tags::address(context, "function", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the function {}", spec.name), &tags));
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
        let name = text(&live.spec, "name");
        let call = context.aws.lambda().delete_function().function_name(name);
        wait::found(unhindered(context, || ask(call.clone().send())).await)?;
        wait::until(context, CHANGED, &format!("the function {name} is still there"), || async {
            Ok(get(context, name).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
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
}

/// The name in a function's ARN.
fn name_in(arn: &str) -> Option<&str> {
    let (_, name) = arn.split_once(":function:")?;
    name.split(':').next()
}

/// The function with these tags; none if they aren't the stack's.
async fn read(context: &Context, function: &FunctionConfiguration, tags: &Tags) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "function", tags) else { return Ok(None) };
    let name = function.function_name().needed("lambda", "FunctionConfiguration.FunctionName")?;
    let arn = arn_of(function)?;
    let spec = spec_of(function, permission::read(context, name).await?)?;
    let mut live = tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("name", name)]);
    live.condition = match (function.state(), function.last_update_status()) {
        (Some(State::Failed), _) => Condition::Failed(function.state_reason().unwrap_or_default().to_owned()),
        (Some(state @ State::Pending), _) => Condition::Pending(state.to_string()),
        (_, Some(status @ LastUpdateStatus::InProgress)) => Condition::Pending(status.to_string()),
        _ => Condition::Ready,
    };
    Ok(Some(live))
}
