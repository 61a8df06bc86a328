//! How a document is laid out in tantivy.

use serde_json::{Map, Value};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, JsonObjectOptions, OwnedValue, STORED, STRING, Schema, TEXT, TextFieldIndexing,
};
use tantivy::{DateTime, TantivyDocument};

use crate::date::Reading;
use crate::field::FieldType;
use crate::mapping::Mappings;
use crate::members::scalar;
use crate::place::Place;

/// The longest text that is found as a whole under `.keyword`, in characters.
const KEYWORD_CHARS: usize = 256;
/// The longest that a keyword can be, in bytes.
const KEYWORD_BYTES: usize = 32_766;
/// The name of the field with the document's own fields, in aggregations and sort orders.
pub const FIELDS: &str = "doc";

/// The tantivy fields.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Index and id: what a document is replaced by.
    pub key: Field,
    /// The index's name.
    pub index: Field,
    /// The document's id.
    pub id: Field,
    /// The document as it came.
    pub source: Field,
    /// Its fields, each as its mapping has it: texts in words, numbers, booleans, times, and places as `lat` and `lon`.
    pub fields: Field,
    /// Its texts as a whole.
    pub keywords: Field,
    /// All its values in words.
    pub all: Field,
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
            source: builder.add_text_field("_source", STORED),
            fields: builder.add_json_field(
                FIELDS,
                JsonObjectOptions::default().set_indexing_options(words).set_fast("raw").set_expand_dots_enabled(),
            ),
            keywords: builder.add_json_field(
                "keyword",
                JsonObjectOptions::default().set_indexing_options(whole).set_expand_dots_enabled(),
            ),
            all: builder.add_text_field("all", TEXT),
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
    ) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.key, Self::key_of(index, id));
        document.add_text(self.index, index);
        document.add_text(self.id, id);
        document.add_text(self.source, serde_json::to_string(source).unwrap_or_default());
        let indices = [index.to_owned()];
        let mut laying = Laying { mappings, indices: &indices, all: String::new() };
        let (fields, keywords) = laying.members("", source);
        document.add_text(self.all, laying.all);
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
    all: String,
}

impl Laying<'_> {
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
                let flat = self.flat(value);
                (flat.clone(), flat)
            }
            (_, Value::Object(_)) => (None, None),
            (kind, value) => self.scalar(path, kind, value),
        }
    }

    fn scalar(&mut self, path: &str, kind: FieldType, value: &Value) -> (Option<OwnedValue>, Option<OwnedValue>) {
        let Some(text) = scalar(value) else { return (None, None) };
        self.all.push_str(&text);
        self.all.push('\n');
        match kind {
            FieldType::Text => {
                let is_short = text.chars().count() <= KEYWORD_CHARS && self.mappings.has_keyword(self.indices, path);
                let whole = is_short.then(|| OwnedValue::Str(text.clone()));
                (Some(OwnedValue::Str(text)), whole)
            }
            FieldType::Keyword | FieldType::Ip | FieldType::Flattened => {
                let whole = (text.len() <= KEYWORD_BYTES).then_some(OwnedValue::Str(text));
                (whole.clone(), whole)
            }
            kind => (typed(kind, value, &text), None),
        }
    }

    /// All values of an object that is kept flat, as texts.
    fn flat(&mut self, value: &Value) -> Option<OwnedValue> {
        match value {
            Value::Object(members) => {
                let members = members.iter().filter_map(|(name, value)| Some((name.clone(), self.flat(value)?)));
                Some(OwnedValue::Object(members.collect()))
            }
            Value::Array(values) => {
                Some(OwnedValue::Array(values.iter().filter_map(|value| self.flat(value)).collect()))
            }
            value => {
                let text = scalar(value)?;
                self.all.push_str(&text);
                self.all.push('\n');
                (text.len() <= KEYWORD_BYTES).then_some(OwnedValue::Str(text))
            }
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
