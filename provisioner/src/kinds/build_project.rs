//! `build_project`: a CodeBuild project that a pipeline runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, in_place, replaces, typed, value};
use super::tags::{self, Tags};
use super::wire::{flag, number, some_text};
use super::{tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

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
        let found = lists.iter().flatten();
        Ok(found.filter_map(|project| read(context, project, &tags::of(list(project, "tags")))).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut input = settings(&spec);
        input["tags"] = pairs(&tags::own(context, address).iter().map(|(key, value)| (*key, value.as_str())).collect());
        let made = match assumed(context, "CreateProject", input).await {
            Ok(made) => made,
            Err(error) if error.is_already_exists() => {
                let found = projects(context, &[spec.name.as_str()]).await?;
                let tags = found.first().map(|project| tags::of(list(project, "tags"))).unwrap_or_default();
                if tags::address(context, "build_project", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the build project {}", spec.name), &tags));
                }
                assumed(context, "UpdateProject", settings(&spec)).await?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(outcome(&made["project"]))
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let made = assumed(context, "UpdateProject", settings(&typed(spec)?)).await?;
        Ok(outcome(&made["project"]))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        wait::found(call(context, "DeleteProject", json!({"name": text(&live.spec, "name")})).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let found = projects(context, &[id.rsplit('/').next().unwrap_or(id)]).await?;
        let Some(project) = found.first() else { return Ok(None) };
        if text(&project["source"], "type") != "CODEPIPELINE" {
            bail!("{id} builds from {}; a build_project is run by a pipeline", text(&project["source"], "type"));
        }
        let tags = tags::claimed(context, address, id, tags::of(list(project, "tags")))?;
        Ok(read(context, project, &tags))
    }

    /// CodeBuild has no call for tags: an update replaces all of them.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let name = outcome.id.rsplit('/').next().unwrap_or_default();
        let project = wait::until(context, wait::VISIBLE, &format!("the build project {name} isn't seen"), || async {
            Ok(projects(context, &[name]).await?.into_iter().next())
        })
        .await?;
        let present = tags::of(list(&project, "tags"));
        let mut all: BTreeMap<&str, &str> = present.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        all.extend(tags.iter().copied());
        assumed(context, "UpdateProject", json!({"name": name, "tags": pairs(&all)})).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::CodeBuild, operation, input).await
}

/// Calls until CodeBuild can act as the role and knows the project.
async fn assumed(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    let unseen = |error: &Error| error.is_not_found() || wait::not_yet(error);
    wait::while_refused(context, ASSUMABLE, unseen, || call(context, operation, input.clone())).await
}

fn pairs(tags: &BTreeMap<&str, &str>) -> Value {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

async fn projects(context: &Context, names: &[&str]) -> Result<Vec<Value>> {
    let mut answer = call(context, "BatchGetProjects", json!({"names": names})).await?;
    Ok(answer["projects"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

fn settings(spec: &Spec) -> Value {
    let variables = spec.environment.iter();
    json!({
        "name": spec.name,
        "description": spec.description,
        "serviceRole": spec.role,
        "source": {"type": "CODEPIPELINE", "buildspec": spec.buildspec},
        "artifacts": {"type": "CODEPIPELINE"},
        "environment": {
            "type": if spec.image.contains("aarch64") { "ARM_CONTAINER" } else { "LINUX_CONTAINER" },
            "image": spec.image,
            "computeType": spec.compute,
            "privilegedMode": spec.privileged,
            "environmentVariables": variables
                .map(|(name, value)| json!({"name": name, "value": value, "type": "PLAINTEXT"}))
                .collect::<Value>(),
        },
        "timeoutInMinutes": spec.timeout_minutes,
        "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": spec.log_group}},
    })
}

fn outcome(project: &Value) -> Outcome {
    let (arn, name) = (text(project, "arn"), text(project, "name"));
    tags::outcome(arn, &[("arn", arn), ("name", name)])
}

/// The project with these tags; none if they aren't the stack's.
fn read(context: &Context, project: &Value, tags: &Tags) -> Option<Live> {
    let address = tags::address(context, "build_project", tags)?;
    let environment = &project["environment"];
    let variables = list(environment, "environmentVariables").iter();
    let (arn, name) = (text(project, "arn"), text(project, "name"));
    let logs = &project["logsConfig"]["cloudWatchLogs"];
    let spec = Spec {
        name: name.to_owned(),
        description: text(project, "description").to_owned(),
        role: text(project, "serviceRole").to_owned(),
        buildspec: text(&project["source"], "buildspec").to_owned(),
        image: text(environment, "image").to_owned(),
        compute: text(environment, "computeType").to_owned(),
        privileged: flag(environment, "privilegedMode"),
        environment: variables
            .map(|variable| (text(variable, "name").to_owned(), text(variable, "value").to_owned()))
            .collect(),
        timeout_minutes: number(project, "timeoutInMinutes"),
        log_group: some_text(logs, "groupName").unwrap_or_else(|| format!("/aws/codebuild/{name}")),
    };
    Some(tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("name", name)]))
}
