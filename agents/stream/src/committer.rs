//! Writes batches to the tables and commits them with the offsets that they came from.
//!
//! Tables are committed first, the dead letters last. So what the dead letters' map covers is settled in every table,
//! but for what is owed to those that failed: that is the [`crate::ledger`]. A table that fails takes nothing of a
//! commit; the others take theirs, and reading begins again without it.

mod counters;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::future::join_all;
use lakewright_config::Table;
use lakewright_config::agents::stream::{self, OnReject};
use lakewright_runtime::{Counter, Histogram, Metrics};
use tokio::sync::{mpsc, oneshot};

use crate::epochs::Mark;
use crate::ledger::{Ledger, Share, Standing, settle};
use crate::reject::Cause;
use crate::router::Collected;
use crate::settled::Settled;
use crate::sink::{Fault, Opened, Shared};
use crate::table::Rows;
use state::{Halt, Refused, State};

/// What the intake asks for, in order.
pub(crate) enum Work {
    /// Drop what is held, open the tables again but for those that are held back, begin a generation.
    Begin { generation: u64, hold: Vec<bool>, reply: oneshot::Sender<anyhow::Result<Begun>> },
    /// Rows of a table, or dead letters.
    Batch { generation: u64, collected: Collected },
    /// Commit what came so far.
    Commit(Commit),
}

/// The tables as a generation begins.
pub(crate) struct Begun {
    /// The declared ones; `None` for those that are held back.
    pub(crate) tables: Vec<Option<Result<Opened, Fault>>>,
    pub(crate) dead: Opened,
    /// Which tables need the messages beside their rows.
    pub(crate) sifting: Vec<bool>,
}

/// Rows up to these offsets shall be committed.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) generation: u64,
    pub(crate) positions: Vec<Position>,
    /// By declared table, whether it is in quarantine: nothing of it was read.
    pub(crate) blind: Arc<[bool]>,
    /// When the newest record came in, in microseconds; 0 when none did.
    pub(crate) newest: i64,
    /// When its records were produced, in milliseconds, and how many of them.
    pub(crate) produced: Vec<(i64, u64)>,
    /// Whether the ledger is committed even without dead letters: nothing follows for a while.
    pub(crate) ledger: bool,
    /// Whether somebody waits for it: partitions are given up.
    pub(crate) last: bool,
    /// Whether other members of the group may write to the same tables.
    pub(crate) shared: bool,
}

/// The next offset of a partition that this agent reads.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) topic: String,
    pub(crate) key: String,
    pub(crate) partition: i32,
    pub(crate) next: i64,
    /// The last record before it, if this generation took one in and the log says its epoch.
    pub(crate) last: Option<Mark>,
    /// By declared table, what was settled when the generation began, as in [`crate::start::Start`].
    pub(crate) rows: Arc<[i64]>,
    pub(crate) rejects: Arc<[i64]>,
    /// By declared table, the first row from `next` on that it couldn't take and the dead letters don't have.
    pub(crate) pending: Arc<[i64]>,
}

/// What became of a commit or a generation.
pub(crate) enum Outcome {
    /// `wrote` says of which declared tables that take part rows were committed; those that failed count as blind now.
    Committed { commit: Commit, wrote: Vec<bool> },
    /// The generation is over: reading must begin again. These tables can't go on.
    Again { generation: u64, failed: Vec<(usize, Fault)> },
    /// Nothing was lost, but what is held must be read again.
    Restart { generation: u64, reason: anyhow::Error },
}

/// The task behind [`Work`].
pub(crate) struct Committer<S> {
    tables: Vec<State<S>>,
    dead: State<S>,
    /// Dead letters made of rows that can't be written.
    letters: Option<Rows>,
    on_reject: OnReject,
    generation: u64,
    /// Nothing is taken until the next generation.
    over: bool,
    outcomes: std::sync::mpsc::Sender<Outcome>,
    newest: Arc<AtomicI64>,
    commits: Counter,
    durations: Histogram,
    latencies: Histogram,
    unwritable: Counter,
}

