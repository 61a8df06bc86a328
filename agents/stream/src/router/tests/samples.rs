//! Sample messages, which are made of a table's declaration, are read by it without a reject, whatever its types and settings are.

use async_trait::async_trait;
use lakewright_config::{
    ColumnType, Filling, Format, KafkaPart, OnTombstone, Reading, Registry, Table, TimeUnit, Unknown,
};
use lakewright_formats::registry::{self, Answer, NoAnswer, Schemas};
use lakewright_formats::{SchemaId, Skipped};
use lakewright_lake::iceberg_type;
use lakewright_samples::{Message, Topic as Samples};
use uuid::Uuid;

use super::*;
use crate::record::Metadata;
use crate::registry::Registries;
use crate::testing::table;

/// 2026-03-01, in microseconds.
const NOW: i64 = 1_772_323_200_000_000;
/// So many messages are made of each declaration.
const MESSAGES: i64 = 300;
const TYPES: [&str; 23] = [
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "decimal(12,2)",
    "decimal(38,0)",
    "decimal(4,4)",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "string",
    "uuid",
    "binary",
    "fixed(16)",
    "list<int>",
    "list<list<timestamptz>>",
    "map<string, decimal(9,3)>",
    "map<string, struct<a: uuid, b: list<fixed(3)>>>",
    "struct<street: string, zipCode: fixed(5), since: date>",
    "list<struct<sku: string, quantity: int, unitPrice: decimal(10,2), at: time>>",
    "struct<a: struct<a: struct<a: map<string, list<double>>, b: boolean>, b: binary>, b: timestamp>",
];

/// A table with a column of each type, and one of each that is required.
fn declaration(reading: Reading, unit: Option<TimeUnit>) -> Table {
    let mut columns = Vec::new();
    let mut filling = reading.columns.clone();
    for (index, kind) in TYPES.iter().enumerate() {
        let column_type: ColumnType = kind.parse().expect("a type");
        let has_time =
            column_type.has(|kind| matches!(kind, ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz));
        for (name, required) in [(format!("c{index}"), false), (format!("r{index}"), true)] {
            filling.insert(
                name.clone(),
                Filling { member: (index % 3 == 0).then(|| format!("{name}Member")), unit: unit.filter(|_| has_time) },
            );
            columns.push(Column { required, ..Column::new(&name, column_type.clone()) });
        }
    }
    if reading.on_tombstone == OnTombstone::Row {
        for column in &mut columns {
            column.required = false;
        }
    }
    for (name, member, kind) in
        [("op", "__op", "string"), ("deleted", "__deleted", "boolean"), ("lsn", "__position", "string")]
    {
        if reading.format == Format::Debezium {
            columns.push(Column { required: true, ..Column::new(name, kind.parse().expect("a type")) });
            filling.insert(name.to_owned(), Filling { member: Some(member.to_owned()), unit: None });
        }
    }
    let key = match reading.on_tombstone {
        OnTombstone::Row => vec!["kafka_key".to_owned()],
        OnTombstone::Reject => vec!["r2".to_owned()],
    };
    Table { columns, key, reading: Reading { columns: filling, ..reading }, ..table("orders") }
}

/// What holds the one schema.
struct One(String);

#[async_trait]
impl registry::Registry for One {
    async fn ask(&self, _: SchemaId) -> Result<Answer, NoAnswer> {
        Ok(Answer::Avro { text: self.0.clone(), references: Vec::new() })
    }
}

#[derive(Debug)]
struct Sent<'a>(&'a Message);

impl Metadata for Sent<'_> {
    fn key(&self) -> Option<&[u8]> {
        Some(self.0.key.as_bytes())
    }

    fn timestamp(&self) -> Option<i64> {
        Some(NOW / 1000)
    }

    fn headers(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String> {
        self.0.headers.iter().for_each(|(name, value)| each(name, Some(value.as_bytes())));
        Ok(())
    }
}

