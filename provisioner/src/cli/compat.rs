//! `check --compat`: whether those who read the tables, and those whose messages fill them, can go on as they do.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::builder::styling::{AnsiColor, Style};
use serde_json::{Value, json};

use super::check::CheckFormat;
use crate::app::base::stack_of;
use crate::app::connect::stack;
use crate::app::{Global, Outcome, allowed, print, say};
use crate::compat::{Break, breaks};
use crate::plain;
use crate::stack::Stack;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// Runs it.
pub fn run(global: &Global, format: CheckFormat, base: &str) -> Result<Outcome> {
    let head = stack(global)?;
    let Some(before) = stack_of(global, base)? else {
        say(&format!(
            "Nothing was compared: {base} has no such stack file. One that was moved is compared by its old path."
        ));
        return match format {
            CheckFormat::Text => Ok(Outcome::Done),
            CheckFormat::Json => print("[]\n"),
        };
    };
    // What was agreed once was about another change.
    let agreed = allowed(&before);
    let allowed: Vec<_> = allowed(&head).into_iter().filter(|one| !agreed.contains(one)).collect();
    let found = breaks(&before, &head, &allowed);
    match format {
        CheckFormat::Text => print(&text(&head, &found, base))?,
        CheckFormat::Json => {
            let list: Vec<Value> = found.iter().map(|one| described(&head, one)).collect();
            let list = serde_json::to_string_pretty(&list).context("write what breaks")?;
            print(&format!("{}\n", plain::json(&list)))?
        }
    };
    Ok(if found.iter().all(|one| one.allowed.is_some()) { Outcome::Done } else { Outcome::Wrong })
}

fn described(head: &Stack, one: &Break) -> Value {
    json!({
        "address": one.address,
        "breaks": one.whom.to_string(),
        "text": one.text,
        "fix": one.fix,
        "place": one.span.as_ref().and_then(|span| head.line(span)),
        "allowed": one.allowed,
    })
}

fn text(head: &Stack, found: &[Break], base: &str) -> String {
    let mut out = String::new();
    for one in found.iter().filter(|one| one.allowed.is_none()) {
        let place = one.span.as_ref().and_then(|span| head.line(span));
        let at = place.map(|place| format!("  {DIM}{place}{DIM:#}")).unwrap_or_default();
        let said = plain::line(&one.text);
        let _ =
            writeln!(out, "{YELLOW}{}{YELLOW:#} {BOLD}{}{BOLD:#}: {said}{at}\n  {}", one.whom, one.address, one.fix);
    }
    for one in found {
        if let Some(reason) = &one.allowed {
            let said = format!("{}; allowed: {reason}", one.text);
            let _ = writeln!(out, "{DIM}{} {}: {}{DIM:#}", one.whom, one.address, plain::line(&said));
        }
    }
    let open = found.iter().filter(|one| one.allowed.is_none()).count();
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = match open {
        0 => writeln!(out, "{BOLD}Nothing breaks{BOLD:#} for those who know the tables of {}.", plain::line(base)),
        _ => writeln!(
            out,
            "{BOLD}{open} would break.{BOLD:#} What is agreed is allowed with a reason: [allow.breaking-change] \"table.NAME\" = \"why\""
        ),
    };
    out
}
