//! An event: a record on its way, and what transforms have made of it.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::path::Path;
use crate::value::{Object, Value};

/// The member that holds the record's text until something has parsed it.
pub const MESSAGE: &str = "message";
/// The member that says which transforms couldn't be applied.
pub const ERRORS: &str = "transform_errors";
/// The most errors that are noted of one event.
const MAX_ERRORS: usize = 16;

/// Where a record comes from: `stream` never changes its meaning, `sequence` grows by record within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The record's place in it.
    pub sequence: u64,
}

/// A transform that couldn't be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which one, counted from 0 in the list as it was declared.
    pub by: usize,
    /// Why.
    pub reason: String,
}

/// A record on its way. Until something parses it, it has one member, `message`: its text.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    record: &'a [u8],
    place: Place<'a>,
    arrived: DateTime<Utc>,
    time: Option<DateTime<Utc>>,
    route: Option<Arc<str>>,
    body: Option<Object<'a>>,
    failures: Vec<Failure>,
}

impl<'a> Event<'a> {
    /// The event of a record; `arrived` is the record's own time, as Kafka's or the journal's, or when it was read.
    pub fn new(record: &'a [u8], place: Place<'a>, arrived: DateTime<Utc>) -> Self {
        Self { record, place, arrived, time: None, route: None, body: None, failures: Vec::new() }
    }

    /// The event of a record that a source gives as a JSON object, as lines of log files and entries of the journal: the object's members are
    /// the event's, without a parser.
    pub fn of_object(record: &'a [u8], place: Place<'a>, arrived: DateTime<Utc>) -> Self {
        let body = str::from_utf8(record).ok().and_then(|text| Object::read(text).ok());
        Self { body, ..Self::new(record, place, arrived) }
    }

    /// The record as it was read.
    pub fn record(&self) -> &'a [u8] {
        self.record
    }

    /// Where it comes from.
    pub fn place(&self) -> Place<'a> {
        self.place
    }

    /// When the record was written, or read, as far as the source knows.
    pub fn arrived(&self) -> DateTime<Utc> {
        self.arrived
    }

    /// The time that a transform has read in it.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.time
    }

    /// Sets the event's time.
    pub fn set_time(&mut self, time: DateTime<Utc>) {
        self.time = Some(time);
    }

    /// The index of its own that it goes to, if a transform has chosen one.
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    pub(crate) fn set_route(&mut self, route: &Arc<str>) {
        self.route = Some(Arc::clone(route));
    }

    /// The transforms that couldn't be applied although the event goes on.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Whether a transform has looked into the record. If not, the record is to go on as it was read.
    pub fn is_changed(&self) -> bool {
        self.body.is_some()
    }

    /// Writes the event as a JSON object on one line; of a record that nothing has parsed, an object with `message` alone.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.body {
            Some(body) => body.write(out),
            None => self.unparsed().write(out),
        }
    }

    fn unparsed(&self) -> Object<'a> {
        let mut object = Object::with_capacity(2);
        object.insert(Cow::Borrowed(MESSAGE), Value::Text(String::from_utf8_lossy(self.record)));
        object
    }

    /// Its members.
    pub fn body_mut(&mut self) -> &mut Object<'a> {
        if self.body.is_none() {
            self.body = Some(self.unparsed());
        }
        self.body.get_or_insert_default()
    }

    /// Puts what was parsed in the place of the record.
    pub(crate) fn set_body(&mut self, body: Object<'a>) {
        self.body = Some(body);
    }

    /// Whether nothing has parsed the record yet.
    pub(crate) fn is_unparsed(&self) -> bool {
        self.body.is_none()
    }

    /// The text of a member, or why it has none; nothing when there is no such member, or null.
    pub(crate) fn text(&mut self, path: &Path) -> Option<Result<Cow<'a, str>, String>> {
        if self.body.is_none() {
            if !path.is(MESSAGE) {
                return None;
            }
            let text = str::from_utf8(self.record);
            return Some(text.map(Cow::Borrowed).map_err(|error| {
                format!("the record isn't UTF-8 at byte {} of {}", error.valid_up_to(), self.record.len())
            }));
        }
        match self.get(path)? {
            Value::Text(Cow::Borrowed(text)) => Some(Ok(Cow::Borrowed(*text))),
            Value::Raw(Cow::Borrowed(json)) if json.starts_with('"') => {
                Some(Ok(crate::json::unescape(json.get(1..json.len() - 1).unwrap_or_default())))
            }
            other => match other.scalar() {
                Some(crate::value::Scalar::Text(text)) => Some(Ok(Cow::Owned(text.into_owned()))),
                Some(crate::value::Scalar::Null) => None,
                _ => Some(Err(format!("`{path}` is {}, no text", other.kind()))),
            },
        }
    }

    /// The member at a path.
    pub fn get(&mut self, path: &Path) -> Option<&mut Value<'a>> {
        let (first, rest) = path.steps().split_first()?;
        if self.body.is_none() && first != MESSAGE {
            return None;
        }
        let mut value = self.body_mut().get_mut(first)?;
        for step in rest {
            value = within(value, step)?;
        }
        Some(value)
    }

    /// Takes the member at a path out.
    pub(crate) fn take(&mut self, path: &Path) -> Option<Value<'a>> {
        let (last, way) = path.steps().split_last()?;
        let Some((first, rest)) = way.split_first() else {
            return if self.body.is_none() && last != MESSAGE { None } else { self.body_mut().remove(last) };
        };
        self.body.as_ref()?;
        let mut value = self.body_mut().get_mut(first)?;
        for step in rest {
            value = within(value, step)?;
        }
        value.object_mut()?.remove(last)
    }

    /// Sets the member at a path, making the objects on the way; an error says what stands in it.
    pub(crate) fn set(&mut self, path: &Path, value: Value<'a>) -> Result<(), String> {
        let Some((last, way)) = path.steps().split_last() else { return Ok(()) };
        let mut object = self.body_mut();
        for (depth, step) in way.iter().enumerate() {
            if object.get(step).is_none_or(|value| matches!(value.scalar(), Some(crate::value::Scalar::Null))) {
                object.insert(Cow::Owned(step.clone()), Value::Object(Object::new()));
            }
            let inner = object.get_mut(step).and_then(Value::object_mut);
            object =
                inner.ok_or_else(|| format!("`{}` is no object that could take `{last}`", way[..=depth].join(".")))?;
        }
        object.insert(Cow::Owned(last.clone()), value);
        Ok(())
    }

    /// Notes a transform that couldn't be applied, in the event as well.
    pub(crate) fn fail(&mut self, failure: Failure, name: &str) {
        if self.failures.len() >= MAX_ERRORS {
            return;
        }
        let text = Value::Text(Cow::Owned(format!("{name}: {}", failure.reason)));
        let first = self.failures.is_empty();
        match self.body_mut().get_mut(ERRORS) {
            Some(Value::Array(errors)) if !first => errors.push(text),
            // What the record has under that name itself gives way.
            _ => self.body_mut().insert(Cow::Borrowed(ERRORS), Value::Array(vec![text])),
        }
        self.failures.push(failure);
    }
}

/// The member of an object, or the item of an array, one step down.
fn within<'v, 'a>(value: &'v mut Value<'a>, step: &str) -> Option<&'v mut Value<'a>> {
    if let Ok(index) = step.parse::<usize>()
        && value.kind() == "an array"
    {
        return value.array_mut()?.get_mut(index);
    }
    value.object_mut()?.get_mut(step)
}
