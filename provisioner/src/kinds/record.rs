//! `record`: a record set in a hosted zone of Route 53.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeInfo, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, reference, replaces, text, typed, value};
use super::tags::{self, ADDRESS, STACK, Tags};
use super::{private_zone, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// A record set in a hosted zone. It carries no tags: a TXT record beside it, whose name begins with `_lakewright-`, says whose it
/// is. One that was there before is taken over as it is, and stays when it leaves the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The zone's id, `${private_zone.main.id}`.
    #[schemars(regex(pattern = r"^Z[A-Z0-9]{1,31}$"))]
    pub zone: String,
    /// The whole name, as in `kibana.shop.internal`; `*` in the place of its first part stands for all names that have no record.
    #[schemars(regex(pattern = r"^(\*\.)?([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?$"), length(max = 255))]
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["A", "AAAA", "CAA", "CNAME", "MX", "SRV", "TXT"]))]
    pub kind: String,
    /// How many seconds resolvers may keep an answer. Default: 300.
    #[serde(default = "ttl")]
    #[schemars(range(max = 2_147_483_647))]
    pub ttl: u32,
    /// The values, as Route 53 takes them: `10.0.0.1`, `"a text in quotes"`.
    #[schemars(length(min = 1), inner(length(min = 1, max = 4000)))]
    pub values: Vec<String>,
}

fn ttl() -> u32 {
    300
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
/// How long all name servers take to learn of a change, with a margin: a minute is usual.
const IN_SYNC: Duration = Duration::from_mins(10);

/// The kind.
#[derive(Debug)]
pub struct Record;

#[async_trait]
impl Kind for Record {
    describes!("record", "a record set in a hosted zone", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        // The first ten thousand of a zone are part of its price.
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        ["zone", "name", "type"].iter().any(|field| differs(live, spec, field))
    }

    fn consequences(&self, action: Action, _changed: &[&str], live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update => vec![format!("resolvers may give the old answer for {} s", live["ttl"])],
            _ => Vec::new(),
        }
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(40); 3]
    }

    fn beside(&self) -> &'static [&'static str] {
        &["private_zone"]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let wanted_zones = wanted.iter().filter(|one| one.address.kind == "private_zone");
        let wanted_zones: Vec<Wanted<'_>> = wanted_zones.copied().collect();
        let own = private_zone::own(context, &wanted_zones).await?;
        let wanted = wanted.iter().filter(|one| one.address.kind == "record");
        let ids_of = |one: &Wanted<'_>| -> Vec<String> {
            let zone = text(one.spec, "zone");
            reference(zone).map_or_else(
                || vec![zone.to_owned()],
                |address| own.iter().filter(|zone| zone.address == address).map(|zone| zone.id.clone()).collect(),
            )
        };
        let mut zones: BTreeMap<String, Vec<&Wanted<'_>>> =
            own.iter().map(|zone| (zone.id.clone(), Vec::new())).collect();
        for one in wanted {
            for id in ids_of(one) {
                zones.entry(id).or_default().push(one);
            }
        }
        let mut found = Vec::new();
        for (id, wanted) in zones {
            let is_own = own.iter().any(|zone| zone.id == id);
            let sets = if is_own { private_zone::records(context, &id).await? } else { of_zone(context, &id).await? };
            let mut meant: BTreeMap<(String, String), Address> = owned(context, &sets);
            meant.extend(wanted.iter().map(|one| {
                let place = (text(one.spec, "name").to_owned(), text(one.spec, "type").to_owned());
                (place, one.address.clone())
            }));
            for ((name, kind), address) in meant {
                if let Some(set) = among(&sets, &name, &kind) {
                    found.push(live(&address, &id, set)?);
                }
            }
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        put(context, address, &typed(spec)?).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        put(context, &live.address, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        // Route 53 deletes a set that is described as it is, and no other.
        let sets = of_zone(context, &spec.zone).await?;
        let owner =
            among(&sets, &owner_name(&spec.name, &spec.kind), "TXT").filter(|set| owner(context, set).is_some());
        let gone: Vec<_> = among(&sets, &spec.name, &spec.kind).into_iter().chain(owner).cloned().collect();
        if !gone.is_empty() {
            let changes = gone.into_iter().map(|set| (ChangeAction::Delete, set));
            wait::found(change(context, &spec.zone, changes).await)?;
        }
        Ok(())
    }

    fn is_tagless(&self) -> bool {
        true
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        // Only whose it is has a place: it may get another address, and what was applied last is remembered beside the lease.
        let Some((_, address)) = tags.iter().find(|(key, _)| *key == ADDRESS) else { return Ok(()) };
        let address: Address = address.parse().map_err(|error: String| anyhow!(error))?;
        let parts = outcome.id.split_once('/').and_then(|(zone, rest)| Some((zone, rest.rsplit_once('/')?)));
        let (zone, (name, kind)) = parts.ok_or_else(|| anyhow!("`{}` is no id of a record", outcome.id))?;
        let owner = owner_set(context, &address, name, kind)?;
        change(context, zone, [(ChangeAction::Upsert, owner)]).await?;
        Ok(())
    }
}

/// A name as stack files have it: in lower case, without a dot at its end, and without Route 53's escapes of what needs none.
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

fn among<'a>(sets: &'a [ResourceRecordSet], name: &str, kind: &str) -> Option<&'a ResourceRecordSet> {
    sets.iter().find(|set| plain(set.name()) == name && set.r#type().as_str() == kind)
}

