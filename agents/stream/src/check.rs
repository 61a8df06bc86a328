//! What can be checked of a configuration without asking anybody.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use lakewright_config::{
    Column, ColumnType, Format, KafkaPart, MOST_NEW_COLUMNS, OnTombstone, Registry, StreamConfig, Table, Unknown,
    raw_columns,
};

/// Checks a configuration.
///
/// # Errors
/// There are no tables, two bear one name in a topic, a column takes the name of one that the table has anyway, settings
/// contradict one another.
pub fn check(config: &StreamConfig) -> anyhow::Result<()> {
    if config.tables.is_empty() {
        bail!("`tables` is empty: there is nothing to read");
    }
    if config.commit_interval_ms == 0 || config.commit_bytes == 0 {
        bail!("`commit_interval_ms` and `commit_bytes` must be more than 0");
    }
    if let Some(maintenance) = &config.maintenance {
        crate::maintenance::check(maintenance, config.commit_interval_ms)?;
    }
    let mut names = BTreeSet::new();
    for table in &config.tables {
        let Table { name, topic, reading, .. } = table;
        if !names.insert((topic, name)) {
            bail!("the topic {topic} has two tables named {name}");
        }
        let others = config.tables.iter().filter(|other| other.topic == *topic).count() - 1;
        if reading.format != Format::Envelope && others > 0 {
            bail!(
                "table {name}: each message of the topic {topic} is a row of it, so no other table can be read from \
                 there; messages that name their table have the format `envelope`"
            );
        }
        columns(table)?;
        settings(table)?;
        evolving(table)?;
    }
    let mut places = BTreeMap::new();
    for table in &config.tables {
        if let Some(other) = places.insert((&table.database, table.catalog_name()), &table.name) {
            bail!(
                "the tables {other} and {} are one table of the catalog: a table is filled from one topic",
                table.name
            );
        }
    }
    Ok(())
}

fn columns(table: &Table) -> anyhow::Result<()> {
    let own = table.reading.added().into_iter().chain(raw_columns());
    let mut names: BTreeSet<String> = own.map(|column| column.name).collect();
    let mut members = BTreeSet::new();
    for column in &table.columns {
        let Column { name, column_type, .. } = column;
        let member = table.reading.member(name).unwrap_or(name);
        if !names.insert(name.clone()) {
            bail!("table {}: the column name `{name}` is taken", table.name);
        }
        if !members.insert(member) {
            bail!("table {}: two columns take the member `{member}`", table.name);
        }
        if table.reading.unit(name).is_some() && !column_type.has(is_time) {
            bail!("table {}: the column `{name}` has a `unit`, but {column_type} holds no time", table.name);
        }
    }
    if let Some(name) = table.reading.columns.keys().find(|name| table.columns.iter().all(|one| one.name != **name)) {
        bail!("table {}: `reading` fills a column `{name}` that isn't declared", table.name);
    }
    Ok(())
}

/// Whether a type's values may be numbers that count from somewhere.
fn is_time(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz)
}

/// What a table needs that gets columns from its messages.
fn evolving(table: &Table) -> anyhow::Result<()> {
    let (name, reading) = (&table.name, &table.reading);
    if reading.unknown != Unknown::Evolve {
        ensure!(
            reading.max_new_columns.is_none(),
            "table {name}: `max_new_columns` is for `unknown = \"evolve\"`; remove it"
        );
        return Ok(());
    }
    ensure!(
        reading.max_new_columns.is_none_or(|most| (1..=MOST_NEW_COLUMNS).contains(&most)),
        "table {name}: `max_new_columns` must be between 1 and {MOST_NEW_COLUMNS}"
    );
    ensure!(
        table.existing.is_none(),
        "table {name}: it is others' table, to which no column is added; write `unknown = \"drop\"` or `\"reject\"`"
    );
    ensure!(
        table.sink.is_in_catalog(),
        "table {name}: plain files have the columns that are declared; write `unknown = \"keep\"`"
    );
    Ok(())
}

