//! Tests of topics whose messages name no table.

use arrow_array::Array as _;
use arrow_array::cast::AsArray;
use iceberg::spec::{MapType, StructType};
use lakewright_config::{Filling, Format, KafkaPart, OnTombstone, Reading, TimeUnit, Unknown};

use super::*;
use crate::record::Metadata;
use crate::registry::Registries;
use crate::testing::table;

/// A record with a key and a time.
#[derive(Debug)]
struct Keyed(&'static [u8], i64);

impl Metadata for Keyed {
    fn key(&self) -> Option<&[u8]> {
        Some(self.0)
    }

    fn timestamp(&self) -> Option<i64> {
        Some(self.1)
    }

    fn headers(&self, _: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String> {
        Err("the name of header 0 is no UTF-8".to_owned())
    }
}

fn json() -> Reading {
    Reading { format: Format::Json, ..Reading::default() }
}

/// A topic of one table with these columns.
fn reading(columns: &[(&str, Type, bool)], reading: Reading) -> Router {
    reading_by(columns, reading, &Registries::default())
}

/// The same with the registry that it names.
fn reading_by(columns: &[(&str, Type, bool)], reading: Reading, registries: &Registries) -> Router {
    let mut fields = columns.to_vec();
    let added = reading.added();
    let kinds = added.iter().map(|column| match column.column_type {
        lakewright_config::ColumnType::Timestamptz => Type::Primitive(PrimitiveType::Timestamptz),
        _ => text(),
    });
    fields.extend(added.iter().zip(kinds).map(|(column, kind)| (column.name.as_str(), kind, false)));
    fields.extend(place_fields());
    let mut declared = table("orders");
    declared.columns = columns
        .iter()
        .map(|(name, kind, required)| {
            let column_type = lakewright_lake::column_type(kind).expect("a type");
            Column { required: *required, ..Column::new(name, column_type) }
        })
        .collect();
    declared.reading = reading;
    let rows = Rows::of(&schema(&fields), &declared, false).expect("rows");
    let dead = Rows::dead_letters(&crate::testing::dead_schema()).expect("dead letters");
    let topic = Topic {
        name: "orders".into(),
        key: "c/o".into(),
        id: "o".into(),
        tables: vec![("orders".into(), 0)],
        way: Way::of(&[(0, &declared)], registries),
    };
    Router::new(vec![topic], vec![rows], vec![false], dead, OnReject::DeadLetters)
}

/// Why a record is no row, or nothing.
fn refused(router: &mut Router, payload: Option<&[u8]>, metadata: &dyn Metadata) -> Option<String> {
    let routed = router.take(Record { topic: 0, payload, place: PLACE, metadata }, &Nothing).expect("taken");
    routed.reject.map(|reject| reject.to_string())
}

fn nested() -> Vec<(&'static str, Type, bool)> {
    let int = || Type::Primitive(PrimitiveType::Int);
    let address = StructType::new(vec![
        NestedField::required(101, "zip", int()).into(),
        NestedField::optional(102, "street", text()).into(),
    ]);
    let labels = MapType::new(
        NestedField::map_key_element(103, text()).into(),
        NestedField::map_value_element(104, int(), true).into(),
    );
    vec![("id", text(), true), ("address", Type::Struct(address), false), ("labels", Type::Map(labels), false)]
}

#[test]
fn what_is_wrong_within_a_value_is_told_by_its_path() {
    let mut router = reading(&nested(), json());
    for (payload, reason) in [
        (r#"{"id":"a","address":{"street":"x"}}"#, "`address.zip` is missing"),
        (r#"{"id":"a","address":{"zip":null}}"#, "`address.zip` is null"),
        (r#"{"id":"a","address":{"zip":1,"zip":2}}"#, "`address.zip` stands there twice"),
        (r#"{"id":"a","address":{"zip":1,"street":[]}}"#, "`address.street`: expected string, found an array"),
        (r#"{"id":"a","address":[1]}"#, "`address`: expected an object, found an array"),
        (r#"{"id":"a","labels":{"x":null}}"#, "`labels[\"x\"]` is null"),
        (r#"{"id":"a","labels":{"x":1,"y":2,"x":3}}"#, "`labels[\"x\"]` stands there twice"),
        (r#"{"id":"a","labels":{"x":1,"\u0078":3}}"#, "`labels[\"x\"]` stands there twice"),
        (r#"{"id":"a","labels":7}"#, "`labels`: expected an object, found a number"),
        (r#"{"address":{"zip":7}}"#, "`id` is missing"),
        (r#"{"id":"a","address":{"zip":7]}"#, "no JSON at byte 28: expected `,` or `}`"),
        (r"7", "the message is a number, not an object"),
    ] {
        assert_eq!(refused(&mut router, Some(payload.as_bytes()), &Bare).as_deref(), Some(reason), "{payload}");
    }
    let many: Vec<String> = (0..40).map(|number| format!("\"k{number}\":{number}")).collect();
    for (labels, twice) in [(many.join(","), false), (format!("{},\"k7\":1", many.join(",")), true)] {
        let payload = format!(r#"{{"id":"a","address":{{"zip":1.0}},"labels":{{{labels}}}}}"#);
        assert_eq!(refused(&mut router, Some(payload.as_bytes()), &Bare).is_some(), twice);
    }
    let batches = router.drain().expect("drained");
    let (Some(0), Batch { rows, .. }) = &batches[0] else { panic!("a row: {batches:?}") };
    assert_eq!(rows.num_rows(), 1);
    assert_eq!(rows.column_by_name("labels").expect("labels").as_map().value(0).len(), 40);
    let zips = rows.column_by_name("address").expect("an address").as_struct().column(0);
    assert_eq!(zips.as_primitive::<Int32Type>().values(), &[1]);
}

#[test]
fn members_that_no_column_takes_are_dropped_refused_or_kept() {
    let payload = br#"{"id":"a","x":{"deep":[1]},"address":{"zip":1,"floor":2},"y":"\u0041"}"#;
    let mut dropping = reading(&nested(), json());
    assert_eq!(refused(&mut dropping, Some(payload), &Bare), None);
    assert_eq!(dropping.rows[0].unknown(), 3);

    let mut refusing = reading(&nested(), Reading { unknown: Unknown::Reject, ..json() });
    assert_eq!(refused(&mut refusing, Some(payload), &Bare).as_deref(), Some("`x`: no column takes it"));
    let inner = br#"{"id":"a","address":{"zip":1,"floor":2}}"#;
    assert_eq!(refused(&mut refusing, Some(inner), &Bare).as_deref(), Some("`address.floor`: no column takes it"));
    assert_eq!(refused(&mut refusing, Some(br#"{"id":"a"}"#), &Bare), None);

    let mut keeping = reading(&nested(), Reading { unknown: Unknown::Keep, ..json() });
    assert_eq!(refused(&mut keeping, Some(payload), &Bare), None);
    assert_eq!(refused(&mut keeping, Some(br#"{"id":"b"}"#), &Bare), None);
    let twice = br#"{"id":"c","x":1,"x":2}"#;
    assert_eq!(refused(&mut keeping, Some(twice), &Bare).as_deref(), Some("`x` stands there twice"));
    let batches = keeping.drain().expect("drained");
    let kept = batches[0].1.rows.column_by_name("unknown").expect("unknown").as_string::<i32>();
    let expected = r#"{"x":{"deep":[1]},"address.floor":2,"y":"\u0041"}"#;
    assert_eq!(kept.iter().collect::<Vec<_>>(), [Some(expected), None]);
}

#[test]
fn records_without_a_value_are_rows_where_the_table_wants_them() {
    let columns = [("id", text(), false)];
    let keyed = Reading { kafka: vec![KafkaPart::Key, KafkaPart::Timestamp], ..json() };
    let mut rejecting = reading(&columns, keyed.clone());
    assert_eq!(refused(&mut rejecting, None, &Keyed(b"k", 5)).as_deref(), Some("the message has no payload"));
    let mut taking = reading(&columns, Reading { on_tombstone: OnTombstone::Row, ..keyed });
    assert_eq!(refused(&mut taking, Some(br#"{"id":"a"}"#), &Keyed(b"k", 5)), None);
    assert_eq!(refused(&mut taking, None, &Keyed(b"k", -5)), None);
    let reason = refused(&mut taking, None, &Keyed(b"k", i64::MAX)).expect("beyond");
    assert!(reason.starts_with("`kafka_timestamp`: ") && reason.ends_with("beyond the years 1 to 9999"), "{reason}");
    let reason = refused(&mut taking, None, &Keyed(b"\xff", 5)).expect("no text");
    assert!(reason.starts_with("`kafka_key`: "), "{reason}");
    let batches = taking.drain().expect("drained");
    let rows = &batches[0].1.rows;
    assert_eq!(rows.column_by_name("id").expect("id").as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), None]);
    let times = rows.column_by_name("kafka_timestamp").expect("a time");
    assert_eq!(times.as_primitive::<TimestampMicrosecondType>().values(), &[5000, -5000]);
}

#[test]
fn a_row_is_found_at_its_path_and_under_its_members_names() {
    let filling = Filling { member: Some("orderId".into()), unit: None };
    let seconds = Filling { member: None, unit: Some(TimeUnit::Seconds) };
    let columns = [("id", text(), true), ("at", Type::Primitive(PrimitiveType::Timestamp), false)];
    let path = "a.b".parse().expect("a path");
    let columns_filled = [("id".to_owned(), filling), ("at".to_owned(), seconds)].into();
    let mut router = reading(&columns, Reading { path, columns: columns_filled, ..json() });
    let good = br#"{"x":{"b":1},"\u0061":{"b":{"orderId":"7","id":"no","at":1.5}},"b":2}"#;
    assert_eq!(refused(&mut router, Some(good), &Bare), None);
    for (payload, reason) in [
        (r#"{"a":{"b":{"id":"7"}}}"#, "`orderId` is missing"),
        (
            r#"{"a":{"b":{"orderId":"7","at":"2026-01-01T00:00:00"}}}"#,
            "`at`: expected a number of seconds since 1970, found a string",
        ),
        (
            r#"{"a":{"b":{"orderId":"7","at":1e300}}}"#,
            "`at`: 1e300 seconds since 1970 are beyond the years 1 to 9999: is it another unit?",
        ),
        (r#"{"a":{"b":{"orderId":"7"},"b":{}}}"#, "`a.b` stands there twice"),
        (r#"{"a":7}"#, "`a` is a number, not an object"),
        (r#"{"a":{}}"#, "`a.b` is missing"),
        (r#"{"a":{"b":7}}"#, "`a.b` is a number, not an object"),
        (r#"{"a":{"b":{"orderId":"7"}}"#, "no JSON at byte 26: expected `,` or `}`"),
    ] {
        assert_eq!(refused(&mut router, Some(payload.as_bytes()), &Bare).as_deref(), Some(reason), "{payload}");
    }
    let batches = router.drain().expect("drained");
    let times = batches[0].1.rows.column_by_name("at").expect("a time");
    assert_eq!(times.as_primitive::<TimestampMicrosecondType>().values(), &[1_500_000]);
}

#[test]
fn change_events_are_rows_and_what_is_none_is_passed_over() {
    let long = || Type::Primitive(PrimitiveType::Long);
    let timestamp = Type::Primitive(PrimitiveType::Timestamptz);
    let columns = [
        ("id", long(), true),
        ("note", text(), false),
        ("op", text(), true),
        ("changed_at", timestamp, false),
        ("__deleted", Type::Primitive(PrimitiveType::Boolean), false),
    ];
    let filled = |member: &str, unit| Filling { member: Some(member.to_owned()), unit };
    let filling =
        [("op".to_owned(), filled("__op", None)), ("changed_at".to_owned(), filled("__ts_ms", Some(TimeUnit::Millis)))];
    let reading =
        Reading { format: Format::Debezium, unknown: Unknown::Reject, columns: filling.into(), ..Reading::default() };
    // `__position` has no column, and isn't missed.
    let mut router = reading_by(&columns, reading, &Registries::default());
    let mut take = |payload: Option<&str>| {
        let payload = payload.map(str::as_bytes);
        router.take(Record { topic: 0, payload, place: PLACE, metadata: &Bare }, &Nothing).expect("taken")
    };
    let created = r#"{"op":"c","ts_ms":1500,"source":null,"before":null,"after":{"id":1,"note":"n"}}"#;
    let deleted = r#"{"op":"d","ts_ms":2500,"source":null,"before":{"id":1,"note":null},"after":null}"#;
    for row in [created, deleted] {
        assert_eq!(take(Some(row)).reject, None, "{row}");
    }
    for (none, what) in [(None, "tombstone"), (Some(r#"{"op":"t","source":null}"#), "truncate")] {
        let routed = take(none);
        assert_eq!((routed.reject, routed.skipped.map(Skipped::word)), (None, Some(what)));
    }
    for (wrong, cause, reason) in [
        (r#"{"id":1}"#, Cause::Envelope, "no change event of Debezium"),
        (r#"{"op":"c","after":{"id":1,"more":2}}"#, Cause::UnknownMember, "`more`: no column takes it"),
    ] {
        let reject = take(Some(wrong)).reject.expect("refused");
        assert!(reject.to_string().contains(reason), "{reject}");
        assert_eq!(reject.cause(), cause);
    }
    let batches = router.drain().expect("drained");
    let (Some(0), Batch { rows, .. }) = &batches[0] else { panic!("rows: {batches:?}") };
    let ops = rows.column_by_name("op").expect("op").as_string::<i32>();
    assert_eq!((ops.value(0), ops.value(1), rows.num_rows()), ("c", "d", 2));
    let times = rows.column_by_name("changed_at").expect("a time").as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.value(1), 2_500_000);
    assert!(rows.column_by_name("__deleted").expect("a flag").as_boolean().value(1));
}
