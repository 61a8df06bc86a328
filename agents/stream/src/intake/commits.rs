//! When what was taken in is committed, and what becomes of a commit.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::bail;
use lakewright_runtime::kafka::{ClusterTopics, TopicRefused, describe_using};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::{Intake, REQUEST, gone};
use crate::committer::{Commit, Outcome, Position, Work};
use crate::partition::Taken;
use crate::quarantine::{Part, Until};
use crate::router::{Broken, Topic};
use crate::sink::{Blame, Fault};

/// When nothing came for so long, the ledger is committed: what retention removes behind it is settled, and nobody takes
/// it for lost.
const IDLE: Duration = Duration::from_secs(30);
/// How long the last commit before partitions are given up may take.
const LAST_COMMIT: Duration = Duration::from_mins(1);
/// How long decoding what was fetched may take before that. What is left is fetched again.
const LAST_DECODING: Duration = Duration::from_secs(10);
/// For so long a commit waits for Kafka to say which topics bear the names that were read. Then what is held is read again.
const UNASKED: Duration = Duration::from_mins(2);
/// The pause before Kafka is asked once more.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// No commit waits that holds so many times the bytes after which one is due.
const MOST_WAITING: u64 = 4;

/// So many commits are asked for before one of them has happened: where commits take longer than the time between them, they become
/// larger and not later.
const MOST_UNDER_WAY: u32 = 2;

/// A commit that waits for Kafka's answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    since: Instant,
    again: Instant,
}

impl Waiting {
    /// One more attempt failed; `None` when it is time to give up. Much is not held for long: it is all in memory.
    fn after(before: Option<Self>, now: Instant, is_small: bool) -> Option<Self> {
        let since = before.map_or(now, |before| before.since);
        (is_small && now.duration_since(since) < UNASKED).then(|| Self { since, again: now + ASK_AGAIN })
    }
}

/// Whether so many commits are asked for that one more is left for later.
fn is_enough(under_way: u32, must_be_small: bool) -> bool {
    under_way >= MOST_UNDER_WAY && !must_be_small
}

