//! `mask`.

mod cards;
mod emails;
mod tokens;

use std::borrow::Cow;
use std::ops::Range;

use lakewright_config::agents::shipper::transforms::{Hiding, Mask, Secret};
use regex::Regex;

use super::{Apply, Paths, Verdict};
use crate::event::{ERRORS, Event};
use crate::json;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::pattern;
use crate::value::{Object, Value};

/// How often a text is looked at in which something is hidden.
const PASSES: usize = 4;
/// The longest text in the place of what is hidden.
const MAX_WITH: usize = 64;
/// How many bytes patterns may look at, at the worst, in one text: beyond that the rest of the text is hidden as a whole. Each
/// match of some expressions looks to the text's end, which takes time by the square of its length.
const MAX_LOOKED_AT: usize = 256 << 20;

/// Hides parts of texts.
#[derive(Debug)]
pub struct Masking {
    fields: Vec<Path>,
    hider: Hider,
}

/// Finds what is to be hidden, and hides it.
#[derive(Debug)]
struct Hider {
    emails: bool,
    cards: bool,
    tokens: Option<tokens::Tokens>,
    patterns: Vec<Regex>,
    by: Hiding,
    with: String,
}

impl Masking {
    pub fn new(settings: &Mask) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let fields: Vec<Path> = settings.fields.iter().filter_map(|field| paths.item("fields", field)).collect();
        let mut patterns = Vec::new();
        for text in &settings.patterns {
            match pattern::compile("patterns", text) {
                Ok(regex) if regex.is_match("") => {
                    let fix = "let it match a character at least, as `+` instead of `*`";
                    paths.push(Mistake::new("patterns", "the expression matches nothing at all, too", fix).item(text));
                }
                Ok(regex) => patterns.push(regex),
                Err(mistake) => paths.push(mistake.item(text)),
            }
        }
        if settings.what.is_empty() && settings.patterns.is_empty() {
            let fix = "name what is hidden, as in `what = [\"email\", \"card\", \"token\"]`, or `patterns`";
            paths.push(Mistake::new("what", "nothing is hidden", fix));
        }
        if settings.with.len() > MAX_WITH {
            let what = format!("a text of {} bytes", settings.with.len());
            paths.push(Mistake::new("with", what, format!("write {MAX_WITH} at most")));
        }
        let is = |secret| settings.what.contains(&secret);
        let hider = Hider {
            emails: is(Secret::Email),
            cards: is(Secret::Card),
            tokens: is(Secret::Token).then(tokens::Tokens::new),
            patterns,
            by: settings.by,
            with: settings.with.clone(),
        };
        if hider.by == Hiding::Replace && hider.text(&hider.with).is_some() {
            let fix = "write something that isn't hidden itself, as `***`";
            paths.push(Mistake::new("with", format!("`{}` would be hidden again", hider.with), fix));
        }
        paths.finish(Some(Self { fields, hider }))
    }
}

impl Apply for Masking {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        if self.fields.is_empty() {
            self.hider.object(event.body_mut());
            return Ok(Verdict::Go);
        }
        for field in &self.fields {
            if let Some(value) = event.get(field) {
                self.hider.value(value);
            }
        }
        // What transforms said of an event may quote it.
        if !event.failures().is_empty()
            && let Some(errors) = event.body_mut().get_mut(ERRORS)
        {
            self.hider.value(errors);
        }
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        (!self.fields.is_empty()).then(|| self.fields.clone())
    }
}

impl Hider {
    fn object(&self, object: &mut Object<'_>) {
        object.values_mut().for_each(|value| self.value(value));
    }

    fn value(&self, value: &mut Value<'_>) {
        match value {
            Value::Raw(json) => {
                if let Some(hidden) = self.raw(json) {
                    *value = Value::Raw(Cow::Owned(hidden));
                }
            }
            Value::Text(text) => {
                if let Some(hidden) = self.text(text) {
                    *value = Value::Text(Cow::Owned(hidden));
                }
            }
            Value::Int(number) => {
                if let Some(hidden) = self.text(&number.to_string()) {
                    *value = Value::Text(Cow::Owned(hidden));
                }
            }
            Value::Float(_) | Value::Bool(_) => {}
            Value::Object(object) => self.object(object),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
        }
    }