/// What the names of records begin with that say whose others are.
const OWNER: &str = "_lakewright-";
/// The longest domain name, without the dot at its end.
const LONGEST: usize = 253;

/// The name of the TXT record that says whose a record is.
fn owner_name(name: &str, kind: &str) -> String {
    let kind = kind.to_lowercase();
    match name.strip_prefix("*.") {
        // A star stands for something at the beginning of a name only.
        Some(rest) => format!("{OWNER}any-{kind}.{rest}"),
        None => format!("{OWNER}{kind}.{name}"),
    }
}

/// The address that an owner's record states, and the name and type of the record that it is for; none if it is none of this stack's.
fn owner(context: &Context, set: &ResourceRecordSet) -> Option<((String, String), Address)> {
    if set.r#type().as_str() != "TXT" {
        return None;
    }
    let name = plain(set.name());
    let (kind, rest) = name.strip_prefix(OWNER)?.split_once('.')?;
    let place = match kind.strip_prefix("any-") {
        Some(kind) => (format!("*.{rest}"), kind.to_uppercase()),
        None => (rest.to_owned(), kind.to_uppercase()),
    };
    let [value] = set.resource_records() else { return None };
    let mut words = value.value().trim_matches('"').split(' ').filter_map(|word| word.split_once('='));
    let tags: Tags = words.by_ref().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Some((place, tags::address(context, "record", &tags)?))
}

/// What the owners' records among them say is this stack's: addresses by name and type.
pub(super) fn owned(context: &Context, sets: &[ResourceRecordSet]) -> BTreeMap<(String, String), Address> {
    sets.iter().filter_map(|set| owner(context, set)).collect()
}

/// Whether the record says whose another is, and that this one is the stack's.
pub(super) fn is_owner(context: &Context, set: &ResourceRecordSet) -> bool {
    owner(context, set).is_some()
}

/// The record that says whose a record is.
fn owner_set(context: &Context, address: &Address, name: &str, kind: &str) -> Result<ResourceRecordSet> {
    let name = owner_name(name, kind);
    let said = format!("\"{STACK}={} {ADDRESS}={address}\"", context.stack);
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(i64::from(ttl()));
    Ok(set.resource_records(ResourceRecord::builder().value(said).build()?).build()?)
}

fn live(address: &Address, zone: &str, set: &ResourceRecordSet) -> Result<Live> {
    let values: BTreeSet<String> = set.resource_records().iter().map(|record| record.value().to_owned()).collect();
    let spec = Spec {
        zone: zone.to_owned(),
        name: plain(set.name().needed("route53", "ResourceRecordSet.Name")?),
        kind: set.r#type().as_str().to_owned(),
        // An alias has neither: it is changed into what the file says.
        ttl: u32::try_from(set.ttl().unwrap_or_default())?,
        values: values.into_iter().collect(),
    };
    Ok(tags::live(address.clone(), &Tags::new(), &id(&spec), value(&spec), &[("name", &spec.name)]))
}

fn id(spec: &Spec) -> String {
    format!("{}/{}/{}", spec.zone, spec.name, spec.kind)
}

async fn put(context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
    let value = |value: &String| ResourceRecord::builder().value(value).build();
    let values = spec.values.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let set = ResourceRecordSet::builder().name(&spec.name).r#type(RrType::from(spec.kind.as_str()));
    let set = set.ttl(i64::from(spec.ttl)).set_resource_records(Some(values)).build()?;
    // Both or none, so that nothing of the stack's is left that says not whose it is.
    let sets = [set, owner_set(context, address, &spec.name, &spec.kind)?];
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

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.name = plain(&spec.name);
    let values: BTreeSet<String> = std::mem::take(&mut spec.values).into_iter().collect();
    spec.values = values.into_iter().collect();
    if spec.values.is_empty() {
        bail!("the record {} {} has no values", spec.kind, spec.name);
    }
    if owner_name(&spec.name, &spec.kind).len() > LONGEST {
        bail!("the name {} is too long: another record beside it says whose it is, and has a longer one", spec.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_written_in_one_way() {
        let spec = json!({"zone": "Z1", "name": "Kibana.Shop.Internal.", "type": "A", "values": ["10.0.0.2", "10.0.0.1", "10.0.0.2"]});
        let normal = Record.normalise(&spec).expect("a record");
        assert_eq!(
            normal,
            json!({"zone": "Z1", "name": "kibana.shop.internal", "type": "A", "ttl": 300, "values": ["10.0.0.1", "10.0.0.2"]})
        );
        assert!(Record.normalise(&json!({"zone": "Z1", "name": "a.b", "type": "A", "values": []})).is_err());
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
            let set = owner_set(&context, &address, name, "A").expect("a record set");
            assert_eq!(set.name(), beside);
            assert_eq!(set.resource_records()[0].value(), "\"lakewright:stack=shop lakewright:address=record.kibana\"");
            let place = (name.to_owned(), "A".to_owned());
            assert_eq!(owner(&context, &set), Some((place, address.clone())));
            let others = Context { stack: "another".to_owned(), ..context.clone() };
            assert_eq!(owner(&others, &set), None);
        }
    }

    #[test]
    fn an_alias_is_read_as_something_that_has_no_values() {
        let set = ResourceRecordSet::builder().name("a.shop.internal.").r#type(RrType::A).build().expect("whole");
        let live = live(&Address::new("record", "a"), "Z1", &set).expect("readable");
        assert_eq!((live.spec["ttl"].clone(), live.spec["values"].clone()), (json!(0), json!([])));
        assert_eq!(live.id, "Z1/a.shop.internal/A");
    }
}
