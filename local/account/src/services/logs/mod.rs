//! CloudWatch Logs: groups, streams and their events.

mod events;
mod extract;
mod filters;
mod groups;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Logs;

const GROUPS: &str = "logs/group";
const STREAMS: &str = "logs/stream";

#[async_trait]
impl Service for Logs {
    fn name(&self) -> &'static str {
        "logs"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("Logs_20140328")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "CreateLogGroup" => groups::create(state, request),
            "DescribeLogGroups" => groups::describe(state, request),
            "DeleteLogGroup" => groups::delete(state, request),
            "PutRetentionPolicy" => groups::put_retention(state, request),
            "DeleteRetentionPolicy" => groups::delete_retention(state, request),
            "AssociateKmsKey" => groups::key(state, request, true),
            "DisassociateKmsKey" => groups::key(state, request, false),
            "TagResource" => groups::tag(state, request),
            "UntagResource" => groups::untag(state, request),
            "ListTagsForResource" => groups::list_tags(state, request),
            "TagLogGroup" => groups::tag_by_name(state, request),
            "UntagLogGroup" => groups::untag_by_name(state, request),
            "ListTagsLogGroup" => groups::list_tags_by_name(state, request),
            "PutMetricFilter" => filters::put(state, request),
            "DescribeMetricFilters" => filters::describe(state, request),
            "DeleteMetricFilter" => filters::delete(state, request),
            "CreateLogStream" => events::create_stream(state, request),
            "DescribeLogStreams" => events::describe_streams(state, request),
            "DeleteLogStream" => events::delete_stream(state, request),
            "PutLogEvents" => events::put(state, request),
            "GetLogEvents" => events::get(state, request),
            "FilterLogEvents" => events::filter(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn missing(name: &str) -> AwsError {
    AwsError::null("InvalidParameterException", name)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn not_found(what: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", format!("The specified {what} does not exist."))
}

/// One page of a list, as Logs pages: `nextToken`, `limit`.
fn paged(request: &Request, member: &str, items: Vec<Value>, most: i64) -> Result<Value, AwsError> {
    let limit = request.input.number("limit").unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(invalid(format!("Value '{limit}' at 'limit' failed to satisfy constraint: between 1 and {most}")));
    }
    let token = || invalid("The specified nextToken is invalid.");
    let (page, next) = pages::page(items, request.input.text("nextToken"), limit as usize, token)?;
    let mut out = json!({ member: page });
    if let Some(next) = next {
        out["nextToken"] = json!(next);
    }
    Ok(out)
}
