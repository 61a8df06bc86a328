//! `build_project`: a CodeBuild project that a pipeline runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_codebuild::types::{ComputeType, Project, SourceType};
use futures::future::{ready, try_join_all};
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::kept::{kept_container, kept_logs};
use self::wire::{artifacts, configured, container, departures, logs, source, spec_of};
use super::each::{One, each};
use super::function::rules;
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::{LogGroupName, RoleArn, text, words};
use super::{tag_lists, tagged, wait};
use crate::kind::{Arn, Billing, Context, Delta, ENDS, Facts, Field, Found, Grant, Kind, Outcome, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

mod kept;
mod wire;

text!(
    /// A project's name: letters, digits, `-` and `_`, 2 to 150.
    ProjectName,
    r"^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$"
);

/// A build project: what a pipeline's action runs, on what it is given, in a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: ProjectName,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub description: String,
    /// The ARN of the role that builds run as, `${role.build.arn}`.
    pub role: RoleArn,
    /// What a build does: a buildspec.
    #[schemars(length(min = 1, max = 256_000))]
    pub buildspec: String,
    /// The image. One of ARM processors has `aarch64` in its name. Default: Amazon Linux 2023 on x86-64.
    #[serde(default = "image")]
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// The size, `BUILD_GENERAL1_SMALL` to `BUILD_GENERAL1_2XLARGE`. Default: the smallest.
    #[serde(default)]
    pub compute: Compute,
    /// Whether builds may run Docker, and with it do anything on their host. Default: false.
    #[serde(default)]
    pub privileged: bool,
    /// Variables of the environment; no secrets, which everybody reads who may look at the project.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"minLength": 1}))]
    pub environment: BTreeMap<String, String>,
    /// After how many minutes a build is ended, 5 to 2160. Default: 60.
    #[serde(default = "timeout_minutes")]
    #[schemars(range(min = 5, max = 2160))]
    pub timeout_minutes: u32,
    /// The log group that builds write to. Default: `/aws/codebuild/NAME`.
    #[serde(default)]
    pub log_group: LogGroupName,
}

/// The size of the machine that a build runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compute {
    /// 2 processors.
    #[default]
    #[serde(rename = "BUILD_GENERAL1_SMALL")]
    Small,
    /// 4 processors.
    #[serde(rename = "BUILD_GENERAL1_MEDIUM")]
    Medium,
    /// 8 processors.
    #[serde(rename = "BUILD_GENERAL1_LARGE")]
    Large,
    /// 36 processors, or 32 of ARM.
    #[serde(rename = "BUILD_GENERAL1_XLARGE")]
    XLarge,
    /// 72 processors, or 48 of ARM.
    #[serde(rename = "BUILD_GENERAL1_2XLARGE")]
    XXLarge,
    /// What else somebody gave a project; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Compute <=> ComputeType);

fn image() -> String {
    "aws/codebuild/amazonlinux-x86_64-standard:5.0".into()
}

