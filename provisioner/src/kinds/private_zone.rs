//! `private_zone`: a hosted zone of Route 53 whose names only a VPC resolves.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_route53::types::{ChangeAction, HostedZoneConfig, ResourceRecordSet, Tag, TagResourceType, Vpc};
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{One, each};
use super::record_sets::{self, Meant, RecordType};
use super::spec::{compared, in_place, reference, replaces};
use super::tags::{self, ADDRESS, Tags};
use super::values::text;
use super::{among, tag_lists, wait};
use crate::charge::Others;
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

mod find;
mod making;

use find::{described, tags_of};
pub(super) use find::{own, records};
use making::made;

text!(
    /// A domain, with or without a dot at its end.
    Domain,
    r"^([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?$"
);
text!(
    /// A VPC whose resolvers know a zone.
    ZoneVpc,
    r"^vpc-[0-9a-f]{1,17}$"
);
text!(
    /// A name under a zone's domain, without the domain.
    HostName,
    r"^([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}$"
);

/// A hosted zone of Route 53 whose names only a VPC resolves; the VPC needs `dns_support` and `dns_hostnames`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The domain, as in `shop.internal`.
    #[schemars(length(max = 255))]
    pub name: Domain,
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: ZoneVpc,
    /// What people should know of it. Default: nothing.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub comment: Option<String>,
    /// Names under the domain, as in `search`, whose A records hosts write by themselves: they are never compared, and
    /// deleted with the zone. Default: none.
    #[serde(default)]
    #[schemars(inner(length(max = 255)))]
    pub host_records: Vec<HostName>,
}

