//! The access logs of Apache and nginx.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::quotes::{until_quote, without_escapes};
use super::{Line, Parsed, Parser};
use crate::pattern;
use crate::time::Scan;

/// Reads the Common Log Format and the combined one; what an access log adds behind them goes to `rest`.
#[derive(Debug)]
pub struct Access;

impl Parser for Access {
    fn parse<'t>(&self, text: &'t str, _: DateTime<Utc>) -> Result<Parsed<'t>, String> {
        pattern::fits(text)?;
        let mut line = Line::default();
        let time = read(text.trim_end_matches(['\r', '\n']), &mut line).ok_or("it is no line of an access log")?;
        Ok(line.finish(Some(time)))
    }
}

fn read<'t>(text: &'t str, line: &mut Line<'t>) -> Option<DateTime<Utc>> {
    let mut scan = Scan::new(text);
    let (first, rest) = scan.until(" [")?.split_once(' ')?;
    let (second, user) = rest.split_once(' ')?;
    // A virtual host may stand before the client: the dash that nearly always stands second stands third then.
    let (client, ident, user) = match user.split_once(' ') {
        Some(("-", user)) if second != "-" => {
            line.text("vhost", first);
            (second, "-", user)
        }
        _ => (first, second, user),
    };
    line.text("client", client);
    line.text("ident", ident);
    line.text("user", user.trim_matches('"'));
    let mut stamp = Scan::new(scan.until("] ")?);
    let time = stamp.http().filter(|_| stamp.is_empty())?;
    line.time(time);
    request(quoted(&mut scan)?, line);
    scan.space()?;
    let numbers = scan.rest();
    let (status, rest) = numbers.split_once(' ')?;
    let (bytes, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    status.parse::<u16>().ok()?;
    line.number("status", status);
    line.number("bytes", bytes);
    let mut scan = Scan::new(rest);
    if rest.starts_with('"') {
        line.text("referrer", quoted(&mut scan)?);
        scan.space();
        if scan.rest().starts_with('"') {
            line.text("user_agent", quoted(&mut scan)?);
            scan.space();
        }
    }
    line.text("rest", scan.rest());
    Some(time)
}

/// `GET /path HTTP/1.1`; what is no request, as scanners send it, goes whole to `request`.
fn request<'t>(text: Cow<'t, str>, line: &mut Line<'t>) {
    let is_method = |word: &str| {
        (1..=20).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_')
    };
    let parts = {
        let (method, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (path, protocol) = match rest.rsplit_once(' ') {
            Some((path, protocol)) if protocol.starts_with("HTTP/") => (path, protocol),
            _ => (rest, ""),
        };
        (is_method(method) && !path.is_empty()).then_some((method.len(), path.len(), protocol.len()))
    };
    let Some((method, path, protocol)) = parts else { return line.text("request", text) };
    let part = |from: usize, length: usize| match &text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..from + length]),
        Cow::Owned(text) => Cow::Owned(text[from..from + length].to_owned()),
    };
    line.text("method", part(0, method));
    line.text("path", part(method + 1, path));
    line.text("protocol", part(text.len() - protocol, protocol));
}

