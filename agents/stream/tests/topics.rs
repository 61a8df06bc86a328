//! Topics of any shape, from Kafka to an Iceberg table and back through Iceberg's own reader.

#[path = "../../../libs/formats/tests/server/mod.rs"]
#[allow(dead_code, reason = "the tests of formats use the rest")]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::world::World;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use futures::TryStreamExt;
use iceberg::arrow::arrow_struct_to_literal;
use iceberg::spec::{Literal, NestedField, NestedFieldRef, PrimitiveLiteral, PrimitiveType, Schema, Type};
use lakewright_config::agents::stream;
use lakewright_config::{Column, Filling, Format, KafkaPart, OnTombstone, Reading, Registry, Table, TimeUnit, Unknown};
use lakewright_lake::{create_table, iceberg_type, load_table};
use lakewright_runtime::Agent;
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::{Value, json};
use server::Server;

const TOPIC: &str = "orders";

/// Makes a table's Iceberg table.
async fn create(world: &World, table: &Table) {
    let columns = table.all_columns();
    let mut next = columns.len() as i32;
    let fields: Vec<NestedFieldRef> = columns
        .iter()
        .zip(1..)
        .map(|(column, id)| {
            let column_type = iceberg_type(&column.column_type, &mut next);
            NestedField::new(id, &column.name, column_type, column.required).into()
        })
        .collect();
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    create_table(&world.aws, &table.database, &table.name, &table.location, schema, None).await.expect("created");
}

/// The rows of a table in the order of their offsets: objects by column.
async fn rows(world: &World, name: &str) -> Vec<Value> {
    let loaded = load_table(&world.aws, "raw", name).await.expect("loaded");
    let schema = loaded.table.metadata().current_schema().as_struct().clone();
    let scan = loaded.table.scan().build().expect("a scan");
    let batches: Vec<RecordBatch> = scan.to_arrow().await.expect("a stream").try_collect().await.expect("read");
    let mut rows = Vec::new();
    for batch in batches {
        let whole: ArrayRef = Arc::new(StructArray::from(batch));
        assert_eq!(whole.as_struct().num_columns(), schema.fields().len());
        let literals = arrow_struct_to_literal(&whole, &schema).expect("literals");
        rows.extend(literals.into_iter().map(|row| plain(row, &Type::Struct(schema.clone()))));
    }
    rows.sort_by_key(|row| row["kafka_offset"].as_i64());
    rows
}

/// A value as JSON: structs by name, times in microseconds since 1970, the rest as Iceberg writes single values.
fn plain(value: Option<Literal>, kind: &Type) -> Value {
    let Some(value) = value else { return Value::Null };
    match (kind, value) {
        (Type::Struct(fields), Literal::Struct(values)) => {
            let members = fields.fields().iter().zip(values);
            let members = members.map(|(field, value)| (field.name.clone(), plain(value, &field.field_type)));
            members.collect::<serde_json::Map<_, _>>().into()
        }
        (Type::List(list), Literal::List(values)) => {
            values.into_iter().map(|value| plain(value, &list.element_field.field_type)).collect()
        }
        (Type::Map(map), Literal::Map(entries)) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let key = plain(Some(key), &map.key_field.field_type);
                (key.as_str().expect("a text").to_owned(), plain(value, &map.value_field.field_type))
            });
            entries.collect::<serde_json::Map<_, _>>().into()
        }
        // apache/iceberg-rust, `microseconds_to_datetime`: a fraction of a second before 1970 is a panic.
        (
            Type::Primitive(PrimitiveType::Timestamp | PrimitiveType::Timestamptz),
            Literal::Primitive(PrimitiveLiteral::Long(micros)),
        ) => micros.into(),
        (kind, value) => value.try_into_json(kind).expect("JSON"),
    }
}

