//! How a document is laid out in tantivy.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, JsonObjectOptions, OwnedValue, STORED, STRING, Schema, TextFieldIndexing,
};
use tantivy::{DateTime, TantivyDocument};

use crate::analysis;
use crate::date::Reading;
use crate::field::FieldType;
use crate::mapping::Mappings;
use crate::members::scalar;
use crate::place::Place;
use crate::stamp::{self, Stamp};

/// The longest text that is found as a whole under `.keyword`, in characters.
const KEYWORD_CHARS: usize = 256;
/// The longest that a keyword can be, in bytes.
const KEYWORD_BYTES: usize = 32_766;
/// The name of the field with the document's own fields, in aggregations and sort orders.
pub const FIELDS: &str = "doc";
/// The name of the field with texts as a whole.
pub const WHOLES: &str = "keyword";
/// The name of the field with their lengths.
pub const LENGTHS: &str = "lengths";

/// The tantivy fields.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Index and id: what a document is replaced by.
    pub key: Field,
    /// The index's name.
    pub index: Field,
    /// The document's id.
    pub id: Field,
    /// Which change of its index it is of.
    pub seq_no: Field,
    /// The start of the index that it was made in.
    pub primary_term: Field,
    /// How often it was changed.
    pub version: Field,
    /// The document as it came.
    pub source: Field,
    /// Its fields, each as its mapping has it: texts in words, numbers, booleans, times, and places as `lat` and `lon`.
    pub fields: Field,
    /// Its texts as a whole.
    pub keywords: Field,
    /// How long each field is: a text's words, or how many different values another one has.
    pub lengths: Field,
}

impl Layout {
    /// The schema and its fields.
    pub fn schema() -> (Schema, Self) {
        let mut builder = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer("default")
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let whole = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic);
        let layout = Self {
            key: builder.add_text_field("_key", STRING),
            index: builder.add_text_field("_index", STRING | STORED | FAST),
            id: builder.add_text_field("_id", STRING | STORED | FAST),
            seq_no: builder.add_u64_field(stamp::SEQ_NO, FAST),
            primary_term: builder.add_u64_field(stamp::PRIMARY_TERM, FAST),
            version: builder.add_u64_field(stamp::VERSION, FAST),
            source: builder.add_text_field("_source", STORED),
            fields: builder.add_json_field(
                FIELDS,
                JsonObjectOptions::default().set_indexing_options(words).set_fast("raw").set_expand_dots_enabled(),
            ),
            keywords: builder.add_json_field(
                WHOLES,
                JsonObjectOptions::default().set_indexing_options(whole).set_fast("raw").set_expand_dots_enabled(),
            ),
            lengths: builder
                .add_json_field(LENGTHS, JsonObjectOptions::default().set_fast("raw").set_expand_dots_enabled()),
        };
        (builder.build(), layout)
    }

    /// The key of a document.
    pub fn key_of(index: &str, id: &str) -> String {
        format!("{index}\0{id}")
    }

    /// The tantivy document, by the types that its index's fields have.
    pub fn document(
        &self,
        (index, id): (&str, &str),
        source: &Map<String, Value>,
        mappings: &Mappings,
        stamp: Stamp,
    ) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.key, Self::key_of(index, id));
        document.add_text(self.index, index);
        document.add_text(self.id, id);
        document.add_u64(self.seq_no, stamp.seq_no);
        document.add_u64(self.primary_term, stamp.primary_term);
        document.add_u64(self.version, stamp.version);
        document.add_text(self.source, serde_json::to_string(source).unwrap_or_default());
        let indices = [index.to_owned()];
        let mut laying = Laying { mappings, indices: &indices, words: BTreeMap::new(), wholes: BTreeSet::new() };
        let (fields, keywords) = laying.members("", source);
        document.add_object(self.lengths, laying.lengths());
        document.add_object(self.keywords, keywords.into_iter().collect());
        document.add_object(self.fields, fields.into_iter().collect());
        document
    }
}

/// Values by name: as they are found, and whole texts.
type Both = (Vec<(String, OwnedValue)>, Vec<(String, OwnedValue)>);

struct Laying<'a> {
    mappings: &'a Mappings,
    indices: &'a [String],
    /// How many words each text has.
    words: BTreeMap<String, i64>,
    /// Values of which one is as good as several, by their fields.
    wholes: BTreeSet<(String, String)>,
}

