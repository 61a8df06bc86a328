//! Hosted zones: made, read, listed and deleted.

use super::domain::Domain;
use super::{ZONES, breaks, fits, invalid, missing, named, page_length, progress, records, tags, vpcs};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

/// The caller references that were ever used: a zone that is gone doesn't free its own. The last part of the name
/// makes a reference known to the next create also while a fault rule hides its zone.
const REFERENCES: &str = "route53/caller-reference/hosted-zone";
/// The most zones of a page.
const MOST: usize = 100;

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("Name", missing)?;
    fits("name", name, 1024)?;
    let reference = request.input.need("CallerReference", missing)?;
    fits("callerReference", reference, 128)?;
    let config = request.input.member("HostedZoneConfig");
    let comment = config.and_then(|config| config.text("Comment"));
    fits("hostedZoneConfig.comment", comment.unwrap_or_default(), 256)?;
    let private = match config.and_then(|config| config.text("PrivateZone")) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => return Err(breaks("hostedZoneConfig.privateZone", other, "be true or false")),
    };
    let vpc = match (request.input.member("VPC"), private) {
        (Some(_), Some(false)) => return Err(invalid("a public hosted zone is associated with no VPC")),
        (Some(vpc), _) => vpcs::given(vpc)?,
        (None, Some(true)) => {
            return Err(invalid(
                "When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion.",
            ));
        }
        (None, _) => return Err(invalid("the local account has private hosted zones only: specify a VPC")),
    };
    let domain = Domain::parse(name).map_err(|problem| AwsError::new("InvalidDomainName", problem))?;
    if let Some(set) = request.input.text("DelegationSetId") {
        return Err(AwsError::new("NoSuchDelegationSet", format!("No delegation set found with ID: {set}")));
    }
    if state.get(REFERENCES, reference).is_some() {
        let message = "A hosted zone has already been created with the specified caller reference.";
        return Err(AwsError::new("HostedZoneAlreadyExists", message).status(409));
    }
    let name = domain.to_string();
    vpcs::associable(state, &vpc, &name)?;

    let id = progress::id('Z');
    let mut zone = json!({ "id": id, "name": name, "reference": reference, "vpcs": [vpc] });
    if let Some(comment) = comment {
        zone["comment"] = json!(comment);
    }
    state.put(REFERENCES, reference, json!({ "zone": id }));
    state.put(ZONES, &id, &zone);
    records::born(state, &id, &domain);
    tags::born(state, &id);
    let change = progress::begin(state, None);
    let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}");
    Ok(json!({ "HostedZone": shown(state, &zone), "ChangeInfo": change, "VPC": vpc, "Location": location }))
}

fn shown(state: &State<'_>, zone: &Value) -> Value {
    let id = zone.text("id").unwrap_or_default();
    json!({
        "Id": format!("/hostedzone/{id}"),
        "Name": zone["name"],
        "CallerReference": zone["reference"],
        "Config": { "Comment": zone["comment"], "PrivateZone": true },
        "ResourceRecordSetCount": records::of(state, id).count(),
    })
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, zone) = named(state, request)?;
    Ok(json!({ "HostedZone": shown(state, &zone), "VPCs": { "VPC": zone["vpcs"] } }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let limit = page_length(request, MOST)?;
    let marker = request.input.text("marker").filter(|marker| !marker.is_empty());
    fits("marker", marker.unwrap_or_default(), 64)?;
    if let Some(set) = request.input.text("delegationsetid").filter(|set| !set.is_empty()) {
        return Err(AwsError::new("NoSuchDelegationSet", format!("No delegation set found with ID: {set}")));
    }
    if let Some(other) = request.input.text("hostedzonetype").filter(|kind| *kind != "PrivateHostedZone") {
        return Err(breaks("hostedZoneType", other, "satisfy enum value set: [PrivateHostedZone]"));
    }
    let mut zones: Vec<Value> =
        state.range(ZONES, marker.unwrap_or_default()).take(limit + 1).map(|(_, zone)| zone.clone()).collect();
    let next = (zones.len() > limit).then(|| zones.split_off(limit).swap_remove(0));
    let shown: Vec<Value> = zones.iter().map(|zone| shown(state, zone)).collect();
    Ok(json!({
        "HostedZones": { "HostedZone": shown },
        "Marker": marker,
        "IsTruncated": next.is_some(),
        "NextMarker": next.map(|zone| zone["id"].clone()),
        "MaxItems": limit.to_string(),
    }))
}

pub(super) fn list_by_name(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let limit = page_length(request, MOST)?;
    let name = request.input.text("dnsname").filter(|name| !name.is_empty());
    let id = request.input.text("hostedzoneid").filter(|id| !id.is_empty());
    fits("hostedZoneId", id.unwrap_or_default(), super::LONGEST_ID)?;
    let start = match name.map(Domain::parse).transpose() {
        Ok(Some(domain)) => (domain.key(), id.unwrap_or_default()),
        Ok(None) if id.is_some() => return Err(invalid("hostedzoneid is given together with dnsname only")),
        Ok(None) => (String::new(), ""),
        Err(problem) => return Err(AwsError::new("InvalidDomainName", problem)),
    };
    let key = |zone: &Value| Domain::parse(zone.text("name").unwrap_or_default()).map_or(String::new(), |it| it.key());
    let mut zones: Vec<(String, &str, &Value)> = state
        .list(ZONES)
        .map(|(id, zone)| (key(zone), id, zone))
        .filter(|(key, id, _)| (key, *id) >= (&start.0, start.1))
        .collect();
    zones.sort_unstable_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let next = zones.get(limit).map(|(_, id, zone)| (zone["name"].clone(), json!(id)));
    let shown: Vec<Value> = zones.iter().take(limit).map(|(_, _, zone)| shown(state, zone)).collect();
    let (next_name, next_id) = next.clone().unwrap_or_default();
    Ok(json!({
        "HostedZones": { "HostedZone": shown },
        "DNSName": name,
        "HostedZoneId": id,
        "IsTruncated": next.is_some(),
        "NextDNSName": next_name,
        "NextHostedZoneId": next_id,
        "MaxItems": limit.to_string(),
    }))
}

pub(super) fn update_comment(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, mut zone) = named(state, request)?;
    let comment = request.input.text("Comment");
    fits("comment", comment.unwrap_or_default(), 256)?;
    zone["comment"] = json!(comment);
    state.put(ZONES, &id, &zone);
    Ok(json!({ "HostedZone": shown(state, &zone) }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, zone) = named(state, request)?;
    let own = zone.text("name").unwrap_or_default();
    if records::of(state, &id).any(|(_, record)| !records::required(record, own)) {
        let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(AwsError::new("HostedZoneNotEmpty", message));
    }
    records::remove_all(state, &id);
    tags::forget(state, &id);
    state.remove(ZONES, &id);
    Ok(json!({ "ChangeInfo": progress::begin(state, None) }))
}
