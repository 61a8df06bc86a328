//! The types of an Iceberg table's columns: those that a stack can declare, and all others as they are written.

use anyhow::{Result, bail};
use aws_smithy_types::{Document, Number};
use lakewright_config::{ColumnType, StructField};
use serde_json::{Value, json};

/// The most characters of a type that are shown.
const LONGEST: usize = 120;

/// The type that a stack declares so; an error for one that none can.
pub(super) fn read(written: &Value) -> Result<ColumnType> {
    let read = inner(written)?;
    // Iceberg has names of members that a stack file can't write, and nests deeper.
    if read.to_string().parse().is_ok_and(|again: ColumnType| again == read) {
        return Ok(read);
    }
    bail!("no stack can declare the type {}", shown(written))
}

fn inner(written: &Value) -> Result<ColumnType> {
    Ok(match (written, written["type"].as_str()) {
        (Value::String(name), _) => name.parse()?,
        (_, Some("list")) => ColumnType::List(Box::new(inner(&written["element"])?)),
        (_, Some("map")) if written["key"] == "string" => ColumnType::Map(Box::new(inner(&written["value"])?)),
        (_, Some("struct")) => {
            let field = |field: &Value| {
                let name = field["name"].as_str().unwrap_or_default().to_owned();
                Ok(StructField { name, field_type: inner(&field["type"])? })
            };
            let fields = written["fields"].as_array().into_iter().flatten().map(field);
            ColumnType::Struct(fields.collect::<Result<_>>()?)
        }
        _ => bail!("no stack can declare the type {}", shown(written)),
    })
}

/// A type as Iceberg writes it. What `before` has of it keeps its ids, and whatever else is said of it there; the rest
/// takes ids from `fresh`, the members of a struct before what is within them.
pub(super) fn written(column_type: &ColumnType, before: Option<&Value>, fresh: &mut impl FnMut() -> i64) -> Value {
    let kind = |kind: &str| before.filter(|before| before["type"] == kind);
    match column_type {
        ColumnType::List(element) => {
            let mut list =
                kind("list").cloned().unwrap_or_else(|| json!({ "type": "list", "element-required": false }));
            if list["element-id"].is_null() {
                list["element-id"] = fresh().into();
            }
            list["element"] = written(element, kind("list").map(|list| &list["element"]), fresh);
            list
        }
        ColumnType::Map(value) => {
            let mut map = kind("map")
                .cloned()
                .unwrap_or_else(|| json!({ "type": "map", "key": "string", "value-required": false }));
            for id in ["key-id", "value-id"] {
                if map[id].is_null() {
                    map[id] = fresh().into();
                }
            }
            map["value"] = written(value, kind("map").map(|map| &map["value"]), fresh);
            map
        }
        ColumnType::Struct(fields) => {
            let known = kind("struct").and_then(|before| before["fields"].as_array()).map_or(&[][..], Vec::as_slice);
            let known = |name: &str| known.iter().find(|field| field["name"] == name);
            let mut members: Vec<Value> = fields
                .iter()
                .map(|field| {
                    let new = || json!({ "id": fresh(), "name": field.name, "required": false });
                    known(&field.name).cloned().unwrap_or_else(new)
                })
                .collect();
            for (member, field) in members.iter_mut().zip(fields) {
                member["type"] = written(&field.field_type, known(&field.name).map(|field| &field["type"]), fresh);
            }
            json!({ "type": "struct", "fields": members })
        }
        // Iceberg writes a space where a stack doesn't have to, and other brackets.
        ColumnType::Decimal(precision, scale) => format!("decimal({precision}, {scale})").into(),
        ColumnType::Fixed(bytes) => format!("fixed[{bytes}]").into(),
        simple => simple.to_string().into(),
    }
}

