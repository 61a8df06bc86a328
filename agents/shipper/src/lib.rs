//! The shipper: from topics to the search cluster and to a backup in S3.
//!
//! A record's document id, index and place in the backup follow from the record alone, so that whatever is done twice
//! changes nothing: offsets are committed when both the documents and the backup are durable, and not before.

mod backup;
mod bulk;
mod consume;
mod document;
mod endpoint;
mod lag;
#[cfg(test)]
mod secured;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lakewright_aws::{Aws, Options};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper;
use lakewright_runtime::{Agent, Counter, Gauge, kafka};
use parking_lot::Mutex;

use crate::bulk::Search;
use crate::consume::Intake;
use crate::endpoint::Entrance;

/// How long the cluster may take to describe its topics.
const DESCRIBE: Duration = Duration::from_secs(30);

/// From how many documents of one answer on a warning says that they were there before this process sent them.
const MANY: u64 = 100;

/// What the shipper reports.
#[derive(Debug, Clone)]
struct Metrics {
    indexed: Counter,
    /// Of those, the documents that were there already.
    there: Counter,
    rejected: Counter,
    retries: Counter,
    objects: Counter,
    /// Records that are in no index, only in the backup.
    refused: Counter,
    /// When offsets were committed last.
    last_commit: Gauge,
    /// None while it is unknown: a lag of 0 would say that all is shipped.
    lag: Arc<Mutex<Option<i64>>>,
}

impl Metrics {
    fn new(agent: &Agent) -> Self {
        let counter = |metric| agent.metrics.counter(metric, &[]);
        let lag: Arc<Mutex<Option<i64>>> = Arc::default();
        let known = Arc::clone(&lag);
        agent.metrics.computed(&shipper::LAG, &[], move || known.lock().map(|records| records as f64));
        Self {
            indexed: counter(&shipper::INDEXED),
            there: counter(&shipper::THERE),
            rejected: counter(&shipper::REJECTED),
            retries: counter(&shipper::RETRIES),
            objects: counter(&shipper::BACKUP_OBJECTS),
            refused: counter(&shipper::REFUSED),
            last_commit: agent.metrics.gauge(&shipper::LAST_COMMIT, &[]),
            lag,
        }
    }

    /// Counts documents that were in the index already. A warning says of many that this process hadn't sent them: nothing else shows
    /// that somebody put others in the place of those to come.
    fn count_there(&self, there: u64, unsent: u64) {
        self.indexed.increment(there);
        self.there.increment(there);
        if unsent >= MANY {
            tracing::warn!(
                documents = unsent,
                "documents were in the index before this process sent them; after a start, or a change of partitions, a \
                 shipper before sent them; at other times somebody else did who has its password"
            );
        }
    }
}

/// Checks what the configuration's types don't say.
pub fn check(config: &ShipperConfig) -> Result<()> {
    ensure!(!config.topics.is_empty(), "`topics` names no topic");
    ensure!(config.backup_records > 0, "`backup_records` must be at least 1");
    ensure!(config.bulk_bytes > 0, "`bulk_bytes` must be at least 1");
    endpoint::target(&config.search)?.address()?;
    Ok(())
}

/// Runs until the agent's shutdown; returns when what was read is indexed, backed up and committed.
pub async fn run(agent: Agent, config: ShipperConfig) -> Result<()> {
    check(&config)?;
    let latch = agent.health.latch();
    let metrics = Metrics::new(&agent);
    let aws = Aws::connect(Options::default()).await?;
    let aws = match &config.account {
        Some(account) => aws.of_account(account, BTreeMap::new()),
        None => aws,
    };
    let target = endpoint::target(&config.search)?;
    let search = Search::new(&target, Entrance::of(&target, &aws)?, agent.clone(), metrics.clone())?;
    let client = kafka::access(&config.kafka).await?;
    kafka::ensure(&client, &config.kafka.topics).await?;
    let topics = kafka::describe(&client, &config.topics, DESCRIBE).await.context("ask Kafka for the topics")?;
    let intake = Intake::new(&agent, &config, client, topics.topics)?;
    drop(latch);
    tracing::info!(search = search.shown(), topics = ?config.topics, backup = config.backup_bucket, "shipping");
    consume::ship(&agent, &config, intake, &search, &aws, &metrics).await
}
