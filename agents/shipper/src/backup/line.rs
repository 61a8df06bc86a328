//! A line of the backup: the record with its place, its time, its key and its headers, so that it can be sent again as it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_formats::json::Scanner;

use crate::search::{place, string};
use crate::source::{Event, Fate};

/// Writes a record's line:
///
/// ```text
/// {"kafka_topic_id":"…","kafka_partition":3,"kafka_offset":41,"time_ms":…,"key":"…","headers":[["name","value"]],"record":{…}}
/// ```
///
/// In place of `record` stands `text` where the record is none that JSON could be put into a line as it is, `base64` where it is no
/// text, and `"tombstone":true` where it has no value. `key_base64` and a header's `{"base64":"…"}` are alike; a header without a value
/// has `null`. What a transform refused has the reason as `refused`.
pub fn write_line(event: &Event, line: &mut Vec<u8>) {
    line.push(b'{');
    place(event, line);
    if let Some(time) = event.time_ms {
        line.extend_from_slice(b",\"time_ms\":");
        line.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
    }
    if let Some(key) = &event.key {
        match std::str::from_utf8(key) {
            Ok(key) => {
                line.extend_from_slice(b",\"key\":");
                string(key, line);
            }
            Err(_) => {
                line.extend_from_slice(b",\"key_base64\":");
                base64(key, line);
            }
        }
    }
    if !event.headers.is_empty() {
        headers(event, line);
    }
    if let Fate::Refuse(reason) | Fate::Piece(reason) = &event.fate {
        line.extend_from_slice(b",\"refused\":");
        string(reason, line);
    }
    body(event.body.as_deref(), line);
    line.extend_from_slice(b"}\n");
}

fn headers(event: &Event, line: &mut Vec<u8>) {
    line.extend_from_slice(b",\"headers\":");
    for (number, header) in event.headers.iter().enumerate() {
        line.extend_from_slice(if number == 0 { b"[[" } else { b",[" });
        string(&header.name, line);
        line.push(b',');
        match header.value.as_deref().map(|value| std::str::from_utf8(value).map_err(|_| value)) {
            None => line.extend_from_slice(b"null"),
            Some(Ok(value)) => string(value, line),
            Some(Err(value)) => {
                line.extend_from_slice(b"{\"base64\":");
                base64(value, line);
                line.push(b'}');
            }
        }
        line.push(b']');
    }
    line.push(b']');
}

fn body(body: Option<&[u8]>, line: &mut Vec<u8>) {
    let Some(body) = body else {
        line.extend_from_slice(b",\"tombstone\":true");
        return;
    };
    match std::str::from_utf8(body) {
        Ok(text) if fits_a_line(text) => {
            line.extend_from_slice(b",\"record\":");
            line.extend_from_slice(body);
        }
        Ok(text) => {
            line.extend_from_slice(b",\"text\":");
            string(text, line);
        }
        Err(_) => {
            line.extend_from_slice(b",\"base64\":");
            base64(body, line);
        }
    }
}

/// Whether a text is JSON that can be put into a line and taken out again as it is.
fn fits_a_line(text: &str) -> bool {
    let is_bare = text.trim_ascii().len() == text.len() && memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none();
    let mut scanner = Scanner::new(text);
    is_bare && scanner.pass().and_then(|()| scanner.end()).is_ok()
}

fn base64(bytes: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    line.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::source::Header;
    use crate::source::testing::{event, stream};

    fn line(event: &Event) -> Value {
        let mut line = Vec::new();
        write_line(event, &mut line);
        assert!(line.ends_with(b"\n") && !line[..line.len() - 1].contains(&b'\n'));
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn a_line_holds_all_of_a_record() {
        let mut one = event(&stream(), 41, b"{\"n\":1}");
        one.key = Some(Bytes::from_static(b"k"));
        one.headers = vec![
            Header { name: "a".to_owned(), value: Some(Bytes::from_static(b"v")) },
            Header { name: "a".to_owned(), value: None },
            Header { name: "b".to_owned(), value: Some(Bytes::from_static(b"\xff")) },
        ];
        let expected = json!({
            "kafka_topic_id": "t", "kafka_partition": 3, "kafka_offset": 41, "time_ms": 1_764_500_000_041_i64,
            "key": "k", "headers": [["a", "v"], ["a", null], ["b", {"base64": "/w=="}]], "record": {"n": 1},
        });
        assert_eq!(line(&one), expected);
        one.body = None;
        one.headers.clear();
        one.key = Some(Bytes::from_static(b"\xff"));
        let gone = line(&one);
        assert_eq!((&gone["tombstone"], &gone["key_base64"], gone.get("record")), (&json!(true), &json!("/w=="), None));
    }

    #[test]
    fn what_json_would_not_give_back_as_it_was_stands_as_text() {
        for text in ["", " {}", "{\n}", "{}\r", "plain", "{\"a\":1}}", "\0\0", "{\"a\":1,\"a\":2} "] {
            assert_eq!(line(&event(&stream(), 1, text.as_bytes()))["text"], text, "{text}");
        }
        for json in ["{}", "{ \"a\" : [1.50] }", "null", "5", "\"x\""] {
            let mut written = Vec::new();
            write_line(&event(&stream(), 1, json.as_bytes()), &mut written);
            let written = String::from_utf8(written).expect("text");
            assert!(written.ends_with(&format!(",\"record\":{json}}}\n")), "{written}");
        }
        assert_eq!(line(&event(&stream(), 1, b"\xff\xfe"))["base64"], "//4=");
    }
}