fn timeout_minutes() -> u32 {
    60
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    in_place("role"),
    in_place("buildspec"),
    in_place("image"),
    in_place("compute"),
    in_place("privileged"),
    in_place("environment"),
    in_place("timeout_minutes"),
    in_place("log_group"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "codebuild:CreateProject",
    "codebuild:UpdateProject",
    "codebuild:DeleteProject",
    "codebuild:BatchGetProjects",
    "iam:PassRole",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("project", "codebuild:{region}:{account}:project/{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["codebuild:project"],
    review: &["role", "buildspec", "image", "privileged", "environment"],
    sensitive: &["environment"],
    arns: ARNS,
    passes_roles_to: &["codebuild.amazonaws.com"],
    rights: super::rights::code::BUILDS,
    billing: Billing::ByUse("the minutes that builds take"),
    follows: &[(ENDS, "the history of its builds goes with it")],
    ..Facts::of("build_project", "a CodeBuild project that a pipeline runs", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a role that was just made may stay unknown to CodeBuild.
const ASSUMABLE: Duration = Duration::from_mins(2);
/// How many projects are asked for at a time.
const AT_ONCE: usize = 100;
const SERVICE: &str = "codebuild";

/// The kind.
#[derive(Debug)]
pub struct BuildProject;

#[async_trait]
impl Kind for BuildProject {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.buildspec.trim().is_empty() {
            bail!("the buildspec is empty");
        }
        rules::no_secrets(&spec.environment)?;
        if spec.log_group.is_empty() {
            spec.log_group = format!("/aws/codebuild/{}", spec.name).into();
        }
        Ok(())
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        vec![Grant::to("its builds", format!("act as {}", spec.role.as_str()))]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged = tagged::resources(context, "codebuild").await?;
        let mut names: BTreeSet<&str> = tagged.iter().filter_map(|(arn, _)| arn.rsplit('/').next()).collect();
        names.extend(wanted.iter().map(|wanted| wanted.spec.name.as_str()));
        let names: Vec<&str> = names.into_iter().collect();
        let lists = try_join_all(names.chunks(AT_ONCE).map(|names| projects(context, names))).await?;
        let reads = lists.iter().flatten().map(|project| {
            let tags = tag_lists::read(project.tags());
            let address = tags::address(context, FACTS.name, &tags);
            let id = project.name().unwrap_or_default().to_owned();
            One { address, id, read: ready(read(context, project, &tags)) }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = configured!(context.aws.code_build().create_project(), spec);
        let call = call.set_tags(Some(tag_lists::owned(context, address)));
        let answer = assumed(context, || ask(call.clone().send())).await;
        let tags = async {
            let found = projects(context, &[spec.name.as_str()]).await?;
            Ok(found.first().map(|project| tag_lists::read(project.tags())).unwrap_or_default())
        };
        match tags::made(context, address, &format!("the build project {}", spec.name), answer, tags).await? {
            Some(made) => outcome(&made.project.needed(SERVICE, "CreateProject.project")?),
            None => change(context, spec).await,
        }
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        change(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.code_build().delete_project().name(live.spec.name.as_str());
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let found = projects(context, &[id.rsplit('/').next().unwrap_or(id)]).await?;
        let Some(project) = found.first() else { return Ok(None) };
        let source = project.source().needed(SERVICE, "Project.source")?.r#type();
        if *source != SourceType::Codepipeline {
            bail!("{id} builds from {source}; a build_project is run by a pipeline");
        }
        let tags = tags::claimed(context, address, id, tag_lists::read(project.tags()))?;
        read(context, project, &tags)
    }

    /// CodeBuild has no call for tags: an update replaces all of them.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        write_tags(context, &outcome.id, |all| {
            all.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        })
        .await
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        write_tags(context, &outcome.id, |all| all.retain(|key, _| !keys.contains(&key.as_str()))).await
    }
}

/// Changes a project's tags, which CodeBuild takes as a whole.
async fn write_tags(context: &Context, arn: &str, change: impl FnOnce(&mut Tags)) -> Result<()> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let project = wait::until(context, wait::VISIBLE, &format!("the build project {name} isn't seen"), || async {
        Ok(projects(context, &[name]).await?.into_iter().next())
    })
    .await?;
    let mut all = tag_lists::read(project.tags());
    change(&mut all);
    let call = context.aws.code_build().update_project().name(name).set_tags(Some(tag_lists::listed(&all)));
    assumed(context, || ask(call.clone().send())).await?;
    Ok(())
}

/// Calls until CodeBuild can act as the role and knows the project.
async fn assumed<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let unseen = |error: &Error| error.is_not_found() || wait::not_yet(error);
    wait::while_refused(context, ASSUMABLE, unseen, call).await
}

async fn change(context: &Context, spec: &Spec) -> Result<Outcome> {
    let mut call = configured!(context.aws.code_build().update_project(), spec);
    if let Some(live) = projects(context, &[spec.name.as_str()]).await?.first() {
        call = call.environment(kept_container(spec, live)?).logs_config(kept_logs(spec, live)?);
    }
    let made = assumed(context, || ask(call.clone().send())).await?;
    outcome(&made.project.needed(SERVICE, "UpdateProject.project")?)
}

async fn projects(context: &Context, names: &[&str]) -> Result<Vec<Project>, Error> {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let answer = ask(context.aws.code_build().batch_get_projects().set_names(Some(names)).send()).await?;
    // Names that CodeBuild doesn't know stand in a list of their own.
    Ok(answer.projects.unwrap_or_default())
}

fn arn_of(project: &Project) -> Result<&str, Error> {
    project.arn().needed(SERVICE, "Project.arn")
}

fn outcome(project: &Project) -> Result<Outcome> {
    let (arn, name) = (arn_of(project)?, project.name().needed(SERVICE, "Project.name")?);
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

/// The project with these tags; none if they aren't the stack's.
fn read(context: &Context, project: &Project, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "build_project", tags) else { return Ok(None) };
    let (arn, name) = (arn_of(project)?, project.name().needed(SERVICE, "Project.name")?);
    let mut found = tags::found(address, tags, arn, spec_of(project)?, &[("arn", arn), ("name", name)]);
    found.departures = departures(project, &found.spec);
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn what_is_written_is_read_back() {
        let written = json!({"name": "shop-plan", "role": "arn:aws:iam::123456789012:role/b", "buildspec": "version: 0.2",
            "image": "aws/codebuild/amazonlinux-aarch64-standard:3.0", "privileged": true, "environment": {"A": "b"}});
        let normal = BuildProject.normalise(&written).expect("a spec");
        let spec: Spec = serde_json::from_value(normal).expect("typed");
        let project = Project::builder()
            .name(spec.name.as_str())
            .service_role(spec.role.as_str())
            .source(source(&spec).expect("a source"))
            .artifacts(artifacts().expect("artifacts"))
            .environment(container(&spec).expect("an environment"))
            .logs_config(logs(&spec).expect("logs"))
            .timeout_in_minutes(60)
            .build();
        assert_eq!(spec_of(&project).expect("read"), spec);
        assert_eq!(departures(&project, &spec), []);
    }
}
