//! When what was taken in is committed, and what becomes of a commit.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::bail;
use lakewright_runtime::kafka::describe_using;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::{Intake, REQUEST, gone};
use crate::committer::{Commit, Outcome, Position, Work};

/// How long the last commit before partitions are given up may take.
const LAST_COMMIT: Duration = Duration::from_mins(1);

impl Intake {
    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Committed(commit) => {
                self.backoff.reset();
                if !self.lost {
                    self.agent.health.clear_error();
                }
                // For tools that look at groups; where to begin stands in the tables.
                let mut list = TopicPartitionList::new();
                for position in &commit.positions {
                    self.consumer.context().set_committed(&position.topic, position.partition, position.next);
                    _ = list.add_partition_offset(&position.topic, position.partition, Offset::Offset(position.next));
                }
                if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
                    tracing::debug!(%error, "group offsets not committed");
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

    pub(super) fn commit_if_due(&mut self) {
        let Some(since) = self.held_since else { return };
        let interval = Duration::from_millis(self.config.commit_interval_ms);
        if since.elapsed() < interval && self.held_bytes < self.config.commit_bytes {
            return;
        }
        if let Err(error) = self.commit(false) {
            self.agent.health.error(error);
            self.stop_and_wait();
        }
    }

    /// Asks for a commit of all that was taken in.
    fn commit(&mut self, last: bool) -> anyhow::Result<()> {
        let generation = self.generation;
        let Some(router) = &mut self.router else { return Ok(()) };
        for (table, batch) in router.drain()? {
            self.work.blocking_send(Work::Batch { generation, table, batch }).map_err(|_| gone())?;
        }
        // A topic that was deleted and made again while it was read bears another id by now, and its offsets would be
        // taken for the old one's.
        let cluster = describe_using(self.consumer.client(), &self.topics, REQUEST)?;
        for topic in &router.topics {
            let now = cluster.topics.get(&topic.name).map(|identity| identity.id.to_string());
            if now.as_deref() != Some(&*topic.id) {
                bail!("the topic {} was made anew; what was read since the last commit is read again", topic.name);
            }
        }
        let positions = self
            .partitions
            .iter()
            .map(|partition| Position {
                topic: router.topics[partition.topic].name.clone(),
                key: router.topics[partition.topic].key.clone(),
                partition: partition.number,
                next: partition.next,
            })
            .collect();
        let commit = Commit { generation, positions, newest: self.now, last };
        (self.held_bytes, self.held_since) = (0, None);
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
                Ok(Outcome::Committed(commit)) => {
                    let last = commit.last && commit.generation == self.generation;
                    self.settle(Outcome::Committed(commit));
                    if last {
                        return;
                    }
                }
                Ok(Outcome::Restart { generation, reason }) if generation == self.generation => {
                    self.agent.health.error(reason.context("what is held is left to be read again"));
                    return;
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
