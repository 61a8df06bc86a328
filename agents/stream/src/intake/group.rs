//! The agent as a member of its consumer group: which partitions it has, and how it leaves.
//!
//! The group's protocol is cooperative: partitions come and go one by one, and those that stay go on where they are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lakewright_config::Security;
use lakewright_config::agents::stream::consumer_group;
use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::TopicPartitionListElem;

use super::{Intake, REQUEST};
use crate::context::{Rebalanced, give_up};
use crate::partition::{Partition, index};
use crate::progress::Of;
use crate::quarantine::Part;

/// The pause before a partition is moved whose former fetching hasn't ended yet.
const SEEK_AGAIN: Duration = Duration::from_millis(50);

/// Why an agent with this `group` is no member, and what makes it one.
pub(super) fn denied(before: &str, security: &Security) -> String {
    let group = consumer_group(before);
    let fix = match security {
        Security::Iam { .. } => format!(
            "allow its role `kafka-cluster:DescribeGroup` and `kafka-cluster:AlterGroup` on the group {group}; an apply of the \
             stack does so for its own cluster"
        ),
        _ => format!(
            "add an access control list that allows its user the operation READ on the group {group} (`kafka-acls.sh --add \
             --allow-principal User:NAME --operation Read --group {group}`)"
        ),
    };
    format!(
        "Kafka doesn't let the agent into the consumer group {group} (GROUP_AUTHORIZATION_FAILED), and nothing is read: {fix}. \
         Agents of versions before were members of {before}: what is allowed on that group doesn't count for this one"
    )
}

impl Intake {
    pub(super) fn rebalanced(&mut self, event: Rebalanced) -> anyhow::Result<()> {
        match event {
            Rebalanced::Revoked(list) => {
                self.was_taken_from();
                self.revoked(&list)
            }
            Rebalanced::Assigned(list) => {
                self.assigned(list)?;
                self.was_given()
            }
        }
    }

    /// Gives partitions up when what is held is committed. The others go on where they are.
    fn revoked(&mut self, list: &[Of]) -> anyhow::Result<()> {
        tracing::info!(partitions = list.len(), "partitions revoked");
        let committed = self.commit_and_wait();
        let topics = &self.topics;
        let is_given_up =
            |one: &Partition| list.iter().any(|(topic, number)| *number == one.number && topics[one.topic] == *topic);
        self.partitions.retain(|one| {
            let mut one = one.lock();
            let is_given_up = is_given_up(&one);
            // What was fetched of it is others' to take in.
            one.stands_still |= is_given_up;
            !is_given_up
        });
        if self.partitions.is_empty() {
            self.drop_all();
        } else if committed {
            self.index = index(&self.partitions, self.topics.len());
        } else {
            // What is held is of these partitions too, and must not be committed without them.
            self.stop(Duration::ZERO);
        }
        // Whoever reads them now writes to the same tables.
        self.shared = true;
        self.partitions_changed();
        give_up(&self.consumer, list).context("give up partitions")
    }

    /// Reads partitions beside those that are read already.
    fn assigned(&mut self, list: Vec<Of>) -> anyhow::Result<()> {
        tracing::info!(partitions = list.len(), "partitions assigned");
        let known = list.into_iter().filter_map(|(topic, number)| {
            let topic = self.topics.iter().position(|name| *name == topic)?;
            Some((topic, number))
        });
        let is_new = |(topic, number): &(usize, i32)| {
            !self.partitions.iter().map(|one| one.lock()).any(|one| (one.topic, one.number) == (*topic, *number))
        };
        let new: Vec<(usize, i32)> = known.filter(is_new).collect();
        if new.is_empty() && self.router.is_some() {
            // The group waits for an answer all the same.
            return self.consumer.incremental_assign(&TopicPartitionList::new()).context("answer the group");
        }
        // Else what is held would be read again.
        self.commit_and_wait();
        let new = new.into_iter().map(|(topic, number)| Arc::new(Mutex::new(Partition::new(topic, number))));
        self.partitions.extend(new);
        self.partitions_changed();
        self.begin_or_later();
        Ok(())
    }

    /// Tells everybody which partitions this agent has.
    pub(super) fn partitions_changed(&mut self) {
        let own = self.partitions.iter().map(|one| one.lock());
        let own = own.map(|one| (self.topics[one.topic].clone(), one.number));
        self.consumer.context().set_assigned(&own.collect::<Vec<Of>>());
        self.keep_own_quarantines();
    }

