//! One table of the committer: what it holds, how it takes part in commits, and how it fails.

mod evolve;
mod publish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::anyhow;
use lakewright_config::Table;
use lakewright_lake::NewColumn;
use lakewright_runtime::Metrics;

use super::counters::Counters;
use super::{Commit, Position};
use crate::batch::{Batch, Origin};
use crate::ledger::Ledger;
use crate::offsets::OffsetMap;
use crate::reject::Reject;
use crate::settled::Settled;
use crate::sift::{Sifted, sift};
use crate::sink::{Blame, Fault, Opened, Shared, Written, guarded};

/// Quiet tables are committed without rows every so many commits, so that their own maps don't fall far behind.
const QUIET_COMMITS: u32 = 20;
/// The same for the dead letters, whose map is where a restart begins to read.
const FLOOR_COMMITS: u32 = 4;
/// So often a table of which no row can be written is quarantined for it, which takes some ten minutes. Then its rows are
/// refused: they are kept as dead letters before retention removes them.
const PATIENCE: u32 = 10;

/// How a table takes rows.
#[derive(Debug)]
enum Mode {
    /// They are written as they come.
    Streaming,
    /// A commit failed by its rows' fault: they are kept until the commit, which finds out which.
    Sifting,
    /// The rows at fault were found, or there were none: the next generation streams again.
    Sifted,
    /// More rows are at fault than one commit can settle: this generation takes nothing more, the next one sifts on.
    SiftedInPart,
    /// The next generation sifts; this one takes nothing more.
    ToSift,
    /// It has the columns now that its rows want; this generation takes nothing more, and the next one decodes them by these.
    Evolved,
    /// It can't go on; this generation takes nothing more. `None` when that was reported.
    Failed(Option<Fault>),
}

/// A summary is no place for long texts.
fn short(reason: &str) -> String {
    reason.chars().take(300).collect()
}

/// Why a table took no part in a commit to its end.
pub(super) enum Halt {
    /// It failed alone, which its state says.
    Fault,
    /// Everything must be read again.
    Restart(anyhow::Error),
}

/// What a table's part in a commit came to.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) committed: bool,
    pub(super) refused: Vec<Refused>,
}

/// A row that can't be written.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) origin: Origin,
    pub(super) topic: String,
    pub(super) topic_id: Arc<str>,
    pub(super) reject: Reject,
    reason: String,
}

/// A table and what it has taken in.
pub(super) struct State<S> {
    pub(super) declared: Table,
    sink: S,
    opened: Option<Opened>,
    /// The sink's offsets when they were known last.
    known: OffsetMap,
    mode: Mode,
    /// What is sifted with the next commit.
    kept: Vec<Batch>,
    /// Messages that broke its code: they are settled with the next commit.
    broken: Vec<Refused>,
    /// Where a commit ends that sifts in part, by topic and partition.
    ends: BTreeMap<(String, i32), i64>,
    /// The columns that rows of this generation want.
    wanted: Vec<NewColumn>,
    /// Those that the catalog refused, since the agent began.
    refused_columns: BTreeSet<String>,
    /// How often in a row sifting found no row that can be written.
    hopeless: u32,
    rows: u64,
    quiet: u32,
    dead: bool,
    /// Whether rows were committed since it was asked last.
    wrote: bool,
    /// The next offsets of partitions, as far as this generation has committed.
    reached: BTreeMap<(String, i32), i64>,
    counters: Counters,
}

impl<S: Shared> State<S> {
    pub(super) fn new(table: Table, sink: S, dead: bool, metrics: &Metrics) -> Self {
        let counters = Counters::new(&table.name, dead, metrics);
        Self {
            declared: table,
            sink,
            opened: None,
            known: OffsetMap::default(),
            mode: Mode::Streaming,
            kept: Vec::new(),
            broken: Vec::new(),
            ends: BTreeMap::new(),
            wanted: Vec::new(),
            refused_columns: BTreeSet::new(),
            hopeless: 0,
            rows: 0,
            quiet: 0,
            dead,
            wrote: false,
            reached: BTreeMap::new(),
            counters,
        }
    }

    pub(super) fn is_sifting(&self) -> bool {
        matches!(self.mode, Mode::Sifting)
    }