fn settings(table: &Table) -> anyhow::Result<()> {
    let (name, reading) = (&table.name, &table.reading);
    match (reading.format, &reading.registry) {
        (Format::Avro, None) => bail!("table {name}: Avro is read by schemas of a `registry`; name it"),
        (Format::Envelope | Format::Json, Some(_)) => {
            bail!(
                "table {name}: JSON is read without schemas; remove `registry`, or write the format `avro` or `debezium`"
            )
        }
        (_, Some(Registry::Confluent { url, .. })) => ensure!(
            ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)),
            "table {name}: the URL of `registry` must begin with https:// or http://"
        ),
        _ => {}
    }
    if !reading.path.is_empty() {
        ensure!(reading.format != Format::Envelope, "table {name}: an envelope has its row at `data`, not at a `path`");
        ensure!(
            reading.format != Format::Debezium,
            "table {name}: a change event has its row at `before` or `after`, not at a `path`"
        );
    }
    ensure!(
        reading.format != Format::Debezium || reading.on_tombstone == OnTombstone::Reject,
        "table {name}: a change event says itself that a row is deleted, and the tombstone after it is passed over; remove \
         `on_tombstone`"
    );
    if reading.on_tombstone == OnTombstone::Row {
        let keyed = reading.kafka.iter().any(|part| matches!(part, KafkaPart::Key | KafkaPart::KeyBytes));
        ensure!(
            reading.format != Format::Envelope,
            "table {name}: a record without a value names no table, so it can't be a row in the format `envelope`"
        );
        ensure!(keyed, "table {name}: a record without a value says nothing but its key; add `key` to `kafka`");
        if let Some(column) = table.columns.iter().find(|column| column.required) {
            bail!("table {name}: `{}` is required, and a record without a value has none", column.name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lakewright_config::{Filling, KafkaConnection, Reading, Sink, TimeUnit};
    use serde_json::json;

    use super::*;
    use crate::testing::table;

    fn config(tables: Vec<Table>) -> StreamConfig {
        let dead = table("dead_letters");
        serde_json::from_value(json!({
            "kafka": KafkaConnection::plaintext("127.0.0.1:1"),
            "group": "stream",
            "tables": tables,
            "dead_letters": dead,
            "commit_interval_ms": 1000,
            "commit_bytes": 1000,
        }))
        .expect("a configuration")
    }

    fn mistake(change: impl Fn(&mut Table)) -> String {
        let mut one = table("sales");
        one.reading.format = Format::Json;
        change(&mut one);
        check(&config(vec![one])).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn settings_that_contradict_one_another_are_refused() {
        assert_eq!(mistake(|_| {}), "");
        let keyed = Reading {
            format: Format::Json,
            kafka: vec![KafkaPart::Key],
            on_tombstone: OnTombstone::Row,
            ..Reading::default()
        };
        let optional = |table: &mut Table| table.columns[0].required = false;
        let evolve = |most| Reading { unknown: Unknown::Evolve, max_new_columns: most, ..Reading::default() };
        let cases: [(&str, &dyn Fn(&mut Table)); 17] = [
            ("read by schemas of a `registry`", &|table| table.reading.format = Format::Avro),
            ("JSON is read without schemas", &|table| table.reading.registry = Some(Registry::Glue)),
            ("must begin with https://", &|table| {
                let registry = Some(Registry::Confluent { url: "registry:8081".to_owned(), login: None });
                table.reading = Reading { format: Format::Avro, registry, ..Reading::default() };
            }),
            ("at `before` or `after`", &|table| {
                table.reading.format = Format::Debezium;
                table.reading.path = "after".parse().expect("a path");
            }),
            ("remove `on_tombstone`", &|table| {
                table.reading.format = Format::Debezium;
                table.reading.on_tombstone = OnTombstone::Row;
            }),
            ("an envelope has its row at `data`", &|table| {
                table.reading = Reading { path: "a".parse().expect("a path"), ..Reading::default() };
            }),
            ("`id` is required", &|table| table.reading = keyed.clone()),
            ("add `key` to `kafka`", &|table| {
                optional(table);
                table.reading = Reading { kafka: vec![], ..keyed.clone() };
            }),
            ("names no table", &|table| {
                optional(table);
                table.reading = Reading { format: Format::Envelope, ..keyed.clone() };
            }),
            ("holds no time", &|table| {
                let filling = Filling { unit: Some(TimeUnit::Millis), ..Filling::default() };
                table.reading.columns = [("id".to_owned(), filling)].into();
            }),
            ("two columns take the member `id`", &|table| {
                let filling = Filling { member: Some("id".into()), ..Filling::default() };
                table.reading.columns = [("other".to_owned(), filling)].into();
                table.columns.push(Column::new("other", ColumnType::String));
            }),
            ("is for `unknown = \"evolve\"`", &|table| table.reading.max_new_columns = Some(5)),
            ("must be between 1 and 1000", &|table| table.reading = evolve(Some(0))),
            ("others' table", &|table| {
                table.reading = evolve(None);
                table.existing = Some("sales".to_owned());
            }),
            ("plain files", &|table| {
                table.reading = evolve(None);
                table.sink = Sink::Parquet;
            }),
            ("`kafka_key` is taken", &|table| {
                table.reading.kafka = vec![KafkaPart::Key];
                table.columns.push(Column::new("kafka_key", ColumnType::String));
            }),
            ("", &|table| {
                optional(table);
                table.reading = keyed.clone();
            }),
        ];
        for (part, change) in cases {
            let found = mistake(change);
            assert!(found.contains(part) && found.is_empty() == part.is_empty(), "{part}: {found}");
        }
    }

    #[test]
    fn a_topic_whose_messages_name_no_table_has_one() {
        let mut one = table("sales");
        one.reading.format = Format::Json;
        let error = check(&config(vec![table("users"), one])).expect_err("two").to_string();
        assert!(error.contains("no other table can be read from there"), "{error}");
        assert!(check(&config(vec![table("users"), table("sales")])).is_ok());
    }

    #[test]
    fn a_table_of_the_catalog_has_one_declaration() {
        let existing = |name: &str| {
            let topic = format!("{name}s");
            Table { existing: Some("orders".to_owned()), topic, ..table(name) }
        };
        let error = check(&config(vec![existing("one"), existing("other")])).expect_err("one table").to_string();
        assert!(error.contains("one and other are one table of the catalog"), "{error}");
        assert!(check(&config(vec![existing("one"), table("sales")])).is_ok());
    }
}
