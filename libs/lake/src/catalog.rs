//! Tables as the Glue catalog has them.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_glue::types;
use iceberg::io::FileIO;
use iceberg::spec::TableMetadata;
use iceberg::table::Table;
use iceberg::{Runtime, TableIdent};
use lakewright_aws::{Aws, Needed as _, ask, client};

use crate::format;
use crate::lake_formation;
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
    pub(crate) aws: Aws,
    pub(crate) database: String,
    pub(crate) name: String,
    /// Glue's own record, of which a commit changes two parameters only.
    pub(crate) record: Arc<types::Table>,
}

/// Loads a table.
///
/// # Errors
/// The table doesn't exist or isn't an Iceberg table; Glue or S3 can't be reached.
pub async fn load_table(aws: &Aws, database: &str, name: &str) -> anyhow::Result<LoadedTable> {
    find_table(aws, database, name).await?.ok_or_else(|| anyhow!("there is no table {database}.{name} in the catalog"))
}

/// Loads a table if it exists.
///
/// # Errors
/// It isn't an Iceberg table; Glue or S3 can't be reached.
pub async fn find_table(aws: &Aws, database: &str, name: &str) -> anyhow::Result<Option<LoadedTable>> {
    let Some(record) = get_record(aws, database, name).await? else { return Ok(None) };
    let location = metadata_location(&record).with_context(|| format!("table {database}.{name}"))?;
    let files = file_io(aws);
    let metadata = read(&files, &location, &format!("{database}.{name}")).await?;
    Ok(Some(assemble(aws, database, name, record, &location, Arc::new(metadata), files)?))
}

/// Reads a table's metadata file.
async fn read(files: &FileIO, location: &str, table: &str) -> anyhow::Result<TableMetadata> {
    let error = match TableMetadata::read_from(files, location).await {
        Ok(metadata) => return Ok(metadata),
        Err(error) => anyhow!(error).context(format!("read the metadata of {table}, {location}")),
    };
    Err(match format::explain(files, location).await {
        Some(reason) => error.context(format!("the table {table}: {reason}")),
        None => error,
    })
}

fn assemble(
    aws: &Aws,
    database: &str,
    name: &str,
    record: types::Table,
    location: &str,
    metadata: Arc<TableMetadata>,
    files: FileIO,
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
        version_id: record.version_id.clone().needed("glue", "Table.VersionId")?,
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
            Arc::new(read(&files, &location, &self.full_name()).await?)
        };
        assemble(&self.aws, &self.database, &self.name, record, &location, metadata, files)
    }

    /// This table with the metadata that a commit just made; only Glue's version is asked for. When somebody was
    /// faster still, or Glue doesn't answer, the version stays an old one and the next commit is a conflict.
    pub(crate) async fn committed(&self, location: &str, metadata: TableMetadata) -> anyhow::Result<Self> {
        let record = match get_record(&self.aws, &self.database, &self.name).await {
            Ok(Some(record))
                if record.version_id.is_some() && metadata_location(&record).is_ok_and(|found| found == location) =>
            {
                record
            }
            _ => (*self.record).clone(),
        };
        let files = self.table.file_io().clone();
        assemble(&self.aws, &self.database, &self.name, record, location, Arc::new(metadata), files)
    }

    /// Refuses a table of a format that isn't written.
    ///
    /// # Errors
    /// It is one.
    pub fn check_format(&self) -> anyhow::Result<()> {
        match format::refused(self.table.metadata()) {
            Some(refused) => bail!("the table {}: {refused}", self.full_name()),
            None => Ok(()),
        }
    }

    /// `database.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// Glue's input for the same table, with another metadata file if there is one, and columns added to those that Glue shows:
    /// everything else stays as it was found.
    pub(crate) fn table_input(&self, location: Option<&str>, added: &[types::Column]) -> types::TableInput {
        let mut record = types::Table::clone(&self.record);
        if let Some(storage) = record.storage_descriptor.as_mut().filter(|_| !added.is_empty()) {
            storage.columns = Some(with_added(storage.columns.take().unwrap_or_default(), added));
        }
        let mut parameters = record.parameters.unwrap_or_default();
        if let Some(location) = location {
            parameters.insert(METADATA_LOCATION.into(), location.into());
            parameters.insert("previous_metadata_location".into(), self.metadata_location.clone());
        }
        types::TableInput::builder()
            .name(record.name)
            .set_description(record.description)
            .set_owner(record.owner)
            .set_last_access_time(record.last_access_time)
            .set_last_analyzed_time(record.last_analyzed_time)
            .retention(record.retention)
            .set_storage_descriptor(record.storage_descriptor)
            .set_partition_keys(record.partition_keys)
            .set_table_type(record.table_type)
            .set_view_original_text(record.view_original_text)
            .set_view_expanded_text(record.view_expanded_text)
            .set_parameters(Some(parameters))
            .build()
            .expect("nothing but the name is required")
    }
}