impl<S: Shared> Committer<S> {
    /// The declared tables and the dead letters with their sinks.
    pub(crate) fn new(
        tables: Vec<(Table, S)>,
        dead: (Table, S),
        on_reject: OnReject,
        metrics: &Metrics,
        outcomes: std::sync::mpsc::Sender<Outcome>,
    ) -> Self {
        let newest = Arc::new(AtomicI64::new(0));
        let shared = Arc::clone(&newest);
        metrics.computed(&stream::FRESHNESS, &[], move || {
            let newest = shared.load(Ordering::Relaxed);
            (newest > 0).then(|| (lakewright_runtime::health::now_ms() - newest / 1000) as f64)
        });
        Self {
            tables: tables.into_iter().map(|(table, sink)| State::new(table, sink, false, metrics)).collect(),
            dead: State::new(dead.0, dead.1, true, metrics),
            letters: None,
            on_reject,
            generation: 0,
            over: true,
            outcomes,
            newest,
            commits: metrics.counter(&stream::COMMITS, &[]),
            durations: metrics.histogram(&stream::COMMIT_SECONDS, &[]),
            latencies: metrics.histogram(&stream::COMMITTED_AFTER, &[]),
            unwritable: metrics.counter(&stream::REJECTS, &[(stream::CAUSE, Cause::Unwritable.word())]),
        }
    }

    /// Works until the intake is gone.
    pub(crate) async fn run(mut self, mut work: mpsc::Receiver<Work>, last_commit: lakewright_runtime::Gauge) {
        while let Some(work) = work.recv().await {
            match work {
                Work::Begin { generation, hold, reply } => {
                    self.generation = generation;
                    let begun = self.begin(&hold).await;
                    self.over = begun.is_err();
                    _ = reply.send(begun);
                }
                Work::Batch { generation, collected } if !self.over && generation == self.generation => {
                    self.take(collected).await;
                }
                Work::Commit(commit) if !self.over && commit.generation == self.generation => {
                    if self.commit_or_restart(commit).await {
                        last_commit.set(lakewright_runtime::health::now_ms() as f64);
                    }
                }
                // Of a generation that is over.
                Work::Batch { .. } | Work::Commit(_) => {}
            }
        }
    }

    async fn begin(&mut self, hold: &[bool]) -> anyhow::Result<Begun> {
        let (opened, dead) = futures::join!(
            join_all(self.tables.iter_mut().zip(hold).map(|(state, held)| state.begin(*held))),
            self.dead.begin(false)
        );
        let dead = dead.expect("the dead letters are never held back");
        let dead = dead.map_err(|fault| fault.error.context("open the table of dead letters"))?;
        self.letters = Some(Rows::dead_letters(&dead.schema)?);
        Ok(Begun { tables: opened, dead, sifting: self.tables.iter().map(State::is_sifting).collect() })
    }

    async fn take(&mut self, (table, batch): Collected) {
        if let Some(table) = table {
            self.tables[table].take(batch).await;
            return;
        }
        self.dead.take(batch).await;
        if let Some(fault) = self.dead.take_failure() {
            self.restart(fault.error);
        }
    }

    /// Commits; returns whether it did.
    async fn commit_or_restart(&mut self, mut commit: Commit) -> bool {
        let began = Instant::now();
        match self.commit(&commit).await {
            Ok(()) => {
                self.durations.observe(began.elapsed());
                let now = lakewright_runtime::health::now_ms();
                for (produced, times) in std::mem::take(&mut commit.produced) {
                    let millis = u64::try_from(now - produced).unwrap_or_default();
                    self.latencies.observe_all(Duration::from_millis(millis), times);
                }
                self.newest.fetch_max(commit.newest, Ordering::Relaxed);
                let out = self.tables.iter().zip(&*commit.blind).map(|(state, blind)| *blind || state.has_failed());
                commit.blind = out.collect();
                // What a table wrote before it was left out says nothing of what it is left out for.
                let wrote =
                    self.tables.iter_mut().zip(&*commit.blind).map(|(state, blind)| state.take_wrote() && !blind);
                let wrote = wrote.collect();
                _ = self.outcomes.send(Outcome::Committed { commit, wrote });
                if self.tables.iter().any(State::needs_another_generation) {
                    self.over = true;
                    let failed = self.tables.iter_mut().enumerate();
                    let failed = failed.filter_map(|(table, state)| Some((table, state.take_failure()?))).collect();
                    _ = self.outcomes.send(Outcome::Again { generation: self.generation, failed });
                }
                true
            }
            Err(reason) => {
                self.restart(reason);
                false
            }
        }
    }

