//! Writes batches to data files and commits them with the offsets that they came from.
//!
//! Tables are committed first, the dead letters last. So what the dead letters' map covers is settled in every table:
//! it is a floor for tables whose own map lags because they were quiet.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, bail};
use arrow_array::RecordBatch;
use futures::future::join_all;
use iceberg::spec::SchemaRef;
use lakewright_aws::Aws;
use lakewright_config::Table;
use lakewright_config::agents::stream;
use lakewright_lake::{Change, CommitError, LoadedTable, TableWriter, load_table};
use lakewright_runtime::{Counter, Metrics};
use tokio::sync::{mpsc, oneshot};

use crate::offsets::{OffsetMap, PROPERTY};

/// Quiet tables are committed without rows every so many commits, so that their own maps don't fall far behind.
const QUIET_COMMITS: u32 = 20;
/// The same for the dead letters, whose map is where a restart begins to read.
const FLOOR_COMMITS: u32 = 4;
/// So many conflicts in a row with writers of other partitions are bad luck; more are something else.
const MAX_CONFLICTS: u32 = 50;

/// What the intake asks for, in order.
pub(crate) enum Work {
    /// Drop what is held, load the tables again, begin a generation.
    Begin { generation: u64, reply: oneshot::Sender<anyhow::Result<Vec<Begun>>> },
    /// Rows of a table.
    Batch { generation: u64, table: usize, batch: RecordBatch },
    /// Commit what came so far.
    Commit(Commit),
}

/// A table as a generation begins.
pub(crate) struct Begun {
    pub(crate) schema: SchemaRef,
    pub(crate) offsets: OffsetMap,
}

/// Rows up to these offsets shall be committed.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) generation: u64,
    pub(crate) positions: Vec<Position>,
    /// When the newest record came in, in microseconds.
    pub(crate) newest: i64,
    /// Whether the dead letters are committed even without rows: nothing follows for a while.
    pub(crate) last: bool,
}

/// The next offset of a partition that this agent reads.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) topic: String,
    pub(crate) key: String,
    pub(crate) partition: i32,
    pub(crate) next: i64,
}

/// What became of a commit or a generation.
pub(crate) enum Outcome {
    Committed(Commit),
    /// Nothing was lost, but what is held must be read again.
    Restart {
        generation: u64,
        reason: anyhow::Error,
    },
}

/// The task behind [`Work`].
pub(crate) struct Committer {
    aws: Aws,
    writer: String,
    tables: Vec<State>,
    generation: u64,
    failed: bool,
    outcomes: std::sync::mpsc::Sender<Outcome>,
    newest: Arc<AtomicI64>,
    commits: Counter,
}

struct State {
    declared: Table,
    loaded: Option<Held>,
    writer: Option<TableWriter>,
    rows: u64,
    quiet: u32,
    quiet_limit: u32,
    counters: Counters,
}

/// A table and what it has taken in.
struct Held {
    table: LoadedTable,
    offsets: OffsetMap,
    schema_id: i32,
}

struct Counters {
    rows: Counter,
    all_rows: Counter,
    files: Counter,
    conflicts: Counter,
}

impl Committer {
    /// `tables` are the declared tables and the dead letters' last; `writer` names this agent in snapshots.
    pub(crate) fn new(
        aws: Aws,
        writer: &str,
        tables: &[Table],
        metrics: &Metrics,
        outcomes: std::sync::mpsc::Sender<Outcome>,
    ) -> Self {
        let last = tables.len() - 1;
        let states =
            tables.iter().enumerate().map(|(index, table)| State::new(table, index == last, metrics)).collect();
        let newest = Arc::new(AtomicI64::new(0));
        let shared = Arc::clone(&newest);
        metrics.computed(&stream::FRESHNESS, &[], move || {
            let newest = shared.load(Ordering::Relaxed);
            (newest > 0).then(|| (lakewright_runtime::health::now_ms() - newest / 1000) as f64)
        });
        Self {
            aws,
            writer: writer.to_owned(),
            tables: states,
            generation: 0,
            failed: true,
            outcomes,
            newest,
            commits: metrics.counter(&stream::COMMITS, &[]),
        }
    }

