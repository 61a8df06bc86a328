//! Log formats that a regular expression reads: nginx's errors, Java, Python, Go, klog.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use lakewright_config::agents::shipper::transforms::LogFormat;
use regex::{Captures, Regex};

use super::{Line, Parsed, Parser};
use crate::mistake::Mistake;
use crate::pattern;
use crate::time::{Scan, Zone, nearest_year};

/// A date and a clock, as most of them write it.
const STAMP: &str = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?";
const LEVEL: &str = r"TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|SEVERE|OFF";

/// Reads lines of one format.
#[derive(Debug)]
pub struct Lines {
    format: LogFormat,
    /// Tried in this order.
    patterns: Vec<Regex>,
    zone: Zone,
}

impl Lines {
    pub fn new(format: LogFormat, zone: Zone) -> Result<Self, Mistake> {
        let patterns = patterns(format).into_iter().map(|pattern| pattern::compile("format", &pattern));
        Ok(Self { format, patterns: patterns.collect::<Result<_, _>>()?, zone })
    }

    /// The time of a line: of klog without a year, of all others in full.
    fn time(&self, found: &Captures<'_>, arrived: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let text = found.name("time")?.as_str();
        let mut scan = Scan::new(text);
        if self.format != LogFormat::Klog {
            return scan.iso(self.zone);
        }
        let (month, day) = (scan.digits(2, 2)?, scan.digits(2, 2)?);
        scan.space()?;
        let clock = scan.clock()?;
        nearest_year(arrived, self.zone, |year| {
            Some(NaiveDateTime::new(NaiveDate::from_ymd_opt(year, month, day)?, clock))
        })
        .filter(|time| time.year() > 0)
    }
}

/// The expressions of a format. `(?s)` lets a message go on over lines, as stack traces do.
fn patterns(format: LogFormat) -> Vec<String> {
    match format {
        LogFormat::NginxError => vec![format!(
            r"(?s)^(?<time>{STAMP}) \[(?<level>[a-z]+)\] (?<pid>\d+)#(?<tid>\d+): (?:\*(?<connection>\d+) )?(?<message>.*)$"
        )],
        LogFormat::Java => vec![
            // Spring Boot.
            format!(r"(?s)^(?<time>{STAMP})\s+(?<level>{LEVEL})\s+(?<pid>\d+) --- (?:\[[^\]]*\] )?\[\s*(?<thread>[^\]]*)\]\s+(?<logger>\S+)\s*: (?<message>.*)$"),
            format!(r"(?s)^(?<time>{STAMP})\s+\[(?<thread>[^\]]*)\]\s+(?<level>{LEVEL})\s+(?<logger>\S+) +[-:] (?<message>.*)$"),
            format!(r"(?s)^(?<time>{STAMP})\s+(?<level>{LEVEL})\s+\[(?<thread>[^\]]*)\]\s+(?<logger>\S+?):? +(?:[-:] )?(?<message>.*)$"),
            format!(r"(?s)^(?<time>{STAMP})\s+\[?(?<level>{LEVEL})\]?\s+(?<logger>[\w.$-]+)(?: -|:) (?<message>.*)$"),
        ],
        LogFormat::Python => vec![
            format!(r"(?s)^(?<time>{STAMP}) - (?<logger>\S+) - (?<level>{LEVEL}) - (?<message>.*)$"),
            format!(r"(?s)^(?<level>{LEVEL}):(?<logger>[^:]+):(?<message>.*)$"),
            format!(r"(?s)^(?<time>{STAMP}) (?<level>{LEVEL})\s+(?<message>.*)$"),
        ],
        LogFormat::Go => {
            vec![format!(r"(?s)^(?<time>{STAMP}) (?:(?<file>[^\s:]+\.go):(?<line>\d+): )?(?<message>.*)$")]
        }
        LogFormat::Klog | LogFormat::Access | LogFormat::Syslog => vec![
            r"(?s)^(?<level>[IWEF])(?<time>\d{4} \d\d:\d\d:\d\d\.\d+) +(?<thread>\d+) (?<file>[^\s:]+):(?<line>\d+)\] (?<message>.*)$"
                .to_owned(),
        ],
    }
}

impl Parser for Lines {
    fn parse<'t>(&self, text: &'t str, arrived: DateTime<Utc>) -> Result<Parsed<'t>, String> {
        pattern::fits(text)?;
        let text = text.trim_end_matches(['\r', '\n']);
        let found = self.patterns.iter().find_map(|pattern| pattern.captures(text));
        let found = found.ok_or("it is no line of this format")?;
        let time = self.time(&found, arrived);
        if time.is_none() && found.name("time").is_some() {
            return Err("its time doesn't exist".to_owned());
        }
        let mut line = Line::default();
        if let Some(time) = time {
            line.time(time);
        }
        let part = |name: &str| found.name(name).map(|part| part.as_str());
        if let Some(level) = part("level") {
            line.text("level", level_of(level));
        }
        for name in ["thread", "logger", "file"] {
            if let Some(text) = part(name) {
                line.text(name, text);
            }
        }
        for name in ["pid", "tid", "connection", "line"] {
            if let Some(number) = part(name) {
                line.number(name, number);
            }
        }
        let message = part("message").unwrap_or_default();
        let message = if self.format == LogFormat::NginxError { request_of(message, &mut line) } else { message };
        line.message(message);
        Ok(line.finish(time))
    }
}

/// A level in one spelling: lower case, `warning`, whole words for klog's letters.
fn level_of(text: &str) -> Cow<'_, str> {
    match text {
        "I" => Cow::Borrowed("info"),
        "W" | "WARN" => Cow::Borrowed("warning"),
        "E" => Cow::Borrowed("error"),
        "F" => Cow::Borrowed("fatal"),
        other => Cow::Owned(other.to_ascii_lowercase()),
    }
}

