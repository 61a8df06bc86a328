//! Making a warehouse table from its model's query.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use datafusion::common::JoinType;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{cast, col, lit};
use datafusion::prelude::{Expr, SessionConfig, SessionContext};
use futures::StreamExt as _;
use iceberg::arrow::{arrow_schema_to_schema_auto_assign_ids, schema_to_arrow_schema};
use lakewright_config::{Manifest, Materialization, Model};
use lakewright_lake::{Change, CommitError, LoadedTable, TableWriter};

use crate::provider::provider;
use crate::{Engine, plain, session};

/// How often a model is run again after somebody else changed its table meanwhile.
const ATTEMPTS: usize = 4;
/// What the table was made from: the query and the snapshots that it read. The same again is no work.
const MADE_FROM: &str = "lakewright.made-from";
/// Functions whose result moves although their inputs don't: a query with one of them is never up to date.
const MOVING: [&str; 7] = ["now(", "current_date", "current_time", "random(", "rand(", "uuid(", "getdate("];
/// How long, in milliseconds, a model's snapshots stay in its table's metadata: a day.
const KEPT_MS: &str = "86400000";

/// Runs one model; the log line says what it did.
pub async fn run(engine: &Engine, manifest: &Manifest, model: &Model) -> Result<String> {
    if model.materialization == Materialization::Merge {
        ensure!(!model.key.is_empty(), "a model that merges needs the columns of its key");
    }
    let begun = Instant::now();
    for _ in 0..ATTEMPTS {
        match attempt(engine, manifest, model).await? {
            Attempt::Done(what) => {
                let line = format!("{}: {what} in {:.2} s", model.name, begun.elapsed().as_secs_f64());
                let maintained = match &engine.maintenance {
                    Some(maintenance) => maintenance.of_table(&engine.aws, &manifest.database, &model.name).await,
                    None => None,
                };
                return Ok(maintained.map_or_else(|| line.clone(), |what| format!("{line}; {what}")));
            }
            Attempt::Conflict => tracing::info!(model = model.name, "another writer was first: the model runs again"),
        }
    }
    bail!("the table {}.{} changed under each of {ATTEMPTS} attempts", manifest.database, model.name)
}

enum Attempt {
    Done(String),
    Conflict,
}

async fn attempt(engine: &Engine, manifest: &Manifest, model: &Model) -> Result<Attempt> {
    let session = session::open(&engine.aws, &engine.runtime, &manifest.database, &model.sql).await?;
    let frame = session.context.sql(&model.sql).await.map_err(|error| anyhow!("{}", plain(&error)))?;
    let wanted = table_schema(&frame);
    let target = find_target(engine, manifest, model, &wanted).await?;
    let sorted: BTreeMap<_, _> = session.inputs.iter().collect();
    let made_from = serde_json::to_string(&(&model.sql, model.materialization, sorted)).context("note the inputs")?;
    let current = target.table.metadata().current_snapshot();
    if current.and_then(|snapshot| snapshot.summary().additional_properties.get(MADE_FROM)) == Some(&made_from)
        && model.materialization != Materialization::Append
        && !moves(&model.sql)
    {
        return Ok(Attempt::Done("up to date".to_owned()));
    }
    let schema =
        Arc::new(schema_to_arrow_schema(target.table.metadata().current_schema()).context("read the table's schema")?);
    let rows = match model.materialization {
        Materialization::Append | Materialization::Replace => frame,
        Materialization::Merge => merged(engine, frame, &target, model).await?,
    };
    let rows = select_as(rows, &schema)?;
    let mut writer = TableWriter::new(&target, &[])?;
    let mut stream = rows.execute_stream().await.map_err(|error| anyhow!("{}", plain(&error)))?;
    let mut count = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| anyhow!("{}", plain(&error)))?;
        count += batch.num_rows();
        writer.write(with_schema(&batch, &schema)?).await?;
    }
    let spec_id = writer.spec_id();
    let files = writer.close().await?;
    let change = Change {
        overwrite: model.materialization != Materialization::Append,
        files: files.clone(),
        spec_id: Some(spec_id),
        summary: HashMap::from([(MADE_FROM.to_owned(), made_from)]),
        properties: HashMap::from([("history.expire.max-snapshot-age-ms".to_owned(), KEPT_MS.to_owned())]),
        maintained: engine.maintenance.is_some(),
    };
    match target.commit(change).await {
        Ok(_) => {}
        Err(CommitError::Conflict { .. }) => {
            target.discard(&files).await;
            return Ok(Attempt::Conflict);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Attempt::Done(match model.materialization {
        Materialization::Append => format!("{count} rows appended"),
        Materialization::Replace => format!("{count} rows"),
        Materialization::Merge => format!("{count} rows after the merge"),
    }))
}

/// Whether a query's result can move by itself.
fn moves(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    MOVING.iter().any(|function| lower.contains(function))
}

/// The model's table, made if there is none yet.
async fn find_target(engine: &Engine, manifest: &Manifest, model: &Model, wanted: &ArrowSchema) -> Result<LoadedTable> {
    let (database, name) = (&manifest.database, &model.name);
    if let Some(found) = lakewright_lake::find_table(&engine.aws, database, name).await? {
        let has = |table: &LoadedTable| -> Vec<String> {
            let fields = table.table.metadata().current_schema().as_struct().fields();
            fields.iter().map(|field| field.name.clone()).collect()
        };
        let wants: Vec<String> = wanted.fields().iter().map(|field| field.name().clone()).collect();
        ensure!(
            has(&found) == wants,
            "the model's columns are {}, but the table {database}.{name} has {}; drop the table to have it made anew, \
             or give the model another name",
            wants.join(", "),
            has(&found).join(", ")
        );
        return Ok(found);
    }
    let schema =
        arrow_schema_to_schema_auto_assign_ids(wanted).context("make an Iceberg schema of the model's columns")?;
    let location = format!("{}/{name}", manifest.location.trim_end_matches('/'));
    lakewright_lake::create_table(&engine.aws, database, name, &location, schema, None).await
}

