//! The calls to Lambda that make a function what its spec says.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_aws::{Error, Service, text};
use serde_json::{Value, json};

use super::{Permissions, Spec, package, permission, rules};
use crate::kind::{Context, Outcome};
use crate::kinds::wire::{number, texts};
use crate::kinds::{tags, wait};

/// How long a function may take to be made or changed.
pub(super) const CHANGED: Duration = Duration::from_mins(10);
/// How long Lambda may deny knowing a role that was just made.
const ASSUMABLE: Duration = Duration::from_mins(2);

pub(super) async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Lambda, operation, input).await
}

/// Calls once no other change is under way.
pub(super) async fn unhindered(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    wait::while_refused(context, CHANGED, Error::is_busy, || call(context, operation, input.clone())).await
}

/// Calls until Lambda can act as the role, which it can't for some seconds after it was made.
pub(super) async fn assumed(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    wait::while_refused(context, ASSUMABLE, wait::not_yet, || call(context, operation, input.clone())).await
}

pub(super) async fn get(context: &Context, name: &str) -> Result<Option<Value>> {
    Ok(wait::found(call(context, "GetFunction", json!({"FunctionName": name})).await)?)
}

/// The zip that the spec names, held against what was planned.
pub(super) async fn zip(spec: &Spec) -> Result<Vec<u8>> {
    let zip = match (&spec.inline, &spec.source) {
        (Some(code), _) => package::of_text(&rules::inline_file(&spec.runtime, &spec.handler)?, code),
        (None, Some(source)) => {
            let path = source.clone();
            tokio::task::spawn_blocking(move || package::of_path(Path::new(&path))).await.context("zip the code")??
        }
        (None, None) => bail!("the function {} has no code", spec.name),
    };
    let found = package::hash(&zip);
    if found != spec.code_sha256 {
        let source = spec.source.as_deref().unwrap_or("the inline code");
        bail!("{source} has changed since the plan: its hash is {found}, planned was {}; plan again", spec.code_sha256);
    }
    Ok(zip)
}

/// What create and update have in common.
pub(super) fn settings(spec: &Spec) -> Value {
    json!({
        "FunctionName": spec.name,
        "Description": spec.description,
        "Runtime": spec.runtime,
        "Handler": spec.handler,
        "Role": spec.role,
        "MemorySize": spec.memory_mb,
        "Timeout": spec.timeout_seconds,
        "Environment": {"Variables": spec.environment},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": spec.log_group},
    })
}

/// Waits until a function takes changes and calls.
async fn steady(context: &Context, name: &str) -> Result<Value> {
    wait::until(context, CHANGED, &format!("the function {name} is not ready"), || async {
        // A new one may be unknown for a moment.
        let Some(mut function) = get(context, name).await? else { return Ok(None) };
        let function = function["Configuration"].take();
        match (text(&function, "State"), text(&function, "LastUpdateStatus")) {
            ("Failed", _) => bail!("Lambda gave {name} up: {}", text(&function, "StateReason")),
            ("Pending", _) | (_, "InProgress") => Ok(None),
            (_, "Failed") => bail!("Lambda didn't change {name}: {}", text(&function, "LastUpdateStatusReason")),
            _ => Ok(Some(function)),
        }
    })
    .await
}

/// Makes code, settings and permissions those of the spec, one after the other: Lambda takes no change while another is
/// under way.
pub(super) async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let name = &spec.name;
    let function = wait::until(context, CHANGED, &format!("the function {name} is not ready"), || async {
        let Some(mut function) = get(context, name).await? else { return Ok(None) };
        let function = function["Configuration"].take();
        // One whose last change failed takes the next.
        let moves = text(&function, "State") == "Pending" || text(&function, "LastUpdateStatus") == "InProgress";
        Ok((!moves).then_some(function))
    })
    .await?;
    let live = spec_of(&function, Permissions::new());
    if live.code_sha256 != spec.code_sha256 || live.architecture != spec.architecture {
        let zip = STANDARD.encode(zip(spec).await?);
        let input = json!({"FunctionName": name, "ZipFile": zip, "Architectures": [spec.architecture]});
        unhindered(context, "UpdateFunctionCode", input).await?;
        steady(context, name).await?;
    }
    if settings(&live) != settings(spec) {
        wait::while_refused(context, CHANGED, Error::is_busy, || {
            assumed(context, "UpdateFunctionConfiguration", settings(spec))
        })
        .await?;
    }
    let function = steady(context, name).await?;
    permission::settle(context, name, &spec.permissions).await?;
    let arn = text(&function, "FunctionArn");
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

pub(super) fn spec_of(function: &Value, permissions: Permissions) -> Spec {
    let environment = function["Environment"]["Variables"].as_object().into_iter().flatten();
    let architecture = texts(function, "Architectures").into_iter().next();
    Spec {
        name: text(function, "FunctionName").to_owned(),
        description: text(function, "Description").to_owned(),
        source: None,
        inline: None,
        code_sha256: text(function, "CodeSha256").to_owned(),
        runtime: text(function, "Runtime").to_owned(),
        handler: text(function, "Handler").to_owned(),
        role: text(function, "Role").to_owned(),
        memory_mb: number(function, "MemorySize"),
        timeout_seconds: number(function, "Timeout"),
        environment: environment
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        architecture: architecture.unwrap_or_else(|| "x86_64".to_owned()),
        log_group: text(&function["LoggingConfig"], "LogGroup").to_owned(),
        permissions,
    }
}
