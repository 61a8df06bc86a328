//! What an agent does that its group takes for another one than its member: it joins again, or gives way to its double.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lakewright_config::agents::stream;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Intake;
use crate::context::Context;
use crate::membership::Usurper;

/// For so long an agent shows that another one took its place in the group. Then it ends, and whoever started it starts it again, under
/// another identity. Where that can't be kept over a restart, two change places no faster than this.
const SHOWN: Duration = Duration::from_mins(1);

/// The group has another member under the agent's identity.
#[derive(Debug, thiserror::Error)]
#[error(
    "another agent joined the group {group} under the same identity `{identity}` and took this one's partitions: both have this \
     one's LAKEWRIGHT_INSTANCE and a copy of its state directory, or share it. This one reads nothing, and ends in a minute to be \
     started again as another member; if that isn't meant, end one of the two for good"
)]
pub(super) struct Fenced {
    group: String,
    identity: String,
}

impl Intake {
    /// Whether the group has another member under the agent's identity. The client can't go on then.
    pub(super) fn fenced(&self) -> Option<Fenced> {
        let (code, _) = self.consumer.client().fatal_error()?;
        let identity = self.membership.identity()?;
        (code == RDKafkaErrorCode::FencedInstanceId).then(|| Fenced { group: self.config.consumer_group(), identity })
    }

    /// Why the client can't go on for good, if it can't.
    pub(super) fn fatal(&self, error: &KafkaError) -> Option<anyhow::Error> {
        let (_, reason) = self.consumer.client().fatal_error()?;
        let other = || anyhow::anyhow!("the Kafka client can't go on: {error}: {reason}");
        Some(self.fenced().map_or_else(other, Into::into))
    }

    /// Joins again, or gives way for good. Nobody decodes meanwhile.
    ///
    /// # Errors
    /// The agent gives way, or no client can be made.
    pub(super) fn was_fenced(&mut self, fenced: Fenced) -> anyhow::Result<()> {
        match self.membership.was_fenced(self.polled) {
            Usurper::Ghost => self.join_again(&fenced),
            Usurper::Double => Err(self.give_way(fenced)),
        }
    }

    /// Becomes a member again by a client of its own. What is held is left to be read again: only the tables say what was committed.
    fn join_again(&mut self, fenced: &Fenced) -> anyhow::Result<()> {
        let Fenced { group, identity } = fenced;
        tracing::warn!(group, identity, "the group has another member under this identity: joining again");
        self.counters.rejoins.increment(1);
        self.partitions.iter().for_each(|one| one.lock().stands_still = true);
        self.partitions.clear();
        self.drop_all();
        self.decode.forget_fetched();
        self.partitions_changed();
        // Whoever had its place meanwhile writes to the same tables.
        self.shared = true;
        self.joined_at = self.generation;
        self.leave();
        let context = Context::clone(self.consumer.context());
        let consumer = self.kafka.create_with_context(context).context("make a Kafka consumer")?;
        // The last one closes here; what the group asks of it is answered at once.
        self.consumer = Arc::new(consumer);
        self.consumer.context().stay();
        Ok(())
    }

    /// Leaves this identity to the agent that took it, and shows that for a while. What is held is left to be read again by that one.
    #[expect(clippy::disallowed_methods, reason = "the polling thread has nothing else to do")]
    fn give_way(&mut self, fenced: Fenced) -> anyhow::Error {
        self.agent.metrics.counter(&stream::FENCED, &[]).increment(1);
        if let Err(error) = self.membership.give_way() {
            self.agent
                .health
                .error(error.context("the identity that another agent took is this one's next start's too"));
        }
        self.agent.health.error(fenced.to_string());
        let began = Instant::now();
        while !self.agent.shutdown.is_cancelled() && began.elapsed() < SHOWN {
            self.agent.health.progress();
            std::thread::sleep(Duration::from_millis(100));
        }
        fenced.into()
    }
}
