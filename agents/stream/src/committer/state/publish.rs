//! Publishing what a table holds, on top of whatever others published meanwhile.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use lakewright_platform::Backoff;

use super::super::{Commit, Position};
use super::{Halt, State};
use crate::settled::Settled;
use crate::sink::{Blame, Fault, Opened, Refusal, Shared, Version, Written, guarded, guarded_commit};

/// So many conflicts in a row with writers of other partitions are bad luck; more are something else.
pub(super) const MAX_CONFLICTS: u32 = 50;
/// The pauses after conflicts: writers that meet again and again keep each other from committing.
pub(super) const CONFLICT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// After so many conflicts in a row a writer asks the others of its group to wait, and after each one more. One that takes longer for an
/// attempt than they do would find the table changed each time.
pub(super) const ASKS_AFTER: u32 = 5;
/// It asks for the time of so many attempts, the slowest of those so far: some of theirs are still under way.
const ATTEMPTS: u32 = 6;
/// And for so long at least.
const LEAST_TURN: Duration = Duration::from_secs(1);

impl<S: Shared> State<S> {
    /// Commits what is finished with what `settle` makes of what was settled; returns whether there was anything to say.
    pub(super) async fn publish(
        &mut self,
        commit: &Commit,
        written: Written,
        settle: impl Fn(&Settled) -> Settled + Send,
    ) -> Result<bool, Halt> {
        let published = self.publish_among_others(commit, written, settle).await;
        self.sink.end_turn().await;
        published
    }

    async fn publish_among_others(
        &mut self,
        commit: &Commit,
        Written { files, bytes }: Written,
        settle: impl Fn(&Settled) -> Settled + Send,
    ) -> Result<bool, Halt> {
        let name = self.declared.name.clone();
        let mut backoff = Backoff::new(CONFLICT.0, CONFLICT.1);
        let (mut slowest, mut has_asked) = (Duration::ZERO, false);
        let (mut conflicts, mut gave_way) = (0, !commit.shared);
        while conflicts < MAX_CONFLICTS {
            let Opened { version, settled: before, .. } =
                self.opened.clone().expect("commits come after their generation began");
            let settled = settle(&before);
            if files == 0 && settled == before {
                return Ok(false);
            }
            // Once before the first attempt: waiting is no conflict.
            if !gave_way {
                gave_way = true;
                if self.sink.give_way().await {
                    self.open_again(&before, &version, commit).await?;
                    continue;
                }
            }
            let began = Instant::now();
            match guarded_commit(self.sink.commit(&settled, &before)).await {
                Ok(now) => {
                    let here = self.same_place(&settled, &now.settled, commit);
                    here.map_err(|error| Halt::Restart(error.context(format!("after a commit to {name}"))))?;
                    let same = now.version == version;
                    self.opened = Some(now);
                    self.counters.rows.increment(self.rows);
                    self.counters.all_rows.increment(self.rows);
                    self.counters.files.increment(files as u64);
                    self.counters.bytes.increment(bytes);
                    self.counters.all_bytes.increment(bytes);
                    self.wrote |= files > 0;
                    (self.rows, self.quiet) = (0, 0);
                    return if same { Ok(true) } else { Err(Halt::Restart(changed(&name))) };
                }
                Err(Refusal::Conflict) => {
                    conflicts += 1;
                    self.counters.conflicts.increment(1);
                    slowest = slowest.max(began.elapsed());
                    if conflicts == MAX_CONFLICTS {
                        break;
                    }
                    self.sink.pause(&mut backoff).await;
                    if commit.shared && (has_asked || conflicts % ASKS_AFTER == 0) {
                        has_asked = true;
                        if self.sink.take_turn((slowest * ATTEMPTS).max(LEAST_TURN)).await {
                            self.counters.turns.increment(1);
                            backoff.reset();
                        }
                    } else if commit.shared {
                        self.sink.give_way().await;
                    }
                    self.open_again(&before, &version, commit).await?;
                }
                Err(Refusal::Unknown(error)) => return Err(self.halt(Fault::new(Blame::Passing, error))),
                Err(Refusal::Failed(fault)) => {
                    self.sink.discard().await;
                    // The rows are written: whatever it is, sifting them finds nothing.
                    let blame = if fault.blame == Blame::Rows { Blame::Table } else { fault.blame };
                    return Err(self.halt(Fault { blame, ..fault }));
                }
            }
        }
        self.sink.discard().await;
        let error = anyhow!("other writers were faster {MAX_CONFLICTS} times in a row at {name}");
        Err(self.halt(Fault::new(Blame::Passing, error)))
    }

    /// Opens the table again, to commit what is written on top of what others committed.
    async fn open_again(&mut self, before: &Settled, version: &Version, commit: &Commit) -> Result<(), Halt> {
        let now = match guarded(self.sink.open()).await {
            Ok(now) => now,
            Err(fault) => return Err(self.halt(fault)),
        };
        let name = &self.declared.name;
        if let Err(error) = self.same_place(before, &now.settled, commit) {
            let error = error.context(format!("commit to {name}"));
            self.sink.discard().await;
            return Err(Halt::Restart(error));
        }
        // What is written was decoded for the old schema: under a new one, a message may mean more.
        if now.version != *version {
            let changed = changed(name);
            self.sink.discard().await;
            return Err(Halt::Restart(changed));
        }
        self.opened = Some(now);
        Ok(())
    }

    /// Refuses to go on when the table has another schema by now than the one that messages were decoded for, or another
    /// writer has its partitions.
    pub(in super::super) async fn same_as_before(&mut self, commit: &Commit) -> anyhow::Result<()> {
        let Some(before) = &self.opened else { return Ok(()) };
        let now = guarded(self.sink.open()).await.map_err(|fault| fault.error)?;
        if now.version != before.version {
            return Err(changed(&self.declared.name));
        }
        // Of one that failed nobody may know whether its commit happened; it has no part in another one.
        if !self.has_failed() {
            self.same_place(&before.settled, &now.settled, commit)?;
            self.opened = Some(now);
        }
        Ok(())
    }

    /// Whether the partitions that this agent reads stand where it left them: else another one reads them now, or the table
    /// was rolled back. Offsets alone don't say so: what is owed to a table is before the floor, and paying it moves none.
    fn same_place(&self, expected: &Settled, found: &Settled, commit: &Commit) -> anyhow::Result<()> {
        let of = |position: &&Position| self.dead || position.topic == self.declared.topic;
        for Position { topic, key, partition, .. } in commit.positions.iter().filter(of) {
            // What this agent read may be of a topic that is gone, of which nobody else has heard.
            let anew = if self.dead {
                expected.is_read_otherwise(found, topic, key)
            } else {
                expected.takes_another(found, key)
            };
            if anew {
                bail!("the topic {topic} is read under another id by now: it was made anew");
            }
            let at = |settled: &Settled| settled.offsets.get(key, *partition);
            if at(expected) != at(found) {
                let (expected, found) = (at(expected), at(found));
                bail!("{topic}/{partition} was at {expected:?} and is at {found:?}: another writer moved it");
            }
            let (expected, found) =
                (expected.owed.of_partition(key, *partition), found.owed.of_partition(key, *partition));
            if expected != found {
                bail!("of {topic}/{partition} {expected:?} was owed and {found:?} is: another writer changed it");
            }
        }
        Ok(())
    }
}

fn changed(table: &str) -> anyhow::Error {
    anyhow!("the schema of {table}, or how it is declared, changed")
}
