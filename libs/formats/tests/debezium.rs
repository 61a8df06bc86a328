//! Change events of Debezium: rows with what happened to them.

use std::sync::Arc;

use lakewright_formats::{Cause, Decoded, Decoder, Failure, Schema, Skipped, Wire};

fn decoded(text: &str) -> (Result<Decoded, Failure>, String) {
    let mut out = String::from("what was there before");
    let outcome = Decoder::debezium(Wire::Text).decode(Some(text.as_bytes()), &mut out);
    (outcome, out)
}

fn row(text: &str) -> String {
    let (outcome, out) = decoded(text);
    assert_eq!(outcome, Ok(Decoded::Text), "{text}");
    out
}

fn refused(text: &str) -> String {
    match decoded(text) {
        (Err(Failure::Reject(reject)), out) => {
            assert_eq!((reject.cause, out.as_str()), (Cause::Envelope, ""), "{text}");
            reject.to_string()
        }
        (other, out) => panic!("{text}: {other:?} {out}"),
    }
}

#[test]
fn a_row_says_what_happened_to_it() {
    let created = r#"{"before":null,"after":{"id":9007199254740993,"price":1.10},"source":{"connector":"postgresql","lsn":24023128},"op":"c","ts_ms":1700000000123,"transaction":null}"#;
    assert_eq!(
        row(created),
        r#"{"__op":"c","__ts_ms":1700000000123,"__position":"24023128","__deleted":false,"id":9007199254740993,"price":1.10}"#
    );
    let deleted = r#" {"op":"d","before":{"id":1},"after":null,"ts_ms":5,"source":{"file":"mysql-bin.000003","pos":154,"row":0,"gtid":"3e11:23"}}"#;
    assert_eq!(
        row(deleted),
        r#"{"__op":"d","__ts_ms":5,"__position":"mysql-bin.000003:154:0 3e11:23","__deleted":true,"id":1}"#
    );
    // A source that logs nothing of what it deletes.
    assert_eq!(row(r#"{"op":"d"}"#), r#"{"__op":"d","__ts_ms":null,"__position":null,"__deleted":true}"#);
    for (op, source, position) in [
        (
            "r",
            r#"{"commit_lsn":"0027:0758:0003","change_lsn":"0027:0758:0002","event_serial_no":1}"#,
            "0027:0758:0003:0027:0758:0002:1",
        ),
        ("u", r#"{"scn":"2868546","lsn":null}"#, "2868546"),
        ("u", r#"{"gtid":"a\"b"}"#, r#"a\"b"#),
    ] {
        let event = format!(r#"{{"payload":{{"op":"{op}","after":{{}},"source":{source}}}}}"#);
        let expected = format!(r#"{{"__op":"{op}","__ts_ms":null,"__position":"{position}","__deleted":false}}"#);
        assert_eq!(row(&event), expected);
    }
    let mongo = r#"{"op":"c","after":"{\"_id\": {\"$oid\": \"5f\"}, \"a\": \"b\\nc\"}","source":{"ord":3}}"#;
    assert_eq!(
        row(mongo),
        r#"{"__op":"c","__ts_ms":null,"__position":"3","__deleted":false,"_id":{"$oid": "5f"},"a":"b\nc"}"#
    );
}

#[test]
fn what_is_no_row_is_told_from_what_is_wrong() {
    for (text, skipped) in [
        ("null", Skipped::Tombstone),
        (r#"{"schema":null,"payload":null}"#, Skipped::Tombstone),
        (r#"{"op":"t","source":{}}"#, Skipped::Truncate),
        (r#"{"op":"m","message":{}}"#, Skipped::Message),
    ] {
        let (outcome, out) = decoded(text);
        assert_eq!((outcome, out.as_str()), (Ok(Decoded::Skipped(skipped)), ""), "{text}");
    }
    let mut out = String::from("before");
    let outcome = Decoder::debezium(Wire::Text).decode(None, &mut out);
    assert_eq!((outcome, out.as_str()), (Ok(Decoded::Skipped(Skipped::Tombstone)), ""));
    for (text, reason) in [
        (r#"{"id":1}"#, "has no `op`"),
        (r#"{"payload":{"id":1}}"#, "has no `op`"),
        (r#"{"op":"x","after":{}}"#, "is no `op`"),
        (r#"{"op":7,"after":{}}"#, "7 is no `op`"),
        (r#"{"op":"c","before":{}}"#, "lacks its `after`"),
        (r#"{"op":"u","after":null}"#, "lacks its `after`"),
        (r#"{"op":"c","after":[1]}"#, "`after`: invalid type: sequence, expected an object"),
        (r#"{"op":"c","after":"text"}"#, "`after`: expected ident"),
        (r#"{"op":"c","after":{"__op":"c"}}"#, "`after`: the row has a member `__op` of its own"),
        (r#"{"op":"c","after":{},"ts_ms":1.5}"#, "`ts_ms` is 1.5"),
        (r#"{"op":"c","after":{},"op":"c"}"#, "duplicate field `op`"),
        (r#"{"op":"c","after":{},"source":7}"#, "`source`: invalid type"),
        (r#"{"op":"c","after":{}} x"#, "trailing characters"),
        (r#"[null,null,"c",null,{}]"#, "no JSON object"),
        ("", "no JSON object"),
    ] {
        assert!(refused(text).contains(reason), "{text}: {}", refused(text));
    }
}

/// An event with its schema, whose rows have a member for each type.
fn with_schema(fields: &str, after: &str) -> String {
    let row = |name: &str| {
        format!(r#"{{"type":"struct","optional":true,"field":"{name}","name":"shop.Value","fields":[{fields}]}}"#)
    };
    format!(
        r#"{{"schema":{{"type":"struct","name":"shop.Envelope","fields":[{},{},{{"type":"string","field":"op"}}]}},"payload":{{"op":"c","after":{after}}}}}"#,
        row("before"),
        row("after")
    )
}

fn field(name: &str, kind: &str, meaning: &str, more: &str) -> String {
    format!(r#"{{"field":"{name}","type":"{kind}","optional":true,"name":"{meaning}","version":1{more}}}"#)
}

#[test]
fn the_schema_part_says_what_values_mean() {
    let cases = [
        ("int32", "io.debezium.time.Date", "", "19675", "\"2023-11-14\""),
        ("int32", "org.apache.kafka.connect.data.Date", "", "-1", "\"1969-12-31\""),
        ("int32", "io.debezium.time.Time", "", "1", "\"00:00:00.001000\""),
        ("int64", "io.debezium.time.MicroTime", "", "86399999999", "\"23:59:59.999999\""),
        ("int64", "io.debezium.time.NanoTime", "", "5", "\"00:00:00.000000005\""),
        ("int64", "io.debezium.time.Timestamp", "", "1700000000123", "\"2023-11-14T22:13:20.123000\""),
        ("int64", "io.debezium.time.MicroTimestamp", "", "-1", "\"1969-12-31T23:59:59.999999\""),
        ("int64", "io.debezium.time.NanoTimestamp", "", "1", "\"1970-01-01T00:00:00.000000001\""),
        ("int64", "org.apache.kafka.connect.data.Timestamp", "", "0", "\"1970-01-01T00:00:00.000000Z\""),
        ("string", "io.debezium.time.ZonedTimestamp", "", "\"2026-11-22T20:45:00Z\"", "\"2026-11-22T20:45:00Z\""),
        (
            "bytes",
            "org.apache.kafka.connect.data.Decimal",
            r#","parameters":{"scale":"2","connect.decimal.precision":"9"}"#,
            "\"BOI=\"",
            "12.50",
        ),
        ("bytes", "org.apache.kafka.connect.data.Decimal", r#","parameters":{"scale":"2"}"#, "12.5", "12.5"),
        ("bytes", "org.apache.kafka.connect.data.Decimal", r#","parameters":{"scale":"-2"}"#, "\"ew==\"", "12300"),
        ("struct", "io.debezium.data.VariableScaleDecimal", r#","fields":[]"#, r#"{"scale":1,"value":"ew=="}"#, "12.3"),
        ("bytes", "io.debezium.data.Bits", "", "\"AQ==\"", "\"AQ==\""),
        ("int64", "io.debezium.time.Date", "", "null", "null"),
        (
            "array",
            "",
            r#","items":{"type":"int32","name":"io.debezium.time.Date"}"#,
            "[0, null,1]",
            "[\"1970-01-01\",null,\"1970-01-02\"]",
        ),
        (
            "map",
            "",
            r#","keys":{"type":"string"},"values":{"type":"int32","name":"io.debezium.time.Date"}"#,
            r#"{"a":0}"#,
            r#"{"a":"1970-01-01"}"#,
        ),
        (
            "struct",
            "",
            r#","fields":[{"field":"d","type":"int32","name":"io.debezium.time.Date"}]"#,
            r#"{"x\n":0,"d":0}"#,
            r#"{"x\n":0,"d":"1970-01-01"}"#,
        ),
    ];
    for (kind, meaning, more, value, expected) in cases {
        let event = with_schema(&field("v", kind, meaning, more), &format!(r#"{{"v":{value},"other":1700000000123}}"#));
        let end = format!(r#","__deleted":false,"v":{expected},"other":1700000000123}}"#);
        assert!(row(&event).ends_with(&end), "{meaning}: {} {end}", row(&event));
    }
    for (meaning, more, value, reason) in [
        ("io.debezium.time.Date", "", "\"x\"", "`after.v`: \\\"x\\\" is no whole number"),
        ("io.debezium.time.Date", "", "1.5", "`after.v`: 1.5 is no whole number"),
        (
            "org.apache.kafka.connect.data.Decimal",
            r#","parameters":{"scale":"2"}"#,
            "\"?\"",
            "`after.v`: \\\"?\\\" is no Base64",
        ),
        ("org.apache.kafka.connect.data.Decimal", "", "\"AQ==\"", "`v`: a decimal lacks the parameter `scale`"),
    ] {
        let event = with_schema(&field("v", "int32", meaning, more), &format!(r#"{{"v":{value}}}"#));
        assert!(refused(&event).contains(reason), "{}", refused(&event));
    }
}

#[test]
fn each_event_is_read_by_its_own_schema() {
    let mut decoder = Decoder::debezium(Wire::Text);
    let mut out = String::new();
    // More schemas than are kept, each seen twice.
    for round in 0..100 {
        let name = format!("v{}", round % 50);
        let event = with_schema(&field(&name, "int32", "io.debezium.time.Date", ""), &format!(r#"{{"{name}":0}}"#));
        assert_eq!(decoder.decode(Some(event.as_bytes()), &mut out), Ok(Decoded::Text));
        assert!(out.ends_with(&format!(r#""{name}":"1970-01-01"}}"#)), "{out}");
    }
}

#[test]
fn an_envelope_in_avro_is_read_as_one_in_json() {
    let schema = Schema::parse(
        r#"{"type":"record","name":"Envelope","namespace":"shop.public.orders","fields":[
            {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
                {"name":"id","type":"long"},
                {"name":"made","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}},
                {"name":"total","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}]}]}]},
            {"name":"after","type":["null","Value"]},
            {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":["null","long"]}]}},
            {"name":"op","type":"string"},
            {"name":"ts_ms","type":["null","long"]}]}"#,
        &[],
    );
    let mut decoder = Decoder::debezium(Wire::Avro(Arc::new(schema.expect("a schema"))));
    let mut out = String::new();
    let message = [0, 2, 14, 0, 2, 4, 0x04, 0xe2, 2, 8, 2, b'u', 2, 10];
    assert_eq!(decoder.decode(Some(&message), &mut out), Ok(Decoded::Text));
    assert_eq!(
        out,
        r#"{"__op":"u","__ts_ms":5,"__position":"4","__deleted":false,"id":7,"made":"1970-01-01T00:00:00.000000","total":12.50}"#
    );
    assert!(matches!(decoder.decode(Some(&message[..5]), &mut out), Err(Failure::Reject(_))));
    assert_eq!(decoder.decode(Some(&message), &mut out), Ok(Decoded::Text));
}

#[test]
fn what_is_skipped_is_numbered_in_its_order() {
    for (number, why) in Skipped::ALL.into_iter().enumerate() {
        assert_eq!(why as usize, number);
    }
}
