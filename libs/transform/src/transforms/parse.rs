//! The parsers: what they read, and where what they read goes.

mod access;
mod lines;
mod logfmt;
mod quotes;
mod syslog;

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use lakewright_config::agents::shipper::transforms::{LogFormat, ParseJson, ParseLog, ParseLogfmt, ParseRegex};
use regex::Regex;

use super::{Apply, Paths, Verdict};
use crate::event::{Event, MESSAGE};
use crate::mistake::Mistake;
use crate::path::Path;
use crate::pattern;
use crate::time::{Zone, rfc3339};
use crate::value::{Object, Value};

/// What was read of a text.
pub struct Parsed<'t> {
    members: Object<'t>,
    time: Option<DateTime<Utc>>,
}

impl<'t> From<Object<'t>> for Parsed<'t> {
    fn from(members: Object<'t>) -> Self {
        Self { members, time: None }
    }
}

/// Reads texts of one format.
trait Parser: fmt::Debug + Send + Sync {
    /// What a text says, or why it can't be read. `arrived` chooses the year of times that name none.
    fn parse<'t>(&self, text: &'t str, arrived: DateTime<Utc>) -> Result<Parsed<'t>, String>;
}

/// A parser with the members that it reads and writes.
#[derive(Debug)]
struct Parse<P> {
    parser: P,
    field: Path,
    into: Option<Path>,
    keep: bool,
}

/// Where a parser reads and writes, as it is declared.
struct Around<'s> {
    field: &'s str,
    into: Option<&'s str>,
    keep: bool,
}

impl Around<'_> {
    fn with<P: Parser + 'static>(self, parser: Result<P, Mistake>) -> Result<Box<dyn Apply>, Vec<Mistake>> {
        let mut paths = Paths::default();
        let field = paths.one("field", self.field);
        let into = self.into.and_then(|into| paths.one("into", into));
        let parser = parser.map_err(|mistake| paths.push(mistake)).ok();
        let made = field.zip(parser).map(|(field, parser)| Parse { parser, field, into, keep: self.keep });
        paths.finish(made).map(|made| Box::new(made) as Box<dyn Apply>)
    }
}

macro_rules! around {
    ($settings:ident) => {
        Around { field: &$settings.field, into: $settings.into.as_deref(), keep: $settings.keep }
    };
}

pub fn json(settings: &ParseJson) -> Result<Box<dyn Apply>, Vec<Mistake>> {
    around!(settings).with(Ok(Json))
}

pub fn logfmt(settings: &ParseLogfmt) -> Result<Box<dyn Apply>, Vec<Mistake>> {
    around!(settings).with(Ok(logfmt::Logfmt))
}

pub fn regex(settings: &ParseRegex) -> Result<Box<dyn Apply>, Vec<Mistake>> {
    around!(settings).with(Expression::new(&settings.pattern))
}

pub fn log(settings: &ParseLog) -> Result<Box<dyn Apply>, Vec<Mistake>> {
    let zone = Zone::parse(settings.timezone.as_deref());
    let around = around!(settings);
    match settings.format {
        LogFormat::Access => around.with(zone.map(|_| access::Access)),
        LogFormat::Syslog => around.with(zone.map(|zone| syslog::Syslog { zone })),
        format => around.with(zone.and_then(|zone| lines::Lines::new(format, zone))),
    }
}

impl<P: Parser> Parse<P> {
    fn read<'a>(&self, text: Cow<'a, str>, arrived: DateTime<Utc>) -> Result<Parsed<'a>, String> {
        match text {
            Cow::Borrowed(text) => self.parser.parse(text, arrived),
            Cow::Owned(text) => {
                let Parsed { members, time } = self.parser.parse(&text, arrived)?;
                Ok(Parsed { members: members.into_owned(), time })
            }
        }
    }
}

impl<P: Parser> Apply for Parse<P> {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let Some(text) = event.text(&self.field) else { return Ok(Verdict::Go) };
        let Parsed { members, time } = self.read(text?, event.arrived())?;
        match &self.into {
            None if event.is_unparsed() && !self.keep => event.set_body(members),
            None => {
                let read = if self.keep { None } else { event.take(&self.field) };
                drop(read);
                event.body_mut().extend(members);
            }
            Some(into) => {
                let overlaps = into.overlaps(&self.field);
                let read = if self.keep && !overlaps { None } else { event.take(&self.field) };
                if let Err(reason) = event.set(into, Value::Object(members)) {
                    if let Some(read) = read {
                        let _ = event.set(&self.field, read);
                    }
                    return Err(reason);
                }
            }
        }
        if let Some(time) = time {
            event.set_time(time);
        }
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(vec![self.field.clone()])
    }

    fn parses(&self) -> bool {
        self.field.is(MESSAGE)
    }
}

/// `parse_json`.
#[derive(Debug)]
struct Json;

impl Parser for Json {
    fn parse<'t>(&self, text: &'t str, _: DateTime<Utc>) -> Result<Parsed<'t>, String> {
        Object::read(text).map(Parsed::from)
    }
}

/// `parse_regex`.
#[derive(Debug)]
struct Expression {
    regex: Regex,
    groups: Vec<(usize, String)>,
}

impl Expression {
    fn new(pattern: &str) -> Result<Self, Mistake> {
        let regex = pattern::compile("pattern", pattern)?;
        let named = |(index, name): (usize, Option<&str>)| name.map(|name| (index, name.to_owned()));
        let groups: Vec<_> = regex.capture_names().enumerate().filter_map(named).collect();
        if groups.is_empty() {
            let fix = "name what it is to read, as in `(?<level>[A-Z]+)`";
            return Err(Mistake::new("pattern", "no group of the expression has a name", fix));
        }
        Ok(Self { regex, groups })
    }
}

impl Parser for Expression {
    fn parse<'t>(&self, text: &'t str, _: DateTime<Utc>) -> Result<Parsed<'t>, String> {
        pattern::fits(text)?;
        let found = self.regex.captures(text).ok_or("the expression doesn't match")?;
        let mut members = Object::with_capacity(self.groups.len());
        for (index, name) in &self.groups {
            if let Some(part) = found.get(*index) {
                members.insert(Cow::Owned(name.clone()), Value::Text(Cow::Borrowed(part.as_str())));
            }
        }
        Ok(members.into())
    }
}

/// Members of a line, added by name; those that aren't there are left out.
#[derive(Default)]
struct Line<'t> {
    members: Object<'t>,
}

impl<'t> Line<'t> {
    /// A text, unless it is empty or a dash, by which logs write that there is none.
    fn text(&mut self, name: &'static str, text: impl Into<Cow<'t, str>>) {
        let text = text.into();
        if !text.is_empty() && text != "-" {
            self.members.insert(Cow::Borrowed(name), Value::Text(text));
        }
    }

    /// A text, also one that is empty.
    fn message(&mut self, text: impl Into<Cow<'t, str>>) {
        self.members.insert(Cow::Borrowed(MESSAGE), Value::Text(text.into()));
    }

    /// A whole number, if the text is one.
    fn number(&mut self, name: &'static str, text: &str) {
        if let Ok(number) = text.parse::<i64>() {
            self.members.insert(Cow::Borrowed(name), Value::Int(number));
        }
    }

    /// The time of the line.
    fn time(&mut self, time: DateTime<Utc>) {
        self.members.insert(Cow::Borrowed("time"), Value::Text(Cow::Owned(rfc3339(time))));
    }

    fn finish(self, time: Option<DateTime<Utc>>) -> Parsed<'t> {
        Parsed { members: self.members, time }
    }
}
