//! Athena: workgroups, the queries saved in them, and queries run by the account's engine.

mod named;
mod query;
mod results;
mod workgroup;

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
use crate::request::Request;
use crate::services::{Service, unknown_operation};
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};

/// The tasks of queries that are under way, by their ids.
type Running = Arc<Mutex<HashMap<String, AbortHandle>>>;

/// The service.
#[derive(Default)]
pub struct Athena {
    running: Running,
}

#[async_trait]
impl Service for Athena {
    fn name(&self) -> &'static str {
        "athena"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AmazonAthena")
    }

    fn start(&self, account: &Arc<Account>) {
        query::resume(account, &self.running);
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "StartQueryExecution" => query::start(account, request, &self.running),
            "StopQueryExecution" => query::stop(account, request, &self.running),
            "GetQueryResults" => results::get(account, request).await,
            _ => account.transact(request, |state| in_transaction(state, request)),
        }
    }
}

fn in_transaction(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateWorkGroup" => workgroup::create(state, request),
        "GetWorkGroup" => workgroup::get(state, request),
        "UpdateWorkGroup" => workgroup::update(state, request),
        "DeleteWorkGroup" => workgroup::delete(state, request),
        "ListWorkGroups" => workgroup::list(state, request),
        "CreateNamedQuery" => named::create(state, request),
        "GetNamedQuery" => named::get(state, request),
        "BatchGetNamedQuery" => named::get_batch(state, request),
        "ListNamedQueries" => named::list(state, request),
        "UpdateNamedQuery" => named::update(state, request),
        "DeleteNamedQuery" => named::delete(state, request),
        "GetQueryExecution" => query::get(state, request),
        "BatchGetQueryExecution" => query::get_batch(state, request),
        "ListQueryExecutions" => query::list(state, request),
        "TagResource" => {
            let arn = taggable(state, request)?;
            let tags = tags_in(&request.input)?;
            state.add_tags(&arn, &tags);
            Ok(json!({}))
        }
        "UntagResource" => {
            let arn = taggable(state, request)?;
            state.remove_tags(&arn, &request.input.texts("TagKeys"));
            Ok(json!({}))
        }
        "ListTagsForResource" => {
            let arn = taggable(state, request)?;
            Ok(json!({ "Tags": tag_list(&state.tags(&arn), "Key", "Value") }))
        }
        _ => Err(unknown_operation(request)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequestException", message).field("AthenaErrorCode", "INVALID_INPUT")
}

fn need<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    input.text(member).filter(|text| !text.is_empty()).ok_or_else(|| invalid(format!("{member} is required")))
}

/// Cuts a list into the page that the request asks for, under the name `member`.
fn paged(request: &Request, member: &str, items: Vec<Value>, most: i64) -> Result<Value, AwsError> {
    let limit = request.input.number("MaxResults").unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(invalid(format!("MaxResults must be between 1 and {most}")));
    }
    let bad_token = || invalid("Invalid NextToken");
    let (items, next) = page(items, request.input.text("NextToken"), limit as usize, bad_token)?;
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of(input.list("Tags"), "Key", "Value");
    match refused_tag(&tags) {
        Some(key) => Err(invalid(format!("Invalid tag: {key}"))),
        None => Ok(tags),
    }
}

fn taggable(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = need(&request.input, "ResourceARN")?;
    let name = arn.rsplit_once(":workgroup/").map(|(_, name)| name);
    match name {
        Some(name) if workgroup::find(state, name).is_some() => Ok(arn.to_owned()),
        _ => {
            let message = format!("Resource {arn} was not found.");
            Err(AwsError::new("ResourceNotFoundException", message).field("ResourceName", arn))
        }
    }
}