/// What nginx says of the request behind its message, `, client: 1.2.3.4, server: x, request: "GET / HTTP/1.1"`.
fn request_of<'t>(message: &'t str, line: &mut Line<'t>) -> &'t str {
    let Some((message, rest)) = message.split_once(", client: ") else { return message };
    let (mut name, mut rest) = ("client", rest);
    loop {
        let (value, after) = if let Some(quoted) = rest.strip_prefix('"') {
            // A quote within stands as it is: the last one before the next name counts.
            let end = quoted.find("\", ").unwrap_or(quoted.len() - usize::from(quoted.ends_with('"')));
            (&quoted[..end], quoted.get(end + 1..).unwrap_or_default())
        } else {
            let end = rest.find(", ").unwrap_or(rest.len());
            (&rest[..end], &rest[end..])
        };
        line.text(name, value);
        let next = after.strip_prefix(", ").and_then(|after| after.split_once(": "));
        let names = ["server", "request", "subrequest", "upstream", "host", "referrer"];
        let Some((known, after)) =
            next.and_then(|(next, after)| names.iter().find(|name| **name == next).map(|name| (*name, after)))
        else {
            return message;
        };
        (name, rest) = (known, after);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(format: LogFormat, text: &str) -> Result<Json, String> {
        let near = "2026-01-01T00:00:05Z".parse().expect("a time");
        let zone = Zone::parse(Some("Europe/Stockholm")).expect("a zone");
        let parsed = Lines::new(format, zone).expect("a format").parse(text, near)?;
        Ok(serde_json::from_slice(&parsed.members.to_json()).expect("JSON"))
    }

    #[test]
    fn lines_of_each_format() {
        use LogFormat::{Go, Java, Klog, NginxError, Python};
        for (format, text, members) in [
            (
                NginxError,
                r#"2026/01/02 15:04:05 [error] 1234#5678: *9 open() "/x" failed (2: No such file or directory), client: 1.2.3.4, server: shop, request: "GET /x?a="b" HTTP/1.1", host: "shop.example.com""#,
                json!({"time": "2026-01-02T14:04:05Z", "level": "error", "pid": 1234, "tid": 5678, "connection": 9, "client": "1.2.3.4",
                    "server": "shop", "request": "GET /x?a=\"b\" HTTP/1.1", "host": "shop.example.com",
                    "message": "open() \"/x\" failed (2: No such file or directory)"}),
            ),
            (
                NginxError,
                "2026/01/02 15:04:05 [notice] 1#1: start worker processes",
                json!({"time": "2026-01-02T14:04:05Z", "level": "notice", "pid": 1, "tid": 1, "message": "start worker processes"}),
            ),
            (
                Java,
                "2026-01-02 15:04:05,123 ERROR [main] shop.Till - payment failed\njava.lang.IllegalStateException: x\n\tat shop.Till.pay(Till.java:77)",
                json!({"time": "2026-01-02T14:04:05.123Z", "level": "error", "thread": "main", "logger": "shop.Till",
                    "message": "payment failed\njava.lang.IllegalStateException: x\n\tat shop.Till.pay(Till.java:77)"}),
            ),
            (
                Java,
                "2026-01-02T15:04:05.123+01:00  INFO 4711 --- [shop] [           main] shop.App      : Started",
                json!({"time": "2026-01-02T14:04:05.123Z", "level": "info", "thread": "main", "logger": "shop.App", "pid": 4711,
                    "message": "Started"}),
            ),
            (
                Java,
                "2026-01-02 15:04:05.123 [http-nio-1] WARN  s.w.Handler - slow",
                json!({"time": "2026-01-02T14:04:05.123Z", "level": "warning", "thread": "http-nio-1", "logger": "s.w.Handler", "message": "slow"}),
            ),
            (
                Python,
                "2026-01-02 15:04:05,123 - shop.cart - WARNING - empty: yes - no",
                json!({"time": "2026-01-02T14:04:05.123Z", "level": "warning", "logger": "shop.cart", "message": "empty: yes - no"}),
            ),
            (Python, "ERROR:root:it broke", json!({"level": "error", "logger": "root", "message": "it broke"})),
            (
                Go,
                "2026/01/02 15:04:05.000001 main.go:23: listening",
                json!({"time": "2026-01-02T14:04:05.000001Z", "file": "main.go", "line": 23, "message": "listening"}),
            ),
            (Go, "2026/01/02 15:04:05 plain", json!({"time": "2026-01-02T14:04:05Z", "message": "plain"})),
            (
                Klog,
                "E1231 23:59:59.000123    4711 controller.go:114] sync failed: x",
                json!({"time": "2025-12-31T22:59:59.000123Z", "level": "error", "thread": "4711", "file": "controller.go", "line": 114,
                    "message": "sync failed: x"}),
            ),
        ] {
            assert_eq!(read(format, text), Ok(members), "{text}");
        }
    }

    #[test]
    fn what_is_no_line_of_a_format() {
        for format in [LogFormat::NginxError, LogFormat::Java, LogFormat::Python, LogFormat::Go, LogFormat::Klog] {
            for text in ["", "\tat shop.Till.pay(Till.java:77)", "\0\0\0", "2026-01-02"] {
                assert_eq!(read(format, text), Err("it is no line of this format".to_owned()), "{text}");
            }
        }
        assert_eq!(read(LogFormat::Go, "2026/13/02 15:04:05 x"), Err("its time doesn't exist".to_owned()));
    }
}