impl Intake {
    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Committed { commit, wrote } => {
                self.backoff.reset();
                if commit.generation == self.generation {
                    self.under_way = self.under_way.saturating_sub(1);
                }
                self.release(&commit, &wrote);
                self.clear_error();
                // For tools that look at groups; where to begin stands in the tables.
                let mut list = TopicPartitionList::new();
                for position in &commit.positions {
                    let settled = self.settled(&position.topic, position.next, &commit.blind, &position.rows);
                    self.consumer.context().set_committed(&position.topic, position.partition, settled);
                    _ = list.add_partition_offset(&position.topic, position.partition, Offset::Offset(position.next));
                }
                if commit.generation < self.joined_at {
                    tracing::debug!("committed as a former self, whose offsets the group doesn't take");
                } else if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
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
        // More is held meanwhile, and then committed together. What is looked through for rows at fault must stay small.
        let must_be_small = self.sifting || self.held_broken >= Taken::MANY_BROKEN;
        if !due
            || is_enough(self.under_way, must_be_small)
            || self.waiting.is_some_and(|waiting| Instant::now() < waiting.again)
        {
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
        if self.router.is_none() {
            return Ok(());
        }
        // Nothing is read between this and the end of what is committed.
        match self.find_topics() {
            Ok(found) => self.same_topics(&found)?,
            // One topic alone is gone: the others go on without it.
            Err(error) if error.is::<TopicRefused>() => return Err(error),
            // A broker that is slow or away is no reason to read everything again.
            Err(error) => {
                let is_small = self.held_broken < Taken::MANY_BROKEN
                    && self.held_bytes < self.commit_bytes.saturating_mul(MOST_WAITING);
                let waiting = Waiting::after(self.waiting, Instant::now(), is_small);
                self.waiting = waiting.filter(|_| !last);
                if self.waiting.is_none() {
                    return Err(error);
                }
                self.agent.health.error(error.context("a commit waits for Kafka"));
                return Ok(());
            }
        }
        self.waiting = None;
        // What is decoded now is committed, and nothing else until the positions are known.
        self.decode.rest();
        self.reports(Duration::ZERO)?;
        let (mut all, mut produced) = (Vec::new(), Vec::new());
        for desk in 0..self.decode.desks() {
            match self.decode.drain(desk) {
                Ok(Some((rows, times))) => {
                    all.extend(rows);
                    produced.extend(times);
                }
                // What ended it was reported, or is a bug.
                Ok(None) if self.router.is_none() => return Ok(()),
                Ok(None) => bail!("a desk takes nothing in any more; what is held is read again"),
                Err(Broken { table, error, .. }) => {
                    if let Some(table) = table {
                        self.quarantine_table(table, Until::Written, &format!("{error:#}"));
                    }
                    return Err(error.context("what is held is read again"));
                }
            }
        }
        let generation = self.generation;
        let Some(router) = &self.router else { return Ok(()) };
        let positions = self
            .partitions
            .iter()
            .map(|partition| partition.lock())
            .filter(|partition| partition.begun)
            .map(|partition| Position {
                topic: router.topics[partition.topic].name.clone(),
                key: router.topics[partition.topic].key.clone(),
                partition: partition.number,
                next: partition.next,
                last: partition.last,
                rows: Arc::clone(&partition.rows),
                rejects: Arc::clone(&partition.rejects),
                pending: partition.pending(),
            })
            .collect();
        let blind = router.blind.as_slice().into();
        let ledger = last || self.is_ledger_due();
        self.ledger_at = (!ledger).then(|| Instant::now() + IDLE);
        let newest = if self.held_since.is_some() { self.now } else { 0 };
        let shared = self.shared;
        let commit = Commit { generation, positions, blind, newest, produced, ledger, last, shared };
        (self.held_bytes, self.held_broken, self.held_since) = (0, 0, None);
        self.under_way += 1;
        self.decode.restore();
        if !last {
            // What is decoded from now on is handed over later.
            self.decode.go_on();
        }
        for collected in all {
            self.hand_over(collected)?;
        }
        self.work.blocking_send(Work::Commit(commit)).map_err(|_| gone())
    }

    /// The topics that are read: those that were there when reading began.
    fn read_topics(&self) -> impl Iterator<Item = &Topic> {
        self.router.iter().flat_map(|router| &router.topics).filter(|topic| !topic.id.is_empty())
    }

    /// Which topics bear the names now that were read.
    fn find_topics(&self) -> anyhow::Result<ClusterTopics> {
        let names: Vec<String> = self.read_topics().map(|topic| topic.name.clone()).collect();
        describe_using(self.consumer.client(), &names, REQUEST)
    }

    /// A topic that was deleted and made again while it was read bears another id by now, and its offsets would be taken for the old
    /// one's.
    fn same_topics(&self, found: &ClusterTopics) -> anyhow::Result<()> {
        for topic in self.read_topics() {
            let now = found.topics.get(&topic.name).map(|identity| identity.id.to_string());
            if now.as_deref() != Some(&*topic.id) {
                bail!("the topic {} was made anew; what was read since the last commit is read again", topic.name);
            }
        }
        Ok(())
    }

    /// Takes in what was fetched, so that reading goes on behind it.
    fn decode_rest(&mut self) {
        self.decode.go_on();
        let began = Instant::now();
        while self.decode.on_the_way() > 0 && self.held_broken < Taken::MANY_BROKEN && began.elapsed() < LAST_DECODING {
            if let Err(error) = self.reports(Duration::from_millis(100)) {
                self.agent.health.error(error);
                return;
            }
        }
    }

    /// Commits what is held before partitions change hands; returns whether nothing is held any more. When it fails nothing is
    /// lost: it is read again by whoever reads the partitions next.
    pub(super) fn commit_and_wait(&mut self) -> bool {
        if self.router.is_none() || self.partitions.is_empty() {
            return true;
        }
        self.decode_rest();
        // Nobody waits for partitions that are lost already: the broker is away, or the group goes on without this agent.
        let began = Instant::now();
        while self.consumer.assignment_lost() && began.elapsed() < LAST_COMMIT {
            match self.find_topics() {
                Err(error) if !error.is::<TopicRefused>() => self.agent.health.progress(),
                _ => break,
            }
        }
        let began = Instant::now();
        if let Err(error) = self.commit(true) {
            self.agent.health.error(error.context("what is held is left to be read again"));
            return false;
        }
        if self.router.is_none() {
            // Something failed in what was decoded last, and nothing was committed.
            return false;
        }
        loop {
            match self.outcomes.recv_timeout(LAST_COMMIT.saturating_sub(began.elapsed())) {
                Ok(Outcome::Committed { commit, wrote }) => {
                    let last = commit.last && commit.generation == self.generation;
                    self.settle(Outcome::Committed { commit, wrote });
                    if last {
                        return true;
                    }
                }
                Ok(Outcome::Restart { generation, reason }) if generation == self.generation => {
                    self.agent.health.error(reason.context("what is held is left to be read again"));
                    return false;
                }
                // A commit before the last one ended the generation.
                Ok(Outcome::Again { generation, failed }) => {
                    self.put(failed);
                    if generation == self.generation {
                        return false;
                    }
                }
                Ok(Outcome::Restart { .. }) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.agent.health.error("the last commit took too long; what it held is read again if it failed");
                    return false;
                }
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_that_take_long_become_larger_unless_rows_at_fault_are_looked_for() {
        assert!(!is_enough(0, false) && !is_enough(1, false) && is_enough(2, false) && is_enough(3, false));
        assert!(!is_enough(3, true));
    }

    #[test]
    fn a_commit_waits_for_kafka_for_a_while_and_as_long_as_it_is_small() {
        let began = Instant::now();
        let first = Waiting::after(None, began, true).expect("it waits");
        assert_eq!((first.since, first.again), (began, began + ASK_AGAIN));
        let later = began + Duration::from_mins(1);
        let next = Waiting::after(Some(first), later, true).expect("it waits");
        assert_eq!((next.since, next.again), (began, later + ASK_AGAIN));
        assert!(Waiting::after(Some(next), began + UNASKED, true).is_none());
        assert!(Waiting::after(Some(next), later, false).is_none());
    }
}
