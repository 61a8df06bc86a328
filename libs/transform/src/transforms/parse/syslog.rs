//! Syslog: RFC 5424 and RFC 3164.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::quotes::{until_quote, without_escapes};
use super::{Line, Parsed, Parser};
use crate::pattern;
use crate::time::{Scan, Zone};
use crate::value::{Object, Value};

/// The most elements and parameters of structured data.
const MAX_DATA: usize = 1_000;

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const SEVERITIES: [&str; 8] = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// Reads messages of syslog; those that begin with a version are of RFC 5424.
#[derive(Debug)]
pub struct Syslog {
    pub zone: Zone,
}

impl Parser for Syslog {
    fn parse<'t>(&self, text: &'t str, arrived: DateTime<Utc>) -> Result<Parsed<'t>, String> {
        pattern::fits(text)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches(['\r', '\n', '\0']);
        let (mut line, mut scan) = (Line::default(), Scan::new(text));
        if scan.takes("<").is_some() {
            let number =
                scan.digits(1, 3).filter(|number| *number < 192).ok_or("its priority is no number below 192")?;
            scan.takes(">").ok_or("its priority isn't closed by `>`")?;
            line.text("facility", FACILITIES[number as usize / 8]);
            line.text("severity", SEVERITIES[number as usize % 8]);
        }
        let time = match scan.takes("1 ") {
            Some(()) => new(scan, &mut line)?,
            None => Some(self.old(scan, arrived, &mut line).ok_or("it begins with no time of syslog")?),
        };
        Ok(line.finish(time))
    }
}

/// RFC 5424, behind the version.
fn new<'t>(mut scan: Scan<'t>, line: &mut Line<'t>) -> Result<Option<DateTime<Utc>>, String> {
    let missing = |what: &str| format!("its header ends before {what}");
    let stamp = scan.until(" ").ok_or_else(|| missing("the host"))?;
    let time = match stamp {
        "-" => None,
        stamp => {
            let time = DateTime::parse_from_rfc3339(stamp).map_err(|_| format!("{stamp:?} is no time of RFC 5424"))?;
            Some(time.to_utc())
        }
    };
    if let Some(time) = time {
        line.time(time);
    }
    line.text("host", scan.until(" ").ok_or_else(|| missing("the application"))?);
    line.text("app", scan.until(" ").ok_or_else(|| missing("the process"))?);
    line.text("pid", scan.until(" ").ok_or_else(|| missing("the message's id"))?);
    let (id, rest) = scan.rest().split_once(' ').unwrap_or((scan.rest(), ""));
    line.text("msgid", id);
    let mut scan = Scan::new(rest);
    // Senders that leave the dash out write their message here.
    let before = scan;
    if let Some(data) = structured(&mut scan) {
        if !data.is_empty() {
            line.members.insert(Cow::Borrowed("structured_data"), Value::Object(data));
        }
        let _ = scan.takes(" ");
    } else {
        scan = before;
    }
    let message = scan.rest();
    line.message(message.strip_prefix('\u{feff}').unwrap_or(message));
    Ok(time)
}

/// `-`, or `[id name="value" …][…]`.
fn structured<'t>(scan: &mut Scan<'t>) -> Option<Object<'t>> {
    let mut data = Object::new();
    if scan.rest() == "-" || scan.rest().starts_with("- ") {
        scan.takes("-")?;
        return Some(data);
    }
    let mut count = 0;
    while scan.takes("[").is_some() {
        let end = scan.rest().find([' ', ']'])?;
        let id = name(&scan.rest()[..end])?;
        *scan = Scan::new(&scan.rest()[end..]);
        let mut element = Object::new();
        while scan.space().is_some() && !scan.rest().starts_with(']') {
            count += 1;
            if count > MAX_DATA {
                return None;
            }
            let parameter = name(scan.until("=")?)?;
            scan.takes("\"")?;
            element.insert(Cow::Borrowed(parameter), Value::Text(value(scan)?));
        }
        scan.takes("]")?;
        count += 1;
        if count > MAX_DATA {
            return None;
        }
        data.insert(Cow::Borrowed(id), Value::Object(element));
    }
    let ends = scan.is_empty() || scan.rest().starts_with(' ');
    (!data.is_empty() && ends).then_some(data)
}

fn name(text: &str) -> Option<&str> {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"');
    ((1..=255).contains(&text.len()) && text.bytes().all(legal)).then_some(text)
}

/// A parameter's value up to its quote: a backslash before `"`, `\` and `]` is none of it, before others it is.
fn value<'t>(scan: &mut Scan<'t>) -> Option<Cow<'t, str>> {
    let (inner, rest) = until_quote(scan.rest())?;
    *scan = Scan::new(rest);
    Some(without_escapes(inner, "\"\\]"))
}

