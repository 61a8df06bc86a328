//! The stream agent: Kafka messages to typed rows to Iceberg tables, exactly once.
//!
//! One thread polls (`intake`), others decode where there are cores for them (`decode`), tasks beside them write Parquet and one
//! commits. Each commit carries the full map of offsets and is conditional on the metadata whose map it continues, so that a second,
//! stale or restarted writer can neither lose nor repeat a row. Group offsets are committed for information only.

mod batch;
mod check;
mod column;
mod committer;
mod context;
mod decode;
mod epochs;
mod escape;
mod evolve;
mod infer;
mod intake;
mod ledger;
mod maintenance;
mod membership;
mod message;
mod number;
mod offsets;
mod owed;
mod partition;
mod produced;
mod progress;
mod quarantine;
mod record;
mod registry;
mod reject;
mod room;
mod router;
mod settled;
mod shape;
mod sift;
mod sink;
mod start;
mod table;
#[cfg(test)]
mod testing;
mod time;
mod unknown;
mod value;

use std::num::NonZero;

use anyhow::Context as _;
pub use check::check;
use lakewright_aws::{Aws, Options};
use lakewright_config::agents::stream;
use lakewright_config::{StreamConfig, Table};
use lakewright_formats::json;
use lakewright_lake::Turns;
use lakewright_runtime::kafka::{access, ensure};
use lakewright_runtime::{Agent, CancellationToken};
pub use maintenance::policy;
pub use offsets::{OffsetMap, PROPERTY};
use rdkafka::consumer::BaseConsumer;
use tokio::sync::mpsc;

use crate::committer::Committer;
use crate::context::Context;
use crate::intake::Intake;
use crate::maintenance::Maintainer;
use crate::membership::Membership;
use crate::registry::Registries;
use crate::sink::any::AnySink;
use crate::sink::iceberg::IcebergSink;
use crate::sink::plain::PlainSink;

/// What the open data files of all tables may hold in memory, in bytes,
const OPEN_BYTES: usize = 256 << 20;
/// and of one table in any case: with less, files become tiny.
const LEAST_OPEN_BYTES: usize = 8 << 20;
/// Of so many partitions the age of the oldest record is shown, those where it is greatest.
const WORST_PARTITIONS: usize = 20;
/// So many batches and commits wait for the committer at most, however small they are.
const WORK_WAITING: usize = 1024;
/// So many messages are decoded at the same time at most.
const MOST_DESKS: usize = 16;

/// Runs until the agent is shut down; what was taken in is committed then.
///
/// # Errors
/// The configuration is wrong, no client can be made, the Kafka client fails for good. What may heal (a broker or the
/// catalog is away, a table isn't there yet) is tried again and shows as the last error.
pub async fn run(agent: Agent, config: StreamConfig) -> anyhow::Result<()> {
    run_with(agent, config, Aws::connect(Options::default()).await?).await
}

/// As [`run`], with a connection to the account.
///
/// # Errors
/// As [`run`].
pub async fn run_with(agent: Agent, config: StreamConfig, aws: Aws) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    // One core fetches and encodes; where there are two, a thread more would only make both take longer.
    run_at(agent, config, aws, cores.saturating_sub(1).clamp(1, MOST_DESKS)).await
}

/// As [`run_with`], with so many messages decoded at the same time: by as many threads, or, if it is one, by the one that fetches.
///
/// # Errors
/// As [`run`].
pub async fn run_at(agent: Agent, config: StreamConfig, aws: Aws, desks: usize) -> anyhow::Result<()> {
    check(&config)?;
    let aws = aws.of_configured(config.account.as_deref());
    let registries = Registries::of(&config.tables, &aws)?;
    let latch = agent.health.latch();
    let mut kafka = access(&config.kafka).await?;
    ensure(&kafka, &config.kafka.topics).await?;
    kafka
        .set("statistics.interval.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("fetch.wait.max.ms", "100")
        // An answer stays in memory as long as any of its messages: smaller ones are given back sooner.
        .set("fetch.message.max.bytes", "1048576")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "8192");
    let membership = Membership::of(&agent, &config)?;
    membership.configure(&mut kafka, &config);
    agent.metrics.counter(&stream::FENCED, &[]).increment(membership.fenced());
    let context = Context::new(kafka.context(&agent.health));
    let progress = context.clone();
    agent.metrics.computed(&stream::LAG, &[], move || progress.lag().map(|lag| lag as f64));
    let progress = context.clone();
    agent.metrics.computed(&stream::LAG_AGE, &[], move || progress.age().map(|age| age as f64 / 1000.0));
    let progress = context.clone();
    agent.metrics.computed_each(&stream::PARTITION_LAG, move || {
        let worst = progress.worst(WORST_PARTITIONS).into_iter();
        let labels = |topic, number: i32| vec![(stream::TOPIC, topic), (stream::PARTITION, number.to_string())];
        worst.map(|((topic, number), age)| (labels(topic, number), age as f64 / 1000.0)).collect()
    });
    let progress = context.clone();
    agent.metrics.computed(&stream::UNREAD, &[], move || progress.unread().map(|unread| unread as f64));
    let consumer: BaseConsumer<Context> = kafka.create_with_context(context).context("make a Kafka consumer")?;

    let (work, waiting) = mpsc::channel(WORK_WAITING);
    let (outcomes, settled) = std::sync::mpsc::channel();
    let open_bytes = (OPEN_BYTES / (config.tables.len() + 1)).max(LEAST_OPEN_BYTES);
    let held_at_most = maintenance::held_at_most(&config);
    let sink = |table: &Table| {
        let turns = Turns::at(&aws, &table.location);
        let sink = match table.sink {
            lakewright_config::Sink::Iceberg => {
                let sink = IcebergSink::new(&aws, table, &config.group, open_bytes);
                AnySink::iceberg(sink.maintained(held_at_most.filter(|_| table.existing.is_none())), turns)
            }
            lakewright_config::Sink::Parquet | lakewright_config::Sink::Json => {
                AnySink::plain(PlainSink::new(&aws, table, &config.group, open_bytes), turns)
            }
        };
        (table.clone(), sink)
    };
    let (tables, dead) = (config.tables.iter().map(sink).collect(), sink(&config.dead_letters));
    let committer = Committer::new(tables, dead, config.on_reject, &agent.metrics, outcomes);
    let last_commit = agent.metrics.gauge(&stream::LAST_COMMIT, &[]);
    let committing = tokio::spawn(committer.run(waiting, last_commit));
    let stop = CancellationToken::new();
    let maintaining = Maintainer::of(&config, &aws, &agent).map(|maintainer| maintainer.start(stop.clone()));
    let intake = Intake::new(agent, (config, registries, membership), (kafka, consumer), work, settled, latch, desks);
    let result = tokio::task::spawn_blocking(|| intake.run()).await.context("the polling thread ended")?;
    committing.await.context("the committing task ended")?;
    stop.cancel();
    if let Some(maintaining) = maintaining {
        maintaining.await.context("the maintaining thread ended")?;
    }
    result
}
