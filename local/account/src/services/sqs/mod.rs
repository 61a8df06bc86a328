//! SQS: queues and their messages, which wait, come again and move to dead-letter queues.

mod attributes;
mod messages;
mod queues;
mod receive;
mod redrive;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::State;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Sqs;

/// Where queues stand, by name: their ARN, their attributes as they were given, and when they were made.
const QUEUES: &str = "sqs/queue";

#[async_trait]
impl Service for Sqs {
    fn name(&self) -> &'static str {
        "sqs"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AmazonSQS")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        let answer = match request.operation.as_str() {
            "ReceiveMessage" => receive::receive(account, request).await,
            _ => account.transact(request, |state| operation(state, request)),
        };
        // What has no other code of old has the same one.
        answer.map_err(|error| {
            let query_code = error.query_code.clone().or_else(|| Some(error.code.clone()));
            AwsError { query_code, ..error }
        })
    }
}

fn operation(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateQueue" => queues::create(state, request),
        "DeleteQueue" => queues::delete(state, request),
        "GetQueueUrl" => queues::url_of(state, request),
        "ListQueues" => queues::list(state, request),
        "ListDeadLetterSourceQueues" => queues::sources(state, request),
        "GetQueueAttributes" => queues::attributes(state, request),
        "SetQueueAttributes" => queues::set_attributes(state, request),
        "TagQueue" => queues::tag(state, request),
        "UntagQueue" => queues::untag(state, request),
        "ListQueueTags" => queues::list_tags(state, request),
        "PurgeQueue" => queues::purge(state, request),
        "SendMessage" => messages::send(state, request),
        "DeleteMessage" => messages::delete(state, request),
        "ChangeMessageVisibility" => messages::change_visibility(state, request),
        "SendMessageBatch" => messages::batch(state, request, messages::send),
        "DeleteMessageBatch" => messages::batch(state, request, messages::delete),
        "ChangeMessageVisibilityBatch" => messages::batch(state, request, messages::change_visibility),
        _ => Err(super::unknown_operation(request)),
    }
}

/// An error that has another code in the query protocol, by which clients still know it.
fn error(code: &str, query_code: &str, message: impl Into<String>) -> AwsError {
    AwsError { query_code: Some(query_code.to_owned()), ..AwsError::new(code, message) }
}

fn missing(name: &str) -> AwsError {
    error(
        "MissingRequiredParameterException",
        "MissingParameter",
        format!("The request must contain the parameter {name}."),
    )
}

fn invalid_parameter(message: impl Into<String>) -> AwsError {
    error("InvalidParameterValueException", "InvalidParameterValue", message)
}

/// The refusal of an attribute's value.
fn invalid_value(name: &str) -> AwsError {
    AwsError::new("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

fn invalid_name(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidAttributeName", message)
}

fn no_queue() -> AwsError {
    error("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

/// The URL of a queue, as AWS has it: clients send it within the request.
fn url(request: &Request, name: &str) -> String {
    format!("https://sqs.{}.amazonaws.com/{}/{name}", request.region, request.account)
}

/// The queue that the input names by its URL: its name and its document.
fn queue(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let url = request.input.need("QueueUrl", missing)?;
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let found = state.get(QUEUES, name).filter(|_| account == request.account);
    found.map(|queue| (name.to_owned(), queue.clone())).ok_or_else(no_queue)
}