/// A type as people write it, `struct<note: string, tags: list<string>>`; a long one is cut.
pub(super) fn shown(written: &Value) -> String {
    let whole = whole(written);
    match whole.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

fn whole(written: &Value) -> String {
    let field = |field: &Value| format!("{}: {}", field["name"].as_str().unwrap_or_default(), whole(&field["type"]));
    match (written, written["type"].as_str()) {
        (Value::String(name), _) => name.clone(),
        (_, Some("struct")) => {
            let fields: Vec<String> = written["fields"].as_array().into_iter().flatten().map(field).collect();
            format!("struct<{}>", fields.join(", "))
        }
        (_, Some("list")) => format!("list<{}>", whole(&written["element"])),
        (_, Some("map")) => format!("map<{}, {}>", whole(&written["key"]), whole(&written["value"])),
        (other, _) => other.to_string(),
    }
}

/// What a metadata file has, as Glue takes it.
pub(super) fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(value) => Document::Bool(*value),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Number::PosInt(number),
            (None, Some(number)) => Number::NegInt(number),
            (None, None) => Number::Float(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Document::String(text.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(members) => {
            Document::Object(members.iter().map(|(name, member)| (name.clone(), document(member))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_stack_can_declare_is_shown_as_it_is_written() {
        let field = |name: &str, kind: Value| json!({"id": 7, "name": name, "required": false, "type": kind});
        let notes = json!({"type": "struct", "fields": [field("a note", json!("string"))]});
        let list = json!({"type": "list", "element-id": 8, "element": notes, "element-required": false});
        let map = json!({"type": "map", "key-id": 1, "key": "int", "value-id": 2, "value": "string"});
        for (kind, text) in [
            (json!("timestamp_ns"), "timestamp_ns"),
            (notes.clone(), "struct<a note: string>"),
            (list.clone(), "list<struct<a note: string>>"),
            (map, "map<int, string>"),
        ] {
            assert!(read(&kind).is_err(), "{text}");
            assert_eq!(shown(&kind), text);
        }
        assert_eq!(read(&json!("decimal(10, 2)")).expect("a type").to_string(), "decimal(10,2)");
        let wide = json!({"type": "struct", "fields": vec![field("column", json!("string")); 20]});
        assert_eq!(shown(&wide).chars().count(), LONGEST + 1);
        assert_eq!(
            document(&json!({"id": 7})),
            Document::Object([("id".to_owned(), Document::Number(Number::PosInt(7)))].into())
        );
    }

    #[test]
    fn nested_types_keep_their_ids_and_number_what_is_new_level_by_level() {
        let mut next = 9;
        let mut fresh = || {
            next += 1;
            next
        };
        let narrow: ColumnType = "struct<zip: int, tags: list<string>>".parse().expect("a type");
        let before = written(&narrow, None, &mut fresh);
        assert_eq!(
            before,
            json!({"type": "struct", "fields": [
                {"id": 10, "name": "zip", "required": false, "type": "int"},
                {"id": 11, "name": "tags", "required": false,
                 "type": {"type": "list", "element-required": false, "element-id": 12, "element": "string"}},
            ]})
        );
        assert_eq!(read(&before).expect("it can be declared"), narrow);
        let mut before = before;
        before["fields"][0]["doc"] = json!("theirs");
        let wide: ColumnType =
            "struct<at: map<string, fixed(4)>, zip: long, tags: list<string>>".parse().expect("a type");
        let after = written(&wide, Some(&before), &mut fresh);
        assert_eq!(
            after["fields"][0],
            json!({"id": 13, "name": "at", "required": false, "type": {"type": "map", "key": "string",
                "value-required": false, "key-id": 14, "value-id": 15, "value": "fixed[4]"}})
        );
        assert_eq!(
            after["fields"][1],
            json!({"id": 10, "name": "zip", "required": false, "type": "long", "doc": "theirs"})
        );
        assert_eq!(after["fields"][2], before["fields"][1]);
        assert_eq!(read(&after).expect("it can be declared"), wide);
    }
}
