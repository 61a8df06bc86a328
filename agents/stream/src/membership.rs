//! How an agent is a member of its consumer group: under which identity, and by which topics the group knows it.
//!
//! Kafka gives a member that starts again under its identity what it had before, whatever topics it asks for by then (KAFKA-12759). So
//! an agent keeps the topics of its last start in its state directory: it asks for those until it has its partitions, and then for
//! those of now, which the group hears of as of any other change. `docs/decisions/group-membership.md` says what was seen.

mod fences;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lakewright_config::StreamConfig;
use lakewright_platform::durable;
use lakewright_runtime::Agent;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::fences::Fences;
pub(crate) use self::fences::Usurper;

/// For so long the group keeps what a member with an identity has that says nothing.
pub(crate) const SESSION: Duration = Duration::from_secs(15);
/// The file in the state directory that says what the group knows of the agent.
const FILE: &str = "membership.json";
/// The longest name that Kafka takes for a member.
const MOST_IDENTITY: usize = 249;
/// No such file is longer, in bytes: 10,000 topics with names as long as Kafka takes them.
const MOST_FILE: u64 = 4 << 20;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The consumer group.
    group: String,
    /// The agent's name in it, `LAKEWRIGHT_INSTANCE`.
    instance: String,
    /// The other half of its identity: whoever has lost this file, or has another one, is another member.
    token: String,
    /// The topics of its last start, sorted.
    topics: Vec<String>,
    /// Those of the start before, until the group has given it partitions by the new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Vec<String>>,
    /// How often another agent took its identity.
    #[serde(default)]
    fenced: u64,
}

impl Kept {
    fn new(group: &str, instance: &str, topics: &[String]) -> Self {
        Self {
            group: group.to_owned(),
            instance: instance.to_owned(),
            token: token(),
            topics: topics.to_vec(),
            before: None,
            fenced: 0,
        }
    }

    /// What is true from a start with these topics on. A member by another name is new to the group, and so is one of which it isn't
    /// known by which topics the group gave it what it has: what its former self had is others' when its session ends.
    fn started(self, group: &str, instance: &str, topics: &[String]) -> Self {
        if self.group != group || self.instance != instance {
            return Self::new(group, instance, topics);
        }
        match (self.topics == topics, &self.before) {
            (true, _) => self,
            (false, None) => Self { topics: topics.to_vec(), before: Some(self.topics), ..self },
            (false, Some(_)) => Self { fenced: self.fenced, ..Self::new(group, instance, topics) },
        }
    }

    fn identity(&self) -> String {
        format!("{}-{}", self.instance, self.token)
    }
}

fn token() -> String {
    let mut token = Uuid::new_v4().simple().to_string();
    token.truncate(8);
    token
}

/// How an agent is a member of its group.
#[derive(Debug)]
pub(crate) struct Membership {
    /// `None`: it has no identity, and leaves the group whenever it ends.
    kept: Option<(PathBuf, Kept)>,
    fences: Fences,
}

impl Membership {
    /// That of an agent that starts. Without a name it has no identity, and neither has one that can't keep a file: its next start
    /// couldn't know what the group knows of it. A file that can't be read is shown, and the agent is a new member.
    ///
    /// # Errors
    /// The name is too long.
    pub(crate) fn of(agent: &Agent, config: &StreamConfig) -> anyhow::Result<Self> {
        let Some(instance) = &agent.instance else { return Ok(Self::keeping(None)) };
        let (group, topics) = (config.consumer_group(), topics(config));
        let path = agent.state_dir.join(FILE);
        let kept = match read(&path) {
            Ok(Some(kept)) => kept.started(&group, instance, &topics),
            Ok(None) => Kept::new(&group, instance, &topics),
            Err(error) => {
                let error = error.context(
                    "what the consumer group knows of this agent isn't known; it is a new member, and the partitions of its former \
                     self are read when that one's session ends",
                );
                agent.health.error(error);
                Kept::new(&group, instance, &topics)
            }
        };
        let longer = kept.identity().len().saturating_sub(MOST_IDENTITY);
        ensure!(longer == 0, "LAKEWRIGHT_INSTANCE is too long by {longer} characters");
        if let Err(error) = write(&path, &kept) {
            let error = error.context(
                "the agent can't keep what its consumer group knows of it, and is a member without an identity: others get its \
                 partitions whenever it ends. Let it write to its state directory",
            );
            agent.health.error(error);
            return Ok(Self::keeping(None));
        }
        Ok(Self::keeping(Some((path, kept))))
    }

