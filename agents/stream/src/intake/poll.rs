//! What is fetched goes to those who decode, and what they report is taken up.

use std::time::{Duration, Instant};

use anyhow::bail;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::group::denied;
use super::{Intake, gone};
use crate::committer::Work;
use crate::context::{Context, LOOK_EVERY};
use crate::decode::{Lines, Problem, Report};
use crate::quarantine::Until;
use crate::router::{Broken, Collected};

/// How long it takes until something else is looked at, when nothing is fetched or decoded.
const DECODING: Duration = Duration::from_millis(100);
/// So many bytes of messages are given to those who decode at a time,
const BYTES_AT_A_TIME: usize = 256 << 10;
/// and so many where commits are small,
const LEAST_AT_A_TIME: usize = 4 << 10;
/// and so many are on their way to them before fetching waits: a bound on memory.
const BYTES_ON_THE_WAY: usize = 8 << 20;

impl Intake {
    /// Gives what Kafka has to those who decode, up to [`LOOK_EVERY`] records, and takes up what they report.
    pub(super) fn poll<'m>(
        &mut self,
        consumer: &'m BaseConsumer<Context>,
        lines: &mut Lines<BorrowedMessage<'m>>,
    ) -> anyhow::Result<()> {
        self.now = chrono::Utc::now().timestamp_micros();
        consumer.context().keep_logged_in(consumer.client());
        self.decode.go_on();
        if !lines.is_free(&self.decode) || self.decode.on_the_way() >= BYTES_ON_THE_WAY {
            return self.reports(DECODING);
        }
        // What is decoded meanwhile isn't waited for here.
        let mut wait = if self.decode.on_the_way() > 0 { Duration::ZERO } else { DECODING };
        let (mut dropped, mut all, mut bytes) = (0, false, 0);
        // A commit becomes larger than it should be by what is fetched at a time.
        let enough = BYTES_AT_A_TIME.min(LEAST_AT_A_TIME.max(self.commit_bytes as usize / 16));
        for _ in 0..LOOK_EVERY {
            match consumer.poll(wait) {
                None => {
                    all = true;
                    break;
                }
                Some(Err(error)) => self.consumer_error(&error)?,
                Some(Ok(message)) => {
                    match self.find(message.topic(), message.partition()) {
                        Some((position, desk)) => {
                            let partition = &self.partitions[position];
                            bytes += lines.add(&mut self.decode, (desk, partition), message, self.now);
                        }
                        None => dropped += 1,
                    }
                    wait = Duration::ZERO;
                    if bytes >= enough {
                        break;
                    }
                }
            }
        }
        lines.send(&self.decode, all);
        let wait = if all && self.decode.on_the_way() > 0 { DECODING } else { Duration::ZERO };
        self.reports(wait)?;
        let all = all && self.decode.on_the_way() == 0;
        if all {
            self.publish_now();
        }
        consumer.context().set_handed(dropped, all);
        Ok(())
    }

    /// The position of a partition that is read, and the desk at which it is decoded.
    fn find(&self, topic: &str, partition: i32) -> Option<(usize, usize)> {
        self.router.as_ref()?;
        let topic = self.topics.iter().position(|name| name == topic)?;
        self.index[topic].get(partition as usize).copied().flatten()
    }

    /// Takes up what was decoded; where there is nothing of that yet, it waits for so long at most.
    pub(super) fn reports(&mut self, wait: Duration) -> anyhow::Result<()> {
        let mut wait = wait;
        while let Some(report) = self.decode.report(wait) {
            wait = Duration::ZERO;
            self.take_up(report)?;
        }
        Ok(())
    }

    fn take_up(&mut self, report: Report) -> anyhow::Result<()> {
        if let Some((messages, _)) = report.done {
            self.consumer.context().set_handed(messages as u64, false);
        }
        self.held_bytes += report.bytes;
        self.held_broken += report.broken;
        if report.records > 0 {
            self.held_since.get_or_insert_with(Instant::now);
        }
        for collected in report.full {
            self.hand_over(collected)?;
        }
        for problem in report.problems {
            match problem {
                Problem::Stop(partition, reason) => self.stop_partition(partition, &reason),
                // The record is known; without it the table goes on.
                Problem::Broken(Broken { by_record: true, error, .. }) => {
                    self.agent.health.error(error.context("a record is left out as a dead letter"));
                    self.stop(Duration::ZERO);
                }
                Problem::Broken(Broken { table: Some(table), error, .. }) => {
                    self.quarantine_table(table, Until::Written, &format!("{error:#}"));
                    // What it has collected is of no use, and the others go on without it.
                    self.stop(Duration::ZERO);
                }
                Problem::Broken(Broken { table: None, error, .. }) => {
                    self.stop(Duration::ZERO);
                    return Err(error);
                }
                Problem::Died(said) => {
                    self.stop(Duration::ZERO);
                    bail!("decoding failed, which is a bug in lakewright: {said}");
                }
            }
        }
        Ok(())
    }

    /// Gives rows to the committer; waits until there is room for them.
    pub(super) fn hand_over(&self, (table, mut batch): Collected) -> anyhow::Result<()> {
        batch.room = Some(self.rooms.take(batch.bytes()));
        let work = Work::Batch { generation: self.generation, collected: (table, batch) };
        self.work.blocking_send(work).map_err(|_| gone())
    }

    fn consumer_error(&mut self, error: &KafkaError) -> anyhow::Result<()> {
        if let Some(error) = self.fatal(error) {
            return Err(error);
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
                self.agent.health.error(format!("Kafka doesn't have the next offset any more: {error}"));
                self.stop(Duration::ZERO);
            }
            // Nothing more is read of a topic that was asked for first.
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::TopicAuthorizationFailed)
                if self.is_asking_for_former_topics() =>
            {
                tracing::info!(%error, "a topic of the last start can't be read");
            }
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                self.agent.health.error(denied(&self.config.group, &self.config.kafka.security));
            }
            _ => self.agent.health.error(format!("kafka: {error}")),
        }
        Ok(())
    }
}
