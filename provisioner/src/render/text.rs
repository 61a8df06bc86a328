//! A plan for a terminal; colours are written as ANSI sequences and stripped by the stream where they don't belong.

use std::fmt::Write as _;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};

use super::markdown::sign;
use super::rights::{Rights, TITLE, rights};
use super::value::{Shown, is_reviewed, path, shown, size};
use super::{claimed, summary};
use crate::apply::took;
use crate::plain;
use crate::plan::{Action, Blocked, Cause, Change, Foreign, Plan, Step};

/// From this expected time on, a plan says how long it takes.
const LONG: Duration = Duration::from_mins(1);

/// How much of long values is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// New texts of many lines by their size only, but for what decides who may do what, or what runs.
    Short,
    /// Everything.
    Full,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// The plan as text: who may do what from now on, one block a step, and the summary.
pub fn text(plan: &Plan, detail: Detail) -> String {
    let mut out = String::new();
    may(&mut out, &rights(plan));
    for one in &plan.steps {
        step(&mut out, one, detail);
    }
    for one in &plan.blocked {
        blocked(&mut out, one);
    }
    for foreign in &plan.foreign {
        let Foreign { within, thing, .. } = foreign;
        let (within, thing) = (plain::line(&within.to_string()).into_owned(), plain::line(thing));
        let _ = match plan.takes_along(foreign) {
            Some(goes) => writeln!(out, "  {RED}!{RED:#} {goes}: {thing} is not ours, holds data, and is lost with it"),
            None => writeln!(out, "  {DIM}!{DIM:#} {within}: {thing} is not ours and holds data; it stays"),
        };
    }
    out.push_str(&claimed::text(plan, &format!("{RED}!{RED:#}")));
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{BOLD}{}{BOLD:#}", summary(plan));
    if !plan.left_out.is_empty() {
        let names: Vec<String> = plan.left_out.iter().map(|(address, _)| address.to_string()).collect();
        let _ = writeln!(out, "{DIM}Left out: {}.{DIM:#}", plain::line(&names.join(", ")));
    }
    let expected = plan.expected();
    if expected >= LONG {
        let _ = writeln!(out, "{DIM}AWS usually takes about {} for it.{DIM:#}", took(expected));
    }
    out
}

/// Who may do what from now on, by resource.
fn may(out: &mut String, rights: &[Rights<'_>]) {
    if rights.is_empty() {
        return;
    }
    let _ = writeln!(out, "{BOLD}{TITLE}:{BOLD:#}");
    for Rights { address, action, sentences, stays } in rights {
        let style = colour(*action);
        let address = address.to_string();
        let stays = if *stays == 0 { String::new() } else { format!("  {DIM}({stays} more as before){DIM:#}") };
        let (sign, address) = (sign(*action), plain::line(&address));
        let _ = writeln!(out, "  {style}{sign}{style:#} {BOLD}{address}{BOLD:#}{stays}");
        for (sign, lines) in sentences {
            let style = colour(if *sign == '+' { Action::Create } else { Action::Delete });
            for (index, line) in lines.iter().enumerate() {
                let sign = if index == 0 { *sign } else { ' ' };
                let _ = writeln!(out, "      {style}{sign} {line}{style:#}");
            }
        }
    }
    out.push('\n');
}

fn colour(action: Action) -> Style {
    match action {
        Action::Create => AnsiColor::Green.on_default(),
        Action::Update => AnsiColor::Yellow.on_default(),
        Action::Replace => AnsiColor::Magenta.on_default(),
        Action::Delete => RED,
    }
}

/// What is left as it is: why, and what to do about it.
fn blocked(out: &mut String, blocked: &Blocked) {
    let address = blocked.address.to_string();
    let id = blocked.id.as_deref().filter(|id| *id != blocked.address.name);
    let id = id.map(|id| format!("  {DIM}{}{DIM:#}", plain::line(id))).unwrap_or_default();
    let (address, reason) = (plain::line(&address), plain::line(&blocked.obstacle.reason));
    let _ = writeln!(out, "  {RED}!{RED:#} {BOLD}{address}{BOLD:#}{id}  {RED}blocked{RED:#}: {reason}");
    if blocked.by.is_none() {
        let _ = writeln!(out, "      to do: {}", plain::line(&blocked.obstacle.fix));
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
    if step.is_rotation() {
        remarks.push("rotate: it is too old".to_owned());
    }
    remarks.extend(step.note.clone());
    let remarks = plain::line(&remarks.join("; ")).into_owned();
    let remarks = if remarks.is_empty() { remarks } else { format!("  {DIM}({remarks}){DIM:#}") };
    let address = step.address.to_string();
    let _ = write!(out, "  {style}{}{style:#} {BOLD}{}{BOLD:#}", sign(step.action), plain::line(&address));
    let id = step.live.as_ref().filter(|_| step.action != Action::Create).map(|live| live.id.as_str());
    match id {
        Some(id) if id != step.address.name => {
            let _ = write!(out, "  {DIM}{}{DIM:#}", plain::line(id));
        }
        _ => {}
    }
    let _ = writeln!(out, "{remarks}");
    for loss in &step.loses {
        let _ = writeln!(out, "      {RED}loses data{RED:#}: {}", plain::line(loss));
    }
    for one in &step.consequences {
        let _ = writeln!(out, "      {YELLOW}!{YELLOW:#} {}", plain::line(one));
    }
    if matches!(step.action, Action::Replace | Action::Delete) && !step.dependents.is_empty() {
        let users: Vec<String> = step.dependents.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "      {DIM}used by {}{DIM:#}", plain::line(&users.join(", ")));
    }
    let width = step.changes.iter().map(|change| path(change).chars().count()).max().unwrap_or(0);
    for one in &step.changes {
        if step.action == Action::Create {
            created(out, step, one, (width, detail));
        } else {
            changed(out, step, one);
        }
    }
}

/// A field of a new resource: `path = value`.
fn created(out: &mut String, step: &Step, change: &Change, (width, detail): (usize, Detail)) {
    let path = path(change);
    if detail == Detail::Short
        && !is_reviewed(&step.address, change)
        && let Some((lines, bytes)) = size(&step.address, change)
    {
        let _ = writeln!(out, "      {path:width$} = {DIM}({lines} lines, {bytes} bytes){DIM:#}");
        return;
    }
    match shown(&step.address, change) {
        Shown::Line { after, .. } => {
            let _ = writeln!(out, "      {path:width$} = {}", after.unwrap_or_default());
        }
        Shown::Hidden(words) => {
            let _ = writeln!(out, "      {path:width$} = {words}");
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
fn changed(out: &mut String, step: &Step, change: &Change) {
    let _ = write!(out, "      {}:", path(change));
    let forces = if change.forces_replacement { format!("  {RED}forces replacement{RED:#}") } else { String::new() };
    match shown(&step.address, change) {
        Shown::Line { before, after } => {
            let none = || "(none)".to_owned();
            let _ = writeln!(out, " {} -> {}{forces}", before.unwrap_or_else(none), after.unwrap_or_else(none));
        }
        Shown::Hidden(words) => {
            let _ = writeln!(out, " {words}{forces}");
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
