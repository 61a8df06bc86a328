//! A session in which exactly the tables that a statement names are known, each as it is now.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use lakewright_aws::Aws;

use crate::provider::provider;
use crate::{Inputs, depth, plain};

/// The catalog's name, as Athena has it.
const CATALOG: &str = "awsdatacatalog";

/// A session for one statement.
pub struct Session {
    /// Runs it.
    pub context: SessionContext,
    /// The size in bytes of the tables that it names.
    pub bytes: u64,
    /// The snapshots that it reads.
    pub inputs: Inputs,
}

/// A session for a SELECT whose unqualified tables are those of `database`.
pub async fn open(aws: &Aws, runtime: &Arc<RuntimeEnv>, database: &str, sql: &str) -> Result<Session> {
    depth::check(sql)?;
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, database)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    // One partition per core is what two cores can do; more would only cost memory.
    config.options_mut().execution.target_partitions = std::thread::available_parallelism().map_or(2, usize::from);
    let context = SessionContext::new_with_config_rt(config, Arc::clone(runtime));
    let state = context.state();
    let statement = state
        .sql_to_statement(sql, &datafusion::config::Dialect::Generic)
        .map_err(|error| anyhow!("{}", plain(&error)))?;
    ensure!(
        matches!(&statement, Statement::Statement(inner) if matches!(**inner, ast::Statement::Query(_))),
        "only SELECT statements run on this machine"
    );
    let catalog = Arc::new(MemoryCatalogProvider::new());
    context.register_catalog(CATALOG, Arc::clone(&catalog) as Arc<dyn CatalogProvider>);
    catalog
        .register_schema(database, Arc::new(MemorySchemaProvider::new()))
        .with_context(|| format!("register the database {database}"))?;
    let references = state.resolve_table_references(&statement).map_err(|error| anyhow!("{}", plain(&error)))?;
    let mut session = Session { context, bytes: 0, inputs: Inputs::new() };
    for reference in references {
        let resolved = reference.resolve(CATALOG, database);
        let (schema, name) = (resolved.schema.to_string(), resolved.table.to_string());
        // A table that isn't found is left out: the planner's message names it and what is like it.
        let Some(loaded) = lakewright_lake::find_table(aws, &schema, &name).await? else { continue };
        let full_name = loaded.full_name();
        if let Some(snapshot) = loaded.table.metadata().current_snapshot() {
            let size = snapshot.summary().additional_properties.get("total-files-size");
            session.bytes += size.and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
            let read = (snapshot.snapshot_id(), loaded.table.metadata().current_schema_id());
            session.inputs.insert(full_name.clone(), read);
        }
        let provider = provider(loaded.table).await?;
        let tables: Arc<dyn SchemaProvider> = match catalog.schema(&schema) {
            Some(tables) => tables,
            None => {
                let tables = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(&schema, Arc::clone(&tables) as Arc<dyn SchemaProvider>)?;
                tables
            }
        };
        tables.register_table(name, provider)?;
    }
    Ok(session)
}
