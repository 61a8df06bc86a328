//! Record sets of hosted zones, as they are kept and listed.

use super::domain::Domain;
use super::{breaks, invalid, named, page_length};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

/// Where record sets stand, by [`place`].
pub(super) const RECORDS: &str = "route53/record";
/// All types of records that Route 53 has.
pub(super) const TYPES: [&str; 17] = [
    "SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB",
    "HTTPS",
];
/// The name servers of every private zone.
const NAME_SERVERS: [&str; 4] =
    ["ns-1536.awsdns-00.co.uk.", "ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net."];
const AUTHORITY: &str = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";
/// The most record sets of a page.
const MOST: usize = 300;

/// The id of a record set. In the order of ids the sets of a zone stand in the order in which Route 53 lists them: a
/// space comes before all that is in a name or a type.
pub(super) fn place(zone: &str, name: &Domain, kind: &str) -> String {
    format!("{zone}/{} {kind}", name.key())
}

/// A record set as it is kept and answered.
pub(super) fn record_set(name: &Domain, kind: &str, ttl: i64, values: &[&str]) -> Value {
    let values: Vec<Value> = values.iter().map(|value| json!({ "Value": value })).collect();
    json!({
        "Name": name.to_string(), "Type": kind, "TTL": ttl, "ResourceRecords": { "ResourceRecord": values },
    })
}

/// The values of a record set, in a fixed order: theirs doesn't count.
pub(super) fn values(record: &Value) -> Vec<&str> {
    let records = record["ResourceRecords"].list("ResourceRecord");
    let mut values: Vec<&str> = records.iter().filter_map(|record| record.text("Value")).collect();
    values.sort_unstable();
    values
}

/// Whether the zone of that name can't be without the record set.
pub(super) fn required(record: &Value, zone: &str) -> bool {
    record["Name"] == zone && (record["Type"] == "NS" || record["Type"] == "SOA")
}

/// Makes the record sets that a zone is born with.
pub(super) fn born(state: &mut State<'_>, zone: &str, name: &Domain) {
    state.put(RECORDS, &place(zone, name, "NS"), record_set(name, "NS", 172_800, &NAME_SERVERS));
    state.put(RECORDS, &place(zone, name, "SOA"), record_set(name, "SOA", 900, &[AUTHORITY]));
}

/// The record sets of a zone and their ids.
pub(super) fn of<'s>(state: &'s State<'_>, zone: &str) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
    from(state, zone, "")
}

fn from<'s>(state: &'s State<'_>, zone: &str, start: &str) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
    let prefix = format!("{zone}/");
    state.range(RECORDS, &format!("{prefix}{start}")).take_while(move |(id, _)| id.starts_with(&prefix))
}

pub(super) fn remove_all(state: &mut State<'_>, zone: &str) {
    let ids: Vec<String> = of(state, zone).map(|(id, _)| id.to_owned()).collect();
    for id in &ids {
        state.remove(RECORDS, id);
    }
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (zone, _) = named(state, request)?;
    let limit = page_length(request, MOST)?;
    let given = |member: &str| request.input.text(member).filter(|text| !text.is_empty());
    let (name, kind) = (given("name"), given("type"));
    if let Some(kind) = kind.filter(|kind| !TYPES.contains(kind)) {
        return Err(breaks("type", kind, &format!("satisfy enum value set: [{}]", TYPES.join(", "))));
    }
    if given("identifier").is_some() && kind.is_none() {
        return Err(invalid("The identifier is given together with name and type only."));
    }
    let start = match (name, kind) {
        (None, None) => String::new(),
        (None, Some(_)) => return Err(invalid("The type is given together with a name only.")),
        (Some(name), kind) => {
            let name = Domain::parse(name).map_err(invalid)?;
            // Without a type the first one: nothing of the name comes before a space.
            format!("{} {}", name.key(), kind.unwrap_or_default())
        }
    };
    let mut sets = from(state, &zone, &start);
    let page: Vec<&Value> = sets.by_ref().take(limit).map(|(_, record)| record).collect();
    let next = sets.next().map(|(_, record)| record);
    Ok(json!({
        "ResourceRecordSets": { "ResourceRecordSet": page },
        "IsTruncated": next.is_some(),
        "NextRecordName": next.map(|record| &record["Name"]),
        "NextRecordType": next.map(|record| &record["Type"]),
        "MaxItems": limit.to_string(),
    }))
}
