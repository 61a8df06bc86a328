//! Tests of the way from a message to a row or a dead letter.

mod cases;
mod declared;
mod samples;
mod topics;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use iceberg::spec::{ListType, NestedField, PrimitiveType, Schema, StructType, Type};
use lakewright_config::Column;

use super::*;
use crate::batch::Place;
use crate::json::Scanner;
use crate::reject::Cause;
use crate::testing::Bare;
use crate::value::MOST_VALUES;

/// Reading the data of a message that contains this panics.
pub(crate) const PANICS: &str = "-panics-";

/// Where a record stands that doesn't matter.
const PLACE: Place = Place { partition: 0, offset: 1, ingested_at: 0 };

/// Nobody has anything yet.
struct Nothing;

impl Covered for Nothing {
    fn row(&self, _: usize) -> bool {
        false
    }

    fn reject(&self, _: Option<usize>) -> bool {
        false
    }

    fn refused(&self, _: usize) -> Option<&str> {
        None
    }
}

fn declared(name: &str, column_type: &str, required: bool) -> Column {
    Column { required, ..Column::new(name, column_type.parse().expect("a type")) }
}

fn schema(fields: &[(&str, Type, bool)]) -> Schema {
    let fields = fields.iter().enumerate().map(|(index, (name, field_type, required))| {
        Arc::new(NestedField::new(index as i32 + 1, *name, field_type.clone(), *required))
    });
    Schema::builder().with_fields(fields).build().expect("a schema")
}

fn text() -> Type {
    Type::Primitive(PrimitiveType::String)
}

fn place_fields() -> Vec<(&'static str, Type, bool)> {
    vec![
        ("kafka_topic_id", text(), true),
        ("kafka_partition", Type::Primitive(PrimitiveType::Int), true),
        ("kafka_offset", Type::Primitive(PrimitiveType::Long), true),
        ("ingested_at", Type::Primitive(PrimitiveType::Timestamptz), true),
    ]
}

/// A router of two tables, `sales` with every type and `users`, and the dead letters.
fn router() -> Router {
    let columns = [
        declared("sale_id", "string", true),
        declared("quantity", "int", true),
        declared("units", "long", false),
        declared("amount", "decimal(12,2)", false),
        declared("sold_at", "timestamptz", false),
        declared("day", "date", false),
        declared("share", "double", false),
        declared("paid", "boolean", false),
        declared("tags", "list<string>", false),
        declared("blob", "binary", false),
    ];
    let list = NestedField::list_element(100, text(), false);
    let mut fields = vec![
        ("sale_id", text(), true),
        ("quantity", Type::Primitive(PrimitiveType::Int), true),
        ("units", Type::Primitive(PrimitiveType::Long), false),
        ("amount", Type::Primitive(PrimitiveType::Decimal { precision: 12, scale: 2 }), false),
        ("sold_at", Type::Primitive(PrimitiveType::Timestamptz), false),
        ("day", Type::Primitive(PrimitiveType::Date), false),
        ("share", Type::Primitive(PrimitiveType::Double), false),
        ("paid", Type::Primitive(PrimitiveType::Boolean), false),
        ("tags", Type::List(ListType::new(Arc::new(list))), false),
        ("blob", Type::Primitive(PrimitiveType::Binary), false),
    ];
    fields.extend(place_fields());
    let sales = Rows::declared(&schema(&fields), &columns, false).expect("sales");
    let mut fields = vec![("user_id", text(), true)];
    fields.extend(place_fields());
    let users = Rows::declared(&schema(&fields), &[declared("user_id", "string", true)], false).expect("users");
    let mut fields = vec![
        ("topic", text(), true),
        ("reason", text(), true),
        ("payload", Type::Primitive(PrimitiveType::Binary), false),
    ];
    fields.extend(place_fields());
    let dead = Rows::dead_letters(&schema(&fields)).expect("dead letters");
    let topic = Topic {
        name: "facts".into(),
        key: "c/t".into(),
        id: "t".into(),
        tables: vec![("sales".into(), 0), ("users".into(), 1)],
        way: Way::Envelope,
    };
    Router::new(vec![topic], vec![sales, users], vec![false; 2], dead, OnReject::DeadLetters)
}

fn take(router: &mut Router, payload: Option<&[u8]>, offset: i64) {
    let place = Place { partition: 3, offset, ingested_at: 99 };
    let routed = router.take(Record { topic: 0, payload, place, metadata: &Bare }, &Nothing).expect("taken");
    assert!(routed.full.is_none());
}

