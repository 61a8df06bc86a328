//! What a stack file says is there already, and isn't the stack's: a network, a Kafka cluster with what it holds.

use anyhow::{Context as _, Result};
use aws_sdk_kafka::types::{Cluster, ClusterState, ClusterType};
use futures::future::OptionFuture;
use lakewright_aws::{Needed as _, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Filter, Subnet};

use crate::kind::Context;
use crate::kinds;
use crate::kinds::msk::{self, ways};
use crate::lease::Document;
use crate::plan::applied::was_applied;
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

/// What stands on clusters of others and isn't known to be the stack's, for it carries no tags: only the lease remembers
/// what the stack made there, or was about to make. Topics that the stack names, and associations that it doesn't.
pub fn of_others(desired: &Desired, live: &[Live], lease: Option<&Document>) -> Vec<Address> {
    let own: Vec<&str> = live.iter().filter(|one| one.address.kind == "cluster").map(|one| one.id.as_str()).collect();
    let lent = live.iter().filter(|one| !one.spec["cluster"].as_str().is_some_and(|cluster| own.contains(&cluster)));
    let strange = lent.filter(|one| match one.address.kind.as_str() {
        "topic" => !is_known(desired, one, &["cluster", "name"], lease),
        "scram_association" => {
            let is_wanted = desired.resources.iter().any(|wanted| wanted.address == one.address);
            !is_wanted && !is_known(desired, one, &["cluster"], lease)
        }
        _ => false,
    });
    strange.map(|one| one.address.clone()).collect()
}

/// Whether the lease remembers that the stack made it with these very fields, under this address or a former one.
fn is_known(desired: &Desired, live: &Live, fields: &[&str], lease: Option<&Document>) -> bool {
    let (Some(lease), Some(kind)) = (lease, kinds::named(&live.address.kind)) else { return false };
    let former = desired.moved.iter().filter(|moved| moved.to == live.address).map(|moved| &moved.from);
    former.chain([&live.address]).any(|address| {
        let recorded = lease.applied.get(address).map(String::as_str);
        let same = |name: &&str| {
            let index = kind.fields().iter().position(|field| field.name == *name);
            index.and_then(|index| was_applied(kind.fields(), index, &live.spec[*name], recorded)) == Some(true)
        };
        lease.intents.contains_key(address) || fields.iter().all(same)
    })
}

/// That the stack would take over a topic which it didn't make.
pub fn not_ours(desired: &Desired, address: &Address) -> Option<Diagnostic> {
    let resource = desired.resources.iter().find(|one| one.address == *address)?;
    let name = resource.spec["name"].as_str().unwrap_or_default();
    let title = format!("the topic `{name}` is there already, and this stack didn't make it");
    Some(Diagnostic::new(resource.span.clone()?, title, "others may need it").help(format!(
        "write `existing = true` to use it as it is, or give it another `name`; to make it the stack's, which then \
         changes and deletes it: `lakewright adopt {address} ARN`, with the topic's ARN"
    )))
}

/// What the stack file says wrongly of an existing cluster.
async fn cluster_mistakes(context: &Context, kafka: &Kafka) -> Result<Vec<Diagnostic>> {
    let Some(existing) = &kafka.existing else { return Ok(Vec::new()) };
    let (arn, span) = (existing.arn.as_str(), &existing.arn.span);
    let Some(cluster) = &msk::describe(context, arn).await? else {
        return Ok(vec![missing("cluster", arn, span, context)]);
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
        let cure = format!("write `type = \"{write}\"` under [kafka]");
        return Ok(vec![Diagnostic::new(span.clone(), title, label).help(cure)]);
    }
    let (taken, ways) = (taken(cluster), kafka.ways());
    let Some(way) = ways.first().filter(|way| !taken.contains(way)) else { return Ok(Vec::new()) };
    let title = format!("the cluster `{name}` doesn't take `{}`", way.word());
    let others: Vec<String> = taken.iter().map(|way| format!("`authentication = \"{}\"`", way.word())).collect();
    let cure = if others.is_empty() {
        "ask whoever it belongs to".to_owned()
    } else {
        format!("write {} under [kafka]", others.join(" or "))
    };
    Ok(vec![Diagnostic::new(span.clone(), title, "agents couldn't log in").help(cure)])
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
    // A filter, other than a list of ids, tells of all that are there when one isn't.
    let call = context.aws.ec2().describe_subnets().filters(filter("subnet-id", ids));
    let found: Vec<Subnet> = ask_all(call.into_paginator().items().send()).await?;
    let mut mistakes = Vec::new();
    let vpc = existing.vpc.as_str();
    if found.is_empty() && !is_there(context, vpc).await? {
        mistakes.push(missing("VPC", vpc, &existing.vpc.span, context));
    }
    for subnet in &existing.subnets {
        let (id, span) = (subnet.value.as_str(), &subnet.value.span);
        let Some(one) = found.iter().find(|one| one.subnet_id() == Some(id)) else {
            mistakes.push(missing("subnet", id, span, context));
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
    let title = format!("the {what} `{id}` doesn't exist");
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
