//! Writing one Parquet file and describing it as Iceberg's manifests do.
//!
//! It stands in for the Iceberg crate's `ParquetWriter`, whose bounds can be wrong: see `bounds.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef as ArrowSchemaRef;
use bytes::Bytes;
use futures::future::BoxFuture;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::io::{FileWrite, OutputFile};
use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, NestedFieldRef, PrimitiveType, SchemaRef, Struct, Type,
};
use iceberg::writer::CurrentFileStatus;
use iceberg::writer::file_writer::{FileWriter, FileWriterBuilder};
use iceberg::{Error, ErrorKind, Result};
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;

use crate::bounds::ColumnStatistics;
use crate::metrics::{Metrics, Mode};

/// What an open file holds for each column before it has a row: the hash table of the column's dictionary.
const COLUMN: usize = 80 * 1024;

/// Opens Parquet files for one schema.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFiles {
    properties: WriterProperties,
    schema: SchemaRef,
    metrics: Arc<Metrics>,
    arrow: ArrowSchemaRef,
    /// Bytes in memory for all files that are open.
    held: Arc<AtomicUsize>,
}

impl ParquetFiles {
    /// For rows of a schema, of which manifests say what `metrics` says.
    ///
    /// # Errors
    /// The schema has no form in Arrow.
    pub(crate) fn new(properties: WriterProperties, schema: SchemaRef, metrics: Metrics) -> Result<Self> {
        let arrow = Arc::new(schema_to_arrow_schema(&schema)?);
        Ok(Self { properties, schema, metrics: Arc::new(metrics), arrow, held: Arc::new(AtomicUsize::new(0)) })
    }

    /// About how many bytes the open files hold in memory.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl FileWriterBuilder for ParquetFiles {
    type R = ParquetFile;

    async fn build(&self, output: OutputFile) -> Result<ParquetFile> {
        let sink = Sink(output.writer().await?);
        let writer = AsyncArrowWriter::try_new(sink, self.arrow.clone(), Some(self.properties.clone()))
            .map_err(|error| failed("begin a Parquet file", error))?;
        let mut file = ParquetFile {
            path: output.location().to_owned(),
            schema: self.schema.clone(),
            metrics: Arc::clone(&self.metrics),
            writer,
            rows: 0,
            nans: HashMap::new(),
            empty: self.arrow.flattened_fields().len() * COLUMN,
            share: Share { all: Arc::clone(&self.held), bytes: 0 },
        };
        file.weigh();
        Ok(file)
    }
}

/// A Parquet file that is being written.
pub(crate) struct ParquetFile {
    path: String,
    schema: SchemaRef,
    metrics: Arc<Metrics>,
    writer: AsyncArrowWriter<Sink>,
    rows: usize,
    /// By field id.
    nans: HashMap<i32, u64>,
    empty: usize,
    share: Share,
}

impl ParquetFile {
    /// Counts the memory that the file takes: what is encoded stays there until the whole object is put.
    fn weigh(&mut self) {
        self.share.set(self.empty + self.writer.memory_size() + self.writer.bytes_written());
    }
}

impl FileWriter for ParquetFile {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        count_nans(self.schema.as_struct().fields(), batch.columns(), &mut Vec::new(), &mut self.nans);
        self.writer.write(batch).await.map_err(|error| failed("write rows to a Parquet file", error))?;
        self.rows += batch.num_rows();
        self.weigh();
        Ok(())
    }

    async fn close(mut self) -> Result<Vec<DataFileBuilder>> {
        let metadata = self.writer.finish().await.map_err(|error| failed("finish a Parquet file", error))?;
        let columns = ColumnStatistics::read(&metadata, &self.schema, &self.metrics);
        self.nans.retain(|id, _| self.metrics.mode(*id) != Mode::None);
        let mut file = DataFileBuilder::default();
        file.content(DataContentType::Data)
            .file_path(self.path.clone())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(self.rows as u64)
            .file_size_in_bytes(self.writer.bytes_written() as u64)
            .column_sizes(columns.sizes)
            .value_counts(columns.values)
            .null_value_counts(columns.nulls)
            .nan_value_counts(std::mem::take(&mut self.nans))
            .lower_bounds(columns.lower)
            .upper_bounds(columns.upper)
            .split_offsets(metadata.row_groups().iter().map(RowGroupMetaData::file_offset).collect());
        Ok(vec![file])
    }
}

impl CurrentFileStatus for ParquetFile {
    fn current_file_path(&self) -> String {
        self.path.clone()
    }

    fn current_row_num(&self) -> usize {
        self.rows
    }

    fn current_written_size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }
}

/// A file's part of what all open files hold; given back when it is dropped.
struct Share {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Share {
    fn set(&mut self, bytes: usize) {
        self.all.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An object as Parquet's writer wants it.
struct Sink(Box<dyn FileWrite>);

impl AsyncFileWriter for Sink {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async move { self.0.write(bytes).await.map_err(|error| ParquetError::External(Box::new(error))) })
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async move { self.0.close().await.map_err(|error| ParquetError::External(Box::new(error))) })
    }
}

fn failed(what: &str, error: ParquetError) -> Error {
    Error::new(ErrorKind::Unexpected, what).with_source(error)
}

/// Counts NaN in the columns and in the structs among them. Those in lists and maps aren't counted: no bounds are
/// written of them either.
fn count_nans(
    fields: &[NestedFieldRef],
    columns: &[ArrayRef],
    parents: &mut Vec<ArrayRef>,
    counts: &mut HashMap<i32, u64>,
) {
    for (field, column) in fields.iter().zip(columns) {
        let count = match field.field_type.as_ref() {
            Type::Primitive(PrimitiveType::Float) => {
                let Some(values) = column.as_primitive_opt::<Float32Type>() else { continue };
                nans(values.values().iter().map(|value| value.is_nan()), column, parents)
            }
            Type::Primitive(PrimitiveType::Double) => {
                let Some(values) = column.as_primitive_opt::<Float64Type>() else { continue };
                nans(values.values().iter().map(|value| value.is_nan()), column, parents)
            }
            Type::Struct(inner) => {
                let Some(values) = column.as_struct_opt() else { continue };
                parents.push(Arc::clone(column));
                count_nans(inner.fields(), values.columns(), parents, counts);
                parents.pop();
                continue;
            }
            _ => continue,
        };
        *counts.entry(field.id).or_default() += count;
    }
}

/// How many of the values are NaN; what lies under a null doesn't count.
fn nans(values: impl Iterator<Item = bool>, column: &ArrayRef, parents: &[ArrayRef]) -> u64 {
    let valid = |row: usize| column.is_valid(row) && parents.iter().all(|parent| parent.is_valid(row));
    values.enumerate().filter(|(row, nan)| *nan && valid(*row)).count() as u64
}