#[test]
fn every_type_is_decoded_exactly() {
    let mut router = router();
    let full = r#"{"table":"sales","data":{"sale_id":"a\u00e9\n","quantity":-3,"units":9007199254740993,
        "amount":1234567890.10,"sold_at":"1970-01-01T00:00:01+00:00","day":"1970-01-02","share":0.25,"paid":true,
        "tags":["x",null,"\"y\""],"blob":"AQI=","unknown":{"deep":[1,2,{}]}},"extra":1}"#;
    take(&mut router, Some(full.as_bytes()), 7);
    // Another order, `data` before `table`, and nulls.
    take(&mut router, Some(br#"{"data":{"amount":"0.01","quantity":1,"sale_id":"b","tags":null},"table":"sales"}"#), 8);
    let batches = router.drain().expect("drained");
    let [(Some(0), Batch { rows: sales, .. })] = batches.as_slice() else { panic!("one batch of sales: {batches:?}") };
    let column = |name: &str| sales.column_by_name(name).expect(name);
    assert_eq!(column("sale_id").as_string::<i32>().iter().collect::<Vec<_>>(), [Some("aé\n"), Some("b")]);
    assert_eq!(column("quantity").as_primitive::<Int32Type>().values(), &[-3, 1]);
    assert_eq!(
        column("units").as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [Some(9_007_199_254_740_993), None]
    );
    assert_eq!(column("amount").as_primitive::<Decimal128Type>().values(), &[123_456_789_010, 1]);
    assert_eq!(column("sold_at").as_primitive::<TimestampMicrosecondType>().value(0), 1_000_000);
    let tags = column("tags").as_list::<i32>();
    assert_eq!(tags.value(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("x"), None, Some("\"y\"")]);
    assert_eq!(column("tags").null_count(), 1);
    assert_eq!(column("blob").as_binary::<i64>().value(0), [1, 2]);
    assert_eq!(column("kafka_topic_id").as_string::<i32>().value(1), "t");
    assert_eq!(column("kafka_offset").as_primitive::<Int64Type>().values(), &[7, 8]);
    assert!(router.drain().expect("drained").is_empty());
}

#[test]
fn what_does_not_fit_is_a_dead_letter_with_its_reason() {
    let cases: [(&[u8], &str); 26] = [
        (b"{\"table\":\"sales\",\"data\":{}", "no JSON at byte 26: expected `,` or `}`"),
        (b"{\"table\":\"sales\",\"data\":{\"sale_id\":1x}}", "no JSON at byte 36: expected `,` or `}`"),
        (b"{\"table\":\"sales\",\"data\":{}} x", "no JSON at byte 28: expected the end"),
        (b"", "no JSON at byte 0: expected a value"),
        (b"\xff", "no UTF-8: invalid utf-8 sequence of 1 bytes from index 0"),
        (b"[1]", "the message is an array, not an object"),
        (b"{}", "`table` is missing"),
        (b"{\"table\":3}", "`table` is a number, not a string"),
        (b"{\"table\":\"loans\",\"data\":{}}", "unknown table `loans`"),
        (b"{\"table\":\"sales\"}", "`data` is missing"),
        (b"{\"table\":\"sales\",\"data\":[]}", "`data` is an array, not an object"),
        (b"{\"table\":\"sales\",\"table\":\"users\",\"data\":{}}", "`table` stands there twice"),
        (b"{\"table\":\"users\",\"data\":{\"user_id\":\"a\"},\"data\":{}}", "`data` stands there twice"),
        (b"{\"table\":\"users\",\"data\":{}}", "`user_id` is missing"),
        (b"{\"table\":\"users\",\"data\":{\"user_id\":null}}", "`user_id` is null"),
        (b"{\"table\":\"users\",\"data\":{\"user_id\":\"a\",\"user_id\":\"b\"}}", "`user_id` stands there twice"),
        (b"{\"table\":\"users\",\"data\":{\"user_id\":7}}", "`user_id`: expected string, found a number"),
        (
            b"{\"table\":\"sales\",\"data\":{\"sale_id\":\"a\",\"quantity\":1.5}}",
            "`quantity`: 1.5 is no 32-bit integer",
        ),
        (b"{\"table\":\"sales\",\"data\":{\"quantity\":3000000000}}", "`quantity`: 3000000000 is no 32-bit integer"),
        (b"{\"table\":\"sales\",\"data\":{\"amount\":0.001}}", "`amount`: 0.001 has more than 2 decimal places"),
        (
            b"{\"table\":\"sales\",\"data\":{\"sold_at\":\"yesterday\"}}",
            "`sold_at`: `yesterday` is no RFC 3339 time with offset",
        ),
        (b"{\"table\":\"sales\",\"data\":{\"day\":\"2026-02-30\"}}", "`day`: `2026-02-30` is no date YYYY-MM-DD"),
        (b"{\"table\":\"sales\",\"data\":{\"share\":1e999}}", "`share`: 1e999 is beyond a double"),
        (b"{\"table\":\"sales\",\"data\":{\"paid\":\"yes\"}}", "`paid`: expected boolean, found a string"),
        (b"{\"table\":\"sales\",\"data\":{\"tags\":[1]}}", "`tags[0]`: expected string, found a number"),
        (b"{\"table\":\"sales\",\"data\":{\"blob\":\"*\"}}", "`blob`: `*` is no Base64"),
    ];
    let mut router = router();
    for (offset, (payload, _)) in cases.iter().enumerate() {
        take(&mut router, Some(payload), offset as i64);
    }
    take(&mut router, None, 100);
    let batches = router.drain().expect("drained");
    let [(None, Batch { rows: dead, .. })] = batches.as_slice() else { panic!("dead letters only") };
    let reasons = dead.column_by_name("reason").expect("reason").as_string::<i32>();
    let payloads = dead.column_by_name("payload").expect("payload").as_binary::<i64>();
    for (row, (payload, reason)) in cases.iter().enumerate() {
        assert_eq!((reasons.value(row), payloads.value(row)), (*reason, *payload));
    }
    assert_eq!(reasons.value(cases.len()), "the message has no payload");
}

/// What is settled of a record, as a test says.
#[derive(Default)]
struct Settled {
    rows: bool,
    rejects: bool,
    refused: Option<&'static str>,
}

impl Covered for Settled {
    fn row(&self, _: usize) -> bool {
        self.rows
    }

    fn reject(&self, _: Option<usize>) -> bool {
        self.rejects
    }

    fn refused(&self, _: usize) -> Option<&str> {
        self.refused
    }
}

const USER: &[u8] = br#"{"table":"users","data":{"user_id":"a"}}"#;
/// What the table refuses.
const NO_USER: &[u8] = br#"{"table":"users","data":{"user_id":7}}"#;

/// Where each of some messages went.
fn went(router: &mut Router, payloads: &[&[u8]], covered: &impl Covered) -> Vec<Option<usize>> {
    for payload in payloads {
        let place = Place { partition: 0, offset: 1, ingested_at: 0 };
        router.take(Record { topic: 0, payload: Some(payload), place, metadata: &Bare }, covered).expect("taken");
    }
    router.drain().expect("drained").iter().map(|(table, _)| *table).collect()
}

#[test]
fn a_table_skips_what_it_holds_already_and_so_do_the_dead_letters() {
    let mut router = router();
    let both = [USER, b"broken"];
    assert_eq!(went(&mut router, &both, &Settled { rows: true, ..Settled::default() }), [None]);
    assert_eq!(went(&mut router, &both, &Settled { rejects: true, ..Settled::default() }), [Some(1)]);
    // Settled as a row that couldn't be written, by a table that was killed before the dead letters had it.
    let refused = Settled { rows: true, refused: Some("too long"), ..Settled::default() };
    router.take(Record { topic: 0, payload: Some(USER), place: PLACE, metadata: &Bare }, &refused).expect("taken");
    let batches = router.drain().expect("drained");
    let [(None, Batch { rows: dead, .. })] = batches.as_slice() else { panic!("a dead letter: {batches:?}") };
    let reasons = dead.column_by_name("reason").expect("reason").as_string::<i32>();
    assert_eq!(reasons.value(0), "a row that the table users can't hold: too long");
}

#[test]
fn a_message_whose_decoding_panics_is_a_dead_letter_and_the_next_one_a_row() {
    let mut router = router();
    let panics = format!(r#"{{"table":"users","data":{{"user_id":"{PANICS}"}}}}"#);
    assert_eq!(went(&mut router, &[USER, panics.as_bytes(), USER], &Nothing), [Some(1)]);
    let place = Place { partition: 0, offset: 9, ingested_at: 0 };
    let record = Record { topic: 0, payload: Some(panics.as_bytes()), place, metadata: &Bare };
    let routed = router.take(record, &Nothing).expect("taken");
    assert_eq!(routed.reject.map(|reject| reject.cause()), Some(Cause::Bug));
    let batches = router.drain().expect("drained");
    let [(Some(1), Batch { rows, broken, .. })] = batches.as_slice() else { panic!("left out: {batches:?}") };
    assert_eq!((rows.num_rows(), broken[0].0.place.offset, broken[0].1.as_str()), (0, 9, "no message like this"));
    // One that broke a table's rows is refused without being read.
    let routed = router.take_broken(Record { payload: Some(USER), ..record }, &Nothing, (1, "no")).expect("taken");
    assert_eq!(routed.reject.as_deref(), Some(&Reject::Panicked("no".into())));
    let settled = Settled { rows: true, ..Settled::default() };
    assert_eq!(router.take_broken(record, &settled, (1, "no")).expect("taken").reject, None);
}

#[test]
fn of_a_table_in_quarantine_only_what_is_no_message_is_judged() {
    let mut router = router();
    (router.blind[1], router.rows[1]) = (true, Rows::blind());
    // Not a row, not a dead letter of the table, and the same verdict on everything else.
    assert_eq!(went(&mut router, &[USER, NO_USER, br#"{"table":"users","data":[]}"#], &Nothing), []);
    for payload in
        [&br#"{"table":"users","data":{"user_id":7"#[..], br#"{"table":"users"}"#, br#"{"table":"x","data":{}}"#]
    {
        assert_eq!(went(&mut router, &[payload], &Nothing), [None]);
    }
}

#[test]
fn policies_decide_what_becomes_of_a_reject() {
    for (policy, dead) in [(OnReject::DeadLetters, 1), (OnReject::Skip, 0), (OnReject::Stop, 0)] {
        let mut router = router();
        router.on_reject = policy;
        let routed = router
            .take(Record { topic: 0, payload: Some(NO_USER), place: PLACE, metadata: &Bare }, &Nothing)
            .expect("taken");
        assert_eq!(routed.reject.map(|reject| reject.cause()), Some(Cause::Value));
        assert_eq!(router.drain().expect("drained").len(), dead);
    }
}

#[test]
fn a_null_in_a_list_that_takes_none_is_refused() {
    let list = NestedField::list_element(100, text(), true);
    let mut fields = vec![("tags", Type::List(ListType::new(Arc::new(list))), false)];
    fields.extend(place_fields());
    let declared = [declared("tags", "list<string>", false)];
    let mut rows = Rows::declared(&schema(&fields), &declared, false).expect("rows");
    let mut read = |message: &str| {
        let reject = rows.read(message, &mut Scanner::new(message)).expect("JSON");
        if reject.is_none() {
            rows.push(message, Record { topic: 0, payload: Some(message.as_bytes()), place: PLACE, metadata: &Bare });
        }
        reject.map(|reject| reject.to_string())
    };
    assert_eq!(read(r#"{"tags":["a"]}"#), None);
    let refused = read(r#"{"tags":["a",null]}"#);
    assert_eq!(refused.as_deref(), Some("`tags[1]` is null"));
    assert_eq!(rows.finish(&Arc::from("t")).expect("a batch").rows.num_rows(), 1);
}

#[test]
fn a_small_message_cannot_take_any_amount_of_memory() {
    let member = |id| Arc::new(NestedField::optional(200 + id, format!("m{id}"), Type::Primitive(PrimitiveType::Long)));
    let wide = Type::Struct(StructType::new((0..100).map(member).collect()));
    let list = NestedField::list_element(100, wide, false);
    let mut fields = vec![("items", Type::List(ListType::new(Arc::new(list))), false)];
    fields.extend(place_fields());
    let members: Vec<String> = (0..100).map(|id| format!("m{id}: long")).collect();
    let declared = [declared("items", &format!("list<struct<{}>>", members.join(", ")), false)];
    let mut rows = Rows::declared(&schema(&fields), &declared, false).expect("rows");
    let mut read = |count: usize| {
        let message = format!(r#"{{"items":[{}]}}"#, vec!["{}"; count].join(","));
        let reject = rows.read(&message, &mut Scanner::new(&message)).expect("JSON");
        if reject.is_none() {
            rows.push(&message, Record { topic: 0, payload: Some(message.as_bytes()), place: PLACE, metadata: &Bare });
        }
        (reject.map(|reject| reject.to_string()), rows.is_full())
    };
    let most = MOST_VALUES / 101;
    let refused = format!("`items`: the lists and maps of a message have at most {MOST_VALUES} values");
    assert_eq!(read(most + 1), (Some(refused), false));
    // 30 KB of message, 8 MB of columns: the batch isn't filled by the message's bytes alone.
    assert_eq!(read(most / 2), (None, false));
    assert_eq!(read(most), (None, true));
}