    /// Forgets the quarantine of partitions that are others' now.
    pub(super) fn keep_own_quarantines(&mut self) {
        let (topics, partitions) = (&self.topics, &self.partitions);
        self.quarantine.retain(|part| match part {
            Part::Table(_) | Part::Topic(_) => true,
            Part::Partition(topic, number) => {
                let mut own = partitions.iter().map(|one| one.lock());
                own.any(|one| one.number == *number && topics[one.topic] == *topic)
            }
        });
    }

    /// Lets the client fetch partitions from these offsets on and those that are kept from where it is; the others that it
    /// has pause. That is an answer to the group too, should it wait for one.
    ///
    /// What the client fetches isn't taken out of its assignment: librdkafka aborts the program when a partition is taken out
    /// for the second time before the first time is over.
    pub(super) fn fetch(&self, anew: &TopicPartitionList, kept: &BTreeSet<Of>) -> anyhow::Result<()> {
        let of = |one: &TopicPartitionListElem<'_>| (one.topic().to_owned(), one.partition());
        let had: BTreeSet<Of> = self.consumer.assignment()?.elements().iter().map(of).collect();
        let (mut added, mut moved, mut paused) =
            (TopicPartitionList::new(), TopicPartitionList::new(), TopicPartitionList::new());
        for one in anew.elements() {
            let list = if had.contains(&of(&one)) { &mut moved } else { &mut added };
            list.add_partition_offset(one.topic(), one.partition(), one.offset())?;
        }
        for (topic, number) in had.iter().filter(|one| !kept.contains(one)) {
            if anew.find_partition(topic, *number).is_none() {
                _ = paused.add_partition(topic, *number);
            }
        }
        self.consumer.incremental_assign(&added).context("assign partitions")?;
        if paused.count() > 0 {
            self.consumer.pause(&paused).context("pause partitions")?;
        }
        self.seek(moved)?;
        // One that was stopped stays paused through an assignment.
        self.consumer.resume(anew).context("go on with what was paused")
    }

    /// Moves partitions that the client has. One that it doesn't fetch, because it hasn't begun to or an offset wasn't there, is
    /// given up and assigned anew.
    #[expect(clippy::disallowed_methods, reason = "the polling thread has nothing else to do meanwhile")]
    fn seek(&self, mut partitions: TopicPartitionList) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if partitions.count() == 0 {
                return Ok(());
            }
            let asked = self.consumer.seek_partitions(partitions, REQUEST).context("go back to what is committed")?;
            partitions = TopicPartitionList::new();
            let mut idle = TopicPartitionList::new();
            for one in asked.elements() {
                let Err(error) = one.error() else { continue };
                let is_ending = error.rdkafka_error_code() == Some(RDKafkaErrorCode::PreviousInProgress);
                if is_ending && began.elapsed() > REQUEST {
                    return Err(error).with_context(|| format!("go back in {}/{}", one.topic(), one.partition()));
                }
                let list = if is_ending { &mut partitions } else { &mut idle };
                list.add_partition_offset(one.topic(), one.partition(), one.offset())?;
            }
            if idle.count() > 0 {
                self.consumer.incremental_unassign(&idle).context("give up partitions")?;
                self.consumer.incremental_assign(&idle).context("assign partitions")?;
            }
            if partitions.count() > 0 {
                std::thread::sleep(SEEK_AGAIN);
            }
        }
    }

    /// Stops and waits for another try. The loop polls meanwhile: only so a member hears of a rebalance, and only when
    /// it has answered the one before.
    pub(super) fn stop_and_wait(&mut self) {
        let wait = self.backoff.next_pause();
        self.stop(wait);
        if let Err(error) = self.fetch(&TopicPartitionList::new(), &BTreeSet::new()) {
            self.agent.health.error(error.context("wait for another try"));
        }
    }

    /// Forgets what is held and not committed, and reads nothing.
    pub(super) fn drop_all(&mut self) {
        self.stop(Duration::ZERO);
        self.begin_at = None;
        self.index.clear();
        self.generation += 1;
    }

    /// Ends the agent's part in the group. One with an identity stays a member until its session ends: started again by then,
    /// it goes on with the same partitions, and nobody else notices.
    pub(super) fn leave(&self) {
        self.consumer.context().leave(&self.consumer);
        if self.membership.identity().is_none() {
            self.consumer.unsubscribe();
        }
    }
}
