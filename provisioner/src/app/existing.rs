//! What a stack file says is there already, and isn't the stack's: a network, a Kafka cluster with what it holds.

use anyhow::{Context as _, Result};
use aws_sdk_kafka::types::{Cluster, ClusterState, ClusterType};
use futures::future::OptionFuture;
use lakewright_aws::{Needed as _, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Filter, Subnet};

use crate::kind::applied::was_applied;
use crate::kind::{AnyKind, Context};
use crate::kinds;
use crate::kinds::msk::{self, ways};
use crate::lease::Memory;
use crate::resource::{Address, Desired, Live};
use crate::stack::{Authentication, Diagnostic, Existing, Kafka, Stack};

/// What a stack uses and others have.
#[derive(Debug, Clone, Default)]
pub struct Borrowed {
    network: Option<Existing>,
    kafka: Option<Kafka>,
}

impl Borrowed {
    /// What the stack file names.
    pub fn of(stack: &Stack) -> Self {
        let kafka = stack.file.kafka.clone().filter(|kafka| kafka.existing.is_some());
        Self { network: stack.file.network.existing.clone(), kafka }
    }

    /// What the stack file says wrongly of it: a request for each, and one more if nothing of the network is there.
    pub async fn mistakes(&self, context: &Context) -> Result<Vec<Diagnostic>> {
        let network = self.network.as_ref().map(|network| network_mistakes(context, network));
        let kafka = self.kafka.as_ref().map(|kafka| cluster_mistakes(context, kafka));
        let (network, kafka) = tokio::join!(OptionFuture::from(network), OptionFuture::from(kafka));
        let mut mistakes =
            network.transpose().context("look for the network that is there already")?.unwrap_or_default();
        mistakes.extend(kafka.transpose().context("look for the cluster that is there already")?.unwrap_or_default());
        Ok(mistakes)
    }
}

/// What stands on clusters of others and isn't known to be the stack's, for it carries no tags: only the stack's memory
/// says what it made there, or was about to make. Of what a cluster has one of, whoever uses it, such as an
/// association, only what the stack doesn't name.
pub fn of_others(desired: &Desired, live: &[Live], memory: &Memory) -> Vec<Address> {
    let is_strange = |one: &&Live| {
        let kind = kinds::named(&one.address.kind);
        let Some((kind, (container, field))) = kind.and_then(|kind| Some((kind, kind.facts().contained_in?))) else {
            return false;
        };
        let within = one.spec[field].as_str();
        let is_lent = !live.iter().any(|own| own.address.kind == container && Some(own.id.as_str()) == within);
        let is_the_only_one = kind.facts().identified_by == [field];
        let is_wanted = desired.resources.iter().any(|wanted| wanted.address == one.address);
        is_lent && !(is_the_only_one && is_wanted) && !is_known(desired, kind, one, memory)
    };
    live.iter().filter(is_strange).map(|one| one.address.clone()).collect()
}

/// Whether the stack remembers that it made it, for this address or a former one. Documents of the version before had no
/// identifiers: there it must be where it is and under its very name by the hashes of these.
fn is_known(desired: &Desired, kind: &dyn AnyKind, live: &Live, memory: &Memory) -> bool {
    if memory.lists(kind.name(), &live.id) {
        return true;
    }
    let former = desired.moved.iter().filter(|moved| moved.to == live.address).map(|moved| &moved.from);
    former.chain([&live.address]).any(|address| {
        let recorded = memory.applied.get(address).map(String::as_str);
        let same = |name: &&str| {
            let field = kind.fields().iter().find(|field| field.name == *name);
            field.and_then(|field| was_applied(kind.facts(), field, &live.spec[*name], recorded)) == Some(true)
        };
        memory.may_have_made(address) || kind.facts().identified_by.iter().all(same)
    })
}

/// That the stack would take over what it didn't make.
pub fn not_ours(desired: &Desired, address: &Address) -> Option<Diagnostic> {
    let resource = desired.resources.iter().find(|one| one.address == *address)?;
    let facts = kinds::named(&address.kind)?.facts();
    let container = facts.contained_in.map(|(_, field)| field);
    let name = facts.identified_by.iter().find(|field| Some(**field) != container);
    let name = name.and_then(|field| resource.spec[*field].as_str()).unwrap_or_default();
    let kind = &address.kind;
    let title = format!("the {kind} `{name}` is there already, and this stack didn't make it");
    Some(Diagnostic::new(resource.span.clone()?, title, "others may need it").help(format!(
        "write `existing = true` to use it as it is, or give it another `name`; to make it the stack's, which then \
         changes and deletes it: `lakewright adopt {address} ARN`, with the {kind}'s ARN"
    )))
}

