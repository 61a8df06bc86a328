//! A plan for a terminal; colours are written as ANSI sequences and stripped by the stream where they don't belong.

use std::fmt::Write as _;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};

use super::markdown::sign;
use super::summary;
use super::value::{Shown, lines_of, shown};
use crate::apply::took;
use crate::plan::{Action, Cause, Change, Foreign, Plan, Step};

/// From this expected time on, a plan says how long it takes.
const LONG: Duration = Duration::from_mins(1);

/// How much of long values is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// New texts of many lines by their size only.
    Short,
    /// Everything.
    Full,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// The plan as text: one block a step and the summary.
pub fn text(plan: &Plan, detail: Detail) -> String {
    let mut out = String::new();
    for one in &plan.steps {
        step(&mut out, one, detail);
    }
    for foreign in &plan.foreign {
        let Foreign { within, thing, .. } = foreign;
        let _ = match plan.takes_along(foreign) {
            Some(goes) => writeln!(out, "  {RED}!{RED:#} {goes}: {thing} is not ours, holds data, and is lost with it"),
            None => writeln!(out, "  {DIM}!{DIM:#} {within}: {thing} is not ours and holds data; it stays"),
        };
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{BOLD}{}{BOLD:#}", summary(plan));
    if !plan.left_out.is_empty() {
        let names: Vec<String> = plan.left_out.iter().map(|(address, _)| address.to_string()).collect();
        let _ = writeln!(out, "{DIM}Left out: {}.{DIM:#}", names.join(", "));
    }
    let expected = plan.expected();
    if expected >= LONG {
        let _ = writeln!(out, "{DIM}AWS usually takes about {} for it.{DIM:#}", took(expected));
    }
    out
}

fn colour(action: Action) -> Style {
    match action {
        Action::Create => AnsiColor::Green.on_default(),
        Action::Update => AnsiColor::Yellow.on_default(),
        Action::Replace => AnsiColor::Magenta.on_default(),
        Action::Delete => RED,
    }
}

fn step(out: &mut String, step: &Step, detail: Detail) {
    let style = colour(step.action);
    let mut remarks = Vec::new();
    if let Some(from) = &step.moved_from {
        remarks.push(format!("was {from}"));
    }
    if step.create_first {
        remarks.push("the new one is made before the old one goes".to_owned());
    }
    if step.cause == Cause::Drift {
        remarks.push("changed outside the file".to_owned());
    }
    remarks.extend(step.note.clone());
    let remarks = if remarks.is_empty() { String::new() } else { format!("  {DIM}({}){DIM:#}", remarks.join("; ")) };
    let _ = write!(out, "  {style}{}{style:#} {BOLD}{}{BOLD:#}", sign(step.action), step.address);
    let id = step.live.as_ref().filter(|_| step.action != Action::Create).map(|live| live.id.as_str());
    match id {
        Some(id) if id != step.address.name => {
            let _ = write!(out, "  {DIM}{id}{DIM:#}");
        }
        _ => {}
    }
    let _ = writeln!(out, "{remarks}");
    for loss in &step.loses {
        let _ = writeln!(out, "      {RED}loses data{RED:#}: {loss}");
    }
    for one in &step.consequences {
        let _ = writeln!(out, "      {YELLOW}!{YELLOW:#} {one}");
    }
    if matches!(step.action, Action::Replace | Action::Delete) && !step.dependents.is_empty() {
        let users: Vec<String> = step.dependents.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "      {DIM}used by {}{DIM:#}", users.join(", "));
    }
    let width = step.changes.iter().map(|change| change.path.len()).max().unwrap_or(0);
    for one in &step.changes {
        if step.action == Action::Create {
            created(out, one, width, detail);
        } else {
            changed(out, one);
        }
    }
}

/// A field of a new resource: `path = value`.
fn created(out: &mut String, change: &Change, width: usize, detail: Detail) {
    let path = &change.path;
    if detail == Detail::Short
        && let Some(text) = lines_of(&change.after)
    {
        let lines = text.trim_end().lines().count();
        let _ = writeln!(out, "      {path:width$} = {DIM}({lines} lines, {} bytes){DIM:#}", text.len());
        return;
    }
    match shown(change) {
        Shown::Line { after, .. } => {
            let _ = writeln!(out, "      {path:width$} = {}", after.unwrap_or_default());
        }
        Shown::Lines(lines) => {
            let _ = writeln!(out, "      {path:width$} =");
            for (_, line) in lines {
                let _ = writeln!(out, "        {line}");
            }
        }
    }
}

/// A changed value: `path: before -> after`, or its lines as a diff.
fn changed(out: &mut String, change: &Change) {
    let _ = write!(out, "      {}:", change.path);
    let forces = if change.forces_replacement { format!("  {RED}forces replacement{RED:#}") } else { String::new() };
    match shown(change) {
        Shown::Line { before, after } => {
            let none = || "(none)".to_owned();
            let _ = writeln!(out, " {} -> {}{forces}", before.unwrap_or_else(none), after.unwrap_or_else(none));
        }
        Shown::Lines(lines) => {
            let _ = writeln!(out, "{forces}");
            for (sign, line) in lines {
                let style = match sign {
                    '+' => colour(Action::Create),
                    '-' => RED,
                    _ => DIM,
                };
                let _ = writeln!(out, "        {style}{sign} {line}{style:#}");
            }
        }
    }
}