    /// JSON with its texts, and numbers that are cards, hidden; none where nothing is. Names of members stay.
    fn raw(&self, json: &str) -> Option<String> {
        // Without escapes, what is in none of it together is in none of its texts.
        if self.patterns.is_empty() && memchr::memchr(b'\\', json.as_bytes()).is_none() && self.spans(json).is_empty() {
            return None;
        }
        let (mut out, mut copied, mut at) = (String::new(), 0, 0);
        while let Some((token, is_text)) = next_token(json, at) {
            at = token.end;
            let hidden = if !is_text {
                self.text(&json[token.clone()])
            } else if json[at..].trim_ascii_start().starts_with(':') {
                None
            } else {
                self.text(&json::unescape(&json[token.start + 1..token.end - 1]))
            };
            if let Some(hidden) = hidden {
                out.push_str(&json[copied..token.start]);
                let mut text = Vec::with_capacity(hidden.len() + 2);
                json::write_text(&hidden, &mut text);
                out.push_str(&String::from_utf8_lossy(&text));
                copied = token.end;
            }
        }
        if copied == 0 {
            return None;
        }
        out.push_str(&json[copied..]);
        Some(out)
    }

    /// A text with parts hidden; none where nothing is.
    fn text(&self, text: &str) -> Option<String> {
        let mut hidden = self.hidden(text)?;
        if self.by == Hiding::Replace {
            // What stood beside a hidden part may be something to hide without it.
            for _ in 1..PASSES {
                match self.hidden(&hidden).filter(|again| *again != hidden) {
                    Some(again) => hidden = again,
                    None => break,
                }
            }
        }
        Some(hidden)
    }

    /// A text after one look; none where nothing is hidden.
    fn hidden(&self, text: &str) -> Option<String> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return None;
        }
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        for span in spans {
            out.push_str(&text[copied..span.start]);
            match self.by {
                Hiding::Replace => out.push_str(&self.with),
                Hiding::Last4 => last_four(&text[span.clone()], &mut out),
            }
            copied = span.end;
        }
        out.push_str(&text[copied..]);
        Some(out)
    }

    /// What is to be hidden of a text: places in order that don't overlap.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        if self.emails {
            emails::find(text, &mut spans);
        }
        if self.cards {
            cards::find(text, &mut spans);
        }
        if let Some(tokens) = &self.tokens {
            tokens.find(text, &mut spans);
        }
        for pattern in &self.patterns {
            matches(pattern, text, &mut spans);
        }
        if spans.len() < 2 {
            return spans;
        }
        spans.sort_by_key(|span| (span.start, span.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        merged
    }
}

/// Where an expression matches; of one with a group `secret`, where that stands.
fn matches(pattern: &Regex, text: &str, spans: &mut Vec<Range<usize>>) {
    let group = pattern.capture_names().position(|name| name == Some("secret"));
    let mut looked_at = 0_usize;
    let mut each = |found: Range<usize>| {
        looked_at = looked_at.saturating_add(text.len() - found.start);
        if looked_at > MAX_LOOKED_AT {
            spans.push(found.start..text.len());
            return false;
        }
        if !found.is_empty() {
            spans.push(found);
        }
        true
    };
    let _all = match group {
        None => pattern.find_iter(text).all(|found| each(found.range())),
        Some(group) => pattern.captures_iter(text).all(|found| {
            let whole = found.get(0).map(|whole| whole.end()..whole.end()).unwrap_or_default();
            each(found.get(group).map_or(whole, |secret| secret.range()))
        }),
    };
}

/// The next text, quotes included, or number of a JSON text, and whether it is a text.
fn next_token(json: &str, from: usize) -> Option<(Range<usize>, bool)> {
    let bytes = json.as_bytes();
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let start = from + bytes[from..].iter().position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))?;
    if bytes[start] != b'"' {
        let length = bytes[start..].iter().position(|byte| !is_number(*byte)).unwrap_or(bytes.len() - start);
        return Some((start..start + length, false));
    }
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some((start..at + 1, true));
        }
        at += 2;
    }
}

/// Stars, and the last four characters of more than eight.
fn last_four(text: &str, out: &mut String) {
    let count = text.chars().count();
    let shown = if count > 8 { 4 } else { 0 };
    out.extend(std::iter::repeat_n('*', count - shown));
    out.extend(text.chars().skip(count - shown));
}

#[cfg(test)]
mod tests;
