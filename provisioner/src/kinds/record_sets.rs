//! The record sets of a hosted zone: what zones and records both read and change, and whose each set is.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeInfo, ResourceRecord, ResourceRecordSet, RrType,
};
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tags::{self, ADDRESS, STACK, Tags};
use super::values::words;
use super::wait;
use crate::kind::Context;
use crate::resource::Address;
use crate::services::Services as _;

/// The type of a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Who may issue certificates.
    Caa,
    /// Another name.
    Cname,
    /// Servers that take mail.
    Mx,
    /// Servers and ports of a service.
    Srv,
    /// Texts in quotes.
    Txt,
}
words!(RecordType => RrType);

/// What of a record's spec says which set it is.
#[derive(Debug, Deserialize)]
pub(super) struct Meant {
    /// The zone's id, or the reference to it.
    pub zone: String,
    /// The whole name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: RecordType,
}

/// How many seconds resolvers may keep an answer unless a spec says otherwise.
pub(super) const TTL: u32 = 300;

/// A name as stack files have it: in lower case, without a dot at its end, and without Route 53's escapes of what needs
/// none.
pub(super) fn plain(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.replace("\\052", "*").to_lowercase()
}

/// The record sets of a zone; none if there is no such zone.
pub(super) async fn of_zone(context: &Context, zone: &str) -> Result<Arc<Vec<ResourceRecordSet>>> {
    context.reading.of(|queries| &queries.records, zone.to_owned(), listed(context, zone)).await
}

async fn listed(context: &Context, zone: &str) -> Result<Vec<ResourceRecordSet>> {
    let call = context.aws.route53().list_resource_record_sets().hosted_zone_id(zone);
    let mut all = Vec::new();
    let mut next = call.clone();
    loop {
        let Some(page) = wait::found(ask(next.send()).await)? else { return Ok(all) };
        all.extend(page.resource_record_sets);
        if !page.is_truncated {
            return Ok(all);
        }
        next = call.clone().set_start_record_name(page.next_record_name).set_start_record_type(page.next_record_type);
        next = next.set_start_record_identifier(page.next_record_identifier);
    }
}

/// The name and the type of a record set; none for a type that no spec has.
pub(super) fn place(set: &ResourceRecordSet) -> Option<(String, RecordType)> {
    Some((plain(set.name()), set.r#type().as_str().parse().ok()?))
}

/// The set of that name and type.
pub(super) fn named<'a>(sets: &'a [ResourceRecordSet], name: &str, kind: RecordType) -> Option<&'a ResourceRecordSet> {
    sets.iter().find(|set| plain(set.name()) == name && *set.r#type() == RrType::from(&kind))
}

/// What the names of records begin with that say whose others are.
const OWNER: &str = "_lakewright-";
/// The longest domain name, without the dot at its end.
pub(super) const LONGEST: usize = 253;

/// The name of the TXT record that says whose a record is.
pub(super) fn owner_name(name: &str, kind: RecordType) -> String {
    let kind = kind.to_string().to_lowercase();
    match name.strip_prefix("*.") {
        // A star stands for something at the beginning of a name only.
        Some(rest) => format!("{OWNER}any-{kind}.{rest}"),
        None => format!("{OWNER}{kind}.{name}"),
    }
}

/// The address that an owner's record states, and the name and type of the record that it is for; none if it is none of
/// this stack's.
fn owner(context: &Context, set: &ResourceRecordSet) -> Option<((String, RecordType), Address)> {
    let (name, RecordType::Txt) = place(set)? else { return None };
    let (kind, rest) = name.strip_prefix(OWNER)?.split_once('.')?;
    let (name, kind) = match kind.strip_prefix("any-") {
        Some(kind) => (format!("*.{rest}"), kind),
        None => (rest.to_owned(), kind),
    };
    let place = (name, kind.to_uppercase().parse().ok()?);
    let [value] = set.resource_records() else { return None };
    let mut words = value.value().trim_matches('"').split(' ').filter_map(|word| word.split_once('='));
    let tags: Tags = words.by_ref().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Some((place, tags::address(context, "record", &tags)?))
}

/// What the owners' records among them say is this stack's: addresses by name and type.
pub(super) fn owned(context: &Context, sets: &[ResourceRecordSet]) -> BTreeMap<(String, RecordType), Address> {
    sets.iter().filter_map(|set| owner(context, set)).collect()
}

/// Whether the record says whose another is, and that this one is the stack's.
pub(super) fn is_owner(context: &Context, set: &ResourceRecordSet) -> bool {
    owner(context, set).is_some()
}

/// The record that says whose a record is.
pub(super) fn owner_set(
    context: &Context,
    address: &Address,
    name: &str,
    kind: RecordType,
) -> Result<ResourceRecordSet> {
    let name = owner_name(name, kind);
    let said = format!("\"{STACK}={} {ADDRESS}={address}\"", context.stack);
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(i64::from(TTL));
    Ok(set.resource_records(ResourceRecord::builder().value(said).build()?).build()?)
}

/// Changes record sets of a zone, all of them or none.
pub(super) async fn change(
    context: &Context,
    zone: &str,
    changes: impl IntoIterator<Item = (ChangeAction, ResourceRecordSet)>,
) -> Result<ChangeInfo, Error> {
    let changes = changes.into_iter().map(|(action, set)| {
        Change::builder().action(action).resource_record_set(set).build().expect("action and record set are given")
    });
    let batch = ChangeBatch::builder().set_changes(Some(changes.collect())).build().expect("changes are given");
    let call = context.aws.route53().change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    ask(call.send()).await?.change_info.needed("route53", "ChangeResourceRecordSets.ChangeInfo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_one_way() {
        assert_eq!(plain("\\052.Shop.internal."), "*.shop.internal");
    }

    #[test]
    fn whose_a_record_is_stands_beside_it() {
        let context = crate::kinds::testing::context();
        let address = Address::new("record", "kibana");
        for (name, beside) in [
            ("kibana.shop.internal", "_lakewright-a.kibana.shop.internal"),
            ("*.shop.internal", "_lakewright-any-a.shop.internal"),
        ] {
            let set = owner_set(&context, &address, name, RecordType::A).expect("a record set");
            assert_eq!(set.name(), beside);
            assert_eq!(set.resource_records()[0].value(), "\"lakewright:stack=shop lakewright:address=record.kibana\"");
            let place = (name.to_owned(), RecordType::A);
            assert_eq!(owner(&context, &set), Some((place, address.clone())));
            let others = Context { stack: "another".to_owned(), ..context.clone() };
            assert_eq!(owner(&others, &set), None);
        }
    }
}
