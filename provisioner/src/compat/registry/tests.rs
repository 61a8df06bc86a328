//! Declarations against schemas.

use std::path::Path;

use lakewright_formats::Schema;

use super::*;
use crate::stack::parse;

/// A stack whose table has its schemas in a registry.
pub(crate) const HEAD: &str = r#"[stack]
name = "shop"

[network]
zones = ["a", "b"]

[kafka]
brokers = 2

[keys.main]

[buckets.raw]

[topics.orders]

[hosts.app]
agents = ["stream"]

[tables.orders]
topic = "orders"
format = "avro"
registry = "https://registry.example.com"
key = ["id"]

[tables.orders.columns]
id = "string"
amount = "decimal(12,2)"
at = { type = "timestamptz", member = "orderedAt" }
"#;

const ID: &str = r#"{"name":"id","type":"string"}"#;
const AMOUNT: &str = r#"{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}}"#;
const AT: &str = r#"{"name":"orderedAt","type":{"type":"long","logicalType":"timestamp-millis"}}"#;

fn stack(changes: &[(&str, &str)]) -> Stack {
    let mut text = HEAD.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// What is said of a stack's table and a schema with these fields.
fn said(stack: &Stack, fields: &[&str], compatibility: Compatibility) -> (Vec<String>, Vec<String>) {
    let text = format!(r#"{{"type":"record","name":"order","fields":[{}]}}"#, fields.join(","));
    let schema = Schema::parse(&text, &[]).expect("a schema");
    let table = stack.file.tables.iter().next().expect("a table");
    let members = schema.members(&row_path(&table.value)).expect("a record");
    let newest = Newest { version: 3, schema: Written::Row(members), compatibility };
    let Subject { name, .. } = subject(stack, &table.value);
    let (breaks, notes) = held_against(table, &name, &newest, &[]);
    (breaks.into_iter().map(|one| one.text).collect(), notes.into_iter().map(|one| one.text).collect())
}

#[test]
fn a_schema_that_fills_all_columns_is_nothing_to_say_of() {
    assert_eq!(said(&stack(&[]), &[ID, AMOUNT, AT], Compatibility::Full), (vec![], vec![]));
    assert_eq!(said(&stack(&[]), &[ID, AMOUNT, AT], Compatibility::Disabled), (vec![], vec![]));
}

#[test]
fn what_a_schema_does_not_fill_is_said() {
    let (breaks, notes) = said(&stack(&[]), &[AMOUNT], Compatibility::Full);
    assert_eq!(
        breaks,
        ["version 3 of `orders-value` has no field `id` for the required column `id`: its messages become rejects"]
    );
    assert_eq!(notes, ["version 3 of `orders-value` has no field `orderedAt`: the column `at` stays null"]);

    let at = r#"{"name":"orderedAt","type":"long"}"#;
    let (breaks, _) = said(&stack(&[]), &[ID, AMOUNT, at], Compatibility::Full);
    assert_eq!(
        breaks,
        [
            "the field `orderedAt` of version 3 of `orders-value` is long, and the column `at` is timestamptz: its messages \
             become rejects (long is a number, and the column says no `unit`)"
        ]
    );
    let millis = [("member = \"orderedAt\"", "member = \"orderedAt\", unit = \"millis\"")];
    assert_eq!(said(&stack(&millis), &[ID, AMOUNT, at], Compatibility::Full), (vec![], vec![]));

    let optional = r#"{"name":"id","type":["null","string"]}"#;
    let either = r#"{"name":"amount","type":["int","string"]}"#;
    let (breaks, notes) = said(&stack(&[]), &[optional, either, AT], Compatibility::Full);
    assert_eq!(breaks, [""; 0]);
    assert!(notes[0].contains("may be null, and the column `id` is required"), "{notes:?}");
    assert!(notes[1].contains("is a union of int, string, of which nobody knows"), "{notes:?}");

    let refusing = [("key = [\"id\"]", "key = [\"id\"]\nunknown = \"reject\"")];
    let note = r#"{"name":"note","type":"string"}"#;
    let (breaks, _) = said(&stack(&refusing), &[ID, AMOUNT, AT, note], Compatibility::Full);
    assert_eq!(
        breaks,
        ["version 3 of `orders-value` has fields that no column takes, `note`: its messages become rejects"]
    );
}

#[test]
fn what_changes_values_or_stands_in_a_struct_is_said() {
    let bytes = r#"{"name":"id","type":"bytes"}"#;
    let (breaks, notes) = said(&stack(&[]), &[bytes, AMOUNT, AT], Compatibility::Full);
    assert_eq!(breaks, [""; 0]);
    assert!(
        notes.len() == 1 && notes[0].contains("the column `id` of string holds its bytes as text of Base64"),
        "{notes:?}"
    );

    let address = r#"{"name":"address","type":{"type":"record","name":"Address","fields":[
        {"name":"street","type":"string"},{"name":"floor","type":"int"}]}}"#;
    let column = ("amount =", "address = \"struct<street: string>\"\namount =");
    assert_eq!(said(&stack(&[column]), &[ID, AMOUNT, AT, address], Compatibility::Full), (vec![], vec![]));
    let refusing = [column, ("key = [\"id\"]", "key = [\"id\"]\nunknown = \"reject\"")];
    let (breaks, _) = said(&stack(&refusing), &[ID, AMOUNT, AT, address], Compatibility::Full);
    assert!(breaks.len() == 1 && breaks[0].contains("no member of it takes `floor`"), "{breaks:?}");
}

