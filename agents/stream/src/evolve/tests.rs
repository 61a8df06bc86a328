//! Which members want columns, and what becomes of the others.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use iceberg::spec::{NestedField, Schema};
use lakewright_config::{Column, Filling, Reading, UNKNOWN_COLUMN, Unknown};

use super::*;
use crate::batch::Place;
use crate::json::Scanner;
use crate::record::Record;
use crate::table::Rows;
use crate::testing::{Bare, schema, table};

fn declared(most: Option<u32>) -> Table {
    let reading = Reading { unknown: Unknown::Evolve, max_new_columns: most, ..Reading::default() };
    Table { reading, ..table("sales") }
}

/// A table with the column `unknown`, and these that messages brought.
fn evolved(columns: &[(&str, &str, &str)]) -> (Schema, Evolution) {
    let mut fields = schema().as_struct().fields().to_vec();
    let unknown = (UNKNOWN_COLUMN, UNKNOWN_COLUMN, "string");
    let mut evolution = Evolution::default();
    let mut last = 90;
    for (name, member, kind) in [unknown].iter().chain(columns) {
        last += 1;
        let id = last;
        let kind = lakewright_lake::iceberg_type(&kind.parse().expect("a type"), &mut last);
        fields.push(Arc::new(NestedField::optional(id, *name, kind)));
        if *name != UNKNOWN_COLUMN {
            evolution.evolved.add(id, member);
        }
    }
    evolution.taken = fields.iter().map(|field| field.name.to_lowercase()).collect();
    (Schema::builder().with_fields(fields).build().expect("a schema"), evolution)
}

