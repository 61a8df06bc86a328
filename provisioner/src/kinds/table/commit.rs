//! Changes of a table that writers may be at work on.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use aws_sdk_glue::types::{
    IcebergPartitionSpec, IcebergSchema, IcebergSortOrder, IcebergTableUpdate, UpdateIcebergInput,
    UpdateIcebergTableInput, UpdateOpenTableFormatInput,
};
use lakewright_aws::{Needed as _, ask};

use super::iceberg::Metadata;
use super::{describe, metadata};
use crate::kind::Context;
use crate::services::Services as _;

/// How often a change is tried anew when a writer was faster.
const ATTEMPTS: usize = 20;

/// What an update makes of a table.
pub(super) struct Update {
    /// The schema.
    pub(super) schema: IcebergSchema,
    /// The partitioning; without one it stays.
    pub(super) partition: Option<IcebergPartitionSpec>,
    /// The sort order; without one it stays.
    pub(super) sort: Option<IcebergSortOrder>,
    /// The properties that are set; others stay.
    pub(super) properties: BTreeMap<String, String>,
}

impl Update {
    fn written(self, location: &str) -> Result<UpdateOpenTableFormatInput> {
        let update = IcebergTableUpdate::builder()
            .location(location)
            .schema(self.schema)
            .set_partition_spec(self.partition)
            .set_sort_order(self.sort)
            .set_properties(Some(self.properties.into_iter().collect()));
        let updates = UpdateIcebergTableInput::builder().updates(update.build()?).build()?;
        let input = UpdateIcebergInput::builder().update_iceberg_table_input(updates).build();
        Ok(UpdateOpenTableFormatInput::builder().update_iceberg_input(input).build())
    }
}

/// Commits an update made from the metadata that the table has, anew when a writer was faster.
pub(super) async fn change(
    context: &Context,
    database: &str,
    name: &str,
    update: impl Fn(&Metadata) -> Result<Update> + Send + Sync,
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let Some(table) = describe(context, database, name).await? else {
            bail!("the table {database}.{name} is gone")
        };
        let current = metadata(context, &table).await?;
        let current = current.with_context(|| format!("{database}.{name} has lost its metadata"))?;
        let update = update(&current)?.written(&current.location)?;
        // Without a version the update would overwrite what a writer commits meanwhile.
        let version = table.version_id().needed("glue", "Table.VersionId")?;
        let call = context.aws.glue().update_table().database_name(database).name(name).version_id(version);
        match ask(call.update_open_table_format_input(update).send()).await {
            Ok(_) => return Ok(()),
            // A writer committed between the look and the change.
            Err(error) if error.is_precondition_failed() => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("writers of {database}.{name} left no moment for the change in {ATTEMPTS} attempts; apply again")
}
