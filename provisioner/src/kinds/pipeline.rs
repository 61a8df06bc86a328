//! `pipeline`: a CodePipeline with its stages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_codepipeline::types::PipelineDeclaration;
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::wire::{pipeline_of, spec_of};
use super::spec::{describes, differs, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tag_lists, tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action as Step;
use crate::resource::{Address, Live};
use crate::services::Services as _;

mod wire;

/// A pipeline: from a repository through stages, each of which waits for the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(regex(pattern = r"^[A-Za-z0-9.@_-]{1,100}$"))]
    pub name: String,
    /// The ARN of the role that it acts as, `${role.pipeline.arn}`.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$"))]
    pub role: String,
    /// The name of the bucket in which stages hand things on.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: String,
    /// The ARN of the KMS key that encrypts what is handed on. Default: S3's own.
    #[serde(default)]
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub key: Option<String>,
    /// The stages, two at least; the first one holds the sources.
    pub stages: Vec<Stage>,
}

/// A stage: its actions run side by side, or in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The name.
    pub name: String,
    /// What it does.
    pub actions: Vec<Action>,
}

/// An action of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The name.
    pub name: String,
    /// `Source`, `Build`, `Test`, `Deploy`, `Invoke` or `Approval`.
    pub category: String,
    /// Who offers it. Default: `AWS`.
    #[serde(default = "aws")]
    pub owner: String,
    /// What does it: `CodeStarSourceConnection`, `CodeBuild`, `Manual`, `Lambda`.
    pub provider: String,
    /// The provider's version. Default: 1.
    #[serde(default = "one_text")]
    pub version: String,
    /// The provider's settings.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
    /// The artifacts that it is given, by name.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// The artifacts that it makes, by name.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// When it runs within the stage. Default: 1.
    #[serde(default = "one")]
    pub order: u32,
}

fn aws() -> String {
    "AWS".into()
}

fn one_text() -> String {
    "1".into()
}

fn one() -> u32 {
    1
}

const FIELDS: &[Field] = &[replaces("name"), in_place("role"), in_place("bucket"), in_place("key"), in_place("stages")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "codepipeline:CreatePipeline",
    "codepipeline:UpdatePipeline",
    "codepipeline:DeletePipeline",
    "codepipeline:GetPipeline",
    "codepipeline:ListTagsForResource",
    "codepipeline:TagResource",
    // The connection is handed to the pipeline in the caller's name.
    "codeconnections:PassConnection",
    "codestar-connections:PassConnection",
    "iam:PassRole",
    "tag:GetResources",
];

/// How long a role that was just made may stay unknown to CodePipeline.
const ASSUMABLE: Duration = Duration::from_mins(2);
const CATEGORIES: [&str; 6] = ["Source", "Build", "Test", "Deploy", "Invoke", "Approval"];

/// The kind.
#[derive(Debug)]
pub struct Pipeline;

fn canonical(spec: &mut Spec) -> Result<()> {
    let legal = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
        name.contains("${") || ((1..=100).contains(&name.len()) && name.chars().all(fits))
    };
    let names =
        spec.stages.iter().flat_map(|stage| stage.actions.iter().map(|action| &action.name).chain([&stage.name]));
    if let Some(wrong) = names.chain([&spec.name]).find(|name| !legal(name)) {
        bail!("`{wrong}` is no name: only letters, digits, `.`, `@`, `-` and `_`, 100 at most");
    }
    if spec.stages.len() < 2 {
        bail!("a pipeline has two stages at least: one with the sources, and one that does something with them");
    }
    let mut made: BTreeSet<&str> = BTreeSet::new();
    for (index, stage) in spec.stages.iter().enumerate() {
        if stage.actions.is_empty() {
            bail!("the stage {} does nothing; give it an action", stage.name);
        }
        for action in &stage.actions {
            let Action { name, category, .. } = action;
            if !CATEGORIES.contains(&category.as_str()) {
                bail!("{name}: `{category}` is no category; write one of {}", CATEGORIES.join(", "));
            }
            if (index == 0) != (category == "Source") {
                bail!("{name}: the first stage, and it alone, holds the sources");
            }
            if let Some(input) = action.inputs.iter().find(|input| !made.contains(input.as_str())) {
                bail!("{name}: no action before it makes the artifact {input}");
            }
            if let Some(key) = action.configuration.iter().find(|(_, value)| value.is_empty() || value.len() > 1000) {
                bail!("{name}: the setting {} must have 1 to 1000 characters", key.0);
            }
            if let Some(output) = action.outputs.iter().find(|output| made.contains(output.as_str())) {
                bail!("{name}: the artifact {output} is made before already");
            }
            made.extend(action.outputs.iter().map(String::as_str));
        }
    }
    Ok(())
}

