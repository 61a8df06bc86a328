//! Carrying a plan out under the stack's lease, and saying what it came to.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::desired::all_kinds;
use super::hints;
use super::state::StackState;
use super::terminal::say;
use crate::apply::{Progress, Report, apply, is_whole, making, signs, took};
use crate::kind::Context;
use crate::lease::{self, Lease, Waiting};
use crate::plan::Plan;

/// Says on standard error who holds the lease.
struct Say;

impl Waiting for Say {
    fn held(&self, holder: &str, until: &str) {
        say(&format!("Waiting: {holder} holds the stack's lease until {until}, longer if it renews it."));
    }

    fn taken_over(&self, holder: &str, why: &str) {
        say(&format!("Taking over from {holder}: {why}."));
    }
}

/// Takes the stack's lease, unless somebody interrupts the wait for it.
pub async fn lease(state: &StackState, command: &str, stop: &CancellationToken) -> Result<Lease> {
    tokio::select! {
        lease = lease::take(&state.context, command, &Say) => lease,
        () = stop.cancelled() => bail!("stopped while waiting for the lease; nothing was changed"),
    }
}

/// Carries the plan out and gives the lease back. An error comes before anything was made: who can't sign makes nothing.
pub async fn carry_out(context: &Context, lease: Lease, plan: &Plan, stop: &CancellationToken) -> Result<Report> {
    lease.judged(plan.doubt.is_some()).await;
    if !plan.does_nothing()
        && let Err(error) = lease.begin(making(plan), signs(plan)).await
    {
        give_back(lease).await;
        return Err(error);
    }
    let report = apply(all_kinds(), context, plan, &Progress::new(), stop).await;
    let gone = report.lives(plan).is_empty();
    let destroyed = gone && report.complete() && is_whole(plan);
    let given_back = if destroyed { lease.remove().await } else { lease.release(report.end(all_kinds(), plan)).await };
    warn(given_back);
    Ok(report)
}

/// Gives the lease back although nothing was done under it.
pub async fn give_back(lease: Lease) {
    warn(lease.give_back().await);
}

/// Says that the lease couldn't be given back: what was done under it is done all the same.
pub fn warn(given_back: Result<()>) {
    if let Err(error) = given_back {
        say(&format!("warning: the lease was not given back, and ends by itself: {error:#}"));
    }
}

/// Says what an apply came to.
pub fn conclude(report: &Report, plan: &Plan, command: &str) {
    let time = took(report.took);
    let blocked: Vec<String> = plan.blocked.iter().map(|one| one.address.to_string()).collect();
    let blocked = match blocked.as_slice() {
        [] => String::new(),
        all => format!("\nBlocked, and left as they are: {}; the plan above says why.", all.join(", ")),
    };
    if report.complete() {
        return say(&format!("\nDone: {} in {time}.{blocked}", steps(report.done.len())));
    }
    let mut text = format!("\n{} done, {} failed in {time}:", steps(report.done.len()), report.failed.len());
    for (address, _, error) in &report.failed {
        let _ = write!(text, "\n  ✗ {address}: {error:#}");
        if let Some(hint) = hints::hint(error) {
            let _ = write!(text, "\n    help: {hint}");
        }
    }
    if !report.not_done.is_empty() {
        let names: BTreeSet<String> = report.not_done.iter().map(|(address, _)| address.to_string()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let why = if report.stopped { "it was stopped" } else { "they need what failed" };
        let _ = write!(text, "\nNot begun, because {why}: {}", names.join(", "));
    }
    text.push_str(&blocked);
    let _ = write!(text, "\nRun `lakewright {command}` again when the cause is fixed: it goes on from here.");
    say(&text);
}

fn steps(count: usize) -> String {
    format!("{count} step{}", if count == 1 { "" } else { "s" })
}
