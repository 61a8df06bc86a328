//! Iceberg tables in the Glue catalog: rows and what they settle are one snapshot.

use std::time::Duration;

use anyhow::bail;
use arrow_array::RecordBatch;
use iceberg::ErrorKind;
use iceberg::spec::DataFile;
use lakewright_aws::{Aws, ErrorKind as Kind};
use lakewright_config::{DECLARATION, Table};
use lakewright_lake::maintain::Held;
use lakewright_lake::{Change, CommitError, LoadedTable, NewColumn, TableWriter, load_table};

use super::encoder::Encoder;
use super::{Blame, Fault, Opened, Refusal, Sink, Version, Written};
use crate::evolve::Evolution;
use crate::room::Room;
use crate::settled::Settled;

/// A table of the catalog.
pub(crate) struct IcebergSink {
    aws: Aws,
    database: String,
    name: String,
    /// Of a table that others own: where its files are.
    location: Option<String>,
    /// Columns whose values hardly repeat.
    plain: Vec<String>,
    /// Names this agent in snapshots.
    writer_name: String,
    /// What open data files may hold in memory, in bytes.
    open_bytes: usize,
    /// Of a table that is maintained: for how long files may be held before they are committed.
    held_at_most: Option<Duration>,
    /// Since when files of the next commit are written.
    writing_since: Option<Held>,
    loaded: Option<LoadedTable>,
    writer: Option<Encoder<TableWriter>>,
    finished: Vec<DataFile>,
    spec_id: Option<i32>,
}

impl IcebergSink {
    pub(crate) fn new(aws: &Aws, table: &Table, writer_name: &str, open_bytes: usize) -> Self {
        let fixed = ["kafka_offset", "payload"].map(str::to_owned);
        Self {
            aws: aws.clone(),
            database: table.database.clone(),
            name: table.catalog_name().to_owned(),
            location: table.existing.is_some().then(|| table.location.clone()),
            plain: table.key.iter().cloned().chain(fixed).collect(),
            writer_name: writer_name.to_owned(),
            open_bytes,
            held_at_most: None,
            writing_since: None,
            loaded: None,
            writer: None,
            finished: Vec::new(),
            spec_id: None,
        }
    }

    /// Of a table whose old snapshots and orphans are maintenance's business: files that are held for longer than this
    /// aren't committed any more, for they may be gone.
    pub(crate) fn maintained(self, held_at_most: Option<Duration>) -> Self {
        Self { held_at_most, ..self }
    }

    /// The table as it is, if it is one that may be written to.
    fn checked(&self, loaded: &LoadedTable) -> anyhow::Result<Opened> {
        let found = loaded.table.metadata().location().trim_end_matches('/');
        if let Some(declared) = self.location.as_ref().filter(|declared| declared.trim_end_matches('/') != found) {
            bail!(
                "the files of the table {} are at {found}, and its `location` says {declared}, where alone this agent may \
                 write; correct it and apply",
                loaded.full_name()
            );
        }
        self.opened(loaded)
    }

    fn opened(&self, loaded: &LoadedTable) -> anyhow::Result<Opened> {
        let mut found = opened(loaded)?;
        if self.location.is_some() {
            // No apply of this stack says it on a table of others.
            found.version.declaration = None;
        }
        Ok(found)
    }

    fn loaded(&self) -> &LoadedTable {
        self.loaded.as_ref().expect("a sink is opened before anything else")
    }
}

impl Sink for IcebergSink {
    async fn open(&mut self) -> Result<Opened, Fault> {
        let loaded = match &self.loaded {
            Some(loaded) => loaded.reload().await,
            None => load_table(&self.aws, &self.database, &self.name).await,
        };
        let loaded = loaded.map_err(|error| Fault::new(blame(&error, Blame::Table), error))?;
        let opened = self.checked(&loaded).map_err(|error| Fault::new(Blame::Table, error))?;
        self.loaded = Some(loaded);
        Ok(opened)
    }

    async fn write(&mut self, rows: RecordBatch, room: Option<Room>) -> Result<(), Fault> {
        if self.writer.is_none() {
            let plain: Vec<&str> = self.plain.iter().map(String::as_str).collect();
            let made = TableWriter::new(self.loaded(), &plain).map_err(|error| Fault::new(Blame::Table, error))?;
            self.spec_id = Some(made.spec_id());
            self.writer = Some(Encoder::start(made.bounded(self.open_bytes)));
            self.writing_since.get_or_insert_with(Held::now);
        }
        let writer = self.writer.as_mut().expect("it was made above");
        writer.write(rows, room).await
    }

    async fn finish(&mut self) -> Result<Written, Fault> {
        if let Some(writer) = self.writer.take() {
            self.finished = writer.close().await?;
        }
        let bytes = self.finished.iter().map(DataFile::file_size_in_bytes).sum();
        Ok(Written { files: self.finished.len(), bytes })
    }

