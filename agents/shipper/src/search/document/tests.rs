use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::source::testing::{event, stream};

const TODAY: i64 = 20_456; // 2026-01-03

fn settings() -> Settings {
    Settings {
        index: "actions".to_owned(),
        time_field: "event_time".to_owned(),
        days_back: 30,
        days_ahead: 1,
        by_source: false,
    }
}

/// Index, id and source of the document of a record, or why there is none. No member may stand twice in it.
fn made(settings: &Settings, body: &[u8]) -> Result<(String, String, Value), String> {
    let mut bulk = Bulk::default();
    settings.add(&event(&stream(), 41, body), (TODAY, true), &mut bulk)?;
    assert_eq!(bulk.ends, [bulk.text.len()]);
    let text = std::str::from_utf8(&bulk.text).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let action: Value = serde_json::from_str(lines[0]).expect("JSON");
    let mut scanner = Scanner::new(lines[1]);
    let mut names = BTreeSet::new();
    let mut more = scanner.enter_object().unwrap_or_else(|error| panic!("{error}: {text}"));
    while more {
        let (raw, escaped) = scanner.name().unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(names.insert(plain(raw, escaped).into_owned()), "`{raw}` stands twice: {text}");
        scanner.pass().unwrap_or_else(|error| panic!("{error}: {text}"));
        more = scanner.more(b'}').unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    let word = |name: &str| action["create"][name].as_str().expect("a text").to_owned();
    Ok((word("_index"), word("_id"), serde_json::from_str(lines[1]).expect("JSON")))
}

#[test]
fn the_index_is_of_the_records_own_day_in_utc() {
    let body = br#"{"event_time":"2026-01-01T00:30:00+01:00",
        "n":1}"#;
    let (index, id, source) = made(&settings(), body).expect("a document");
    assert_eq!((index.as_str(), id.as_str()), ("actions-2025.12.31", "t-3-41"));
    assert_eq!(source["@timestamp"], "2025-12-31T23:30:00.000Z");
    assert_eq!((&source["n"], &source["kafka_offset"], &source["kafka_partition"]), (&1.into(), &41.into(), &3.into()));
}