#[test]
fn fields_that_no_column_takes_break_where_one_is_declared() {
    let wide = r#"{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":50,"scale":40}}"#;
    let took = r#"{"name":"amount","type":["null",{"type":"fixed","name":"t","size":12,"logicalType":"duration"}]}"#;
    for field in [wide, took] {
        let (breaks, _) = said(&stack(&[]), &[ID, field, AT], Compatibility::Full);
        assert!(
            breaks.len() == 1 && breaks[0].contains("which no column takes: its messages become rejects"),
            "{breaks:?}"
        );
        // Where none is declared, nothing is refused.
        let (breaks, _) = said(&stack(&[("amount = \"decimal(12,2)\"\n", "")]), &[ID, field, AT], Compatibility::Full);
        assert_eq!(breaks, [""; 0]);
    }
}

#[test]
fn rows_of_which_a_schema_says_no_members_are_a_note() {
    let stack = stack(&[]);
    let table = stack.file.tables.iter().next().expect("a table");
    let of = |schema| {
        let newest = Newest { version: 3, schema, compatibility: Compatibility::Full };
        held_against(table, "orders-value", &newest, &[])
    };
    let (breaks, notes) = of(Written::Unsaid("it is map and no record".to_owned()));
    assert_eq!(breaks, []);
    assert!(notes.len() == 1 && notes[0].text.contains("doesn't say which members a row has: it is map"), "{notes:?}");
    let (breaks, _) = of(Written::Unread("it is int and no record".to_owned()));
    assert_eq!(breaks.len(), 1);
}

#[test]
fn what_may_follow_is_said() {
    let stack = stack(&[]);
    let fields = [ID, AMOUNT, AT];
    for (compatibility, part) in [
        (Compatibility::None, "the next schema may leave out `id`, `amount`, `orderedAt`"),
        (Compatibility::Forward, "fields come without a default"),
        (Compatibility::Backward, "the next schema may leave out `id`, which are required, or let them be null"),
    ] {
        let (breaks, notes) = said(&stack, &fields, compatibility);
        assert_eq!(breaks, [""; 0]);
        assert!(notes.len() == 1 && notes[0].contains(part), "{notes:?}");
    }
    let (narrow, count) = ([("decimal(12,2)", "int")], r#"{"name":"amount","type":"int"}"#);
    let (_, notes) = said(&self::stack(&narrow), &[ID, count, AT], Compatibility::Backward);
    assert!(notes.len() == 1 && notes[0].contains("it may write `amount` as a wider type"), "{notes:?}");
    let defaulted = r#"{"name":"id","type":"string","default":""}"#;
    let (_, notes) = said(&stack, &[defaulted, AMOUNT, AT], Compatibility::Full);
    assert!(notes[0].contains("`id`, which are required and have a default"), "{notes:?}");
    let (_, notes) = said(&stack, &[defaulted, AMOUNT, AT], Compatibility::Forward);
    assert!(notes[0].contains("the required `id` may go"), "{notes:?}");
}

#[test]
fn subjects_are_those_of_the_serializers_or_named() {
    let of = |changes: &[(&str, &str)]| {
        let stack = stack(changes);
        let table = stack.file.tables.iter().next().expect("a table").value.clone();
        let Subject { registry, name } = subject(&stack, &table);
        (registry, name)
    };
    let url = "registry = \"https://registry.example.com\"";
    assert_eq!(of(&[]), (None, "orders-value".to_owned()));
    assert_eq!(
        of(&[("[topics.orders]", "[topics.orders]\nname = \"shop.orders\"")]),
        (None, "shop.orders-value".to_owned())
    );
    let named = format!("{url}\nregistry_subject = \"com.shop.Order\"");
    assert_eq!(of(&[(url, &named)]), (None, "com.shop.Order".to_owned()));
    let glue = |name: &str, schema: &str| (Some(name.to_owned()), schema.to_owned());
    assert_eq!(of(&[(url, "registry = \"glue\"")]), glue("default-registry", "orders"));
    let named = "registry = \"glue\"\nregistry_subject = \"company/order\"";
    assert_eq!(of(&[(url, named)]), glue("company", "order"));
}

#[test]
fn a_change_of_the_subject_is_held_against_the_one_of_before_too() {
    let url = "registry = \"https://registry.example.com\"";
    let named = format!("{url}\nregistry_subject = \"lax\"");
    let before = |changes: &[(&str, &str)]| {
        let head = stack(changes);
        subject_before(&stack(&[]), &head, head.file.tables.iter().next().expect("a table")).map(|before| before.name)
    };
    assert_eq!(before(&[(url, &named)]).as_deref(), Some("orders-value"));
    assert_eq!(before(&[("\"decimal(12,2)\"", "\"string\"")]), None, "it is the same");
    // Messages that come from elsewhere have other schemas: that is a break of its own.
    assert_eq!(before(&[(url, "registry = \"https://other.example.com\"")]), None);
    let topic = [("[topics.orders]", "[topics.orders]\n[topics.other]"), ("topic = \"orders\"", "topic = \"other\"")];
    assert_eq!(before(&topic), None);
}
