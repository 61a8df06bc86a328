//! Topics of any shape, from Kafka to an Iceberg table and back through Iceberg's own reader.

#[allow(dead_code, reason = "the tests of faults use the rest")]
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use futures::TryStreamExt;
use iceberg::arrow::arrow_struct_to_literal;
use iceberg::spec::{
    ListType, Literal, MapType, NestedField, NestedFieldRef, PrimitiveLiteral, PrimitiveType, Schema, StructType, Type,
};
use lakewright_config::agents::stream;
use lakewright_config::{
    Column, ColumnType, Filling, Format, KafkaPart, OnTombstone, Reading, Table, TimeUnit, Unknown,
};
use lakewright_lake::{create_table, load_table};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::{Value, json};
use world::World;

const TOPIC: &str = "orders";

/// An Iceberg type with ids from `next` on.
fn iceberg(column_type: &ColumnType, next: &mut i32) -> Type {
    let mut id = || {
        *next += 1;
        *next
    };
    let primitive = match column_type {
        ColumnType::List(element) => {
            let id = id();
            return Type::List(ListType::new(NestedField::list_element(id, iceberg(element, next), false).into()));
        }
        ColumnType::Map(value) => {
            let (key, id) = (id(), id());
            return Type::Map(MapType::new(
                NestedField::map_key_element(key, Type::Primitive(PrimitiveType::String)).into(),
                NestedField::map_value_element(id, iceberg(value, next), false).into(),
            ));
        }
        ColumnType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                *next += 1;
                let id = *next;
                NestedField::optional(id, &field.name, iceberg(&field.field_type, next)).into()
            });
            return Type::Struct(StructType::new(fields.collect()));
        }
        ColumnType::Boolean => PrimitiveType::Boolean,
        ColumnType::Int => PrimitiveType::Int,
        ColumnType::Long => PrimitiveType::Long,
        ColumnType::Float => PrimitiveType::Float,
        ColumnType::Double => PrimitiveType::Double,
        ColumnType::Decimal(precision, scale) => {
            PrimitiveType::Decimal { precision: (*precision).into(), scale: (*scale).into() }
        }
        ColumnType::Date => PrimitiveType::Date,
        ColumnType::Time => PrimitiveType::Time,
        ColumnType::Timestamp => PrimitiveType::Timestamp,
        ColumnType::Timestamptz => PrimitiveType::Timestamptz,
        ColumnType::String => PrimitiveType::String,
        ColumnType::Uuid => PrimitiveType::Uuid,
        ColumnType::Fixed(bytes) => PrimitiveType::Fixed((*bytes).into()),
        ColumnType::Binary => PrimitiveType::Binary,
    };
    Type::Primitive(primitive)
}

/// Makes a table's Iceberg table.
async fn create(world: &World, table: &Table) {
    let columns = table.all_columns();
    let mut next = columns.len() as i32;
    let fields: Vec<NestedFieldRef> = columns
        .iter()
        .zip(1..)
        .map(|(column, id)| {
            let column_type = iceberg(&column.column_type, &mut next);
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
