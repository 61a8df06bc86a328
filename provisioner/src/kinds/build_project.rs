//! `build_project`: a CodeBuild project that a pipeline runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_codebuild::types::{Project, SourceType};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::wire::{artifacts, configured, container, logs, source, spec_of};
use super::spec::{describes, differs, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tag_lists, tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

mod wire;

/// A build project: what a pipeline's action runs, on what it is given, in a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub description: String,
    /// The ARN of the role that builds run as, `${role.build.arn}`.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$"))]
    pub role: String,
    /// What a build does: a buildspec.
    #[schemars(length(min = 1, max = 256_000))]
    pub buildspec: String,
    /// The image. One of ARM processors has `aarch64` in its name. Default: Amazon Linux 2023 on x86-64.
    #[serde(default = "image")]
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// The size, `BUILD_GENERAL1_SMALL` to `BUILD_GENERAL1_2XLARGE`. Default: the smallest.
    #[serde(default = "compute")]
    #[schemars(length(min = 1, max = 64))]
    pub compute: String,
    /// Whether builds may run Docker, and with it do anything on their host. Default: false.
    #[serde(default)]
    pub privileged: bool,
    /// Variables of the environment; no secrets, which everybody reads who may look at the project.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// After how many minutes a build is ended, 5 to 2160. Default: 60.
    #[serde(default = "timeout_minutes")]
    pub timeout_minutes: u32,
    /// The log group that builds write to. Default: `/aws/codebuild/NAME`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_./#-]{1,512}$"))]
    pub log_group: String,
}

fn image() -> String {
    "aws/codebuild/amazonlinux-x86_64-standard:5.0".into()
}

fn compute() -> String {
    "BUILD_GENERAL1_SMALL".into()
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

/// How long a role that was just made may stay unknown to CodeBuild.
const ASSUMABLE: Duration = Duration::from_mins(2);
/// How many projects are asked for at a time.
const AT_ONCE: usize = 100;
const SERVICE: &str = "codebuild";
const SIZES: [&str; 5] = ["SMALL", "MEDIUM", "LARGE", "XLARGE", "2XLARGE"];

/// The kind.
#[derive(Debug)]
pub struct BuildProject;

fn canonical(spec: &mut Spec) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins = spec.name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fits = (2..=150).contains(&spec.name.len()) && begins && spec.name.chars().all(legal);
    if !spec.name.contains("${") && !fits {
        bail!("a project can't be named `{}`: letters, digits, `-` and `_`, 2 to 150 of them", spec.name);
    }
    if !spec.compute.strip_prefix("BUILD_GENERAL1_").is_some_and(|size| SIZES.contains(&size)) {
        bail!("`{}` is no size; write BUILD_GENERAL1_ with one of {}", spec.compute, SIZES.join(", "));
    }
    if !(5..=2160).contains(&spec.timeout_minutes) {
        bail!("timeout_minutes is {}; CodeBuild takes 5 to 2160", spec.timeout_minutes);
    }
    if spec.buildspec.trim().is_empty() {
        bail!("the buildspec is empty");
    }
    super::function::rules::no_secrets(&spec.environment)?;
    if spec.log_group.is_empty() {
        spec.log_group = format!("/aws/codebuild/{}", spec.name);
    }
    Ok(())
}

#[async_trait]
impl Kind for BuildProject {
    describes!("build_project", "a CodeBuild project that a pipeline runs", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: Vec::new(), by_use: "the minutes that builds take" }
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Delete | Action::Replace => vec!["the history of its builds goes with it".to_owned()],
            Action::Create | Action::Update => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged = tagged::resources(context, "codebuild").await?;
        let mut names: BTreeSet<&str> = tagged.iter().filter_map(|(arn, _)| arn.rsplit('/').next()).collect();
        names.extend(wanted.iter().map(|wanted| text(wanted.spec, "name")));
        let names: Vec<&str> = names.into_iter().collect();
        let lists = try_join_all(names.chunks(AT_ONCE).map(|names| projects(context, names))).await?;
        let reads = lists.iter().flatten().map(|project| read(context, project, &tag_lists::read(project.tags())));
        let found: Vec<Option<Live>> = reads.collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = configured!(context.aws.code_build().create_project(), &spec);
        let call = call.set_tags(Some(tag_lists::owned(context, address)));
        match assumed(context, || ask(call.clone().send())).await {
            Ok(made) => outcome(&made.project.needed(SERVICE, "CreateProject.project")?),
            Err(error) if error.is_already_exists() => {
                let found = projects(context, &[spec.name.as_str()]).await?;
                let tags = found.first().map(|project| tag_lists::read(project.tags())).unwrap_or_default();
                if tags::address(context, "build_project", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the build project {}", spec.name), &tags));
                }
                change(context, &spec).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        change(context, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let call = context.aws.code_build().delete_project().name(text(&live.spec, "name"));
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
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
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let project = wait::until(context, wait::VISIBLE, &format!("the build project {name} isn't seen"), || async {
            Ok(projects(context, &[name]).await?.into_iter().next())
        })
        .await?;
        let mut all = tag_lists::read(project.tags());
        all.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let call = context.aws.code_build().update_project().name(name).set_tags(Some(tag_lists::listed(&all)));
        assumed(context, || ask(call.clone().send())).await?;
        Ok(())
    }
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
    let call = configured!(context.aws.code_build().update_project(), spec);
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
fn read(context: &Context, project: &Project, tags: &Tags) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "build_project", tags) else { return Ok(None) };
    let (arn, spec) = (arn_of(project)?, spec_of(project)?);
    Ok(Some(tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("name", &spec.name)])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let written = json!({"name": "shop-plan", "role": "arn:aws:iam::123456789012:role/b", "buildspec": "version: 0.2",
            "image": "aws/codebuild/amazonlinux-aarch64-standard:3.0", "privileged": true, "environment": {"A": "b"}});
        let spec: Spec = typed(&BuildProject.normalise(&written).expect("a spec")).expect("typed");
        let project = Project::builder()
            .name(&spec.name)
            .service_role(&spec.role)
            .source(source(&spec).expect("a source"))
            .environment(container(&spec).expect("an environment"))
            .logs_config(logs(&spec).expect("logs"))
            .timeout_in_minutes(60);
        assert_eq!(spec_of(&project.build()).expect("read"), spec);
    }
}
