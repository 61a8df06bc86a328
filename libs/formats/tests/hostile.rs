//! Messages that lie: an error each, and no memory beyond the message's size.

use std::io::Write as _;

use async_trait::async_trait;
use lakewright_formats::registry::{Answer, NoAnswer, Registry, Schemas};
use lakewright_formats::{Cause, Decoder, Failure, MAX_DEPTH, Schema, SchemaId, Wire, transcode};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn schema(text: &str) -> Schema {
    Schema::parse(text, &[]).expect("a schema")
}

fn long(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// The reason of a refusal, which leaves nothing in the text and took little memory for it.
fn refused(schema: &Schema, message: &[u8]) -> String {
    let mut out = String::new();
    let reject = transcode(schema, message, &mut out).expect_err("refused");
    assert_eq!(out, "");
    assert!(out.capacity() < 4 << 20, "{} bytes of memory: {reject}", out.capacity());
    reject.to_string()
}

#[test]
fn lengths_beyond_the_message_are_refused() {
    for kind in ["\"bytes\"", "\"string\"", r#"{"type": "bytes", "logicalType": "decimal", "precision": 9}"#] {
        for length in [1 << 60, i64::MAX, i64::MIN, -1, 3] {
            let message = [long(length), b"ab".to_vec()].concat();
            let reason = refused(&schema(kind), &message);
            assert!(reason.contains(&format!("a length of {length} with 2 bytes left")), "{reason}");
        }
    }
    let fixed = schema(r#"{"type": "fixed", "name": "F", "size": 1152921504606846976}"#);
    assert!(refused(&fixed, b"ab").contains("ends within a fixed"));
}

#[test]
fn counts_and_blocks_beyond_the_message_are_refused() {
    for kind in [r#"{"type": "array", "items": "long"}"#, r#"{"type": "map", "values": "null"}"#] {
        for count in [1 << 60, i64::MAX, 4] {
            assert!(refused(&schema(kind), &[long(count), vec![0; 3]].concat()).contains("items with 3 bytes left"));
        }
        for size in [-1, i64::MIN, i64::MAX, 4] {
            let message = [long(-2), long(size), vec![0; 3]].concat();
            assert!(refused(&schema(kind), &message).contains(&format!("a block of {size} bytes with 3 bytes left")));
        }
        let message = [long(i64::MIN), long(0)].concat();
        assert!(refused(&schema(kind), &message).contains("9223372036854775808 items"));
    }
    let array = schema(r#"{"type": "array", "items": "long"}"#);
    assert!(refused(&array, &[long(-2), long(1), vec![2, 4, 0]].concat()).contains("isn't as long as it says"));
    let mut out = String::new();
    transcode(&array, &[long(-2), long(2), vec![2, 4], long(1), vec![6, 0]].concat(), &mut out).expect("two blocks");
    assert_eq!(out, "[1,2,3]");
}

#[test]
fn items_of_no_bytes_are_few() {
    let nulls = schema(r#"{"type": "array", "items": "null"}"#);
    let mut out = String::new();
    transcode(&nulls, &[long(3), long(0)].concat(), &mut out).expect("three");
    assert_eq!(out, "[null,null,null]");
    assert!(refused(&nulls, &[long(1 << 60), long(0)].concat()).contains("items"));
    // Block after block.
    assert!(refused(&nulls, &[long(1000).repeat(100), long(0)].concat()).contains("items"));
}

#[test]
fn what_holds_itself_is_bounded_in_depth() {
    let list = schema(r#"{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}"#);
    let mut out = String::new();
    let nested = |depth: usize| [vec![2; depth - 1], vec![0]].concat();
    transcode(&list, &nested(MAX_DEPTH as usize), &mut out).expect("as deep as it may be");
    assert_eq!(out.matches("next").count(), MAX_DEPTH as usize);
    for depth in [MAX_DEPTH as usize + 1, 1_000_000] {
        let mut out = String::new();
        let reject = transcode(&list, &nested(depth), &mut out).expect_err("too deep");
        assert_eq!(reject.cause, Cause::Unsupported);
        assert!(reject.to_string().contains("nested deeper than 64"), "{reject}");
    }
    // Without a byte, and without an end.
    let endless = schema(r#"{"type": "record", "name": "Node", "fields": [{"name": "next", "type": "Node"}]}"#);
    assert!(refused(&endless, b"").contains("nested deeper than 64"));
    let arrays = schema(
        r#"{"type": "record", "name": "Tree", "fields": [{"name": "all", "type": {"type": "array", "items": "Tree"}}]}"#,
    );
    assert!(refused(&arrays, &vec![2; 100_000]).contains("nested deeper than 64"));
}

#[test]
fn a_schema_that_doubles_its_text_level_by_level_is_refused() {
    let mut fields = String::from("\"null\"");
    for level in 0..40 {
        let inner = if level == 0 { fields.clone() } else { format!("\"L{}\"", level - 1) };
        let record = format!(
            r#"{{"type": "record", "name": "L{level}", "fields": [{{"name": "a", "type": {}}}, {{"name": "b", "type": {inner}}}]}}"#,
            if level == 0 { inner.clone() } else { fields.clone() }
        );
        fields = record;
    }
    assert!(refused(&schema(&fields), b"").contains("longer than 64 times the message"));
}

#[test]
fn what_no_text_holds_is_refused_with_its_place() {
    let record = |kind: &str| {
        schema(&format!(
            r#"{{"type": "record", "name": "R", "fields": [{{"name": "many", "type": {{"type": "array", "items": {kind}}}}}]}}"#
        ))
    };
    for (kind, item, reason) in [
        ("\"double\"", f64::NAN.to_le_bytes().to_vec(), "`many[0]`: NaN has no text in JSON"),
        ("\"float\"", f32::NEG_INFINITY.to_le_bytes().to_vec(), "`many[0]`: -inf has no text in JSON"),
        ("\"boolean\"", vec![2], "`many[0]`: 2 is no boolean"),
        ("\"int\"", long(1 << 40), "`many[0]`: 1099511627776 is no 32-bit integer"),
        ("\"string\"", vec![2, 0xff], "`many[0]`: a string isn't UTF-8"),
        (r#"["null", "long"]"#, long(2), "`many[0]`: branch 2 of a union of 2"),
        (r#"["null", "long"]"#, long(-1), "`many[0]`: branch -1 of a union of 2"),
        (r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#, long(1), "`many[0]`: symbol 1 of `E`, which has 1"),
        (
            r#"{"type": "int", "logicalType": "time-millis"}"#,
            long(86_400_000),
            "`many[0]`: 86400000 milliseconds after midnight",
        ),
        (
            r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
            long(i64::MAX),
            "`many[0]`: 106751991 days since 1970",
        ),
        (
            r#"{"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}"#,
            vec![0; 12],
            "`many[0]`: a duration is",
        ),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 99, "scale": 40}"#,
            vec![2, 1],
            "`many[0]`: a decimal of 40 places",
        ),
        ("\"long\"", vec![0xff; 9].into_iter().chain([2]).collect(), "`many[0]`: a number has more than 64 bits"),
    ] {
        let message = [long(1), item, long(0)].concat();
        assert!(refused(&record(kind), &message).starts_with(reason), "{kind}: {}", refused(&record(kind), &message));
    }
}

/// A registry of one schema.
struct One(&'static str);

#[async_trait]
impl Registry for One {
    async fn ask(&self, _: SchemaId) -> Result<Answer, NoAnswer> {
        Ok(Answer::Avro { text: self.0.to_owned(), references: Vec::new() })
    }
}

/// Glue's header with compression, and 32 MiB of ones after their number.
fn compressed() -> Vec<u8> {
    let mut data = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    data.write_all(&long(32 << 20)).and_then(|()| data.write_all(&vec![1; 32 << 20])).expect("written");
    data.write_all(&[0]).expect("written");
    [&[3, 5][..], &[0; 16], &data.finish().expect("compressed")].concat()
}

#[tokio::test]
async fn a_small_compressed_message_does_not_become_gigabytes_of_text() {
    let records = r#"{"type": "array", "items": {"type": "record", "name": "R", "fields": [
        {"name": "a_name_that_is_much_longer_than_the_one_byte_that_its_value_takes", "type": "boolean"}]}}"#;
    // Control characters are six bytes of text each.
    let message = compressed();
    assert!(message.len() < 512 << 10);
    for schema in [records, r#""string""#] {
        let id = SchemaId::Glue(Uuid::nil());
        for mut decoder in
            [Decoder::new, Decoder::debezium].map(|new| new(Wire::Glue(Schemas::new(One(schema), 1 << 20))))
        {
            assert_eq!(decoder.learn(id, &CancellationToken::new()).await, Ok(true));
            let mut out = String::new();
            let Err(Failure::Reject(reject)) = decoder.decode(Some(&message), &mut out) else { panic!("{schema}") };
            assert_eq!(reject.cause, Cause::Unsupported, "{reject}");
            assert!(reject.to_string().contains("or than 64 MiB"), "{reject}");
            // A text doubles what it has room for.
            assert!(out.is_empty() && out.capacity() < 2 * (64 << 20) + (1 << 20), "{}", out.capacity());
        }
    }
}
