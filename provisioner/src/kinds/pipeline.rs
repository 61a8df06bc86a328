//! `pipeline`: a CodePipeline with its stages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_codepipeline::types::{ActionCategory, PipelineDeclaration};
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::kept::keep;
use self::wire::{departures, pipeline_of, spec_of};
use super::each::{self, One, each};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::{BucketName, KeyId, RoleArn, text, words};
use super::{tag_lists, tagged, tagging, wait};
use crate::kind::{Arn, Billing, Context, Delta, ENDS, Facts, Field, Found, Grant, Kind, Outcome, Step, Wanted};
use crate::resource::{self, Address};
use crate::services::Services as _;

mod kept;
mod rules;
mod wire;

text!(
    /// The name of an artifact: letters, digits, `-` and `_`, 100 at most.
    ArtifactName,
    r"^[A-Za-z0-9_-]{1,100}$"
);
text!(
    /// The name of a pipeline, a stage or an action: letters, digits, `.`, `@`, `-` and `_`, 100 at most.
    Name,
    r"^[A-Za-z0-9.@_-]{1,100}$"
);

/// A pipeline: from a repository through stages, each of which waits for the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: Name,
    /// The ARN of the role that it acts as, `${role.pipeline.arn}`.
    pub role: RoleArn,
    /// The name of the bucket in which stages hand things on.
    pub bucket: BucketName,
    /// The ARN of the KMS key that encrypts what is handed on. Default: S3's own.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// The stages, two at least; the first one holds the sources.
    pub stages: Vec<Stage>,
}

/// A stage: its actions run side by side, or in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The name.
    pub name: Name,
    /// What it does.
    pub actions: Vec<Action>,
}

/// An action of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The name.
    pub name: Name,
    /// `Source`, `Build`, `Test`, `Deploy`, `Invoke` or `Approval`.
    pub category: Category,
    /// Who offers it. Default: `AWS`.
    #[serde(default = "aws")]
    #[schemars(extend("enum" = ["AWS", "ThirdParty", "Custom"]))]
    pub owner: String,
    /// What does it: `CodeStarSourceConnection`, `CodeBuild`, `Manual`, `Lambda`.
    #[schemars(regex(pattern = "^[0-9A-Za-z_-]{1,35}$"))]
    pub provider: String,
    /// The provider's version. Default: 1.
    #[serde(default = "one_text")]
    #[schemars(regex(pattern = "^[0-9A-Za-z_-]{1,9}$"))]
    pub version: String,
    /// The provider's settings.
    #[serde(default)]
    #[schemars(extend(
        "propertyNames" = {"minLength": 1, "maxLength": 50},
        "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 1000}
    ))]
    pub configuration: BTreeMap<String, String>,
    /// The artifacts that it is given, by name.
    #[serde(default)]
    #[schemars(with = "Vec<ArtifactName>")]
    pub inputs: Vec<String>,
    /// The artifacts that it makes, by name.
    #[serde(default)]
    #[schemars(with = "Vec<ArtifactName>")]
    pub outputs: Vec<String>,
    /// When it runs within the stage. Default: 1.
    #[serde(default = "one")]
    pub order: u32,
    /// Where later actions find its variables: `#{NAMESPACE.VARIABLE}`. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9@_-]{1,100}$"))]
    pub namespace: Option<String>,
}

