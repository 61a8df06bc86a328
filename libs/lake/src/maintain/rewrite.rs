//! Writing the rows of some files into one, sorted if the table says so.

use anyhow::{Context as _, anyhow};
use arrow_array::RecordBatch;
use arrow_ord::sort::{SortColumn, SortOptions, lexsort_to_indices};
use arrow_schema::SchemaRef as ArrowSchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use iceberg::arrow::record_batch_projector::RecordBatchProjector;
use iceberg::spec::{DataFile, NullOrder, SchemaRef, SortDirection, SortField, TableMetadata};

use super::Policy;
use super::fit::Wanted;
use super::plan::Group;
use super::source::{Rows, Trouble};
use crate::catalog::LoadedTable;
use crate::partition::transformed;
use crate::promote;
use crate::writer::TableWriter;

/// Why a group isn't written anew.
pub(super) enum Failed {
    /// For its file of this number, and what is in it.
    Unsuited(usize, String),
    /// For another reason.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Writes a group's rows anew. The files that come are in S3 when this returns, and in no table yet.
///
/// # Errors
/// A file can't be read or written. What was written by then is the orphans' removal's.
pub(super) async fn rewrite(
    loaded: &LoadedTable,
    group: &Group,
    wanted: &Wanted,
    policy: &Policy,
) -> Result<Vec<DataFile>, Failed> {
    let metadata = loaded.table.metadata();
    let expected: u64 = group.files.iter().map(|file| file.rows).sum();
    let mut writer = TableWriter::of_spec(loaded, group.spec.clone(), policy.target(metadata))?;
    let sorted = write(loaded, group, wanted, policy, &mut writer).await?;
    let files = writer.close().await?;
    let rows: u64 = files.iter().map(DataFile::record_count).sum();
    if rows != expected {
        loaded.discard(&files).await;
        return Err(anyhow!("{} files hold {rows} rows, and the table says {expected}", group.files.len()).into());
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
    wanted: &Wanted,
    policy: &Policy,
    writer: &mut TableWriter,
) -> Result<Option<i32>, Failed> {
    let metadata = loaded.table.metadata();
    let mut sorter = Sorter::of(metadata, metadata.current_schema())?;
    let (mut held, mut bytes, mut whole) = (Vec::new(), 0, true);
    for (number, file) in group.files.iter().enumerate() {
        let failed = |trouble| match trouble {
            Trouble::Unsuited(why) => Failed::Unsuited(number, why),
            Trouble::Unread(error) => Failed::Other(error.context(file.path.clone())),
        };
        for batch in Rows::open(loaded.table.file_io(), file, wanted).await.map_err(failed)? {
            let batch = batch.map_err(failed)?;
            let Some(sorter) = &mut sorter else {
                writer.write(batch).await?;
                continue;
            };
            bytes += batch.get_array_memory_size();
            held.push(batch);
            // Sorting makes a copy.
            if bytes > policy.memory_bytes / 4 {
                whole = false;
                writer.write(sorter.sorted(&wanted.arrow, &std::mem::take(&mut held))?).await?;
                bytes = 0;
            }
        }
    }
    let Some(sorter) = &mut sorter else { return Ok(None) };
    writer.write(sorter.sorted(&wanted.arrow, &held)?).await?;
    // What doesn't fit in memory is sorted piece by piece, which still lets readers skip row groups.
    Ok(whole.then_some(sorter.order))
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