#[async_trait]
impl Kind for Pipeline {
    describes!("pipeline", "a CodePipeline with its stages", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: Vec::new(), by_use: "the minutes that its actions take" }
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Step, _changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let connections = |spec: &Value| -> BTreeSet<String> {
            let stages = spec["stages"].as_array().into_iter().flatten();
            let actions = stages.flat_map(|stage| stage["actions"].as_array().into_iter().flatten());
            let arns = actions.filter_map(|action| action["configuration"]["ConnectionArn"].as_str());
            arns.map(str::to_owned).collect()
        };
        let mut said = Vec::new();
        if action != Step::Delete && connections(spec) != connections(live) {
            said.push(
                "its source works once somebody has accepted the connection in the console, under Developer Tools, \
                 Settings, Connections: no call can do that"
                    .to_owned(),
            );
        }
        if matches!(action, Step::Delete | Step::Replace) {
            said.push("what waits in it for approval is given up, and its history goes".to_owned());
        }
        said
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "codepipeline").await?.into_iter().collect();
        let mut names: BTreeSet<&str> = tagged.keys().filter_map(|arn| arn.rsplit(':').next()).collect();
        names.extend(wanted.iter().map(|wanted| text(wanted.spec, "name")));
        let reads = names.into_iter().map(|name| async {
            let Some(found) = get(context, name).await? else { return Ok(None) };
            let arn = arn(context, name);
            let tags = match tagged.get(&arn) {
                Some(tags) => tags.clone(),
                None => tags_of(context, &arn).await?,
            };
            read(context, &found, &tags)
        });
        let found: Vec<Option<Live>> = try_join_all::<_>(reads).await.map_err(|error: anyhow::Error| error)?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = context.aws.code_pipeline().create_pipeline().pipeline(pipeline_of(&spec)?);
        let call = call.set_tags(Some(tag_lists::owned(context, address)));
        match assumed(context, || ask(call.clone().send())).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let tags = tags_of(context, &arn(context, &spec.name)).await?;
                if tags::address(context, "pipeline", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the pipeline {}", spec.name), &tags));
                }
                change(context, &spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        change(context, &spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let call = context.aws.code_pipeline().delete_pipeline().name(text(&live.spec, "name"));
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit(':').next().unwrap_or(id);
        let Some(found) = get(context, name).await? else { return Ok(None) };
        let tags = tags::claimed(context, address, id, tags_of(context, &arn(context, name)).await?)?;
        read(context, &found, &tags)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.code_pipeline().tag_resource().resource_arn(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

/// Calls until CodePipeline can act as the role.
async fn assumed<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    wait::while_refused(context, ASSUMABLE, wait::not_yet, call).await
}

async fn change(context: &Context, spec: &Spec) -> Result<()> {
    let call = context.aws.code_pipeline().update_pipeline().pipeline(pipeline_of(spec)?);
    assumed(context, || ask(call.clone().send())).await?;
    Ok(())
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:codepipeline:{region}:{account}:{name}", tags::partition(region))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

async fn get(context: &Context, name: &str) -> Result<Option<PipelineDeclaration>> {
    let answer = wait::found(ask(context.aws.code_pipeline().get_pipeline().name(name).send()).await)?;
    let Some(answer) = answer else { return Ok(None) };
    Ok(Some(answer.pipeline.needed("codepipeline", "GetPipeline.pipeline")?))
}

async fn tags_of(context: &Context, arn: &str) -> Result<Tags> {
    let call = context.aws.code_pipeline().list_tags_for_resource().resource_arn(arn);
    let answer = wait::found(ask(call.send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())).unwrap_or_default())
}

/// The pipeline with these tags; none if they aren't the stack's.
fn read(context: &Context, pipeline: &PipelineDeclaration, tags: &Tags) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "pipeline", tags) else { return Ok(None) };
    let spec = spec_of(pipeline)?;
    let arn = arn(context, &spec.name);
    Ok(Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", &spec.name)])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pipeline(change: impl Fn(&mut Value)) -> Result<Value> {
        let action = |name: &str, category: &str, provider: &str| json!({"name": name, "category": category, "provider": provider});
        let mut spec = json!({"name": "p", "role": "r", "bucket": "b", "stages": [
            {"name": "Source", "actions": [action("Source", "Source", "CodeStarSourceConnection")]},
            {"name": "Build", "actions": [action("Build", "Build", "CodeBuild")]},
        ]});
        spec["stages"][0]["actions"][0]["outputs"] = json!(["Source"]);
        spec["stages"][1]["actions"][0]["inputs"] = json!(["Source"]);
        change(&mut spec);
        Pipeline.normalise(&spec)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let spec: Spec = typed(&pipeline(|_| {}).expect("a pipeline")).expect("typed");
        assert_eq!(spec_of(&pipeline_of(&spec).expect("a declaration")).expect("read"), spec);
    }

    #[test]
    fn what_codepipeline_refuses_is_refused() {
        let refused = |change: &dyn Fn(&mut Value)| pipeline(change).expect_err("refused").to_string();
        assert!(refused(&|spec| drop(spec["stages"].as_array_mut().map(Vec::pop))).contains("two stages"));
        assert!(refused(&|spec| spec["stages"][1]["actions"][0]["inputs"] = json!(["Other"])).contains("Other"));
        assert!(refused(&|spec| spec["stages"][1]["actions"] = json!([])).contains("nothing"));
        assert!(refused(&|spec| spec["stages"][1]["actions"][0]["category"] = json!("Source")).contains("first stage"));
        assert!(refused(&|spec| spec["name"] = json!("a b")).contains("no name"));
    }
}