    /// Whether it takes nothing more in this generation.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.mode, Mode::ToSift | Mode::SiftedInPart | Mode::Evolved | Mode::Failed(_))
    }

    /// Whether it can't go on, or go on as it should, before reading begins again.
    pub(super) fn needs_another_generation(&self) -> bool {
        matches!(self.mode, Mode::ToSift | Mode::Sifted | Mode::SiftedInPart | Mode::Evolved | Mode::Failed(Some(_)))
    }

    /// Why it can't go on, once.
    pub(super) fn take_failure(&mut self) -> Option<Fault> {
        if let Mode::Failed(fault) = &mut self.mode { fault.take() } else { None }
    }

    /// Whether rows were committed since it was asked last.
    pub(super) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    pub(super) fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// What its data stands for, as it was found last.
    pub(super) fn settled(&self) -> Settled {
        self.opened.as_ref().map(|opened| opened.settled.clone()).unwrap_or_default()
    }

    /// How far it stands by its own map in a partition, where that is known.
    pub(super) fn own(&self, position: &Position) -> Option<i64> {
        let offsets = self.opened.as_ref().map_or(&self.known, |opened| &opened.settled.offsets);
        offsets.get(&position.key, position.partition)
    }

    /// How far this generation has come in a partition; 0 if it hasn't committed.
    pub(super) fn reached(&self, position: &Position) -> i64 {
        self.reached.get(&(position.key.clone(), position.partition)).copied().unwrap_or(0)
    }

    /// Drops rows that are not committed; their files are in no table.
    pub(super) fn forget(&mut self) {
        self.sink.forget();
        self.kept.clear();
        self.broken.clear();
        self.ends.clear();
        self.wanted.clear();
        self.rows = 0;
    }

    /// Begins a generation; `None` when the table is held back.
    pub(super) async fn begin(&mut self, held: bool) -> Option<Result<Opened, Fault>> {
        self.forget();
        self.reached.clear();
        self.mode = match self.mode {
            Mode::ToSift | Mode::Sifting | Mode::SiftedInPart => Mode::Sifting,
            Mode::Streaming | Mode::Sifted | Mode::Evolved | Mode::Failed(_) => Mode::Streaming,
        };
        if let Some(opened) = self.opened.take() {
            self.known = opened.settled.offsets;
        }
        if held {
            self.wrote = false;
            return None;
        }
        let mut opened = guarded(self.sink.open()).await;
        if let Ok(opened) = &mut opened {
            opened.evolution.refused.clone_from(&self.refused_columns);
        }
        self.opened = opened.as_ref().ok().cloned();
        Some(opened.map_err(|fault| fault.context(format!("open the table {}", self.declared.name))))
    }

    /// Takes rows of this generation.
    pub(super) async fn take(&mut self, mut batch: Batch) {
        let broken = std::mem::take(&mut batch.broken);
        for (origin, said) in broken {
            let reject = Reject::Panicked(said);
            let reason = short(&reject.to_string());
            let (topic, topic_id) = (self.declared.topic.clone(), Arc::clone(&batch.topic_id));
            self.broken.push(Refused { origin, topic, topic_id, reject, reason });
        }
        if batch.rows.num_rows() == 0 {
            return;
        }
        if !batch.wanted.is_empty() && !self.has_failed() {
            self.wanted = std::mem::take(&mut batch.wanted);
        }
        if !self.wanted.is_empty() {
            // They are decoded again when the table has the columns.
            return;
        }
        match self.mode {
            Mode::Sifting => {
                self.rows += batch.rows.num_rows() as u64;
                // They stay until the commit, which may wait for the intake: nobody waits for their room meanwhile.
                batch.room = None;
                self.kept.push(batch);
            }
            Mode::Streaming => {
                self.rows += batch.rows.num_rows() as u64;
                if let Err(fault) = guarded(self.sink.write(batch.rows, batch.room)).await {
                    self.fail(fault.context(format!("write rows of {}", self.declared.name)));
                }
            }
            Mode::Sifted | Mode::SiftedInPart | Mode::ToSift | Mode::Evolved | Mode::Failed(_) => {}
        }
    }

    fn fail(&mut self, fault: Fault) {
        self.forget();
        self.mode = match self.mode {
            // Dead letters can't be made of dead letters.
            Mode::Streaming if fault.blame == Blame::Rows && !self.dead => {
                tracing::warn!(table = self.declared.name, %fault, "looking for the rows that can't be written");
                Mode::ToSift
            }
            _ => Mode::Failed(Some(fault)),
        };
    }

    /// Commits what is held, if anything is or it is time. With `stop`, rows that can't be written are the table's end.
    pub(super) async fn commit(&mut self, commit: &Commit, ledger: &Ledger, stop: bool) -> Result<Done, Halt> {
        if self.has_failed() {
            return Err(Halt::Fault);
        }
        if !self.wanted.is_empty() {
            return Err(self.evolve(commit).await);
        }
        let (written, mut refused) = self.finish(stop).await?;
        let unwritable = !refused.is_empty();
        let (name, topic) = (self.declared.name.clone(), self.declared.topic.clone());
        let ends = std::mem::take(&mut self.ends);
        let end = |of: &Position| ends.get(&(of.topic.clone(), of.partition)).map_or(of.next, |end| of.next.min(*end));
        // What is left to the next generation broke nothing yet.
        let is_before = |one: &Refused| {
            let end = ends.get(&(one.topic.clone(), one.origin.place.partition));
            end.is_none_or(|end| one.origin.place.offset < *end)
        };
        refused.extend(std::mem::take(&mut self.broken).into_iter().filter(is_before));
        let settle = |before: &Settled| {
            let mut settled = before.clone();
            // Other topics' offsets stand in the ledger: here they would be repeated in each snapshot of each table.
            for position in commit.positions.iter().filter(|position| position.topic == topic) {
                let Position { key, partition, last, .. } = position;
                settled.offsets.keep_only(key);
                settled.refused.keep_only(key);
                settled.epochs.keep_only(key);
                settled.offsets.advance(key, *partition, end(position));
                if let Some(last) = last.filter(|last| last.0 < end(position)) {
                    settled.epochs.note(key, *partition, last);
                }
                if let Some(offset) = ledger.rows(&name, key, *partition) {
                    settled.refused.forget_before(key, *partition, offset);
                }
            }
            for Refused { origin, reason, topic, .. } in &refused {
                let of = commit.positions.iter().find(|position| position.topic == *topic);
                let key = &of.expect("rows are of partitions that are read").key;
                settled.refused.add(key, origin.place.partition, origin.place.offset, reason);
            }
            settled
        };
        self.quiet += 1;
        let due = written.files > 0 || !refused.is_empty() || self.quiet >= QUIET_COMMITS;
        let committed = due && self.publish(commit, written, settle).await?;
        self.counters.refused.increment(refused.len() as u64);
        self.wrote |= committed && unwritable;
        for position in &commit.positions {
            self.reached.insert((position.key.clone(), position.partition), end(position));
        }
        if written.files > 0 {
            self.hopeless = 0;
        }
        if self.is_sifting() && (written.files > 0 || unwritable) {
            self.mode = if ends.is_empty() { Mode::Sifted } else { Mode::SiftedInPart };
        }
        Ok(Done { committed, refused })
    }

    /// Commits the dead letters and the ledger.
    pub(super) async fn commit_ledger(
        &mut self,
        commit: &Commit,
        settle: impl Fn(&Settled) -> Settled + Send,
    ) -> anyhow::Result<bool> {
        let written = match guarded(self.sink.finish()).await {
            Ok(written) => written,
            Err(fault) => return Err(fault.error.context("write dead letters")),
        };
        self.quiet += 1;
        if written.files == 0 && !commit.ledger && self.quiet < FLOOR_COMMITS {
            return Ok(false);
        }
        match self.publish(commit, written, settle).await {
            Ok(committed) => Ok(committed),
            Err(Halt::Restart(reason)) => Err(reason),
            Err(Halt::Fault) => Err(self.take_failure().map_or_else(|| anyhow!("it failed"), |fault| fault.error)),
        }
    }

    /// Finishes what was written; gives what that is and the rows that can't be written.
    async fn finish(&mut self, stop: bool) -> Result<(Written, Vec<Refused>), Halt> {
        let finished = if self.is_sifting() { self.sift().await } else { Ok(Vec::new()) };
        let finished = match finished {
            Ok(refused) => guarded(self.sink.finish()).await.map(|written| (written, refused)),
            Err(fault) => Err(fault),
        };
        match finished {
            Ok((_, refused)) if stop && !refused.is_empty() => {
                self.sink.discard().await;
                let Refused { origin, reason, topic, .. } = &refused[0];
                let place = format!("{topic}/{}, offset {}", origin.place.partition, origin.place.offset);
                let error = anyhow!("a row of {place} can't be written: {reason}");
                Err(self.halt(Fault::new(Blame::Table, error)))
            }
            Ok(finished) => Ok(finished),
            Err(fault) => Err(self.halt(fault.context(format!("write rows of {}", self.declared.name)))),
        }
    }

    fn halt(&mut self, fault: Fault) -> Halt {
        self.fail(fault);
        Halt::Fault
    }

    async fn sift(&mut self) -> Result<Vec<Refused>, Fault> {
        let kept = std::mem::take(&mut self.kept);
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let sifted = sift(&mut self.sink, &kept, self.hopeless < PATIENCE).await;
        if sifted.as_ref().is_err_and(|fault| fault.blame == Blame::Table) {
            self.hopeless += 1;
        }
        let Sifted { refused: bad, open } = sifted?;
        self.rows -= bad.len() as u64;
        if let Some((batch, row)) = open {
            self.leave(&kept, batch, row);
        }
        let refused = bad.into_iter().map(|one| {
            let held = &kept[one.batch];
            let origin = held.origins[one.row].clone();
            let reason = short(&one.reason);
            let reject = Reject::Unwritable { table: self.declared.name.clone(), reason: reason.clone() };
            let (topic, topic_id) = (self.declared.topic.clone(), Arc::clone(&held.topic_id));
            Refused { origin, topic, topic_id, reject, reason }
        });
        Ok(refused.collect())
    }

    /// Leaves the rows from one on to the next commit: of each partition this one ends before the first of them.
    fn leave(&mut self, kept: &[Batch], batch: usize, row: usize) {
        let rest = kept[batch].origins[row..].iter().chain(kept[batch + 1..].iter().flat_map(|held| &held.origins));
        for Origin { place, .. } in rest {
            self.rows -= 1;
            let end = self.ends.entry((self.declared.topic.clone(), place.partition)).or_insert(place.offset);
            *end = place.offset.min(*end);
        }
    }
}
