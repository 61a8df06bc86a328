//! A plan as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use super::summary;
use super::value::{Shown, shown};
use crate::plan::{Action, Foreign, Plan, Step};

/// The plan as Markdown: a table of the steps and, folded, what changes in each.
pub fn markdown(plan: &Plan) -> String {
    let mut out = format!("### Lakewright: stack `{}`\n\n{}\n", plan.stack, summary(plan));
    if !plan.is_empty() {
        out.push_str("\n| | resource | action | cause |\n|---|---|---|---|\n");
    }
    for step in &plan.steps {
        let loss = if step.loses.is_empty() { "" } else { " **loses data**" };
        let (sign, word) = (sign(step.action), step.action.word());
        let _ = writeln!(out, "| {sign} | `{}` | {word}{loss} | {} |", step.address, step.cause.word());
    }
    for step in plan.steps.iter().filter(|step| matches!(step.action, Action::Update | Action::Replace)) {
        details(&mut out, step);
    }
    let told: Vec<&Step> = plan.steps.iter().filter(|step| !step.consequences.is_empty()).collect();
    if !told.is_empty() {
        out.push_str("\nWhat follows:\n\n");
    }
    for step in told {
        let _ = writeln!(out, "- `{}`: {}", step.address, step.consequences.join("; "));
    }
    if !plan.left_out.is_empty() {
        let names: Vec<String> = plan.left_out.iter().map(|(address, _)| format!("`{address}`")).collect();
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
            let _ = writeln!(out, "- in `{within}`: {thing}");
        }
    }
    out
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

fn details(out: &mut String, step: &Step) {
    let _ = writeln!(out, "\n<details><summary>{} {}</summary>\n\n```diff", sign(step.action), step.address);
    for change in &step.changes {
        let forces = if change.forces_replacement { "  # forces replacement" } else { "" };
        match shown(change) {
            Shown::Line { before, after } => {
                if let Some(before) = before {
                    let _ = writeln!(out, "- {}: {before}{forces}", change.path);
                }
                if let Some(after) = after {
                    let _ = writeln!(out, "+ {}: {after}{forces}", change.path);
                }
            }
            Shown::Lines(lines) => {
                let _ = writeln!(out, "  {}:{forces}", change.path);
                for (sign, line) in lines {
                    let _ = writeln!(out, "{sign}     {line}");
                }
            }
        }
    }
    out.push_str("```\n\n</details>\n");
}