    /// Works until the intake is gone.
    pub(crate) async fn run(mut self, mut work: mpsc::Receiver<Work>, last_commit: lakewright_runtime::Gauge) {
        while let Some(work) = work.recv().await {
            match work {
                Work::Begin { generation, reply } => {
                    self.generation = generation;
                    let begun = self.begin().await;
                    self.failed = begun.is_err();
                    _ = reply.send(begun);
                }
                Work::Batch { generation, table, batch } if !self.failed && generation == self.generation => {
                    if let Err(reason) = self.tables[table].write(batch).await {
                        self.restart(reason);
                    }
                }
                Work::Commit(commit) if !self.failed && commit.generation == self.generation => {
                    match self.commit(&commit).await {
                        Ok(()) => {
                            self.newest.fetch_max(commit.newest, Ordering::Relaxed);
                            last_commit.set(lakewright_runtime::health::now_ms() as f64);
                            _ = self.outcomes.send(Outcome::Committed(commit));
                        }
                        Err(reason) => self.restart(reason),
                    }
                }
                // Of a generation that is over.
                Work::Batch { .. } | Work::Commit(_) => {}
            }
        }
    }

    fn restart(&mut self, reason: anyhow::Error) {
        self.failed = true;
        self.tables.iter_mut().for_each(State::forget);
        _ = self.outcomes.send(Outcome::Restart { generation: self.generation, reason });
    }

    async fn begin(&mut self) -> anyhow::Result<Vec<Begun>> {
        let aws = &self.aws;
        let loaded = join_all(self.tables.iter_mut().map(|state| state.load(aws))).await;
        loaded.into_iter().collect()
    }

    async fn commit(&mut self, commit: &Commit) -> anyhow::Result<()> {
        let writer = &self.writer;
        let (dead, tables) = self.tables.split_last_mut().expect("the dead letters' table is always there");
        for result in join_all(tables.iter_mut().map(|state| state.commit(writer, commit, false))).await {
            self.commits.increment(u64::from(result?));
        }
        if dead.rows > 0 {
            // What fits no column may fit a new one: a table of which nothing was written would show nobody its schema.
            let held: Vec<&Held> = tables.iter().filter_map(|state| state.loaded.as_ref()).collect();
            for result in join_all(held.into_iter().map(Held::same_schema)).await {
                result?;
            }
        }
        self.commits.increment(u64::from(dead.commit(writer, commit, commit.last).await?));
        Ok(())
    }
}

impl State {
    fn new(table: &Table, dead: bool, metrics: &Metrics) -> Self {
        let labels = [(stream::TABLE, table.name.as_str())];
        let all = if dead { &stream::DEAD_LETTERS } else { &stream::ROWS };
        Self {
            declared: table.clone(),
            loaded: None,
            writer: None,
            rows: 0,
            quiet: 0,
            quiet_limit: if dead { FLOOR_COMMITS } else { QUIET_COMMITS },
            counters: Counters {
                rows: metrics.counter(&stream::ROWS, &labels),
                all_rows: metrics.counter(all, &[]),
                files: metrics.counter(&stream::FILES, &labels),
                conflicts: metrics.counter(&stream::COMMIT_CONFLICTS, &[]),
            },
        }
    }

    /// Drops rows that are not committed; their files are in no table.
    fn forget(&mut self) {
        self.writer = None;
        self.rows = 0;
    }

    async fn load(&mut self, aws: &Aws) -> anyhow::Result<Begun> {
        self.forget();
        let table = match &self.loaded {
            Some(held) => held.table.reload().await?,
            None => load_table(aws, &self.declared.database, &self.declared.name).await?,
        };
        let held = Held::new(table).with_context(|| format!("table {}", self.declared.name))?;
        let begun =
            Begun { schema: held.table.table.metadata().current_schema().clone(), offsets: held.offsets.clone() };
        self.loaded = Some(held);
        Ok(begun)
    }

    async fn write(&mut self, batch: RecordBatch) -> anyhow::Result<()> {
        let held = self.loaded.as_ref().expect("rows come after their generation began");
        let writer = if let Some(writer) = &mut self.writer {
            writer
        } else {
            let plain: Vec<&str> =
                self.declared.key.iter().map(String::as_str).chain(["kafka_offset", "payload"]).collect();
            self.writer.insert(TableWriter::new(&held.table, &plain)?)
        };
        self.rows += batch.num_rows() as u64;
        writer.write(batch).await.with_context(|| format!("write rows of {}", self.declared.name))
    }

