//! Route 53: private hosted zones and their records. Nothing resolves the names.

mod batch;
mod domain;
mod operations;
mod progress;
mod records;
mod tags;
mod value;
mod vpcs;
mod zones;

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::State;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Route53;

/// Where hosted zones stand, by id.
const ZONES: &str = "route53/hosted-zone";
/// The longest id.
const LONGEST_ID: usize = 32;

#[async_trait]
impl Service for Route53 {
    fn name(&self) -> &'static str {
        "route53"
    }

    fn protocol(&self) -> Protocol {
        Protocol::RestXml(&operations::REST_XML)
    }

    fn global(&self) -> bool {
        true
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "CreateHostedZone" => zones::create(state, request),
            "GetHostedZone" => zones::get(state, request),
            "ListHostedZones" => zones::list(state, request),
            "ListHostedZonesByName" => zones::list_by_name(state, request),
            "UpdateHostedZoneComment" => zones::update_comment(state, request),
            "DeleteHostedZone" => zones::delete(state, request),
            "ListHostedZonesByVPC" => vpcs::list_zones(state, request),
            "AssociateVPCWithHostedZone" => vpcs::associate(state, request),
            "DisassociateVPCFromHostedZone" => vpcs::disassociate(state, request),
            "ChangeResourceRecordSets" => batch::change(state, request),
            "ListResourceRecordSets" => records::list(state, request),
            "GetChange" => progress::get(state, request),
            "ChangeTagsForResource" => tags::change(state, request),
            "ListTagsForResource" => tags::list(state, request),
            "ListTagsForResources" => tags::list_many(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInput", message)
}

fn missing(member: &str) -> AwsError {
    AwsError::null_member("InvalidInput", member)
}

/// The error for a member that breaks a constraint of the model.
fn breaks(member: &str, value: &str, constraint: &str) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {constraint}"
    ))
}

/// Refuses text that is longer than the model allows.
fn fits(member: &str, value: &str, most: usize) -> Result<(), AwsError> {
    if value.chars().count() <= most {
        return Ok(());
    }
    Err(breaks(member, value, &format!("have length less than or equal to {most}")))
}

/// How many things a page has: what the input says, at most `most`.
fn page_length(request: &Request, most: usize) -> Result<usize, AwsError> {
    let Some(given) = request.input.text("maxitems") else { return Ok(most) };
    let number = given.parse::<usize>().ok().filter(|number| *number > 0);
    number.map(|number| number.min(most)).ok_or_else(|| breaks("maxItems", given, "be a number greater than 0"))
}

/// The zone of that id.
fn zone_of(state: &State<'_>, id: &str) -> Result<Value, AwsError> {
    fits("id", id, LONGEST_ID)?;
    let found = state.get(ZONES, id).cloned();
    found.ok_or_else(|| AwsError::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")).status(404))
}

/// The zone that the path names, and its id. As on AWS the id has no `/hostedzone/` before it: clients take that off.
fn named(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let id = request.input.need("Id", missing)?;
    Ok((id.to_owned(), zone_of(state, id)?))
}