    fn keeping(kept: Option<(PathBuf, Kept)>) -> Self {
        Self { kept, fences: Fences::default() }
    }

    /// Sets what makes a client this member. `docs/decisions/group-membership.md` gives reasons for the times.
    pub(crate) fn configure(&self, kafka: &mut ClientConfig, config: &StreamConfig) {
        let (session, heartbeat) = match self.identity() {
            Some(identity) => {
                kafka.set("group.instance.id", identity);
                (SESSION, "3000")
            }
            None => (Duration::from_secs(6), "1500"),
        };
        kafka
            .set("group.id", config.consumer_group())
            .set("session.timeout.ms", session.as_millis().to_string())
            .set("heartbeat.interval.ms", heartbeat)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // The agent always says where to begin; an offset that isn't there must be an error.
            .set("auto.offset.reset", "error");
    }

    /// The name that no other member has.
    pub(crate) fn identity(&self) -> Option<String> {
        self.kept.as_ref().map(|(_, kept)| kept.identity())
    }

    /// How often another agent took it, as far as the file says.
    pub(crate) fn fenced(&self) -> u64 {
        self.kept.as_ref().map_or(0, |(_, kept)| kept.fenced)
    }

    /// The topics to ask for until the agent has its partitions, if they are others than those of now.
    pub(crate) fn before(&self) -> Option<&[String]> {
        self.kept.as_ref()?.1.before.as_deref()
    }

    /// The group has given the agent partitions by the topics of now.
    ///
    /// # Errors
    /// The file can't be written: the next start asks for the topics of before once more.
    pub(crate) fn is_known(&mut self) -> anyhow::Result<()> {
        self.change(|kept| kept.before = None)
    }

    /// The group gave the agent partitions, or none.
    pub(crate) fn was_given(&mut self, now: Instant) {
        self.fences.given(now);
    }

    /// The group takes the agent for another one than its member: who is that member?
    pub(crate) fn was_fenced(&mut self, now: Instant) -> Usurper {
        self.fences.fenced(now)
    }

    /// Another agent took its identity: the next start has another one.
    ///
    /// # Errors
    /// The file can't be written: a next start that can't write it either has no identity.
    pub(crate) fn give_way(&mut self) -> anyhow::Result<()> {
        self.change(|kept| {
            kept.token = token();
            kept.before = None;
            kept.fenced += 1;
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut Kept)) -> anyhow::Result<()> {
        let Some((path, kept)) = &mut self.kept else { return Ok(()) };
        change(kept);
        write(path, kept)
    }
}

/// What the agent reads, each topic once, sorted.
pub(crate) fn topics(config: &StreamConfig) -> Vec<String> {
    let mut topics: Vec<String> = config.tables.iter().map(|table| table.topic.clone()).collect();
    topics.sort();
    topics.dedup();
    topics
}

fn read(path: &Path) -> anyhow::Result<Option<Kept>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let mut text = Vec::new();
    file.take(MOST_FILE).read_to_end(&mut text).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).map(Some).with_context(|| format!("read {}", path.display()))
}

fn write(path: &Path, kept: &Kept) -> anyhow::Result<()> {
    let text = serde_json::to_vec(kept).context("write what the consumer group knows of the agent")?;
    durable::write(path, &text)
}

#[cfg(test)]
mod tests;
