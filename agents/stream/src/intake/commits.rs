//! When what was taken in is committed, and what becomes of a commit.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::bail;
use lakewright_runtime::kafka::describe_using;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::{Intake, REQUEST, gone};
use crate::committer::{Commit, Outcome, Position, Work};
use crate::partition::Taken;
use crate::quarantine::{Part, Until};
use crate::router::Broken;
use crate::sink::{Blame, Fault};

/// When nothing came for so long, the ledger is committed: what retention removes behind it is settled, and nobody takes
/// it for lost.
const IDLE: Duration = Duration::from_secs(30);
/// How long the last commit before partitions are given up may take.
const LAST_COMMIT: Duration = Duration::from_mins(1);

impl Intake {
    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Committed { commit, wrote } => {
                self.backoff.reset();
                self.release(&commit, &wrote);
                self.clear_error();
                // For tools that look at groups; where to begin stands in the tables.
                let mut list = TopicPartitionList::new();
                for position in &commit.positions {
                    let settled = self.settled(&position.topic, position.next, &commit.blind, &position.rows);
                    self.consumer.context().set_committed(&position.topic, position.partition, settled);
                    _ = list.add_partition_offset(&position.topic, position.partition, Offset::Offset(position.next));
                }
                if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
                    tracing::debug!(%error, "group offsets not committed");
                }
            }
            Outcome::Again { generation, failed } => {
                self.put(failed);
                if generation == self.generation {
                    self.stop(Duration::ZERO);
                }
            }
            Outcome::Restart { generation, .. } if generation != self.generation => {}
            Outcome::Restart { reason, .. } => {
                self.counters.restarts.increment(1);
                self.agent.health.error(reason.context("starting again from what is committed"));
                self.stop_and_wait();
            }
        }
    }

    /// How far a partition is settled in every table: what is owed to one in quarantine is not.
    pub(super) fn settled(&self, topic: &str, next: i64, blind: &[bool], rows: &[i64]) -> i64 {
        let tables = self.config.tables.iter().zip(blind).zip(rows);
        let owed = tables.filter(|((table, blind), _)| **blind && table.topic == topic).map(|(_, rows)| *rows);
        owed.fold(next, i64::min)
    }

    /// Puts tables into quarantine that failed in a commit.
    fn put(&mut self, failed: Vec<(usize, Fault)>) {
        for (table, fault) in failed {
            let until = if fault.blame == Blame::Passing { Until::Committed } else { Until::Written };
            self.quarantine_table(table, until, &fault.to_string());
        }
    }

    /// Takes out of quarantine what had part in a commit.
    fn release(&mut self, commit: &Commit, wrote: &[bool]) {
        for ((table, blind), wrote) in self.config.tables.iter().zip(&*commit.blind).zip(wrote) {
            let part = Part::Table(table.name.clone());
            if !blind {
                self.quarantine.committed(&part, 0);
            }
            if *wrote {
                self.quarantine.written(&part);
            }
        }
        for Position { topic, partition, next, .. } in &commit.positions {
            self.quarantine.committed(&Part::Partition(topic.clone(), *partition), *next);
        }
    }

    pub(super) fn commit_if_due(&mut self) {
        let interval = Duration::from_millis(self.config.commit_interval_ms);
        let due = match self.held_since {
            Some(since) => {
                let full = self.held_bytes >= self.commit_bytes || self.held_broken >= Taken::MANY_BROKEN;
                full || since.elapsed() >= interval
            }
            None => self.is_ledger_due(),
        };
        if !due {
            return;
        }
        if let Err(error) = self.commit(false) {
            self.agent.health.error(error);
            self.stop_and_wait();
        }
    }

    fn is_ledger_due(&self) -> bool {
        self.ledger_at.is_some_and(|at| at <= Instant::now())
    }

    /// Asks for a commit of all that was taken in.
    fn commit(&mut self, last: bool) -> anyhow::Result<()> {
        let generation = self.generation;
        let Some(router) = &mut self.router else { return Ok(()) };
        let all = match router.drain() {
            Ok(all) => all,
            Err(Broken { table, error, .. }) => {
                if let Some(table) = table {
                    self.quarantine_table(table, Until::Written, &format!("{error:#}"));
                }
                return Err(error.context("what is held is read again"));
            }
        };
        for collected in all {
            self.work.blocking_send(Work::Batch { generation, collected }).map_err(|_| gone())?;
        }
        let Some(router) = &self.router else { return Ok(()) };
        // A topic that was deleted and made again while it was read bears another id by now, and its offsets would be
        // taken for the old one's.
        let read = || router.topics.iter().filter(|topic| !topic.id.is_empty());
        let names: Vec<String> = read().map(|topic| topic.name.clone()).collect();
        let cluster = describe_using(self.consumer.client(), &names, REQUEST)?;
        for topic in read() {
            let now = cluster.topics.get(&topic.name).map(|identity| identity.id.to_string());
            if now.as_deref() != Some(&*topic.id) {
                bail!("the topic {} was made anew; what was read since the last commit is read again", topic.name);
            }
        }
        let positions = self
            .partitions
            .iter()
            .filter(|partition| partition.begun)
            .map(|partition| Position {
                topic: router.topics[partition.topic].name.clone(),
                key: router.topics[partition.topic].key.clone(),
                partition: partition.number,
                next: partition.next,
                rows: Arc::clone(&partition.rows),
                rejects: Arc::clone(&partition.rejects),
                pending: partition.pending(),
            })
            .collect();
        let blind = router.blind().into();
        let ledger = last || self.is_ledger_due();
        self.ledger_at = (!ledger).then(|| Instant::now() + IDLE);
        let newest = if self.held_since.is_some() { self.now } else { 0 };
        let produced = self.produced.take();
        let shared = self.shared;
        let commit = Commit { generation, positions, blind, newest, produced, ledger, last, shared };
        (self.held_bytes, self.held_broken, self.held_since) = (0, 0, None);
        self.work.blocking_send(Work::Commit(commit)).map_err(|_| gone())
    }

    /// Commits what is held before it is given up. When that fails nothing is lost: it is read again by whoever reads
    /// the partitions next.
    pub(super) fn commit_and_wait(&mut self) {
        if self.router.is_none() || self.partitions.is_empty() {
            return;
        }
        let began = Instant::now();
        if let Err(error) = self.commit(true) {
            self.agent.health.error(error.context("what is held is left to be read again"));
            return;
        }
        loop {
            match self.outcomes.recv_timeout(LAST_COMMIT.saturating_sub(began.elapsed())) {
                Ok(Outcome::Committed { commit, wrote }) => {
                    let last = commit.last && commit.generation == self.generation;
                    self.settle(Outcome::Committed { commit, wrote });
                    if last {
                        return;
                    }
                }
                Ok(Outcome::Restart { generation, reason }) if generation == self.generation => {
                    self.agent.health.error(reason.context("what is held is left to be read again"));
                    return;
                }
                // A commit before the last one ended the generation.
                Ok(Outcome::Again { generation, failed }) => {
                    self.put(failed);
                    if generation == self.generation {
                        return;
                    }
                }
                Ok(Outcome::Restart { .. }) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.agent.health.error("the last commit took too long; what it held is read again if it failed");
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
