//! `check`: what the stack means and seldom should.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::builder::styling::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::app::connect::stack;
use crate::app::desired::{anywhere, fits};
use crate::app::programs::programs_of;
use crate::app::{Global, Outcome, StackState, allowed, print, say};
use crate::checks::{Allowed, BREAKING_CHANGE, Finding, RULES, findings, idle};
use crate::kind::Context;
use crate::plain;
use crate::plan::{self, Plan};
use crate::quotas::{Standing, demands, stand};
use crate::resource::{Address, Desired};
use crate::stack::{Diagnostics, Stack};

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What `check` can be given.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack file
    pub stack: Option<PathBuf>,
    /// How it is written on standard output
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// Lists the rules instead
    #[arg(long)]
    pub rules: bool,
    /// Compares the account's quotas with what exists in it and what the stack adds instead
    #[arg(long, conflicts_with = "rules")]
    pub quotas: bool,
    /// Compares the tables with those of a stack file, or of the same one in a revision of git, instead
    #[arg(long, value_name = "BASE", conflicts_with_all = ["rules", "quotas"])]
    pub compat: Option<String>,
    /// Asks no schema registry: only the declarations are compared
    #[arg(long, requires = "compat")]
    pub no_registry: bool,
    /// Sends passwords to registries that the base doesn't name with these secrets too: look at where they are first
    #[arg(long, requires = "compat", conflicts_with = "no_registry")]
    pub new_registry_logins: bool,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// Says that mistakes hide what the rules would find.
fn unjudged(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Diagnostics>() {
        say(
            "note: the rules weren't judged, for the stack file holds mistakes; what they find is shown once these are gone.",
        );
    }
    error
}

/// `lakewright check`.
pub fn run(global: &Global, format: CheckFormat, rules: bool) -> Result<Outcome> {
    if rules {
        let mut out = String::new();
        for rule in RULES {
            let _ = writeln!(
                out,
                "{BOLD}{}{BOLD:#} ({})\n  {}\n  {DIM}{}{DIM:#}",
                rule.name,
                rule.kinds.join(", "),
                rule.reason,
                rule.fix
            );
        }
        return print(&out);
    }
    let stack = stack(global).map_err(unjudged)?;
    let desired = anywhere(&stack, &programs_of(global, &stack)?);
    fits(&stack, &desired).map_err(unjudged)?;
    let mut allowed = allowed(&stack);
    allowed.retain(|one| one.rule != BREAKING_CHANGE);
    let found = findings(&desired, &allowed);
    let open = found.iter().filter(|one| one.allowed.is_none()).count();
    match format {
        CheckFormat::Text => print(&text(&stack, &desired, &found, &allowed))?,
        CheckFormat::Json => {
            let list: Vec<Value> = found.iter().map(json).collect();
            let list = serde_json::to_string_pretty(&list).context("write the findings")?;
            print(&format!("{}\n", plain::json(&list)))?
        }
    };
    Ok(if open == 0 { Outcome::Done } else { Outcome::Wrong })
}

/// `lakewright check --quotas`.
pub async fn quotas(global: &Global, format: CheckFormat) -> Result<Outcome> {
    let state = StackState::open(global).await?;
    let snapshot = state.snapshot(&state.context, plan::Options::default()).await?;
    let standing = stand(&state.context, &demands(&snapshot.plan)).await?;
    let hit = standing.iter().filter(|one| one.is_hit()).count();
    let mut out = String::new();
    match format {
        CheckFormat::Json => {
            let list: Vec<Value> = standing.iter().map(quota_json).collect();
            out = serde_json::to_string_pretty(&list).context("write the quotas")? + "\n";
        }
        CheckFormat::Text => {
            for one in &standing {
                let (style, mark) = if one.is_hit() { (YELLOW, '!') } else { (DIM, ' ') };
                let _ = writeln!(out, "{style}{mark} {}{style:#}", one.sentence());
            }
            let _ = match (standing.len(), hit) {
                (0, _) => writeln!(out, "{BOLD}The plan adds nothing that a quota counts.{BOLD:#}"),
                (_, 0) => writeln!(out, "{BOLD}No quota stands in the way.{BOLD:#}"),
                _ => writeln!(out, "{BOLD}{hit} would be hit.{BOLD:#}"),
            };
        }
    }
    print(&out)?;
    Ok(if hit == 0 { Outcome::Done } else { Outcome::Wrong })
}

fn quota_json(one: &Standing) -> Value {
    json!({
        "quota": one.demand.quota.words(),
        "code": one.code,
        "limit": one.limit,
        "used": one.used,
        "more": one.demand.more,
        "hit": one.is_hit(),
    })
}

/// Says which quotas a plan would hit. A plan without an answer is a plan all the same.
pub async fn say_quotas(context: &Context, plan: &Plan) {
    let demands = demands(plan);
    if demands.is_empty() {
        return;
    }
    match stand(context, &demands).await {
        Ok(standing) => {
            for one in standing.iter().filter(|one| one.is_hit()) {
                say(&format!("Quota: {}.", one.sentence()));
            }
        }
        Err(error) => tracing::info!("quotas weren't compared: {error:#}"),
    }
}

/// A finding for programs.
pub fn json(one: &Finding) -> Value {
    json!({
        "rule": one.rule.name,
        "address": one.address,
        "text": one.text,
        "reason": one.rule.reason,
        "fix": one.rule.fix,
        "allowed": one.allowed,
    })
}

fn text(stack: &Stack, desired: &Desired, found: &[Finding], allowed: &[Allowed]) -> String {
    let place = |address: &Address| {
        let resource = desired.resources.iter().find(|resource| resource.address == *address)?;
        stack.line(resource.span.as_ref()?)
    };
    let mut out = String::new();
    for one in found.iter().filter(|one| one.allowed.is_none()) {
        let at = place(&one.address).map(|place| format!("  {DIM}{place}{DIM:#}")).unwrap_or_default();
        let said = plain::line(&one.text);
        let _ = writeln!(out, "{YELLOW}{}{YELLOW:#} {BOLD}{}{BOLD:#}: {said}{at}", one.rule.name, one.address);
        let _ = writeln!(out, "  {} — {}", one.rule.reason, one.rule.fix);
    }
    for one in found {
        if let Some(reason) = &one.allowed {
            let said = format!("{}; allowed: {reason}", one.text);
            let _ = writeln!(out, "{DIM}{} {}: {}{DIM:#}", one.rule.name, one.address, plain::line(&said));
        }
    }
    for one in idle(found, allowed) {
        let _ = writeln!(out, "{DIM}`[allow.{}]` names {}, which doesn't break it{DIM:#}", one.rule, one.address);
    }
    let open = found.iter().filter(|one| one.allowed.is_none()).count();
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = match open {
        0 => writeln!(out, "{BOLD}{} rules, nothing found.{BOLD:#}", RULES.len()),
        _ => writeln!(
            out,
            "{BOLD}{open} found.{BOLD:#} What is meant is allowed with a reason: [allow.RULE] \"ADDRESS\" = \"why\""
        ),
    };
    out
}
