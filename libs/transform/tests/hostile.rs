//! Records that lie: no panic, the same outcome each time, JSON that others can read, and no more of it than there may be.

use std::sync::LazyLock;

use chrono::DateTime;
use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_transform::{Condition, Event, Outcome, Place, Transforms};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

/// A list that does everything, one parser after the other.
fn everything() -> Vec<Transform> {
    let parsers = [
        json!({"type": "parse_json"}),
        json!({"type": "parse_json", "field": "inner", "into": "deep.inner"}),
        json!({"type": "parse_logfmt"}),
        json!({"type": "parse_regex", "pattern": "(?s)^(?<first>\\S+)\\s+(?<message>.*)$"}),
        json!({"type": "parse_log", "format": "access"}),
        json!({"type": "parse_log", "format": "syslog", "timezone": "America/New_York"}),
        json!({"type": "parse_log", "format": "nginx_error"}),
        json!({"type": "parse_log", "format": "java"}),
        json!({"type": "parse_log", "format": "python"}),
        json!({"type": "parse_log", "format": "go"}),
        json!({"type": "parse_log", "format": "klog"}),
    ];
    let others = [
        json!({"type": "rename", "fields": {"a": "b.c", "b": "a", "first": "d.0.x"}}),
        json!({"type": "types", "fields": {"n": "int", "f": "float", "t": "text", "o": "bool", "ip": "ip", "l": "int"}}),
        json!({"type": "geo_point", "latitude": "lat", "longitude": "lon"}),
        json!({"type": "geo_point", "field": "l", "into": "point"}),
        json!({"type": "timestamp", "field": "time", "formats": ["rfc3339", "iso", "epoch_s", "epoch_ns", "http", "syslog", "rfc2822", "%d/%m/%y %T"], "timezone": "Asia/Tehran"}),
        json!({"type": "user_agent"}),
        json!({"type": "user_agent", "field": "message", "into": "deep.agent"}),
        json!({"type": "analyze_text", "field": "message", "names": {"kind": ["a", "é"]}}),
        json!({"type": "analyze_text", "field": "t", "into": "deep.text", "keyphrases": 20}),
        json!({"type": "mask", "what": ["email", "card", "token"], "patterns": ["x(?<secret>[0-9]+)?", "[^ ]*é"]}),
        json!({"type": "mask", "what": ["email", "card", "token"], "by": "last4"}),
        json!({"type": "remove", "fields": ["z", "l.0", "deep.inner.a"]}),
        json!({"type": "sample", "keep": 0.9, "by": "a"}),
        json!({"type": "route", "to": "r", "when": "a exists and not (n > 3 or l in [1, \"x\"]) or message matches /a+$/"}),
    ];
    parsers.into_iter().chain(others).map(|one| serde_json::from_value(one).expect("a transform")).collect()
}

static EVERYTHING: LazyLock<Transforms> = LazyLock::new(|| Transforms::new(&everything()).expect("sound"));

/// Each parser alone.
static PARSERS: LazyLock<Vec<Transforms>> = LazyLock::new(|| {
    everything()[..11].iter().map(|one| Transforms::new(std::slice::from_ref(one)).expect("sound")).collect()
});

fn applied(transforms: &Transforms, record: &[u8]) -> (Outcome, Vec<u8>, Option<String>, Option<i64>) {
    let mut event = Event::new(record, Place { stream: "s", sequence: 3 }, DateTime::UNIX_EPOCH);
    let outcome = transforms.apply(&mut event);
    let mut out = Vec::new();
    event.write(&mut out);
    (outcome, out, event.route().map(ToOwned::to_owned), event.time().map(|time| time.timestamp_micros()))
}

/// What holds of every record.
fn holds(transforms: &Transforms, record: &[u8]) -> Result<(), TestCaseError> {
    let first = applied(transforms, record);
    prop_assert_eq!(&first, &applied(transforms, record));
    let (_, out, ..) = first;
    prop_assert!(!out.contains(&b'\n'));
    let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&out);
    prop_assert!(read.is_ok(), "{}", String::from_utf8_lossy(&out));
    // Six bytes for a control character, three for a byte that is no UTF-8; reasons and what parsers add beside it.
    prop_assert!(out.len() <= 12 * record.len() + 16 * 512 + 1_024, "{} of {}", out.len(), record.len());
    Ok(())
}

