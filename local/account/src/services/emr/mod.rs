//! EMR Serverless: applications, and job runs on the account's engine.

mod application;
mod job_run;
mod streaming;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::protocol::Protocol;
use crate::protocol::rest::Route;
use crate::request::Request;
use crate::services::{Service, unknown_operation};
use crate::state::{State, Tags, refused_tag, tags_of_object};

pub(crate) use job_run::session_of_run;

/// The tasks of runs that are under way, by application and run.
type Running = Arc<Mutex<HashMap<String, AbortHandle>>>;

/// The service.
#[derive(Default)]
pub struct EmrServerless {
    running: Running,
}

/// The job run of a name that isn't over.
pub(crate) fn open_run(state: &State<'_>, name: &str) -> Option<Value> {
    job_run::open(state, name)
}

const fn route(operation: &'static str, method: &'static str, path: &'static str) -> Route {
    Route { method, path, operation }
}

const ROUTES: &[Route] = &[
    route("CancelJobRun", "DELETE", "/applications/{applicationId}/jobruns/{jobRunId}"),
    route("CreateApplication", "POST", "/applications"),
    route("DeleteApplication", "DELETE", "/applications/{applicationId}"),
    route("GetApplication", "GET", "/applications/{applicationId}"),
    route("GetJobRun", "GET", "/applications/{applicationId}/jobruns/{jobRunId}"),
    route("ListApplications", "GET", "/applications"),
    route("ListJobRuns", "GET", "/applications/{applicationId}/jobruns"),
    route("ListTagsForResource", "GET", "/tags/{resourceArn}"),
    route("StartApplication", "POST", "/applications/{applicationId}/start"),
    route("StartJobRun", "POST", "/applications/{applicationId}/jobruns"),
    route("StopApplication", "POST", "/applications/{applicationId}/stop"),
    route("TagResource", "POST", "/tags/{resourceArn}"),
    route("UntagResource", "DELETE", "/tags/{resourceArn}"),
    route("UpdateApplication", "PATCH", "/applications/{applicationId}"),
];

#[async_trait]
impl Service for EmrServerless {
    fn name(&self) -> &'static str {
        "emr-serverless"
    }

    fn protocol(&self) -> Protocol {
        Protocol::RestJson(ROUTES)
    }

    fn start(&self, account: &Arc<Account>) {
        job_run::resume(account, &self.running);
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "StartJobRun" => job_run::start(account, request, &self.running),
            "CancelJobRun" => job_run::cancel(account, request, &self.running),
            _ => account.transact(request, |state| {
                application::settle(state);
                in_transaction(state, request)
            }),
        }
    }
}

fn in_transaction(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateApplication" => application::create(state, request),
        "GetApplication" => application::get(state, request),
        "ListApplications" => application::list(state, request),
        "UpdateApplication" => application::update(state, request),
        "StartApplication" => application::start(state, request),
        "StopApplication" => application::stop(state, request),
        "DeleteApplication" => application::delete(state, request),
        "GetJobRun" => job_run::get(state, request),
        "ListJobRuns" => job_run::list(state, request),
        "ListTagsForResource" => {
            let arn = taggable(state, request)?;
            Ok(json!({ "tags": state.tags(&arn) }))
        }
        "TagResource" => {
            let arn = taggable(state, request)?;
            let tags = tags_in(&request.input)?;
            state.add_tags(&arn, &tags);
            Ok(json!({}))
        }
        "UntagResource" => {
            let arn = taggable(state, request)?;
            state.remove_tags(&arn, &request.input.texts("tagKeys"));
            Ok(json!({}))
        }
        _ => Err(unknown_operation(request)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceNotFoundException", message).status(404)
}

fn need<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    let missing = || AwsError::null("ValidationException", member);
    input.text(member).filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// Answers a repeated call with the same client token as the first time.
fn once(
    state: &mut State<'_>,
    request: &Request,
    act: impl FnOnce(&mut State<'_>) -> Result<Value, AwsError>,
) -> Result<(Value, bool), AwsError> {
    let token = need(&request.input, "clientToken")?;
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if token.len() > 64 || !token.chars().all(legal) {
        return Err(invalid(format!("clientToken is not valid: {token}")));
    }
    let operation = format!("emr-serverless/{}", request.operation);
    match state.answered(&operation, token, &request.input) {
        Ok(Some(answer)) => Ok((answer, false)),
        Ok(None) => {
            let answer = act(state)?;
            state.remember(&operation, token, &request.input, &answer);
            Ok((answer, true))
        }
        Err(()) => {
            let message = "The client token was used before with other parameters.";
            Err(AwsError::new("ConflictException", message).status(409))
        }
    }
}

/// Cuts a list into the page that the request asks for, under the name `member`.
fn paged(request: &Request, member: &str, items: Vec<Value>) -> Result<Value, AwsError> {
    let limit = request.input.number("maxResults").unwrap_or(50);
    if !(1..=50).contains(&limit) {
        return Err(invalid("maxResults must be between 1 and 50"));
    }
    let bad_token = || invalid("Invalid nextToken");
    let (items, next) = page(items, request.input.text("nextToken"), limit as usize, bad_token)?;
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of_object(input, "tags");
    match refused_tag(&tags) {
        Some(key) => Err(invalid(format!("Invalid tag: {key}"))),
        None => Ok(tags),
    }
}

fn taggable(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = need(&request.input, "resourceArn")?;
    let path = arn.rsplit_once(":/applications/").map(|(_, path)| path).unwrap_or_default();
    let known = match path.split_once("/jobruns/") {
        None => state.get(application::COLLECTION, path).is_some(),
        Some((application, run)) => state.get(job_run::COLLECTION, &format!("{application}/{run}")).is_some(),
    };
    if known { Ok(arn.to_owned()) } else { Err(not_found(format!("Resource {arn} does not exist"))) }
}
