//! From a line or an entry to a JSON object with its time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, FixedOffset, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use lakewright_formats::json::{Scanner, Syntax, Token};
use lakewright_tail::Record;
use serde_json::{Map, Value};

/// How many characters date and time have: `2026-03-01T10:00:00`.
const SECONDS: usize = 19;
/// How many bytes of a line are looked at for its time.
const BEGIN: usize = 64;

/// A record's body and its time.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The body, a JSON object.
    pub body: Bytes,
    /// Milliseconds since 1970.
    pub time_ms: Option<i64>,
}

/// The body of a record. A JSON object stays as it is; an entry of the journal gets its time as the named member; text
/// becomes the member `message` beside the time that it begins with, or else the one at which its file was made: a record's day
/// must not follow from when it was read.
pub fn of(record: &Record, time_field: &str) -> Found {
    let known = record.time.and_then(from_micros);
    let text = std::str::from_utf8(&record.bytes).ok();
    match (text.and_then(|text| object(text, time_field).ok()), known) {
        (Some(_), Some(time)) => with_time(&record.bytes, time_field, time),
        (Some(time), None) => {
            let time = time.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            Found { body: record.bytes.clone(), time_ms: time.map(|time| time.timestamp_millis()) }
        }
        (None, _) => wrapped(record, time_field, known),
    }
}

/// The text in the named member of an object, the last one of that name; an error where the text is no object.
fn object<'a>(text: &'a str, time_field: &str) -> Result<Option<&'a str>, Syntax> {
    let mut scanner = Scanner::new(text);
    let mut more = scanner.enter_object()?;
    let mut time = None;
    while more {
        let (name, _) = scanner.name()?;
        if name == time_field {
            time = match scanner.value()? {
                Token::Text { raw, .. } => Some(raw),
                _ => None,
            };
        } else {
            scanner.pass()?;
        }
        more = scanner.more(b'}')?;
    }
    scanner.end()?;
    Ok(time)
}

fn with_time(object: &[u8], time_field: &str, time: DateTime<Utc>) -> Found {
    let rest = object.trim_ascii_start().get(1..).unwrap_or_default();
    let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
    let begin = format!("{{{}:\"{}\"{comma}", Value::from(time_field), shown(time));
    Found { body: [begin.as_bytes(), rest].concat().into(), time_ms: Some(time.timestamp_millis()) }
}

fn wrapped(record: &Record, time_field: &str, known: Option<DateTime<Utc>>) -> Found {
    let time = known.or_else(|| leading(&record.bytes)).or_else(|| record.born.and_then(from_micros));
    let text = String::from_utf8_lossy(&record.bytes);
    let mut members = Map::new();
    if let Some(time) = time {
        members.insert(time_field.to_owned(), shown(time).into());
    }
    if std::str::from_utf8(&record.bytes).is_err() {
        members.insert("message_base64".to_owned(), STANDARD.encode(&record.bytes).into());
    }
    members.insert("message".to_owned(), text.into());
    let body = Value::Object(members).to_string().into_bytes();
    Found { body: body.into(), time_ms: time.map(|time| time.timestamp_millis()) }
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn from_micros(micros: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}

/// The time that a line begins with: `2026-03-01T10:00:00`, a space or a `T` between, with a fraction behind `.` or `,` and a zone or
/// without; without a zone it is taken for UTC.
fn leading(line: &[u8]) -> Option<DateTime<Utc>> {
    let line = &line[..line.len().min(BEGIN)];
    let line = std::str::from_utf8(line).or_else(|error| std::str::from_utf8(&line[..error.valid_up_to()])).ok()?;
    let line = line.strip_prefix('[').unwrap_or(line);
    let (seconds, rest) = line.split_at_checked(SECONDS)?;
    let form = if seconds.as_bytes()[10] == b' ' { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S" };
    let time = NaiveDateTime::parse_from_str(seconds, form).ok()?;
    let fraction = rest.strip_prefix(['.', ',']).unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let rest = if digits == 0 { rest } else { &fraction[digits..] };
    let nanoseconds: i64 = format!("{:0<9}", &fraction[..digits.min(9)]).parse().ok()?;
    let time = time + TimeDelta::nanoseconds(nanoseconds);
    let zone = rest.split([' ', ']', '\t']).next().unwrap_or_default();
    let utc = FixedOffset::east_opt(0)?;
    let offset = if matches!(zone, "" | "Z") { utc } else { zone.parse().unwrap_or(utc) };
    time.and_local_timezone(offset).single().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &[u8]) -> Record {
        Record {
            bytes: Bytes::copy_from_slice(text),
            stream: "file-a".into(),
            sequence: 0,
            next: 1,
            piece: None,
            time: None,
            born: Some(1_772_359_200_000_000),
            path: None,
        }
    }

    fn json(text: &[u8]) -> Value {
        let found = of(&record(text), "timestamp");
        serde_json::from_slice(&found.body).expect("JSON")
    }

    #[test]
    fn a_json_object_stays_as_it_is() {
        let text = br#" {"timestamp":"2026-03-01T10:00:00.5Z","n":1} "#;
        let found = of(&record(text), "timestamp");
        assert_eq!((&found.body[..], found.time_ms), (&text[..], Some(1_772_359_200_500)));
        // Without a time that can be read it has none: its index is that of the rejected.
        for text in [&br#"{"n":1}"#[..], br#"{"timestamp":7}"#, br#"{"timestamp":"yesterday"}"#, b"{}"] {
            let found = of(&record(text), "timestamp");
            assert_eq!((&found.body[..], found.time_ms), (text, None));
        }
        for text in [&br#"{"n":1} trailing"#[..], b"[1]", b"7", br#"{"n":"#] {
            assert_eq!(json(text)["message"], String::from_utf8_lossy(text).as_ref());
        }
    }

    #[test]
    fn text_gets_the_time_that_it_begins_with() {
        for (text, time) in [
            ("2026-03-01 10:00:00,250 INFO x", "2026-03-01T10:00:00.250Z"),
            ("[2026-03-01T11:00:00+01:00] x", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00.123456Z y", "2026-03-01T10:00:00.123456Z"),
            ("2026-03-01T10:00:00", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00. x", "2026-03-01T10:00:00Z"),
            ("no time", "2026-03-01T10:00:00Z"),
            ("2026-13-01 10:00:00 x", "2026-03-01T10:00:00Z"),
            ("2026-03-01 10:00:0\u{e9}", "2026-03-01T10:00:00Z"),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", "2026-03-01T10:00:00Z"),
        ] {
            let value = json(text.as_bytes());
            assert_eq!((value["timestamp"].as_str(), value["message"].as_str()), (Some(time), Some(text)));
        }
        let value = json(b"\xff x");
        assert_eq!((&value["message"], &value["message_base64"]), (&"\u{fffd} x".into(), &"/yB4".into()));
    }

    #[test]
    fn an_entry_of_the_journal_gets_its_own_time() {
        let mut entry = record(br#"{"MESSAGE":"x"}"#);
        entry.time = Some(1_772_359_200_000_000);
        let found = of(&entry, "timestamp");
        assert_eq!(&found.body[..], br#"{"timestamp":"2026-03-01T10:00:00Z","MESSAGE":"x"}"#);
        entry.bytes = Bytes::from_static(b"{}");
        assert_eq!(&of(&entry, "timestamp").body[..], br#"{"timestamp":"2026-03-01T10:00:00Z"}"#);
    }
}
