//! The shipper: from topics to the search cluster and to a backup in S3.
//!
//! A pipe joins a source to a sink and has a position of its own: a sink that stands still stops its own pipes and no others. A record's
//! document id, index and place in the backup follow from the record and its place alone, so that whatever is done twice changes
//! nothing: a position moves when all before it is durable, and not before.

mod backup;
mod buffers;
mod kafka;
mod letters;
mod local;
mod logged;
mod members;
mod metrics;
mod pipe;
mod restore;
mod search;
mod sink;
pub mod source;
mod transforms;
mod verify;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use lakewright_aws::{Aws, Options};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper::backup_group;
use lakewright_config::agents::shipper::sources::{name_mistake, time_field};
use lakewright_platform::Backoff;
use lakewright_runtime::kafka::{Access, TopicIdentity, access, describe, ensure as ensure_topics};
use lakewright_runtime::{Agent, Latch};
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::backup::{BackupSink, Limits, Store};
use crate::kafka::{KafkaSource, Reading, adopt};
use crate::letters::Letters;
use crate::metrics::{Metrics, PipeMetrics};
use crate::pipe::Pipe;
use crate::search::{Entrance, IndexSink, Search, Settings, Shape, Target, Templates, target};
use crate::transforms::Declared;

pub use logged::{Logged, logged};
pub use restore::{Wanted, restore};
pub use verify::{Held, held};

/// How long the cluster may take to describe its topics.
const DESCRIBE: Duration = Duration::from_secs(30);
/// The room of the index's pipe, in KiB: records, and the requests that are made of them.
const INDEX_ROOM: usize = 16 << 10;
/// That of the backup's pipe, in KiB: records.
const BACKUP_ROOM: usize = 2 << 10;
/// How many bytes of lines and objects the backup holds.
const BACKUP_HELD: usize = 8 << 20;
/// How many batches the room of a pipe has place for at least: one is read while others are shipped.
const BATCHES: usize = 4;
/// How long records of the backup wait for others before they are compressed.
const BACKUP_BATCH: Duration = Duration::from_millis(500);

/// A pipe that ran for so long begins anew without much of a pause.
const WELL: Duration = Duration::from_mins(1);

/// Checks what the configuration's types don't say.
pub fn check(config: &ShipperConfig) -> Result<()> {
    ensure!(!config.topics.is_empty(), "`topics` names no topic");
    ensure!(config.backup_bytes > 0, "`backup_bytes` must be at least 1");
    ensure!(config.backup_interval_ms > 0, "`backup_interval_ms` must be at least 1");
    ensure!(config.bulk_bytes > 0, "`bulk_bytes` must be at least 1");
    ensure!(config.max_record > 0, "`max_record` must be at least 1");
    target(&config.search)?.address()?;
    Declared::new(config)?;
    for (name, source) in &config.sources {
        if let Some(mistake) = name_mistake(name) {
            anyhow::bail!("`{}` is no name of a source: {mistake}", name.escape_default());
        }
        local::check(source).with_context(|| format!("the source `{name}`"))?;
    }
    Ok(())
}

/// The shape of indices whose names begin so: of the topics' records, or of those of a source of hosts. One that isn't declared any more
/// has the default time.
fn shape_of(config: &ShipperConfig, source: Option<&str>, index: &str) -> Shape {
    let declared = source.and_then(|source| config.sources.get(source));
    let (sources, default) = match source {
        None => (config.topics.clone(), config.time_field.clone()),
        Some(source) => (vec![source.to_owned()], time_field()),
    };
    let time_field = declared.map_or(&default, |declared| &declared.time_field);
    let none = BTreeMap::new();
    let fields = match (source, declared) {
        (None, _) => &config.fields,
        (Some(_), Some(declared)) => &declared.fields,
        (Some(_), None) => &none,
    };
    let keep_days = declared.map_or(config.keep_days, |declared| declared.keep_days);
    Shape::new(index.to_owned(), time_field, fields, (&config.transforms, &sources), keep_days)
}

/// What the pipes are made of.
struct Shipper {
    agent: Agent,
    config: ShipperConfig,
    aws: Aws,
    target: Target,
    /// How the cluster is reached, once its topics are there.
    kafka: OnceCell<Access>,
    metrics: Metrics,
    letters: Letters,
    /// Whether the backup's group has its positions.
    adopted: OnceCell<()>,
    /// What keeps the agent from being ready, by sink.
    latches: Mutex<BTreeMap<&'static str, Latch>>,
}

/// A pipe from its start to its end.
type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Runs until the agent's shutdown; returns when what was read is indexed, backed up and committed.
pub async fn run(agent: Agent, config: ShipperConfig) -> Result<()> {
    let aws = Aws::connect(Options::default()).await?;
    run_with(agent, config, aws).await
}

