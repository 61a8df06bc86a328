//! Which private zones are the stack's, and what Route 53 says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneOutput;
use aws_sdk_route53::types::{HostedZone, HostedZoneConfig, ResourceRecordSet, TagResourceType};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask};

use super::bare;
use crate::kind::Context;
use crate::kinds::tags::{self, Tags};
use crate::kinds::{record_sets, tag_lists, tagged, wait};
use crate::reading::OwnZone;
use crate::resource::Address;
use crate::services::Services as _;

/// The most zones whose tags one request returns.
const MOST_TAGGED: usize = 10;

/// The stack's zones: those that the tagging API knows, and of those that it doesn't list yet the wanted ones, by their
/// addresses and domains.
pub(in crate::kinds) async fn own(context: &Context, wanted: BTreeSet<(Address, String)>) -> Result<Arc<Vec<OwnZone>>> {
    let asked = Box::pin(all(context, &wanted));
    context.reading.of(|queries| &queries.zones, wanted.clone(), asked).await
}

async fn all(context: &Context, wanted: &BTreeSet<(Address, String)>) -> Result<Vec<OwnZone>> {
    let own = |id: &str, tags: Tags| {
        let address = tags::address(context, "private_zone", &tags)?;
        Some(OwnZone { address, id: id.to_owned(), tags })
    };
    let tagged = tagged::everywhere(context, "route53").await?;
    let tagged: Vec<OwnZone> = tagged.into_iter().filter_map(|(arn, tags)| own(bare(&arn), tags)).collect();
    let described = try_join_all(tagged.iter().map(|zone| described(context, &zone.id))).await?;
    let mut found: Vec<OwnZone> = Vec::new();
    let mut listed: BTreeSet<(Address, String)> = BTreeSet::new();
    for (zone, described) in tagged.into_iter().zip(described) {
        // One that is gone is listed for a while, and may have a successor that isn't listed yet.
        let Some(name) = described.as_ref().as_ref().and_then(|answer| answer.hosted_zone()).map(HostedZone::name)
        else {
            continue;
        };
        listed.insert((zone.address.clone(), record_sets::plain(name)));
        found.push(zone);
    }
    let names: BTreeSet<&str> = wanted.difference(&listed).map(|(_, name)| name.as_str()).collect();
    let mut ids = Vec::new();
    for name in names {
        ids.extend(of_domain(context, name).await?.iter().map(|zone| bare(zone.id()).to_owned()));
    }
    ids.retain(|id| found.iter().all(|zone| zone.id != *id));
    for (id, tags) in tags_of(context, &ids).await? {
        found.extend(own(&id, tags));
    }
    Ok(found)
}

/// The private zones of exactly that domain, whoever they belong to.
pub(super) async fn of_domain(context: &Context, name: &str) -> Result<Vec<HostedZone>> {
    let mut all = Vec::new();
    let (mut domain, mut id) = (name.to_owned(), None);
    loop {
        let call = context.aws.route53().list_hosted_zones_by_name().dns_name(domain);
        let page = ask(call.set_hosted_zone_id(id).send()).await?;
        let is_one = |zone: &&HostedZone| {
            record_sets::plain(zone.name()) == name && zone.config().is_some_and(HostedZoneConfig::private_zone)
        };
        all.extend(page.hosted_zones().iter().filter(is_one).cloned());
        match page.next_dns_name {
            Some(next) if page.is_truncated && record_sets::plain(&next) == name => {
                (domain, id) = (next, page.next_hosted_zone_id);
            }
            _ => return Ok(all),
        }
    }
}

/// The tags of zones by id. Where one of several is just being deleted each is asked, and that one is missing.
pub(super) async fn tags_of(context: &Context, ids: &[String]) -> Result<BTreeMap<String, Tags>> {
    let mut all = BTreeMap::new();
    for ids in ids.chunks(MOST_TAGGED) {
        let call = context.aws.route53().list_tags_for_resources().resource_type(TagResourceType::Hostedzone);
        let sets = match wait::found(ask(call.clone().set_resource_ids(Some(ids.to_vec())).send()).await)? {
            Some(answer) => answer.resource_tag_sets,
            None if ids.len() == 1 => Vec::new(),
            None => {
                let one = async |id: &String| wait::found(ask(call.clone().resource_ids(id).send()).await);
                let each = ids.iter().map(one);
                try_join_all(each).await?.into_iter().flatten().flat_map(|answer| answer.resource_tag_sets).collect()
            }
        };
        for set in sets {
            let id = set.resource_id().needed("route53", "ResourceTagSet.ResourceId")?.to_owned();
            all.insert(id, tag_lists::read(set.tags()));
        }
    }
    Ok(all)
}

/// What Route 53 says of a zone; none if it isn't there.
pub(super) async fn described(context: &Context, id: &str) -> Result<Arc<Option<GetHostedZoneOutput>>, Error> {
    let asked = async { wait::found(ask(context.aws.route53().get_hosted_zone().id(id).send()).await) };
    context.reading.of(|queries| &queries.described_zones, id.to_owned(), asked).await
}

/// The record sets of one of the stack's zones, without asking if it has none but the two that every zone is born
/// with.
pub(in crate::kinds) async fn records(context: &Context, id: &str) -> Result<Arc<Vec<ResourceRecordSet>>> {
    let described = described(context, id).await?;
    let zone = described.as_ref().as_ref().and_then(GetHostedZoneOutput::hosted_zone);
    match zone.and_then(HostedZone::resource_record_set_count) {
        Some(count) if count <= 2 => Ok(Arc::default()),
        _ => record_sets::of_zone(context, id).await,
    }
}
