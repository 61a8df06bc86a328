//! SNS: topics and their subscriptions. Nothing is delivered.

mod subscriptions;
mod topics;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::State;
use async_trait::async_trait;
use lakewright_iam::Arn;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Sns;

const TOPICS: &str = "sns/topic";
const SUBSCRIPTIONS: &str = "sns/subscription";

#[async_trait]
impl Service for Sns {
    fn name(&self) -> &'static str {
        "sns"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Query("http://sns.amazonaws.com/doc/2010-03-31/")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "CreateTopic" => topics::create(state, request),
            "DeleteTopic" => topics::delete(state, request),
            "GetTopicAttributes" => topics::attributes(state, request),
            "SetTopicAttributes" => topics::set_attribute(state, request),
            "ListTopics" => topics::list(state, request),
            "TagResource" => topics::tag(state, request),
            "UntagResource" => topics::untag(state, request),
            "ListTagsForResource" => topics::list_tags(state, request),
            "Subscribe" => subscriptions::subscribe(state, request),
            "ConfirmSubscription" => subscriptions::confirm(state, request),
            "Unsubscribe" => subscriptions::unsubscribe(state, request),
            "ListSubscriptions" => subscriptions::list(state, request),
            "ListSubscriptionsByTopic" => subscriptions::list_by_topic(state, request),
            "GetSubscriptionAttributes" => subscriptions::attributes(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn missing(name: &str) -> AwsError {
    AwsError::null("ValidationError", name)
}

fn invalid(what: &str, reason: &str) -> AwsError {
    AwsError::new("InvalidParameter", format!("Invalid parameter: {what} Reason: {reason}"))
}

/// The entries of a map in an input, in the query protocol's form.
fn entries(input: &Value, name: &str) -> Vec<(String, String)> {
    let map = input.member(name).map_or(&[][..], |map| map.list("entry"));
    let text = |entry: &Value, name: &str| entry.text(name).unwrap_or_default().to_owned();
    map.iter().map(|entry| (text(entry, "key"), text(entry, "value"))).collect()
}

/// A map in an answer.
fn map<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> Value {
    let entries: Vec<Value> = entries.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({ "entry": entries })
}

/// The topic that the input names: its ARN and its document.
fn topic(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let arn = request.input.need("TopicArn", missing)?;
    if Arn::parse(arn).is_none() {
        return Err(invalid("TopicArn", "An ARN must have at least 6 elements, not 1"));
    }
    let found = state.get(TOPICS, arn).cloned();
    let found = found.ok_or_else(|| AwsError::new("NotFound", "Topic does not exist").status(404))?;
    Ok((arn.to_owned(), found))
}
