//! Plain files with a manifest for each commit: rows and what they settle are one object that is put if it isn't there yet.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, anyhow};
use arrow_array::RecordBatch;
use lakewright_aws::Aws;
use lakewright_config::Table;
use lakewright_lake::NewColumn;
use lakewright_lake::plain::{File, Manifest, PlainTable, PlainWriter};

use super::encoder::Encoder;
use super::iceberg::{blame, refused};
use super::{Blame, Fault, Opened, Refusal, Sink, Version, Written};
use crate::evolve::Evolution;
use crate::room::Room;
use crate::settled::Settled;

/// A table of files and manifests.
pub(crate) struct PlainSink {
    aws: Aws,
    declared: Table,
    /// Columns whose values hardly repeat.
    plain: Vec<String>,
    /// Names this agent in manifests.
    writer_name: String,
    /// What open data files may hold in memory, in bytes.
    open_bytes: usize,
    table: Option<PlainTable>,
    newest: Option<Manifest>,
    writer: Option<Encoder<PlainWriter>>,
    finished: Vec<File>,
}

impl PlainSink {
    pub(crate) fn new(aws: &Aws, table: &Table, writer_name: &str, open_bytes: usize) -> Self {
        Self {
            aws: aws.clone(),
            declared: table.clone(),
            plain: table.key.iter().cloned().chain(["kafka_offset".to_owned()]).collect(),
            writer_name: writer_name.to_owned(),
            open_bytes,
            table: None,
            newest: None,
            writer: None,
            finished: Vec::new(),
        }
    }

    fn table(&self) -> &PlainTable {
        self.table.as_ref().expect("a sink is opened before anything else")
    }

    fn opened(&self) -> anyhow::Result<Opened> {
        let said = self.newest.as_ref().map(|newest| &newest.properties);
        let said: HashMap<String, String> = said.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let settled = Settled::said(&said).context("read the newest manifest")?;
        let table = self.table();
        // No apply changes it: its columns are what agents declare.
        let version = Version { schema: table.schema_id(self.newest.as_ref()), declaration: None };
        Ok(Opened { schema: table.schema(), version, settled, evolution: Evolution::default() })
    }
}

impl Sink for PlainSink {
    async fn open(&mut self) -> Result<Opened, Fault> {
        let of_table = |error: anyhow::Error| Fault::new(blame(&error, Blame::Table), error);
        let table = match self.table.take() {
            Some(table) => table,
            None => PlainTable::new(&self.aws, &self.declared).map_err(of_table)?,
        };
        let table = self.table.insert(table);
        let known = self.newest.as_ref().map(|newest| newest.commit);
        self.newest = table.newest(known).await.map_err(of_table)?;
        self.opened().map_err(of_table)
    }

    async fn write(&mut self, rows: RecordBatch, room: Option<Room>) -> Result<(), Fault> {
        if self.writer.is_none() {
            let plain: Vec<&str> = self.plain.iter().map(String::as_str).collect();
            let made = self.table().writer(&plain, self.open_bytes);
            self.writer = Some(Encoder::start(made.map_err(|error| Fault::new(Blame::Table, error))?));
        }
        let writer = self.writer.as_mut().expect("it was made above");
        writer.write(rows, room).await
    }

    async fn finish(&mut self) -> Result<Written, Fault> {
        if let Some(writer) = self.writer.take() {
            let files = writer.close().await?;
            self.finished.extend(files);
        }
        Ok(Written { files: self.finished.len(), bytes: self.finished.iter().map(|file| file.bytes).sum() })
    }

    async fn commit(&mut self, settled: &Settled, _before: &Settled) -> Result<Opened, Refusal> {
        // Each manifest says everything, so that the newest alone is read.
        let said = settled.properties(&Settled::default());
        let mut said: BTreeMap<String, String> = said.into_iter().collect();
        said.insert("lakewright.writer".to_owned(), self.writer_name.clone());
        match self.table().commit(self.newest.as_ref(), &self.finished, said).await {
            Ok(manifest) => {
                self.newest = Some(manifest);
                self.forget();
                self.opened().map_err(Refusal::Unknown)
            }
            Err(error) => Err(refused(error)),
        }
    }

    async fn add_columns(&mut self, _: &[NewColumn]) -> Result<(), Refusal> {
        // The check refuses a declaration that asks for it.
        let error = anyhow!("its columns are those that are declared: this is a bug in lakewright");
        Err(Refusal::Failed(Fault::new(Blame::Table, error)))
    }

    async fn discard(&mut self) {
        let files = std::mem::take(&mut self.finished);
        if let Some(table) = &self.table {
            table.discard(&files).await;
        }
    }

    fn forget(&mut self) {
        self.writer = None;
        self.finished.clear();
    }
}
