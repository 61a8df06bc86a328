//! CodeBuild: build projects. It keeps them and builds nothing.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Service, iam, unknown_operation};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages::page;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{GLOBAL, State, Tags, refused_tag, tag_list, tags_of};

/// The service.
#[derive(Debug)]
pub struct CodeBuild;

/// Where projects stand, by name.
const PROJECTS: &str = "codebuild/project";

/// Members of a project that are kept as they are given.
const KEPT: [&str; 9] = [
    "description",
    "source",
    "artifacts",
    "cache",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "logsConfig",
];

#[async_trait]
impl Service for CodeBuild {
    fn name(&self) -> &'static str {
        "codebuild"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("CodeBuild_20161006")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "CreateProject" => create(state, request),
            "BatchGetProjects" => Ok(batch_get(state, request)?),
            "UpdateProject" => update(state, request),
            "DeleteProject" => delete(state, request),
            "ListProjects" => list(state, request),
            "StartBuild" => {
                let message = "the local account keeps build projects and builds nothing";
                Err(AwsError::new("NotImplemented", message).status(501))
            }
            _ => Err(unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInputException", message)
}

fn missing(member: &str) -> AwsError {
    invalid(format!("{member} is required"))
}

fn name(request: &Request) -> Result<&str, AwsError> {
    let name = request.input.need("name", |_| missing("name"))?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !(2..=150).contains(&name.len()) || !begins || !name.chars().all(legal) {
        return Err(invalid(format!("Invalid project name: {name}")));
    }
    Ok(name)
}

/// Checks what is given and takes it over.
fn configure(state: &mut State<'_>, request: &Request, project: &mut Value) -> Result<(), AwsError> {
    let input = &request.input;
    let unknown =
        input.as_object().into_iter().flatten().find(|(name, _)| {
            !KEPT.contains(&name.as_str()) && !["name", "tags", "badgeEnabled"].contains(&name.as_str())
        });
    if let Some((name, _)) = unknown {
        return Err(AwsError::new("SerializationException", format!("{} has no member {name}", request.operation)));
    }
    for member in KEPT {
        if let Some(value) = input.member(member) {
            project[member] = value.clone();
        }
    }
    check_sources(project)?;
    let environment = &project["environment"];
    let kind = environment.text("type").unwrap_or_default();
    if !["LINUX_CONTAINER", "ARM_CONTAINER", "LINUX_GPU_CONTAINER"].contains(&kind) {
        return Err(invalid(format!("Invalid environment type: {kind}")));
    }
    let compute = environment.text("computeType").unwrap_or_default();
    let sizes = ["SMALL", "MEDIUM", "LARGE", "XLARGE", "2XLARGE"];
    if !compute.strip_prefix("BUILD_GENERAL1_").is_some_and(|size| sizes.contains(&size)) {
        return Err(invalid(format!("Invalid compute type: {compute}")));
    }
    let image = environment.text("image").unwrap_or_default();
    if image.is_empty() || (image.contains("aarch64") && kind != "ARM_CONTAINER") {
        return Err(invalid(format!("Invalid image {image} for the environment type {kind}")));
    }
    for variable in environment.list("environmentVariables") {
        let known = ["PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"];
        if variable.text("name").is_none_or(str::is_empty)
            || variable.text("value").is_none()
            || !known.contains(&variable.text("type").unwrap_or("PLAINTEXT"))
        {
            return Err(invalid("Invalid environment variable"));
        }
    }
    for (member, least, most) in [("timeoutInMinutes", 5, 2160), ("queuedTimeoutInMinutes", 5, 480)] {
        if project.number(member).is_some_and(|minutes| !(least..=most).contains(&minutes)) {
            return Err(invalid(format!("Invalid {member}: it must be between {least} and {most}")));
        }
    }
    let role = project.text("serviceRole").unwrap_or_default().to_owned();
    if !trusts(state, &role, "codebuild.amazonaws.com") {
        let message = format!("CodeBuild is not authorized to perform: sts:AssumeRole on {role}");
        return Err(invalid(message));
    }
    if input.member("tags").is_some() {
        let tags = tags_in(input)?;
        state.set_tags(project.text("arn").unwrap_or_default(), &tags);
    }
    project["lastModified"] = clock::epoch(state.now());
    Ok(())
}

fn check_sources(project: &Value) -> Result<(), AwsError> {
    let (source, artifacts) = (&project["source"], &project["artifacts"]);
    let (from, to) = (source.text("type").unwrap_or_default(), artifacts.text("type").unwrap_or_default());
    let sources =
        ["CODEPIPELINE", "CODECOMMIT", "GITHUB", "S3", "BITBUCKET", "GITHUB_ENTERPRISE", "GITLAB", "NO_SOURCE"];
    if !sources.contains(&from) || !["CODEPIPELINE", "S3", "NO_ARTIFACTS"].contains(&to) {
        return Err(invalid(format!("Invalid source or artifact type: {from}, {to}")));
    }
    if (from == "CODEPIPELINE") != (to == "CODEPIPELINE") {
        return Err(invalid("source and artifacts must both be of type CODEPIPELINE, or neither"));
    }
    if from == "NO_SOURCE" && source.text("buildspec").is_none_or(str::is_empty) {
        return Err(invalid("a project without source needs a buildspec"));
    }
    Ok(())
}

/// Whether a service can act as the role of this ARN.
pub(super) fn trusts(state: &mut State<'_>, arn: &str, service: &str) -> bool {
    let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
    let role = state.region(GLOBAL).get("iam/role", &name).cloned();
    let trust = role.as_ref().and_then(|role| role.text("AssumeRolePolicyDocument")).unwrap_or_default();
    trust.contains(service) && iam::knows_role(state, &name)
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of(input.list("tags"), "key", "value");
    match refused_tag(&tags) {
        _ if tags.len() > 50 => Err(invalid("a project has at most 50 tags")),
        Some(key) => Err(invalid(format!("Invalid tag: {key}"))),
        None => Ok(tags),
    }
}

fn shown(state: &State<'_>, project: &Value) -> Value {
    let mut shown = project.clone();
    shown["tags"] = tag_list(&state.tags(project.text("arn").unwrap_or_default()), "key", "value");
    shown
}

fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request)?;
    let arn = request.arn("codebuild", &format!("project/{name}"));
    if state.get(PROJECTS, name).is_some() {
        let message = format!("Project already exists: {arn}");
        return Err(AwsError::new("ResourceAlreadyExistsException", message));
    }
    for member in ["source", "artifacts", "environment", "serviceRole"] {
        request.input.member(member).ok_or_else(|| missing(member))?;
    }
    let now = clock::epoch(state.now());
    let mut project = json!({
        "name": name, "arn": arn, "created": now, "timeoutInMinutes": 60, "queuedTimeoutInMinutes": 480,
        "badge": { "badgeEnabled": false }, "cache": { "type": "NO_CACHE" }, "projectVisibility": "PRIVATE",
        "encryptionKey": request.arn("kms", "alias/aws/s3"),
    });
    configure(state, request, &mut project)?;
    if request.input.member("tags").is_none() {
        state.set_tags(&arn, &Tags::new());
    }
    state.put(PROJECTS, name, &project);
    Ok(json!({ "project": shown(state, &project) }))
}