/// As [`run`], with a connection to the account.
///
/// # Errors
/// The configuration is wrong; or at the shutdown a sink doesn't take what is in hand. What may heal is tried again and shows as
/// the last error.
pub async fn run_with(agent: Agent, config: ShipperConfig, aws: Aws) -> Result<()> {
    check(&config)?;
    let latches = ["index", "backup"].map(|sink| (sink, agent.health.latch()));
    let aws = aws.of_configured(config.account.as_deref());
    let target = target(&config.search)?;
    let (metrics, letters) = (Metrics::new(&agent), Letters::new(&agent.state_dir));
    let (kafka, adopted, latches) = (OnceCell::new(), OnceCell::new(), Mutex::new(BTreeMap::from(latches)));
    let shipper = Shipper { agent, config, aws, target, kafka, metrics, letters, adopted, latches };
    all_pipes(&Arc::new(shipper)).await
}

/// Runs all pipes side by side, each on its own.
async fn all_pipes(shipper: &Arc<Shipper>) -> Result<()> {
    let mut pipes = JoinSet::new();
    let mut run = |sink, source: Option<&String>, start: fn(Arc<Shipper>, String) -> Running| {
        let name = PipeName { sink, source: source.cloned() };
        pipes.spawn(supervised(Arc::clone(shipper), name, start));
    };
    run("index", None, |shipper, _| Box::pin(async move { shipper.index().await }));
    run("backup", None, |shipper, _| Box::pin(async move { shipper.back_up().await }));
    for source in shipper.config.sources.keys() {
        run("index", Some(source), |shipper, name| Box::pin(async move { shipper.index_local(&name).await }));
        run("backup", Some(source), |shipper, name| Box::pin(async move { shipper.back_up_local(&name).await }));
    }
    let mut ended = Ok(());
    while let Some(pipe) = pipes.join_next().await {
        ended = ended.and(pipe.unwrap_or_else(|error| Err(anyhow!("a pipe ended in a panic: {error}"))));
    }
    ended
}

/// Which pipe it is.
#[derive(Debug)]
struct PipeName {
    sink: &'static str,
    /// The source of this host; none for the topics.
    source: Option<String>,
}

impl std::fmt::Display for PipeName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            None => write!(formatter, "the pipe to the {}", self.sink),
            Some(source) => write!(formatter, "the pipe from {source} to the {}", self.sink),
        }
    }
}

/// Runs a pipe, again after each failure, until the agent's shutdown.
async fn supervised(shipper: Arc<Shipper>, pipe: PipeName, start: fn(Arc<Shipper>, String) -> Running) -> Result<()> {
    let metrics = match &pipe.source {
        None => shipper.metrics.pipe(pipe.sink),
        Some(source) => shipper.metrics.local_pipe(pipe.sink, source),
    };
    let trouble = metrics.trouble.of("pipe");
    let name = pipe.source.clone().unwrap_or_default();
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        // A task of its own, so that a panic ends nothing else; one that is dropped with this.
        let mut running = JoinSet::from_iter([start(Arc::clone(&shipper), name.clone())]);
        let ended = running.join_next().await.context("this is a bug in lakewright: nothing runs")?;
        let ended = ended.unwrap_or_else(|error| Err(anyhow!("it ended in a panic: {error}")));
        if shipper.agent.shutdown.is_cancelled() {
            return ended.with_context(|| pipe.to_string());
        }
        let error = ended.err().unwrap_or_else(|| anyhow!("it ended"));
        if began.elapsed() > WELL {
            backoff.reset();
        }
        trouble.begins(format!("{pipe} begins anew: {error:#}"));
        if !backoff.wait(&shipper.agent.shutdown).await {
            return Err(error);
        }
    }
}

impl Shipper {
    async fn index(&self) -> Result<()> {
        let (agent, config) = (&self.agent, &self.config);
        let metrics = self.metrics.pipe("index");
        let reading = Reading {
            group: config.group.clone(),
            bytes: self.bulk_bytes(INDEX_ROOM),
            interval: Duration::from_millis(config.bulk_interval_ms),
            max_record: Some(usize::try_from(config.max_record).unwrap_or(usize::MAX)),
            room: INDEX_ROOM,
            weight: self.weight(),
            waits_for_settling: true,
        };
        let source = self.source(reading, &metrics).await?;
        let search = self.search(shape_of(config, None, &config.index), &metrics)?;
        tracing::info!(search = search.shown(), topics = ?config.topics, "shipping to the index");
        let sink = self.index_sink(search, self.settings(config.index.clone(), config.time_field.clone()), &metrics)?;
        self.started("index", &metrics);
        Pipe { agent, metrics: &metrics }.run(source, sink).await
    }