/// Reads rows with these members beside `id`; gives the batch, and what the rows want.
fn read(table: &Table, of: &(Schema, Evolution), members: &[&str]) -> (RecordBatch, Vec<String>, u64) {
    let mut rows = Rows::evolved(&of.0, table, &of.1, false).expect("rows");
    for members in members {
        let message = format!(r#"{{"id":"a",{members}}}"#);
        assert_eq!(rows.read(&message, &mut Scanner::new(&message)).expect("JSON"), None, "{message}");
        let place = Place { partition: 0, offset: 0, ingested_at: 0 };
        let record = Record { topic: 0, payload: Some(message.as_bytes()), place, metadata: &Bare };
        assert_eq!(rows.read_extras(&message, &record), None);
        rows.push(&message, record);
    }
    let unknown = rows.unknown();
    let batch = rows.finish(&Arc::from("t")).expect("a batch");
    let wanted = batch.wanted.iter().map(|one| format!("{} {} of {}", one.name, one.column_type, one.member));
    (batch.rows, wanted.collect(), unknown)
}

fn kept(rows: &RecordBatch) -> Vec<Option<&str>> {
    rows.column_by_name(UNKNOWN_COLUMN).expect("the column").as_string::<i32>().iter().collect()
}

#[test]
fn members_that_no_column_takes_want_one_of_the_type_of_their_values() {
    let members = [
        r#""colour":"red","size":1,"__op":"c""#,
        r#""size":2.5,"isNew":true,"colour":null"#,
        r#""place":{"zipCode":"1"},"tags":[1]"#,
        r#""place":{"floor":2},"colour":7"#,
    ];
    let (_, wanted, unknown) = read(&declared(None), &evolved(&[]), &members);
    assert_eq!(
        wanted,
        [
            "colour string of colour",
            "size double of size",
            "__op string of __op",
            "isnew boolean of isNew",
            "place struct<zipCode: string, floor: long> of place",
            "tags list<long> of tags",
        ]
    );
    // They are decoded again with the columns: nothing is unknown of them yet.
    assert_eq!(unknown, 0);
}

#[test]
fn what_can_be_no_column_stays_in_unknown() {
    let mut table = declared(None);
    table.columns.push(Column { was: Some("price".into()), ..Column::new("order_id", ColumnType::String) });
    table.reading.columns = [("order_id".to_owned(), Filling { member: Some("orderId".into()), unit: None })].into();
    let mut of = evolved(&[("order_id", "", "string")]);
    of.1.evolved = Evolved::default();
    of.1.taken.insert("sold_at_day".into());
    for member in [
        r#""order-id":1"#,
        r#""1st":1"#,
        r#""größe":1"#,
        r#""_file":1"#,
        r#""ID":1"#,
        r#""Kafka_Offset":1"#,
        r#""kafka_key":1"#,
        r#""Unknown":1"#,
        r#""PRICE":1"#,
        r#""sold_at_day":1"#,
        r#""nothing":null"#,
        r#""none":[]"#,
        r#""deep":{"a":{"b":1}}"#,
        r#""huge":99999999999999999999"#,
    ] {
        let (rows, wanted, unknown) = read(&table, &of, &[member]);
        assert_eq!((kept(&rows), wanted.len(), unknown), (vec![Some(format!("{{{member}}}").as_str())], 0, 1));
    }
    // The first spelling of a name that comes is the column's.
    let (_, wanted, unknown) = read(&table, &of, &[r#""orderNo":1,"orderno":"a""#, r#""orderno":"b""#]);
    assert_eq!((wanted, unknown), (vec!["orderno long of orderNo".to_owned()], 2));
}

#[test]
fn a_table_gets_no_more_columns_than_it_may() {
    let (_, wanted, unknown) = read(&declared(Some(2)), &evolved(&[("x", "x", "long")]), &[r#""a":1,"b":2,"x":3"#]);
    assert_eq!((wanted, unknown), (vec!["a long of a".to_owned()], 1));
    let (_, wanted, _) = read(&declared(Some(1)), &evolved(&[("x", "x", "long")]), &[r#""a":1"#]);
    assert_eq!(wanted.len(), 0);
}

#[test]
fn what_the_catalog_refused_stays_in_unknown_and_after_many_nothing_is_asked_for() {
    let mut of = evolved(&[]);
    of.1.refused.insert("colour".into());
    let (rows, wanted, unknown) = read(&declared(None), &of, &[r#""Colour":"red","size":1"#, r#""colour":"blue""#]);
    // The first row is decoded again when its table has the other column.
    assert_eq!((wanted, unknown), (vec!["size long of size".to_owned()], 2));
    assert_eq!(kept(&rows)[1], Some(r#"{"colour":"blue"}"#));
    of.1.refused = (0..MOST_REFUSED).map(|number| format!("c{number}")).collect();
    let (_, wanted, _) = read(&declared(None), &of, &[r#""size":1"#]);
    assert_eq!(wanted.len(), 0);
}

#[test]
fn columns_that_messages_brought_take_what_fits_and_nothing_else_is_lost() {
    let of = evolved(&[
        ("orderno", "orderNo", "long"),
        ("price", "price", "double"),
        ("place", "place", "struct<floor: long>"),
    ]);
    let members = [
        r#""orderNo":1,"price":2"#,
        r#""orderNo":1.5,"price":9007199254740993"#,
        r#""orderno":3,"price":"much""#,
        r#""place":{"floor":1,"door":"a"}"#,
        r#""place":{"floor":"first"}"#,
    ];
    let (rows, wanted, unknown) = read(&declared(None), &of, &members);
    let numbers: Vec<_> = rows.column_by_name("orderno").expect("it").as_primitive::<Int64Type>().iter().collect();
    assert_eq!(numbers, [Some(1), None, None, None, None]);
    let prices: Vec<_> = rows.column_by_name("price").expect("it").as_primitive::<Float64Type>().iter().collect();
    assert_eq!(prices, [Some(2.0), None, None, None, None]);
    assert_eq!(
        kept(&rows),
        [
            None,
            Some(r#"{"orderNo":1.5,"price":9007199254740993}"#),
            Some(r#"{"orderno":3,"price":"much"}"#),
            Some(r#"{"place.door":"a"}"#),
            Some(r#"{"place":{"floor":"first"}}"#),
        ]
    );
    assert_eq!((wanted.len(), unknown), (0, 6));
}

#[test]
fn a_schema_says_more_than_the_values() {
    let mut rows = Rows::evolved(&evolved(&[]).0, &declared(None), &evolved(&[]).1, false).expect("rows");
    let hint = |text: &str| Some(text.parse::<ColumnType>().expect("a type"));
    let many: Vec<String> = (0..101).map(|number| format!("m{number}: long")).collect();
    let many = hint(&format!("list<struct<{}>>", many.join(", ")));
    let hints = [("at", hint("timestamptz")), ("price", hint("double")), ("either", None), ("many", many)];
    rows.hint(Some(Arc::new(hints.map(|(name, hint)| (name.to_owned(), hint)).into())));
    let message = r#"{"id":"a","at":"2026-03-01T08:30:00Z","price":3,"either":1,"other":1,"many":[]}"#;
    assert_eq!(rows.read(message, &mut Scanner::new(message)).expect("JSON"), None);
    let place = Place { partition: 0, offset: 0, ingested_at: 0 };
    rows.push(message, Record { topic: 0, payload: Some(message.as_bytes()), place, metadata: &Bare });
    let wanted = rows.finish(&Arc::from("t")).expect("a batch").wanted;
    let wanted: Vec<String> = wanted.iter().map(|one| format!("{} {}", one.name, one.column_type)).collect();
    assert_eq!(wanted, ["at timestamptz", "price double", "other long"]);
}