impl Laying<'_> {
    fn lengths(&self) -> BTreeMap<String, OwnedValue> {
        let mut lengths = self.words.clone();
        for (field, _) in &self.wholes {
            *lengths.entry(field.clone()).or_default() += 1;
        }
        lengths
            .into_iter()
            .filter(|(_, length)| *length > 0)
            .map(|(field, length)| (field, OwnedValue::I64(length)))
            .collect()
    }

    fn members(&mut self, prefix: &str, members: &Map<String, Value>) -> Both {
        let (mut fields, mut keywords) = (Vec::new(), Vec::new());
        for (name, value) in members {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let (field, keyword) = self.value(&path, value);
            fields.extend(field.map(|field| (name.clone(), field)));
            keywords.extend(keyword.map(|keyword| (name.clone(), keyword)));
        }
        (fields, keywords)
    }

    /// A value as it is found, and as a whole text; none where it can't be found so.
    fn value(&mut self, path: &str, value: &Value) -> (Option<OwnedValue>, Option<OwnedValue>) {
        let kind = match self.mappings.field(self.indices, path) {
            Some(kind) => kind,
            // What leads to a field with a dot in its name.
            None if value.is_object() => FieldType::Object,
            None => return (None, None),
        };
        match (kind, value) {
            (FieldType::Disabled | FieldType::Binary, _) | (_, Value::Null) => (None, None),
            (FieldType::GeoPoint, value) => (places(value), None),
            (_, Value::Array(values)) => {
                let (mut fields, mut keywords) = (Vec::new(), Vec::new());
                for value in values {
                    let (field, keyword) = self.value(path, value);
                    fields.extend(field);
                    keywords.extend(keyword);
                }
                let some = |values: Vec<OwnedValue>| (!values.is_empty()).then_some(OwnedValue::Array(values));
                (some(fields), some(keywords))
            }
            (FieldType::Object, Value::Object(members)) => {
                let (fields, keywords) = self.members(path, members);
                (Some(OwnedValue::Object(fields)), Some(OwnedValue::Object(keywords)))
            }
            (FieldType::Flattened, Value::Object(_)) => {
                let flat = flat(value);
                (flat.clone(), flat)
            }
            (_, Value::Object(_)) => (None, None),
            (kind, value) => self.scalar(path, kind, value),
        }
    }

    fn scalar(&mut self, path: &str, kind: FieldType, value: &Value) -> (Option<OwnedValue>, Option<OwnedValue>) {
        let Some(text) = scalar(value) else { return (None, None) };
        let is_short = text.chars().count() <= KEYWORD_CHARS && self.mappings.has_keyword(self.indices, path);
        let whole = is_short.then(|| OwnedValue::Str(text.clone()));
        if is_short {
            self.wholes.insert((format!("{path}.keyword"), text.clone()));
        }
        match kind {
            FieldType::Text => {
                *self.words.entry(path.to_owned()).or_default() += analysis::count(&text) as i64;
                (Some(OwnedValue::Str(text)), whole)
            }
            FieldType::Keyword | FieldType::Ip | FieldType::Flattened => {
                if text.len() <= KEYWORD_BYTES {
                    self.wholes.insert((path.to_owned(), text.clone()));
                }
                let whole = (text.len() <= KEYWORD_BYTES).then_some(OwnedValue::Str(text));
                (whole.clone(), whole)
            }
            kind => {
                let found = typed(kind, value, &text);
                if kind == FieldType::Boolean && found.is_some() {
                    self.wholes.insert((path.to_owned(), text));
                }
                (found, whole)
            }
        }
    }
}

/// All values of an object that is kept flat, as texts.
fn flat(value: &Value) -> Option<OwnedValue> {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, value)| Some((name.clone(), flat(value)?)));
            Some(OwnedValue::Object(members.collect()))
        }
        Value::Array(values) => Some(OwnedValue::Array(values.iter().filter_map(flat).collect())),
        value => {
            let text = scalar(value)?;
            (text.len() <= KEYWORD_BYTES).then_some(OwnedValue::Str(text))
        }
    }
}

/// A number, a boolean or a time; none where it is malformed.
fn typed(kind: FieldType, value: &Value, text: &str) -> Option<OwnedValue> {
    match kind {
        FieldType::Long => {
            let is_one = |number: &f64| number.abs() < i64::MAX as f64;
            let number = || text.parse::<f64>().ok().filter(is_one).map(|number| number as i64);
            Some(OwnedValue::I64(text.parse::<i64>().ok().or_else(number)?))
        }
        FieldType::Float => {
            Some(OwnedValue::F64(f64::from(text.parse::<f32>().ok().filter(|number| number.is_finite())?)))
        }
        FieldType::Double => Some(OwnedValue::F64(text.parse::<f64>().ok().filter(|number| number.is_finite())?)),
        FieldType::Boolean => Some(OwnedValue::Bool(text.parse().ok()?)),
        FieldType::Date => {
            // A number is milliseconds, whatever year its digits would be.
            let nanos = match value {
                Value::Number(_) => text.parse::<i64>().ok()?.checked_mul(1_000_000)?,
                _ => Reading::stored(text)?,
            };
            Some(OwnedValue::Date(DateTime::from_timestamp_nanos(nanos)))
        }
        _ => None,
    }
}

/// Places as two numbers each, which stand in the same order.
fn places(value: &Value) -> Option<OwnedValue> {
    let places = Place::all(value)?;
    let of =
        |part: fn(&Place) -> f64| OwnedValue::Array(places.iter().map(|place| OwnedValue::F64(part(place))).collect());
    Some(OwnedValue::Object(vec![("lat".to_owned(), of(|place| place.lat)), ("lon".to_owned(), of(|place| place.lon))]))
}
