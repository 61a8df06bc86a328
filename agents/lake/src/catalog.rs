//! Tables as the Glue catalog has them.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use iceberg::spec::TableMetadata;
use iceberg::table::Table;
use iceberg::{Runtime, TableIdent};
use lakewright_aws::{Client, Service};
use serde_json::{Map, Value, json};

use crate::storage::file_io;

/// A table as it was at one moment: what a commit is conditional on.
#[derive(Debug, Clone)]
pub struct LoadedTable {
    /// Its metadata and files.
    pub table: Table,
    /// Glue's version of it.
    pub version_id: String,
    /// The metadata file that Glue named.
    pub metadata_location: String,
    pub(crate) aws: Client,
    pub(crate) database: String,
    pub(crate) name: String,
    /// Glue's own record, of which a commit changes two parameters only.
    pub(crate) record: Arc<Value>,
}

/// Loads a table.
///
/// # Errors
/// The table doesn't exist or isn't an Iceberg table; Glue or S3 can't be reached.
pub async fn load_table(aws: &Client, database: &str, name: &str) -> anyhow::Result<LoadedTable> {
    find_table(aws, database, name).await?.ok_or_else(|| anyhow!("there is no table {database}.{name} in the catalog"))
}

/// Loads a table if it exists.
///
/// # Errors
/// It isn't an Iceberg table; Glue or S3 can't be reached.
pub async fn find_table(aws: &Client, database: &str, name: &str) -> anyhow::Result<Option<LoadedTable>> {
    let Some(record) = get_record(aws, database, name).await? else { return Ok(None) };
    let location = metadata_location(&record).with_context(|| format!("table {database}.{name}"))?;
    let files = file_io(aws);
    let metadata = TableMetadata::read_from(&files, &location)
        .await
        .with_context(|| format!("read the metadata of {database}.{name}, {location}"))?;
    Ok(Some(assemble(aws, database, name, record, &location, Arc::new(metadata), files)?))
}

fn assemble(
    aws: &Client,
    database: &str,
    name: &str,
    record: Value,
    location: &str,
    metadata: Arc<TableMetadata>,
    files: iceberg::io::FileIO,
) -> anyhow::Result<LoadedTable> {
    let table = Table::builder()
        .identifier(TableIdent::from_strs([database, name])?)
        .file_io(files)
        .metadata_location(location)
        .metadata(metadata)
        .runtime(Runtime::try_current()?)
        .build()
        .with_context(|| format!("open the table {database}.{name}"))?;
    Ok(LoadedTable {
        table,
        version_id: version_id(&record),
        metadata_location: location.to_owned(),
        aws: aws.clone(),
        database: database.to_owned(),
        name: name.to_owned(),
        record: Arc::new(record),
    })
}

impl LoadedTable {
    /// The table as it is now; its metadata is read only when it changed.
    ///
    /// # Errors
    /// As [`load_table`].
    pub async fn reload(&self) -> anyhow::Result<Self> {
        let record = get_record(&self.aws, &self.database, &self.name)
            .await?
            .ok_or_else(|| anyhow!("the table {} was deleted", self.full_name()))?;
        let location = metadata_location(&record).with_context(|| format!("table {}", self.full_name()))?;
        let files = self.table.file_io().clone();
        let metadata = if location == self.metadata_location {
            self.table.metadata_ref()
        } else {
            let read = TableMetadata::read_from(&files, &location).await;
            Arc::new(read.with_context(|| format!("read the metadata of {}, {location}", self.full_name()))?)
        };
        assemble(&self.aws, &self.database, &self.name, record, &location, metadata, files)
    }

    /// This table with the metadata that a commit just made; only Glue's version is asked for. When somebody was
    /// faster still, or Glue doesn't answer, the version stays an old one and the next commit is a conflict.
    pub(crate) async fn committed(&self, location: &str, metadata: TableMetadata) -> anyhow::Result<Self> {
        let record = match get_record(&self.aws, &self.database, &self.name).await {
            Ok(Some(record)) if metadata_location(&record).is_ok_and(|found| found == location) => record,
            _ => (*self.record).clone(),
        };
        let files = self.table.file_io().clone();
        assemble(&self.aws, &self.database, &self.name, record, location, Arc::new(metadata), files)
    }

    /// `database.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// Glue's input for the same table with another metadata file: everything else stays as it was found.
    pub(crate) fn table_input(&self, location: &str) -> Value {
        const KEPT: [&str; 11] = [
            "Name",
            "Description",
            "Owner",
            "LastAccessTime",
            "LastAnalyzedTime",
            "Retention",
            "StorageDescriptor",
            "PartitionKeys",
            "TableType",
            "ViewOriginalText",
            "ViewExpandedText",
        ];
        let mut input: Map<String, Value> = KEPT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.record.get(*name).filter(|v| !v.is_null())?.clone())))
            .collect();
        let mut parameters = self.record["Parameters"].as_object().cloned().unwrap_or_default();
        parameters.insert("metadata_location".into(), json!(location));
        parameters.insert("previous_metadata_location".into(), json!(self.metadata_location));
        input.insert("Parameters".into(), Value::Object(parameters));
        Value::Object(input)
    }
}

/// Glue's record of a table, if there is one.
pub(crate) async fn get_record(aws: &Client, database: &str, name: &str) -> anyhow::Result<Option<Value>> {
    let input = json!({ "DatabaseName": database, "Name": name });
    match aws.call(Service::Glue, "GetTable", input).await {
        Ok(mut answer) => Ok(Some(answer["Table"].take())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(anyhow!(error).context(format!("look for the table {database}.{name}"))),
    }
}

/// The metadata file that Glue's record of an Iceberg table names.
pub(crate) fn metadata_location(record: &Value) -> anyhow::Result<String> {
    let parameters = &record["Parameters"];
    if !parameters["table_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg")) {
        bail!("it is no Iceberg table");
    }
    match parameters["metadata_location"].as_str() {
        Some(location) => Ok(location.to_owned()),
        None => bail!("the catalog names no metadata file for it"),
    }
}

fn version_id(record: &Value) -> String {
    match &record["VersionId"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "0".into(),
    }
}
