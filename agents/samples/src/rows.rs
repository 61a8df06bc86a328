//! The rows of a table that were made last: their keys come again with other values.

use std::collections::VecDeque;

use lakewright_config::{ColumnType, Format, Reading, Table, TimeUnit};
use lakewright_formats::MEMBERS;
use rand::Rng as _;

use crate::avro::Member;
use crate::json::{object, push};
use crate::value::{Source, Value};

/// So many rows are remembered.
const KNOWN: usize = 200;
/// The most bytes of values of fixed length in a message.
const FIXED_MOST: u64 = 256 << 10;
/// The member that a message has although no column takes it.
const EXTRA: &str = "note";

/// A member of a table's messages.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) member: String,
    kind: ColumnType,
    unit: Option<TimeUnit>,
    required: bool,
    is_key: bool,
}

/// A row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The key of its records.
    pub(crate) key: String,
    /// By field.
    pub(crate) values: Vec<Value>,
}

/// What makes the rows of a table.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) fields: Vec<Field>,
    pub(crate) known: VecDeque<Row>,
    /// Whether all members of a row are there always, null or not.
    complete: bool,
    /// What keys that are numbers begin with.
    first: i64,
    made: i64,
}

impl Rows {
    /// Those of a declared table.
    ///
    /// # Errors
    /// Its messages would be too large.
    pub(crate) fn of(table: &Table, source: &mut Source) -> Result<Self, String> {
        let Table { columns, key, reading, .. } = table;
        let complete = reading.format == Format::Debezium;
        let mut fields: Vec<Field> = Vec::new();
        for column in columns {
            let member = reading.member(&column.name).unwrap_or(&column.name).to_owned();
            if complete && MEMBERS.contains(&member.as_str()) {
                continue;
            }
            let is_key = key.contains(&column.name);
            fields.push(Field {
                member,
                kind: column.column_type.clone(),
                unit: reading.unit(&column.name),
                required: column.required || is_key,
                is_key,
            });
        }
        let fixed: u64 = fields.iter().map(|field| fixed(&field.kind)).fold(0, u64::saturating_add);
        if fixed > FIXED_MOST {
            return Err(format!("a message of the table {} has {fixed} bytes and more", table.name));
        }
        fields.extend(extra(reading, &fields));
        let first = source.rng.random_range(1..1_000_000) * 1000;
        Ok(Self { fields, known: VecDeque::new(), complete, first, made: 0 })
    }

    /// A row with a key of its own, which is remembered.
    pub(crate) fn create(&mut self, source: &mut Source) -> &Row {
        self.made += 1;
        let number = self.first + self.made;
        let values: Vec<Value> = self
            .fields
            .iter()
            .map(|field| match field.kind {
                ColumnType::Int | ColumnType::Long if field.is_key => Value::Whole(number),
                _ => self.fill(field, source),
            })
            .collect();
        let key = self.key(&values, source);
        if self.known.len() == KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(Row { key, values });
        self.known.back().expect("a row was added above")
    }

    /// New values for the key of a row that is known.
    pub(crate) fn change(&mut self, index: usize, source: &mut Source) -> &Row {
        let mut row = self.known[index].clone();
        for (field, value) in self.fields.iter().zip(&mut row.values) {
            if !field.is_key {
                *value = self.fill(field, source);
            }
        }
        self.known[index] = row;
        &self.known[index]
    }

    /// One of the rows that are known.
    pub(crate) fn any(&self, source: &mut Source) -> Option<usize> {
        (!self.known.is_empty()).then(|| source.rng.random_range(0..self.known.len()))
    }

    fn fill(&self, field: &Field, source: &mut Source) -> Value {
        let Field { member, kind, required, .. } = field;
        let value = if *required { source.value(member, kind, 0) } else { source.optional(member, kind, 0) };
        if self.complete && value == Value::Missing { Value::Null } else { value }
    }

    /// The key of a row's records: an object of the members of its key if rows are complete, as Debezium writes it; else the
    /// values themselves.
    fn key(&self, values: &[Value], source: &mut Source) -> String {
        let parts: Vec<(&Field, &Value)> = self.fields.iter().zip(values).filter(|(field, _)| field.is_key).collect();
        let mut text = String::new();
        if parts.is_empty() {
            text = format!("{:012x}", source.rng.random_range(0..1_u64 << 48));
        } else if self.complete {
            object(
                parts.into_iter().map(|(field, value)| (field.member.as_str(), value, &field.kind, field.unit)),
                &mut text,
            );
        } else {
            for (index, (field, value)) in parts.into_iter().enumerate() {
                if index > 0 {
                    text.push('|');
                }
                match value {
                    Value::Text(value) => text.push_str(value),
                    value => push(value, &field.kind, field.unit, &mut text),
                }
            }
        }
        text
    }

    /// Appends a row as an object of JSON.
    pub(crate) fn push_json(&self, row: &Row, out: &mut String) {
        let members = self.fields.iter().zip(&row.values);
        object(members.map(|(field, value)| (field.member.as_str(), value, &field.kind, field.unit)), out);
    }

    /// The members as Avro has them.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.fields.iter().map(|Field { member, kind, unit, required, .. }| Member {
            name: member,
            kind,
            unit: *unit,
            optional: !required,
        })
    }
}

/// A member that no column takes, where such are kept: so that there are some.
fn extra(reading: &Reading, fields: &[Field]) -> Option<Field> {
    let mut member = EXTRA.to_owned();
    while fields.iter().any(|field| field.member == member) {
        member.push('_');
    }
    let field = Field { member, kind: ColumnType::String, unit: None, required: false, is_key: false };
    reading.unknown.keeps().then_some(field)
}

/// The bytes of all values of fixed length within a type, about.
fn fixed(kind: &ColumnType) -> u64 {
    match kind {
        ColumnType::Fixed(length) => u64::from(*length),
        ColumnType::List(inner) | ColumnType::Map(inner) => fixed(inner).saturating_mul(3),
        ColumnType::Struct(fields) => fields.iter().map(|field| fixed(&field.field_type)).fold(0, u64::saturating_add),
        _ => 0,
    }
}