    async fn back_up(&self) -> Result<()> {
        let (agent, config) = (&self.agent, &self.config);
        let metrics = self.metrics.pipe("backup");
        let reading = Reading {
            group: backup_group(&config.group),
            bytes: (BACKUP_ROOM << 10) / BATCHES,
            interval: BACKUP_BATCH,
            max_record: None,
            room: BACKUP_ROOM,
            weight: 1,
            waits_for_settling: false,
        };
        let source = self.source(reading, &metrics).await?;
        tracing::info!(bucket = config.backup_bucket, prefix = config.backup_prefix, topics = ?config.topics, "shipping to the backup");
        let sink = BackupSink::new(self.store(&metrics), self.limits(), metrics.clone())?;
        self.started("backup", &metrics);
        Pipe { agent, metrics: &metrics }.run(source, sink).await
    }

    /// The way to the cluster, for indices of a shape.
    fn search(&self, shape: Shape, metrics: &PipeMetrics) -> Result<Search> {
        let entrance = Entrance::of(&self.target, &self.aws)?;
        let search = Search::new(&self.target, entrance, self.config.gzip, self.agent.clone(), metrics.clone())?;
        Ok(search.with(Templates::new(shape, metrics.trouble.of("templates"))))
    }

    /// The sink of an index there.
    fn index_sink(&self, search: Search, settings: Settings, metrics: &PipeMetrics) -> Result<IndexSink> {
        let transforms = Declared::counted(&self.config, &self.agent)?;
        Ok(IndexSink::new(search, settings, transforms, self.letters.clone(), self.agent.clone(), metrics.clone()))
    }

    /// Reads until there are so many bytes for a request to the index, of a pipe with so much room in KiB.
    fn bulk_bytes(&self, room: usize) -> usize {
        let most = (room << 10) / 2 / BATCHES;
        usize::try_from(self.config.bulk_bytes).unwrap_or(most).min(most)
    }

    /// How many bytes of an index's room a byte of a record takes: its own, that of its document, and that of what transforms make of it.
    fn weight(&self) -> usize {
        if self.config.transforms.is_empty() { 2 } else { 3 }
    }

    /// How documents are made that go to these indices.
    fn settings(&self, index: String, time_field: String) -> Settings {
        Settings {
            index,
            time_field,
            days_back: i64::from(self.config.days_back),
            days_ahead: i64::from(self.config.days_ahead),
            by_source: false,
        }
    }

    /// Where the backup is.
    fn store(&self, metrics: &PipeMetrics) -> Store {
        Store {
            objects: self.aws.objects(),
            bucket: self.config.backup_bucket.clone(),
            prefix: self.config.backup_prefix.clone(),
            agent: self.agent.clone(),
            metrics: metrics.clone(),
        }
    }

    /// When its objects are full.
    fn limits(&self) -> Limits {
        let age = Duration::from_millis(self.config.backup_interval_ms);
        Limits { bytes: self.config.backup_bytes, age, held: BACKUP_HELD }
    }

    /// The way to the cluster, with the topics that the configuration wants there. Who doesn't get through tries again, and
    /// holds up no source of this host.
    async fn access(&self) -> Result<&Access> {
        let reach = || async {
            let kafka = access(&self.config.kafka).await?;
            ensure_topics(&kafka, &self.config.kafka.topics).await?;
            anyhow::Ok(kafka)
        };
        self.kafka.get_or_try_init(reach).await
    }

    /// The topics, as one pipe reads them.
    async fn source(&self, reading: Reading, metrics: &PipeMetrics) -> Result<KafkaSource> {
        let kafka = self.access().await?;
        let described = describe(kafka, &self.config.topics, DESCRIBE).await.context("ask Kafka for the topics")?;
        self.adopted.get_or_try_init(|| self.adopt(kafka, described.topics.clone())).await?;
        KafkaSource::new(&self.agent, kafka.clone(), &described.topics, reading, metrics.clone())
    }

    /// Lets the backup's group begin where index and backup stood together, before either goes on alone.
    async fn adopt(&self, kafka: &Access, topics: BTreeMap<String, TopicIdentity>) -> Result<()> {
        let (kafka, group) = (kafka.clone(), self.config.group.clone());
        let adopted = tokio::task::spawn_blocking(move || adopt(&kafka, &topics, (&backup_group(&group), &group)));
        adopted.await.context("a Kafka request was cut short")?
    }

    fn started(&self, sink: &'static str, metrics: &PipeMetrics) {
        metrics.trouble.of("pipe").ends();
        self.latches.lock().remove(sink);
    }
}
