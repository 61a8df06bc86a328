//! The agents: what of the expansion is one agent's own has a file for each; what they have in common stands here.

use std::collections::BTreeSet;

use lakewright_config::agents::Agent;
use lakewright_config::{KafkaConnection, KafkaTopic, Security, WatchConfig};
use serde_json::Value;

use super::Expansion;
use super::kafka::topic_settings;
use super::policy::{Access, Statements};
use super::watched::Watched;
use crate::stack::decode::At;
use crate::stack::kafka::Authentication;
use crate::stack::sections::File;
use crate::stack::watch::Alarms;

mod acls;
mod alarms;
mod batch;
mod producer;
mod rights;
mod shipper;
mod stream;

use alarms::Reports;

/// What of the expansion is one agent's own.
pub(super) trait AgentExpansion {
    /// Its configuration, with references to what isn't known yet.
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value>;

    /// Adds the statements that its host's role needs for it, besides writing its log.
    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements);

    /// The topics that it reads or writes, as the file names them.
    fn topics<'a>(&self, _file: &'a File) -> Vec<&'a At<String>> {
        Vec::new()
    }

    /// What it does with them.
    fn access(&self) -> Access {
        Access::Read
    }

    /// The names of the consumer groups that it may be a member of.
    fn groups(&self, _expansion: &Expansion<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Whether its configuration lists the tables' columns, so that the tables are made first.
    fn includes_tables(&self) -> bool {
        false
    }

    /// Where it writes why it refused a record.
    fn reasons(&self) -> &'static str {
        "the agent's log"
    }

    /// The alarms that only this agent has.
    fn alarms(&self, _expansion: &Expansion<'_>, _section: &Alarms, _reports: &Reports<'_>) -> Vec<Watched> {
        Vec::new()
    }
}

/// The part of the expansion that is an agent's own.
pub(super) fn expansion_of(agent: Agent) -> &'static dyn AgentExpansion {
    match agent {
        Agent::Producer => &producer::Producer,
        Agent::Stream => &stream::Stream,
        Agent::Shipper => &shipper::Shipper,
        Agent::Batch => &batch::Batch,
        Agent::Acls => &acls::Acls,
    }
}

/// The topics that an agent reads or writes, as the file names them.
pub(in crate::stack) fn used_topics(agent: Agent, file: &File) -> BTreeSet<&str> {
    expansion_of(agent).topics(file).into_iter().map(|topic| topic.value.as_str()).collect()
}

impl Expansion<'_> {
    /// An agent's configuration as JSON text with references.
    pub(super) fn agent_config(&self, agent: Agent) -> String {
        let config = expansion_of(agent).config(self).expect("a configuration is plain JSON");
        serde_json::to_string_pretty(&config).expect("a JSON value is text") + "\n"
    }

    /// How an agent reaches the cluster, and the topics that it makes sure of where nobody else can make them.
    fn connection(&self, agent: Agent) -> KafkaConnection {
        let kafka = self.file.kafka.as_ref().expect("a stack with an agent of Kafka's has a cluster");
        let way = kafka.ways()[0];
        let secret = self.secret_of(kafka, agent).filter(|_| way == Authentication::Scram);
        let security = match (way, secret) {
            (Authentication::Iam, _) => Security::Iam { region: self.target.region.clone() },
            (_, Some(secret)) => Security::Scram { secret },
            _ => Security::Tls,
        };
        let bootstrap = match (&kafka.existing, Self::cluster(kafka)) {
            (Some(existing), _) => existing.bootstrap.value.clone(),
            (None, Some(cluster)) => cluster.output(&format!("bootstrap_{}", output_of(way))),
            (None, None) => String::new(),
        };
        let used = used_topics(agent, self.file);
        let topics = self
            .file
            .topics
            .iter()
            .filter(|topic| kafka.is_serverless() && !*topic.value.existing && used.contains(topic.name.as_str()));
        let topics = topics.map(|topic| KafkaTopic {
            name: self.topic(&topic.name),
            partitions: topic.value.partitions.0 as u32,
            configuration: topic_settings(&topic.value),
        });
        KafkaConnection { bootstrap, security, topics: topics.collect() }
    }

    /// The `group` of an agent: its own, or one that follows from the stack's.
    fn group_of(&self, agent: Agent, own: Option<&At<String>>) -> String {
        own.map_or_else(|| self.named(agent.word()), |group| group.value.clone())
    }

    /// Where an agent reports: a metric costs money, so that only what has alarms reports.
    fn watch(&self, agent: Agent) -> Option<WatchConfig> {
        self.file.alarms.as_ref().map(|_| WatchConfig {
            log_group: self.log_group_name(agent.word()),
            stack: self.stack.name().to_owned(),
            every_seconds: REPORT_SECONDS,
        })
    }
}

/// How often agents report. Alarms look at minutes.
const REPORT_SECONDS: u64 = 60;

/// A way of logging in, as a cluster's outputs name it.
fn output_of(way: Authentication) -> &'static str {
    match way {
        Authentication::Iam => "iam",
        Authentication::Scram => "scram",
        Authentication::None => "tls",
    }
}
