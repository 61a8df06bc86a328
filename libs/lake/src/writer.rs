//! Writing Arrow batches to Parquet files, divided by the table's partition spec.

use std::collections::HashMap;

use anyhow::Context as _;
use arrow_array::RecordBatch;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use iceberg::io::FileIO;
use iceberg::spec::{DataFile, DataFileFormat, PartitionKey, PartitionSpecRef, TableMetadata};
use iceberg::writer::base_writer::data_file_writer::DataFileWriterBuilder;
use iceberg::writer::file_writer::location_generator::DefaultFileNameGenerator;
use iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use iceberg::writer::{IcebergWriter as _, IcebergWriterBuilder};
use uuid::Uuid;

use crate::catalog::LoadedTable;
use crate::file::ParquetFiles;
use crate::partition::{Partition, Partitioner};
use crate::path::DataPaths;
use crate::settings::WriteSettings;

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 512 * 1024;
/// Bytes that the open files may hold in memory.
const OPEN_BYTES: usize = 256 * 1024 * 1024;
/// Files that are put at the same time.
const CLOSED_AT_ONCE: usize = 16;

type Builder = DataFileWriterBuilder<ParquetFiles, DataPaths, DefaultFileNameGenerator>;

/// Writes the data files of one commit.
pub struct TableWriter {
    builder: Builder,
    files: ParquetFiles,
    partitioner: Partitioner,
    open: HashMap<Partition, Open>,
    open_bytes: usize,
    /// Counts the batches.
    clock: u64,
    done: Vec<DataFile>,
}

/// A partition's open file.
struct Open {
    writer: <Builder as IcebergWriterBuilder>::R,
    /// When it was last written to.
    used: u64,
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter").field("spec", self.partitioner.spec()).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// A writer for the table's current schema and default partition spec. Batches must have the table's Arrow
    /// schema (`iceberg::arrow::schema_to_arrow_schema`). Columns in `plain` are written without a dictionary: those
    /// whose values hardly repeat, for which making one is lost work.
    ///
    /// # Errors
    /// The partition spec doesn't fit the schema, or can't be written; a property of the table can't be followed.
    pub fn new(loaded: &LoadedTable, plain: &[&str]) -> anyhow::Result<Self> {
        Self::with_row_groups(loaded, plain, ROW_GROUP_ROWS)
    }

    /// As [`TableWriter::new`], with so many rows in a row group.
    ///
    /// # Errors
    /// As there.
    pub fn with_row_groups(loaded: &LoadedTable, plain: &[&str], rows: usize) -> anyhow::Result<Self> {
        let metadata = loaded.table.metadata();
        let spec = metadata.default_partition_spec().clone();
        Self::make((metadata, loaded.table.file_io()), spec, plain, (rows, None))
    }

    /// A writer for a table that no catalog knows, by its current schema and default partition spec.
    ///
    /// # Errors
    /// As [`TableWriter::new`].
    pub(crate) fn of_metadata(metadata: &TableMetadata, files: &FileIO, plain: &[&str]) -> anyhow::Result<Self> {
        let spec = metadata.default_partition_spec().clone();
        Self::make((metadata, files), spec, plain, (ROW_GROUP_ROWS, None))
    }

    /// A writer for one of the table's partition specs, whose files are closed at about `target` bytes.
    ///
    /// # Errors
    /// As [`TableWriter::new`].
    pub(crate) fn of_spec(loaded: &LoadedTable, spec: PartitionSpecRef, target: usize) -> anyhow::Result<Self> {
        Self::make((loaded.table.metadata(), loaded.table.file_io()), spec, &[], (ROW_GROUP_ROWS, Some(target)))
    }

    fn make(
        (metadata, io): (&TableMetadata, &FileIO),
        spec: PartitionSpecRef,
        plain: &[&str],
        (rows, target): (usize, Option<usize>),
    ) -> anyhow::Result<Self> {
        let schema = metadata.current_schema().clone();
        let settings = WriteSettings::of(metadata)?;
        let files = ParquetFiles::new(settings.parquet(&schema, rows, plain)?, schema.clone(), settings.metrics)?;
        let rolling = RollingFileWriterBuilder::new(
            files.clone(),
            target.unwrap_or(settings.target_bytes),
            io.clone(),
            DataPaths::new(metadata),
            DefaultFileNameGenerator::new(Uuid::new_v4().to_string(), None, DataFileFormat::Parquet),
        );
        Ok(Self {
            builder: DataFileWriterBuilder::new(rolling),
            files,
            partitioner: Partitioner::new(schema, spec)?,
            open: HashMap::new(),
            open_bytes: OPEN_BYTES,
            clock: 0,
            done: Vec::new(),
        })
    }

    /// Bounds what the open files hold in memory, about, in bytes (256 MiB else): beyond it, those that were not
    /// written to for the longest time are finished, and rows that follow for their partitions begin others.
    #[must_use]
    pub fn bounded(mut self, bytes: usize) -> Self {
        self.open_bytes = bytes;
        self
    }

    /// The partition spec that the files are written with.
    pub fn spec_id(&self) -> i32 {
        self.partitioner.spec().spec_id()
    }

    /// About how many bytes the open files hold in memory.
    pub fn held_bytes(&self) -> usize {
        self.files.held()
    }

    /// Adds rows.
    ///
    /// # Errors
    /// The batch doesn't fit the schema; a file can't be written.
    pub async fn write(&mut self, batch: RecordBatch) -> anyhow::Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.clock += 1;
        for (key, rows) in self.partitioner.split(batch)? {
            self.add(key, rows).await?;
            if self.files.held() > self.open_bytes {
                self.make_room().await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, key: PartitionKey, rows: RecordBatch) -> anyhow::Result<()> {
        let value = Partition(key.data().clone());
        let open = if let Some(open) = self.open.get_mut(&value) {
            open
        } else {
            let writer = self.builder.build(Some(key)).await?;
            self.open.entry(value).or_insert(Open { writer, used: 0 })
        };
        open.used = self.clock;
        Ok(open.writer.write(rows).await?)
    }

    /// Finishes the files that weren't written to for the longest time, until half of the memory is free: many at
    /// once, so that they are put side by side.
    async fn make_room(&mut self) -> anyhow::Result<()> {
        let mut by_use: Vec<(u64, Partition)> =
            self.open.iter().map(|(value, open)| (open.used, value.clone())).collect();
        by_use.sort_by_key(|(used, _)| *used);
        let mut oldest = by_use.into_iter().map(|(_, value)| value).peekable();
        while self.files.held() > self.open_bytes / 2 && oldest.peek().is_some() {
            let some = oldest.by_ref().take(CLOSED_AT_ONCE).filter_map(|value| self.open.remove(&value)).collect();
            self.finish(some).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, files: Vec<Open>) -> anyhow::Result<()> {
        let closing = files.into_iter().map(|mut open| async move { open.writer.close().await });
        let closed: Vec<Vec<DataFile>> = stream::iter(closing)
            .buffer_unordered(CLOSED_AT_ONCE)
            .try_collect()
            .await
            .context("write the data files")?;
        self.done.extend(closed.into_iter().flatten());
        Ok(())
    }

    /// Finishes the files; they are in S3 when this returns, and in no table yet.
    ///
    /// # Errors
    /// A file can't be written.
    pub async fn close(mut self) -> anyhow::Result<Vec<DataFile>> {
        let rest = std::mem::take(&mut self.open).into_values().collect();
        self.finish(rest).await?;
        Ok(self.done)
    }
}
