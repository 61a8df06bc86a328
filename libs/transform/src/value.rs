//! The values of an event: JSON texts as long as nobody looks into them.

mod read;

use std::borrow::Cow;

use crate::json;

/// A value of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// JSON as it was read: valid, and not looked into yet.
    Raw(Cow<'a, str>),
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// An object.
    Object(Object<'a>),
    /// An array.
    Array(Vec<Value<'a>>),
}

/// A value that holds no others.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'v> {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, as it is written.
    Number(Cow<'v, str>),
    /// A text.
    Text(Cow<'v, str>),
}

impl Scalar<'_> {
    /// The text, or the number as it is written; none of null and booleans.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            Self::Null | Self::Bool(_) => None,
        }
    }

    /// The number, also of a text that is one.
    pub fn number(&self) -> Option<f64> {
        self.text().and_then(|text| text.trim().parse::<f64>().ok()).filter(|number| number.is_finite())
    }
}

impl<'a> Value<'a> {
    /// The value as a scalar, or none of objects and arrays.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Self::Raw(json) => return scalar(json),
            Self::Text(text) => Scalar::Text(Cow::Borrowed(text)),
            Self::Int(number) => Scalar::Number(Cow::Owned(number.to_string())),
            Self::Float(number) => Scalar::Number(Cow::Owned(zmij::Buffer::new().format_finite(*number).to_owned())),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Object(_) | Self::Array(_) => return None,
        })
    }

    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match (self, self.scalar()) {
            (_, Some(Scalar::Null)) => "null",
            (_, Some(Scalar::Bool(_))) => "a boolean",
            (_, Some(Scalar::Number(_))) => "a number",
            (_, Some(Scalar::Text(_))) => "a text",
            (Self::Raw(json), None) if json.starts_with('[') => "an array",
            (Self::Array(_), None) => "an array",
            (_, None) => "an object",
        }
    }

    /// The object in it, its members looked into; none of other values, and of objects with too many members.
    pub fn object_mut(&mut self) -> Option<&mut Object<'a>> {
        if let Self::Raw(json) = self
            && json.starts_with('{')
        {
            let object = match json {
                Cow::Borrowed(json) => Object::read(json).ok()?,
                Cow::Owned(json) => Object::read(json).ok()?.into_owned(),
            };
            *self = Self::Object(object);
        }
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items of the array in it; none of other values, and of arrays with too many.
    pub fn array_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::Raw(json) = self
            && json.starts_with('[')
        {
            let items = match json {
                Cow::Borrowed(json) => read::array(json).ok()?,
                Cow::Owned(json) => read::array(json).ok()?.into_iter().map(Value::into_owned).collect(),
            };
            *self = Self::Array(items);
        }
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The same value, borrowing nothing.
    pub fn into_owned<'b>(self) -> Value<'b> {
        match self {
            Self::Raw(json) => Value::Raw(Cow::Owned(json.into_owned())),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Int(number) => Value::Int(number),
            Self::Float(number) => Value::Float(number),
            Self::Bool(value) => Value::Bool(value),
            Self::Object(object) => Value::Object(object.into_owned()),
            Self::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
        }
    }

    /// Writes it as JSON without line breaks.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(json) => json::write_raw(json, out),
            Self::Text(text) => json::write_text(text, out),
            Self::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
            Self::Float(number) => out.extend_from_slice(zmij::Buffer::new().format_finite(*number).as_bytes()),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Object(object) => object.write(out),
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }
}

/// The scalar that a JSON text is.
fn scalar(json: &str) -> Option<Scalar<'_>> {
    Some(match json.as_bytes().first() {
        Some(b'"') => Scalar::Text(json::unescape(json.get(1..json.len() - 1).unwrap_or_default())),
        Some(b'{' | b'[') => return None,
        Some(b't') => Scalar::Bool(true),
        Some(b'f') => Scalar::Bool(false),
        Some(b'n') | None => Scalar::Null,
        Some(_) => Scalar::Number(Cow::Borrowed(json)),
    })
}

/// Members in their order, each name once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Object<'a> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room.
    pub fn with_capacity(members: usize) -> Self {
        Self { members: Vec::with_capacity(members) }
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Cow<'a, str>> {
        self.members.iter().map(|(name, _)| name)
    }

    /// The values, in order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value<'a>> {
        self.members.iter_mut().map(|(_, value)| value)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|(known, _)| known == name)
    }

    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.place(name).map(|place| &self.members[place].1)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        self.place(name).map(|place| &mut self.members[place].1)
    }

    /// Sets a member: where it stands already, or at the end.
    pub fn insert(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        match self.place(&name) {
            Some(place) => self.members[place].1 = value,
            None => self.members.push((name, value)),
        }
    }

    /// Adds a member whose name it doesn't have.
    pub(crate) fn push(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        self.members.push((name, value));
    }

    pub(crate) fn replace(&mut self, place: usize, value: Value<'a>) {
        self.members[place].1 = value;
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        self.place(name).map(|place| self.members.remove(place).1)
    }

    /// Sets all members of another one.
    pub fn extend(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        // Many members are merged by a table of names, so that time doesn't grow with the square of their number.
        if self.len().saturating_mul(other.len()) > 4_096 {
            let places: std::collections::HashMap<String, usize> =
                self.names().enumerate().map(|(place, name)| (name.clone().into_owned(), place)).collect();
            for (name, value) in other.members {
                match places.get(name.as_ref()) {
                    Some(place) => self.members[*place].1 = value,
                    None => self.members.push((name, value)),
                }
            }
            return;
        }
        for (name, value) in other.members {
            self.insert(name, value);
        }
    }

    /// The same, borrowing nothing.
    pub fn into_owned<'b>(self) -> Object<'b> {
        let owned = |(name, value): (Cow<'a, str>, Value<'a>)| (Cow::Owned(name.into_owned()), value.into_owned());
        Object { members: self.members.into_iter().map(owned).collect() }
    }

    /// Writes it as JSON on one line.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, value)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::write_text(name, out);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }

    /// It as JSON on one line.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}