/// What the stack file says wrongly of an existing cluster.
async fn cluster_mistakes(context: &Context, kafka: &Kafka) -> Result<Vec<Diagnostic>> {
    let Some(existing) = &kafka.existing else { return Ok(Vec::new()) };
    let (arn, span) = (existing.arn.as_str(), &existing.arn.span);
    let Some(cluster) = &msk::describe(context, arn).await? else {
        return Ok(vec![missing("the cluster", arn, span, context)]);
    };
    if cluster.state() == Some(&ClusterState::Deleting) {
        let title = format!("the cluster `{arn}` is being deleted");
        return Ok(vec![Diagnostic::new(span.clone(), title, "soon nobody can use it")]);
    }
    let name = cluster.cluster_name().needed("kafka", "Cluster.ClusterName")?;
    let is_serverless = *cluster.cluster_type().needed("kafka", "Cluster.ClusterType")? == ClusterType::Serverless;
    if is_serverless != kafka.is_serverless() {
        let (is, write) = if is_serverless { ("serverless", "serverless") } else { ("not serverless", "provisioned") };
        let title = format!("the cluster `{name}` is {is}");
        let label = "agents make a serverless cluster's topics, the stack those of others";
        let fix = format!("write `type = \"{write}\"` under [kafka]");
        return Ok(vec![Diagnostic::new(span.clone(), title, label).help(fix)]);
    }
    let (taken, ways) = (taken(cluster), kafka.ways());
    let Some(way) = ways.first().filter(|way| !taken.contains(way)) else { return Ok(Vec::new()) };
    let title = format!("the cluster `{name}` doesn't take `{}`", way.word());
    let others: Vec<String> = taken.iter().map(|way| format!("`authentication = \"{}\"`", way.word())).collect();
    let fix = if others.is_empty() {
        "ask whoever it belongs to".to_owned()
    } else {
        format!("write {} under [kafka]", others.join(" or "))
    };
    Ok(vec![Diagnostic::new(span.clone(), title, "agents couldn't log in").help(fix)])
}

/// The ways to log in that a cluster takes and agents know.
fn taken(cluster: &Cluster) -> Vec<Authentication> {
    [
        (Authentication::Iam, ways::iam(cluster)),
        (Authentication::Scram, ways::scram(cluster)),
        // A cluster that was made before the choice has none written, and lets everybody in.
        (Authentication::None, ways::unauthenticated(cluster) || ways::are_unsaid(cluster)),
    ]
    .into_iter()
    .filter_map(|(way, taken)| taken.then_some(way))
    .collect()
}

/// What the stack file says wrongly of an existing network: one request, a second one if nothing of it is there.
async fn network_mistakes(context: &Context, existing: &Existing) -> Result<Vec<Diagnostic>> {
    let ids = existing.subnets.iter().map(|subnet| subnet.value.as_str().to_owned()).collect();
    // A filter, other than a list of ids, returns all that are there when one isn't.
    let call = context.aws.ec2().describe_subnets().filters(filter("subnet-id", ids));
    let found: Vec<Subnet> = ask_all(call.into_paginator().items().send()).await?;
    let mut mistakes = Vec::new();
    let vpc = existing.vpc.as_str();
    if found.is_empty() && !is_there(context, vpc).await? {
        mistakes.push(missing("the VPC", vpc, &existing.vpc.span, context));
    }
    for subnet in &existing.subnets {
        let (id, span) = (subnet.value.as_str(), &subnet.value.span);
        let Some(one) = found.iter().find(|one| one.subnet_id() == Some(id)) else {
            mistakes.push(missing("the subnet", id, span, context));
            continue;
        };
        let there = one.vpc_id().needed("ec2", "Subnet.VpcId")?;
        let zone = one.availability_zone().needed("ec2", "Subnet.AvailabilityZone")?;
        if there != vpc {
            let title = format!("the subnet `{id}` doesn't stand in the VPC `{vpc}`");
            mistakes.push(Diagnostic::new(span.clone(), title, format!("it stands in {there}")));
        } else if zone != format!("{}{}", context.region, subnet.name) {
            let title = format!("the subnet `{id}` doesn't stand in zone `{}`", subnet.name);
            let letter = zone.strip_prefix(context.region.as_str()).unwrap_or(zone);
            mistakes.push(
                Diagnostic::new(span.clone(), title, format!("it stands in {zone}"))
                    .help(format!("write `{letter} = \"{id}\"`")),
            );
        }
    }
    Ok(mistakes)
}

