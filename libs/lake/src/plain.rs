//! Tables without a catalog: files in a folder of S3, and a manifest for each commit.
//!
//! `LOCATION/commits/00000000000000000042.json` is the manifest of the 42nd commit: the files that it adds, the columns that they
//! have, and what the writer says of itself. A commit is one conditional put of the next number: it takes effect whole or not at
//! all, and only if nobody else has made a commit since. What no manifest names isn't of the table.

mod json;
mod read;
mod schema;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use arrow_array::RecordBatch;
use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{DataFile, FormatVersion, SchemaRef, SortOrder, TableMetadata, TableMetadataBuilder};
use lakewright_aws::{Aws, Objects, Put};
use lakewright_config::{Column, Sink, Table, s3};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::CommitError;
use crate::storage::file_io;
use crate::writer::TableWriter;
pub use json::JsonWriter;
pub use read::Places;

/// The version of the manifests that are written here.
const FORMAT: u32 = 1;
/// Digits of a commit's number in its key, so that keys are in the order of numbers.
const DIGITS: usize = 20;

/// A commit, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the manifest's form.
    pub format: u32,
    /// Counts the table's commits, from 1.
    pub commit: u64,
    /// Distinguishes it from one of another writer with the same number.
    pub id: Uuid,
    /// When it was made, in milliseconds since 1970.
    pub committed_at_ms: i64,
    /// Changes with the columns.
    pub schema_id: i32,
    /// The columns of the files.
    pub columns: Vec<Column>,
    /// The files that it adds.
    pub files: Vec<File>,
    /// What the writer says: of Kafka's offsets among other things.
    pub properties: BTreeMap<String, String>,
}

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// `s3://bucket/key`.
    pub path: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// A table of files and manifests.
#[derive(Debug, Clone)]
pub struct PlainTable {
    objects: Objects,
    files: FileIO,
    /// The declaration in Iceberg's words: the files are divided and named by it.
    metadata: Arc<TableMetadata>,
    columns: Vec<Column>,
    sink: Sink,
    bucket: String,
    /// The key of its folder, without a slash at the end.
    prefix: String,
}

