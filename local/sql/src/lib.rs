//! SQL on the Iceberg tables of a Glue catalog, by DataFusion: queries as Athena runs them, models as Spark jobs do.

mod depth;
mod maintenance;
mod models;
mod provider;
mod session;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use futures::StreamExt as _;
use lakewright_aws::Aws;
use lakewright_config::{Manifest, s3};

use crate::maintenance::Maintenance;

/// The memory that queries and jobs share, in bytes; beyond it they spill to disk or fail.
const MEMORY: usize = 1024 * 1024 * 1024;

/// The most that the rows of one answer may take, in bytes; they are kept in memory as text.
const LARGEST: usize = 512 * 1024 * 1024;

/// A SQL engine on the catalog and the files that a client reaches.
#[derive(Debug, Clone)]
pub struct Engine {
    aws: Aws,
    runtime: Arc<RuntimeEnv>,
    maintenance: Option<Maintenance>,
}

/// The rows of a query as Athena gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Name and Athena type of each column.
    pub columns: Vec<(String, String)>,
    /// The rows; one cell per column, text or null.
    pub rows: Vec<Vec<Option<String>>>,
    /// The size in bytes of the tables that were read.
    pub scanned_bytes: u64,
}

impl Engine {
    /// An engine with 1 GiB of memory.
    pub fn new(aws: Aws) -> Result<Self> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(MEMORY, 1.0)
            .build_arc()
            .context("set up the SQL engine's memory and spill files")?;
        Ok(Self { aws, runtime, maintenance: None })
    }

    /// The same engine, memory and all, on another connection.
    #[must_use]
    pub fn on(&self, aws: Aws) -> Self {
        Self { aws, runtime: Arc::clone(&self.runtime), maintenance: self.maintenance.clone() }
    }

    /// The same engine, which maintains the tables of the models that it runs: snapshots are kept for so long after another took
    /// their place. Otherwise that is somebody else's work.
    #[must_use]
    pub fn maintaining(self, snapshots: Duration) -> Self {
        Self { maintenance: Some(Maintenance::new(snapshots)), ..self }
    }

    /// Runs one SELECT; unqualified tables are those of `database`.
    ///
    /// Dropped, it ends: what it has begun runs no further.
    ///
    /// # Errors
    /// The statement is none or no SELECT, a table is missing, the run fails, the answer is larger than 512 MiB: the
    /// message is for whoever wrote it.
    pub async fn query(&self, database: &str, sql: &str) -> Result<Rows> {
        let session = session::open(&self.aws, &self.runtime, database, sql).await?;
        let frame = session.context.sql(sql).await.map_err(|error| anyhow!(plain(&error)))?;
        let columns = text::columns(frame.schema());
        let mut batches = frame.execute_stream().await.map_err(|error| anyhow!(plain(&error)))?;
        let (mut rows, mut size) = (Vec::new(), 0);
        while let Some(batch) = batches.next().await {
            let known = rows.len();
            text::append(&batch.map_err(|error| anyhow!(plain(&error)))?, &mut rows)
                .context("write the rows as text")?;
            size += rows[known..].iter().map(|row| memory(row)).sum::<usize>();
            ensure!(
                size <= LARGEST,
                "the answer has more than {} MiB: ask for less, by LIMIT for instance",
                LARGEST >> 20
            );
        }
        Ok(Rows { columns, rows, scanned_bytes: session.bytes })
    }

    /// Runs a manifest's models in its order, all or the named ones; the log says what became of each.
    ///
    /// # Errors
    /// The manifest can't be read or names no such model; a model fails. Those before it are done.
    pub async fn run_models(&self, manifest: &str, only: &[String]) -> Result<String> {
        let (bucket, key) = split_location(manifest)?;
        let object = self.aws.objects().get(bucket, key, None).await.with_context(|| format!("read {manifest}"))?;
        let parsed: Manifest =
            serde_json::from_slice(&object.body).with_context(|| format!("{manifest} is no manifest of models"))?;
        for name in only {
            ensure!(parsed.models.iter().any(|model| model.name == *name), "{manifest} has no model `{name}`");
        }
        let mut log = String::new();
        for model in &parsed.models {
            if !only.is_empty() && !only.contains(&model.name) {
                continue;
            }
            let line = models::run(self, &parsed, model)
                .await
                .with_context(|| format!("model {} failed; log so far:\n{log}", model.name))?;
            log.push_str(&line);
            log.push('\n');
        }
        Ok(log)
    }

    /// Runs what an EMR Serverless job run of the models' runner means.
    ///
    /// # Errors
    /// The entry point isn't the runner, an argument is wrong, or as [`Engine::run_models`].
    pub async fn run_job(&self, entry_point: &str, arguments: &[String]) -> Result<String> {
        ensure!(
            entry_point.ends_with("/run_models.py"),
            "this machine runs jobs/run_models.py only, not {entry_point}: it has no Spark"
        );
        let (mut manifest, mut only) = (None, Vec::new());
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("the argument {name} lacks its value"))?;
            match name.as_str() {
                "--manifest" => manifest = Some(value),
                "--model" => only.push(value.clone()),
                other => bail!("unknown argument {other}; the runner knows --manifest and --model"),
            }
        }
        self.run_models(manifest.context("the argument --manifest is missing")?, &only).await
    }
}

/// How much memory a row takes.
fn memory(row: &[Option<String>]) -> usize {
    let cells = row.iter().map(|cell| size_of::<Option<String>>() + cell.as_ref().map_or(0, String::capacity));
    size_of::<Vec<Option<String>>>() + cells.sum::<usize>()
}

/// Bucket and key of an `s3://` location.
fn split_location(location: &str) -> Result<(&str, &str)> {
    s3::object(location).with_context(|| format!("`{location}` is no location; write s3://BUCKET/KEY"))
}

/// The message of a DataFusion error without the trace that debug builds append.
fn plain(error: &datafusion::error::DataFusionError) -> String {
    error.strip_backtrace()
}

/// The inputs of a query: by table, the snapshot that it reads and the number of the columns that it reads it by.
type Inputs = HashMap<String, (i64, i32)>;
