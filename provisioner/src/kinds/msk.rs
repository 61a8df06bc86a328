//! What the kinds on MSK share: its lists, its settings files, its clusters and their states.

mod bootstrap;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_aws::{Service, list, text};
use serde_json::{Value, json};

pub use bootstrap::is_loopback;
pub(super) use bootstrap::{OUTPUTS, bootstrap, outcome, outputs};

use super::spec::reference;
use super::tags;
use super::wait;
use super::wire::flag;
use crate::kind::{Context, Wanted};
use crate::resource::Address;

/// How long a change of a cluster may take: a rolling change of many brokers takes hours.
pub(super) const CHANGED: Duration = Duration::from_hours(6);

/// All pages of a list.
pub(super) async fn pages(context: &Context, operation: &str, set: &str, mut input: Value) -> Result<Vec<Value>> {
    input["maxResults"] = json!(100);
    let mut all = Vec::new();
    loop {
        let page = context.aws.call(Service::Kafka, operation, input.clone()).await?;
        all.extend_from_slice(list(&page, set));
        match text(&page, "nextToken") {
            "" => return Ok(all),
            next => input["nextToken"] = json!(next),
        }
    }
}

/// The stack's clusters of a kind that aren't being deleted, each with its address. One question tells of both kinds.
pub(super) async fn clusters(context: &Context, kind: &str) -> Result<Vec<(Address, Value)>> {
    let clusters = pages(context, "ListClustersV2", "clusterInfoList", json!({})).await?;
    let own = |cluster: Value| {
        let address = tags::address(context, kind, &tags::of_object(&cluster["tags"]))?;
        (text(&cluster, "state") != "DELETING").then_some((address, cluster))
    };
    Ok(clusters.into_iter().filter_map(own).collect())
}

/// The ARNs of the provisioned clusters that this stack didn't make and users with passwords can log in to.
pub(super) async fn with_scram(context: &Context) -> Result<Vec<String>> {
    let clusters = pages(context, "ListClustersV2", "clusterInfoList", json!({})).await?;
    let fit = clusters.iter().filter(|cluster| {
        is_usable(text(cluster, "state"))
            && flag(&cluster["provisioned"]["clientAuthentication"]["sasl"]["scram"], "enabled")
            && tags::of_object(&cluster["tags"]).get(tags::STACK) != Some(&context.stack)
    });
    Ok(fit.map(|cluster| text(cluster, "clusterArn").to_owned()).collect())
}

/// The clusters whose parts are looked at: the stack's own provisioned ones that can be asked, and those that its wanted
/// parts name by ARN.
pub(super) async fn parents(context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Parent>> {
    let own = clusters(context, "cluster").await?.into_iter().filter(|(_, cluster)| is_usable(text(cluster, "state")));
    let mut parents: Vec<Parent> = own
        .map(|(address, cluster)| Parent { address: Some(address), arn: text(&cluster, "clusterArn").to_owned() })
        .collect();
    for wanted in wanted {
        let arn = text(wanted.spec, "cluster");
        if reference(arn).is_none() && !parents.iter().any(|parent| parent.arn == arn) {
            parents.push(Parent { address: None, arn: arn.to_owned() });
        }
    }
    Ok(parents)
}

/// A cluster that things without tags belong to.
#[derive(Debug)]
pub(super) struct Parent {
    /// Its address, if it is the stack's own.
    pub(super) address: Option<Address>,
    /// Its ARN.
    pub(super) arn: String,
}

impl Parent {
    /// Whether a spec's `cluster` means this one.
    pub(super) fn is_meant(&self, cluster: &str) -> bool {
        cluster == self.arn || reference(cluster).is_some_and(|address| Some(address) == self.address)
    }
}

/// Whether a cluster in this state answers questions.
pub(super) fn is_usable(state: &str) -> bool {
    matches!(state, "ACTIVE" | "HEALING" | "MAINTENANCE" | "REBOOTING_BROKER" | "UPDATING")
}

/// A cluster's description; none if it is gone.
pub(super) async fn describe(context: &Context, arn: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Kafka, "DescribeClusterV2", json!({"clusterArn": arn})).await;
    Ok(wait::found(answer)?.map(|mut answer| answer["clusterInfo"].take()))
}

