//! Checks of Kafka topics.

use std::ops::Range;

use super::Checker;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::expand::used_topics;
use crate::stack::hosts::Agent;
use crate::stack::kafka::Topic;
use crate::stack::units::Period;

/// The settings that topics of a serverless cluster may have.
const SERVERLESS_SETTINGS: [&str; 7] = [
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "retention.bytes",
    "retention.ms",
];
/// The largest message that a serverless cluster takes, in bytes.
const SERVERLESS_MESSAGE: u64 = 8_388_608;
impl Checker<'_> {
    pub(super) fn topics(&mut self) {
        let file = self.file;
        for topic in &file.topics {
            let Some(kafka) = &file.kafka else {
                let title = format!("topic `{}` has no cluster", topic.name);
                self.push(
                    Diagnostic::new(topic.span.clone(), title, "needs a cluster").help("add a section `[kafka]`"),
                );
                return;
            };
            let brokers = &kafka.brokers;
            if kafka.r#type.sound && kafka.is_serverless() {
                self.serverless_topic(&topic.name, &topic.span, &topic.value);
            } else if let Some(replication) = topic.value.replication.as_ref().filter(|at| at.sound && brokers.sound)
                && kafka.existing.is_none()
                && replication.0 > brokers.0
            {
                let title = format!("{} brokers can't hold {} replicas", brokers.0, replication.0);
                let label = format!("at most {}", brokers.0);
                self.push(
                    Diagnostic::new(replication.span.clone(), title, label)
                        .help("each replica stands on a broker of its own: add brokers or lower this"),
                );
            }
            let retention = &topic.value.retention;
            if retention.sound && !(Period::seconds(60)..=Period::days(3650)).contains(retention) {
                let title = "`retention` is out of range";
                self.push(Diagnostic::new(retention.span.clone(), title, "must be between a minute and ten years"));
            }
            for setting in &topic.value.configuration {
                if setting.name == "retention.ms" {
                    let title = "`retention.ms` is set by `retention`";
                    self.push(
                        Diagnostic::new(setting.span.clone(), title, "set twice")
                            .help("write `retention = \"7d\"` instead"),
                    );
                }
            }
        }
    }

    /// What a serverless cluster takes of a topic; the agents that use it make it.
    fn serverless_topic(&mut self, name: &str, span: &Range<usize>, topic: &Topic) {
        if let Some(replication) = topic.replication.as_ref().filter(|at| at.sound && at.0 != 3) {
            let title = format!("a serverless cluster keeps three copies, not {}", replication.0);
            self.push(Diagnostic::new(replication.span.clone(), title, "can't be chosen").help("remove the line"));
        }
        for setting in &topic.configuration {
            if !SERVERLESS_SETTINGS.contains(&setting.name.as_str()) {
                let title = format!("a topic of a serverless cluster has no setting `{}`", setting.name);
                self.push(
                    Diagnostic::new(setting.span.clone(), title, "MSK sees to it by itself")
                        .help(format!("it takes {}", SERVERLESS_SETTINGS.join(", "))),
                );
            }
            let size = setting.value.0.parse::<u64>().ok().filter(|_| setting.name == "max.message.bytes");
            if size.is_some_and(|size| size > SERVERLESS_MESSAGE) {
                let title = "a serverless cluster takes no message of that size";
                self.push(Diagnostic::new(setting.value.span.clone(), title, format!("at most {SERVERLESS_MESSAGE}")));
            }
        }
        if !self.is_used(name) {
            let title = format!("nobody makes the topic `{name}`");
            self.push(Diagnostic::new(span.clone(), title, "no agent uses it").help(
                "a serverless cluster's topics are made by the agents that use them: give it to an agent of a host, or \
                     remove it",
            ));
        }
    }

    /// Whether an agent that a host runs reads or writes a topic.
    fn is_used(&self, topic: &str) -> bool {
        Agent::all().any(|agent| self.runs(agent).is_some() && used_topics(agent, self.file).contains(topic))
    }
}
