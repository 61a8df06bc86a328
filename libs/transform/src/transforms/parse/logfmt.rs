//! `parse_logfmt`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::quotes::until_quote;
use super::{Parsed, Parser};
use crate::pattern;
use crate::value::{Object, Value};

/// The most pairs of a line.
const MAX_PAIRS: usize = 1_000;

/// Reads `name=value name="a value" name`.
#[derive(Debug)]
pub struct Logfmt;

impl Parser for Logfmt {
    fn parse<'t>(&self, text: &'t str, _: DateTime<Utc>) -> Result<Parsed<'t>, String> {
        pattern::fits(text)?;
        let (mut members, mut pairs, mut assigned) = (Object::with_capacity(12), 0, false);
        let mut rest = text.trim_ascii();
        while !rest.is_empty() {
            pairs += 1;
            if pairs > MAX_PAIRS {
                return Err(format!("more than {MAX_PAIRS} pairs"));
            }
            let end = rest.find(|c: char| c == '=' || c == '"' || c.is_ascii_whitespace()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() || after.starts_with('"') {
                return Err(format!("no name before {:?}", after.chars().take(20).collect::<String>()));
            }
            let value;
            (value, rest) = match after.strip_prefix('=') {
                None => (Value::Bool(true), after),
                Some(after) => {
                    assigned = true;
                    let (text, rest) = read_value(after)?;
                    (Value::Text(text), rest)
                }
            };
            add(&mut members, name, value);
            rest = rest.trim_ascii_start();
        }
        if assigned { Ok(members.into()) } else { Err("it holds no `name=value`".to_owned()) }
    }
}

/// A name that stands twice has an array of its values.
fn add<'t>(members: &mut Object<'t>, name: &'t str, value: Value<'t>) {
    match members.get_mut(name) {
        None => members.push(Cow::Borrowed(name), value),
        Some(Value::Array(values)) => values.push(value),
        Some(there) => {
            let first = std::mem::replace(there, Value::Bool(true));
            *there = Value::Array(vec![first, value]);
        }
    }
}

/// A value, and what follows it.
fn read_value(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
        return Ok((Cow::Borrowed(&text[..end]), &text[end..]));
    };
    let (inner, after) = until_quote(quoted)
        .ok_or_else(|| format!("a quote isn't closed: {:?}", quoted.chars().take(20).collect::<String>()))?;
    if !after.is_empty() && !after.starts_with(|c: char| c.is_ascii_whitespace()) {
        let found: String = after.chars().take(20).collect();
        return Err(format!("white space is missing behind a quoted value, before {found:?}"));
    }
    Ok((crate::json::unescape(inner), after))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(text: &str) -> Result<Json, String> {
        let parsed = Logfmt.parse(text, DateTime::UNIX_EPOCH)?;
        Ok(serde_json::from_slice(&parsed.members.to_json()).expect("JSON"))
    }

    #[test]
    fn pairs_become_members() {
        for (text, members) in [
            ("level=info msg=hi", json!({"level": "info", "msg": "hi"})),
            (r#"msg="a b" n=1"#, json!({"msg": "a b", "n": "1"})),
            // Empty values stay apart from missing ones.
            ("ipv4= ipv6= subsys=endpoint", json!({"ipv4": "", "ipv6": "", "subsys": "endpoint"})),
            (r#"msg="" x=y"#, json!({"msg": "", "x": "y"})),
            // Escapes.
            (
                r#"baz="hello\" kitty" p="C:\\x" t="a\tb\nc" u="\u00e5""#,
                json!({"baz": "hello\" kitty", "p": "C:\\x", "t": "a\tb\nc", "u": "å"}),
            ),
            // An equals sign within a value.
            ("tags_0=task=mock url=/a?b=c", json!({"tags_0": "task=mock", "url": "/a?b=c"})),
            // A quote or backslash within a value that doesn't begin with a quote is part of it.
            (r#"ts=1579739313\"80007168 path=a\b"#, json!({"ts": "1579739313\\\"80007168", "path": "a\\b"})),
            ("request='GET x=1", json!({"request": "'GET", "x": "1"})),
            // Names without a value.
            ("debug level=info", json!({"debug": true, "level": "info"})),
            // Twice.
            ("a=1 a=2 a a=\"\"", json!({"a": ["1", "2", true, ""]})),
            ("key%^as$=val1 k.e-y/x@z:w=v", json!({"key%^as$": "val1", "k.e-y/x@z:w": "v"})),
            ("  a=1\t b=2 \r\n", json!({"a": "1", "b": "2"})),
            ("å=ö", json!({"å": "ö"})),
        ] {
            assert_eq!(read(text), Ok(members), "{text}");
        }
    }

    #[test]
    fn what_is_no_logfmt_is_told() {
        for (text, part) in [
            ("", "no `name=value`"),
            ("hello world", "no `name=value`"),
            ("=x", "no name"),
            ("a=1 =2", "no name"),
            ("a=1 \"b\"=2", "no name"),
            (r#"a="open"#, "isn't closed"),
            (r#"a="open\""#, "isn't closed"),
            (r#"a="x"b=1"#, "white space is missing"),
            ("\0\0\0", "no `name=value`"),
            (&"a=1 ".repeat(1_001), "more than 1000 pairs"),
            (&"a=1 ".repeat(1 << 19), "more than 1048576"),
        ] {
            let error = read(text).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
