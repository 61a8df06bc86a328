//! Random values of a column's type.

use lakewright_config::ColumnType;
use rand::Rng as _;
use rand::rngs::SmallRng;
use uuid::Builder;

use crate::words::{text, word};

/// The most elements of a list or a map.
const ELEMENTS: usize = 3;
/// From this depth on a list or a map has one element: they multiply.
const DEEP: usize = 3;
/// So often a value that may be missing is: once in that many.
const ABSENT: u32 = 12;
/// Dates lie at most so many days back,
const DAYS: i64 = 400;
/// times at most so many milliseconds.
const RECENT_MS: i64 = 600_000;
const DAY_MS: i64 = 86_400_000;

/// A value, as exact as its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// The member isn't there.
    Missing,
    Null,
    Bool(bool),
    /// Integers; dates in days since 1970; times in microseconds.
    Whole(i64),
    Real(f64),
    /// Unscaled.
    Decimal(i128),
    /// Texts and UUIDs.
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    /// In the order in which they are written; no key is there twice.
    Map(Vec<(String, Value)>),
    /// By the declared members, in their order.
    Struct(Vec<Value>),
}

impl Value {
    /// Whether there is none.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }
}

/// Where values come from: the same seed and the same clock give the same ones.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) rng: SmallRng,
    /// The time now in microseconds since 1970.
    pub(crate) now: i64,
}

impl Source {
    /// Whether something happens that happens once in so many times.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.rng.random_ratio(1, times)
    }

    /// A value of a member that may be missing or null.
    pub(crate) fn optional(&mut self, member: &str, kind: &ColumnType, depth: usize) -> Value {
        if !self.once_in(ABSENT) {
            return self.value(member, kind, depth);
        }
        if self.rng.random() { Value::Null } else { Value::Missing }
    }

    /// A value of that type for the member of that name, `depth` types within a column's.
    pub(crate) fn value(&mut self, member: &str, kind: &ColumnType, depth: usize) -> Value {
        let few = ["count", "quantity", "size", "pieces"].iter().any(|part| member.to_lowercase().contains(part));
        let rng = &mut self.rng;
        match kind {
            ColumnType::Boolean => Value::Bool(rng.random()),
            ColumnType::Int | ColumnType::Long if few => Value::Whole(rng.random_range(1..=9)),
            ColumnType::Int => Value::Whole(rng.random_range(-99..1_000_000)),
            ColumnType::Long => Value::Whole(rng.random_range(-99..1_000_000_000_000)),
            ColumnType::Float => Value::Real(f64::from(rng.random_range(-100.0_f32..1000.0))),
            ColumnType::Double => Value::Real(rng.random_range(-100.0..1000.0)),
            ColumnType::Decimal(precision, scale) => {
                let digits = (*precision).min(scale + 3);
                Value::Decimal(rng.random_range(0..10_i128.pow(u32::from(digits))))
            }
            ColumnType::Date => Value::Whole((self.now / 1000).div_euclid(DAY_MS) - rng.random_range(0..DAYS)),
            ColumnType::Time => Value::Whole(rng.random_range(0..DAY_MS) * 1000),
            ColumnType::Timestamp | ColumnType::Timestamptz => {
                Value::Whole((self.now / 1000 - rng.random_range(0..RECENT_MS)) * 1000)
            }
            ColumnType::String => Value::Text(text(rng, member)),
            ColumnType::Uuid => Value::Text(Builder::from_random_bytes(rng.random()).into_uuid().to_string()),
            ColumnType::Fixed(length) => Value::Bytes(self.bytes(*length as usize)),
            ColumnType::Binary => {
                let length = rng.random_range(0..24);
                Value::Bytes(self.bytes(length))
            }
            ColumnType::List(element) => {
                let count = self.elements(depth);
                Value::List((0..count).map(|_| self.value(member, element, depth + 1)).collect())
            }
            ColumnType::Map(inner) => {
                let mut entries: Vec<(String, Value)> = Vec::new();
                for _ in 0..self.elements(depth) {
                    let key = word(&mut self.rng);
                    if entries.iter().all(|(known, _)| known != key) {
                        let value = self.value(member, inner, depth + 1);
                        entries.push((key.to_owned(), value));
                    }
                }
                Value::Map(entries)
            }
            ColumnType::Struct(fields) => Value::Struct(
                fields.iter().map(|field| self.optional(&field.name, &field.field_type, depth + 1)).collect(),
            ),
        }
    }

    fn elements(&mut self, depth: usize) -> usize {
        if depth < DEEP { self.rng.random_range(0..=ELEMENTS) } else { 1 }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.rng.fill(bytes.as_mut_slice());
        bytes
    }
}
