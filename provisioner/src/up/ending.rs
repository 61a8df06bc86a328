//! How `up` ends: the producer first, then what reads the log, then the rest.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lakewright_config::agents::{AGENTS, Agent, Role, Stops};
use tokio_util::sync::CancellationToken;

use super::agents::{Placed, Supervised, Surroundings};
use super::child::Process;
use super::parts::tail;
use super::report::exact;
use super::status::{Board, Known};
use super::verify::{Subject, indices};
use crate::app::say;
use crate::apply::took;

/// How long the readers of the log may take without getting on: longer than a consumer group waits for a lost member.
const STUCK: Duration = Duration::from_secs(90);
/// How long after the producer's end the log's end is known to the agents.
const SETTLING: Duration = Duration::from_secs(2);
/// The pause between two looks at how far they are.
const LOOK: Duration = Duration::from_millis(250);
/// How long the last run of the models may take.
const LAST_RUN: Duration = Duration::from_secs(1800);

/// Stops those that write to the log.
pub async fn stop_writers(agents: &mut Vec<Supervised>) {
    stop(agents, None).await;
    for about in AGENTS.iter().filter(|about| about.stops == Stops::First) {
        stop(agents, Some(about.agent)).await;
    }
}

/// Stops agents of one kind at the same time, or sample messages; what went wrong is said.
async fn stop(agents: &mut Vec<Supervised>, kind: Option<Agent>) {
    let (chosen, rest): (Vec<_>, Vec<_>) = agents.drain(..).partition(|agent| agent.agent == kind);
    *agents = rest;
    for result in futures::future::join_all(chosen.into_iter().map(Supervised::stop)).await {
        if let Err(error) = result {
            say(&format!("! {error:#}"));
        }
    }
}

/// Stops everything that is left, in order.
pub async fn stop_all(agents: &mut Vec<Supervised>) {
    stop(agents, None).await;
    let mut order = AGENTS.to_vec();
    order.sort_by_key(|about| about.stops);
    for kind in order.into_iter().map(|about| about.agent) {
        if agents.iter().any(|agent| agent.agent == Some(kind)) {
            say(&format!("Stopping {kind} …"));
            stop(agents, Some(kind)).await;
        }
    }
}

/// Waits until the readers of the log have read all of it; an error says who doesn't get on.
pub async fn caught_up(board: &Board, subject: &Subject<'_>, stop: &CancellationToken) -> Result<()> {
    tokio::select! {
        streamed = streamed(board) => streamed?,
        () = stop.cancelled() => return Ok(()),
    }
    tokio::select! {
        shipped = shipped(subject) => shipped?,
        () = stop.cancelled() => return Ok(()),
    }
    tokio::select! {
        () = backed_up(board) => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

/// Waits until no agent has a record of the log to read any more: the backup may be behind the index. What was read of it the
/// shipper writes when it stops. Without progress it goes on: the verification says what is missing.
async fn backed_up(board: &Board) {
    let (begun, mut moved, mut least) = (Instant::now(), Instant::now(), f64::INFINITY);
    let waiting = |known: &Known| match known.seen {
        Some(seen) if known.ready && seen > begun + SETTLING => known.in_role(Role::Lag).unwrap_or(f64::INFINITY),
        _ => f64::INFINITY,
    };
    loop {
        let shippers = board.of(Agent::Shipper);
        let total: f64 = shippers.iter().map(waiting).sum();
        if total < least {
            (least, moved) = (total, Instant::now());
        }
        if total <= 0.0 || moved.elapsed() > STUCK {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the stream agents say that they have taken in all of the log. What of it they have in hand they commit when
/// they stop, however long it would be until then by their interval.
async fn streamed(board: &Board) -> Result<()> {
    let begun = Instant::now();
    // An answer from before the producer ended says nothing about what it sent last, and an agent that isn't ready
    // doesn't know yet what it has to read.
    let unread = |known: &Known| {
        let fresh = known.ready && known.seen.is_some_and(|seen| seen > begun + SETTLING);
        if fresh { known.in_role(Role::Unread).unwrap_or(f64::INFINITY) } else { f64::INFINITY }
    };
    let (mut least, mut moved) = (f64::INFINITY, Instant::now());
    loop {
        let streams = board.measuring(Role::Unread);
        let total: f64 = streams.iter().map(unread).sum();
        if total <= 0.0 {
            return Ok(());
        }
        if total < least {
            (least, moved) = (total, Instant::now());
        }
        if moved.elapsed() > STUCK {
            let errors: Vec<String> = streams.into_iter().filter_map(|known| known.last_error).collect();
            bail!("the stream agents made no progress for {}: {}", took(STUCK), errors.join("; "));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the index holds what the log holds. Without progress it goes on: the verification says what is missing.
/// A search cluster that doesn't answer is waited for as long: the shipper tries again too.
async fn shipped(subject: &Subject<'_>) -> Result<()> {
    let (mut most, mut moved) = (-1, Instant::now());
    loop {
        match indices(subject).await {
            Ok(checks) => {
                let found: i64 = checks.iter().map(|check| check.found).sum();
                if exact(&checks) || moved.elapsed() > STUCK {
                    return Ok(());
                }
                if found > most {
                    (most, moved) = (found, Instant::now());
                }
            }
            Err(error) if moved.elapsed() > STUCK => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Runs the models a last time, over everything that has come in.
pub async fn last_run(surroundings: &Surroundings, placed: &Placed) -> Result<()> {
    let name = format!("{} last run", placed.name());
    let log = surroundings.data.log(&name);
    let mut command = surroundings.command(placed)?;
    command.args(["--once", "--until-stdin-closes"]);
    // Dropped, it ends by itself, as its standard input closes.
    let mut process = Process::start(&name, &mut command, &log, Stdio::null())?;
    surroundings.note(process.record.clone());
    let run = tokio::time::timeout(LAST_RUN, process.status()).await;
    let status = run.with_context(|| format!("the models' last run took longer than {}", took(LAST_RUN)))??;
    if !status.success() {
        bail!("the models' last run ended with {status}:\n{}", tail(&log, 10));
    }
    Ok(())
}
