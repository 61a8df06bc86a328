//! Values without a text: they make a message unreadable where a column takes them, and nowhere else.

use std::sync::Arc;

use lakewright_formats::{Cause, Decoded, Decoder, Failure, Schema, Taken, Wire};

fn taken<const N: usize>(members: [(&str, Taken); N]) -> Taken {
    Taken::Members(members.map(|(name, taken)| (name.to_owned(), taken)).into())
}

fn wire(schema: &str) -> Wire {
    Wire::Avro(Arc::new(Schema::parse(schema, &[]).expect("a schema")))
}

/// The text of a message, or why there is none.
fn text(mut decoder: Decoder, message: &[u8]) -> Result<String, String> {
    let mut out = String::new();
    match decoder.decode(Some(message), &mut out) {
        Ok(Decoded::Text) => Ok(out),
        Err(Failure::Reject(reject)) => {
            assert!(out.is_empty() && reject.cause == Cause::Unsupported, "{reject}");
            Err(reject.to_string())
        }
        other => panic!("{other:?}"),
    }
}

/// The largest long, as PostgreSQL's `infinity` comes.
const INFINITY: [u8; 10] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];

const ROW: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "id", "type": "int"},
    {"name": "took", "type": {"type": "fixed", "name": "Took", "size": 12, "logicalType": "duration"}},
    {"name": "wide", "type": {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 40}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "ratios", "type": {"type": "array", "items": "double"}},
    {"name": "place", "type": ["null", {"type": "record", "name": "Place", "fields": [
        {"name": "zip", "type": "int"}, {"name": "since", "type": {"type": "int", "logicalType": "date"}},
        {"name": "more", "type": {"type": "map", "values": "float"}}]}]},
    {"name": "last", "type": "int"}]}"#;

fn row() -> Vec<u8> {
    let ratios = [&[4][..], &0.5_f64.to_le_bytes(), &f64::NAN.to_le_bytes(), &[0]].concat();
    // The date is the largest of 32 bits.
    let more = [&[2, 2, b'k'][..], &f32::NEG_INFINITY.to_le_bytes(), &[0]].concat();
    let place = [&[2, 6, 0xfe, 0xff, 0xff, 0xff, 0x0f][..], &more].concat();
    [&[2][..], &[0; 12], &[2, 7], &INFINITY, &ratios, &place, &[4]].concat()
}

#[test]
fn what_nobody_takes_needs_no_text() {
    let place = taken([("zip", Taken::All)]);
    let wanted = taken([("id", Taken::All), ("place", place), ("last", Taken::All)]);
    let expected = concat!(
        r#"{"id":1,"took":"AAAAAAAAAAAAAAAA","wide":"Bw==","at":9223372036854775807,"ratios":[0.5,"NaN"],"#,
        r#""place":{"zip":3,"since":2147483647,"more":{"k":"-Infinity"}},"last":2}"#
    );
    assert_eq!(text(Decoder::new(wire(ROW)).taking(wanted), &row()).as_deref(), Ok(expected));
    let each = |part| Taken::Each(Box::new(part));
    for (wanted, reason) in [
        (taken([("took", Taken::All)]), "`took`: a duration"),
        (taken([("wide", Taken::All)]), "`wide`: a decimal of 40 places"),
        (taken([("at", Taken::All), ("ratios", Taken::All)]), "`at`: "),
        (taken([("ratios", each(Taken::All))]), "`ratios[1]`: NaN"),
        (taken([("place", taken([("since", Taken::All)]))]), "`place.since`: 2147483647 days"),
        (taken([("place", taken([("more", each(Taken::All))]))]), "`place.more[k]`: -inf"),
        (Taken::All, "`took`: a duration"),
    ] {
        let said = text(Decoder::new(wire(ROW)).taking(wanted), &row()).expect_err(reason);
        assert!(said.starts_with(reason), "{said}");
    }
    // What isn't sound is refused wherever it stands.
    let mut decoder = Decoder::new(wire(ROW)).taking(taken([]));
    let cut = &row()[..row().len() - 1];
    assert!(
        matches!(decoder.decode(Some(cut), &mut String::new()), Err(Failure::Reject(reject)) if reject.cause == Cause::Data)
    );
}

#[test]
fn the_row_of_a_change_event_counts_and_the_one_before_does_not() {
    let schema = r#"{"type": "record", "name": "Envelope", "fields": [
        {"name": "before", "type": ["null", {"type": "record", "name": "Row", "fields": [
            {"name": "id", "type": "int"}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}]},
        {"name": "after", "type": ["null", "Row"]},
        {"name": "op", "type": "string"}]}"#;
    let of = |row: Taken| {
        let parts = taken([("before", row.clone()), ("after", row)]);
        Decoder::debezium(wire(schema)).taking(parts)
    };
    let (repaired, broken, deleted) = (
        [&[2, 2][..], &INFINITY, &[2, 2, 0, 2, b'u']].concat(),
        [&[0, 2, 2][..], &INFINITY, &[2, b'c']].concat(),
        [&[2, 2][..], &INFINITY, &[0, 2, b'd']].concat(),
    );
    for wanted in [Taken::All, taken([("at", Taken::All)])] {
        let made = text(of(wanted.clone()), &repaired).expect("a row");
        assert!(made.ends_with(r#","id":1,"at":"1970-01-01T00:00:00.000000Z"}"#), "{made}");
        for (message, place) in [(&broken, "`after.at`: "), (&deleted, "`before.at`: ")] {
            let said = text(of(wanted.clone()), message).expect_err(place);
            assert!(said.starts_with(place), "{said}");
        }
    }
    for message in [&repaired, &broken, &deleted] {
        assert!(text(of(taken([("id", Taken::All)])), message).expect("a row").contains(r#","id":1,"#));
    }
}

#[test]
fn a_change_event_with_its_schema_in_json_is_read_so_too() {
    let event = r#"{"schema": {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": [
        {"field": "id", "type": "int32"}, {"field": "at", "type": "int64", "name": "io.debezium.time.MicroTimestamp"}]}]},
        "payload": {"op": "c", "after": {"id": 1, "at": 9223372036854775807}}}"#;
    let of = |row: Taken| Decoder::debezium(Wire::Text).taking(taken([("after", row)]));
    let made = text(of(taken([("id", Taken::All)])), event.as_bytes()).expect("a row");
    assert!(made.ends_with(r#","id":1,"at":9223372036854775807}"#), "{made}");
    let said = text(of(taken([("at", Taken::All)])), event.as_bytes()).expect_err("taken");
    assert!(said.starts_with("`after.at`: "), "{said}");
}
