//! EC2 Auto Scaling: groups whose instances are kept at the desired number.

mod fleet;
mod group;
mod refresh;
mod suspended;
mod tags;

pub(crate) use fleet::settle;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::services::{Service, unknown_operation};
use crate::state::State;

/// The service.
pub struct AutoScaling;

#[async_trait]
impl Service for AutoScaling {
    fn name(&self) -> &'static str {
        "autoscaling"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Query("http://autoscaling.amazonaws.com/doc/2011-01-01/")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| {
            settle(state);
            operate(state, request)
        })
    }
}

fn operate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateAutoScalingGroup" => group::create(state, request),
        "UpdateAutoScalingGroup" => group::update(state, request),
        "DeleteAutoScalingGroup" => group::delete(state, request),
        "DescribeAutoScalingGroups" => group::describe(state, request),
        "SetDesiredCapacity" => group::set_desired(state, request),
        "DescribeAutoScalingInstances" => fleet::describe_instances(state, request),
        "TerminateInstanceInAutoScalingGroup" => fleet::terminate_one(state, request),
        "DescribeScalingActivities" => fleet::describe_activities(state, request),
        "StartInstanceRefresh" => refresh::start(state, request),
        "DescribeInstanceRefreshes" => refresh::describe(state, request),
        "SuspendProcesses" => suspended::suspend(state, request),
        "ResumeProcesses" => suspended::resume(state, request),
        "CreateOrUpdateTags" => tags::create_or_update(state, request),
        "DeleteTags" => tags::delete(state, request),
        "DescribeTags" => tags::describe(state, request),
        _ => Err(unknown_operation(request)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

fn need<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    let missing = || AwsError::null("ValidationError", member);
    input.text(member).filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// Cuts a list into the page that the request asks for, under the name `member`.
fn paged(request: &Request, member: &str, items: Vec<Value>) -> Result<Value, AwsError> {
    let limit = request.input.number("MaxRecords").unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(invalid("MaxRecords must be between 1 and 100"));
    }
    let bad_token = || AwsError::new("InvalidNextToken", "Invalid next token");
    let (items, next) = page(items, request.input.text("NextToken"), limit as usize, bad_token)?;
    Ok(json!({ member: items, "NextToken": next }))
}
