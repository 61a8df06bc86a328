//! `plan`, `apply` and `destroy`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::connect::{artifact, connect, desired, stack};
use super::run::until_interrupted;
use super::{Format, Global, How, Loss, Outcome, print, say};
use crate::apply::{Progress, Report, apply as carry_out, took};
use crate::kind::Context;
use crate::kinds;
use crate::plan::{AllowDataLoss, Kinds, Plan, plan as make_plan, plan_destroy};
use crate::render;
use crate::resource::Desired;
use crate::sweep::sweep;

/// Every kind that there is.
pub fn all_kinds() -> Kinds<'static> {
    Kinds(kinds::all())
}

/// What stack and account say.
struct Compared {
    context: Context,
    plan: Plan,
}

async fn compare(
    global: &Global,
    make: fn(Kinds<'_>, &Desired, &[crate::resource::Live]) -> PlanResult,
) -> Result<Compared> {
    let stack = stack(global)?;
    let region = stack.file.stack.region.as_deref().map(String::as_str);
    let context = connect(global, stack.name(), region).await?;
    let desired = desired(&stack, &context, &artifact(global)?)?;
    let live = sweep(all_kinds(), &context, &desired).await?;
    tracing::debug!(requests = context.aws.requests(), resources = desired.resources.len(), "the account was read");
    Ok(Compared { plan: make(all_kinds(), &desired, &live)?, context })
}

type PlanResult = Result<Plan, crate::plan::PlanError>;

/// `lakewright plan`.
pub async fn plan(global: &Global, format: Format, detailed: bool, full: bool) -> Result<Outcome> {
    let Compared { context, plan } = compare(global, make_plan).await?;
    let detail = if full { render::Detail::Full } else { render::Detail::Short };
    match format {
        Format::Text => {
            say(&place(&plan, &context));
            print(&render::text(&plan, detail))?;
        }
        Format::Json => {
            let json = serde_json::to_string_pretty(&render::json(&plan)).context("write the plan as JSON")?;
            print(&format!("{json}\n"))?;
        }
        Format::Markdown => {
            print(&render::markdown(&plan))?;
        }
    }
    Ok(if detailed && !plan.is_empty() { Outcome::Changes } else { Outcome::Done })
}

fn place(plan: &Plan, context: &Context) -> String {
    format!("Stack {} in account {}, {}\n", plan.stack, context.account, context.region)
}

/// `lakewright apply`.
pub async fn apply(global: &Global, how: &How) -> Result<Outcome> {
    let Compared { context, plan } = compare(global, make_plan).await?;
    say(&place(&plan, &context));
    print(&render::text(&plan, render::Detail::Short))?;
    refuse_loss(&plan, &how.allow_data_loss)?;
    if !plan.is_empty() && !how.yes && !ask("Make these changes? Type yes:", "yes").await? {
        say("Nothing was changed.");
        return Ok(Outcome::Wrong);
    }
    execute(&context, &plan, "apply").await
}

/// `lakewright destroy`.
pub async fn destroy(global: &Global, how: &How) -> Result<Outcome> {
    let Compared { context, plan } = compare(global, plan_destroy).await?;
    say(&place(&plan, &context));
    if plan.is_empty() {
        say(&format!("Nothing of the stack {} lives.", plan.stack));
        return Ok(Outcome::Done);
    }
    print(&render::text(&plan, render::Detail::Short))?;
    refuse_loss(&plan, &how.allow_data_loss)?;
    let question = format!("Delete all of it? Type the stack's name, {}:", plan.stack);
    if !how.yes && !ask(&question, &plan.stack).await? {
        say("Nothing was deleted.");
        return Ok(Outcome::Wrong);
    }
    execute(&context, &plan, "destroy").await
}

/// An error that lists what would lose data and isn't allowed to.
pub fn refuse_loss(plan: &Plan, losses: &[Loss]) -> Result<()> {
    let addresses: BTreeSet<_> = losses
        .iter()
        .filter_map(|loss| if let Loss::Of(address) = loss { Some(address.clone()) } else { None })
        .collect();
    let allowed = AllowDataLoss { all: losses.contains(&Loss::All), addresses };
    let refused = plan.refused(&allowed);
    if refused.is_empty() {
        return Ok(());
    }
    let mut list = String::new();
    for step in &refused {
        let _ = write!(list, "\n  {} {}: {}", step.action.word(), step.address, step.loses.join("; "));
    }
    bail!(
        "this loses data, and nothing was changed:{list}\nallow it with --allow-data-loss ADDRESS for each, or with \
         --allow-data-loss all"
    );
}

/// Whether the answer on the terminal is the wanted one.
async fn ask(question: &str, wanted: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; --yes answers the question");
    }
    write!(anstream::stderr().lock(), "{question} ").context("ask")?;
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = read.await.context("read the answer")?.context("read the answer")?;
    Ok(line.trim() == wanted)
}

async fn execute(context: &Context, plan: &Plan, command: &str) -> Result<Outcome> {
    let started = Instant::now();
    let report =
        until_interrupted(|stop| async move { carry_out(all_kinds(), context, plan, &Progress::new(), &stop).await })
            .await;
    if !plan.is_empty() {
        conclude(&report, command, started);
    }
    Ok(if report.complete() { Outcome::Done } else { Outcome::Wrong })
}

/// Says what an apply came to.
pub fn conclude(report: &Report, command: &str, started: Instant) {
    let time = took(started.elapsed());
    if report.complete() {
        return say(&format!("\nDone: {} in {time}.", steps(report.done.len())));
    }
    let mut text = format!("\n{} done, {} failed in {time}:", steps(report.done.len()), report.failed.len());
    for (address, _, error) in &report.failed {
        let _ = write!(text, "\n  ✗ {address}: {error:#}");
        if let Some(cure) = super::hints::cure(error) {
            let _ = write!(text, "\n    help: {cure}");
        }
    }
    if !report.not_done.is_empty() {
        let names: BTreeSet<String> = report.not_done.iter().map(|(address, _)| address.to_string()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let why = if report.stopped { "it was stopped" } else { "they need what failed" };
        let _ = write!(text, "\nNot begun, because {why}: {}", names.join(", "));
    }
    let _ = write!(text, "\nRun `lakewright {command}` again when the cause is mended: it goes on from here.");
    say(&text);
}

fn steps(count: usize) -> String {
    format!("{count} step{}", if count == 1 { "" } else { "s" })
}
