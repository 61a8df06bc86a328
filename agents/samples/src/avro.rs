//! Values in Avro's binary encoding, and the schema that they are written by, both from the declared types.

use std::collections::BTreeSet;

use lakewright_config::{ColumnType, TimeUnit};
use serde_json::{Value as Json, json};

use crate::json::counted;
use crate::value::Value;

/// A member of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a ColumnType,
    pub(crate) unit: Option<TimeUnit>,
    /// Whether it may be null; it is in a union with `null` then.
    pub(crate) optional: bool,
}

/// Makes schemas in which no type's name stands for two.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeSet<String>);

impl Names {
    /// A name that no other type has yet, made of what may be none.
    pub(crate) fn take(&mut self, wanted: &str) -> String {
        let mut name: String = wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if name.chars().next().is_none_or(|first| first.is_ascii_digit()) {
            name.insert(0, '_');
        }
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// The schema of a record of these members.
    ///
    /// # Errors
    /// The name of a member that Avro takes for none.
    pub(crate) fn record<'a>(
        &mut self,
        name: &str,
        members: impl IntoIterator<Item = Member<'a>>,
    ) -> Result<Json, String> {
        let name = self.take(name);
        let mut fields = Vec::new();
        for Member { name: member, kind, unit, optional } in members {
            if !is_name(member) {
                return Err(member.to_owned());
            }
            let schema = self.schema(&format!("{name}_{member}"), kind, unit)?;
            fields.push(if optional {
                json!({ "name": member, "type": ["null", schema], "default": null })
            } else {
                json!({ "name": member, "type": schema })
            });
        }
        Ok(json!({ "type": "record", "name": name, "fields": fields }))
    }

    /// The schema of a record with one member.
    ///
    /// # Errors
    /// The member's name, if Avro takes it for none.
    pub(crate) fn wrapped(name: &str, member: &str, schema: Json) -> Result<Json, String> {
        if is_name(member) {
            Ok(json!({ "type": "record", "name": name, "fields": [{ "name": member, "type": schema }] }))
        } else {
            Err(member.to_owned())
        }
    }

    fn schema(&mut self, name: &str, kind: &ColumnType, unit: Option<TimeUnit>) -> Result<Json, String> {
        let logical = |plain: &str, logical: &str| json!({ "type": plain, "logicalType": logical });
        Ok(match kind {
            ColumnType::Boolean => json!("boolean"),
            ColumnType::Int => json!("int"),
            ColumnType::Long => json!("long"),
            ColumnType::Float => json!("float"),
            ColumnType::Double => json!("double"),
            ColumnType::Decimal(precision, scale) => {
                json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
            }
            ColumnType::Date => logical("int", "date"),
            // The unit is for numbers that don't say it themselves.
            ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz if unit.is_some() => json!("long"),
            ColumnType::Time => logical("long", "time-micros"),
            ColumnType::Timestamp => logical("long", "local-timestamp-micros"),
            ColumnType::Timestamptz => logical("long", "timestamp-micros"),
            ColumnType::String => json!("string"),
            ColumnType::Uuid => logical("string", "uuid"),
            ColumnType::Binary => json!("bytes"),
            ColumnType::Fixed(size) => json!({ "type": "fixed", "name": self.take(name), "size": size }),
            ColumnType::List(element) => json!({ "type": "array", "items": self.schema(name, element, unit)? }),
            ColumnType::Map(inner) => json!({ "type": "map", "values": self.schema(name, inner, unit)? }),
            ColumnType::Struct(fields) => self.record(name, fields.iter().map(|field| of_struct(field, unit)))?,
        })
    }
}

/// Members of structs may be missing or null.
fn of_struct(field: &lakewright_config::StructField, unit: Option<TimeUnit>) -> Member<'_> {
    Member { name: &field.name, kind: &field.field_type, unit, optional: true }
}

/// <https://avro.apache.org/docs/1.12.0/specification/#names>
fn is_name(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.chars().next().is_some_and(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// Appends a record.
pub(crate) fn record<'a>(values: impl IntoIterator<Item = (&'a Value, Member<'a>)>, out: &mut Vec<u8>) {
    for (value, member) in values {
        if member.optional {
            long(i64::from(!value.is_absent()), out);
            if value.is_absent() {
                continue;
            }
        }
        push(value, member.kind, member.unit, out);
    }
}

fn push(value: &Value, kind: &ColumnType, unit: Option<TimeUnit>, out: &mut Vec<u8>) {
    match (value, kind) {
        (Value::Bool(value), _) => out.push(u8::from(*value)),
        (Value::Whole(micros), ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz) => {
            long(counted(*micros, unit), out);
        }
        (Value::Whole(number), _) => long(*number, out),
        (Value::Real(number), ColumnType::Float) => out.extend((*number as f32).to_le_bytes()),
        (Value::Real(number), _) => out.extend(number.to_le_bytes()),
        (Value::Decimal(unscaled), _) => bytes(shortest(&unscaled.to_be_bytes()), out),
        (Value::Bytes(value), ColumnType::Fixed(_)) => out.extend(value),
        (Value::Bytes(value), _) => bytes(value, out),
        (Value::Text(value), _) => bytes(value.as_bytes(), out),
        (Value::List(elements), ColumnType::List(element)) => {
            block(elements.len(), out);
            for value in elements {
                push(value, element, unit, out);
            }
            out.push(0);
        }
        (Value::Map(entries), ColumnType::Map(inner)) => {
            block(entries.len(), out);
            for (key, value) in entries {
                bytes(key.as_bytes(), out);
                push(value, inner, unit, out);
            }
            out.push(0);
        }
        (Value::Struct(members), ColumnType::Struct(fields)) => {
            record(members.iter().zip(fields.iter().map(|field| of_struct(field, unit))), out);
        }
        // Of a type that holds no such value; there is none of them.
        _ => {}
    }
}

fn block(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        long(count as i64, out);
    }
}

/// Appends a length and the bytes.
pub(crate) fn bytes(value: &[u8], out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend(value);
}

/// Appends a number in zigzag and seven bits a byte.
pub(crate) fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The fewest bytes that are the same number in two's complement.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, next, ..] = rest {
        let sign_alone = (*first == 0 && next & 0x80 == 0) || (*first == 0xff && next & 0x80 != 0);
        if !sign_alone {
            break;
        }
        rest = &rest[1..];
    }
    rest
}
