//! From a record to a search document: id, index and source, all from the record and its place alone.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_config::agents::shipper::fields::{FLATTENED, FLATTENED_REASON};
use lakewright_formats::json::{Scanner, Syntax, Token};

use crate::search::dots::without_dots;
use crate::search::time::Time;
use crate::source::{Event, Stream};

/// The member that says when.
const TIMESTAMP: &str = "@timestamp";
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// How many characters of a member that is no time a reason shows.
const SHOWN: usize = 200;

/// What documents are made by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Indices are named `INDEX-YYYY.MM.DD`, `INDEX-outside` and `INDEX-rejected`.
    pub index: String,
    /// The member of a record that holds its time, RFC 3339.
    pub time_field: String,
    /// How many days before today have an index of their own.
    pub days_back: i64,
    /// How many days after today have one.
    pub days_ahead: i64,
    /// Whether today is, for each record, the day of its source's own time, so that a record that is restored later comes to
    /// the index that it was in.
    pub by_source: bool,
}

/// Which index a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// That of its day.
    Day,
    /// That of days outside the window.
    Outside,
    /// That of the dead letters.
    Rejected,
}

/// A request's text, document by document.
#[derive(Debug, Default)]
pub struct Bulk {
    /// Two lines for each document: what is to be done, and the document.
    pub text: Vec<u8>,
    /// Where each document's lines end.
    pub ends: Vec<usize>,
    /// Which index each is for.
    pub kinds: Vec<Kind>,
}