fn orders(columns: &[(&str, &str)], reading: Reading) -> Table {
    Table {
        name: "orders".into(),
        database: "raw".into(),
        topic: TOPIC.into(),
        location: "s3://bucket/raw/orders".into(),
        columns: columns.iter().map(|(name, kind)| Column::new(name, kind.parse().expect("a type"))).collect(),
        key: vec![],
        partition: vec![],
        reading,
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

async fn until_there(world: &World, name: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let rows = rows(world, name).await;
        if rows.len() >= count {
            return rows;
        }
        assert!(Instant::now() < until, "{} of {count} rows after a minute", rows.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_back_as_it_was_sent() {
    let world = World::new().await;
    world.make_topic(TOPIC).await;
    let reading = Reading {
        format: Format::Json,
        path: "payload.after".parse().expect("a path"),
        kafka: vec![KafkaPart::Key, KafkaPart::KeyBytes, KafkaPart::Headers, KafkaPart::Timestamp],
        unknown: Unknown::Keep,
        on_tombstone: OnTombstone::Row,
        columns: [
            ("order_id".to_owned(), Filling { member: Some("orderId".into()), unit: None }),
            ("seen".to_owned(), Filling { member: None, unit: Some(TimeUnit::Millis) }),
        ]
        .into(),
        registry: None,
        max_new_columns: None,
    };
    let columns = [
        ("order_id", "long"),
        ("paid", "boolean"),
        ("count", "int"),
        ("ratio", "float"),
        ("share", "double"),
        ("amount", "decimal(12,2)"),
        ("day", "date"),
        ("opens", "time"),
        ("local", "timestamp"),
        ("sold_at", "timestamptz"),
        ("seen", "list<timestamp>"),
        ("id", "uuid"),
        ("digest", "fixed(3)"),
        ("body", "binary"),
        ("address", "struct<street: string, zipCode: int, geo: struct<lat: double, lon: double>>"),
        ("items", "list<struct<sku: string, tags: list<string>>>"),
        ("labels", "map<string, struct<weight: int>>"),
        ("grid", "list<list<int>>"),
    ];
    let table = orders(&columns, reading);
    create(&world, &table).await;
    let message = r#"{"schema":null,"payload":{"op":"c","after":{
        "orderId":1e3,"paid":true,"count":1.0,"ratio":0.5,"share":0.1,"amount":"12.50","day":"1969-12-31",
        "opens":"08:30:00.5","local":"2026-03-01T10:00:02","sold_at":"1969-12-31T23:59:59.5Z",
        "seen":[-1,1700000000123],"id":"6F9619FF-8b86-d011-b42d-00c04fc964ff","digest":"AQID","body":"\/wA=",
        "address":{"zipCode":12345,"street":"M\u00fchlweg \"1\"","floor":{"of":2},"geo":{"lat":59.25,"alt":7}},
        "items":[{"sku":"a","tags":["x",null]},null,{"sku":"b","note":"n","tags":[]}],
        "labels":{"big":{"weight":3},"n\u00fcll":null},"grid":[[1,2],[]],
        "colour":"re\u0064","trace":[1,{"a":"b"}]}}}"#;
    let headers = OwnedHeaders::new()
        .insert(Header { key: "trace", value: Some("one") })
        .insert(Header { key: "trace", value: None::<&str> });
    world.send_one(TOPIC, Some(b"k1"), Some(message.as_bytes()), headers).await;
    world.send_one(TOPIC, Some(b"k2"), None, OwnedHeaders::new()).await;
    let framed = [&[0, 0, 0, 0, 7], &br#"{"payload":{"after":{"orderId":3}}}"#[..]].concat();
    world.send_one(TOPIC, None, Some(&framed), OwnedHeaders::new()).await;
    // Each of them is a dead letter that says where it is wrong.
    let wrong: [(&[u8], &str); 6] = [
        (
            br#"{"payload":{"after":{"orderId":1,"address":{"zipCode":"x"}}}}"#,
            "`address.zipCode`: expected int, found a string",
        ),
        (
            br#"{"payload":{"after":{"items":[{},{"tags":["a",7]}]}}}"#,
            "`items[1].tags[1]`: expected string, found a number",
        ),
        (
            br#"{"payload":{"after":{"labels":{"a":{"weight":1.5}}}}}"#,
            "`labels[\"a\"].weight`: 1.5 is no 32-bit integer",
        ),
        (br#"{"payload":{"after":null}}"#, "`payload.after` is null, not an object"),
        (br#"{"payload":{"before":null}}"#, "`payload.after` is missing"),
        (b"[]", "the message is an array, not an object"),
    ];
    for (payload, _) in wrong {
        world.send_one(TOPIC, Some(b"k"), Some(payload), OwnedHeaders::new()).await;
    }
    world.send_one(TOPIC, Some(b"\xff"), Some(&framed), OwnedHeaders::new()).await;

    let (agent, running) = world.start_with(vec![table]);
    let found = until_there(&world, "orders", 3).await;
    let dead = until_there(&world, "dead_letters", 7).await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let counted = agent.metrics.readings().into_iter().find(|reading| reading.metric == &stream::UNKNOWN_MEMBERS);
    assert_eq!(counted.map(|reading| reading.value), Some(5.0));

    let mut full = found[0].clone();
    for name in ["kafka_topic_id", "kafka_partition", "kafka_offset", "ingested_at"] {
        full.as_object_mut().expect("a row").remove(name);
    }
    let unknown: Value = serde_json::from_str(full["unknown"].as_str().expect("text")).expect("JSON");
    full["unknown"] = unknown;
    assert_eq!(
        full,
        json!({
            "order_id": 1000, "paid": true, "count": 1, "ratio": 0.5, "share": 0.1, "amount": "12.50",
            "day": "1969-12-31", "opens": "08:30:00.500", "local": 1_772_359_202_000_000_i64,
            "sold_at": -500_000, "seen": [-1000, 1_700_000_000_123_000_i64],
            "id": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "digest": "010203", "body": "ff00",
            "address": {"street": "Mühlweg \"1\"", "zipCode": 12345, "geo": {"lat": 59.25, "lon": null}},
            "items": [{"sku": "a", "tags": ["x", null]}, null, {"sku": "b", "tags": []}],
            "labels": {"big": {"weight": 3}, "nüll": null}, "grid": [[1, 2], []],
            "kafka_key": "k1", "kafka_key_bytes": "6b31",
            "kafka_headers": [{"key": "trace", "value": "6f6e65"}, {"key": "trace", "value": null}],
            "kafka_timestamp": 1_700_000_000_123_000_i64,
            "unknown": {
                "colour": "red", "trace": [1, {"a": "b"}],
                "address.floor": {"of": 2}, "address.geo.alt": 7, "items[2].note": "n",
            },
        })
    );
    let tombstone = &found[1];
    assert_eq!((&tombstone["kafka_key"], &tombstone["order_id"]), (&json!("k2"), &Value::Null));
    assert_eq!((&tombstone["address"], &tombstone["unknown"]), (&Value::Null, &Value::Null));
    assert_eq!((&found[2]["order_id"], &found[2]["kafka_key"]), (&json!(3), &Value::Null));

    let reasons: Vec<&str> = dead.iter().map(|row| row["reason"].as_str().expect("text")).collect();
    let expected: Vec<&str> = wrong.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons[..6], expected);
    assert!(reasons[6].starts_with("`kafka_key`: ") && reasons[6].contains("key_bytes"), "{}", reasons[6]);
}

/// A message of an Avro schema behind Confluent's header.
fn avro(schema: u32, fields: &[&[u8]]) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..], &fields.concat()].concat()
}