/// Reads sample messages of a declaration; gives how many were rows, and how many tombstones were passed over.
async fn read(table: &Table, id: SchemaId) -> (usize, usize) {
    let mut samples = Samples::new("orders", [table.clone()], 11).expect("samples");
    let mut registries = Registries::default();
    if let Some(needed) = samples.needs() {
        let schemas = Schemas::new(One(needed.text.clone()), 1 << 20);
        schemas.get(id).await.unwrap_or_else(|fault| panic!("{fault}: {}", needed.text));
        registries = Registries::one(needed.registry, schemas);
        samples.registered(id);
    }
    let all = table.all_columns();
    // Numbers of columns are those of their places: parts have higher ones.
    let mut next = i32::try_from(all.len()).expect("few columns");
    let fields: Vec<(&str, Type, bool)> = all
        .iter()
        .map(|column| (column.name.as_str(), iceberg_type(&column.column_type, &mut next), column.required))
        .collect();
    let rows = Rows::of(&schema(&fields), table, false).expect("rows");
    let dead = Rows::dead_letters(&crate::testing::dead_schema()).expect("dead letters");
    let topic = Topic {
        name: "orders".into(),
        key: "c/o".into(),
        id: "o".into(),
        tables: vec![("orders".into(), 0)],
        way: Way::of(&[(0, table)], &registries),
    };
    let mut router = Router::new(vec![topic], vec![rows], vec![false], dead, OnReject::DeadLetters);
    let mut skipped = 0;
    for number in 0..MESSAGES {
        let message = samples.next(NOW + number * 7919).expect("a message");
        let record = Record { topic: 0, payload: message.value.as_deref(), place: PLACE, metadata: &Sent(&message) };
        let routed = router.take(record, &Nothing).expect("taken");
        let shown = String::from_utf8_lossy(message.value.as_deref().unwrap_or_default()).into_owned();
        assert_eq!(routed.reject.map(|reject| reject.to_string()), None, "{:?}: {shown}", table.reading);
        assert!(matches!(routed.skipped, None | Some(Skipped::Tombstone)), "{shown}");
        skipped += usize::from(routed.skipped.is_some());
    }
    let batches = router.drain().expect("drained");
    (batches.iter().map(|(_, batch)| batch.rows.num_rows()).sum(), skipped)
}

#[tokio::test]
async fn samples_of_every_type_are_rows() {
    let glue = SchemaId::Glue(Uuid::from_u128(0xb7b4_a7f0_9c96_4e4a_a687_fb5d_e9ef_0c63));
    let of = |format, registry| Reading { format, registry, unknown: Unknown::Reject, ..Reading::default() };
    let confluent = Some(Registry::Confluent { url: "https://registry".to_owned(), login: None });
    let path = || "payload.after".parse().expect("a path");
    let kafka = || vec![KafkaPart::Key, KafkaPart::KeyBytes, KafkaPart::Headers, KafkaPart::Timestamp];
    let tombstones = Reading { on_tombstone: OnTombstone::Row, kafka: kafka(), ..of(Format::Json, None) };
    for (reading, id) in [
        (of(Format::Envelope, None), glue),
        (of(Format::Json, None), glue),
        (Reading { path: path(), kafka: kafka(), unknown: Unknown::Keep, ..of(Format::Json, None) }, glue),
        (tombstones, glue),
        (of(Format::Avro, Some(Registry::Glue)), glue),
        (
            Reading { path: path(), unknown: Unknown::Keep, ..of(Format::Avro, confluent.clone()) },
            SchemaId::Confluent(7),
        ),
        (of(Format::Debezium, None), glue),
        (Reading { unknown: Unknown::Keep, ..of(Format::Debezium, Some(Registry::Glue)) }, glue),
        (of(Format::Debezium, confluent), SchemaId::Confluent(7)),
    ] {
        for unit in [None, Some(TimeUnit::Seconds), Some(TimeUnit::Millis), Some(TimeUnit::Micros)] {
            let table = declaration(reading.clone(), unit);
            let (rows, skipped) = read(&table, id).await;
            assert_eq!(rows + skipped, MESSAGES as usize, "{:?}", table.reading);
            assert_eq!(skipped > 0, reading.format == Format::Debezium, "{skipped} tombstones");
        }
    }
}