#[test]
fn what_is_no_document_has_a_reason() {
    for (body, part) in [
        (&b""[..], "the record is empty"),
        (b"{\"event_time\":", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b"{\"a\":1}", "has no `event_time`"),
        (b"{\"event_time\":5}", "is no text"),
        (b"{\"event_time\":\"yesterday\"}", "no RFC 3339"),
        (b"{\"event_time\":\"9999-12-31T23:59:59-14:00\"}", "its year is none of 1 to 9999"),
        (b"{\"event_time\":\"2026-01-01T00:00:00Z\"}}", "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (b"\0\0\0\0", "no JSON object"),
    ] {
        let reason = made(&settings(), body).expect_err("no document");
        assert!(reason.contains(part), "{reason}");
    }
    let mut without = event(&stream(), 41, b"");
    without.body = None;
    let reason = settings().add(&without, (TODAY, true), &mut Bulk::default()).expect_err("no document");
    assert_eq!(reason, "the record has no value");
}

#[test]
fn members_that_the_shipper_gives_replace_those_of_their_name() {
    let time = r#""event_time":"2026-01-02T10:00:00Z""#;
    let own = r#""@timestamp":"2020-01-01T00:00:00Z""#;
    for body in [
        format!("{{{time},{own}}}"),
        format!("{{{own},{time}}}"),
        format!("{{{own} , {time} , {own}\n}}"),
        format!("{{ \"kafka_offset\" : 7 ,{time},\"kafka_partition\":[1,{{\"a\":2}}],\"kafka_topic_id\":null}}"),
        format!("{{{time},{own},\"kafka_offset\":7,{own} }}"),
        format!("{{{time},\"\\u0040timestamp\":1}}"),
        format!("{{\"n\":1,{own},{time},{own},\"m\":2}}"),
    ] {
        let (index, _, source) = made(&settings(), body.as_bytes()).unwrap_or_else(|reason| panic!("{body}: {reason}"));
        assert_eq!(
            (index.as_str(), &source["@timestamp"]),
            ("actions-2026.01.02", &"2026-01-02T10:00:00.000Z".into()),
            "{body}"
        );
        assert_eq!((&source["kafka_offset"], &source["kafka_topic_id"]), (&41.into(), &"t".into()), "{body}");
        assert_eq!(source["event_time"], "2026-01-02T10:00:00Z", "{body}");
        if body.contains("\"n\"") {
            assert_eq!((&source["n"], &source["m"]), (&1.into(), &2.into()));
        }
    }
    // As everything that Beats and ECS encoders write.
    let ecs = Settings { time_field: "@timestamp".to_owned(), ..settings() };
    for body in
        [r#"{"@timestamp":"2026-01-02T10:00:00.5Z"}"#, r#"{"@timestamp":"2026-01-02T10:00:00.5Z","message":"m"}"#]
    {
        let (index, _, source) = made(&ecs, body.as_bytes()).expect("a document");
        assert_eq!((index.as_str(), &source["@timestamp"]), ("actions-2026.01.02", &"2026-01-02T10:00:00.500Z".into()));
    }
}

#[test]
fn a_wrong_clock_makes_no_index() {
    let mut indices = BTreeSet::new();
    for day in 0..40_000 {
        let date = chrono::NaiveDate::from_num_days_from_ce_opt(719_163 + day).expect("a day");
        let body = format!(r#"{{"event_time":"{date}T12:00:00Z"}}"#);
        let (index, _, source) = made(&settings(), body.as_bytes()).expect("a document");
        assert_eq!(source["@timestamp"], format!("{date}T12:00:00.000Z"));
        indices.insert(index);
    }
    assert_eq!(indices.len(), 30 + 1 + 1 + 1, "{indices:?}");
    assert!(indices.contains("actions-outside") && indices.contains("actions-2026.01.04"));
}

#[test]
fn a_dead_letter_holds_the_record_as_a_whole() {
    let long = format!("{{\"text\":\"{}\"}}", "ä\u{1}\"\\\n".repeat(20_000));
    for body in [long.as_bytes(), b"\xff\xfe", b"plain"] {
        let mut bulk = Bulk::default();
        settings().add_rejected(&event(&stream(), 41, body), "why", Some("mapper_parsing_exception"), &mut bulk);
        let text = std::str::from_utf8(&bulk.text).expect("text");
        let source: Value = serde_json::from_str(text.lines().nth(1).expect("two lines")).expect("JSON");
        assert_eq!((&source["reason"], &source["error_type"]), (&"why".into(), &"mapper_parsing_exception".into()));
        let kept = match source["payload"].as_str() {
            Some(payload) => payload.as_bytes().to_vec(),
            None => STANDARD.decode(source["payload_base64"].as_str().expect("Base64")).expect("Base64"),
        };
        assert_eq!(kept, body);
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn a_record_that_its_index_refuses_stands_there_whole() {
    let body = "{\"event_time\":\"2026-01-02T15:04:05Z\",\n\"kafka_offset\":{\"a\":1},\"n\":1}";
    let mut bulk = Bulk::default();
    settings()
        .add_flattened(&event(&stream(), 41, body.as_bytes()), TODAY, "n is \"odd\"", &mut bulk)
        .expect("a document");
    let text = String::from_utf8(bulk.text).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [action, source] = lines.as_slice() else { panic!("{text}") };
    assert_eq!(action["create"]["_index"], "actions-2026.01.02");
    assert_eq!(action["create"]["_id"], "t-3-41");
    assert_eq!(source["flattened"], serde_json::from_str::<Value>(body).expect("JSON"));
    assert_eq!((&source["flattened_reason"], &source["kafka_offset"]), (&"n is \"odd\"".into(), &41.into()));
    assert_eq!(source["@timestamp"], "2026-01-02T15:04:05.000Z");
}

#[test]
fn names_lose_their_dots_where_a_server_stumbles_over_them() {
    let made = |body: &str, dots: bool| -> Value {
        let mut bulk = Bulk::default();
        settings().add(&event(&stream(), 41, body.as_bytes()), (TODAY, dots), &mut bulk).expect("a document");
        serde_json::from_slice(bulk.text.split(|byte| *byte == b'\n').nth(1).expect("a line")).expect("JSON")
    };
    let body = r#"{"http.method":"GET","kafka_offset":"x","event_time":"2026-01-02T15:04:05Z","http.status":200}"#;
    let source = made(body, false);
    assert_eq!(source["http"], serde_json::json!({ "method": "GET", "status": 200 }));
    assert_eq!((&source["kafka_offset"], &source["event_time"]), (&41.into(), &"2026-01-02T15:04:05Z".into()));
    assert_eq!(made(body, true)["http.method"], "GET");
    // What can't be told apart stays, and the cluster judges it.
    assert_eq!(made(r#"{"a":1,"a.b":2,"event_time":"2026-01-02T15:04:05Z"}"#, false)["a.b"], 2);
}
