//! Writing the rows of some files into one, sorted if the table says so.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_ord::sort::{SortColumn, SortOptions, lexsort_to_indices};
use arrow_schema::SchemaRef as ArrowSchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use iceberg::Runtime;
use iceberg::arrow::record_batch_projector::RecordBatchProjector;
use iceberg::arrow::{ArrowReaderBuilder, schema_to_arrow_schema};
use iceberg::scan::FileScanTask;
use iceberg::spec::{
    DataFile, DataFileFormat, NameMapping, NullOrder, SchemaRef, SortDirection, SortField, TableMetadata,
};

use super::Policy;
use super::plan::Group;
use crate::catalog::LoadedTable;
use crate::partition::transformed;
use crate::promote;
use crate::writer::TableWriter;

/// Writes a group's rows anew. The files that come are in S3 when this returns, and in no table yet.
///
/// # Errors
/// A file can't be read or written, or holds another number of rows than the table says. What was written by then is the
/// orphans' removal's.
pub(super) async fn rewrite(loaded: &LoadedTable, group: &Group, policy: &Policy) -> anyhow::Result<Vec<DataFile>> {
    let metadata = loaded.table.metadata();
    let expected: u64 = group.files.iter().map(|file| file.rows).sum();
    let mut writer = TableWriter::of_spec(loaded, group.spec.clone(), policy.target(metadata))?;
    let sorted = write(loaded, group, policy, &mut writer).await?;
    let files = writer.close().await?;
    let rows: u64 = files.iter().map(DataFile::record_count).sum();
    if rows != expected {
        loaded.discard(&files).await;
        bail!("{} files hold {rows} rows, and the table says {expected}", group.files.len());
    }
    // A file is said to be sorted only if it was written as one.
    let Some(order) = sorted.filter(|_| files.len() == 1) else { return Ok(files) };
    let sorted = files.iter().map(|file| promote::sorted(file, order, group.spec.spec_id()));
    Ok(sorted.collect::<iceberg::Result<_>>()?)
}

/// Writes the rows; the answer is the sort order that all of them have, if they have one.
async fn write(
    loaded: &LoadedTable,
    group: &Group,
    policy: &Policy,
    writer: &mut TableWriter,
) -> anyhow::Result<Option<i32>> {
    let metadata = loaded.table.metadata();
    let schema = metadata.current_schema().clone();
    let arrow: ArrowSchemaRef = Arc::new(schema_to_arrow_schema(&schema)?);
    let mut sorter = Sorter::of(metadata, &schema)?;
    let reader = ArrowReaderBuilder::new(loaded.table.file_io().clone(), Runtime::try_current()?)
        .with_data_file_concurrency_limit(1)
        .build();
    let tasks: Vec<iceberg::Result<FileScanTask>> = tasks(group, metadata, &schema)?.into_iter().map(Ok).collect();
    let mut batches = reader.read(stream::iter(tasks).boxed())?.stream();
    let (mut held, mut bytes, mut whole) = (Vec::new(), 0, true);
    while let Some(batch) = batches.try_next().await.context("read the files that become one")? {
        let batch = plain(&batch, &arrow)?;
        let Some(sorter) = &mut sorter else {
            writer.write(batch).await?;
            continue;
        };
        bytes += batch.get_array_memory_size();
        held.push(batch);
        // Sorting makes a copy.
        if bytes > policy.memory_bytes / 4 {
            whole = false;
            writer.write(sorter.sorted(&arrow, &std::mem::take(&mut held))?).await?;
            bytes = 0;
        }
    }
    let Some(sorter) = &mut sorter else { return Ok(None) };
    writer.write(sorter.sorted(&arrow, &held)?).await?;
    // What doesn't fit in memory is sorted piece by piece, which still lets readers skip row groups.
    Ok(whole.then_some(sorter.order))
}

/// Reading each of the files as a whole.
fn tasks(group: &Group, metadata: &TableMetadata, schema: &SchemaRef) -> anyhow::Result<Vec<FileScanTask>> {
    let mapping = metadata.properties().get("schema.name-mapping.default");
    let mapping = mapping.map(|text| serde_json::from_str::<NameMapping>(text)).transpose();
    let mapping = mapping.context("the table's `schema.name-mapping.default` can't be read")?.map(Arc::new);
    let columns: Vec<i32> = schema.as_struct().fields().iter().map(|field| field.id).collect();
    let task = |file: &super::plan::Candidate| {
        FileScanTask::builder()
            .with_file_size_in_bytes(file.bytes)
            .with_start(0)
            .with_length(file.bytes)
            .with_record_count(Some(file.rows))
            .with_data_file_path(file.path.clone())
            .with_data_file_format(DataFileFormat::Parquet)
            .with_schema(schema.clone())
            .with_project_field_ids(columns.clone())
            .with_partition(Some(group.partition.clone()))
            .with_partition_spec(Some(group.spec.clone()))
            .with_name_mapping(mapping.clone())
            .with_case_sensitive(true)
            .build()
    };
    Ok(group.files.iter().map(task).collect())
}

/// A batch in exactly the table's Arrow schema: the reader gives what is the same in a whole file in a shorter form.
fn plain(batch: &RecordBatch, schema: &ArrowSchemaRef) -> anyhow::Result<RecordBatch> {
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| {
        if field.data_type() == column.data_type() { Ok(column.clone()) } else { cast(column, field.data_type()) }
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>().context("read a column in the table's type")?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Sorts rows by a table's sort order.
struct Sorter {
    order: i32,
    fields: Vec<SortField>,
    columns: RecordBatchProjector,
}

impl Sorter {
    /// `None` for a table without a sort order.
    fn of(metadata: &TableMetadata, schema: &SchemaRef) -> anyhow::Result<Option<Self>> {
        let order = metadata.default_sort_order();
        if order.is_unsorted() {
            return Ok(None);
        }
        let ids: Vec<i32> = order.fields.iter().map(|field| field.source_id).collect();
        let columns = RecordBatchProjector::from_iceberg_schema(schema.clone(), &ids);
        Ok(Some(Self {
            order: i32::try_from(order.order_id)
                .map_err(|_| anyhow!("its sort order {} has no file's", order.order_id))?,
            fields: order.fields.clone(),
            columns: columns.context("find the columns that the table is sorted by")?,
        }))
    }

    fn sorted(&self, schema: &ArrowSchemaRef, batches: &[RecordBatch]) -> anyhow::Result<RecordBatch> {
        let rows = concat_batches(schema, batches)?;
        if rows.num_rows() == 0 {
            return Ok(rows);
        }
        let sources = self.columns.project_column(rows.columns())?;
        let columns = self.fields.iter().zip(&sources).map(|(field, source)| {
            let options = SortOptions {
                descending: field.direction == SortDirection::Descending,
                nulls_first: field.null_order == NullOrder::First,
            };
            Ok(SortColumn { values: transformed(field.transform, source)?, options: Some(options) })
        });
        let columns = columns.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(take_record_batch(&rows, &lexsort_to_indices(&columns, None)?)?)
    }
}