/// Glue's columns with more of them, behind those that the table has. Some writers, Iceberg's Java for one, list behind these the
/// columns that it had: one of them that comes back under its name is another column, and listed once.
fn with_added(columns: Vec<types::Column>, added: &[types::Column]) -> Vec<types::Column> {
    let is_kept = |column: &types::Column| !added.iter().any(|one| one.name.eq_ignore_ascii_case(&column.name));
    let is_current = |column: &types::Column| {
        let said = column.parameters.as_ref().and_then(|parameters| parameters.get(CURRENT));
        said.is_none_or(|said| said != "false")
    };
    let (mut all, before): (Vec<_>, Vec<_>) = columns.into_iter().filter(is_kept).partition(is_current);
    all.extend_from_slice(added);
    all.extend(before);
    all
}

/// The parameter of a column that says whether the table's current schema has it.
pub(crate) const CURRENT: &str = "iceberg.field.current";

/// The parameter that names the metadata file.
pub(crate) const METADATA_LOCATION: &str = "metadata_location";

/// The client of Glue.
pub(crate) fn glue(aws: &Aws) -> aws_sdk_glue::Client {
    client!(aws, "glue", aws_sdk_glue)
}

/// Glue's record of a table, if there is one.
async fn get_record(aws: &Aws, database: &str, name: &str) -> anyhow::Result<Option<types::Table>> {
    match ask(glue(aws).get_table().database_name(database).name(name).send()).await {
        Ok(answer) => Ok(Some(answer.table.needed("glue", "GetTableResponse.Table")?)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => {
            let grant = lake_formation::missing_grant(&error, (database, name), None);
            let error = anyhow!(error).context(format!("look for the table {database}.{name}"));
            Err(match grant {
                Some(grant) => error.context(grant),
                None => error,
            })
        }
    }
}

/// The metadata file that Glue's record of an Iceberg table names.
fn metadata_location(record: &types::Table) -> anyhow::Result<String> {
    let parameter = |name: &str| record.parameters.as_ref()?.get(name);
    if !parameter("table_type").is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg")) {
        bail!("it is no Iceberg table");
    }
    match parameter(METADATA_LOCATION) {
        Some(location) => Ok(location.clone()),
        None => bail!("the catalog names no metadata file for it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, id: i32, is_current: Option<bool>) -> types::Column {
        let column = types::Column::builder().name(name).parameters("iceberg.field.id", id.to_string());
        let column = match is_current {
            Some(is_current) => column.parameters(CURRENT, is_current.to_string()),
            None => column,
        };
        column.build().expect("a column")
    }

    #[test]
    fn a_column_that_was_dropped_and_comes_back_is_listed_once_behind_those_that_the_table_has() {
        let found = vec![
            column("id", 1, Some(true)),
            column("colour", 2, Some(false)),
            column("size", 3, Some(false)),
            column("by_hand", 4, None),
        ];
        let columns = with_added(found, &[column("colour", 5, Some(true)), column("new", 6, Some(true))]);
        let listed: Vec<(&str, &str)> = columns
            .iter()
            .map(|column| {
                (column.name.as_str(), column.parameters.as_ref().expect("some")["iceberg.field.id"].as_str())
            })
            .collect();
        assert_eq!(listed, [("id", "1"), ("by_hand", "4"), ("colour", "5"), ("new", "6"), ("size", "3")]);
    }
}
