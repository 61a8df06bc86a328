//! Schemas: names, references, logical types, and what is none.

use lakewright_formats::{Cause, Schema, transcode};

fn text(schema: &Schema, message: &[u8]) -> String {
    let mut out = String::new();
    transcode(schema, message, &mut out).expect("a value");
    out
}

#[test]
fn names_are_found_by_namespace_and_alias() {
    let schema = Schema::parse(
        r#"{"type": "record", "name": "Order", "namespace": "shop", "aliases": ["Purchase"], "fields": [
            {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
            {"name": "before", "type": "State"},
            {"name": "outer", "type": {"type": "record", "name": "other.Outer", "fields": [
                {"name": "inner", "type": {"type": "enum", "name": "State", "symbols": ["X"]}},
                {"name": "far", "type": "shop.State"}]}},
            {"name": "again", "type": "other.State"},
            {"name": "parent", "type": ["null", "Purchase"]}]}"#,
        &[],
    );
    let message = [2, 0, 0, 2, 0, 0];
    let expected = r#"{"state":"PAID","before":"NEW","outer":{"inner":"X","far":"PAID"},"again":"X","parent":null}"#;
    assert_eq!(text(&schema.expect("a schema"), &message), expected);
}

#[test]
fn a_schema_refers_to_others() {
    let money = r#"{"type": "record", "name": "Money", "namespace": "shop", "fields": [
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}]}"#;
    let order =
        r#"{"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "total", "type": "Money"}]}"#;
    let schema = Schema::parse(order, &[money.to_owned()]).expect("a schema");
    assert_eq!(text(&schema, &[4, 0x04, 0xe2]), r#"{"total":{"amount":12.50}}"#);
    let reject = Schema::parse(order, &[]).expect_err("nothing is referred to");
    assert_eq!(reject.cause, Cause::Schema);
    assert!(reject.to_string().contains("there is no type `shop.Money`"), "{reject}");
}

#[test]
fn a_logical_type_that_does_not_fit_is_ignored() {
    for (schema, message, expected) in [
        (r#"{"type": "string", "logicalType": "date"}"#, &[2, b'x'][..], "\"x\""),
        (r#"{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}"#, &[2, 1], "\"AQ==\""),
        (r#"{"type": "bytes", "logicalType": "decimal"}"#, &[2, 1], "\"AQ==\""),
        (r#"{"type": "fixed", "name": "F", "size": 1, "logicalType": "decimal", "precision": 3}"#, &[1], "\"AQ==\""),
        (r#"{"type": "fixed", "name": "F", "size": 1, "logicalType": "decimal", "precision": 2}"#, &[0x80], "-128"),
        (r#"{"type": "fixed", "name": "F", "size": 1, "logicalType": "uuid"}"#, &[1], "\"AQ==\""),
        (r#"{"type": {"type": "int", "logicalType": "date"}}"#, &[1], "\"1969-12-31\""),
        ("\"string\"", &[0], "\"\""),
        ("string", &[0], "\"\""),
    ] {
        assert_eq!(text(&Schema::parse(schema, &[]).expect("a schema"), message), expected, "{schema}");
    }
    let uuid = Schema::parse(r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#, &[]);
    let bytes: Vec<u8> = (0xa0..0xb0).collect();
    assert_eq!(text(&uuid.expect("a schema"), &bytes), "\"a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf\"");
}

#[test]
fn types_of_kafka_connect_are_known_by_their_names() {
    for (schema, message, expected) in [
        (r#"{"type": "int", "connect.name": "io.debezium.time.Date"}"#, &[2][..], "\"1970-01-02\""),
        (r#"{"type": "int", "connect.name": "io.debezium.time.Time"}"#, &[2], "\"00:00:00.001000\""),
        (r#"{"type": "long", "connect.name": "io.debezium.time.MicroTime"}"#, &[2], "\"00:00:00.000001\""),
        (r#"{"type": "long", "connect.name": "io.debezium.time.NanoTime"}"#, &[2], "\"00:00:00.000000001\""),
        (r#"{"type": "long", "connect.name": "io.debezium.time.Timestamp"}"#, &[2], "\"1970-01-01T00:00:00.001000\""),
        (
            r#"{"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}"#,
            &[1],
            "\"1969-12-31T23:59:59.999999\"",
        ),
        (
            r#"{"type": "long", "connect.name": "io.debezium.time.NanoTimestamp"}"#,
            &[2],
            "\"1970-01-01T00:00:00.000000001\"",
        ),
        (r#"{"type": "long", "connect.name": "io.debezium.time.Year"}"#, &[2], "1"),
        (SCALED, &[4, 4, 0x04, 0xe2], "12.50"),
        (SCALED, &[3, 2, 0x7b], "12300"),
        (SCALED, &[3, 2, 0], "0"),
    ] {
        assert_eq!(text(&Schema::parse(schema, &[]).expect("a schema"), message), expected, "{schema}");
    }
}

const SCALED: &str = r#"{"type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data", "fields": [
    {"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]}"#;

#[test]
fn what_is_no_schema_is_refused_with_the_reason() {
    for (schema, reason) in [
        ("{", "no JSON"),
        ("{}", "a type lacks its `type`"),
        ("[7]", "`7` is no type"),
        (r#""Nothing""#, "there is no type `Nothing`"),
        (r#"["null", ["int"]]"#, "a union stands immediately in a union"),
        (r#"["int", {"type": "int", "logicalType": "date"}]"#, "a union has `int` twice"),
        (r#"{"type": "array"}"#, "an array lacks its `items`"),
        (r#"{"type": "map"}"#, "a map lacks its `values`"),
        (r#"{"type": "fixed", "name": "F"}"#, "`F` lacks its `size`"),
        (r#"{"type": "fixed", "name": "F", "size": -1}"#, "`F` lacks its `size`"),
        (r#"{"type": "enum", "name": "E"}"#, "`E` lacks its `symbols`"),
        (r#"{"type": "enum", "symbols": []}"#, "lacks its `name`"),
        (r#"{"name": "x"}"#, "a type lacks its `type`"),
        (r#"{"type": "record", "name": "R"}"#, "`R` lacks its `fields`"),
        (r#"{"type": "record", "name": "R", "fields": [{"name": "a"}]}"#, "`R`: the field `a` lacks its `type`"),
        (r#"{"type": "record", "name": "R", "fields": [{"type": "int"}]}"#, "`R`: a field lacks its `name`"),
        (
            r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}"#,
            "`R` has the field `a` twice",
        ),
        (
            r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "fixed", "name": "R", "size": 1}}]}"#,
            "there are two types `R`",
        ),
    ] {
        let reject = Schema::parse(schema, &[]).expect_err(schema).to_string();
        assert!(reject.contains(reason), "{schema}: {reject}");
    }
    let deep = format!("{}\"int\"{}", "{\"type\":\"array\",\"items\":".repeat(200), "}".repeat(200));
    assert!(Schema::parse(&deep, &[]).expect_err("too deep").to_string().contains("recursion limit"));
}
