//! From a record to a search document: id, index and source, all from the record alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::value::RawValue;

/// The longest piece of a rejected record that its document shows, in bytes.
const SHOWN: usize = 8 * 1024;

/// A record's place in Kafka.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The topic's id, hyphenated.
    pub topic_id: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// A document as it goes to the search cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its index.
    pub index: String,
    /// Its id.
    pub id: String,
    /// One line of JSON.
    pub source: Vec<u8>,
    /// Whether it stands for a record that is no document.
    pub rejected: bool,
}

/// The document of a record: in `INDEX-YYYY.MM.DD` by its own time, or in `INDEX-rejected` with the reason.
pub fn document(index: &str, time_field: &str, place: Place<'_>, payload: &[u8]) -> Document {
    match day_and_time(time_field, payload) {
        Ok((day, time)) => {
            let mut source = Vec::with_capacity(payload.len() + 192);
            let end = payload.iter().rposition(|byte| *byte == b'}').unwrap_or(0);
            // A line break within the object is white space to JSON and an end to the bulk format.
            source
                .extend(payload[..end].iter().map(|byte| if *byte == b'\n' || *byte == b'\r' { b' ' } else { *byte }));
            let separator = if payload[..end].trim_ascii() == b"{" { "" } else { "," };
            // Writing to a vector can't fail.
            let _ = write!(source, "{separator}\"@timestamp\":\"{time}\",{}}}", identity(place));
            Document { index: format!("{index}-{day}"), id: id(place), source, rejected: false }
        }
        Err(reason) => rejected(index, place, &reason, payload),
    }
}

/// The document that stands for a record which is none, or which the cluster refused.
pub fn rejected(index: &str, place: Place<'_>, reason: &str, payload: &[u8]) -> Document {
    let shown = String::from_utf8_lossy(&payload[..payload.len().min(SHOWN)]);
    let source = format!(
        "{{\"reason\":{},\"payload\":{},{}}}",
        serde_json::Value::from(reason),
        serde_json::Value::from(shown),
        identity(place)
    );
    Document { index: format!("{index}-rejected"), id: id(place), source: source.into_bytes(), rejected: true }
}

/// A line of the backup: the record with its place; what is no JSON object stands in Base64.
pub fn backup_line(place: Place<'_>, payload: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(payload.len() + 160);
    // Writing to a vector can't fail.
    let _ = write!(line, "{{{},", identity(place));
    if serde_json::from_slice::<&RawValue>(payload).is_ok() {
        line.extend_from_slice(b"\"record\":");
        line.extend(payload.iter().map(|byte| if *byte == b'\n' || *byte == b'\r' { b' ' } else { *byte }));
    } else {
        use base64::Engine as _;
        let _ = write!(line, "\"base64\":\"{}\"", base64::engine::general_purpose::STANDARD.encode(payload));
    }
    line.extend_from_slice(b"}\n");
    line
}

fn id(place: Place<'_>) -> String {
    format!("{}-{}-{}", place.topic_id, place.partition, place.offset)
}

fn identity(place: Place<'_>) -> String {
    format!(
        "\"kafka_topic_id\":\"{}\",\"kafka_partition\":{},\"kafka_offset\":{}",
        place.topic_id, place.partition, place.offset
    )
}

/// The day in UTC, `YYYY.MM.DD`, and the time in UTC of a record; or why it has none.
fn day_and_time(time_field: &str, payload: &[u8]) -> Result<(String, String), String> {
    if payload.is_empty() {
        return Err("the record is empty".to_owned());
    }
    let fields: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(payload).map_err(|error| format!("the record is no JSON object: {error}"))?;
    let raw = fields.get(time_field).ok_or_else(|| format!("the record has no `{time_field}`"))?;
    let text: Cow<'_, str> =
        serde_json::from_str(raw.get()).map_err(|_| format!("`{time_field}` is no text: {}", raw.get()))?;
    let time = chrono::DateTime::parse_from_rfc3339(&text)
        .map_err(|error| format!("`{time_field}` is no RFC 3339 time: `{text}`: {error}"))?
        .to_utc();
    Ok((time.format("%Y.%m.%d").to_string(), time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const PLACE: Place<'static> = Place { topic_id: "t", partition: 3, offset: 41 };

    #[test]
    fn the_index_is_of_the_records_own_day_in_utc() {
        let payload = br#"{"event_time":"2026-01-01T00:30:00+01:00",
            "n":1}"#;
        let made = document("actions", "event_time", PLACE, payload);
        assert_eq!((made.index.as_str(), made.id.as_str(), made.rejected), ("actions-2025.12.31", "t-3-41", false));
        assert!(!made.source.contains(&b'\n'));
        let source: Value = serde_json::from_slice(&made.source).expect("JSON");
        assert_eq!(source["@timestamp"], "2025-12-31T23:30:00.000Z");
        assert_eq!((&source["n"], &source["kafka_offset"]), (&1.into(), &41.into()));
    }

    #[test]
    fn what_is_no_document_is_kept_with_its_reason() {
        for (payload, part) in [
            (&b""[..], "empty"),
            (b"{\"event_time\":", "no JSON object"),
            (b"[1]", "no JSON object"),
            (b"{\"a\":1}", "has no `event_time`"),
            (b"{\"event_time\":5}", "is no text"),
            (b"{\"event_time\":\"yesterday\"}", "no RFC 3339"),
            (b"\xff\xfe", "no JSON object"),
        ] {
            let made = document("actions", "event_time", PLACE, payload);
            let source: Value = serde_json::from_slice(&made.source).expect("JSON");
            assert!(made.rejected && made.index == "actions-rejected" && made.id == "t-3-41");
            assert!(source["reason"].as_str().expect("a reason").contains(part), "{source}");
            let line: Value = serde_json::from_slice(&backup_line(PLACE, payload)).expect("JSON");
            assert!(line.get("record").is_some() || line.get("base64").is_some(), "{line}");
        }
    }
}
