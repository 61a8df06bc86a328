//! The cases by which the decoder of the Spark job is held to this one: both read `cases/messages.json`.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_schema::{DataType, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_config::Table;
use lakewright_lake::iceberg_type;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::registry::Registries;

#[derive(Deserialize)]
struct Cases {
    tables: Vec<Table>,
    /// What stands for how each table's messages become rows, by which agents know that a table is meant otherwise.
    declarations: BTreeMap<String, String>,
    cases: Vec<Case>,
}

/// A message and what it is: a row of a table, or a reject.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    topic: String,
    message: Option<String>,
    base64: Option<String>,
    table: Option<String>,
    row: Option<Map<String, Value>>,
    reject: Option<String>,
    cause: Option<String>,
}

/// A router of all tables, by their own topics.
fn router_of(tables: &[Table]) -> Router {
    let rows = |table: &Table| {
        let mut ids = 0;
        let types: Vec<Type> = table.columns.iter().map(|one| iceberg_type(&one.column_type, &mut ids)).collect();
        let named = table.columns.iter().zip(types);
        let mut fields: Vec<_> = named.map(|(column, kind)| (column.name.as_str(), kind, column.required)).collect();
        fields.extend(place_fields());
        Rows::of(&schema(&fields), table, false).expect("rows")
    };
    let mut topics: Vec<Topic> = Vec::new();
    for name in tables.iter().map(|table| &table.topic) {
        if topics.iter().all(|topic| topic.name != *name) {
            let of: Vec<(usize, &Table)> = tables.iter().enumerate().filter(|(_, one)| one.topic == *name).collect();
            let way = Way::of(&of, &Registries::default());
            let tables = of.iter().map(|(index, table)| (table.name.clone(), *index)).collect();
            topics.push(Topic { name: name.clone(), key: format!("c/{name}"), id: "t".into(), tables, way });
        }
    }
    let dead = Rows::dead_letters(&crate::testing::dead_schema()).expect("dead letters");
    Router::new(topics, tables.iter().map(rows).collect(), vec![false; tables.len()], dead, OnReject::DeadLetters)
}

/// A value as cases write it: times in days or microseconds, bytes and the bits of floats in hexadecimal digits; `None` where there is none.
fn shown(array: &dyn Array) -> Option<Value> {
    fn number<T: ArrowPrimitiveType>(array: &dyn Array) -> T::Native {
        array.as_primitive::<T>().value(0)
    }
    let hex = |bytes: &[u8]| json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    if array.is_null(0) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(0)),
        DataType::Int32 => json!(number::<Int32Type>(array)),
        DataType::Int64 => json!(number::<Int64Type>(array)),
        DataType::Float32 => hex(&number::<Float32Type>(array).to_be_bytes()),
        DataType::Float64 => hex(&number::<Float64Type>(array).to_be_bytes()),
        DataType::Decimal128(..) => json!(array.as_primitive::<Decimal128Type>().value_as_string(0)),
        DataType::Date32 => json!(number::<Date32Type>(array)),
        DataType::Time64(TimeUnit::Microsecond) => json!(number::<Time64MicrosecondType>(array)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => json!(number::<TimestampMicrosecondType>(array)),
        DataType::Utf8 => json!(array.as_string::<i32>().value(0)),
        DataType::FixedSizeBinary(16) => {
            let bytes = array.as_fixed_size_binary().value(0);
            json!(uuid::Uuid::from_slice(bytes).expect("a UUID").to_string())
        }
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(0)),
        DataType::LargeBinary => hex(array.as_binary::<i64>().value(0)),
        other => panic!("no case has a column of {other}"),
    })
}

#[test]
fn messages_become_what_the_shared_cases_say() {
    let Cases { tables, declarations, cases } =
        serde_json::from_str(include_str!("../../../cases/messages.json")).expect("the cases");
    assert_eq!(
        tables.iter().map(|one| (one.name.clone(), one.declaration())).collect::<BTreeMap<_, _>>(),
        declarations
    );
    let mut router = router_of(&tables);
    let mut rows = 0;
    for case in cases {
        let of = |topic: &Topic| topic.name == case.topic;
        let topic = router.topics.iter().position(of).expect("a topic of the tables");
        let bytes = case.base64.as_ref().map(|text| STANDARD.decode(text).expect("Base64"));
        let payload = bytes.as_deref().or(case.message.as_deref().map(str::as_bytes));
        let said = || format!("{}: {:?} {:?}", case.topic, case.message, case.base64);
        let routed = router.take(Record { topic, payload, place: PLACE, metadata: &Bare }, &Nothing).expect("taken");
        let reason = routed.reject.as_ref().map(ToString::to_string);
        let cause = routed.reject.as_ref().map(|reject| reject.cause().word().to_owned());
        assert_eq!((reason, cause), (case.reject.clone(), case.cause.clone()), "{}", said());
        for (table, batch) in router.drain().expect("drained") {
            let Some(table) = table else { continue };
            let named = |column: &Column| Some((column.name.clone(), shown(batch.rows.column_by_name(&column.name)?)?));
            let found: Map<String, Value> = tables[table].columns.iter().filter_map(named).collect();
            assert_eq!(
                (Some(&tables[table].name), Some(&found)),
                (case.table.as_ref(), case.row.as_ref()),
                "{}",
                said()
            );
            rows += 1;
        }
    }
    assert!(rows > 100, "cases are missing: {rows} rows");
}