/// The columns of a query with types that Iceberg has; all may be null.
fn table_schema(frame: &DataFrame) -> ArrowSchema {
    let fields: Vec<Field> = frame
        .schema()
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), storable(field.data_type()), true))
        .collect();
    ArrowSchema::new(fields)
}

fn storable(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::Binary => DataType::LargeBinary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        other => other.clone(),
    }
}

/// The query's rows, and those of the table whose key is not among them.
///
/// # Errors
/// A key is null or stands twice: it would not identify a row.
async fn merged(engine: &Engine, new: DataFrame, target: &LoadedTable, model: &Model) -> Result<DataFrame> {
    let names: Vec<String> = new.schema().fields().iter().map(|field| field.name().clone()).collect();
    for key in &model.key {
        ensure!(names.contains(key), "the key column `{key}` is not among the model's columns: {}", names.join(", "));
    }
    // The rows are used several times, and must be the same each time.
    let new = new.cache().await.map_err(|error| anyhow!("{}", plain(&error)))?;
    check_keys(&new, &model.key).await?;
    if target.table.metadata().current_snapshot().is_none() {
        return Ok(new);
    }
    let provider = provider(target.table.clone()).await?;
    let work = async {
        let context = SessionContext::new_with_config_rt(SessionConfig::new(), Arc::clone(&engine.runtime));
        let old = context.read_table(provider)?;
        let keys: Vec<&str> = model.key.iter().map(String::as_str).collect();
        let kept = old.join(new.clone(), JoinType::LeftAnti, &keys, &keys, None)?;
        let columns: Vec<Expr> = names.iter().map(|name| col(quoted(name))).collect();
        let types: Vec<DataType> = new.schema().fields().iter().map(|field| storable(field.data_type())).collect();
        let typed = |frame: DataFrame| {
            let cast_columns: Vec<Expr> = columns
                .iter()
                .zip(&types)
                .zip(&names)
                .map(|((column, data_type), name)| cast(column.clone(), data_type.clone()).alias(name))
                .collect();
            frame.select(cast_columns)
        };
        typed(new)?.union(typed(kept)?)
    };
    work.await.map_err(|error: datafusion::error::DataFusionError| anyhow!("{}", plain(&error)))
}

/// Whether the key identifies each row.
async fn check_keys(rows: &DataFrame, key: &[String]) -> Result<()> {
    let columns: Vec<Expr> = key.iter().map(|name| col(quoted(name))).collect();
    let work = async {
        let null = columns.iter().map(|column| column.clone().is_null()).reduce(Expr::or).unwrap_or_else(|| lit(false));
        let nulls = rows.clone().filter(null)?.count().await?;
        let all = rows.clone().count().await?;
        let distinct = rows.clone().select(columns)?.distinct()?.count().await?;
        Ok((nulls, all - distinct))
    };
    let (nulls, repeats) =
        work.await.map_err(|error: datafusion::error::DataFusionError| anyhow!("{}", plain(&error)))?;
    let key = key.join(", ");
    ensure!(nulls == 0, "{nulls} of the query's rows have no key ({key}): filter them out, or choose another key");
    ensure!(
        repeats == 0,
        "{repeats} of the query's rows have a key ({key}) that another row has: choose one with row_number()"
    );
    Ok(())
}

/// The rows with the table's types, in its order.
fn select_as(rows: DataFrame, schema: &ArrowSchema) -> Result<DataFrame> {
    let columns: Vec<Expr> = schema
        .fields()
        .iter()
        .map(|field| cast(col(quoted(field.name())), field.data_type().clone()).alias(field.name()))
        .collect();
    let columns = if columns.is_empty() { vec![lit(1)] } else { columns };
    rows.select(columns).map_err(|error| anyhow!("{}", plain(&error)))
}

/// A column name that is taken to the letter.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The batch with the schema's metadata: the writer finds field ids there.
fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).context("fit the rows to the table's schema")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_that_identify_no_row_are_refused() {
        let context = SessionContext::new();
        let key = ["k".to_owned()];
        for (sql, part) in [
            ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (k, v)", None),
            ("SELECT * FROM (VALUES (1, 'a'), (1, 'b')) AS t (k, v)", Some("1 of the query's rows have a key (k)")),
            ("SELECT * FROM (VALUES (1, 'a'), (NULL, 'b')) AS t (k, v)", Some("1 of the query's rows have no key")),
        ] {
            let rows = context.sql(sql).await.expect("a query");
            match (check_keys(&rows, &key).await, part) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
                (result, part) => panic!("{sql}: {result:?}, expected {part:?}"),
            }
        }
    }

    #[test]
    fn queries_that_move_by_themselves_are_never_up_to_date() {
        assert!(moves("SELECT * FROM t WHERE at > NOW() - INTERVAL '1 day'"));
        assert!(!moves("SELECT sold_at, amount FROM shop_raw.sales"));
    }
}
