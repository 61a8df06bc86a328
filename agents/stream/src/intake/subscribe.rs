//! Which topics the agent asks its group for: those that the group knows it by, until it has its partitions, then those that it reads.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use lakewright_runtime::kafka::TopicRefused;
use rdkafka::consumer::Consumer;

use super::Intake;
use crate::membership::SESSION;

/// For so long the group may take to give the agent its partitions before Kafka is asked whether the topics of its last start are
/// there: longer than a session, so that the group has forgotten a former self by then whose topics are gone.
const PATIENCE: Duration = Duration::from_secs(20);
/// An assignment that stood for so long is one by the topics that were asked for last: librdkafka puts a subscription off
/// while a rebalance is under way, and joins again as soon as that one is over.
const STANDS: Duration = SESSION;

/// By which topics the group gives the agent partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// By those of its last start. They are looked for at this time, if it has got no partitions by then.
    Before(Instant),
    /// By either: those that it reads were asked for. By these, if nothing is given or taken until then.
    Now(Option<Instant>),
    /// By those that it reads.
    Known,
}

impl Intake {
    /// Asks for the first topics.
    pub(super) fn subscribe(&mut self) -> anyhow::Result<()> {
        let Some(before) = self.membership.before() else {
            self.asked = Asked::Known;
            return self.ask_for(&self.topics);
        };
        tracing::info!(topics = before.len(), "the group is asked for the topics of the last start first");
        self.ask_for(before)?;
        self.asked = Asked::Before(Instant::now() + PATIENCE);
        Ok(())
    }

    fn ask_for(&self, topics: &[String]) -> anyhow::Result<()> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&names).context("subscribe to the topics")
    }

    fn ask_for_own(&mut self) -> anyhow::Result<()> {
        self.ask_for(&self.topics)?;
        self.asked = Asked::Now(None);
        Ok(())
    }

    pub(super) fn is_asking_for_former_topics(&self) -> bool {
        matches!(self.asked, Asked::Before(_))
    }

    /// The group has given the agent partitions, or none.
    pub(super) fn was_given(&mut self) -> anyhow::Result<()> {
        self.counters.rebalances.increment(1);
        self.membership.was_given(self.polled);
        match self.asked {
            Asked::Before(_) => self.ask_for_own()?,
            Asked::Now(_) => self.asked = Asked::Now(Some(Instant::now() + STANDS)),
            Asked::Known => {}
        }
        Ok(())
    }

    /// The group takes partitions from the agent: a rebalance is under way.
    pub(super) fn was_taken_from(&mut self) {
        if let Asked::Now(_) = self.asked {
            self.asked = Asked::Now(None);
        }
    }

    /// Goes on to the topics that are read when those of before can't be had, and keeps what the group knows when it knows it.
    pub(super) fn look_at_subscription(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        match self.asked {
            Asked::Before(at) if at <= now => self.look_for_former_topics(),
            Asked::Now(Some(at)) if at <= now => {
                self.asked = Asked::Known;
                if let Err(error) = self.membership.is_known() {
                    self.agent.health.error(error.context("the next start asks for the topics of before once more"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A group gives nobody anything by topics that are gone, and doesn't take such a member in. As long as one of them is there it
    /// takes its time; and as long as Kafka is away it may know the former self when it comes back.
    fn look_for_former_topics(&mut self) -> anyhow::Result<()> {
        let before = self.membership.before().unwrap_or_default().to_vec();
        match self.ask(&before) {
            Err(error) if error.is::<TopicRefused>() => {
                tracing::info!(error = format!("{error:#}"), "no topic of the last start can be read any more");
                self.ask_for_own()
            }
            _ => {
                self.asked = Asked::Before(Instant::now() + PATIENCE);
                Ok(())
            }
        }
    }
}
