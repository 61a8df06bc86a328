//! How a document is laid out in tantivy.

use serde_json::{Map, Value};
use tantivy::TantivyDocument;
use tantivy::schema::{
    Field, IndexRecordOption, JsonObjectOptions, OwnedValue, STORED, STRING, Schema, TEXT, TextFieldIndexing,
};

/// The longest text that is indexed as a whole too, in bytes.
const KEYWORD_BYTES: usize = 256;
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
    /// Its fields: texts in words, numbers, booleans and times as what they are.
    pub fields: Field,
    /// Its texts as a whole.
    pub keywords: Field,
    /// All its texts in words.
    pub all: Field,
}

impl Layout {
    /// The schema and its fields.
    pub fn schema() -> (Schema, Self) {
        let mut builder = Schema::builder();
        let words =
            TextFieldIndexing::default().set_tokenizer("default").set_index_option(IndexRecordOption::WithFreqs);
        let whole = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic);
        let layout = Self {
            key: builder.add_text_field("_key", STRING),
            index: builder.add_text_field("_index", STRING | STORED),
            id: builder.add_text_field("_id", STRING | STORED),
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

    /// The tantivy document.
    pub fn document(&self, index: &str, id: &str, source: &Map<String, Value>) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.key, Self::key_of(index, id));
        document.add_text(self.index, index);
        document.add_text(self.id, id);
        let whole = Value::Object(source.clone());
        document.add_text(self.source, whole.to_string());
        let mut all = String::new();
        let keywords = texts(&whole, &mut all);
        document.add_text(self.all, all);
        if let OwnedValue::Object(fields) = OwnedValue::from(keywords) {
            document.add_object(self.keywords, fields.into_iter().collect());
        }
        if let OwnedValue::Object(fields) = OwnedValue::from(whole) {
            document.add_object(self.fields, fields.into_iter().collect());
        }
        document
    }
}

/// The value with its short texts, and numbers and booleans as texts; all texts are appended to `all`.
fn texts(value: &Value, all: &mut String) -> Value {
    match value {
        Value::String(text) => {
            all.push_str(text);
            all.push('\n');
            if text.len() <= KEYWORD_BYTES { Value::String(text.clone()) } else { Value::Null }
        }
        Value::Array(values) => {
            Value::Array(values.iter().map(|value| texts(value, all)).filter(|value| !value.is_null()).collect())
        }
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), texts(value, all)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
        ),
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        Value::Null => Value::Null,
    }
}
