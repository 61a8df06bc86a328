//! From spanned TOML values to typed sections, collecting every mistake on the way.

use std::borrow::Cow;
use std::ops::{Deref, Range};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostic, nearest, suggest};

/// A spanned TOML value.
pub type Node<'i> = Spanned<DeValue<'i>>;

/// A type that a value of a stack file can have.
pub trait Decode: Sized {
    /// The value, or `None` after saying what is wrong with it.
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self>;

    /// What stands in for a wrong or missing value, so that the rest can still be checked.
    fn placeholder() -> Self;

    /// The value as the file would write it, for the documented default; null when a default isn't a plain value.
    fn json(&self) -> Value {
        Value::Null
    }
}

/// Collects mistakes while walking a file.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The mistakes so far.
    pub list: Vec<Diagnostic>,
    /// What is right still, and should be written otherwise.
    pub warnings: Vec<Diagnostic>,
    path: Vec<String>,
}

impl Decoder {
    /// Takes note of a mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// The keys that led to where the walk is.
    pub fn keys(&self) -> &[String] {
        &self.path
    }

    /// Where the walk is, `kafka.version`.
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// Decodes a value one level down.
    pub fn enter<T: Decode>(&mut self, name: &str, node: &Node<'_>) -> Option<T> {
        self.path.push(name.to_owned());
        let value = T::decode(node, self);
        self.path.pop();
        value
    }

    /// Says that a value has the wrong TOML type.
    pub fn wrong_type<T>(&mut self, node: &Node<'_>, expected: &str) -> Option<T> {
        let found = match node.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let title = format!("`{}` must be {expected}", self.path());
        let diagnostic = Diagnostic::new(node.span(), title, format!("this is {found}"));
        let fix = match node.get_ref() {
            DeValue::String(text) if expected.contains("number") && text.trim().parse::<f64>().is_ok() => {
                Some(format!("leave out the quotes: {}", text.trim()))
            }
            DeValue::String(text) if expected == "true or false" && ["true", "false"].contains(&text.as_ref()) => {
                Some(format!("leave out the quotes: {text}"))
            }
            DeValue::String(text) if expected == "an array" => Some(format!("write it in brackets: [{text:?}]")),
            DeValue::Integer(number) if expected == "a string" => {
                Some(format!("write it in quotes: \"{}\"", number.as_str()))
            }
            DeValue::Float(number) if expected == "a string" => {
                Some(format!("write it in quotes: \"{}\"", number.as_str()))
            }
            _ => None,
        };
        self.push(fix.into_iter().fold(diagnostic, Diagnostic::help));
        None
    }

    /// The table in a value, its unknown keys refused. What a misspelt key holds is taken for what it most likely means, so
    /// that the one mistake doesn't make others of what is missed or referred to elsewhere.
    pub fn fields<'a, 'i>(&mut self, node: &'a Node<'i>, known: &[&str]) -> Option<Fields<'a, 'i>> {
        let DeValue::Table(table) = node.get_ref() else {
            return self.wrong_type(node, "a table");
        };
        let mut fields = Fields { table: Cow::Borrowed(table), span: node.span(), guessed: Vec::new() };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let place = if self.path.is_empty() { "the stack".to_owned() } else { format!("`{}`", self.path()) };
            let what = if self.path.is_empty() { "section" } else { "key" };
            let diagnostic =
                Diagnostic::new(key.span(), format!("unknown {what} `{name}` in {place}"), "not known here")
                    .help(suggest(name, known.iter().copied(), &format!("{what}s")));
            let carries_none = name == "tags" && !self.path.is_empty();
            let none = "nothing that this section stands for carries tags of a stack's".to_owned();
            self.push(carries_none.then_some(none).into_iter().fold(diagnostic, Diagnostic::help));
            if let Some(meant) = nearest(name, known.iter().copied()) {
                merge(fields.table.to_mut(), Spanned::new(key.span(), meant.to_owned().into()), value);
                fields.guessed.push(meant.to_owned());
            }
        }
        Some(fields)
    }

    /// Says that a required key is missing.
    pub fn missing(&mut self, span: Range<usize>, name: &str, about: &str) {
        let about = about.trim();
        let first = about.split_once(". ").map_or(about, |(first, _)| first).trim_end_matches('.');
        let (title, label) = if self.path.is_empty() {
            (format!("the section `[{name}]` is missing"), "this file lacks it".to_owned())
        } else {
            (format!("`{}` lacks `{name}`", self.path()), format!("`{name}` is required"))
        };
        self.push(Diagnostic::new(span, title, label).help(format!("`{name}`: {first}")));
    }
}

