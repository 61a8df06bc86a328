//! How fast transforms are applied, of one kind of record after the other, on one thread:
//! `cargo run -p lakewright-transform --example apply [SECONDS]`. Prints megabytes of records by each second that the thread
//! ran.

use std::hint::black_box;
use std::io::Write as _;

use chrono::DateTime;
use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_transform::{Event, Outcome, Place, Transforms};
use serde_json::{Value, json};

/// A user action as the shop's producer writes it, with something to hide now and then.
fn action(number: u64) -> String {
    let mail = if number.is_multiple_of(10) { "ann@example.com wants lipstick" } else { "lipstick and more" };
    format!(
        "{{\"event_id\":\"7f1c{number:08x}-1b2c-4d5e-8f90-a1b2c3d4e5f6\",\"event_time\":\"2026-03-01T12:{:02}:{:02}.{:03}Z\",\
         \"event_type\":\"search\",\"user_id\":{number},\"session_id\":\"s-{number:x}\",\"ip\":\"203.0.113.{}\",\
         \"user_agent\":\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36\",\
         \"location\":[\"59.33\",\"18.06\",\"Stockholm\",\"SE\",\"Europe/Stockholm\"],\"session_duration\":{},\"page_views\":{},\
         \"search_keywords\":\"{mail}\",\"details\":{{\"results\":17,\"filters\":[\"brand\",\"price\"],\"took_ms\":12.5}}}}",
        number / 60 % 60,
        number % 60,
        number % 1000,
        number % 250,
        100 + number % 20,
        number % 3000,
        number % 40
    )
}

/// A line of the shop's application log.
fn line(number: u64) -> String {
    format!(
        "2026-03-01T12:{:02}:{:02}.{:03}Z INFO  method=GET path=/product/{number} status=200 duration_ms=12.5 user={number} \
         ip=203.0.113.{} agent=\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0\" request_id=7f1c{number:08x}",
        number / 60 % 60,
        number % 60,
        number % 1000,
        number % 250
    )
}

fn access(number: u64) -> String {
    format!(
        "203.0.113.{} - - [01/Mar/2026:12:{:02}:{:02} +0000] \"GET /product/{number}?from=search HTTP/1.1\" 200 {} \
         \"https://shop.example.com/search?q=lipstick\" \"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 Safari/537.36\"",
        number % 250,
        number / 60 % 60,
        number % 60,
        number * 7 % 90_000
    )
}

fn transforms(list: &Value) -> Transforms {
    let list: Vec<Transform> = serde_json::from_value(list.clone()).expect("transforms");
    Transforms::new(&list).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// How long this thread has run, in seconds: what others take of the processors has no part in it.
fn ran() -> std::io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanoseconds.map(|number| number / 1e9).ok_or_else(|| std::io::Error::other("no schedstat"))
}

fn main() -> std::io::Result<()> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let parse = json!({"type": "parse_json"});
    let rename = json!({"type": "rename", "fields": {"event_type": "action", "ip": "client.ip"}});
    let mask = json!({"type": "mask", "what": ["email", "card", "token"]});
    let timestamp = json!({"type": "timestamp", "field": "event_time", "into": "@timestamp"});
    let cases: [(&str, fn(u64) -> String, Value); 9] = [
        ("JSON: parse", action, json!([parse])),
        ("JSON: parse, rename", action, json!([parse, rename])),
        ("JSON: parse, rename, timestamp", action, json!([parse, rename, timestamp])),
        ("JSON: parse, mask", action, json!([parse, mask])),
        ("JSON: parse, rename, mask, timestamp", action, json!([parse, rename, mask, timestamp])),
        (
            "JSON: the same, geo_point, user_agent, a condition",
            action,
            json!([parse, rename, mask, timestamp, {"type": "geo_point", "field": "location"}, {"type": "user_agent"},
                {"type": "drop", "when": "action == \"none\" or user_id < 0"}]),
        ),
        (
            "logfmt behind time and level: regex, logfmt, timestamp",
            line,
            json!([{"type": "parse_regex", "pattern": "^(?<time>\\S+) (?<level>[A-Z]+) +(?<rest>.*)$"},
                {"type": "parse_logfmt", "field": "rest"}, {"type": "timestamp", "field": "time"}]),
        ),
        ("access log", access, json!([{"type": "parse_log", "format": "access"}])),
        ("access log, mask", access, json!([{"type": "parse_log", "format": "access"}, mask])),
    ];
    for (name, record, list) in cases {
        let transforms = transforms(&list);
        let records: Vec<String> = (0..20_000).map(record).collect();
        let (mut bytes, mut written, mut out) = (0, 0, Vec::new());
        let began = ran()?;
        while ran()? - began < seconds {
            for (sequence, record) in records.iter().enumerate() {
                let place = Place { stream: "topic-0", sequence: sequence as u64 };
                let mut event = Event::new(record.as_bytes(), place, DateTime::UNIX_EPOCH);
                assert_eq!(black_box(transforms.apply(&mut event)), Outcome::Keep);
                assert!(event.failures().is_empty());
                out.clear();
                event.write(&mut out);
                bytes += record.len();
                written += out.len();
            }
        }
        let each = bytes as f64 / (ran()? - began) / 1e6;
        writeln!(
            std::io::stdout(),
            "{each:7.0} MB a CPU second  {name} ({} bytes in, {} out)",
            records[0].len(),
            written * records[0].len() / bytes
        )?;
    }
    Ok(())
}
