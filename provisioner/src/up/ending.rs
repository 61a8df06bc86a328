//! How `up` ends: the producer first, then what reads the log, then the rest.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio_util::sync::CancellationToken;

use super::agents::{Placed, Supervised, Surroundings};
use super::parts::tail;
use super::status::Board;
use crate::apply::took;
use crate::cli::say;

/// How long the readers of the log may take without getting on.
const STUCK: Duration = Duration::from_secs(120);
/// How long the last run of the models may take.
const LAST_RUN: Duration = Duration::from_secs(1800);

/// The agents in the order in which they are stopped; those that are not named here come last.
const ORDER: [&str; 4] = ["producer", "stream", "shipper", "batch"];

/// Stops agents of one kind at the same time; what went wrong is said.
pub async fn stop(agents: &mut Vec<Supervised>, kind: &str) {
    let (chosen, rest): (Vec<_>, Vec<_>) = agents.drain(..).partition(|agent| agent.placed.agent == kind);
    *agents = rest;
    for result in futures::future::join_all(chosen.into_iter().map(Supervised::stop)).await {
        if let Err(error) = result {
            say(&format!("! {error:#}"));
        }
    }
}

/// Stops everything that is left, in order.
pub async fn stop_all(agents: &mut Vec<Supervised>) {
    let mut kinds: Vec<String> = ORDER.map(str::to_owned).to_vec();
    kinds.extend(agents.iter().map(|agent| agent.placed.agent.clone()));
    for kind in kinds {
        if agents.iter().any(|agent| agent.placed.agent == kind) {
            say(&format!("Stopping {kind} …"));
            stop(agents, &kind).await;
        }
    }
}

/// Waits until the readers of the log have read all of it; an error says who doesn't get on.
pub async fn caught_up(board: &Board, stop: &CancellationToken) -> Result<()> {
    let begun = Instant::now();
    let (mut least, mut moved) = (f64::INFINITY, Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
            () = stop.cancelled() => return Ok(()),
        }
        let agents = board.agents();
        let readers: Vec<_> = agents.iter().filter(|(_, k)| matches!(k.agent.as_str(), "stream" | "shipper")).collect();
        // An answer from before the producer ended says nothing about what it sent last.
        let fresh = |known: &super::status::Known| known.seen.is_some_and(|seen| seen > begun + Duration::from_secs(1));
        let lag = |known: &super::status::Known| {
            if fresh(known) { known.gauge("lag_records").unwrap_or(f64::INFINITY) } else { f64::INFINITY }
        };
        let total: f64 = readers.iter().map(|(_, known)| lag(known)).sum();
        if total <= 0.0 {
            return Ok(());
        }
        if total < least {
            (least, moved) = (total, Instant::now());
        }
        if moved.elapsed() > STUCK {
            let behind: Vec<String> = readers
                .iter()
                .filter(|(_, known)| lag(known) > 0.0)
                .map(|(name, known)| format!("{name} {}", known.last_error.clone().unwrap_or_default()))
                .collect();
            bail!("the log was not read to its end, no progress for {}: {}", took(STUCK), behind.join("; "));
        }
    }
}

/// Runs the models a last time, over everything that has come in.
pub async fn last_run(surroundings: &Surroundings, placed: &Placed) -> Result<()> {
    let log = surroundings.data.log(&format!("{} last run", placed.name()));
    let mut command = surroundings.command(placed)?;
    let file = std::fs::File::create(&log).with_context(|| format!("open {}", log.display()))?;
    command.arg("--once").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
    let run = tokio::time::timeout(LAST_RUN, command.status()).await;
    let status = run.with_context(|| format!("the models' last run took longer than {}", took(LAST_RUN)))?;
    let status = status.context("run the models a last time")?;
    if !status.success() {
        bail!("the models' last run ended with {status}:\n{}", tail(&log, 10));
    }
    Ok(())
}