/// Texts that are nearly what parsers read.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\u",
        "d800",
        ":",
        ",",
        "=",
        " ",
        "a",
        "b",
        "\"a\":",
        "\"time\":",
        "\"l\":",
        "\"lat\":91,",
        "n=",
        "1",
        "-",
        ".",
        "e9",
        "null",
        "true",
        "<34>",
        "1 ",
        "Jan  1 00:00:01",
        "2026-01-02",
        "T15:04:05",
        ",5",
        "Z",
        "+01:00",
        "[10/Oct/2000:13:55:36 -0700]",
        "GET / HTTP/1.1",
        "200",
        "E0102 15:04:05.1",
        "x.go:1]",
        "ERROR",
        "INFO",
        "--- [",
        "#",
        "(",
        "a@b.de",
        "%40",
        "4111 1111 1111 1111",
        "eyJhbGciOiJIUzI1NiJ9.e.x",
        "Bearer ",
        "AKIAIOSFODNN7EXAMPLE",
        "é",
        "\u{1f600}",
        "\0",
        "\n",
        "\r",
        "\t",
        "\u{feff}",
        "Mozilla/5.0 (",
        "MSIE 7",
        "; Windows NT 5",
        "(iPhone; CPU",
        "Chrome/1",
        "DoCoMo/2",
    ]);
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Objects with the members that transforms look for, and any values.
fn objects() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        any::<String>().prop_map(|value| json!(value)),
        nearly().prop_map(|value| json!(value)),
    ];
    let value = leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            vec((any::<String>(), inner), 0..5).prop_map(|members| members.into_iter().collect::<serde_json::Value>()),
        ]
    });
    let name = prop::sample::select(vec![
        "a",
        "b",
        "n",
        "f",
        "t",
        "o",
        "ip",
        "l",
        "lat",
        "lon",
        "time",
        "user_agent",
        "message",
        "inner",
        "z",
        "deep",
        "d",
        "transform_errors",
        "location",
        "point",
    ]);
    vec((name, value), 0..12).prop_map(|members| {
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<serde_json::Value>().to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(record in vec(any::<u8>(), 0..300)) {
        holds(&EVERYTHING, &record)?;
    }

    #[test]
    fn any_text(record in any::<String>()) {
        holds(&EVERYTHING, record.as_bytes())?;
    }

    #[test]
    fn what_is_nearly_a_line(record in nearly()) {
        holds(&EVERYTHING, record.as_bytes())?;
        for parser in PARSERS.iter() {
            holds(parser, record.as_bytes())?;
        }
    }

    #[test]
    fn any_object(record in objects()) {
        holds(&EVERYTHING, record.as_bytes())?;
    }

    #[test]
    fn what_is_masked_holds_nothing_to_mask(record in objects()) {
        let list = [json!({"type": "parse_json"}), json!({"type": "mask", "what": ["email", "card", "token"]})];
        let list: Vec<Transform> = list.into_iter().map(|one| serde_json::from_value(one).expect("a transform")).collect();
        let transforms = Transforms::new(&list).expect("sound");
        let (_, once, ..) = applied(&transforms, record.as_bytes());
        let (_, twice, ..) = applied(&transforms, &once);
        prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }

    #[test]
    fn typed_and_timed_once_is_typed_and_timed(record in objects()) {
        let list = [
            json!({"type": "parse_json"}),
            json!({"type": "types", "fields": {"n": "int", "f": "float", "t": "text", "o": "bool", "ip": "ip", "a": "float", "b": "text"}}),
            json!({"type": "timestamp", "field": "time", "formats": ["rfc3339", "epoch_s", "iso"]}),
            json!({"type": "remove", "fields": ["transform_errors"]}),
        ];
        let list: Vec<Transform> = list.into_iter().map(|one| serde_json::from_value(one).expect("a transform")).collect();
        let transforms = Transforms::new(&list).expect("sound");
        let (_, once, ..) = applied(&transforms, record.as_bytes());
        let (_, twice, ..) = applied(&transforms, &once);
        prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }

    #[test]
    fn conditions_of_any_text(text in any::<String>(), near in vec(prop::sample::select(vec!["a", "==", "!=", "not", "and", "or", "(", ")", "[", "]", "in", "\"", "\\", "'", "/", "matches", "exists", "<", ">=", "=", "1", "-", ".", ",", "é", "!"]), 0..20)) {
        for text in [text, near.join(" "), near.concat()] {
            if let Err(mistake) = Condition::parse(&text) {
                let at = mistake.at.expect("a place");
                prop_assert!(at.start <= at.end && at.end <= text.len() && text.is_char_boundary(at.start) && text.is_char_boundary(at.end));
            }
        }
    }
}

#[test]
fn large_records_take_no_more_than_a_few_times_their_size() {
    let size = 2 << 20;
    let filled = |piece: &str| piece.repeat(size / piece.len());
    for record in [
        filled("a"),
        filled("\u{0}"),
        filled("a=1 "),
        filled("@"),
        filled("a@b.de "),
        filled("a@"),
        filled("%40"),
        filled("4"),
        filled("4 "),
        filled("4111 "),
        filled("eyJ"),
        filled("eyJ-"),
        filled("sk_live_"),
        filled("Bearer "),
        filled("["),
        filled("{\"a\":"),
        format!("{{\"a\":{}1{}}}", filled("["), filled("]")),
        format!("{{{}\"z\":1}}", filled("\"a\":1,")),
        format!("{{{}\"z\":1}}", (0..200_000).map(|n| format!("\"{n}\":1,")).collect::<String>()),
        format!("{{\"l\":[{}1]}}", filled("1,")),
        format!("{{\"message\":\"{}\"}}", filled("\\\\")),
        format!("{{\"message\":\"{}\"}}", filled("\\ud800")),
        format!("{{\"user_agent\":\"{}\"}}", filled("Mozilla/5.0 (")),
        format!("<34>1 - - - - - {}", filled("[a b=\"c\"]")),
        format!("<34>1 - - - - - [a {}", filled("b=\"\\\\\" ")),
    ] {
        let (_, out, ..) = applied(&EVERYTHING, record.as_bytes());
        assert!(out.len() <= 6 * record.len() + (64 << 10), "{} of {}", out.len(), record.len());
        assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&out).is_ok());
    }
}
