//! `scram_association`: the secrets whose users may log in to a cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::types::{ClusterState, UnprocessedScramSecret};
use aws_sdk_secretsmanager::types::SecretListEntry;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, reference, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{msk, secret, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// The secrets whose users may log in to a cluster; a cluster has one association. Secrets that others have associated
/// are reported and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:kafka:.+$"))]
    pub cluster: String,
    /// The secrets' ARNs, `${secret.app.arn}`; their names begin with `AmazonMSK_` and their key is a customer's own.
    #[schemars(inner(regex(pattern = r"^arn:aws[a-z-]*:secretsmanager:.+$")))]
    pub secrets: Vec<String>,
}

const FIELDS: &[Field] = &[replaces("cluster"), compared(in_place("secrets"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["cluster"];
const ACTIONS: &[&str] =
    &["kafka:BatchAssociateScramSecret", "kafka:BatchDisassociateScramSecret", "kafka:ListScramSecrets"];

/// How the names of secrets begin that MSK takes.
const PREFIX: &str = "AmazonMSK_";

/// The kind.
#[derive(Debug)]
pub struct ScramAssociation;

#[async_trait]
impl Kind for ScramAssociation {
    describes!("scram_association", "the secrets whose users may log in to a cluster", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    /// It belongs to its cluster: one on a cluster that is made anew is another, and the old one goes with the old cluster.
    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "cluster") && reference(text(spec, "cluster")).is_some()
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let secrets = |of: &Value| of["secrets"].as_array().cloned().unwrap_or_default();
        let gone = secrets(live).iter().any(|secret| !secrets(spec).contains(secret));
        match action {
            Action::Delete => vec!["users of its secrets can't log in any more".to_owned()],
            Action::Update if changed.contains(&"secrets") && gone => {
                vec!["users of the secrets that it leaves can't log in any more".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let parents = msk::parents(context, wanted).await?;
        let own = own_secrets(context).await?;
        let mut strays = own.clone();
        let mut found: Vec<Live> = Vec::new();
        for parent in parents {
            let wanted = wanted.iter().find(|wanted| parent.is_meant(text(wanted.spec, "cluster")));
            let address = match (wanted, &parent.address) {
                (Some(wanted), _) => wanted.address.clone(),
                // Where nothing can be the stack's nobody has to be asked.
                (None, Some(cluster)) if !own.is_empty() => Address::new("scram_association", &cluster.name),
                (None, _) => continue,
            };
            let associated = secrets(context, &parent.arn).await?;
            let named = wanted.and_then(|wanted| wanted.spec["secrets"].as_array());
            let is_named = |arn: &str| named.into_iter().flatten().any(|name| name == arn);
            let is_ours = |arn: &String| is_named(arn) || own.contains(arn);
            let (ours, others): (Vec<String>, Vec<String>) = associated.iter().cloned().partition(is_ours);
            strays.retain(|arn| !ours.contains(arn));
            if !ours.is_empty() {
                found.push(live(address, &parent.arn, ours, others));
            }
        }
        if !strays.is_empty() {
            elsewhere(context, &strays, &mut found).await?;
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, _address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        associate(context, &spec, &[]).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let (before, after): (Spec, Spec) = (typed(&live.spec)?, typed(spec)?);
        associate(context, &after, &before.secrets).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let Some(cluster) = msk::describe(context, &spec.cluster).await? else { return Ok(()) };
        if cluster.state() == Some(&ClusterState::Deleting) {
            return Ok(());
        }
        let associated = secrets(context, &spec.cluster).await?;
        let ours: Vec<String> = spec.secrets.into_iter().filter(|arn| associated.contains(arn)).collect();
        change(context, &spec.cluster, Change::Disassociate, &ours).await
    }

    fn is_tagless(&self) -> bool {
        true
    }

    async fn tag(&self, _context: &Context, _outcome: &Outcome, _tags: &[(&str, &str)]) -> Result<()> {
        Ok(())
    }
}

fn live(address: Address, cluster: &str, ours: Vec<String>, others: Vec<String>) -> Live {
    let spec = Spec { cluster: cluster.to_owned(), secrets: ours };
    let mut live = tags::live(address, &Tags::new(), cluster, value(&spec), &[("cluster", cluster)]);
    live.foreign = others;
    live
}

/// Where the stack's secrets are associated with clusters that its file doesn't name any more. Others may have associated
/// them: whether the stack did, only its lease remembers.
async fn elsewhere(context: &Context, strays: &BTreeSet<String>, found: &mut Vec<Live>) -> Result<()> {
    for cluster in msk::with_scram(context).await? {
        if found.iter().any(|live| live.id == cluster) {
            continue;
        }
        let associated = match secrets(context, &cluster).await {
            // A cluster of others may go, or keep this account out.
            Err(error) if !error.lost => continue,
            associated => associated?,
        };
        let (ours, others): (Vec<String>, Vec<String>) =
            associated.iter().cloned().partition(|arn| strays.contains(arn));
        if ours.is_empty() {
            continue;
        }
        let main = Address::new("scram_association", "main");
        let address = if found.iter().any(|live| live.address == main) {
            let name = cluster.split('/').nth(1).unwrap_or_default();
            Address::new("scram_association", name)
        } else {
            main
        };
        found.push(live(address, &cluster, ours, others));
    }
    Ok(())
}

/// Associates what is missing, then lets go of those of the former secrets that the spec no longer names.
async fn associate(context: &Context, spec: &Spec, former: &[String]) -> Result<Outcome> {
    msk::settled(context, &spec.cluster, msk::CHANGED).await?;
    let associated = secrets(context, &spec.cluster).await?;
    let missing: Vec<String> = spec.secrets.iter().filter(|arn| !associated.contains(arn)).cloned().collect();
    let extra: Vec<String> =
        former.iter().filter(|arn| !spec.secrets.contains(arn) && associated.contains(arn)).cloned().collect();
    change(context, &spec.cluster, Change::Associate, &missing).await?;
    change(context, &spec.cluster, Change::Disassociate, &extra).await?;
    Ok(tags::outcome(&spec.cluster, &[("cluster", &spec.cluster)]))
}

/// The ARNs of the secrets whose users may log in to a cluster.
async fn secrets(context: &Context, cluster: &str) -> Result<Arc<Vec<String>>, Error> {
    let call = context.aws.kafka().list_scram_secrets().cluster_arn(cluster).max_results(msk::PAGE);
    let list = async { ask_all(call.into_paginator().items().send()).await };
    context.reading.of(|queries| &queries.scram_secrets, cluster.to_owned(), list).await
}

/// The ARNs of the secrets that carry the stack's tag and could be associated.
async fn own_secrets(context: &Context) -> Result<BTreeSet<String>> {
    let listed = secret::listed(context).await?;
    let arn = |one: &SecretListEntry| Ok(one.arn().needed("secretsmanager", "SecretListEntry.ARN")?.to_owned());
    listed.iter().filter(|one| could_be_associated(one)).map(arn).collect()
}

/// Whether MSK takes such a secret; one that waits for its deletion lives no more.
fn could_be_associated(secret: &SecretListEntry) -> bool {
    !secret::waits(secret) && secret.name().is_some_and(|name| name.starts_with(PREFIX))
}

/// What becomes of secrets.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Their users may log in from then on.
    Associate,
    /// They may no more.
    Disassociate,
}

/// Calls for at most ten secrets at a time, as MSK allows. The call succeeds as a whole: what became of each secret
/// stands in the answer.
async fn change(context: &Context, cluster: &str, change: Change, secrets: &[String]) -> Result<()> {
    for batch in secrets.chunks(10) {
        let (kafka, batch) = (context.aws.kafka(), Some(batch.to_vec()));
        let (operation, refused) = match change {
            Change::Associate => {
                let call = kafka.batch_associate_scram_secret().cluster_arn(cluster).set_secret_arn_list(batch);
                let answer = wait::found(ask(call.send()).await)?;
                ("BatchAssociateScramSecret", answer.map(|answer| answer.unprocessed_scram_secrets))
            }
            Change::Disassociate => {
                let call = kafka.batch_disassociate_scram_secret().cluster_arn(cluster).set_secret_arn_list(batch);
                let answer = wait::found(ask(call.send()).await)?;
                ("BatchDisassociateScramSecret", answer.map(|answer| answer.unprocessed_scram_secrets))
            }
        };
        let Some(refused) = refused else { bail!("{cluster} is gone") };
        // MSK leaves the list out where it refused nothing.
        let failures: Vec<String> = refused.unwrap_or_default().iter().map(describe_failure).collect();
        if !failures.is_empty() {
            bail!("MSK {operation} refused {}", failures.join("; "));
        }
    }
    Ok(())
}

fn describe_failure(failure: &UnprocessedScramSecret) -> String {
    let parts = [failure.secret_arn(), failure.error_code(), failure.error_message()];
    parts.map(Option::unwrap_or_default).join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::primitives::DateTime;

    use super::*;

    #[test]
    fn secrets_of_other_names_and_deleted_ones_are_not_associated() {
        let secret = |name: &str| SecretListEntry::builder().name(name);
        assert!(could_be_associated(&secret("AmazonMSK_shop_app").build()));
        assert!(!could_be_associated(&secret("shop_app").build()));
        let deleted = secret("AmazonMSK_shop_app").deleted_date(DateTime::from_secs(1));
        assert!(!could_be_associated(&deleted.build()));
    }

    #[test]
    fn refused_secrets_are_named_with_the_reason() {
        let failure = UnprocessedScramSecret::builder().secret_arn("arn:s").error_code("E").error_message("no key");
        assert_eq!(describe_failure(&failure.build()), "arn:s: E: no key");
    }
}
