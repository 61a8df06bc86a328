//! SSM: parameters, and the documents of Session Manager.

mod documents;
mod parameters;
mod tags;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

pub use parameters::image;

/// The service.
#[derive(Debug)]
pub struct Ssm;

#[async_trait]
impl Service for Ssm {
    fn name(&self) -> &'static str {
        "ssm"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AmazonSSM")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "PutParameter" => parameters::put(state, request),
            "GetParameter" => parameters::get(state, request),
            "GetParameters" => parameters::get_several(state, request),
            "GetParametersByPath" => parameters::get_by_path(state, request),
            "DescribeParameters" => parameters::describe(state, request),
            "DeleteParameter" => parameters::delete(state, request),
            "CreateDocument" => documents::create(state, request),
            "UpdateDocument" => documents::update(state, request),
            "UpdateDocumentDefaultVersion" => documents::set_default(state, request),
            "GetDocument" => documents::get(state, request),
            "DescribeDocument" => documents::describe(state, request),
            "DeleteDocument" => documents::delete(state, request),
            "ListDocuments" => documents::list(state, request),
            "AddTagsToResource" => tags::add(state, request),
            "RemoveTagsFromResource" => tags::remove(state, request),
            "ListTagsForResource" => tags::list(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn missing(name: &str) -> AwsError {
    invalid(format!("Value null at '{name}' failed to satisfy constraint: Member must not be null"))
}
