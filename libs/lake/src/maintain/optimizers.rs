//! Optimizers of Glue's, which maintain a table by themselves: who has them leaves the table to them.

use anyhow::{anyhow, bail};
use aws_sdk_glue::types::{BatchGetTableOptimizerEntry, TableOptimizerConfiguration, TableOptimizerType};
use lakewright_aws::{Aws, ask, client};

/// The code by which Glue says that a table has no such optimizer.
const NONE: &str = "EntityNotFoundException";

/// The types of the optimizers of a table that are switched on, `compaction` for one. The catalog is the account's.
///
/// # Errors
/// Glue doesn't say: then nobody knows whether the table is somebody else's to maintain.
pub async fn optimizers(
    aws: &Aws,
    account: Option<&str>,
    (database, name): (&str, &str),
) -> anyhow::Result<Vec<String>> {
    let types = [TableOptimizerType::Compaction, TableOptimizerType::Retention, TableOptimizerType::OrphanFileDeletion];
    let entries = types.map(|kind| {
        let entry = BatchGetTableOptimizerEntry::builder().set_catalog_id(account.map(str::to_owned));
        entry.database_name(database).table_name(name).r#type(kind).build()
    });
    let glue = client!(aws, "glue", aws_sdk_glue);
    let asked = ask(glue.batch_get_table_optimizer().set_entries(Some(entries.into())).send()).await;
    let table = || format!("look for optimizers of the table {database}.{name}");
    let answer = asked.map_err(|error| anyhow!(error).context(table()))?;
    for failure in answer.failures() {
        let error = failure.error();
        let code = error.and_then(|error| error.error_code()).unwrap_or_default();
        if code != NONE {
            let message = error.and_then(|error| error.error_message()).unwrap_or_default();
            bail!("{}: {code}: {message}", table());
        }
    }
    let optimizers = answer.table_optimizers().iter().filter_map(|one| one.table_optimizer());
    let enabled = optimizers.filter(|one| {
        let configuration = one.configuration();
        configuration.and_then(TableOptimizerConfiguration::enabled).unwrap_or_default()
    });
    Ok(enabled.filter_map(|one| Some(one.r#type()?.as_str().to_owned())).collect())
}
