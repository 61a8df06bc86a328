//! Tests of the messages themselves; that the stream agent reads them is tested there.

use std::collections::{BTreeMap, BTreeSet};

use lakewright_config::{Column, Filling, Format, KafkaPart, OnTombstone, Reading, Registry, TimeUnit, Unknown};
use serde_json::Value as Json;

use super::*;

/// 2026-03-01, in microseconds.
const NOW: i64 = 1_772_323_200_000_000;

fn table(columns: &[(&str, &str)], reading: Reading) -> Table {
    let columns = columns.iter().map(|(name, kind)| Column::new(name, kind.parse().expect("a type"))).collect();
    Table {
        name: "orders".to_owned(),
        database: "raw".to_owned(),
        topic: "orders".to_owned(),
        location: "s3://raw/orders".to_owned(),
        columns,
        key: vec!["order_id".to_owned()],
        partition: Vec::new(),
        reading,
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

fn json(messages: &[Message]) -> Vec<Json> {
    let values = messages.iter().filter_map(|message| message.value.as_ref());
    values.map(|value| serde_json::from_slice(value).expect("JSON")).collect()
}

fn made(table: &Table, seed: u64, count: i64) -> Vec<Message> {
    let mut topic = Topic::new("orders", [table.clone()], seed).expect("a topic");
    (0..count).map(|number| topic.next(NOW + number * 1000).expect("a message")).collect()
}

#[test]
fn of_the_same_seed_come_the_same_messages() {
    let reading = Reading { format: Format::Json, kafka: vec![KafkaPart::Headers], ..Reading::default() };
    let table = table(&[("order_id", "uuid"), ("amount", "decimal(9,2)"), ("at", "timestamptz")], reading);
    assert_eq!(made(&table, 7, 200), made(&table, 7, 200));
    assert_ne!(made(&table, 7, 200), made(&table, 8, 200));
    let messages = made(&table, 7, 200);
    let keys: BTreeSet<&str> = messages.iter().map(|message| message.key.as_str()).collect();
    assert!((100..190).contains(&keys.len()), "some keys come again: {}", keys.len());
    for (message, value) in messages.iter().zip(json(&messages)) {
        assert_eq!(value["order_id"], message.key.as_str(), "{value}");
    }
    assert!(messages.iter().any(|message| message.headers.len() == 2));
    assert!(messages.iter().any(|message| message.headers.is_empty()));
}

#[test]
fn a_row_stands_where_the_declaration_says() {
    let filled = |member: &str, unit| Filling { member: Some(member.to_owned()), unit };
    let columns = [
        ("order_id".to_owned(), filled("orderId", None)),
        ("at".to_owned(), filled("orderedAt", Some(TimeUnit::Seconds))),
    ];
    let reading = Reading {
        format: Format::Json,
        path: "payload.order".parse().expect("a path"),
        unknown: Unknown::Keep,
        on_tombstone: OnTombstone::Row,
        kafka: vec![KafkaPart::Key],
        columns: columns.into(),
        ..Reading::default()
    };
    let table = table(&[("order_id", "long"), ("at", "timestamptz"), ("note", "string")], reading);
    let messages = made(&table, 1, 300);
    let tombstones = messages.iter().filter(|message| message.value.is_none()).count();
    assert!((5..40).contains(&tombstones), "{tombstones}");
    let values = json(&messages);
    let mut extras = 0;
    for value in &values {
        let row = &value["payload"]["order"];
        assert!(row["orderId"].is_i64(), "{value}");
        assert!(row["orderedAt"].as_i64().is_none_or(|at| (NOW / 1_000_000 - 601..=NOW / 1_000_000).contains(&at)));
        extras += usize::from(row["note_"].is_string());
    }
    assert!(extras > 100, "members that no column takes: {extras}");
}

#[test]
fn an_envelope_names_its_table() {
    let first = table(&[("order_id", "string")], Reading::default());
    let second = Table { name: "refunds".to_owned(), ..first.clone() };
    let mut topic = Topic::new("orders", [first, second], 1).expect("a topic");
    let messages: Vec<Message> = (0..50).filter_map(|_| topic.next(NOW)).collect();
    let values = json(&messages);
    let tables: BTreeSet<&str> = values.iter().filter_map(|value| value["table"].as_str()).collect();
    assert_eq!(tables, BTreeSet::from(["orders", "refunds"]));
    assert!(values.iter().all(|value| value["data"]["order_id"].is_string()));
}

#[test]
fn change_events_follow_one_another() {
    let filling = Filling { member: Some("__op".to_owned()), unit: None };
    let reading =
        Reading { format: Format::Debezium, columns: [("op".to_owned(), filling)].into(), ..Reading::default() };
    let table = table(&[("order_id", "long"), ("status", "string"), ("op", "string")], reading);
    let messages = made(&table, 3, 500);
    let mut rows: BTreeMap<String, Json> = BTreeMap::new();
    let mut ops: BTreeMap<String, usize> = BTreeMap::new();
    let (mut lsn, mut deleted) = (0, None);
    for message in &messages {
        let Some(value) = &message.value else {
            assert_eq!(deleted.take().as_ref(), Some(&message.key), "a tombstone follows a deletion");
            continue;
        };
        assert_eq!(deleted, None, "a tombstone follows each deletion");
        let event: Json = serde_json::from_slice(value).expect("JSON");
        let op = event["op"].as_str().expect("an op").to_owned();
        let known = rows.remove(&message.key).unwrap_or_default();
        assert_eq!(event["before"], known, "{event}");
        let after = event["after"].clone();
        assert_eq!(after.is_null(), op == "d");
        if after.is_null() {
            deleted = Some(message.key.clone());
        } else {
            let members: Vec<&String> = after.as_object().expect("a row").keys().collect();
            assert_eq!(members, ["order_id", "status"], "all of them, null or not");
            rows.insert(message.key.clone(), after);
        }
        assert!(event["source"]["lsn"].as_i64() > Some(lsn) && event["ts_ms"].is_i64());
        lsn = event["source"]["lsn"].as_i64().unwrap_or_default();
        *ops.entry(op).or_default() += 1;
    }
    assert_eq!(ops.keys().map(String::as_str).collect::<Vec<_>>(), ["c", "d", "r", "u"], "{ops:?}");
}

#[test]
fn messages_wait_for_their_schema() {
    let reading = Reading { format: Format::Avro, registry: Some(Registry::Glue), ..Reading::default() };
    let mut topic = Topic::new("orders", [table(&[("order_id", "string")], reading)], 1).expect("a topic");
    assert_eq!(topic.next(NOW), None);
    let needed = topic.needs().expect("a schema");
    assert_eq!(needed.registry, Registry::Glue);
    assert!(lakewright_formats::Schema::parse(&needed.text, &[]).is_ok(), "{}", needed.text);
    topic.registered(SchemaId::Glue(uuid::Uuid::from_u128(5)));
    let value = topic.next(NOW).and_then(|message| message.value).expect("a message");
    assert_eq!((value[0], value[1], value[17]), (3, 0, 5));
}

#[test]
fn what_can_not_be_made_is_told() {
    let avro = || Reading { format: Format::Avro, registry: Some(Registry::Glue), ..Reading::default() };
    let unfit = |columns: &[(&str, &str)], reading| {
        Topic::new("orders", [table(columns, reading)], 1).map(drop).expect_err("unfit").to_string()
    };
    let named = unfit(&[("order_id", "string"), ("zip-code", "string")], avro());
    assert_eq!(named, "the table orders: `zip-code` can't be the name of a member in Avro");
    let large = unfit(&[("order_id", "string"), ("a", "list<fixed(1000000000)>")], avro());
    assert!(large.contains("bytes and more"), "{large}");
}