/// Avro's encoding of a number from 0 to 63, and of such a number of letters.
fn number(number: u8) -> [u8; 1] {
    [2 * number]
}

fn letters(letter: u8, count: u8) -> Vec<u8> {
    [&number(count)[..], &vec![letter; count.into()]].concat()
}

/// Waits until so much is in quarantine, and gives the last error.
async fn until_quarantined(agent: &Agent, count: f64) -> Option<String> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (found, said) = (agent.metrics.value(&stream::QUARANTINED), agent.health.last_error());
        if found == Some(count) && said.is_some() == (count > 0.0) {
            return said;
        }
        assert!(Instant::now() < until, "{found:?} in quarantine: {said:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_change_under_way_and_a_registry_that_is_away_loses_nothing() {
    let world = World::new().await;
    world.make_topic(TOPIC).await;
    let registry = Server::start().await;
    let schema = |fields: Value| {
        let record = json!({"type": "record", "name": "Order", "fields": fields});
        registry.add("orders-value", json!({"schema": record.to_string()}))
    };
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind});
    let reading = Reading {
        format: Format::Avro,
        registry: Some(Registry::Confluent { url: registry.url.clone(), login: None }),
        ..Reading::default()
    };
    let table = orders(&[("id", "long"), ("note", "string"), ("amount", "decimal(9,2)")], reading);
    create(&world, &table).await;
    let (agent, running) = world.start_with(vec![table, crate::world::declaration("users")]);
    let send = async |payload: &[u8]| world.send_one(TOPIC, None, Some(payload), OwnedHeaders::new()).await;

    let id = || field("id", json!("long"));
    let first = schema(json!([id(), field("note", json!("string"))]));
    for count in 1..=5 {
        send(&avro(first, &[&number(count), &letters(b'a', count)])).await;
    }
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2});
    let second = schema(json!([field("amount", json!(["null", decimal])), id()]));
    send(&avro(second, &[&number(1), &number(2), &[1, 44], &number(6)])).await;
    send(&avro(first, &[&number(7), &letters(b'b', 1)])).await;
    // Nobody has registered it: once the registry has said so for a while, the message is a reject.
    send(&avro(99, &[&number(8)])).await;
    send(&avro(first, &[&number(9)])).await;
    assert_eq!(until_there(&world, "orders", 7).await.len(), 7);
    until_quarantined(&agent, 0.0).await;

    // The registry goes away, and then somebody writes by a schema that was never asked for.
    registry.state.lock().instead = vec![(503, "away"); 10_000];
    let third = schema(json!([id(), field("note", json!(["string", "long"])), field("colour", json!("string"))]));
    for count in 10..=12 {
        send(&avro(third, &[&number(count), &number(0), &letters(b'c', 2), &letters(b'd', 1)])).await;
    }
    send(&avro(first, &[&number(13), &letters(b'e', 1)])).await;
    let said = until_quarantined(&agent, 1.0).await.expect("an error");
    assert!(said.contains(&format!("the schema registry {}", registry.url)) && said.contains("503"), "{said}");
    // Others go on meanwhile.
    let user = br#"{"table":"users","data":{"user_id":"u"}}"#;
    world.send_one(crate::world::TOPIC, None, Some(user), OwnedHeaders::new()).await;
    until_there(&world, "users", 1).await;
    assert_eq!(rows(&world, "orders").await.len(), 7);
    registry.state.lock().instead.clear();

    let found = until_there(&world, "orders", 11).await;
    until_quarantined(&agent, 0.0).await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let row = |id: u8, note: Option<&str>| json!([id, note, null]);
    let mut expected: Vec<Value> =
        ["a", "aa", "aaa", "aaaa", "aaaaa"].iter().zip(1..).map(|(note, id)| row(id, Some(note))).collect();
    expected.extend([json!([6, null, "3.00"]), row(7, Some("b"))]);
    expected.extend((10..=12).map(|id| row(id, Some("cc"))));
    expected.push(row(13, Some("e")));
    let found: Vec<Value> = found.iter().map(|row| json!([row["id"], row["note"], row["amount"]])).collect();
    assert_eq!(found, expected);
    let dead = rows(&world, "dead_letters").await;
    let reasons: Vec<&str> = dead.iter().map(|row| row["reason"].as_str().expect("text")).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("has no schema 99") && reasons[1].contains("`note`"), "{reasons:?}");
}
