//! Batches of changes to the record sets of a zone: all of a batch, or nothing.

use super::domain::Domain;
use super::records::{self, RECORDS, TYPES};
use super::{breaks, fits, invalid, missing, named, progress, value};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What happens to a record set.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Create,
    Delete,
    Upsert,
}

/// One change of a batch.
#[derive(Debug)]
struct Change {
    action: Action,
    name: Domain,
    kind: String,
    record: Value,
}

/// A change whose form is right: its members.
#[derive(Debug)]
struct Given<'r> {
    action: Action,
    name: &'r str,
    kind: &'r str,
    ttl: i64,
    values: Vec<&'r str>,
}

pub(super) fn change(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (zone, document) = named(state, request)?;
    let batch = request.input.member("ChangeBatch").ok_or_else(|| missing("changeBatch"))?;
    fits("changeBatch.comment", batch.text("Comment").unwrap_or_default(), 256)?;
    let listed = batch.list("Changes");
    if listed.is_empty() {
        return Err(breaks("changeBatch.changes", "[]", "have length greater than or equal to 1"));
    }
    let mut given = Vec::with_capacity(listed.len());
    for (index, change) in listed.iter().enumerate() {
        given.push(Given::read(change, &format!("changeBatch.changes.{}.member", index + 1))?);
    }
    small(&given)?;
    let own = Domain::parse(document.text("name").unwrap_or_default()).map_err(AwsError::internal)?;
    let mut faults = Vec::new();
    let mut changes = Vec::with_capacity(given.len());
    for one in &given {
        match one.change(&own) {
            Ok(change) => changes.push(change),
            Err(fault) => faults.push(fault),
        }
    }
    refuse(faults)?;
    let before: BTreeMap<String, Value> =
        records::of(state, &zone).map(|(id, record)| (id.to_owned(), record.clone())).collect();
    let after = applied(&zone, &own, &changes, &before)?;
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        state.remove(RECORDS, id);
    }
    for (id, record) in after.iter().filter(|(id, record)| before.get(*id) != Some(record)) {
        state.put(RECORDS, id, record);
    }
    Ok(json!({ "ChangeInfo": progress::begin(state, batch.text("Comment")) }))
}

/// Fails with what is wrong with a batch, if anything is.
fn refuse(faults: Vec<String>) -> Result<(), AwsError> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(AwsError::new("InvalidChangeBatch", format!("[{}]", faults.join(", "))))
}

/// Refuses a batch with too many records or characters; an upsert counts twice.
fn small(changes: &[Given<'_>]) -> Result<(), AwsError> {
    let count = |measure: fn(&&str) -> usize| -> usize {
        let size = |change: &Given<'_>| {
            let times = if change.action == Action::Upsert { 2 } else { 1 };
            times * change.values.iter().map(measure).sum::<usize>()
        };
        changes.iter().map(size).sum()
    };
    let mut faults = Vec::new();
    if count(|_| 1) > 1000 {
        faults.push("Number of records limit of 1000 exceeded.".to_owned());
    }
    if count(|value| value.chars().count()) > 32_000 {
        faults.push("Number of characters limit of 32000 exceeded.".to_owned());
    }
    refuse(faults)
}