fn missing(what: &str, id: &str, span: &std::ops::Range<usize>, context: &Context) -> Diagnostic {
    let Context { account, region, .. } = context;
    let title = format!("{what} `{id}` doesn't exist");
    Diagnostic::new(span.clone(), title, format!("not in account {account}, {region}"))
        .help("check the id, the account (AWS_PROFILE) and the region")
}

async fn is_there(context: &Context, vpc: &str) -> Result<bool> {
    let call = context.aws.ec2().describe_vpcs().filters(filter("vpc-id", vec![vpc.to_owned()]));
    Ok(!ask_all(call.into_paginator().items().send()).await?.is_empty())
}

fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::*;
    use crate::kind::applied::hashes;
    use crate::resource::{Condition, Resource};

    fn live(address: &str, id: &str, spec: Value) -> Live {
        Live {
            address: address.parse().expect(address),
            id: id.to_owned(),
            spec,
            observed: Value::Null,
            departures: Vec::new(),
            tags: None,
            parts: Vec::new(),
            outputs: BTreeMap::new(),
            applied: None,
            whose: crate::resource::Whose::Own,
            condition: Condition::Ready,
            foreign: Vec::new(),
            holds: Vec::new(),
            is_empty: false,
        }
    }

    fn wanted(lives: &[Live]) -> Desired {
        let resource = |live: &Live| Resource {
            address: live.address.clone(),
            spec: live.spec.clone(),
            after: BTreeSet::new(),
            tags: BTreeMap::new(),
            span: None,
        };
        Desired {
            stack: "shop".to_owned(),
            resources: lives.iter().map(resource).collect(),
            moved: Vec::new(),
            foreign_buckets: BTreeMap::new(),
            ignore_tags: Vec::new(),
        }
    }

    #[test]
    fn on_a_cluster_of_others_the_memory_tells_what_is_the_stacks() {
        let lives = [
            live("topic.events", "arn:topic", json!({ "cluster": "arn:theirs", "name": "events" })),
            live("scram_association.main", "arn:theirs", json!({ "cluster": "arn:theirs", "secrets": [] })),
            live("bucket.raw", "raw", json!({ "name": "raw" })),
        ];
        let strange = |desired: &Desired, live: &[Live], memory: &Memory| -> Vec<String> {
            of_others(desired, live, memory).iter().map(ToString::to_string).collect()
        };
        let nothing = &Memory::default();
        assert_eq!(strange(&wanted(&[]), &lives, nothing), ["topic.events", "scram_association.main"]);
        // A cluster has one association: a stack that names it takes it over.
        assert_eq!(strange(&wanted(&lives), &lives, nothing), ["topic.events"]);

        let lived = |id: &str| -> Memory {
            serde_json::from_value(json!({ "lived": { "topic.events": { "id": id } } })).expect("a memory")
        };
        assert_eq!(strange(&wanted(&lives), &lives, &lived("arn:topic")), [""; 0]);
        assert_eq!(strange(&wanted(&lives), &lives, &lived("arn:another")), ["topic.events"]);

        // A document of the version before knows hashes of names instead of identifiers.
        let fields = kinds::named("topic").expect("a kind").fields();
        let applied = |spec: &Value| -> Memory {
            let applied = json!({ "topic.events": hashes(fields, spec) });
            serde_json::from_value(json!({ "applied": applied, "former": ["topic.events"] })).expect("a memory")
        };
        assert_eq!(strange(&wanted(&lives), &lives, &applied(&lives[0].spec)), [""; 0]);
        let another = json!({ "cluster": "arn:theirs", "name": "others" });
        assert_eq!(strange(&wanted(&lives), &lives, &applied(&another)), ["topic.events"]);

        let own = [&lives[..], &[live("cluster.main", "arn:theirs", json!({}))]].concat();
        assert_eq!(strange(&wanted(&[]), &own, nothing), [""; 0]);
    }
}
