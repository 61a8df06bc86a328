//! AWS Budgets: budgets, their notifications and who gets them. Nothing is measured.

mod budget;
mod notifications;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::State;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Budgets;

const BUDGETS: &str = "budgets/budget";

#[async_trait]
impl Service for Budgets {
    fn name(&self) -> &'static str {
        "budgets"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AWSBudgetServiceGateway")
    }

    fn global(&self) -> bool {
        true
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        if let Some(named) = request.input.text("AccountId")
            && named != request.account
        {
            let message = format!("Account {} does not have the permission to access {named}", request.account);
            return Err(AwsError::new("AccessDeniedException", message));
        }
        account.transact(request, |state| match request.operation.as_str() {
            "CreateBudget" => budget::create(state, request),
            "UpdateBudget" => budget::update(state, request),
            "DeleteBudget" => budget::delete(state, request),
            "DescribeBudget" => budget::describe(state, request),
            "DescribeBudgets" => budget::list(state, request),
            "TagResource" => budget::tag(state, request),
            "UntagResource" => budget::untag(state, request),
            "ListTagsForResource" => budget::list_tags(state, request),
            "CreateNotification" => notifications::create(state, request),
            "DeleteNotification" => notifications::delete(state, request),
            "DescribeNotificationsForBudget" => notifications::list(state, request),
            "DescribeSubscribersForNotification" => notifications::subscribers(state, request),
            "CreateSubscriber" => notifications::add_subscriber(state, request),
            "DeleteSubscriber" => notifications::remove_subscriber(state, request),
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
    AwsError::new("NotFoundException", format!("{what} does not exist"))
}

/// The budget that the input names.
fn named(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    request.input.need("AccountId", missing)?;
    let name = request.input.need("BudgetName", missing)?;
    let found = state.get(BUDGETS, name).cloned().ok_or_else(|| not_found(&format!("the budget {name}")))?;
    Ok((name.to_owned(), found))
}

fn paged(request: &Request, member: &str, items: Vec<Value>, most: i64) -> Result<Value, AwsError> {
    let limit = request.input.number("MaxResults").unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(invalid(format!("MaxResults must be between 1 and {most}")));
    }
    let token = || AwsError::new("InvalidNextTokenException", "the token is invalid");
    let (page, next) = pages::page(items, request.input.text("NextToken"), limit as usize, token)?;
    let mut out = json!({ member: page });
    if let Some(next) = next {
        out["NextToken"] = json!(next);
    }
    Ok(out)
}