    fn restart(&mut self, reason: anyhow::Error) {
        self.over = true;
        self.tables.iter_mut().chain([&mut self.dead]).for_each(State::forget);
        _ = self.outcomes.send(Outcome::Restart { generation: self.generation, reason });
    }

    async fn commit(&mut self, commit: &Commit) -> anyhow::Result<()> {
        let before = self.dead.settled();
        if let Some(gone) = commit.positions.iter().find(|one| before.topics.is_gone(&one.topic, &one.key)) {
            bail!("the topic {} was made anew, and others read the new one already", gone.topic);
        }
        let ledger = Ledger::of(&before);
        let stop = self.on_reject.stops();
        let results = join_all(self.seen(commit).map(|state| state.commit(commit, &ledger, stop))).await;
        for result in results {
            match result {
                Ok(done) => {
                    self.commits.increment(u64::from(done.committed));
                    let unwritable = done.refused.iter().filter(|one| one.reject.cause() == Cause::Unwritable);
                    self.unwritable.increment(unwritable.count() as u64);
                    self.bury(done.refused).await?;
                }
                Err(Halt::Fault) => {}
                Err(Halt::Restart(reason)) => return Err(reason),
            }
        }
        if self.dead.has_rows() {
            // What fits no column may fit a new one: a table of which nothing was written would show nobody its schema.
            for result in join_all(self.seen(commit).map(|state| state.same_as_before(commit))).await {
                result?;
            }
        }
        let shares = shares(&self.tables, commit);
        let declared = self.tables.iter().map(|state| (state.declared.name.as_str(), state.declared.topic.as_str()));
        let declared: Vec<(&str, &str)> = declared.collect();
        let moved = |before: &Settled| {
            let mut ledger = before.clone();
            for Position { topic, key, partition, next, last, .. } in &commit.positions {
                let from = before.offsets.get(key, *partition).unwrap_or(*next);
                ledger.read_topic(topic, key);
                ledger.offsets.advance(key, *partition, *next);
                if let Some(last) = last {
                    ledger.epochs.note(key, *partition, *last);
                }
                let fed = declared.iter().filter(|(_, of)| of == topic);
                let names: Vec<&str> = fed.map(|(name, _)| *name).collect();
                ledger.owed.pass(&names, key, *partition, (from, from.max(*next)));
            }
            for (share, standing) in &shares {
                settle(&mut ledger, *share, *standing);
            }
            ledger
        };
        let committed = self.dead.commit_ledger(commit, moved).await?;
        self.commits.increment(u64::from(committed));
        Ok(())
    }

    /// The tables that messages of a commit were decoded for.
    fn seen(&mut self, commit: &Commit) -> impl Iterator<Item = &mut State<S>> {
        self.tables.iter_mut().zip(&*commit.blind).filter(|(_, blind)| !**blind).map(|(state, _)| state)
    }

    /// Makes dead letters of rows that can't be written.
    async fn bury(&mut self, refused: Vec<Refused>) -> anyhow::Result<()> {
        if refused.is_empty() || !self.on_reject.is_kept() {
            return Ok(());
        }
        let letters = self.letters.as_mut().expect("commits come after their generation began");
        for Refused { origin, topic, topic_id, reject, .. } in &refused {
            letters.push_dead(topic, topic_id, &reject.to_string(), &origin.payload, origin.place);
        }
        let batch = letters.finish(&Arc::from(""))?;
        self.dead.take(batch).await;
        self.dead.take_failure().map_or(Ok(()), |fault| Err(fault.error))
    }
}

/// What each table and partition are to a commit that the tables have done with.
fn shares<'a, S: Shared>(tables: &'a [State<S>], commit: &'a Commit) -> Vec<(Share<'a>, Standing)> {
    let mut shares = Vec::new();
    for position in &commit.positions {
        for (index, state) in tables.iter().enumerate().filter(|(_, state)| state.declared.topic == position.topic) {
            let standing = match (commit.blind[index], state.has_failed()) {
                (true, _) => Standing::Blind,
                (false, true) => Standing::Failed,
                (false, false) => Standing::Settled,
            };
            let share = Share {
                table: &state.declared.name,
                topic: &position.key,
                partition: position.partition,
                next: position.next,
                rows: position.rows[index].max(state.reached(position)),
                rejects: position.rejects[index],
                pending: position.pending[index],
                own: state.own(position),
            };
            shares.push((share, standing));
        }
    }
    shares
}