/// The keys of a table.
#[derive(Debug, Clone)]
pub struct Fields<'a, 'i> {
    /// The table, misspelt keys among its known ones.
    pub table: Cow<'a, DeTable<'i>>,
    /// Where it, or its header, stands.
    pub span: Range<usize>,
    /// The keys whose values were written under a misspelt one.
    guessed: Vec<String>,
}

impl Fields<'_, '_> {
    /// The value of a key; none when it is wrong.
    pub fn decode<T: Decode>(&self, name: &str, node: &Node<'_>, decoder: &mut Decoder) -> Option<T> {
        let before = decoder.list.len();
        let value = decoder.enter(name, node);
        if self.guessed.iter().any(|guessed| guessed == name) && !matches!(node.get_ref(), DeValue::Table(_)) {
            // The guess was wrong, or the one mistake is enough for now.
            decoder.list.truncate(before);
        }
        value
    }
}

/// Puts a value into a table, what is there already first; tables are merged.
fn merge<'i>(table: &mut DeTable<'i>, key: Spanned<Cow<'i, str>>, value: &Node<'i>) {
    match table.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut) {
        None => drop(table.insert(key, value.clone())),
        Some(DeValue::Table(there)) => {
            let DeValue::Table(more) = value.get_ref() else { return };
            for (key, value) in more {
                merge(there, key.clone(), value);
            }
        }
        Some(_) => {}
    }
}

/// The value of an empty table: a section whose every key has its default.
pub fn defaults<T: Decode>() -> T {
    let empty = Spanned::new(0..0, DeValue::Table(DeTable::new()));
    T::decode(&empty, &mut Decoder::default()).expect("a table decodes to a section")
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place in the file, in bytes; empty for a default.
    pub span: Range<usize>,
    /// Whether it could be read; a placeholder isn't checked any further.
    pub sound: bool,
}

impl<T> At<T> {
    /// A default.
    pub fn given(value: impl Into<T>) -> Self {
        Self { value: value.into(), span: 0..0, sound: true }
    }

    /// Whether it was written in the file.
    pub fn written(&self) -> bool {
        !self.span.is_empty()
    }

    /// Its place, or the section's when it is a default.
    pub fn span_or(&self, section: &Range<usize>) -> Range<usize> {
        if self.written() { self.span.clone() } else { section.clone() }
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Decode> Decode for At<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let value = T::decode(node, decoder);
        let sound = value.is_some();
        Some(Self { value: value.unwrap_or_else(T::placeholder), span: node.span(), sound })
    }

    fn placeholder() -> Self {
        Self { value: T::placeholder(), span: 0..0, sound: false }
    }

    fn json(&self) -> Value {
        self.value.json()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        T::decode(node, decoder).map(Some)
    }

    fn placeholder() -> Self {
        None
    }

    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::json)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let DeValue::Array(array) = node.get_ref() else {
            _ = decoder.wrong_type::<Self>(node, "an array");
            // One without its brackets is most likely meant as the only one.
            return T::decode(node, &mut Decoder::default()).map(|one| vec![one]);
        };
        Some(array.iter().filter_map(|item| T::decode(item, decoder)).collect())
    }

    fn placeholder() -> Self {
        Self::new()
    }

    fn json(&self) -> Value {
        self.iter().map(T::json).collect()
    }
}

/// A name and what it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    /// The name.
    pub name: String,
    /// Where the name stands, in bytes.
    pub span: Range<usize>,
    /// What it names.
    pub value: T,
}

/// Sub-sections by name, `[topics.NAME]`, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T>(pub Vec<Entry<T>>);

impl<T> Named<T> {
    /// The entry of that name.
    pub fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.0.iter().find(|entry| entry.name == name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|entry| entry.name.as_str())
    }

    /// All entries.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry<T>> {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a Named<T> {
    type Item = &'a Entry<T>;
    type IntoIter = std::slice::Iter<'a, Entry<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let DeValue::Table(table) = node.get_ref() else {
            return decoder.wrong_type(node, "a table of named entries");
        };
        let entries = table.iter().map(|(key, item)| {
            let name = key.get_ref().to_string();
            let value = decoder.enter(&name, item).unwrap_or_else(T::placeholder);
            Entry { name, span: key.span(), value }
        });
        Some(Self(entries.collect()))
    }

    fn placeholder() -> Self {
        Self(Vec::new())
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inner = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": inner })
    }
}
