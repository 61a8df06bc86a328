//! EventBridge: rules on the default bus and their targets. It keeps rules and sends nothing.

mod rules;
mod schedule;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Service, unknown_operation};
use crate::account::Account;
use crate::error::AwsError;
use crate::protocol::Protocol;
use crate::request::Request;

/// The service.
#[derive(Debug)]
pub struct Events;

#[async_trait]
impl Service for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AWSEvents")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "PutRule" => rules::put(state, request),
            "DescribeRule" => rules::describe(state, request),
            "ListRules" => rules::list(state, request),
            "EnableRule" => rules::switch(state, request, "ENABLED"),
            "DisableRule" => rules::switch(state, request, "DISABLED"),
            "DeleteRule" => rules::delete(state, request),
            "PutTargets" => rules::put_targets(state, request),
            "RemoveTargets" => rules::remove_targets(state, request),
            "ListTargetsByRule" => rules::list_targets(state, request),
            "ListTagsForResource" => rules::list_tags(state, request),
            "TagResource" => rules::tag(state, request),
            "UntagResource" => rules::untag(state, request),
            _ => Err(unknown_operation(request)),
        })
    }
}