impl Syslog {
    /// RFC 3164 and what is near to it, behind the priority.
    fn old<'t>(&self, mut scan: Scan<'t>, arrived: DateTime<Utc>, line: &mut Line<'t>) -> Option<DateTime<Utc>> {
        let mut newer = scan;
        let time = match newer.iso(self.zone) {
            Some(time) => {
                scan = newer;
                time
            }
            None => scan.syslog(self.zone, arrived)?,
        };
        line.time(time);
        let _ = scan.takes(":");
        scan.space();
        let rest = scan.rest();
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        // The kernel's and some applications' lines on the same host name none.
        let (host, rest) = if tag(first).is_some() && first.ends_with(':') { ("", rest) } else { (first, after) };
        line.text("host", host);
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match word.strip_suffix(':').and_then(tag) {
            Some((app, pid)) => {
                line.text("app", app);
                line.text("pid", pid);
                line.message(after);
            }
            None => line.message(rest),
        }
        Some(time)
    }
}

/// `sshd`, `sshd[123]`.
fn tag(word: &str) -> Option<(&str, &str)> {
    let word = word.trim_end_matches(':');
    let (app, pid) = match word.strip_suffix(']') {
        Some(word) => word.split_once('[')?,
        None => (word, ""),
    };
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'(' | b')' | b'@');
    (!app.is_empty() && app.len() <= 255 && app.bytes().all(legal)).then_some((app, pid))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(text: &str) -> Result<Json, String> {
        let near = "2026-01-01T00:00:05Z".parse().expect("a time");
        let parsed = Syslog { zone: Zone::default() }.parse(text, near)?;
        Ok(serde_json::from_slice(&parsed.members.to_json()).expect("JSON"))
    }

    #[test]
    fn messages_of_both_kinds() {
        for (text, members) in [
            (
                r#"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" k="[v\] more"][examplePriority@32473 class="high"] Some message"#,
                json!({"facility": "local4", "severity": "notice", "time": "2003-10-11T22:14:15.003Z", "host": "mymachine.example.com",
                    "app": "evntslog", "msgid": "ID47", "structured_data": {"exampleSDID@32473": {"iut": "3", "k": "[v] more"},
                    "examplePriority@32473": {"class": "high"}}, "message": "Some message"}),
            ),
            (
                r#"<29>1 2026-03-18T20:12:53.0Z host app - mid [agentInfo@3401 tenantId="1" path="1\\2" q="\"" w="C:\d"] payload"#,
                json!({"facility": "daemon", "severity": "notice", "time": "2026-03-18T20:12:53Z", "host": "host", "app": "app",
                    "msgid": "mid", "structured_data": {"agentInfo@3401": {"tenantId": "1", "path": "1\\2", "q": "\"", "w": "C:\\d"}},
                    "message": "payload"}),
            ),
            // Nothing is known of it.
            ("<0>1 - - - - - -", json!({"facility": "kern", "severity": "emergency", "message": ""})),
            (
                "<13>1 - h a 1 - [empty] qwerty",
                json!({"facility": "user", "severity": "notice", "host": "h", "app": "a",
                "pid": "1", "structured_data": {"empty": {}}, "message": "qwerty"}),
            ),
            // Structured data left out, and a message that only looks like it.
            (
                "<11>1 2020-05-21T19:32:12.581Z host. - 6993 void DB::x(1)",
                json!({"facility": "user", "severity": "error",
                "time": "2020-05-21T19:32:12.581Z", "host": "host.", "pid": "6993", "msgid": "void", "message": "DB::x(1)"}),
            ),
            (
                "<11>1 - h a - - [job 17] went",
                json!({"facility": "user", "severity": "error", "host": "h", "app": "a",
                "message": "[job 17] went"}),
            ),
            // RFC 3164: the year is the one that brings it nearest to when the record was written.
            (
                "<34>Dec 31 23:59:59 mymachine su: 'su root' failed",
                json!({"facility": "auth", "severity": "critical",
                "time": "2025-12-31T23:59:59Z", "host": "mymachine", "app": "su", "message": "'su root' failed"}),
            ),
            (
                "Jan  1 00:00:01 web-1 sshd[4721]: Accepted key: x",
                json!({"time": "2026-01-01T00:00:01Z", "host": "web-1",
                "app": "sshd", "pid": "4721", "message": "Accepted key: x"}),
            ),
            (
                "Jan  1 00:00:01 web-1 plain words: here",
                json!({"time": "2026-01-01T00:00:01Z", "host": "web-1",
                "message": "plain words: here"}),
            ),
            (
                "<6>Jan  1 00:00:01 kernel: up",
                json!({"facility": "kern", "severity": "info", "time": "2026-01-01T00:00:01Z",
                "app": "kernel", "message": "up"}),
            ),
            (
                "2026-01-01T01:00:01.5+01:00 web-1 app/worker[1]: x",
                json!({"time": "2026-01-01T00:00:01.500Z", "host": "web-1",
                "app": "app/worker", "pid": "1", "message": "x"}),
            ),
        ] {
            assert_eq!(read(text), Ok(members), "{text}");
        }
    }

    #[test]
    fn what_is_no_syslog_is_told() {
        for (text, part) in [
            ("", "no time of syslog"),
            ("hello", "no time of syslog"),
            ("<192>1 - - - - - -", "below 192"),
            ("<13", "`>`"),
            ("<x>1", "below 192"),
            ("<13>1 yesterday h a - - -", "no time of RFC 5424"),
            ("<13>1 - h", "ends before"),
            ("\0\0\0", "no time of syslog"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
