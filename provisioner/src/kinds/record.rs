//! `record`: a record set in a hosted zone of Route 53.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use aws_sdk_route53::types::{ChangeAction, ChangeStatus, ResourceRecord, ResourceRecordSet};
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record_sets::{LONGEST, TTL, change, is_owner, named, of_zone, owned, owner_name, owner_set, plain};
use super::spec::{compared, in_place, reference, replaces};
use super::tags::{self, ADDRESS, Tags};
use super::values::text;
use super::{private_zone, wait};
use crate::kind::{
    Arn, Billing, Comparing, Context, Delta, Departure, Facts, Field, Found, Kind, Outcome, Step, Wanted,
};
use crate::resource::{Action, Address};
use crate::services::Services as _;

pub use super::record_sets::RecordType;

text!(
    /// A hosted zone's id.
    ZoneId,
    r"^Z[A-Z0-9]{1,31}$"
);
text!(
    /// A record's whole name; `*` may stand in the place of its first part.
    RecordName,
    r"^(\*\.)?([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?$"
);

/// A record set in a hosted zone. It carries no tags: a TXT record beside it, whose name begins with `_lakewright-`,
/// says whose it is. One that was there before is taken over as it is, and stays when it leaves the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The zone's id, `${private_zone.main.id}`.
    pub zone: ZoneId,
    /// The whole name, as in `kibana.shop.internal`; `*` in the place of its first part stands for all names that have
    /// no record.
    #[schemars(length(max = 255))]
    pub name: RecordName,
    /// The type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// How many seconds resolvers may keep an answer. Default: 300.
    #[serde(default = "ttl")]
    #[schemars(range(max = 2_147_483_647))]
    pub ttl: u32,
    /// The values, as Route 53 takes them: `10.0.0.1`, `"a text in quotes"`.
    #[schemars(length(min = 1), inner(length(min = 1, max = 4000)))]
    pub values: Vec<String>,
}

fn ttl() -> u32 {
    TTL
}

