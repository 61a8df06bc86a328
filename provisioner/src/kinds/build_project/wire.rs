//! A build project as CodeBuild's API has it.

use anyhow::Result;
use aws_sdk_codebuild::types::{
    ArtifactsType, CloudWatchLogsConfig, EnvironmentType, EnvironmentVariable, EnvironmentVariableType, LogsConfig,
    LogsConfigStatusType, Project, ProjectArtifacts, ProjectEnvironment, ProjectSource, SourceType,
};
use lakewright_aws::Needed as _;

use super::{SERVICE, Spec};

/// A call with the members that create and update have in common.
macro_rules! configured {
    ($call:expr, $spec:expr) => {
        $call
            .name(&$spec.name)
            .description(&$spec.description)
            .service_role(&$spec.role)
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
    let arm = spec.image.contains("aarch64");
    let variables = spec.environment.iter().map(|(name, value)| {
        let variable = EnvironmentVariable::builder().name(name).value(value);
        variable.r#type(EnvironmentVariableType::Plaintext).build()
    });
    let environment = ProjectEnvironment::builder()
        .r#type(if arm { EnvironmentType::ArmContainer } else { EnvironmentType::LinuxContainer })
        .image(&spec.image)
        .compute_type(spec.compute.as_str().into())
        .privileged_mode(spec.privileged)
        // All variables: those that an update leaves out go.
        .set_environment_variables(Some(variables.collect::<Result<_, _>>()?));
    Ok(environment.build()?)
}

pub(super) fn logs(spec: &Spec) -> Result<LogsConfig> {
    let group = CloudWatchLogsConfig::builder().status(LogsConfigStatusType::Enabled).group_name(&spec.log_group);
    Ok(LogsConfig::builder().cloud_watch_logs(group.build()?).build())
}

/// The spec of a project that lives.
pub(super) fn spec_of(project: &Project) -> Result<Spec> {
    let name = project.name().needed(SERVICE, "Project.name")?;
    let source = project.source().needed(SERVICE, "Project.source")?;
    let environment = project.environment().needed(SERVICE, "Project.environment")?;
    let variables = environment.environment_variables().iter();
    // A project that says nothing of its logs writes to the group of its name.
    let log_group = project.logs_config().and_then(|logs| logs.cloud_watch_logs()).and_then(|logs| logs.group_name());
    Ok(Spec {
        name: name.to_owned(),
        description: project.description().unwrap_or_default().to_owned(),
        role: project.service_role().needed(SERVICE, "Project.serviceRole")?.to_owned(),
        // A source with a buildspec of its own has none here.
        buildspec: source.buildspec().unwrap_or_default().to_owned(),
        image: environment.image().needed(SERVICE, "ProjectEnvironment.image")?.to_owned(),
        compute: environment.compute_type().to_string(),
        // Builds run Docker only where it is allowed.
        privileged: environment.privileged_mode().unwrap_or_default(),
        environment: variables.map(|variable| (variable.name().to_owned(), variable.value().to_owned())).collect(),
        timeout_minutes: u32::try_from(project.timeout_in_minutes().needed(SERVICE, "Project.timeoutInMinutes")?)?,
        log_group: log_group.map_or_else(|| format!("/aws/codebuild/{name}"), str::to_owned),
    })
}