impl PlainTable {
    /// The table of a declaration, whose `sink` is a plain one.
    ///
    /// # Errors
    /// The declaration contradicts itself.
    pub fn new(aws: &Aws, table: &Table) -> anyhow::Result<Self> {
        let name = &table.name;
        let (bucket, prefix) = s3::object(&table.location)
            .ok_or_else(|| anyhow!("the location of {name}, {}, is no s3://BUCKET/PREFIX", table.location))?;
        if table.sink.is_in_catalog() {
            bail!("the table {name} is one of the catalog: this is a bug in lakewright");
        }
        let columns = table.all_columns();
        let made = TableMetadataBuilder::new(
            schema::schema(&columns)?,
            schema::partition(&columns, &table.partition)?,
            SortOrder::unsorted_order(),
            table.location.clone(),
            FormatVersion::V2,
            // Not `data`: there maintenance looks for orphans, if a table of the catalog is ever made in this place.
            HashMap::from([("write.data.path".to_owned(), format!("{}/files", table.location))]),
        );
        let made =
            made.and_then(TableMetadataBuilder::build).with_context(|| format!("read the declaration of {name}"))?;
        Ok(Self {
            objects: aws.objects(),
            files: file_io(aws),
            metadata: Arc::new(made.metadata),
            columns,
            sink: table.sink,
            bucket: bucket.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }

    /// The schema that rows must have.
    pub fn schema(&self) -> SchemaRef {
        self.metadata.current_schema().clone()
    }

    /// The newest commit, looked for from one that is known on; `None`: there is none yet.
    ///
    /// # Errors
    /// S3 can't be reached; the manifest can't be read; the declared columns aren't what the files so far have, with others
    /// added or types widened.
    pub async fn newest(&self, known: Option<u64>) -> anyhow::Result<Option<Manifest>> {
        let Some(number) = self.newest_number(known).await? else { return Ok(None) };
        let key = self.key(number);
        let object =
            self.objects.get(&self.bucket, &key, None).await.with_context(|| format!("read the manifest {key}"))?;
        let manifest: Manifest =
            serde_json::from_slice(&object.body).with_context(|| format!("{key} is no manifest of a commit"))?;
        if manifest.format != FORMAT {
            bail!("the manifest {key} is of version {}, and this program knows {FORMAT}: update it", manifest.format);
        }
        schema::continues(&manifest.columns, &self.columns)?;
        Ok(Some(manifest))
    }

    /// The id of the declared columns: another one than of the newest commit where they differ from its.
    pub fn schema_id(&self, newest: Option<&Manifest>) -> i32 {
        let is_other = |newest: &Manifest| !schema::is_same(&newest.columns, &self.columns);
        newest.map_or(0, |newest| newest.schema_id + i32::from(is_other(newest)))
    }

    /// The newest commit's number. Its place is halved: a table has a commit a minute, for years, and the oldest may be gone.
    async fn newest_number(&self, known: Option<u64>) -> anyhow::Result<Option<u64>> {
        let Some(mut newest) = self.next(known.map_or(0, |known| known.saturating_sub(1))).await? else {
            return Ok(None);
        };
        let mut step = 1;
        while let Some(found) = self.next(newest + step - 1).await? {
            newest = found;
            step *= 2;
        }
        // It is before `newest + step`.
        let mut end = newest + step;
        while end - newest > 1 {
            let middle = newest + (end - newest) / 2;
            match self.next(middle - 1).await? {
                Some(found) => newest = found,
                None => end = middle,
            }
        }
        Ok(Some(newest))
    }

    /// The first commit after a number.
    async fn next(&self, after: u64) -> anyhow::Result<Option<u64>> {
        let folder = format!("{}/commits/", self.prefix);
        let found = self.objects.first_after(&self.bucket, &folder, &self.key(after)).await;
        let Some(found) = found.context("look for the table's newest commit")? else { return Ok(None) };
        let name = found.key.strip_prefix(&folder).unwrap_or(&found.key);
        match number(name) {
            Some(number) => Ok(Some(number)),
            None => bail!("{} is no manifest of a commit: nothing else belongs into its folder", found.key),
        }
    }

    fn key(&self, number: u64) -> String {
        format!("{}/commits/{number:0DIGITS$}.json", self.prefix)
    }

    /// A writer of files. Columns in `plain` hardly repeat their values; open files hold so many bytes, about.
    ///
    /// # Errors
    /// The partition spec doesn't fit the schema.
    pub fn writer(&self, plain: &[&str], open_bytes: usize) -> anyhow::Result<PlainWriter> {
        Ok(match self.sink {
            Sink::Json => PlainWriter::Json(Box::new(JsonWriter::new(&self.metadata, &self.files, open_bytes)?)),
            Sink::Parquet | Sink::Iceberg => {
                let writer = TableWriter::of_metadata(&self.metadata, &self.files, plain)?;
                PlainWriter::Parquet(Box::new(writer.bounded(open_bytes)))
            }
        })
    }

    /// Adds files as the commit after `newest`.
    ///
    /// # Errors
    /// Another commit was made since; S3 refuses it; nobody knows whether it took effect.
    pub async fn commit(
        &self,
        newest: Option<&Manifest>,
        files: &[File],
        properties: BTreeMap<String, String>,
    ) -> Result<Manifest, CommitError> {
        let manifest = Manifest {
            format: FORMAT,
            commit: newest.map_or(0, |newest| newest.commit) + 1,
            id: Uuid::new_v4(),
            committed_at_ms: chrono::Utc::now().timestamp_millis(),
            schema_id: self.schema_id(newest),
            columns: self.columns.clone(),
            files: files.to_vec(),
            properties,
        };
        let key = self.key(manifest.commit);
        let table = format!("s3://{}/{}", self.bucket, self.prefix);
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain JSON");
        let options = Put { if_none_match: true, content_type: Some("application/json".to_owned()), ..Put::default() };
        match self.objects.put(&self.bucket, &key, Bytes::from(text), options).await {
            Ok(_) => Ok(manifest),
            // A repeat after a lost answer meets the commit that it made itself.
            Err(error) if error.is_precondition_failed() => match self.made(&key).await {
                Ok(Some(made)) if made.id == manifest.id => Ok(manifest),
                Ok(Some(_)) => Err(CommitError::Conflict { table }),
                // S3 says so too while an attempt whose answer was lost is under way.
                Ok(None) if error.lost => Err(CommitError::Unknown { table, source: error.into() }),
                Ok(None) => Err(CommitError::Failed { table, source: error.into() }),
                Err(source) => Err(CommitError::Unknown { table, source }),
            },
            Err(error) if error.lost => Err(CommitError::Unknown { table, source: error.into() }),
            Err(error) => Err(CommitError::Failed { table, source: error.into() }),
        }
    }

    async fn made(&self, key: &str) -> anyhow::Result<Option<Manifest>> {
        match self.objects.get(&self.bucket, key, None).await {
            Ok(object) => Ok(Some(serde_json::from_slice(&object.body).with_context(|| format!("read {key}"))?)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes files that no commit names. What can't be deleted stays, and belongs to nothing.
    pub async fn discard(&self, files: &[File]) {
        for file in files {
            if let Err(error) = self.files.delete(&file.path).await {
                tracing::warn!(path = file.path, %error, "a file that no commit names wasn't deleted");
            }
        }
    }
}

/// The number of a commit whose manifest has this name.
fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".json").filter(|digits| digits.len() == DIGITS)?.parse().ok()
}

/// Writes the files of one commit.
#[derive(Debug)]
pub enum PlainWriter {
    /// Parquet files.
    Parquet(Box<TableWriter>),
    /// Files of JSON, a row a line, compressed by gzip.
    Json(Box<JsonWriter>),
}

impl PlainWriter {
    /// Adds rows.
    ///
    /// # Errors
    /// The batch doesn't fit the schema; a value has no form in the file; a file can't be written.
    pub async fn write(&mut self, batch: RecordBatch) -> anyhow::Result<()> {
        match self {
            Self::Parquet(writer) => writer.write(batch).await,
            Self::Json(writer) => writer.write(batch).await,
        }
    }

    /// Finishes the files; they are in S3 when this returns, and no commit names them yet.
    ///
    /// # Errors
    /// A file can't be written.
    pub async fn close(self) -> anyhow::Result<Vec<File>> {
        match self {
            Self::Parquet(writer) => Ok(writer.close().await?.iter().map(file).collect()),
            Self::Json(writer) => writer.close().await,
        }
    }
}

fn file(written: &DataFile) -> File {
    let path = written.file_path().to_owned();
    File { path, rows: written.record_count(), bytes: written.file_size_in_bytes() }
}
