//! What one schema reads of what another wrote.

use lakewright_formats::{Mismatch, MismatchKind, Schema, mismatches};

fn found(reader: &str, writer: &str) -> Vec<Mismatch> {
    let schema = |text| Schema::parse(text, &[]).expect("a schema");
    mismatches(&schema(reader), &schema(writer))
}

fn record(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "Order", "namespace": "shop", "fields": [{fields}]}}"#)
}

#[test]
fn what_avro_resolves_fits() {
    let nested = |inner: &str| format!(r#"{{"type": "array", "items": {{"type": "map", "values": {inner}}}}}"#);
    let list = r#"{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}"#;
    let enumeration =
        |symbols: &str, more: &str| format!(r#"{{"type": "enum", "name": "E", "symbols": [{symbols}]{more}}}"#);
    for (reader, writer) in [
        (r#""long""#.to_owned(), r#""int""#.to_owned()),
        (r#""double""#.to_owned(), r#""long""#.to_owned()),
        (r#""double""#.to_owned(), r#""float""#.to_owned()),
        (r#""bytes""#.to_owned(), r#""string""#.to_owned()),
        (r#"["null", "long"]"#.to_owned(), r#""int""#.to_owned()),
        (r#"["null", "long"]"#.to_owned(), r#"["int", "null"]"#.to_owned()),
        // Every branch that was written fits.
        (r#""long""#.to_owned(), r#"["int", "long"]"#.to_owned()),
        (nested("\"long\""), nested("\"int\"")),
        (list.to_owned(), list.to_owned()),
        (enumeration(r#""A", "B""#, ""), enumeration(r#""B""#, "")),
        (enumeration(r#""A""#, r#", "default": "A""#), enumeration(r#""B""#, "")),
        // A field with a default, a field that isn't read, a field by its alias, a record by another namespace.
        (record(r#"{"name": "a", "type": "int", "default": 0}"#), record(r#"{"name": "b", "type": "int"}"#)),
        (record(r#"{"name": "a", "type": "int", "aliases": ["b"]}"#), record(r#"{"name": "b", "type": "int"}"#)),
        (record("").replace("shop", "other"), record("")),
        (record("").replace(r#""name": "Order""#, r#""name": "New", "aliases": ["Order"]"#), record("")),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}"#.to_owned(),
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}"#.to_owned(),
        ),
    ] {
        assert_eq!(found(&reader, &writer), [], "{reader} of {writer}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let items = |inner: &str| record(&format!(r#"{{"name": "items", "type": {{"type": "array", "items": {inner}}}}}"#));
    let optional = |inner: &str| record(&format!(r#"{{"name": "total", "type": ["null", {inner}], "default": null}}"#));
    let stamp = |unit: &str| format!(r#"{{"type": "long", "logicalType": "timestamp-{unit}"}}"#);
    let decimal = |more: &str| format!(r#"{{"type": "bytes", "logicalType": "decimal", {more}}}"#);
    for (reader, writer, kind, expected) in [
        ("\"int\"".to_owned(), "\"long\"".to_owned(), MismatchKind::Unreadable, "long was written, and int is read"),
        (
            "\"int\"".to_owned(),
            r#"["null", "int"]"#.to_owned(),
            MismatchKind::Unreadable,
            "null was written, and int is read",
        ),
        (
            r#"["null", "string"]"#.to_owned(),
            "\"boolean\"".to_owned(),
            MismatchKind::Unreadable,
            "no branch of the reader's union takes boolean",
        ),
        (
            items("\"int\""),
            items("\"string\""),
            MismatchKind::Unreadable,
            "`items[]`: string was written, and int is read",
        ),
        (
            record(r#"{"name": "a", "type": "int"}"#),
            record(""),
            MismatchKind::Unreadable,
            "`a`: the writer has no such field, and the reader no default for it",
        ),
        (
            record("").replace("Order", "Purchase"),
            record(""),
            MismatchKind::Unreadable,
            "the type's name is `shop.Order`, and the reader's `shop.Purchase` has no such alias",
        ),
        (
            r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#.to_owned(),
            r#"{"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}"#.to_owned(),
            MismatchKind::Unreadable,
            "the reader lacks the symbol `B` and 1 others, and a default",
        ),
        (
            r#"{"type": "fixed", "name": "F", "size": 3}"#.to_owned(),
            r#"{"type": "fixed", "name": "F", "size": 4}"#.to_owned(),
            MismatchKind::Unreadable,
            "4 bytes were written, and 3 are read",
        ),
        (
            optional(&stamp("micros")),
            optional(&stamp("millis")),
            MismatchKind::Meaning,
            "`total`: a timestamp in milliseconds was written, and a timestamp in microseconds is read",
        ),
        (
            optional(&decimal(r#""precision": 9, "scale": 3"#)),
            optional(&decimal(r#""precision": 9, "scale": 2"#)),
            MismatchKind::Meaning,
            "`total`: a decimal of 2 places was written, and a decimal of 3 places is read",
        ),
        (
            decimal(r#""precision": 9"#),
            decimal(r#""precision": 18"#),
            MismatchKind::Meaning,
            "a decimal of 18 digits was written, and of 9 is read",
        ),
        (
            "\"int\"".to_owned(),
            r#"{"type": "int", "logicalType": "date"}"#.to_owned(),
            MismatchKind::Meaning,
            "a date was written, and a plain value is read",
        ),
    ] {
        let found = found(&reader, &writer);
        assert_eq!(found.len(), 1, "{reader} of {writer}: {found:?}");
        assert_eq!((found[0].to_string().as_str(), found[0].kind), (expected, kind));
    }
}

#[test]
fn all_that_does_not_fit_is_found() {
    let reader = record(r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}, {"name": "c", "type": "int"}"#);
    let writer = record(r#"{"name": "b", "type": "string"}, {"name": "c", "type": "int"}"#);
    let places: Vec<String> = found(&reader, &writer).into_iter().map(|mismatch| mismatch.at).collect();
    assert_eq!(places, ["a", "b"]);
}