impl Bulk {
    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a document as it is.
    #[cfg(test)]
    pub fn put(&mut self, index: &str, id: &str, source: &str) {
        self.text.extend_from_slice(format!(r#"{{"create":{{"_index":"{index}","_id":"{id}"}}}}"#).as_bytes());
        self.text.push(b'\n');
        self.text.extend_from_slice(source.as_bytes());
        self.finish(Kind::Day);
    }

    /// Adds what is the shipper's own in a document, and ends it.
    fn end(&mut self, event: &Event, time: &Time, kind: Kind) {
        self.text.extend_from_slice(b"\"@timestamp\":\"");
        self.text.extend_from_slice(time.text());
        self.text.extend_from_slice(b"\",");
        place(event, &mut self.text);
        self.text.push(b'}');
        self.finish(kind);
    }

    fn finish(&mut self, kind: Kind) {
        self.text.push(b'\n');
        self.ends.push(self.text.len());
        self.kinds.push(kind);
    }

    /// Who may only create documents overwrites none: one that the shipper put there is this very one, for its id and all
    /// that is in it follow from the record. Neither an id nor an index's name holds anything that JSON escapes.
    fn action(&mut self, index: &str, route: Option<&str>, part: &[u8], event: &Event) {
        let text = &mut self.text;
        text.extend_from_slice(b"{\"create\":{\"_index\":\"");
        text.extend_from_slice(index.as_bytes());
        if let Some(route) = route {
            text.push(b'-');
            text.extend_from_slice(route.as_bytes());
        }
        text.push(b'-');
        text.extend_from_slice(part);
        text.extend_from_slice(b"\",\"_id\":\"");
        text.extend_from_slice(event.place.stream.id.as_bytes());
        text.push(b'-');
        text.extend_from_slice(itoa::Buffer::new().format(event.place.sequence).as_bytes());
        text.extend_from_slice(b"\"}}\n");
    }
}

/// What was found in a record.
struct Found {
    time: Time,
    /// Where the object's closing brace stands.
    close: usize,
    /// Whether it has no member.
    empty: bool,
    /// Whether the name of one has a dot.
    dotted: bool,
    /// Members whose names the shipper gives to its own; each with the comma behind it, or before it if it is the last.
    cuts: Vec<Range<usize>>,
}

impl Settings {
    /// Adds the document of a record: to the index of its own day if that is near `today`, in days since 1970, or else to the one of all
    /// other days.
    ///
    /// `dots`: whether names may have them.
    ///
    /// # Errors
    /// Why the record is none; nothing was added then.
    pub fn add(&self, event: &Event, (today, dots): (i64, bool), bulk: &mut Bulk) -> Result<(), String> {
        let (mut text, mut found) = self.read(event)?;
        let undotted;
        if found.dotted
            && !dots
            && let Some(made) = without_dots(text)
            && let Ok(anew) = self.find(&made, &event.place.stream, Some(found.time))
        {
            (undotted, found) = (made, anew);
            text = &undotted;
        }
        let kind = self.begin(event, &found.time, today, bulk);
        let (body, start) = (text.as_bytes(), bulk.text.len());
        let mut from = 0;
        for cut in &found.cuts {
            bulk.text.extend_from_slice(&body[from..cut.start]);
            from = cut.end;
        }
        bulk.text.extend_from_slice(&body[from..found.close]);
        // A line break within the object is white space to JSON and an end to the bulk format.
        spaces(&mut bulk.text[start..]);
        if !found.empty {
            bulk.text.push(b',');
        }
        bulk.end(event, &found.time, kind);
        Ok(())
    }

    /// The same with the whole record under a member that takes whatever it has: for one that its index refuses as it is.
    ///
    /// # Errors
    /// As [`Settings::add`].
    pub fn add_flattened(&self, event: &Event, today: i64, reason: &str, bulk: &mut Bulk) -> Result<(), String> {
        let (text, found) = self.read(event)?;
        let kind = self.begin(event, &found.time, today, bulk);
        bulk.text.extend_from_slice(b"{\"");
        bulk.text.extend_from_slice(FLATTENED.as_bytes());
        bulk.text.extend_from_slice(b"\":");
        let start = bulk.text.len();
        bulk.text.extend_from_slice(text.as_bytes());
        spaces(&mut bulk.text[start..]);
        bulk.text.extend_from_slice(b",\"");
        bulk.text.extend_from_slice(FLATTENED_REASON.as_bytes());
        bulk.text.extend_from_slice(b"\":");
        string(reason, &mut bulk.text);
        bulk.text.push(b',');
        bulk.end(event, &found.time, kind);
        Ok(())
    }

    /// A record's text, and what is in it.
    fn read<'a>(&self, event: &'a Event) -> Result<(&'a str, Found), String> {
        let body = event.body.as_deref().unwrap_or_default();
        if body.is_empty() {
            let what = if event.body.is_none() { "the record has no value" } else { "the record is empty" };
            return Err(what.to_owned());
        }
        let text = std::str::from_utf8(body).map_err(|error| format!("the record is no JSON object: {error}"))?;
        let known = event.made.as_deref().and_then(|made| made.time).map(Time::of).transpose()?;
        Ok((text, self.find(text, &event.place.stream, known)?))
    }

    /// Adds what is to be done with a document of that time.
    fn begin(&self, event: &Event, time: &Time, today: i64, bulk: &mut Bulk) -> Kind {
        let route = event.made.as_deref().and_then(|made| made.route.as_deref());
        let today = if self.by_source { event.time_ms.map_or(time.day, |time| time.div_euclid(DAY_MS)) } else { today };
        let near = today - self.days_back..=today + self.days_ahead;
        if near.contains(&time.day) {
            bulk.action(&self.index, route, &time.day_text(), event);
            return Kind::Day;
        }
        bulk.action(&self.index, route, b"outside", event);
        Kind::Outside
    }

    /// Adds the document that stands for a record which is none, or which the cluster refused: the record is in it as a whole.
    pub fn add_rejected(&self, event: &Event, reason: &str, error: Option<&str>, bulk: &mut Bulk) {
        bulk.action(&self.index, None, b"rejected", event);
        letter(event, reason, error, &mut bulk.text);
        bulk.finish(Kind::Rejected);
    }

    /// What is in a record; `known` is the time that a transform has read in it.
    fn find(&self, text: &str, stream: &Stream, known: Option<Time>) -> Result<Found, String> {
        let none = |error: Syntax| format!("the record is no JSON object: {error}");
        let mut scanner = Scanner::new(text);
        let mut more = scanner.enter_object().map_err(none)?;
        let (mut empty, mut dotted) = (true, false);
        let mut time: Option<Token<'_>> = None;
        let mut cuts: Vec<Range<usize>> = Vec::new();
        while more {
            let start = scanner.at();
            let (raw, escaped) = scanner.name().map_err(none)?;
            let name = plain(raw, escaped);
            dotted |= name.contains('.');
            let is_own = *name == *TIMESTAMP || stream.names.iter().any(|own| **own == *name);
            if *name == *self.time_field {
                // As the last of two equal members wins for most readers.
                time = Some(scanner.value().map_err(none)?);
            } else {
                scanner.pass().map_err(none)?;
            }
            let end = scanner.at();
            more = scanner.more(b'}').map_err(none)?;
            if !is_own {
                empty = false;
            } else if more {
                cuts.push(start..scanner.at());
            } else {
                cuts.push(start..end);
            }
        }
        let close = scanner.at() - 1;
        scanner.end().map_err(none)?;
        if !empty {
            drop_last_comma(text, close, &mut cuts);
        }
        let time = match known {
            Some(known) => known,
            None => self.time(time)?,
        };
        Ok(Found { time, close, empty, dotted, cuts })
    }

    /// The time of a record by its own member.
    fn time(&self, found: Option<Token<'_>>) -> Result<Time, String> {
        let field = &self.time_field;
        let time = match found {
            None => return Err(format!("the record has no `{field}`")),
            Some(Token::Text { raw, escaped }) => plain(raw, escaped),
            Some(other) => return Err(format!("`{field}` is no text: it is {}", other.kind())),
        };
        Time::parse(&time).map_err(|error| {
            let shown: String = time.chars().take(SHOWN).collect();
            format!("`{field}` is no RFC 3339 time: `{shown}`: {error}")
        })
    }
}

/// Lets the comma go that stands before the last members, where these are cut.
fn drop_last_comma(text: &str, close: usize, cuts: &mut Vec<Range<usize>>) {
    let mut start = close;
    while let Some(cut) = cuts.last() {
        if !text[cut.end..start].trim_ascii().is_empty() {
            break;
        }
        start = cut.start;
        cuts.pop();
    }
    if start == close {
        return;
    }
    let start = text[..start].trim_ascii_end().len();
    let start = start - usize::from(text[..start].ends_with(','));
    cuts.push(start..close);
}

/// A string's text.
pub fn plain(raw: &str, escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return Cow::Borrowed(raw);
    }
    match serde_json::from_str::<String>(&format!("\"{raw}\"")) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(raw),
    }
}

