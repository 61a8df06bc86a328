//! Changes of a table that writers may be at work on.

use anyhow::{Context as _, Result, bail};
use lakewright_aws::text;
use serde_json::{Value, json};

use super::iceberg::Metadata;
use super::{call, describe, metadata};
use crate::kind::Context;

/// How often a change is tried anew when a writer was faster.
const ATTEMPTS: usize = 20;

/// Commits an update made from the metadata that the table has, anew when a writer was faster.
pub(super) async fn change(
    context: &Context,
    database: &str,
    name: &str,
    update: impl Fn(&Metadata) -> Result<Value> + Send + Sync,
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let Some(table) = describe(context, database, name).await? else {
            bail!("the table {database}.{name} is gone")
        };
        let current = metadata(context, &table).await?;
        let current = current.with_context(|| format!("{database}.{name} has lost its metadata"))?;
        let update = update(&current)?;
        let input = json!({
            "DatabaseName": database,
            "Name": name,
            "VersionId": text(&table, "VersionId"),
            "UpdateOpenTableFormatInput": {
                "UpdateIcebergInput": {"UpdateIcebergTableInput": {"Updates": [update]}},
            },
        });
        match call(context, "UpdateTable", input).await {
            Ok(_) => return Ok(()),
            // A writer committed between the look and the change.
            Err(error) if error.is_precondition_failed() => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("writers of {database}.{name} left no moment for the change in {ATTEMPTS} attempts; apply again")
}
