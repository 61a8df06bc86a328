//! Writing Arrow batches to Parquet files, divided by the table's partition spec.

use anyhow::Context as _;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use iceberg::arrow::{PartitionValueCalculator, RecordBatchPartitionSplitter, arrow_struct_to_literal};
use iceberg::spec::{DataFile, DataFileFormat, Literal, PartitionKey, PartitionSpecRef, SchemaRef, Struct, StructType};
use iceberg::writer::base_writer::data_file_writer::DataFileWriterBuilder;
use iceberg::writer::file_writer::ParquetWriterBuilder;
use iceberg::writer::file_writer::location_generator::{DefaultFileNameGenerator, DefaultLocationGenerator};
use iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use iceberg::writer::partitioning::PartitioningWriter;
use iceberg::writer::partitioning::fanout_writer::FanoutWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use uuid::Uuid;

use crate::catalog::LoadedTable;

/// The size in bytes at which a data file is closed and another begun.
const TARGET_FILE_SIZE: usize = 128 * 1024 * 1024;
/// Rows of a row group; what is held encoded in memory is at most one row group for each partition.
const ROW_GROUP_ROWS: usize = 512 * 1024;

type Builder = DataFileWriterBuilder<ParquetWriterBuilder, DefaultLocationGenerator, DefaultFileNameGenerator>;

/// Writes the data files of one commit.
pub struct TableWriter {
    writer: FanoutWriter<Builder>,
    schema: SchemaRef,
    spec: PartitionSpecRef,
    partition_type: StructType,
    splitter: Option<(PartitionValueCalculator, RecordBatchPartitionSplitter)>,
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// A writer for the table's current schema and default partition spec. Batches must have the table's Arrow
    /// schema (`iceberg::arrow::schema_to_arrow_schema`). Columns in `plain` are written without a dictionary: those
    /// whose values hardly repeat, for which making one is lost work.
    ///
    /// # Errors
    /// The partition spec doesn't fit the schema.
    pub fn new(loaded: &LoadedTable, plain: &[&str]) -> anyhow::Result<Self> {
        let metadata = loaded.table.metadata();
        let schema = metadata.current_schema().clone();
        let spec = metadata.default_partition_spec().clone();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
        for column in plain {
            properties = properties.set_column_dictionary_enabled((*column).into(), false);
        }
        let parquet = ParquetWriterBuilder::new(properties.build(), schema.clone());
        let prefix = Uuid::new_v4().to_string();
        let rolling = RollingFileWriterBuilder::new(
            parquet,
            TARGET_FILE_SIZE,
            loaded.table.file_io().clone(),
            DefaultLocationGenerator::new(metadata)?,
            DefaultFileNameGenerator::new(prefix, None, DataFileFormat::Parquet),
        );
        let splitter = if spec.is_unpartitioned() {
            None
        } else {
            let calculator = PartitionValueCalculator::try_new(&spec, &schema).context("read the partition spec")?;
            Some((
                calculator,
                RecordBatchPartitionSplitter::try_new_with_computed_values(schema.clone(), spec.clone())?,
            ))
        };
        Ok(Self {
            writer: FanoutWriter::new(DataFileWriterBuilder::new(rolling)),
            partition_type: spec.partition_type(&schema)?,
            schema,
            spec,
            splitter,
        })
    }

    /// The partition spec that the files are written with.
    pub fn spec_id(&self) -> i32 {
        self.spec.spec_id()
    }

    /// Adds rows.
    ///
    /// # Errors
    /// The batch doesn't fit the schema; a file can't be written.
    pub async fn write(&mut self, batch: RecordBatch) -> anyhow::Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let Some((calculator, splitter)) = &self.splitter else {
            let key = self.key(Struct::empty());
            return Ok(self.writer.write(key, batch).await?);
        };
        // Rows that came in together mostly belong to one partition; looking is much cheaper than splitting.
        let values = calculator.calculate(&batch)?;
        if is_constant(&values) {
            let first =
                arrow_struct_to_literal(&values.slice(0, 1), &self.partition_type)?.into_iter().next().flatten();
            if let Some(Literal::Struct(value)) = first {
                let key = self.key(value);
                return Ok(self.writer.write(key, batch).await?);
            }
        }
        for (key, part) in splitter.split(&batch)? {
            self.writer.write(key, part).await?;
        }
        Ok(())
    }

    fn key(&self, value: Struct) -> PartitionKey {
        PartitionKey::new(self.spec.as_ref().clone(), self.schema.clone(), value)
    }

    /// Finishes the files; they are in S3 when this returns, and in no table yet.
    ///
    /// # Errors
    /// A file can't be written.
    pub async fn close(self) -> anyhow::Result<Vec<DataFile>> {
        self.writer.close().await.context("write the data files")
    }
}

/// Whether all rows of a struct array are the same, judged by the bytes of its columns; `false` when it isn't known.
fn is_constant(values: &ArrayRef) -> bool {
    let Some(values) = values.as_struct_opt() else { return false };
    values.columns().iter().all(|column| {
        let data = column.to_data();
        if data.null_count() > 0 {
            return data.null_count() == data.len();
        }
        let Some(width) = column.data_type().primitive_width() else { return false };
        let bytes = &data.buffers()[0].as_slice()[data.offset() * width..(data.offset() + data.len()) * width];
        bytes.chunks_exact(width).all(|value| value == &bytes[..width])
    })
}
