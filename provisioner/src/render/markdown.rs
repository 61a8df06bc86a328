//! A plan as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use super::rights::{Rights, TITLE, rights};
use super::spans::{block, cell, code, prose};
use super::value::{Shown, is_reviewed, path, shown};
use super::{claimed, summary};
use crate::plain;
use crate::plan::{Action, Blocked, Change, Foreign, Plan, Step};

/// The plan as Markdown: who may do what from now on, a table of the steps and, folded, what changes in each. Of what is
/// new, what decides who may do what, or what runs.
pub fn markdown(plan: &Plan) -> String {
    let mut out = format!("### Lakewright: stack {}\n\n{}\n", code(&plan.stack), summary(plan));
    may(&mut out, &rights(plan));
    if !plan.is_empty() {
        out.push_str("\n| | resource | action | cause |\n|---|---|---|---|\n");
    }
    for step in &plan.steps {
        let loss = if step.loses.is_empty() { "" } else { " **loses data**" };
        let (sign, word, address) = (sign(step.action), step.word(), cell(&step.address.to_string()));
        let _ = writeln!(out, "| {sign} | {address} | {word}{loss} | {} |", step.cause.word());
    }
    for step in &plan.steps {
        details(&mut out, step);
    }
    let told: Vec<&Step> = plan.steps.iter().filter(|step| !step.consequences.is_empty()).collect();
    if !told.is_empty() {
        out.push_str("\nWhat follows:\n\n");
    }
    for step in told {
        let said: Vec<String> = step.consequences.iter().map(|one| prose(one)).collect();
        let _ = writeln!(out, "- {}: {}", code(&step.address.to_string()), said.join("; "));
    }
    if !plan.blocked.is_empty() {
        out.push_str("\n**Blocked: nothing is done to these.**\n\n");
    }
    for Blocked { address, obstacle, by, .. } in &plan.blocked {
        let fix = if by.is_none() { format!("; to do: {}", prose(&obstacle.fix)) } else { String::new() };
        let _ = writeln!(out, "- {}: {}{fix}", code(&address.to_string()), prose(&obstacle.reason));
    }
    out.push_str(&claimed::markdown(plan));
    if !plan.left_out.is_empty() {
        let names: Vec<String> = plan.left_out.iter().map(|(address, _)| code(&address.to_string())).collect();
        let _ = writeln!(out, "\nLeft out: {}.", names.join(", "));
    }
    let (lost, stays): (Vec<_>, Vec<_>) = plan.foreign.iter().partition(|foreign| plan.takes_along(foreign).is_some());
    for (title, foreign) in [
        ("Not ours, and lost with what holds it", lost),
        ("Found and left alone, because it is not ours and holds data", stays),
    ] {
        if !foreign.is_empty() {
            let _ = writeln!(out, "\n{title}:\n");
        }
        for Foreign { within, thing, .. } in foreign {
            let _ = writeln!(out, "- in {}: {}", code(&within.to_string()), prose(thing));
        }
    }
    out
}

/// Who may do what from now on, by resource.
fn may(out: &mut String, rights: &[Rights<'_>]) {
    if rights.is_empty() {
        return;
    }
    let mut body = String::new();
    for Rights { address, action, sentences, stays } in rights {
        let stays = if *stays == 0 { String::new() } else { format!(" ({stays} more as before)") };
        let _ = writeln!(body, "@@ {} {}{stays} @@", sign(*action), plain::line(&address.to_string()));
        for (sign, lines) in sentences {
            for line in lines {
                let _ = writeln!(body, "{sign} {line}");
            }
        }
    }
    let _ = write!(out, "\n**{TITLE}:**\n\n{}", block("diff", &body));
}

/// The sign before a step.
pub(super) fn sign(action: Action) -> char {
    match action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Replace => '±',
        Action::Delete => '-',
    }
}

/// What changes in a step, folded; of a creation what is reviewed, and nothing where nothing is.
fn details(out: &mut String, step: &Step) {
    let told = |change: &&Change| match step.action {
        Action::Create => is_reviewed(&step.address, change),
        Action::Update | Action::Replace => true,
        Action::Delete => false,
    };
    let changes: Vec<&Change> = step.changes.iter().filter(told).collect();
    if changes.is_empty() && !matches!(step.action, Action::Update | Action::Replace) {
        return;
    }
    let mut body = String::new();
    for change in changes {
        let (path, forces) = (path(change), if change.forces_replacement { "  # forces replacement" } else { "" });
        match shown(&step.address, change) {
            Shown::Line { before, after } => {
                if let Some(before) = before {
                    let _ = writeln!(body, "- {path}: {before}{forces}");
                }
                if let Some(after) = after {
                    let _ = writeln!(body, "+ {path}: {after}{forces}");
                }
            }
            Shown::Hidden(words) => {
                let _ = writeln!(body, "  {path}: {words}{forces}");
            }
            Shown::Lines(lines) => {
                let _ = writeln!(body, "  {path}:{forces}");
                for (sign, line) in lines {
                    let _ = writeln!(body, "{sign}     {line}");
                }
            }
        }
    }
    let address = step.address.to_string();
    let address = plain::line(&address).replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(
        out,
        "\n<details><summary>{} {address}</summary>\n\n{}\n</details>\n",
        sign(step.action),
        block("diff", &body)
    );
}
