//! The types of an Iceberg table's columns: those that a stack can declare, and all others as they are written.

use anyhow::{Result, bail};
use aws_smithy_types::{Document, Number};
use lakewright_config::ColumnType;
use serde_json::Value;

/// The most characters of a type that are shown.
const LONGEST: usize = 120;

/// The type that a stack declares so; an error for one that none can.
pub(super) fn read(written: &Value) -> Result<ColumnType> {
    match written {
        Value::String(name) => Ok(name.parse()?),
        list if list["type"] == "list" => match read(&list["element"])? {
            ColumnType::List(_) => bail!("a list of lists can't be declared"),
            element => Ok(ColumnType::List(Box::new(element))),
        },
        other => bail!("no stack can declare the type {}", other["type"]),
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
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_stack_can_declare_is_shown_as_it_is_written() {
        let field = |name: &str, kind: Value| json!({"id": 7, "name": name, "required": false, "type": kind});
        let notes = json!({"type": "struct", "fields": [field("note", json!("string"))]});
        let list = json!({"type": "list", "element-id": 8, "element": notes, "element-required": false});
        let map = json!({"type": "map", "key-id": 1, "key": "string", "value-id": 2, "value": list});
        for (kind, text) in [
            (json!("uuid"), "uuid"),
            (notes.clone(), "struct<note: string>"),
            (list.clone(), "list<struct<note: string>>"),
            (map, "map<string, list<struct<note: string>>>"),
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
}
