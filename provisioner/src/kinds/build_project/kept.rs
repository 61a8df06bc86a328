//! What an update of a build project keeps: CodeBuild takes each part whole, and what no spec says of it stays as somebody
//! made it. Of source and results it heeds nothing else while a pipeline runs it.

use anyhow::Result;
use aws_sdk_codebuild::types::{LogsConfig, Project, ProjectEnvironment};

use super::Spec;
use super::wire::{container, logs};

/// The container as the spec says, with what else a project has. Who pulls another image, and how, is decided anew.
pub(super) fn kept_container(spec: &Spec, live: &Project) -> Result<ProjectEnvironment> {
    let mut new = container(spec)?;
    let Some(live) = live.environment() else { return Ok(new) };
    new.compute_configuration.clone_from(&live.compute_configuration);
    new.fleet.clone_from(&live.fleet);
    new.certificate.clone_from(&live.certificate);
    new.docker_server.clone_from(&live.docker_server);
    new.host_kernel.clone_from(&live.host_kernel);
    if new.image == live.image {
        new.registry_credential.clone_from(&live.registry_credential);
        new.image_pull_credentials_type.clone_from(&live.image_pull_credentials_type);
    }
    Ok(new)
}

/// The same of where builds write.
pub(super) fn kept_logs(spec: &Spec, live: &Project) -> Result<LogsConfig> {
    let mut new = logs(spec)?;
    let Some(live) = live.logs_config() else { return Ok(new) };
    new.s3_logs.clone_from(&live.s3_logs);
    if let (Some(new), Some(live)) = (&mut new.cloud_watch_logs, &live.cloud_watch_logs) {
        new.stream_name.clone_from(&live.stream_name);
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use aws_sdk_codebuild::types::{ImagePullCredentialsType, LogsConfigStatusType, S3LogsConfig};
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;
    use crate::kinds::build_project::BuildProject;

    fn spec(image: &str) -> Spec {
        let written = json!({"name": "shop-plan", "role": "arn:aws:iam::123456789012:role/b",
            "buildspec": "version: 0.2", "image": image});
        serde_json::from_value(BuildProject.normalise(&written).expect("a spec")).expect("typed")
    }

    #[test]
    fn what_somebody_added_stays() {
        let old = spec("example.com/build:1");
        let mut environment = container(&old).expect("an environment");
        environment.certificate = Some("arn:aws:s3:::somebodys/ca.pem".to_owned());
        environment.image_pull_credentials_type = Some(ImagePullCredentialsType::ServiceRole);
        let mut logs = logs(&old).expect("logs");
        let s3 = S3LogsConfig::builder().status(LogsConfigStatusType::Enabled).location("somebodys/logs");
        logs.s3_logs = Some(s3.build().expect("a status"));
        let live = Project::builder().environment(environment.clone()).logs_config(logs.clone()).build();
        assert_eq!(kept_container(&old, &live).expect("kept"), environment);
        assert_eq!(kept_logs(&old, &live).expect("kept"), logs);
        let other = kept_container(&spec("aws/codebuild/standard:7.0"), &live).expect("kept");
        assert_eq!((other.certificate, other.image_pull_credentials_type), (environment.certificate, None));
    }
}
