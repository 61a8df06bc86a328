//! The VPCs that ask a private hosted zone for names.

use super::{ZONES, missing, named, page_length, progress};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages;
use crate::request::Request;
use crate::services::ec2;
use crate::state::State;
use serde_json::{Value, json};

/// A VPC of the input, with id and region.
pub(super) fn given(vpc: &Value) -> Result<Value, AwsError> {
    let region = vpc.need("VPCRegion", |_| missing("vPC.vPCRegion"))?;
    let id = vpc.need("VPCId", |_| missing("vPC.vPCId"))?;
    Ok(json!({ "VPCRegion": region, "VPCId": id }))
}

fn exists(state: &mut State<'_>, vpc: &Value) -> bool {
    let region = vpc.text("VPCRegion").unwrap_or_default();
    ec2::has_vpc(&state.region(region), vpc.text("VPCId").unwrap_or_default())
}

fn no_such(vpc: &Value) -> AwsError {
    let (id, region) = words(vpc);
    AwsError::new("InvalidVPCId", format!("The VPC {id} in region {region} does not exist or is not yours."))
}

fn words(vpc: &Value) -> (&str, &str) {
    (vpc.text("VPCId").unwrap_or_default(), vpc.text("VPCRegion").unwrap_or_default())
}

/// Refuses a VPC that doesn't exist, or that has a zone of that name already.
pub(super) fn associable(state: &mut State<'_>, vpc: &Value, name: &str) -> Result<(), AwsError> {
    if !exists(state, vpc) {
        return Err(no_such(vpc));
    }
    let mut zones = state.list(ZONES);
    let other = zones.find(|(_, zone)| zone["name"] == name && zone.list("vpcs").contains(vpc));
    let Some((other, _)) = other else { return Ok(()) };
    let (id, region) = words(vpc);
    Err(AwsError::new(
        "ConflictingDomainExists",
        format!(
            "The VPC {id} in region {region} has already been associated with the hosted zone {other} with the same domain name."
        ),
    ))
}

pub(super) fn associate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, mut zone) = named(state, request)?;
    let vpc = given(&request.input["VPC"])?;
    associable(state, &vpc, zone.text("name").unwrap_or_default())?;
    let mut all = zone.list("vpcs").to_vec();
    all.push(vpc);
    zone["vpcs"] = json!(all);
    state.put(ZONES, &id, zone);
    Ok(json!({ "ChangeInfo": progress::begin(state, request.input.text("Comment")) }))
}

pub(super) fn disassociate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, mut zone) = named(state, request)?;
    let vpc = given(&request.input["VPC"])?;
    let mut all = zone.list("vpcs").to_vec();
    let before = all.len();
    all.retain(|one| *one != vpc);
    if all.len() == before {
        // A VPC that was deleted stays associated, and can be taken off.
        if !exists(state, &vpc) {
            return Err(no_such(&vpc));
        }
        let (vpc, _) = words(&vpc);
        let message = format!("The VPC {vpc} is not associated with the hosted zone {id}.");
        return Err(AwsError::new("VPCAssociationNotFound", message).status(404));
    }
    if all.is_empty() {
        let message = format!("The last VPC of the private hosted zone {id} cannot be disassociated from it.");
        return Err(AwsError::new("LastVPCAssociation", message));
    }
    zone["vpcs"] = json!(all);
    state.put(ZONES, &id, zone);
    Ok(json!({ "ChangeInfo": progress::begin(state, request.input.text("Comment")) }))
}

pub(super) fn list_zones(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = request.input.need("vpcid", |_| missing("vPCId"))?;
    let region = request.input.need("vpcregion", |_| missing("vPCRegion"))?;
    let limit = page_length(request, 100)?;
    let vpc = json!({ "VPCRegion": region, "VPCId": id });
    if !exists(state, &vpc) {
        let message = format!("The VPC {id} in region {region} that you provided is not owned by you.");
        return Err(AwsError::new("AccessDenied", message).status(403));
    }
    let found = state.list(ZONES).filter(|(_, zone)| zone.list("vpcs").contains(&vpc)).map(
        |(id, zone)| json!({ "HostedZoneId": id, "Name": zone["name"], "Owner": { "OwningAccount": request.account } }),
    );
    let token = || AwsError::new("InvalidPaginationToken", "The pagination token is not valid.");
    let (page, next) = pages::page(found.collect(), request.input.text("nexttoken"), limit, token)?;
    Ok(json!({
        "HostedZoneSummaries": { "HostedZoneSummary": page },
        "MaxItems": limit.to_string(),
        "NextToken": next,
    }))
}