    /// Commits what is held, if anything is or it is time; returns whether it did.
    async fn commit(&mut self, writer: &str, commit: &Commit, force: bool) -> anyhow::Result<bool> {
        let (files, spec_id) = match self.writer.take() {
            None => (Vec::new(), None),
            Some(writer) => {
                let spec_id = writer.spec_id();
                (writer.close().await?, Some(spec_id))
            }
        };
        self.quiet += 1;
        if files.is_empty() && !force && self.quiet < self.quiet_limit {
            return Ok(false);
        }
        let held = self.loaded.as_mut().expect("commits come after their generation began");
        let name = held.table.full_name();
        for _ in 0..MAX_CONFLICTS {
            let mut offsets = held.offsets.clone();
            for position in &commit.positions {
                offsets.advance(&position.key, position.partition, position.next);
            }
            if files.is_empty() && offsets == held.offsets {
                return Ok(false);
            }
            let json = offsets.to_json();
            let change = Change {
                overwrite: false,
                files: files.clone(),
                spec_id,
                summary: HashMap::from([
                    (PROPERTY.to_owned(), json.clone()),
                    ("lakewright.writer".to_owned(), writer.to_owned()),
                ]),
                properties: HashMap::from([(PROPERTY.to_owned(), json)]),
            };
            match held.table.commit(change).await {
                Ok(table) => {
                    let schema_id = held.schema_id;
                    *held = Held::new(table)?;
                    held.same_offsets(&offsets, commit).with_context(|| format!("after a commit to {name}"))?;
                    self.counters.rows.increment(self.rows);
                    self.counters.all_rows.increment(self.rows);
                    self.counters.files.increment(files.len() as u64);
                    (self.rows, self.quiet) = (0, 0);
                    if held.schema_id != schema_id {
                        bail!("the schema of {name} changed");
                    }
                    return Ok(true);
                }
                Err(CommitError::Conflict { .. }) => {
                    self.counters.conflicts.increment(1);
                    let current = Held::new(held.table.reload().await?)?;
                    if let Err(error) = current.same_offsets(&held.offsets, commit) {
                        current.table.discard(&files).await;
                        return Err(error.context(format!("commit to {name}")));
                    }
                    // What is written was decoded for the old schema: under a new one, a message may mean more.
                    if current.schema_id != held.schema_id {
                        current.table.discard(&files).await;
                        bail!("the schema of {name} changed");
                    }
                    *held = current;
                }
                Err(error) => {
                    if matches!(error, CommitError::Failed { .. }) {
                        held.table.discard(&files).await;
                    }
                    return Err(error.into());
                }
            }
        }
        bail!("other writers were faster {MAX_CONFLICTS} times in a row at {name}")
    }
}

impl Held {
    fn new(table: LoadedTable) -> anyhow::Result<Self> {
        let metadata = table.table.metadata();
        let (offsets, schema_id) = (OffsetMap::committed(metadata)?, metadata.current_schema_id());
        Ok(Self { table, offsets, schema_id })
    }

    /// Refuses to go on when the table has another schema by now than the one that messages were decoded for.
    async fn same_schema(&self) -> anyhow::Result<()> {
        if Self::new(self.table.reload().await?)?.schema_id != self.schema_id {
            bail!("the schema of {} changed", self.table.full_name());
        }
        Ok(())
    }

    /// Whether the partitions that this agent reads stand where it left them: else another one reads them now, or the
    /// table was rolled back.
    fn same_offsets(&self, expected: &OffsetMap, commit: &Commit) -> anyhow::Result<()> {
        for position in &commit.positions {
            let Position { topic, key, partition, .. } = position;
            let (expected, found) = (expected.get(key, *partition), self.offsets.get(key, *partition));
            if expected != found {
                bail!("{topic}/{partition} was at {expected:?} and is at {found:?}: another writer moved it");
            }
        }
        Ok(())
    }
}
