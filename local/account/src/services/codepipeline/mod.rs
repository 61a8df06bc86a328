//! CodePipeline: pipelines, their stages and actions. It keeps them and runs nothing.

mod structure;

use std::sync::Arc;

use async_trait::async_trait;
use lakewright_iam::Arn;
use serde_json::{Value, json};

use super::{Service, codebuild, unknown_operation};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages::page;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};

/// The service.
#[derive(Debug)]
pub struct CodePipeline;

/// Where pipelines stand, by name: the structure under `pipeline`, its times beside it.
const PIPELINES: &str = "codepipeline/pipeline";

#[async_trait]
impl Service for CodePipeline {
    fn name(&self) -> &'static str {
        "codepipeline"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("CodePipeline_20150709")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "CreatePipeline" => create(state, request),
            "GetPipeline" => get(state, request),
            "UpdatePipeline" => update(state, request),
            "DeletePipeline" => delete(state, request),
            "ListPipelines" => list(state, request),
            "ListTagsForResource" => {
                let arn = tagged(state, request)?;
                Ok(json!({ "tags": tag_list(&state.tags(&arn), "key", "value") }))
            }
            "TagResource" => {
                let arn = tagged(state, request)?;
                let tags = tags_in(&request.input)?;
                state.add_tags(&arn, &tags);
                Ok(json!({}))
            }
            "UntagResource" => {
                let arn = tagged(state, request)?;
                state.remove_tags(&arn, &request.input.texts("tagKeys"));
                Ok(json!({}))
            }
            _ => Err(unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn missing(member: &str) -> AwsError {
    AwsError::null("ValidationException", member)
}

fn not_found(request: &Request, name: &str) -> AwsError {
    let account = &request.account;
    let message = format!("Account '{account}' does not have a pipeline with name '{name}'");
    AwsError::new("PipelineNotFoundException", message)
}

fn arn(request: &Request, name: &str) -> String {
    request.arn("codepipeline", name)
}

fn named(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let name = request.input.need("name", missing)?;
    let found = state.get(PIPELINES, name).cloned().ok_or_else(|| not_found(request, name))?;
    Ok((name.to_owned(), found))
}

/// The structure in the input, checked, with what AWS adds.
fn structure(state: &mut State<'_>, request: &Request, version: i64) -> Result<(String, Value), AwsError> {
    let mut pipeline = request.input.member("pipeline").cloned().ok_or_else(|| missing("pipeline"))?;
    structure::check(&pipeline)?;
    let role = pipeline.text("roleArn").unwrap_or_default().to_owned();
    if !codebuild::trusts(state, &role, "codepipeline.amazonaws.com") {
        let message = format!("CodePipeline is not authorized to perform AssumeRole on role {role}");
        return Err(AwsError::new("InvalidStructureException", message));
    }
    structure::complete(&mut pipeline);
    pipeline["version"] = json!(version);
    let name = pipeline.text("name").unwrap_or_default().to_owned();
    Ok((name, pipeline))
}

fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, pipeline) = structure(state, request, 1)?;
    if state.get(PIPELINES, &name).is_some() {
        let message = format!("A pipeline with the name '{name}' already exists in account '{}'", request.account);
        return Err(AwsError::new("PipelineNameInUseException", message));
    }
    let tags = tags_in(&request.input)?;
    state.set_tags(&arn(request, &name), &tags);
    let now = clock::epoch(state.now());
    state.put(PIPELINES, &name, json!({ "pipeline": pipeline, "created": now, "updated": now }));
    Ok(json!({ "pipeline": pipeline, "tags": tag_list(&tags, "key", "value") }))
}

fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, found) = named(state, request)?;
    let metadata =
        json!({ "pipelineArn": arn(request, &name), "created": found["created"], "updated": found["updated"] });
    Ok(json!({ "pipeline": found["pipeline"], "metadata": metadata }))
}

fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let given = request.input.member("pipeline").and_then(|pipeline| pipeline.text("name")).unwrap_or_default();
    let mut found = state.get(PIPELINES, given).cloned().ok_or_else(|| {
        let message = format!("The pipeline {given} does not exist");
        AwsError::new("InvalidStructureException", message)
    })?;
    let version = found["pipeline"].number("version").unwrap_or_default();
    let (name, pipeline) = structure(state, request, version + 1)?;
    found["pipeline"] = pipeline.clone();
    found["updated"] = clock::epoch(state.now());
    state.put(PIPELINES, &name, found);
    Ok(json!({ "pipeline": pipeline }))
}

fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("name", missing)?;
    // CodePipeline is content with a pipeline that isn't there.
    if state.remove(PIPELINES, name).is_some() {
        state.forget_tags(&arn(request, name));
    }
    Ok(json!({}))
}

fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let summary = |(name, found): (&str, &Value)| {
        let pipeline = &found["pipeline"];
        json!({
            "name": name, "version": pipeline["version"], "pipelineType": pipeline["pipelineType"],
            "executionMode": pipeline["executionMode"], "created": found["created"], "updated": found["updated"],
        })
    };
    let all: Vec<Value> = state.list(PIPELINES).map(summary).collect();
    let most = request.input.number("maxResults").unwrap_or(1000).clamp(1, 1000);
    let wrong = || AwsError::new("InvalidNextTokenException", "The next token is invalid");
    let (items, next) = page(all, request.input.text("nextToken"), most as usize, wrong)?;
    let mut answer = json!({ "pipelines": items });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of(input.list("tags"), "key", "value");
    match refused_tag(&tags) {
        _ if tags.len() > 50 => Err(AwsError::new("TooManyTagsException", "a pipeline has at most 50 tags")),
        Some(key) => Err(AwsError::new("InvalidTagsException", format!("Invalid tag: {key}"))),
        None => Ok(tags),
    }
}

fn tagged(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let given = request.input.need("resourceArn", missing)?;
    let name = Arn::parse(given).map_or("", |arn| arn.resource);
    if given != arn(request, name) {
        return Err(AwsError::new("InvalidArnException", format!("{given} is no pipeline's")));
    }
    if state.get(PIPELINES, name).is_none() {
        return Err(AwsError::new("ResourceNotFoundException", format!("{given} does not exist")));
    }
    Ok(given.to_owned())
}
