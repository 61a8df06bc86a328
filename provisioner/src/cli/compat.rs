//! `check --compat`: whether those who read the tables, and those whose messages fill them, can go on as they do.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::builder::styling::{AnsiColor, Style};
use serde_json::{Value, json};

use super::check::CheckFormat;
use crate::app::base::stack_of;
use crate::app::connect::stack;
use crate::app::registries::Registries;
use crate::app::{Global, Outcome, allowed, print, say};
use crate::checks::Allowed;
use crate::compat::registry::{Note, address, held_against, subject, subject_before, unregistered};
use crate::compat::{Break, breaks};
use crate::plain;
use crate::resource::Address;
use crate::stack::Stack;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// What was found.
#[derive(Default)]
struct Found {
    breaks: Vec<Break>,
    /// What breaks nobody now.
    notes: Vec<Note>,
    /// By table, why its registry can't be asked.
    unasked: Vec<(Address, String)>,
}

/// Which registries are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// None.
    None,
    /// All, with the passwords that they get in the base and as the base's role: the change may be anybody's.
    AsInBase,
    /// All, with the passwords and as the role that the change says.
    All,
}

/// Runs it.
pub async fn run(global: &Global, format: CheckFormat, base: &str, asked: Asked) -> Result<Outcome> {
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
    let mut found = Found { breaks: breaks(&before, &head, &allowed), ..Found::default() };
    match asked {
        Asked::None => {}
        Asked::AsInBase => found.ask(&Registries::of(global, &head, &[&before]), (&before, &head), &allowed).await,
        Asked::All => {
            found.ask(&Registries::of(global, &head, &[&before, &head]), (&before, &head), &allowed).await;
        }
    }
    match format {
        CheckFormat::Text => print(&text(&head, &found, base))?,
        CheckFormat::Json => {
            let breaks = found.breaks.iter().map(|one| described(&head, one));
            let notes = found.notes.iter().map(|one| noted(&head, one));
            let list: Vec<Value> = breaks.chain(notes).collect();
            let list = serde_json::to_string_pretty(&list).context("write what breaks")?;
            print(&format!("{}\n", plain::json(&list)))?
        }
    };
    for (address, why) in &found.unasked {
        say(&format!(
            "error: {address}: its schemas aren't known: {}; --no-registry compares without them",
            plain::line(why)
        ));
    }
    let fine = found.unasked.is_empty() && found.breaks.iter().all(|one| one.allowed.is_some());
    Ok(if fine { Outcome::Done } else { Outcome::Wrong })
}

impl Found {
    /// Adds what the registries say of the tables that name one: by the name that the change gives to their schemas, and by the
    /// base's, so that no change chooses alone what it is held against.
    async fn ask(&mut self, registries: &Registries<'_>, (base, head): (&Stack, &Stack), allowed: &[Allowed]) {
        for table in head.file.tables.iter().filter(|table| table.value.registry.is_some()) {
            let before = subject_before(base, head, table).map(|before| (before, true));
            for (subject, is_before) in [(subject(head, &table.value), false)].into_iter().chain(before) {
                match registries.newest(&table.value, subject).await {
                    Ok((name, Some(newest))) => {
                        let (breaks, notes) = held_against(table, &name, &newest, allowed);
                        self.breaks.extend(breaks);
                        self.notes.extend(notes);
                    }
                    Ok((_, None)) if is_before => {}
                    Ok((name, None)) => self.notes.push(unregistered(table, &name)),
                    Err(error) => self.unasked.push((address(table), format!("{error:#}"))),
                }
            }
        }
    }
}

fn noted(head: &Stack, one: &Note) -> Value {
    json!({
        "address": one.address,
        "breaks": null,
        "text": one.text,
        "fix": one.fix,
        "place": head.line(&one.span),
        "allowed": null,
    })
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

fn text(head: &Stack, Found { breaks: found, notes, .. }: &Found, base: &str) -> String {
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
    for one in notes {
        let at = head.line(&one.span).map(|place| format!("  {DIM}{place}{DIM:#}")).unwrap_or_default();
        let _ = writeln!(out, "note {BOLD}{}{BOLD:#}: {}{at}\n  {}", one.address, plain::line(&one.text), one.fix);
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