fn spaces(text: &mut [u8]) {
    if memchr::memchr2(b'\n', b'\r', text).is_some() {
        for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
}

/// The members that say where a record stands.
pub fn place(event: &Event, text: &mut Vec<u8>) {
    let stream = &event.place.stream;
    text.extend_from_slice(stream.members.as_bytes());
    text.extend_from_slice(b",\"");
    text.extend_from_slice(stream.counted.as_bytes());
    text.extend_from_slice(b"\":");
    text.extend_from_slice(itoa::Buffer::new().format(event.place.sequence).as_bytes());
}

/// A string with its quotes.
pub fn string(value: &str, text: &mut Vec<u8>) {
    serde_json::to_writer(text, value).expect("a text is JSON, and a vector can be written to");
}

/// A dead letter: the reason, the type of the cluster's error, the record as it was read, and its place.
pub fn letter(event: &Event, reason: &str, error: Option<&str>, text: &mut Vec<u8>) {
    text.extend_from_slice(b"{\"reason\":");
    string(reason, text);
    if let Some(error) = error {
        text.extend_from_slice(b",\"error_type\":");
        string(error, text);
    }
    let body = event.as_read();
    match body.map(std::str::from_utf8) {
        None => {}
        Some(Ok(body)) => {
            text.extend_from_slice(b",\"payload\":");
            string(body, text);
        }
        Some(Err(_)) => {
            text.extend_from_slice(b",\"payload_base64\":\"");
            text.extend_from_slice(STANDARD.encode(body.unwrap_or_default()).as_bytes());
            text.push(b'"');
        }
    }
    text.push(b',');
    place(event, text);
    text.push(b'}');
}

#[cfg(test)]
mod tests;