/// A text in quotes: `\"` and `\\` are a quote and a backslash, other escapes stay as they are written.
fn quoted<'t>(scan: &mut Scan<'t>) -> Option<Cow<'t, str>> {
    scan.takes("\"")?;
    let (inner, rest) = until_quote(scan.rest())?;
    *scan = Scan::new(rest);
    Some(without_escapes(inner, "\"\\"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(text: &str) -> Result<Json, String> {
        let parsed = Access.parse(text, DateTime::UNIX_EPOCH)?;
        Ok(serde_json::from_slice(&parsed.members.to_json()).expect("JSON"))
    }

    #[test]
    fn lines_of_access_logs() {
        for (text, members) in [
            (
                r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
                json!({"client": "127.0.0.1", "user": "frank", "time": "2000-10-10T20:55:36Z", "method": "GET",
                    "path": "/apache_pb.gif", "protocol": "HTTP/1.0", "status": 200, "bytes": 2326}),
            ),
            (
                r#"2001:db8::1 - - [10/Oct/2000:13:55:36 +0000] "GET /a b?q=\"x\" HTTP/1.1" 304 - "https://example.com/" "Moz \"q\" \\ 5.0""#,
                json!({"client": "2001:db8::1", "time": "2000-10-10T13:55:36Z", "method": "GET", "path": "/a b?q=\"x\"",
                    "protocol": "HTTP/1.1", "status": 304, "referrer": "https://example.com/", "user_agent": "Moz \"q\" \\ 5.0"}),
            ),
            // Users as mail addresses, with spaces, and empty ones.
            (
                r#"10.0.0.1 - user@example.com [07/Apr/2016:18:42:24 +0000] "GET / HTTP/1.1" 400 75 "" "x""#,
                json!({"client": "10.0.0.1", "user": "user@example.com", "time": "2016-04-07T18:42:24Z", "method": "GET",
                    "path": "/", "protocol": "HTTP/1.1", "status": 400, "bytes": 75, "user_agent": "x"}),
            ),
            (
                r#"10.0.0.1 - John Doe [07/Apr/2016:18:42:24 +0000] "GET / HTTP/1.1" 200 5"#,
                json!({"client": "10.0.0.1", "user": "John Doe", "time": "2016-04-07T18:42:24Z", "method": "GET",
                    "path": "/", "protocol": "HTTP/1.1", "status": 200, "bytes": 5}),
            ),
            (
                r#"10.0.2.100 - "" [31/Jan/2023:07:59:58 +0000] "GET / HTTP/1.1" 401 381"#,
                json!({"client": "10.0.2.100", "time": "2023-01-31T07:59:58Z", "method": "GET", "path": "/",
                    "protocol": "HTTP/1.1", "status": 401, "bytes": 381}),
            ),
            // What scanners send.
            (
                r#"45.148.120.150 - - [10/Apr/2020:15:04:47 +0000] "moteSubmit=Save" 400 0 "-" "-""#,
                json!({"client": "45.148.120.150", "time": "2020-04-10T15:04:47Z", "request": "moteSubmit=Save", "status": 400, "bytes": 0}),
            ),
            (
                r#"1.2.3.4 - - [10/Apr/2020:15:04:47 +0000] "\x16\x03\x01" 400 0 "-" "-""#,
                json!({"client": "1.2.3.4", "time": "2020-04-10T15:04:47Z", "request": "\\x16\\x03\\x01", "status": 400, "bytes": 0}),
            ),
            (
                r#"1.2.3.4 - - [10/Apr/2020:15:04:47 +0000] "-" 408 0 "-" "-""#,
                json!({"client": "1.2.3.4", "time": "2020-04-10T15:04:47Z", "status": 408, "bytes": 0}),
            ),
            // More than the combined format, and a virtual host before it.
            (
                r#"shop.example.com:443 1.2.3.4 - - [10/Apr/2020:15:04:47 +0000] "HEAD / HTTP/2.0" 200 0 "-" "curl/8" 0.012 "up""#,
                json!({"vhost": "shop.example.com:443", "client": "1.2.3.4", "time": "2020-04-10T15:04:47Z", "method": "HEAD",
                    "path": "/", "protocol": "HTTP/2.0", "status": 200, "bytes": 0, "user_agent": "curl/8", "rest": "0.012 \"up\""}),
            ),
        ] {
            assert_eq!(read(text), Ok(members), "{text}");
        }
    }

    #[test]
    fn what_is_no_line_of_one() {
        for text in [
            "",
            "hello",
            r#"1.2.3.4 - - [yesterday] "GET / HTTP/1.1" 200 5"#,
            r#"1.2.3.4 - - [10/Apr/2020:15:04:47 +0000] "GET / HTTP/1.1 200 5"#,
            r#"1.2.3.4 - - [10/Apr/2020:15:04:47 +0000] "GET / HTTP/1.1" many 5"#,
            "\0\0\0\0",
        ] {
            assert_eq!(read(text), Err("it is no line of an access log".to_owned()), "{text}");
        }
    }
}
