//! A pipe: one source, one sink, and the position up to which the sink has settled what the source gave.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lakewright_runtime::Agent;

use crate::metrics::PipeMetrics;
use crate::sink::Sink;
use crate::source::{Position, Source};

/// How often positions are made durable.
const SETTLE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
/// How often the pipe looks whether it is alive.
const ALIVE: Duration = Duration::from_secs(1);

/// What a pipe needs besides its two ends.
#[derive(Debug)]
pub struct Pipe<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// What the pipe reports.
    pub metrics: &'a PipeMetrics,
}

impl Pipe<'_> {
    /// Ships until the agent's shutdown, and settles what is in hand then.
    ///
    /// # Errors
    /// Source or sink can't go on as they are, or something isn't settled at the end.
    pub async fn run(&self, mut source: impl Source, mut sink: impl Sink) -> Result<()> {
        let mut open: Vec<Position> = Vec::new();
        let mut settling = tokio::time::interval(SETTLE);
        settling.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut alive = tokio::time::interval(ALIVE);
        let ended = loop {
            tokio::select! {
                () = self.agent.shutdown.cancelled() => break Ok(()),
                batch = source.next() => match batch {
                    Ok(batch) => {
                        if let Err(error) = sink.take(batch).await {
                            break Err(error);
                        }
                    }
                    Err(error) => break Err(error),
                },
                turned = sink.turn() => {
                    if let Err(error) = turned {
                        break Err(error);
                    }
                }
                _ = alive.tick() => self.agent.health.progress(),
                _ = settling.tick() => {
                    merge(&mut open, sink.settled());
                    if let Err(error) = self.settle(&mut source, &mut open, false).await {
                        break Err(error);
                    }
                }
            }
        };
        // What was read before a source can't go on may not be there to be read a second time.
        let finished = sink.finish().await;
        merge(&mut open, sink.settled());
        ended?;
        let settled = self.settle(&mut source, &mut open, true).await;
        finished.and(settled)
    }

    /// Makes positions durable. Those that can't be now are kept; the error is one that a source doesn't survive.
    async fn settle(&self, source: &mut impl Source, open: &mut Vec<Position>, last: bool) -> Result<()> {
        if open.is_empty() {
            return Ok(());
        }
        source.settle(open, last).await?;
        open.clear();
        self.metrics.moved();
        Ok(())
    }
}

/// Adds later positions of streams.
pub fn merge(open: &mut Vec<Position>, later: Vec<Position>) {
    for (stream, next) in later {
        match open.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &stream)) {
            Some((_, before)) => *before = next,
            None => open.push((stream, next)),
        }
    }
}
