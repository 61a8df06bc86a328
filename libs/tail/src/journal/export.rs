//! The journal's export format: lines `NAME=text`, or a line `NAME`, the length in 8 bytes, little endian, the bytes and a line break;
//! an empty line ends an entry.

use serde::ser::{SerializeMap as _, Serializer as _};
use thiserror::Error;

/// The longest name of a field that the journal takes.
const LONGEST_NAME: usize = 64;

/// Fields that say nothing of the entry.
const LEFT_OUT: [&str; 1] = ["__MONOTONIC_TIMESTAMP"];

/// What isn't the export format.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(super) struct Malformed(&'static str);

/// An entry of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub fields: Vec<(String, Vec<u8>)>,
    /// Whether something was left out for its size.
    pub is_cut: bool,
    bytes: usize,
}

impl Entry {
    /// The first field of a name, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field == name)?;
        std::str::from_utf8(&field.1).ok()
    }

    /// A JSON object of the fields by their names; a field that stands several times makes an array. What is no UTF-8 is replaced.
    pub fn json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.bytes + 16 * self.fields.len());
        let mut serializer = serde_json::Serializer::new(&mut json);
        let mut write = || {
            let mut map = serializer.serialize_map(None)?;
            for (place, (name, value)) in self.fields.iter().enumerate() {
                let is_again = self.fields[..place].iter().any(|(earlier, _)| earlier == name);
                if is_again || LEFT_OUT.contains(&name.as_str()) {
                    continue;
                }
                let mut later = self.fields[place + 1..].iter().filter(|(other, _)| other == name).peekable();
                if later.peek().is_none() {
                    map.serialize_entry(name, &String::from_utf8_lossy(value))?;
                } else {
                    let all = std::iter::once(value).chain(later.map(|(_, value)| value));
                    let all: Vec<_> = all.map(|value| String::from_utf8_lossy(value)).collect();
                    map.serialize_entry(name, &all)?;
                }
            }
            if self.is_cut {
                map.serialize_entry("cut", &true)?;
            }
            map.end()
        };
        write().expect("text is always written to memory");
        json
    }
}

#[derive(Debug)]
enum State {
    /// Within a line.
    Line,
    /// Within the length of a binary field.
    Length(String, Vec<u8>),
    /// Within its bytes, of which so many are to come.
    Value(String, Vec<u8>, u64),
    /// Before the line break that ends it.
    End,
}

/// Reads entries from bytes that arrive in parts.
#[derive(Debug)]
pub(super) struct Parser {
    limit: usize,
    state: State,
    line: Vec<u8>,
    line_is_cut: bool,
    entry: Entry,
}

impl Parser {
    /// An entry holds so many bytes at most.
    pub fn new(limit: usize) -> Self {
        let line = Vec::new();
        Self { limit, state: State::Line, line, line_is_cut: false, entry: Entry::default() }
    }

    /// Takes bytes, and adds the entries that are whole.
    pub fn feed(&mut self, mut bytes: &[u8], entries: &mut Vec<Entry>) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            match std::mem::replace(&mut self.state, State::Line) {
                State::Line => match memchr::memchr(b'\n', bytes) {
                    Some(end) => {
                        self.extend_line(&bytes[..end]);
                        bytes = &bytes[end + 1..];
                        self.end_line(entries)?;
                    }
                    None => {
                        self.extend_line(bytes);
                        bytes = &[];
                    }
                },
                State::Length(name, mut length) => {
                    let take = bytes.len().min(8 - length.len());
                    length.extend_from_slice(&bytes[..take]);
                    bytes = &bytes[take..];
                    self.state = match <[u8; 8]>::try_from(&length[..]) {
                        Ok(length) => value_of(name, u64::from_le_bytes(length)),
                        Err(_) => State::Length(name, length),
                    };
                    if let State::Value(name, value, 0) = &mut self.state {
                        let field = (std::mem::take(name), std::mem::take(value));
                        self.add(field, false);
                        self.state = State::End;
                    }
                }
                State::Value(name, mut value, rest) => {
                    let take = usize::try_from(rest).unwrap_or(usize::MAX).min(bytes.len());
                    let room = self.limit.saturating_sub(value.len()).min(take);
                    value.extend_from_slice(&bytes[..room]);
                    let is_cut = room < take;
                    self.entry.is_cut |= is_cut;
                    bytes = &bytes[take..];
                    let rest = rest - take as u64;
                    self.state = State::Value(name, value, rest);
                    if let State::Value(name, value, 0) = &mut self.state {
                        let field = (std::mem::take(name), std::mem::take(value));
                        self.add(field, false);
                        self.state = State::End;
                    }
                }
                State::End => {
                    if bytes[0] != b'\n' {
                        return Err(Malformed("a binary field doesn't end where its length says"));
                    }
                    bytes = &bytes[1..];
                }
            }
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = (self.limit + LONGEST_NAME + 1).saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(&bytes[..room]);
        self.line_is_cut |= room < bytes.len();
    }

    fn end_line(&mut self, entries: &mut Vec<Entry>) -> Result<(), Malformed> {
        let line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.line_is_cut);
        if line.is_empty() {
            let entry = std::mem::take(&mut self.entry);
            if !entry.fields.is_empty() {
                entries.push(entry);
            }
            return Ok(());
        }
        let end = memchr::memchr(b'=', &line).unwrap_or(line.len());
        let name = name(&line[..end])?;
        match line.get(end + 1..) {
            Some(value) => self.add((name, value.to_vec()), is_cut),
            None => self.state = State::Length(name, Vec::with_capacity(8)),
        }
        Ok(())
    }

    /// Adds a field as far as the entry has room. What says where the entry stands is always kept.
    fn add(&mut self, (name, mut value): (String, Vec<u8>), is_cut: bool) {
        let is_address = name.starts_with("__") && value.len() <= 1024;
        let room = if is_address { value.len() } else { self.limit.saturating_sub(self.entry.bytes) };
        self.entry.is_cut |= is_cut || room < value.len();
        value.truncate(room);
        self.entry.bytes += name.len() + value.len();
        // A field of which nothing is left would count as empty; and without end there are no names either.
        if room > 0 || is_address || self.entry.bytes < self.limit {
            self.entry.fields.push((name, value));
        }
    }
}

fn value_of(name: String, length: u64) -> State {
    State::Value(name, Vec::new(), length)
}

fn name(bytes: &[u8]) -> Result<String, Malformed> {
    let fits = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    if bytes.is_empty() || bytes.len() > LONGEST_NAME || !bytes.iter().all(fits) {
        return Err(Malformed("a line begins with no field's name"));
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
