//! Tables of the raw zone.

use std::collections::BTreeMap;

use lakewright_config::{Column, ColumnType, DECLARATION, PartitionField, Reading, Sink, Table, Transform, Unknown};

use super::{Expansion, bucket_address};
use crate::kinds::table;
use crate::reference::plain;
use crate::resource::Address;
use crate::stack::agents::Stream;
use crate::stack::maintenance::{SNAPSHOTS_AGE, SNAPSHOTS_LEAST};

impl Expansion<'_> {
    /// The declared tables, as agents know them.
    pub(super) fn declared_tables(&self) -> Vec<Table> {
        let tables = self.file.tables.iter().map(|entry| {
            let section = &entry.value;
            let key: Vec<String> = section.key.iter().map(|column| column.value.clone()).collect();
            let columns = section.columns.iter().map(|column| Column {
                name: column.name.clone(),
                column_type: column.value.column_type.clone(),
                required: column.value.required || key.contains(&column.name),
                doc: column.value.doc.clone(),
                was: column.value.was.as_ref().map(|was| was.value.clone()),
            });
            let existing = section.existing_table();
            let own = || format!("s3://{}/raw/{}", self.bucket(&section.bucket), entry.name);
            Table {
                name: entry.name.clone(),
                database: existing.map_or_else(|| self.raw_database(), |(database, _)| database.to_owned()),
                topic: self.topic(&section.topic),
                location: section.location.as_ref().map_or_else(own, |location| location.value.clone()),
                columns: columns.collect(),
                key,
                partition: section.partition.iter().map(|field| field.value.clone()).collect(),
                reading: Reading { registry: Self::registry(section), ..section.reading() },
                sink: section.sink.value.into(),
                existing: existing.map(|(_, name)| name.to_owned()),
            }
        });
        tables.collect()
    }

    /// The table for messages that fit no other; it stands beside the first declared one.
    pub(super) fn dead_letters(&self) -> Option<Table> {
        let first = self.file.tables.iter().next()?;
        let column = |name: &str, column_type, doc: &str| Column {
            required: true,
            doc: Some(doc.to_owned()),
            ..Column::new(name, column_type)
        };
        Some(Table {
            name: "dead_letters".to_owned(),
            database: self.raw_database(),
            topic: String::new(),
            location: format!("s3://{}/raw/dead_letters", self.bucket(&first.value.bucket)),
            columns: vec![
                column("topic", ColumnType::String, "the topic's name"),
                column("reason", ColumnType::String, "why the message fits no table"),
                column("payload", ColumnType::Binary, "the message as it came"),
            ],
            key: vec![],
            partition: vec![PartitionField { transform: Transform::Day, column: "ingested_at".to_owned() }],
            reading: Reading::default(),
            sink: Sink::Iceberg,
            existing: None,
        })
    }

    pub(super) fn tables(&mut self) {
        let file = self.file;
        let section = &file.agents.stream;
        let own = file.tables.iter().zip(self.declared_tables());
        for (entry, declared) in own.filter(|(_, declared)| declared.is_own()) {
            let after = vec![Address::new("database", "raw"), bucket_address(&entry.value.bucket)];
            let declaration = as_agents_read(&declared).declaration();
            let mut spec = table_spec(declared, section);
            // Agents are told after the tables: until then one with settings of before leaves this table alone.
            spec.sort = entry.value.sort.iter().map(|field| field.value.clone()).collect();
            spec.properties.extend(entry.value.properties.iter().map(|own| (own.name.clone(), own.value.0.clone())));
            spec.properties.insert(DECLARATION.to_owned(), declaration);
            self.add(Address::new("table", entry.name.as_str()), &spec, &entry.span, after);
        }
        if let (Some(declared), Some(first)) = (self.dead_letters(), file.tables.iter().next()) {
            let after = vec![Address::new("database", "raw"), bucket_address(&first.value.bucket)];
            self.add(Address::new("table", "dead_letters"), &table_spec(declared, section), &first.span, after);
        }
    }
}

/// A declaration as agents read it: in what the stack file has, `$${` stands for `${`.
fn as_agents_read(declared: &Table) -> Table {
    let written = serde_json::to_value(declared).expect("a table is plain JSON");
    serde_json::from_value(plain(&written).into_owned()).expect("texts without escapes have the same form")
}

/// The catalog's table of a declaration, which the stream agent writes.
fn table_spec(declared: Table, section: &Stream) -> table::Spec {
    let columns = declared.all_columns();
    let kept_ms = section.kept_ms().to_string();
    let mut properties: BTreeMap<String, String> = [
        (SNAPSHOTS_AGE, kept_ms.as_str()),
        // A commit a minute writes half a million metadata files a year and table unless the old ones go.
        ("write.metadata.delete-after-commit.enabled", "true"),
        ("write.metadata.previous-versions-max", "100"),
        ("write.parquet.compression-codec", "zstd"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let least = section.min_snapshots_to_keep.0;
    // One is Iceberg's own default.
    if least > 1 {
        properties.insert(SNAPSHOTS_LEAST.to_owned(), least.to_string());
    }
    let evolves = declared.reading.unknown == Unknown::Evolve;
    table::Spec {
        database: declared.database.into(),
        name: declared.name.into(),
        location: declared.location.into(),
        columns,
        partition: declared.partition,
        sort: Vec::new(),
        properties,
        renames: BTreeMap::new(),
        evolves,
    }
}
