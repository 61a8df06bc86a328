//! `scram_association`: the secrets whose users may log in to a cluster.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::types::{ClusterState, UnprocessedScramSecret};
use aws_sdk_secretsmanager::types::SecretListEntry;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, reference, replaces};
use super::tags::{self, Tags};
use super::values::{ClusterArn, text};
use super::{msk, secret, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// A secret's ARN.
    SecretArn,
    r"^arn:aws[a-z-]*:secretsmanager:[!-~]+$"
);

/// The secrets whose users may log in to a cluster; a cluster has one association. Secrets that others have associated
/// are reported and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`.
    pub cluster: ClusterArn,
    /// The secrets' ARNs, `${secret.app.arn}`; their names begin with `AmazonMSK_` and their key is a customer's own.
    pub secrets: Vec<SecretArn>,
}

const FIELDS: &[Field] = &[replaces("cluster"), compared(in_place("secrets"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["cluster"];
const ACTIONS: &[&str] =
    &["kafka:BatchAssociateScramSecret", "kafka:BatchDisassociateScramSecret", "kafka:ListScramSecrets"];
const ARNS: &[Arn] = &[("logged in to", "kafka:{region}:{account}:cluster/{cluster}/*")];
const FACTS: Facts = Facts {
    is_tagless: true,
    contained_in: Some(("cluster", "cluster")),
    identified_by: &["cluster"],
    review: &["secrets"],
    arns: ARNS,
    billing: Billing::Free,
    follows: &[(&[Action::Delete], "users of its secrets can't log in any more")],
    ..Facts::of("scram_association", "the secrets whose users may log in to a cluster", FIELDS, OUTPUTS, ACTIONS)
};

/// How the names of secrets begin that MSK takes.
const PREFIX: &str = "AmazonMSK_";

/// The kind.
#[derive(Debug)]
pub struct ScramAssociation;

#[async_trait]
impl Kind for ScramAssociation {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    /// It belongs to its cluster: one on a cluster that is made anew is another, and the old one goes with the old cluster.
    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.cluster != spec.cluster && reference(&spec.cluster).is_some()
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let leaves = |(live, spec): (&Spec, &Spec)| live.secrets.iter().any(|secret| !spec.secrets.contains(secret));
        if step.updates("secrets") && step.live.zip(step.spec).is_some_and(leaves) {
            return vec!["users of the secrets that it leaves can't log in any more".to_owned()];
        }
        Vec::new()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let named: Vec<&ClusterArn> = wanted.iter().map(|one| &one.spec.cluster).collect();
        let parents = msk::parents(context, &named).await?;
        let own = own_secrets(context).await?;
        let mut strays = own.clone();
        let mut found = Vec::new();
        for parent in parents {
            let wanted = wanted.iter().find(|wanted| parent.is_meant(&wanted.spec.cluster));
            let address = match (wanted, &parent.address) {
                (Some(wanted), _) => wanted.address.clone(),
                // Where nothing can be the stack's nobody has to be asked.
                (None, Some(cluster)) if !own.is_empty() => Address::new("scram_association", &cluster.name),
                (None, _) => continue,
            };
            let associated = secrets(context, &parent.arn).await?;
            let is_named = |arn: &SecretArn| wanted.is_some_and(|wanted| wanted.spec.secrets.contains(arn));
            let is_ours = |arn: &SecretArn| is_named(arn) || own.contains(arn);
            let (ours, others): (Vec<_>, Vec<_>) = associated.into_iter().partition(is_ours);
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

    async fn create(&self, context: &Context, _address: &Address, spec: &Spec) -> Result<Outcome> {
        associate(context, spec, &[]).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        associate(context, spec, &live.spec.secrets).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let spec = &live.spec;
        let Some(cluster) = msk::describe(context, &spec.cluster).await? else { return Ok(()) };
        if cluster.state() == Some(&ClusterState::Deleting) {
            return Ok(());
        }
        let associated = secrets(context, &spec.cluster).await?;
        let ours: Vec<&SecretArn> = spec.secrets.iter().filter(|arn| associated.contains(arn)).collect();
        change(context, &spec.cluster, Change::Disassociate, &ours).await
    }
}

fn live(address: Address, cluster: &str, ours: Vec<SecretArn>, others: Vec<SecretArn>) -> Found<Spec> {
    let spec = Spec { cluster: cluster.into(), secrets: ours };
    let found = tags::found(address, &Tags::new(), cluster, spec, &[("cluster", cluster)]);
    Found { foreign: others.into_iter().map(Into::into).collect(), ..found }
}

/// Where the stack's secrets are associated with clusters that its file doesn't name any more. Others may have associated
/// them: whether the stack did, only its lease remembers.
async fn elsewhere(context: &Context, strays: &BTreeSet<SecretArn>, found: &mut Vec<Found<Spec>>) -> Result<()> {
    for cluster in msk::with_scram(context).await? {
        if found.iter().any(|live| live.id == cluster) {
            continue;
        }
        let associated = match secrets(context, &cluster).await {
            // A cluster of others may keep this account out: what the stack left there can't be known.
            Err(error) if error.is_denied() => {
                context.reading.keep(FACTS.name, None, &cluster, Err::<Option<()>, _>(error.into()))?;
                continue;
            }
            // It may go meanwhile.
            Err(error) if !error.lost => continue,
            associated => associated?,
        };
        let (ours, others): (Vec<_>, Vec<_>) = associated.into_iter().partition(|arn| strays.contains(arn));
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
async fn associate(context: &Context, spec: &Spec, former: &[SecretArn]) -> Result<Outcome> {
    msk::settled(context, &spec.cluster, msk::CHANGED).await?;
    let associated = secrets(context, &spec.cluster).await?;
    let missing: Vec<&SecretArn> = spec.secrets.iter().filter(|arn| !associated.contains(arn)).collect();
    let extra: Vec<&SecretArn> =
        former.iter().filter(|arn| !spec.secrets.contains(arn) && associated.contains(arn)).collect();
    change(context, &spec.cluster, Change::Associate, &missing).await?;
    change(context, &spec.cluster, Change::Disassociate, &extra).await?;
    Ok(tags::outcome(&spec.cluster, &[("cluster", &spec.cluster)]))
}

/// The ARNs of the secrets whose users may log in to a cluster.
async fn secrets(context: &Context, cluster: &str) -> Result<Vec<SecretArn>, Error> {
    let call = context.aws.kafka().list_scram_secrets().cluster_arn(cluster).max_results(msk::PAGE);
    let list = async { ask_all(call.into_paginator().items().send()).await };
    let arns = context.reading.of(|queries| &queries.scram_secrets, cluster.to_owned(), list).await?;
    Ok(arns.iter().cloned().map(Into::into).collect())
}

/// The ARNs of the secrets that carry the stack's tag and could be associated.
async fn own_secrets(context: &Context) -> Result<BTreeSet<SecretArn>> {
    let listed = secret::listed(context).await?;
    let arn = |one: &SecretListEntry| Ok(one.arn().needed("secretsmanager", "SecretListEntry.ARN")?.into());
    listed.iter().filter(|one| could_be_associated(one)).map(arn).collect()
}

/// Whether MSK takes such a secret; one that waits for its deletion no longer exists.
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
async fn change(context: &Context, cluster: &str, change: Change, secrets: &[&SecretArn]) -> Result<()> {
    for batch in secrets.chunks(10) {
        let (kafka, batch) = (context.aws.kafka(), Some(batch.iter().map(ToString::to_string).collect()));
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