fn batch_get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("names");
    if names.is_empty() || names.len() > 100 {
        return Err(invalid("names must hold 1 to 100 names"));
    }
    // A name or an ARN.
    let short = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
    let found = names.iter().filter_map(|name| state.get(PROJECTS, &short(name)));
    let projects: Vec<Value> = found.map(|project| shown(state, project)).collect();
    let missing: Vec<&String> = names.iter().filter(|name| state.get(PROJECTS, &short(name)).is_none()).collect();
    Ok(json!({ "projects": projects, "projectsNotFound": missing }))
}

fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request)?;
    let gone = || AwsError::new("ResourceNotFoundException", format!("Project cannot be found: {name}"));
    let mut project = state.get(PROJECTS, name).cloned().ok_or_else(gone)?;
    configure(state, request, &mut project)?;
    state.put(PROJECTS, name, &project);
    Ok(json!({ "project": shown(state, &project) }))
}

fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(request)?;
    // CodeBuild is content with a project that isn't there.
    if let Some(project) = state.remove(PROJECTS, name) {
        state.forget_tags(project.text("arn").unwrap_or_default());
    }
    Ok(json!({}))
}

fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names: Vec<String> = state.list(PROJECTS).map(|(name, _)| name.to_owned()).collect();
    let wrong = || invalid("Invalid nextToken");
    let (names, next) = page(names, request.input.text("nextToken"), 100, wrong)?;
    let mut answer = json!({ "projects": names });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}