const FIELDS: &[Field] =
    &[replaces("name"), replaces("vpc"), in_place("comment"), compared(in_place("host_records"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["id", "arn", "name"];
const ACTIONS: &[&str] = &[
    "route53:CreateHostedZone",
    "route53:DeleteHostedZone",
    "route53:GetHostedZone",
    "route53:ListHostedZonesByName",
    "route53:UpdateHostedZoneComment",
    "route53:ListResourceRecordSets",
    "route53:ChangeResourceRecordSets",
    "route53:ChangeTagsForResource",
    "route53:ListTagsForResources",
    // In the caller's name: Route 53 looks whether the VPC is there.
    "ec2:DescribeVpcs",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("arn", "route53:::hostedzone/*"), ("domain", "{name:domain}"), ("domain", "*.{name:domain}")];
const FACTS: Facts = Facts {
    beside: &["record"],
    tag_types_everywhere: &["route53:hostedzone"],
    arns: ARNS,
    rights: super::rights::network::DOMAINS,
    billing: Billing::Monthly("route53.zone.month", 1.0, "the names that are asked for"),
    ..Facts::of("private_zone", "a private hosted zone of Route 53", FIELDS, OUTPUTS, ACTIONS)
};
/// The tag that holds `host_records`, which Route 53 has no place for.
const HOST_RECORDS: &str = "lakewright:host-records";
/// The kind.
#[derive(Debug)]
pub struct PrivateZone;

#[async_trait]
impl Kind for PrivateZone {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.name = record_sets::plain(&spec.name).into();
        spec.comment = spec.comment.take().filter(|comment| !comment.is_empty());
        let names: BTreeSet<String> = spec.host_records.iter().map(|name| name.to_lowercase()).collect();
        spec.host_records = names.into_iter().map(Into::into).collect();
        // They stand in one tag.
        let names = joined(&spec.host_records);
        if names.len() > 256 && !names.contains("${") {
            bail!("host_records takes more than 256 characters together, which a tag of the zone can't hold");
        }
        Ok(())
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            let same = !self.coexists(theirs, spec);
            same.then(|| format!("`{other}` is a zone of {} in the same VPC, which has one of a domain", spec.name))
        })
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.name != spec.name || live.vpc != spec.vpc
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        match (step.action, step.live) {
            (Action::Delete, Some(live)) => vec![format!("names under {} are no longer found", live.name)],
            (Action::Replace, Some(live)) if !live.host_records.is_empty() => {
                vec!["hosts write their names into the new zone when they next boot with its id".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find_among(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Spec>],
        beside: &[Wanted<'_>],
    ) -> Result<Vec<Found<Spec>>> {
        let wanted = wanted.iter().map(|one| (one.address.clone(), one.spec.name.to_string())).collect();
        let own = own(context, wanted).await?;
        let records = beside.iter().map(|one| Meant::deserialize(one.spec));
        let records: Vec<Meant> = records.collect::<Result<_, _>>()?;
        let reads = own.iter().map(|zone| {
            let is_here = |one: &&Meant| one.zone == zone.id || reference(&one.zone).as_ref() == Some(&zone.address);
            let here = records.iter().filter(is_here);
            let named = here.map(|one| (one.name.clone(), one.kind)).collect();
            let read = read(context, &zone.id, &zone.tags, named);
            One { address: Some(zone.address.clone()), id: zone.id.clone(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let (id, is_new) = made(context, address, spec).await?;
        // Before anything else: without its tags nobody would find it.
        let mut tags = tag_lists::owned::<Tag>(context, address);
        tags.extend(host_records_tag(spec));
        let call = context.aws.route53().change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
        let call = call.resource_id(&id).set_add_tags(Some(tags));
        wait::visible(context, || ask(call.clone().send())).await?;
        if !is_new {
            set_comment(context, &id, spec).await?;
        }
        Ok(outcome(context, &id, spec))
    }

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        if changed.iter().any(|field| field == "comment") {
            set_comment(context, &live.id, spec).await?;
        }
        if changed.iter().any(|field| field == "host_records") {
            let call = context.aws.route53().change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
            let call = match host_records_tag(spec) {
                Some(tag) => call.add_tags(tag),
                None => call.remove_tag_keys(HOST_RECORDS),
            };
            ask(call.resource_id(&live.id).send()).await?;
        }
        Ok(outcome(context, &live.id, spec))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let spec = &live.spec;
        let sets = record_sets::of_zone(context, &live.id).await?;
        let owned = record_sets::owned(context, &sets);
        let is_own = |set: &&ResourceRecordSet| {
            is_of_host(set, spec)
                || record_sets::is_owner(context, set)
                || record_sets::place(set).is_some_and(|place| owned.contains_key(&place))
        };
        let (own, others): (Vec<_>, Vec<_>) = sets.iter().filter(|set| !is_born(set, spec)).partition(is_own);
        if !others.is_empty() {
            let names: Vec<String> = others.iter().map(|set| shown(set)).collect();
            bail!(
                "the zone {} holds records that aren't this stack's: {}; delete them, or take the zone's tags \
                 lakewright:stack and {ADDRESS} away to keep it",
                spec.name,
                names.join(", ")
            );
        }
        if !own.is_empty() {
            record_sets::change(context, &live.id, own.into_iter().map(|set| (ChangeAction::Delete, set.clone())))
                .await?;
        }
        wait::found(ask(context.aws.route53().delete_hosted_zone().id(&live.id).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let id = bare(id);
        let known = tags_of(context, &[id.to_owned()]).await?;
        let Some(tags) = known.get(id) else { return Ok(None) };
        let tags = tags::claimed(context, address, id, tags.clone())?;
        read(context, id, &tags, BTreeSet::new()).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.route53().change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
        let call = call.resource_id(&outcome.id).set_add_tags(Some(tag_lists::written(tags)));
        ask(call.send()).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let call = context.aws.route53().change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
        let call = call.resource_id(&outcome.id).set_remove_tag_keys(Some(tag_lists::keys(keys)));
        ask(call.send()).await?;
        Ok(())
    }
}

/// An id without what Route 53 writes before it.
fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn arn(context: &Context, id: &str) -> String {
    context.site().unowned("route53", &format!("hostedzone/{id}"))
}

fn outcome(context: &Context, id: &str, spec: &Spec) -> Outcome {
    tags::outcome(id, &[("id", id), ("arn", &arn(context, id)), ("name", &spec.name)])
}

fn joined(names: &[HostName]) -> String {
    names.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")
}

/// The tag with the names that hosts write; none if there are none.
fn host_records_tag(spec: &Spec) -> Option<Tag> {
    let names = joined(&spec.host_records);
    (!names.is_empty()).then(|| Tag::builder().key(HOST_RECORDS).value(names).build())
}

async fn set_comment(context: &Context, id: &str, spec: &Spec) -> Result<()> {
    let call = context.aws.route53().update_hosted_zone_comment().id(id).set_comment(spec.comment.clone());
    wait::visible(context, || ask(call.clone().send())).await?;
    Ok(())
}

/// Reads a zone; `named` are the names and types of the records that the stack's file has in it.
async fn read(
    context: &Context,
    id: &str,
    tags: &Tags,
    named: BTreeSet<(String, RecordType)>,
) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "private_zone", tags) else { return Ok(None) };
    let answer = described(context, id).await?;
    // The tagging API lists it for a while after it is gone.
    let Some(answer) = &*answer else { return Ok(None) };
    let zone = answer.hosted_zone().needed("route53", "GetHostedZone.HostedZone")?;
    let mut vpcs = answer.vpcs().iter();
    let vpc = vpcs.next().and_then(Vpc::vpc_id).needed("route53", "VPC.VPCId")?.into();
    let comment = zone.config().and_then(HostedZoneConfig::comment).filter(|comment| !comment.is_empty());
    let hosts = tags.get(HOST_RECORDS).map(String::as_str).unwrap_or_default();
    let spec = Spec {
        name: record_sets::plain(zone.name().needed("route53", "HostedZone.Name")?).into(),
        vpc,
        comment: comment.map(str::to_owned),
        host_records: hosts.split_whitespace().map(Into::into).collect(),
    };
    let sets = records(context, id).await?;
    let owned = record_sets::owned(context, &sets);
    let is_own = |set: &ResourceRecordSet| {
        is_of_host(set, &spec)
            || record_sets::is_owner(context, set)
            || record_sets::place(set).is_some_and(|place| owned.contains_key(&place) || named.contains(&place))
    };
    let others = sets.iter().filter(|set| !is_born(set, &spec) && !is_own(set));
    let others = others.map(|set| format!("the record {}", shown(set)));
    let vpcs = vpcs.filter_map(Vpc::vpc_id).map(|vpc| format!("the association with {vpc}"));
    let foreign = others.chain(vpcs).collect();
    let outputs = outcome(context, id, &spec).outputs;
    Ok(Some(Found { outputs, foreign, ..tags::found(address, tags, id, spec, &[]) }))
}

fn shown(set: &ResourceRecordSet) -> String {
    format!("{} {}", set.r#type().as_str(), record_sets::plain(set.name()))
}

/// Whether every zone has such a record set from its beginning to its end.
fn is_born(set: &ResourceRecordSet, spec: &Spec) -> bool {
    spec.name == *record_sets::plain(set.name()) && matches!(set.r#type().as_str(), "NS" | "SOA")
}

/// Whether hosts write the record set.
fn is_of_host(set: &ResourceRecordSet, spec: &Spec) -> bool {
    let name = record_sets::plain(set.name());
    let label = name.strip_suffix(spec.name.as_str()).and_then(|label| label.strip_suffix('.'));
    set.r#type().as_str() == "A" && label.is_some_and(|label| spec.host_records.iter().any(|one| one == label))
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::RrType;
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn a_domain_and_its_names_are_written_in_one_way() {
        let spec = json!({
            "name": "Shop.Internal.", "vpc": "vpc-1", "comment": "", "host_records": ["search", "Kibana", "search"],
        });
        let normal = PrivateZone.normalise(&spec).expect("a zone");
        assert_eq!(
            normal,
            json!({"name": "shop.internal", "vpc": "vpc-1", "comment": null, "host_records": ["kibana", "search"]})
        );
        let many: Vec<String> = (0..30).map(|at| format!("host-number-{at}")).collect();
        let refused = PrivateZone.normalise(&json!({"name": "a.b", "vpc": "vpc-1", "host_records": many}));
        assert!(refused.expect_err("too many").to_string().contains("256"));
    }

    #[test]
    fn records_are_told_apart() {
        let spec = Spec {
            name: "shop.internal".into(),
            vpc: "vpc-1".into(),
            comment: None,
            host_records: vec!["search".into()],
        };
        let set = |name: &str, kind: &str| {
            ResourceRecordSet::builder().name(name).r#type(RrType::from(kind)).build().expect("name and type are given")
        };
        assert!(is_born(&set("shop.internal.", "NS"), &spec) && is_born(&set("shop.internal.", "SOA"), &spec));
        assert!(!is_born(&set("shop.internal.", "A"), &spec) && !is_born(&set("a.shop.internal.", "NS"), &spec));
        assert!(is_of_host(&set("search.shop.internal.", "A"), &spec));
        for (name, kind) in [
            ("search.shop.internal.", "AAAA"),
            ("a.search.shop.internal.", "A"),
            ("research.shop.internal.", "A"),
            ("shop.internal.", "A"),
        ] {
            assert!(!is_of_host(&set(name, kind), &spec), "{kind} {name}");
        }
    }
}
