//! A build project as CodeBuild's API has it.

use anyhow::Result;
use aws_sdk_codebuild::types::{
    ArtifactsType, CloudWatchLogsConfig, EnvironmentType, EnvironmentVariable, EnvironmentVariableType, LogsConfig,
    LogsConfigStatusType, Project, ProjectArtifacts, ProjectEnvironment, ProjectSource, SourceType,
};
use lakewright_aws::Needed as _;

use super::{SERVICE, Spec};
use crate::kind::Departure;

/// A call with the members that create and update have in common.
macro_rules! configured {
    ($call:expr, $spec:expr) => {
        $call
            .name($spec.name.as_str())
            .description(&$spec.description)
            .service_role($spec.role.as_str())
            .source(source($spec)?)
            .artifacts(artifacts()?)
            .environment(container($spec)?)
            .timeout_in_minutes(i32::try_from($spec.timeout_minutes)?)
            .logs_config(logs($spec)?)
    };
}
pub(super) use configured;

pub(super) fn source(spec: &Spec) -> Result<ProjectSource> {
    Ok(ProjectSource::builder().r#type(SourceType::Codepipeline).buildspec(&spec.buildspec).build()?)
}

pub(super) fn artifacts() -> Result<ProjectArtifacts> {
    Ok(ProjectArtifacts::builder().r#type(ArtifactsType::Codepipeline).build()?)
}

pub(super) fn container(spec: &Spec) -> Result<ProjectEnvironment> {
    let variables = spec.environment.iter().map(|(name, value)| {
        let variable = EnvironmentVariable::builder().name(name).value(value);
        variable.r#type(EnvironmentVariableType::Plaintext).build()
    });
    let environment = ProjectEnvironment::builder()
        .r#type(container_type(spec))
        .image(&spec.image)
        .compute_type((&spec.compute).into())
        .privileged_mode(spec.privileged)
        // All variables: those that an update leaves out go.
        .set_environment_variables(Some(variables.collect::<Result<_, _>>()?));
    Ok(environment.build()?)
}

/// The type of the container that an image runs in.
fn container_type(spec: &Spec) -> EnvironmentType {
    if spec.image.contains("aarch64") { EnvironmentType::ArmContainer } else { EnvironmentType::LinuxContainer }
}

pub(super) fn logs(spec: &Spec) -> Result<LogsConfig> {
    let group = CloudWatchLogsConfig::builder().status(LogsConfigStatusType::Enabled);
    let group = group.group_name(spec.log_group.as_str()).build()?;
    Ok(LogsConfig::builder().cloud_watch_logs(group).build())
}

/// What of a project is otherwise than in all that are made of such a spec.
pub(super) fn departures(project: &Project, spec: &Spec) -> Vec<Departure> {
    let (pipeline, enabled) = (SourceType::Codepipeline, LogsConfigStatusType::Enabled);
    let source = project.source().map_or(&pipeline, ProjectSource::r#type).as_str();
    let artifacts = project.artifacts().map_or(pipeline.as_str(), |artifacts| artifacts.r#type().as_str());
    let container = container_type(spec);
    let environment = project.environment();
    let group = project.logs_config().and_then(|logs| logs.cloud_watch_logs());
    let status = group.map_or(&enabled, CloudWatchLogsConfig::status);
    let plain = EnvironmentVariableType::Plaintext;
    let variables = environment.map(ProjectEnvironment::environment_variables).unwrap_or_default().iter();
    let variables = variables.map(|variable| {
        let path = format!("environment.{}.type", variable.name());
        Departure::of(path, variable.r#type().unwrap_or(&plain).as_str(), plain.as_str())
    });
    let others = [
        Departure::of("source_type", source, pipeline.as_str()),
        Departure::of("artifacts_type", artifacts, ArtifactsType::Codepipeline.as_str()),
        Departure::of("image.type", environment.map_or(&container, |one| one.r#type()).as_str(), container.as_str()),
        Departure::of("log_group.status", status.as_str(), enabled.as_str()),
    ];
    others.into_iter().chain(variables).flatten().collect()
}

/// The spec of a project that exists.
pub(super) fn spec_of(project: &Project) -> Result<Spec> {
    let name = project.name().needed(SERVICE, "Project.name")?;
    let source = project.source().needed(SERVICE, "Project.source")?;
    let environment = project.environment().needed(SERVICE, "Project.environment")?;
    let variables = environment.environment_variables().iter();
    // A project that says nothing of its logs writes to the group of its name.
    let log_group = project.logs_config().and_then(|logs| logs.cloud_watch_logs()).and_then(|logs| logs.group_name());
    Ok(Spec {
        name: name.into(),
        description: project.description().unwrap_or_default().to_owned(),
        role: project.service_role().needed(SERVICE, "Project.serviceRole")?.into(),
        // A source with a buildspec of its own has none here.
        buildspec: source.buildspec().unwrap_or_default().to_owned(),
        image: environment.image().needed(SERVICE, "ProjectEnvironment.image")?.to_owned(),
        compute: environment.compute_type().into(),
        // Builds run Docker only where it is allowed.
        privileged: environment.privileged_mode().unwrap_or_default(),
        environment: variables.map(|variable| (variable.name().to_owned(), variable.value().to_owned())).collect(),
        timeout_minutes: u32::try_from(project.timeout_in_minutes().needed(SERVICE, "Project.timeoutInMinutes")?)?,
        log_group: log_group.map_or_else(|| format!("/aws/codebuild/{name}").into(), Into::into),
    })
}
