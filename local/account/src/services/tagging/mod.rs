//! The Resource Groups Tagging API: resources of all services by their tags.

use super::{Service, iam};
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{State, TAGS, Tags, tag_list};
use async_trait::async_trait;
use lakewright_iam::Arn;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Tagging;

#[async_trait]
impl Service for Tagging {
    fn name(&self) -> &'static str {
        "tagging"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("ResourceGroupsTaggingAPI_20170126")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "GetResources" => resources(state, request),
            "GetTagKeys" => keys(state, request),
            "GetTagValues" => values(state, request),
            "TagResources" => Ok(tag(state, request)),
            "UntagResources" => Ok(untag(state, request)),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn resources(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let most = request.input.number("ResourcesPerPage").unwrap_or(50);
    if !(1..=100).contains(&most) {
        return Err(invalid("ResourcesPerPage must be between 1 and 100"));
    }
    let arns = request.input.texts("ResourceARNList");
    let kinds = request.input.texts("ResourceTypeFilters");
    let filters = request.input.list("TagFilters");
    if !arns.is_empty() && (!kinds.is_empty() || !filters.is_empty()) {
        return Err(invalid("ResourceARNList cannot be combined with other filters"));
    }
    if filters.len() > 50 {
        return Err(invalid("at most 50 tag filters"));
    }
    let found: Vec<Value> = state
        .listed_tags()
        .into_iter()
        .filter_map(|(arn, document)| Some((arn, Tags::deserialize(document).ok()?)))
        // What never had a tag is not shown.
        .filter(|(arn, tags)| !tags.is_empty() || arns.iter().any(|wanted| wanted == arn))
        .filter(|(arn, _)| arns.is_empty() || arns.iter().any(|wanted| wanted == arn))
        .filter(|(arn, _)| kinds.is_empty() || kinds.iter().any(|kind| of_kind(arn, kind)))
        .filter(|(_, tags)| filters.iter().all(|filter| fits(tags, filter)))
        .map(|(arn, tags)| json!({ "ResourceARN": arn, "Tags": tag_list(&tags, "Key", "Value") }))
        .collect();
    let token = || AwsError::new("PaginationTokenExpiredException", "The pagination token is not valid");
    let (page, next) = pages::page(found, request.input.text("PaginationToken"), most as usize, token)?;
    Ok(json!({ "ResourceTagMappingList": page, "PaginationToken": next.unwrap_or_default() }))
}

fn fits(tags: &Tags, filter: &Value) -> bool {
    let values = filter.texts("Values");
    filter.text("Key").and_then(|key| tags.get(key)).is_some_and(|value| values.is_empty() || values.contains(value))
}

/// Whether an ARN is of a type such as `ec2:vpc`, or of a service such as `ec2`.
fn of_kind(arn: &str, kind: &str) -> bool {
    let Some(arn) = Arn::parse(arn) else { return false };
    match kind.split_once(':') {
        None => arn.service == kind,
        Some((service, kind)) => {
            // A bucket's ARN is the only one without a type in it.
            let is_bucket = service == "s3" && (kind == "bucket" || kind.is_empty());
            arn.service == service && (arn.kind() == kind || is_bucket)
        }
    }
}

fn all(state: &State<'_>) -> Vec<Tags> {
    state.read_all(TAGS)
}

fn keys(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let keys: BTreeSet<String> = all(state).into_iter().flat_map(Tags::into_keys).collect();
    paged(request, "TagKeys", keys)
}

fn values(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let key = request.input.need("Key", |_| invalid("Key must not be null"))?;
    let values: BTreeSet<String> = all(state).into_iter().filter_map(|tags| tags.get(key).cloned()).collect();
    paged(request, "TagValues", values)
}

fn paged(request: &Request, member: &str, items: BTreeSet<String>) -> Result<Value, AwsError> {
    let token = || AwsError::new("PaginationTokenExpiredException", "The pagination token is not valid");
    let items = items.into_iter().collect();
    let (page, next) = pages::page(items, request.input.text("PaginationToken"), 1000, token)?;
    Ok(json!({ member: page, "PaginationToken": next.unwrap_or_default() }))
}

/// Runs `change` on every resource of the list that exists, and names those that don't.
fn each(state: &mut State<'_>, request: &Request, change: impl Fn(&mut State<'_>, &str)) -> Value {
    let mut failed = serde_json::Map::new();
    for arn in request.input.texts("ResourceARNList") {
        if state.get(TAGS, &arn).is_some() {
            change(state, &arn);
        } else {
            let error = json!({
                "StatusCode": 400, "ErrorCode": "InvalidParameterException", "ErrorMessage": "the resource does not exist",
            });
            failed.insert(arn, error);
        }
    }
    json!({ "FailedResourcesMap": failed })
}

fn tag(state: &mut State<'_>, request: &Request) -> Value {
    let tags: Tags = request.input.member("Tags").and_then(|tags| Tags::deserialize(tags).ok()).unwrap_or_default();
    each(state, request, |state, arn| {
        state.add_tags(arn, &tags);
        iam::take_over(state, arn);
    })
}

fn untag(state: &mut State<'_>, request: &Request) -> Value {
    let keys = request.input.texts("TagKeys");
    each(state, request, |state, arn| {
        state.remove_tags(arn, &keys);
        iam::take_over(state, arn);
    })
}