    async fn commit(&mut self, settled: &Settled, before: &Settled) -> Result<Opened, Refusal> {
        if let (Some(held), Some(at_most), false) = (self.writing_since, self.held_at_most, self.finished.is_empty()) {
            let checked = held.check(at_most);
            checked.map_err(|error| Refusal::Failed(Fault::new(Blame::Passing, error)))?;
        }
        let properties = settled.properties(before);
        let mut summary = properties.clone();
        summary.insert("lakewright.writer".to_owned(), self.writer_name.clone());
        let change = Change {
            overwrite: false,
            files: self.finished.clone(),
            spec_id: if self.finished.is_empty() { None } else { self.spec_id },
            summary,
            properties,
            // Others' snapshots are theirs to let go.
            maintained: self.held_at_most.is_some() || self.location.is_some(),
        };
        match self.loaded().commit(change).await {
            Ok(table) => {
                let found = self.opened(&table);
                self.loaded = Some(table);
                self.forget();
                found.map_err(Refusal::Unknown)
            }
            Err(error) => Err(refused(error)),
        }
    }

    async fn add_columns(&mut self, columns: &[NewColumn]) -> Result<(), Refusal> {
        match self.loaded().add_columns(columns).await {
            Ok(table) => self.loaded = Some(table),
            Err(error) => {
                let is_invalid = is_invalid(&error);
                return Err(match refused(error) {
                    Refusal::Failed(fault) if is_invalid => Refusal::Failed(Fault { blame: Blame::Rows, ..fault }),
                    other => other,
                });
            }
        }
        self.forget();
        Ok(())
    }

    async fn discard(&mut self) {
        let files = std::mem::take(&mut self.finished);
        if let Some(loaded) = &self.loaded {
            loaded.discard(&files).await;
        }
        self.writing_since = None;
        self.spec_id = None;
    }

    fn forget(&mut self) {
        self.writer = None;
        self.writing_since = None;
        self.finished.clear();
        self.spec_id = None;
    }
}

fn opened(loaded: &LoadedTable) -> anyhow::Result<Opened> {
    loaded.check_format()?;
    let metadata = loaded.table.metadata();
    Ok(Opened {
        schema: metadata.current_schema().clone(),
        version: Version {
            schema: metadata.current_schema_id(),
            declaration: metadata.properties().get(DECLARATION).cloned(),
        },
        settled: Settled::committed(metadata)?,
        evolution: Evolution { evolved: loaded.evolved()?, taken: loaded.taken_names(), ..Evolution::default() },
    })
}

/// What a commit's error means to whoever asked for the commit.
pub(super) fn refused(error: CommitError) -> Refusal {
    match error {
        CommitError::Conflict { .. } => Refusal::Conflict,
        CommitError::Unknown { .. } => Refusal::Unknown(error.into()),
        CommitError::Failed { .. } => {
            let error = anyhow::Error::from(error);
            Refusal::Failed(Fault::new(blame(&error, Blame::Table), error))
        }
    }
}

/// Whether the catalog says that a request is wrong as it stands: nothing but another one will do.
fn is_invalid(error: &CommitError) -> bool {
    let CommitError::Failed { source, .. } = error else { return false };
    let of_aws = source.chain().find_map(|cause| cause.downcast_ref::<lakewright_aws::Error>());
    of_aws.is_some_and(|error| error.service == "glue" && error.kind == Kind::Invalid)
}

/// Whose fault an error is; `otherwise` where AWS had no part in it.
pub(super) fn blame(error: &anyhow::Error, otherwise: Blame) -> Blame {
    let mut found = otherwise;
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<lakewright_aws::Error>() {
            return blame_of(error, otherwise);
        }
        if let Some(error) = cause.downcast_ref::<iceberg::Error>() {
            if error.retryable() {
                found = Blame::Passing;
            } else if error.kind() == ErrorKind::FeatureUnsupported || error.kind() == ErrorKind::DataInvalid {
                found = otherwise;
            }
        }
    }
    found
}

/// Whose fault it is that AWS refused something. A request that is wrong as it stands may be so for the rows that it
/// carries, a key that is too long for one; everything else has nothing to do with them.
fn blame_of(error: &lakewright_aws::Error, otherwise: Blame) -> Blame {
    if error.is_retryable() || error.is_of_all() || error.lost || error.status == 0 || error.status >= 500 {
        Blame::Passing
    } else if error.status == 400 && !error.is_denied() && !error.is_not_found() {
        otherwise
    } else {
        Blame::Table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, status: u16) -> Blame {
        let error = lakewright_aws::Error::answered("s3", "PutObject", code, "", status, "");
        // As files are written: the error of AWS inside one of Iceberg's inside one of ours.
        let error = iceberg::Error::new(ErrorKind::Unexpected, "s3://b/k").with_source(error);
        blame(&anyhow::Error::from(error).context("write the data files"), Blame::Rows)
    }

    #[test]
    fn a_wrong_request_is_the_rows_fault_and_a_service_that_is_away_is_nobodys() {
        assert_eq!(of("KeyTooLongError", 400), Blame::Rows);
        assert_eq!(of("SlowDown", 503), Blame::Passing);
        assert_eq!(of("InternalError", 500), Blame::Passing);
        assert_eq!(of("AccessDenied", 403), Blame::Table);
        assert_eq!(of("NoSuchBucket", 404), Blame::Table);
        let away = lakewright_aws::Error::no_answer("s3", "PutObject", "reset");
        assert_eq!(blame(&anyhow::Error::from(away), Blame::Rows), Blame::Passing);
        let library = iceberg::Error::new(ErrorKind::FeatureUnsupported, "no LargeBinary");
        assert_eq!(blame(&anyhow::Error::from(library), Blame::Rows), Blame::Rows);
        assert_eq!(blame(&anyhow::anyhow!("it is no Iceberg table"), Blame::Table), Blame::Table);
    }
}
