//! Answers that several kinds share within one sweep: each query is asked once, and all see one moment. What alone of all
//! can't be read is noted beside them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use lakewright_aws::{Error, Listed};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::reference::Reference;
use crate::resource::{Address, Live};

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// What IAM returns of an account at once.
#[derive(Debug, Default)]
pub struct Details {
    /// Its roles.
    pub roles: Vec<aws_sdk_iam::types::RoleDetail>,
    /// Its own managed policies.
    pub policies: Vec<aws_sdk_iam::types::ManagedPolicyDetail>,
}

/// A private hosted zone of the stack.
#[derive(Debug, Clone)]
pub struct OwnZone {
    /// Its address.
    pub address: Address,
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
}

/// The shared queries of one sweep, and what it couldn't read; outside a sweep nothing is shared, and what can't be read is
/// an error.
#[derive(Debug, Clone, Default)]
pub struct Reading(Option<Arc<Sweep>>);

#[derive(Debug, Default)]
struct Sweep {
    queries: Queries,
    /// The outputs of what was found of all kinds but those that are read last.
    outputs: OnceLock<BTreeMap<Address, BTreeMap<String, String>>>,
    missed: Mutex<Vec<Missed>>,
}

/// What couldn't be read, while the rest could.
#[derive(Debug)]
pub struct Missed {
    /// The kind's name.
    pub kind: String,
    /// Its address; none for one that may have any of the kind, and without an identifier for everything of the kind.
    pub address: Option<Address>,
    /// Its identifier on AWS, as far as it is known.
    pub id: Option<String>,
    /// Why.
    pub error: anyhow::Error,
}

/// Whether an error says something of what was asked for alone, and nothing of what else may be asked: it isn't for the
/// credentials, the clock, the lease or this machine's configuration that there is no answer.
pub fn is_of_one(error: &anyhow::Error) -> bool {
    !error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).any(Error::is_of_all)
}

/// Whether an error says that the credentials may not do something.
pub fn is_denied(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).any(Error::is_denied)
}

/// The queries, each by what it asks for.
#[derive(Debug, Default)]
pub struct Queries {
    /// What carries the stack's tag, by ARN: Resource Groups Tagging's `GetResources`.
    pub tagged: Query<(), Vec<(String, Tags)>>,
    /// What of the services without a region carries the stack's tag, by ARN: `GetResources` in the one region that returns it.
    pub tagged_everywhere: Query<(), Vec<(String, Tags)>>,
    /// The stack's private hosted zones, by the addresses and domains of those that it wants.
    pub zones: Query<BTreeSet<(Address, String)>, Vec<OwnZone>>,
    /// Hosted zones by their ids: `GetHostedZone`.
    pub described_zones: Query<String, Option<aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneOutput>>,
    /// The record sets of a hosted zone, by its id: `ListResourceRecordSets`. A zone that isn't there has none.
    pub records: Query<String, Vec<aws_sdk_route53::types::ResourceRecordSet>>,
    /// Log groups by the prefix of their names: `DescribeLogGroups`.
    pub log_groups: Query<String, Vec<aws_sdk_cloudwatchlogs::types::LogGroup>>,
    /// Objects by bucket and the prefixes of their keys: `ListObjectsV2`. A bucket that isn't there has none.
    pub objects: Query<(String, BTreeSet<String>), Vec<Listed>>,
    /// The region's MSK clusters of either type: `ListClustersV2`.
    pub clusters: Query<(), Vec<aws_sdk_kafka::types::Cluster>>,
    /// The ARNs of the secrets whose users may log in, by the cluster's ARN: `ListScramSecrets`.
    pub scram_secrets: Query<String, Vec<String>>,
    /// What carries the stack's tag in Secrets Manager: `ListSecrets`.
    pub secrets: Query<(), Vec<aws_sdk_secretsmanager::types::SecretListEntry>>,
    /// The account's roles with their tags and policies, and its own policies: IAM's `GetAccountAuthorizationDetails`.
    pub roles: Query<(), Details>,
    /// The databases of the catalog: Glue's `GetDatabases`.
    pub databases: Query<(), Vec<aws_sdk_glue::types::Database>>,
    /// The tags of databases by the database's ARN, none if it isn't there: Glue's `GetTags`.
    pub database_tags: Query<String, Option<Tags>>,
    /// Tables by the name of their database: Glue's `GetTables`.
    pub tables: Query<String, Vec<aws_sdk_glue::types::Table>>,
}