impl<'r> Given<'r> {
    /// Reads a change; `at` is its place in the input.
    fn read(change: &'r Value, at: &str) -> Result<Self, AwsError> {
        let word = change.text("Action").unwrap_or_default();
        let action = match word {
            "CREATE" => Action::Create,
            "DELETE" => Action::Delete,
            "UPSERT" => Action::Upsert,
            other => {
                return Err(breaks(&format!("{at}.action"), other, "satisfy enum value set: [DELETE, UPSERT, CREATE]"));
            }
        };
        let set = &change["ResourceRecordSet"];
        let (name, kind) = (set.text("Name").unwrap_or_default(), set.text("Type").unwrap_or_default());
        fits(&format!("{at}.resourceRecordSet.name"), name, 1024)?;
        if !TYPES.contains(&kind) {
            let constraint = format!("satisfy enum value set: [{}]", TYPES.join(", "));
            return Err(breaks(&format!("{at}.resourceRecordSet.type"), kind, &constraint));
        }
        if !value::CHECKED.contains(&kind) {
            return Err(invalid(format!("the local account has no records of type {kind}")));
        }
        let (Some(ttl), Some(_)) = (set.text("TTL"), set.member("ResourceRecords")) else {
            return Err(invalid(format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Action={word}, Name={name}, Type={kind}, SetIdentifier=null]"
            )));
        };
        let seconds = ttl.parse::<i64>().ok().filter(|seconds| (0..=i64::from(i32::MAX)).contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            breaks(&format!("{at}.resourceRecordSet.tTL"), ttl, "have value between 0 and 2147483647")
        })?;
        let values: Vec<&str> = set.list("ResourceRecords").iter().filter_map(|record| record.text("Value")).collect();
        let records = format!("{at}.resourceRecordSet.resourceRecords");
        if values.is_empty() {
            return Err(breaks(&records, "[]", "have length greater than or equal to 1"));
        }
        for value in &values {
            fits(&records, value, 4000)?;
        }
        Ok(Self { action, name, kind, ttl: seconds, values })
    }

    /// The change in the zone of that name; the error is Route 53's word for what is wrong with it.
    fn change(&self, zone: &Domain) -> Result<Change, String> {
        let kind = self.kind;
        let name = Domain::parse(self.name)?;
        if !name.within(zone) {
            return Err(format!("RRSet with DNS name {name} is not permitted in zone {zone}"));
        }
        if kind == "CNAME" && name == *zone {
            return Err(format!("RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"));
        }
        if kind == "SOA" && name != *zone {
            return Err(format!("RRSet of type SOA with DNS name {name} is permitted at apex only in zone {zone}"));
        }
        for value in &self.values {
            value::check(kind, value).map_err(|problem| format!("Invalid Resource Record: '{problem}'"))?;
        }
        let record = records::record_set(&name, kind, self.ttl, &self.values);
        if let Some([twice, _]) = records::values(&record).windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("Duplicate Resource Record: '{twice}'"));
        }
        if self.values.len() > 1 && (kind == "CNAME" || kind == "SOA") {
            return Err(format!("RRSet of type {kind} with DNS name {name} has more than one value"));
        }
        Ok(Change { action: self.action, name, kind: kind.to_owned(), record })
    }
}

/// The record sets of the zone after the changes.
fn applied(
    zone: &str,
    own: &Domain,
    changes: &[Change],
    before: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, AwsError> {
    let place = |change: &Change| records::place(zone, &change.name, &change.kind);
    let mut faults = Vec::new();
    let mut actions: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        actions.entry(place(change)).or_default().push(change);
    }
    for same in actions.values() {
        // A set may be replaced by a deletion and a creation, and otherwise be changed once.
        let words: Vec<Action> = same.iter().map(|change| change.action).collect();
        if same.len() > 1 && words != [Action::Delete, Action::Create] {
            let Change { name, kind, .. } = same[0];
            faults.push(format!(
                "The request contains an invalid set of changes for a resource record set '{kind} {name}'"
            ));
        }
    }
    refuse(faults)?;

    let mut faults = Vec::new();
    let mut after = before.clone();
    let wording = |change: &Change| format!("[name='{}', type='{}']", change.name, change.kind);
    for change in changes.iter().filter(|change| change.action == Action::Delete) {
        match before.get(&place(change)) {
            None => {
                faults.push(format!("Tried to delete resource record set {} but it was not found", wording(change)));
            }
            Some(found) if !same(found, &change.record) => faults.push(format!(
                "Tried to delete resource record set {} but the values provided do not match the current values",
                wording(change)
            )),
            Some(_) => {
                after.remove(&place(change));
            }
        }
    }
    for change in changes.iter().filter(|change| change.action != Action::Delete) {
        let replaced = after.insert(place(change), change.record.clone());
        if replaced.is_some() && change.action == Action::Create {
            faults.push(format!("Tried to create resource record set {} but it already exists", wording(change)));
        }
    }
    for change in changes.iter().filter(|change| change.action != Action::Delete) {
        let prefix = records::place(zone, &change.name, "");
        let others = after.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix));
        let mut others = others.filter_map(|(_, record)| record.text("Type")).filter(|kind| *kind != change.kind);
        if let Some(other) = others.find(|other| change.kind == "CNAME" || *other == "CNAME") {
            faults.push(format!(
                "RRSet of type {} with DNS name {} is not permitted because a conflicting RRSet of type {other} with the same DNS name already exists in zone {own}",
                change.kind, change.name
            ));
        }
    }
    for (kind, rule) in [
        ("SOA", "A HostedZone must contain exactly one SOA record."),
        ("NS", "A HostedZone must contain at least one NS record for the zone itself."),
    ] {
        if faults.is_empty() && !after.contains_key(&records::place(zone, own, kind)) {
            faults.push(rule.to_owned());
        }
    }
    refuse(faults)?;
    Ok(after)
}

/// Whether a record set is the one that a deletion describes.
fn same(found: &Value, given: &Value) -> bool {
    found["TTL"] == given["TTL"] && records::values(found) == records::values(given)
}
