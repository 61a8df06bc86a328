//! Cases in a file: what goes in, and what is expected to come out.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use clap::builder::styling::{AnsiColor, Style};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{Tried, changes, pretty};
use super::{Declared, Options, TestFormat, is_kept};
use crate::app::{Outcome, print};
use crate::plain;

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// A case of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    name: Option<String>,
    /// The source of the record.
    source: Option<String>,
    /// When the record was written.
    arrived: Option<DateTime<Utc>>,
    /// The record: a text as it is, anything else as JSON.
    input: Value,
    /// The event, `"drop"` or `"refuse"`.
    output: Value,
    /// The event's route, if it is compared.
    route: Option<String>,
    /// The event's time, if it is compared.
    time: Option<DateTime<Utc>>,
}

/// Compares what becomes of each case with what it expects.
pub fn run(declared: &Declared, options: &Options, path: &Path) -> Result<Outcome> {
    let cases = read(path)?;
    let (mut out, mut failed) = (String::new(), 0);
    for (index, case) in cases.iter().enumerate() {
        let source = declared.source(case.source.as_deref().or(options.source.as_deref()));
        let source = source.with_context(|| format!("case {} of {}", index + 1, path.display()))?;
        let record = case.input.as_str().map_or_else(|| case.input.to_string(), ToOwned::to_owned);
        let arrived = case.arrived.or(options.time).unwrap_or_else(Utc::now);
        let tried = declared.tried(record.as_bytes(), source, index as u64, arrived);
        let differences = case.differences(&tried);
        failed += u64::from(!differences.is_empty());
        match options.format {
            TestFormat::Text => out.push_str(&case.text(index, &tried, &differences)),
            TestFormat::Json => {
                let object = json!({
                    "case": index + 1, "name": case.name, "passed": differences.is_empty(), "outcome": tried.word(),
                    "differences": differences, "expected": case.output, "event": tried.after,
                });
                let text = serde_json::to_string(&object).context("write a case")?;
                let _ = writeln!(out, "{}", plain::json(&text));
            }
        }
    }
    if options.format == TestFormat::Text {
        let plural = if cases.len() == 1 { "" } else { "s" };
        let _ = match failed {
            0 => writeln!(out, "{BOLD}{} case{plural}, all as expected.{BOLD:#}", cases.len()),
            _ => writeln!(out, "{BOLD}{} case{plural}, {failed} not as expected.{BOLD:#}", cases.len()),
        };
    }
    print(&out)?;
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Wrong })
}

/// The cases of a file: an array, or an object on each line.
fn read(path: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let cases: Vec<Case> = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).with_context(|| format!("read the cases in {}", path.display()))?
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(index, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("read the case in {}:{}", path.display(), index + 1))
        };
        lines.map(read).collect::<Result<_>>()?
    };
    if cases.is_empty() {
        bail!("{} holds no case: write one as {{\"input\": \"…\", \"output\": {{…}}}}", path.display())
    }
    Ok(cases)
}

impl Case {
    /// What is otherwise than expected, a sentence each.
    fn differences(&self, tried: &Tried) -> Vec<String> {
        let mut all = Vec::new();
        match self.output.as_str() {
            Some(word) if word != tried.word() => all.push(format!("expected {word}, and it was {}", tried.word())),
            None if !is_kept(&tried.became) => all.push(format!("expected an event, and it was {}", tried.word())),
            None if self.output != tried.after => all.push("the event differs".to_owned()),
            _ => {}
        }
        if self.route.is_some() && self.route != tried.route {
            all.push(format!("expected the route {:?}, and it was {:?}", self.route, tried.route));
        }
        if self.time.is_some() && self.time != tried.time {
            all.push(format!("expected the time {:?}, and it was {:?}", self.time, tried.time));
        }
        all
    }

    fn text(&self, index: usize, tried: &Tried, differences: &[String]) -> String {
        let name = self.name.as_deref().map(|name| format!(", {}", plain::line(name))).unwrap_or_default();
        let mut out = String::new();
        if differences.is_empty() {
            let _ = writeln!(out, "{GREEN}ok{GREEN:#} case {}{name}", index + 1);
            return out;
        }
        let _ = writeln!(out, "{RED}not as expected{RED:#}: case {}{name}", index + 1);
        for difference in differences {
            let _ = writeln!(out, "  {}", plain::line(difference));
        }
        if self.output.is_object() && is_kept(&tried.became) {
            out.push_str(&changes(&pretty(&self.output), &pretty(&tried.after)));
        } else {
            out.push_str(&tried.text("  what it became:"));
        }
        out
    }
}