/// What an action is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Category {
    /// It gets what the pipeline works on.
    Source,
    /// It builds.
    Build,
    /// It tests.
    Test,
    /// It deploys.
    Deploy,
    /// It calls a function.
    Invoke,
    /// It waits for somebody's approval.
    Approval,
    /// What else somebody gave a pipeline; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Category <=> ActionCategory);

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
    // The connection is handed to the pipeline in the caller's name.
    "codeconnections:PassConnection",
    "codestar-connections:PassConnection",
    "iam:PassRole",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("pipeline", "codepipeline:{region}:{account}:{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["codepipeline"],
    review: &["role", "stages"],
    sensitive: &["stages.*.actions.*.configuration.OAuthToken"],
    arns: ARNS,
    passes_roles_to: &["codepipeline.amazonaws.com"],
    rights: super::rights::code::PIPELINES_OF_THE_STACK,
    billing: Billing::ByUse("the minutes that its actions take"),
    follows: &[(ENDS, "what waits in it for approval is given up, and its history goes")],
    tagging: Some(&tagging::CodePipeline),
    ..Facts::of("pipeline", "a CodePipeline with its stages", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a role that was just made may stay unknown to CodePipeline.
const ASSUMABLE: Duration = Duration::from_mins(2);

/// The kind.
#[derive(Debug)]
pub struct Pipeline;

#[async_trait]
impl Kind for Pipeline {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        rules::check(&spec.stages)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        if step.action == resource::Action::Delete || connections(step.spec) == connections(step.live) {
            return Vec::new();
        }
        vec![
            "its source works once somebody has accepted the connection in the console, under Developer Tools, Settings, \
             Connections: no call can do that"
                .to_owned(),
        ]
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        vec![Grant::to("it", format!("act as {}", spec.role.as_str()))]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "codepipeline").await?.into_iter().collect();
        let mut names: BTreeSet<&str> = tagged.keys().map(|arn| name_in(arn)).collect();
        names.extend(wanted.iter().map(|wanted| wanted.spec.name.as_str()));
        let reads = names.into_iter().map(|name| {
            let arn = arn(context, name);
            let tags = tagged.get(&arn);
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name.as_str() == name);
            let read = async move {
                let Some(found) = get(context, name).await? else { return Ok(None) };
                let tags = match tags {
                    Some(tags) => tags.clone(),
                    None => tags_of(context, &arn).await?.unwrap_or_default(),
                };
                read(context, &found, &tags)
            };
            One { address, id: name.to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.code_pipeline().create_pipeline().pipeline(pipeline_of(spec)?);
        let call = call.set_tags(Some(tag_lists::owned(context, address)));
        let answer = assumed(context, || ask(call.clone().send())).await;
        let tags = async { Ok(tags_of(context, &arn(context, &spec.name)).await?.unwrap_or_default()) };
        let what = format!("the pipeline {}", spec.name);
        if tags::made(context, address, &what, answer, tags).await?.is_none() {
            change(context, spec).await?;
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        change(context, spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.code_pipeline().delete_pipeline().name(live.spec.name.as_str());
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = name_in(id);
        let Some(found) = get(context, name).await? else { return Ok(None) };
        let tags =
            tags::claimed(context, address, id, tags_of(context, &arn(context, name)).await?.unwrap_or_default())?;
        read(context, &found, &tags)
    }
}

/// The connections to repositories that a pipeline's sources use.
fn connections(spec: Option<&Spec>) -> BTreeSet<&str> {
    let actions = spec.into_iter().flat_map(|spec| &spec.stages).flat_map(|stage| &stage.actions);
    actions.filter_map(|action| action.configuration.get("ConnectionArn")).map(String::as_str).collect()
}

/// Calls until CodePipeline can act as the role.
async fn assumed<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    wait::while_refused(context, ASSUMABLE, wait::not_yet, call).await
}

async fn change(context: &Context, spec: &Spec) -> Result<()> {
    let mut new = pipeline_of(spec)?;
    if let Some(live) = get(context, &spec.name).await? {
        keep(&mut new, &live);
    }
    let call = context.aws.code_pipeline().update_pipeline().pipeline(new);
    assumed(context, || ask(call.clone().send())).await?;
    Ok(())
}

/// The name that an ARN holds, or that the text is.
fn name_in(id: &str) -> &str {
    lakewright_iam::Arn::parse(id).map_or(id, |arn| arn.resource)
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("codepipeline", name)
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

async fn get(context: &Context, name: &str) -> Result<Option<PipelineDeclaration>> {
    let answer = wait::found(ask(context.aws.code_pipeline().get_pipeline().name(name).send()).await);
    let tags = async { tags_of(context, &arn(context, name)).await };
    let Some(answer) = tagged::readable(context, answer, tags).await? else { return Ok(None) };
    Ok(Some(answer.pipeline.needed("codepipeline", "GetPipeline.pipeline")?))
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let call = context.aws.code_pipeline().list_tags_for_resource().resource_arn(arn);
    let answer = wait::found(ask(call.send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())))
}

/// The pipeline with these tags; none if they aren't the stack's.
fn read(context: &Context, pipeline: &PipelineDeclaration, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "pipeline", tags) else { return Ok(None) };
    let name = pipeline.name().needed("codepipeline", "PipelineDeclaration.name")?;
    let arn = arn(context, name);
    let mut found = tags::found(address, tags, &arn, spec_of(pipeline)?, &[("arn", &arn), ("name", name)]);
    found.departures = departures(pipeline, &context.region);
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind as _;

    fn pipeline(change: impl Fn(&mut Value)) -> Result<Value> {
        let action = |name: &str, category: &str, provider: &str| json!({"name": name, "category": category, "provider": provider});
        let role = "arn:aws:iam::123456789012:role/pipeline";
        let mut spec = json!({"name": "p", "role": role, "bucket": "artifacts", "stages": [
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
        let spec: Spec = serde_json::from_value(pipeline(|_| {}).expect("a pipeline")).expect("typed");
        let pipeline = pipeline_of(&spec).expect("a declaration");
        assert_eq!(spec_of(&pipeline).expect("read"), spec);
        assert_eq!(departures(&pipeline, "eu-north-1"), []);
    }

    #[test]
    fn what_codepipeline_refuses_is_refused() {
        let refused = |change: &dyn Fn(&mut Value)| pipeline(change).expect_err("refused").to_string();
        assert!(refused(&|spec| drop(spec["stages"].as_array_mut().map(Vec::pop))).contains("two stages"));
        assert!(refused(&|spec| spec["stages"][1]["actions"][0]["inputs"] = json!(["Other"])).contains("Other"));
        assert!(refused(&|spec| spec["stages"][1]["actions"] = json!([])).contains("nothing"));
        assert!(refused(&|spec| spec["stages"][1]["actions"][0]["category"] = json!("Source")).contains("first stage"));
        assert!(refused(&|spec| spec["name"] = json!("a b")).contains("`name` can't be `a b`"));
        let category = |spec: &mut Value| spec["stages"][1]["actions"][0]["category"] = json!("Compute");
        assert!(refused(&category).contains("stages[1].actions[0].category` can't be `Compute`"));
    }
}