/// One kind of question and its answers.
pub type Query<K, V> = Mutex<HashMap<K, Arc<OnceCell<Arc<V>>>>>;

impl Reading {
    /// The readings of one sweep.
    pub fn of_one_sweep() -> Self {
        Self(Some(Arc::default()))
    }

    /// The answer to a question: an equal one's, be it there or under way, or the one that `ask` gets. Errors are not kept.
    pub async fn of<K, V, E>(
        &self,
        query: impl FnOnce(&Queries) -> &Query<K, V>,
        question: K,
        ask: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E>
    where
        K: Eq + Hash,
    {
        let Some(sweep) = &self.0 else { return ask.await.map(Arc::new) };
        let answer = query(&sweep.queries).lock().entry(question).or_default().clone();
        answer.get_or_try_init(|| async { ask.await.map(Arc::new) }).await.cloned()
    }

    /// What was read of one thing. Where it couldn't be, it is none, and noted in the sweep: the others are read all the
    /// same. An error that is one of all, or comes outside a sweep, stays one.
    pub fn keep<T>(
        &self,
        kind: &str,
        address: Option<&Address>,
        id: &str,
        read: anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        let (sweep, error) = match (&self.0, read) {
            (Some(sweep), Err(error)) if is_of_one(&error) => (sweep, error),
            (_, read) => return read,
        };
        let id = Some(id).filter(|id| !id.is_empty()).map(str::to_owned);
        sweep.missed.lock().push(Missed { kind: kind.to_owned(), address: address.cloned(), id, error });
        Ok(None)
    }

    /// Notes what was found before the kinds that are read last.
    pub fn found(&self, live: &[Live]) {
        let Some(sweep) = &self.0 else { return };
        sweep.outputs.get_or_init(|| live.iter().map(|one| (one.address.clone(), one.outputs.clone())).collect());
    }

    /// What a reference stands for by what was found so far: a guess, for whose it is wasn't judged yet.
    pub fn output(&self, reference: &Reference) -> Option<String> {
        let outputs = self.0.as_ref()?.outputs.get()?;
        outputs.get(&reference.address)?.get(&reference.output).cloned()
    }

    /// What the sweep couldn't read so far; from then on it isn't reported again.
    pub fn missed(&self) -> Vec<Missed> {
        self.0.as_ref().map(|sweep| std::mem::take(&mut *sweep.missed.lock())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn equal_questions_are_asked_once_within_a_sweep_and_errors_again() {
        let sent = AtomicU32::new(0);
        let ask = async || {
            tokio::task::yield_now().await;
            sent.fetch_add(1, Ordering::Relaxed);
            Ok::<_, String>(Vec::new())
        };
        let reading = Reading::of_one_sweep();
        let refused = reading.of(|queries| &queries.tagged, (), async { Err("throttled".to_owned()) }).await;
        assert_eq!(refused.unwrap_err(), "throttled");
        let two = tokio::join!(
            reading.of(|queries| &queries.tagged, (), ask()),
            reading.of(|queries| &queries.tagged, (), ask()),
        );
        assert!(two.0.is_ok() && two.1.is_ok());
        assert_eq!(sent.load(Ordering::Relaxed), 1);
        let alone = Reading::default();
        for _ in 0..2 {
            alone.of(|queries| &queries.tagged, (), ask()).await.expect("answered");
        }
        assert_eq!(sent.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn what_alone_cannot_be_read_is_noted_and_what_concerns_all_is_an_error() {
        let answered = |code| Err::<Option<u8>, _>(Error::answered("s3", "GetBucketTagging", code, "", 403, "").into());
        let address = Address::new("bucket", "raw");
        let keep = |reading: &Reading, code| reading.keep("bucket", Some(&address), "shop-raw", answered(code));
        let reading = Reading::of_one_sweep();
        assert_eq!(keep(&reading, "AccessDenied").expect("noted"), None);
        assert!(keep(&reading, "ExpiredToken").is_err());
        assert_eq!(reading.keep("bucket", Some(&address), "shop-raw", Ok(Some(1))).expect("read"), Some(1));
        let missed = reading.missed();
        let told: Vec<_> = missed.iter().map(|one| (one.address.as_ref(), one.id.as_deref())).collect();
        assert_eq!(told, [(Some(&address), Some("shop-raw"))]);
        assert!(reading.missed().is_empty());
        assert!(keep(&Reading::default(), "AccessDenied").is_err(), "outside a sweep nobody would hear of it");
    }
}
