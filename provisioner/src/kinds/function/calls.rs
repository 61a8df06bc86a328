//! The calls to Lambda that make a function what its spec says.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionConfiguration, LastUpdateStatus, LogFormat, LoggingConfig, State};
use lakewright_aws::{Error, Needed as _, ask};

use super::{Architecture, Permissions, Spec, package, permission, rules};
use crate::kind::{Context, Departure, Outcome};
use crate::kinds::{tag_lists, tagged, tags, wait};
use crate::services::Services as _;

/// How long a function may take to be made or changed.
pub(super) const CHANGED: Duration = Duration::from_mins(10);
/// How long Lambda may deny knowing a role that was just made.
const ASSUMABLE: Duration = Duration::from_mins(2);

/// Calls once no other change is under way.
pub(super) async fn unhindered<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    wait::while_refused(context, CHANGED, Error::is_busy, call).await
}

/// Calls until Lambda can act as the role, which it can't for some seconds after it was made.
pub(super) async fn assumed<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    wait::while_refused(context, ASSUMABLE, wait::not_yet, call).await
}

pub(super) async fn get(context: &Context, name: &str) -> Result<Option<GetFunctionOutput>, Error> {
    let answer = wait::found(ask(context.aws.lambda().get_function().function_name(name).send()).await);
    let tags = async {
        let arn = context.site().arn("lambda", &format!("function:{name}"));
        let answer = wait::found(ask(context.aws.lambda().list_tags().resource(arn).send()).await)?;
        Ok(answer.map(|answer| tag_lists::read_map(answer.tags())))
    };
    tagged::readable(context, answer, tags).await
}

/// What Lambda returns of the function itself.
pub(super) fn configuration(function: &GetFunctionOutput) -> Result<&FunctionConfiguration, Error> {
    function.configuration().needed("lambda", "GetFunction.Configuration")
}

pub(super) fn arn_of(function: &FunctionConfiguration) -> Result<&str, Error> {
    function.function_arn().needed("lambda", "FunctionConfiguration.FunctionArn")
}

/// The zip that the spec names, held against what was planned.
pub(super) async fn zip(spec: &Spec) -> Result<Blob> {
    let zip = match (&spec.inline, &spec.source) {
        (Some(code), _) => package::of_text(&rules::inline_file(&spec.runtime, &spec.handler)?, code),
        (None, Some(source)) => {
            let path = source.clone();
            tokio::task::spawn_blocking(move || package::of_path(Path::new(&path))).await.context("zip the code")??
        }
        (None, None) => bail!("the function {} has no code", spec.name),
    };
    let found = package::hash(&zip);
    if spec.code_sha256 != *found {
        let source = spec.source.as_deref().unwrap_or("the inline code");
        bail!("{source} has changed since the plan: its hash is {found}, planned was {}; plan again", spec.code_sha256);
    }
    Ok(Blob::new(zip))
}

/// A call with the members that create and update have in common.
macro_rules! configured {
    ($call:expr, $spec:expr) => {
        $call
            .function_name($spec.name.as_str())
            .description(&$spec.description)
            .runtime($spec.runtime.as_str().into())
            .handler($spec.handler.as_str())
            .role($spec.role.as_str())
            .memory_size(i32::try_from($spec.memory_mb)?)
            .timeout(i32::try_from($spec.timeout_seconds)?)
            .environment($crate::kinds::function::calls::environment($spec))
            .logging_config($crate::kinds::function::calls::logging($spec))
    };
}
pub(super) use configured;

/// All variables: those that an update leaves out go.
pub(super) fn environment(spec: &Spec) -> Environment {
    Environment::builder().set_variables(Some(spec.environment.clone().into_iter().collect())).build()
}

pub(super) fn logging(spec: &Spec) -> LoggingConfig {
    LoggingConfig::builder().log_format(LogFormat::Text).log_group(spec.log_group.as_str()).build()
}

fn reconfigured(context: &Context, spec: &Spec) -> Result<UpdateFunctionConfigurationFluentBuilder> {
    Ok(configured!(context.aws.lambda().update_function_configuration(), spec))
}