const FIELDS: &[Field] = &[
    replaces("zone"),
    replaces("name"),
    replaces("type"),
    in_place("ttl"),
    compared(in_place("values"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["name"];
const ACTIONS: &[&str] = &[
    "route53:ChangeResourceRecordSets",
    "route53:ListResourceRecordSets",
    "route53:GetChange",
    "route53:ListHostedZonesByName",
    "route53:ListTagsForResources",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("domain", "{name:domain}")];
const FACTS: Facts = Facts {
    is_tagless: true,
    beside: &["private_zone"],
    expected: [Duration::from_secs(40); 3],
    identified_by: &["zone", "name", "type"],
    arns: ARNS,
    // The first ten thousand of a zone are part of its price.
    billing: Billing::Free,
    ..Facts::of("record", "a record set in a hosted zone", FIELDS, OUTPUTS, ACTIONS)
};
/// How long all name servers take to learn of a change, with a margin: a minute is usual.
const IN_SYNC: Duration = Duration::from_mins(10);

/// The kind.
#[derive(Debug)]
pub struct Record;

#[async_trait]
impl Kind for Record {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.name = plain(&spec.name).into();
        spec.values.sort();
        spec.values.dedup();
        if owner_name(&spec.name, spec.kind).len() > LONGEST && !spec.name.contains("${") {
            bail!(
                "the name {} is too long: another record beside it says whose it is, and has a longer one",
                spec.name
            );
        }
        Ok(())
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let live = step.live.filter(|_| step.action == Action::Update);
        live.map(|live| format!("resolvers may give the old answer for {} s", live.ttl)).into_iter().collect()
    }

    async fn find_among(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Spec>],
        beside: &[Wanted<'_>],
    ) -> Result<Vec<Found<Spec>>> {
        let zone = |one: &Wanted<'_>| {
            private_zone::Spec::deserialize(one.spec).map(|spec| (one.address.clone(), spec.name.into()))
        };
        let zones = private_zone::own(context, beside.iter().map(zone).collect::<Result<_, _>>()?).await?;
        let mut own = Vec::new();
        for zone in zones.iter() {
            if tags::is_own(context, &zone.address, &zone.id, &zone.tags).await {
                own.push(zone);
            }
        }
        let ids_of = |one: &Wanted<'_, Spec>| -> Vec<String> {
            reference(&one.spec.zone).map_or_else(
                || vec![one.spec.zone.to_string()],
                |address| own.iter().filter(|zone| zone.address == address).map(|zone| zone.id.clone()).collect(),
            )
        };
        let mut zones: BTreeMap<String, Vec<&Wanted<'_, Spec>>> =
            own.iter().map(|zone| (zone.id.clone(), Vec::new())).collect();
        for one in wanted {
            for id in ids_of(one) {
                zones.entry(id).or_default().push(one);
            }
        }
        let mut found = Vec::new();
        for (id, wanted) in zones {
            let is_own = own.iter().any(|zone| zone.id == id);
            let sets = if is_own { private_zone::records(context, &id).await } else { of_zone(context, &id).await };
            let whole = if wanted.is_empty() { id.as_str() } else { "" };
            let Some(sets) = context.reading.keep(FACTS.name, None, whole, sets.map(Some))? else { continue };
            let mut meant = owned(context, &sets);
            meant.extend(wanted.iter().map(|one| ((one.spec.name.to_string(), one.spec.kind), one.address.clone())));
            for ((name, kind), address) in meant {
                if let Some(set) = named(&sets, &name, kind) {
                    found.push(read(&address, &id, kind, set)?);
                }
            }
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        put(context, address, spec).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        put(context, &live.address, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let spec = &live.spec;
        // Route 53 deletes a set that is described as it is, and no other.
        let sets = of_zone(context, &spec.zone).await?;
        let owner = named(&sets, &owner_name(&spec.name, spec.kind), RecordType::Txt);
        let owner = owner.filter(|set| is_owner(context, set));
        let gone: Vec<_> = named(&sets, &spec.name, spec.kind).into_iter().chain(owner).cloned().collect();
        if !gone.is_empty() {
            let changes = gone.into_iter().map(|set| (ChangeAction::Delete, set));
            wait::found(change(context, &spec.zone, changes).await)?;
        }
        Ok(())
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        // Only whose it is has a place: it may get another address, and what was applied last is remembered beside the
        // lease.
        let Some((_, address)) = tags.iter().find(|(key, _)| *key == ADDRESS) else { return Ok(()) };
        let address: Address = address.parse().map_err(|error: String| anyhow!(error))?;
        let parts = outcome.id.split_once('/').and_then(|(zone, rest)| {
            let (name, kind) = rest.rsplit_once('/')?;
            Some((zone, name, kind.parse().ok()?))
        });
        let (zone, name, kind) = parts.ok_or_else(|| anyhow!("`{}` is no id of a record", outcome.id))?;
        let owner = owner_set(context, &address, name, kind)?;
        change(context, zone, [(ChangeAction::Upsert, owner)]).await?;
        Ok(())
    }
}

fn read(address: &Address, zone: &str, kind: RecordType, set: &ResourceRecordSet) -> Result<Found<Spec>> {
    let values: BTreeSet<String> = set.resource_records().iter().map(|record| record.value().to_owned()).collect();
    let name = plain(set.name().needed("route53", "ResourceRecordSet.Name")?);
    let spec = Spec {
        zone: zone.into(),
        name: name.as_str().into(),
        kind,
        // An alias has neither: it is changed into what the file says.
        ttl: u32::try_from(set.ttl().unwrap_or_default())?,
        values: values.into_iter().collect(),
    };
    let mut found = tags::found(address.clone(), &Tags::new(), &id(&spec), spec, &[("name", &name)]);
    // An UPSERT takes away what it isn't given.
    found.departures.extend(Departure::of("health_check", set.health_check_id(), Value::Null));
    Ok(found)
}

fn id(spec: &Spec) -> String {
    format!("{}/{}/{}", spec.zone, spec.name, spec.kind)
}

async fn put(context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
    let value = |value: &String| ResourceRecord::builder().value(value).build();
    let values = spec.values.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let set = ResourceRecordSet::builder().name(spec.name.as_str()).r#type((&spec.kind).into());
    let set = set.ttl(i64::from(spec.ttl)).set_resource_records(Some(values)).build()?;
    // Both or none, so that nothing of the stack's is left that says not whose it is.
    let sets = [set, owner_set(context, address, &spec.name, spec.kind)?];
    let upsert = || change(context, &spec.zone, sets.clone().map(|set| (ChangeAction::Upsert, set)));
    let made = wait::visible(context, upsert).await?;
    let id_of_change = made.id().needed("route53", "ChangeInfo.Id")?;
    let what = format!("not all name servers know {} {}", spec.kind, spec.name);
    wait::until(context, IN_SYNC, &what, || async {
        let answer = ask(context.aws.route53().get_change().id(id_of_change).send()).await?;
        let info = answer.change_info.needed("route53", "GetChange.ChangeInfo")?;
        Ok((*info.status() == ChangeStatus::Insync).then_some(()))
    })
    .await?;
    Ok(tags::outcome(&id(spec), &[("name", &spec.name)]))
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::RrType;
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn a_record_is_written_in_one_way() {
        let spec = json!({
            "zone": "Z1", "name": "Kibana.Shop.Internal.", "type": "A", "values": ["10.0.0.2", "10.0.0.1", "10.0.0.2"],
        });
        let written = json!({
            "zone": "Z1", "name": "kibana.shop.internal", "type": "A", "ttl": 300, "values": ["10.0.0.1", "10.0.0.2"],
        });
        assert_eq!(Record.normalise(&spec).expect("a record"), written);
        assert!(Record.normalise(&json!({"zone": "Z1", "name": "a.b", "type": "A", "values": []})).is_err());
    }

    #[test]
    fn an_alias_is_read_as_something_that_has_no_values() {
        let set = ResourceRecordSet::builder().name("a.shop.internal.").r#type(RrType::A).build().expect("whole");
        let found = read(&Address::new("record", "a"), "Z1", RecordType::A, &set).expect("readable");
        assert_eq!((found.spec.ttl, found.spec.values), (0, Vec::new()));
        assert_eq!(found.id, "Z1/a.shop.internal/A");
    }
}