/// Waits until a cluster can be changed; returns its description.
pub(super) async fn settled(context: &Context, arn: &str, timeout: Duration) -> Result<Value> {
    let began = Instant::now();
    wait::until(context, timeout, &format!("{arn} is not active"), || async {
        let Some(cluster) = describe(context, arn).await? else {
            // One that was just made is not known everywhere yet.
            if began.elapsed() > context.settles {
                bail!("there is no cluster {arn}");
            }
            return Ok(None);
        };
        match text(&cluster, "state") {
            "ACTIVE" => Ok(Some(cluster)),
            "FAILED" => bail!("MSK gave {arn} up: {}", failure(&cluster)),
            "DELETING" => bail!("{arn} is being deleted"),
            _ => Ok(None),
        }
    })
    .await
}

/// Why MSK gave a cluster up.
pub(super) fn failure(cluster: &Value) -> String {
    let info = &cluster["stateInfo"];
    format!("{} {}", text(info, "code"), text(info, "message")).trim().to_owned()
}

/// The create call; a cluster of that name that is this very one is taken over, one on its way out is waited for.
pub(super) async fn make(context: &Context, address: &Address, name: &str, input: Value) -> Result<String> {
    for _ in 0..2 {
        let refusal = match context.aws.call(Service::Kafka, "CreateClusterV2", input.clone()).await {
            Ok(answer) => return Ok(text(&answer, "clusterArn").to_owned()),
            Err(error) if error.is_already_exists() => error,
            Err(error) => return Err(error.into()),
        };
        let named = json!({"clusterNameFilter": name});
        let namesakes = pages(context, "ListClustersV2", "clusterInfoList", named).await?;
        let Some(namesake) = namesakes.iter().find(|cluster| text(cluster, "clusterName") == name) else {
            return Err(refusal.into());
        };
        let arn = text(namesake, "clusterArn");
        if text(namesake, "state") == "DELETING" {
            gone(context, arn).await?;
        } else if tags::address(context, &address.kind, &tags::of_object(&namesake["tags"])).as_ref() == Some(address) {
            return Ok(arn.to_owned());
        } else {
            let tags = tags::of_object(&namesake["tags"]);
            return Err(tags::taken(refusal, &format!("the MSK cluster {name}"), &tags));
        }
    }
    bail!("a cluster named {name} was made by somebody else while the former one was being deleted")
}

async fn gone(context: &Context, arn: &str) -> Result<()> {
    wait::until(context, CHANGED, &format!("{arn} is still there"), || async {
        Ok(describe(context, arn).await?.is_none().then_some(()))
    })
    .await
}

/// Deletes a cluster. One that is being made or changed can't be deleted yet; one that MSK gave up can.
pub(super) async fn delete(context: &Context, arn: &str) -> Result<()> {
    let deleting = wait::until(context, CHANGED, &format!("{arn} can't be deleted yet"), || async {
        let Some(cluster) = describe(context, arn).await? else { return Ok(Some(false)) };
        Ok(match text(&cluster, "state") {
            "CREATING" | "UPDATING" | "REBOOTING_BROKER" => None,
            _ => Some(true),
        })
    })
    .await?;
    if deleting {
        wait::found(context.aws.call(Service::Kafka, "DeleteCluster", json!({"clusterArn": arn})).await)?;
    }
    gone(context, arn).await
}

/// The cluster of an ARN or a name that isn't being deleted.
pub(super) async fn named(context: &Context, id: &str) -> Result<Option<Value>> {
    let cluster = if id.starts_with("arn:") {
        describe(context, id).await?
    } else {
        let named = pages(context, "ListClustersV2", "clusterInfoList", json!({"clusterNameFilter": id}));
        named.await?.into_iter().find(|cluster| text(cluster, "clusterName") == id)
    };
    Ok(cluster.filter(|cluster| text(cluster, "state") != "DELETING"))
}

/// Settings as MSK takes them: the lines of a properties file, in Base64.
pub(super) fn encode_properties(properties: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    STANDARD.encode(lines.join("\n"))
}

/// The settings of a properties file in Base64; lines that are none are left out.
pub(super) fn decode_properties(encoded: &str) -> BTreeMap<String, String> {
    let bytes = STANDARD.decode(encoded.trim()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_way_to_msk() {
        let properties = BTreeMap::from([
            ("compression.type".to_owned(), "producer".to_owned()),
            ("retention.ms".to_owned(), "604800000".to_owned()),
        ]);
        assert_eq!(decode_properties(&encode_properties(&properties)), properties);
        let written_by_hand = STANDARD.encode("# how long\nretention.ms = 604800000\r\n\ncompression.type=producer\n");
        assert_eq!(decode_properties(&written_by_hand), properties);
    }
}