/// Waits until a function takes changes and calls.
async fn steady(context: &Context, name: &str) -> Result<FunctionConfiguration> {
    wait::until(context, CHANGED, &format!("the function {name} is not ready"), || async {
        // A new one may be unknown for a moment.
        let Some(function) = get(context, name).await? else { return Ok(None) };
        let function = configuration(&function)?;
        match (function.state(), function.last_update_status()) {
            (Some(State::Failed), _) => {
                bail!("Lambda gave {name} up: {}", function.state_reason().unwrap_or_default())
            }
            (Some(State::Pending), _) | (_, Some(LastUpdateStatus::InProgress)) => Ok(None),
            (_, Some(LastUpdateStatus::Failed)) => {
                bail!("Lambda didn't change {name}: {}", function.last_update_status_reason().unwrap_or_default())
            }
            _ => Ok(Some(function.clone())),
        }
    })
    .await
}

/// Makes code, settings and permissions those of the spec, one after the other: Lambda takes no change while another is
/// under way.
pub(super) async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let name = spec.name.as_str();
    let function = wait::until(context, CHANGED, &format!("the function {name} is not ready"), || async {
        let Some(function) = get(context, name).await? else { return Ok(None) };
        let function = configuration(&function)?;
        // One whose last change failed takes the next.
        let moves = function.state() == Some(&State::Pending)
            || function.last_update_status() == Some(&LastUpdateStatus::InProgress);
        Ok((!moves).then(|| function.clone()))
    })
    .await?;
    let live = spec_of(&function, Permissions::new())?;
    if live.code_sha256 != spec.code_sha256 || live.architecture != spec.architecture {
        let call = context.aws.lambda().update_function_code().function_name(name).zip_file(zip(spec).await?);
        let call = call.architectures((&spec.architecture).into());
        unhindered(context, || ask(call.clone().send())).await?;
        steady(context, name).await?;
    }
    let call = reconfigured(context, spec)?;
    if reconfigured(context, &live)?.as_input() != call.as_input() || !departures(&function).is_empty() {
        unhindered(context, || assumed(context, || ask(call.clone().send()))).await?;
    }
    let function = steady(context, name).await?;
    permission::settle(context, name, &spec.permissions).await?;
    let arn = arn_of(&function)?;
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

/// What of a function is otherwise than in all that are made here.
pub(super) fn departures(function: &FunctionConfiguration) -> Vec<Departure> {
    let text = LogFormat::Text;
    let format = function.logging_config().and_then(LoggingConfig::log_format).unwrap_or(&text);
    Departure::of("log_format", format.as_str(), text.as_str()).into_iter().collect()
}

pub(super) fn spec_of(function: &FunctionConfiguration, permissions: Permissions) -> Result<Spec> {
    let lacks = |member: &str| format!("FunctionConfiguration.{member}");
    let name = function.function_name().needed("lambda", &lacks("FunctionName"))?;
    let environment = function.environment().and_then(|environment| environment.variables());
    Ok(Spec {
        name: name.into(),
        description: function.description().unwrap_or_default().to_owned(),
        source: None,
        inline: None,
        code_sha256: function.code_sha256().needed("lambda", &lacks("CodeSha256"))?.into(),
        // A function that runs from an image has neither runtime nor handler.
        runtime: function.runtime().map(ToString::to_string).unwrap_or_default(),
        handler: function.handler().unwrap_or_default().into(),
        role: function.role().needed("lambda", &lacks("Role"))?.into(),
        memory_mb: u32::try_from(function.memory_size().needed("lambda", &lacks("MemorySize"))?)?,
        timeout_seconds: u32::try_from(function.timeout().needed("lambda", &lacks("Timeout"))?)?,
        environment: environment.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
        // Both have a default of Lambda's.
        architecture: function.architectures().first().map_or(Architecture::X86, Architecture::from),
        log_group: function
            .logging_config()
            .and_then(|logging| logging.log_group())
            .map_or_else(|| format!("/aws/lambda/{name}").into(), Into::into),
        permissions,
    })
}
