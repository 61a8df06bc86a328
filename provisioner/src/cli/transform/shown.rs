//! What becomes of a record, for people and for programs.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::builder::styling::{AnsiColor, Style};
use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_transform::{Dropped, Event, Outcome as Became};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::is_kept;
use crate::plain;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// What became of a record.
#[derive(Debug, Clone)]
pub struct Tried {
    pub before: String,
    pub became: Became,
    /// The event as it is where it goes on, or was where it was left out or refused.
    pub after: Value,
    pub route: Option<String>,
    pub time: Option<DateTime<Utc>>,
    /// Which transforms couldn't be applied, by number and word, and why.
    failures: Vec<(usize, &'static str, String)>,
    /// The transform that left it out or refused it, by number and word.
    by: Option<(usize, &'static str)>,
}

/// How many lines there were, and what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub lines: u64,
    pub refused: u64,
    dropped: u64,
    tagged: u64,
}

impl Counted {
    pub fn add(&mut self, tried: &Tried) {
        self.lines += 1;
        match tried.became {
            Became::Keep => self.tagged += u64::from(!tried.failures.is_empty()),
            Became::Drop { .. } => self.dropped += 1,
            Became::Refuse { .. } => self.refused += 1,
        }
    }

    /// `5 lines: 3 kept, 1 of them with errors; 1 left out; 1 refused.`
    pub fn sentence(&self) -> String {
        let Self { lines, refused, dropped, tagged } = self;
        let kept = lines - refused - dropped;
        let of_them = if *tagged == 0 { String::new() } else { format!(", {tagged} of them with errors") };
        let plural = if *lines == 1 { "" } else { "s" };
        format!("{lines} line{plural}: {kept} kept{of_them}; {dropped} left out; {refused} refused.")
    }
}

impl Tried {
    pub fn new(list: &[Transform], record: &[u8], event: &Event<'_>, became: Became) -> Self {
        let named = |index: usize| (index + 1, list.get(index).map_or("", |transform| transform.step.word()));
        let mut written = Vec::new();
        event.write(&mut written);
        let after = if event.is_changed() { written.as_slice() } else { record };
        let failures = event.failures().iter().map(|failure| {
            let (number, word) = named(failure.by);
            (number, word, failure.reason.clone())
        });
        Self {
            before: String::from_utf8_lossy(record).into_owned(),
            // A record that nothing looked into goes on as it is, JSON or not.
            after: serde_json::from_slice(after).unwrap_or_else(|_| String::from_utf8_lossy(record).into()),
            route: event.route().map(ToOwned::to_owned),
            time: event.time(),
            failures: failures.collect(),
            by: match &became {
                Became::Keep => None,
                Became::Drop { by, .. } | Became::Refuse { by, .. } => Some(named(*by)),
            },
            became,
        }
    }

    /// `keep`, `drop` or `refuse`.
    pub fn word(&self) -> &'static str {
        match self.became {
            Became::Keep => "keep",
            Became::Drop { .. } => "drop",
            Became::Refuse { .. } => "refuse",
        }
    }

    /// Why it doesn't go on.
    fn reason(&self) -> Option<String> {
        Some(match &self.became {
            Became::Keep => return None,
            Became::Drop { why: Dropped::Condition, .. } => "its condition is met".to_owned(),
            Became::Drop { why: Dropped::Sample, .. } => "it isn't in the sample".to_owned(),
            Became::Drop { why: Dropped::Error(reason), .. } | Became::Refuse { reason, .. } => reason.clone(),
        })
    }

    /// Some lines for people.
    pub fn text(&self, name: &str) -> String {
        let mut out = String::new();
        let reason = self.reason().unwrap_or_default();
        let by = self.by.map(|(number, word)| format!("{word} (transform {number})")).unwrap_or_default();
        // Writing to a string can't fail.
        let _ = match &self.became {
            Became::Keep => write!(out, "{BOLD}{name}{BOLD:#} kept"),
            Became::Drop { .. } => {
                write!(out, "{BOLD}{name}{BOLD:#} {YELLOW}left out{YELLOW:#} by {by}: {}", plain::line(&reason))
            }
            // The reason of a refusal begins with the transform.
            Became::Refuse { .. } => write!(out, "{BOLD}{name}{BOLD:#} {RED}refused{RED:#}: {}", plain::line(&reason)),
        };
        if let Some(route) = &self.route {
            let _ = write!(out, ", to the index of {BOLD}{}{BOLD:#}", plain::line(route));
        }
        if let Some(time) = self.time {
            let _ = write!(out, ", time {}", time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        out.push('\n');
        for (number, word, reason) in &self.failures {
            let _ = writeln!(out, "  {YELLOW}!{YELLOW:#} {word} (transform {number}): {}", plain::line(reason));
        }
        if is_kept(&self.became) {
            out.push_str(&changes(&pretty_text(&self.before), &pretty(&self.after)));
        } else {
            let _ = writeln!(out, "  {DIM}{}{DIM:#}", plain::line(&self.before));
        }
        out
    }

    /// An object on a line for programs.
    pub fn json(&self, line: u64) -> Result<String> {
        let failures = self.failures.iter();
        let object = json!({
            "line": line,
            "outcome": self.word(),
            "by": self.by.map(|(number, word)| json!({ "transform": number, "type": word })),
            "reason": self.reason(),
            "errors": failures.map(|(number, word, reason)| json!({ "transform": number, "type": word, "reason": reason })).collect::<Value>(),
            "route": self.route,
            "time": self.time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            "before": self.before,
            "event": self.after,
        });
        let text = serde_json::to_string(&object).context("write an event")?;
        Ok(format!("{}\n", plain::json(&text)))
    }
}

/// A text as it is compared: JSON member by member, anything else as it is.
fn pretty_text(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => pretty(&value),
        _ => format!("{text}\n"),
    }
}

pub fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        value => format!("{value:#}\n"),
    }
}

/// The lines of two texts, those with a sign that one of them lacks.
pub fn changes(before: &str, after: &str) -> String {
    let mut out = String::new();
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let (style, sign) = match change.tag() {
            ChangeTag::Delete => (RED, '-'),
            ChangeTag::Insert => (GREEN, '+'),
            ChangeTag::Equal => (DIM, ' '),
        };
        // Writing to a string can't fail.
        let _ = writeln!(out, "  {style}{sign} {}{style:#}", plain::line(change.value().trim_end_matches('\n')));
    }
    out
}
