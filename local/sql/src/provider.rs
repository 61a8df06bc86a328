//! An Iceberg table as DataFusion reads it: with the columns that it has now.

use std::any::Any;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::error::Result as SqlResult;
use datafusion::logical_expr::{TableProviderFilterPushDown, TableType};
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
    Ok(Arc::new(Filtered { provider, widened }))
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

/// A table of which files are left out only by filters that the scan judges rightly.
#[derive(Debug)]
struct Filtered {
    provider: IcebergStaticTableProvider,
    /// The scan compares the bounds of a file from before a column was widened with values of the type since then, and
    /// leaves out files that have what is looked for: then all are read.
    widened: bool,
}

/// Whether a filter names a time before 1970: the scan takes the last second of a day for the next day's
/// (apache/iceberg-rust, `Day::day_timestamp_micro`: rounds toward zero).
fn is_before_1970(filter: &Expr) -> bool {
    let early = filter.exists(|part| {
        Ok(match part {
            Expr::Literal(
                ScalarValue::TimestampSecond(Some(time), _)
                | ScalarValue::TimestampMillisecond(Some(time), _)
                | ScalarValue::TimestampMicrosecond(Some(time), _)
                | ScalarValue::TimestampNanosecond(Some(time), _),
                _,
            ) => *time < 0,
            _ => false,
        })
    });
    early.unwrap_or(true)
}

#[async_trait]
impl TableProvider for Filtered {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        self.provider.schema()
    }

    fn table_type(&self) -> TableType {
        self.provider.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> SqlResult<Vec<TableProviderFilterPushDown>> {
        let judged = |filter: &&Expr| {
            if self.widened || is_before_1970(filter) {
                TableProviderFilterPushDown::Unsupported
            } else {
                TableProviderFilterPushDown::Inexact
            }
        };
        Ok(filters.iter().map(judged).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> SqlResult<Arc<dyn ExecutionPlan>> {
        self.provider.scan(state, projection, filters, limit).await
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn filters_on_times_before_1970_are_judged_after_reading() {
        let after = |micros| {
            let time = ScalarValue::TimestampMicrosecond(Some(micros), Some("+00:00".into()));
            col("at").gt(Expr::Literal(time, None))
        };
        assert!(is_before_1970(&after(-1)));
        assert!(is_before_1970(&after(0).or(after(-86_400_500_000))));
        assert!(!is_before_1970(&after(0)));
        assert!(!is_before_1970(&col("n").gt(lit(-1_i64))));
    }
}
