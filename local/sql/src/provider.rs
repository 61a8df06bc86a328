//! An Iceberg table as DataFusion reads it: with the columns that it has now.

use std::any::Any;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as SqlResult;
use datafusion::logical_expr::TableType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::Expr;
use iceberg::Runtime;
use iceberg::spec::TableMetadata;
use iceberg::table::Table;
use iceberg_datafusion::IcebergStaticTableProvider;

/// The table's newest snapshot under the columns that it has now.
///
/// # Errors
/// The metadata can't be read as a schema.
pub async fn provider(table: Table) -> Result<Arc<dyn TableProvider>> {
    let name = table.identifier().to_string();
    let named = || format!("read the schema of {name}");
    let table = as_it_is_now(table).with_context(named)?;
    let widened = was_widened(table.metadata());
    let provider = IcebergStaticTableProvider::try_new_from_table(table).await.with_context(named)?;
    Ok(if widened { Arc::new(Unfiltered(provider)) } else { Arc::new(provider) })
}

/// The table as if its newest snapshot had been taken after the newest change of its columns: a scan goes by the columns
/// of the snapshot, which lack what came since and bear the old names. Files are read by the columns' ids.
fn as_it_is_now(table: Table) -> Result<Table> {
    let metadata = table.metadata();
    let now = metadata.current_schema_id();
    let Some(newest) = metadata.current_snapshot().filter(|newest| newest.schema_id() != Some(now)) else {
        return Ok(table);
    };
    let mut document = serde_json::to_value(metadata).context("write the metadata")?;
    for snapshot in document["snapshots"].as_array_mut().into_iter().flatten() {
        if snapshot["snapshot-id"] == newest.snapshot_id() {
            snapshot["schema-id"] = now.into();
        }
    }
    let metadata: TableMetadata = serde_json::from_value(document).context("read the metadata")?;
    let same = Table::builder()
        .identifier(table.identifier().clone())
        .file_io(table.file_io().clone())
        .metadata_location(table.metadata_location_result()?)
        .metadata(metadata)
        .runtime(Runtime::try_current()?);
    Ok(same.build()?)
}

/// Whether a column had another type once.
fn was_widened(metadata: &TableMetadata) -> bool {
    metadata.current_schema().as_struct().fields().iter().any(|field| {
        let mut before = metadata.schemas_iter().filter_map(|schema| schema.field_by_id(field.id));
        before.any(|before| before.field_type != field.field_type)
    })
}

/// A table whose files are all read, whatever is asked of them: the scan compares the bounds of a file from before a
/// column was widened with values of the type since then, and leaves out files that have what is looked for.
#[derive(Debug)]
struct Unfiltered(IcebergStaticTableProvider);

#[async_trait]
impl TableProvider for Unfiltered {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> SqlResult<Arc<dyn ExecutionPlan>> {
        self.0.scan(state, projection, &[], limit).await
    }
}
