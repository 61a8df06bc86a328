//! The producer.

use lakewright_config::agents::{Agent, AgentConfig as _};
use lakewright_config::{Bots, Format, Late, LogConfig, Outage, ProducerConfig, Repeats, SalesDay, Scenario, Table};
use serde_json::Value;

use super::AgentExpansion;
use crate::stack::decode::At;
use crate::stack::expand::Expansion;
use crate::stack::expand::policy::{Access, Statements};
use crate::stack::scenario;
use crate::stack::sections::File;
use crate::stack::units::Period;

/// What of the expansion is the producer's own.
pub(super) struct Producer;

const AGENT: Agent = ProducerConfig::AGENT;

/// The tables that messages of the topic of facts name.
fn facts(mut tables: Vec<Table>, topic: &str) -> Vec<Table> {
    tables.retain(|table| table.topic == topic && table.reading.format == Format::Envelope);
    tables
}

impl AgentExpansion for Producer {
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value> {
        let section = &expansion.file.agents.producer;
        let config = ProducerConfig {
            kafka: expansion.connection(AGENT),
            facts_topic: expansion.topic(&section.facts_topic),
            actions_topic: expansion.topic(&section.actions_topic),
            rate: section.rate.value,
            seed: section.seed.as_ref().map(|seed| seed.0),
            start_time: section.start_time.as_ref().map(|time| time.value.clone()),
            duplicates: section.duplicates.0,
            broken: section.broken.0,
            scenario: scenario(&section.scenario),
            tables: facts(expansion.declared_tables(), &expansion.topic(&section.facts_topic)),
            log: LogConfig {
                file: section.log_file.value.clone(),
                rotate_bytes: section.log_rotate.0,
                keep: section.log_keep.0 as u32,
                format: section.log_format.value.into(),
                errors: section.log_errors.0,
                topic: section.log_topic.as_ref().map(|topic| expansion.topic(topic)),
            },
            watch: expansion.watch(AGENT),
        };
        serde_json::to_value(config)
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        expansion.log_in(statements, AGENT, self.access());
    }

    fn topics<'a>(&self, file: &'a File) -> Vec<&'a At<String>> {
        let section = &file.agents.producer;
        [&section.facts_topic, &section.actions_topic].into_iter().chain(&section.log_topic).collect()
    }

    fn access(&self) -> Access {
        Access::Write
    }

    fn includes_tables(&self) -> bool {
        true
    }
}

/// What the producer gets of the section.
fn scenario(section: &scenario::Scenario) -> Scenario {
    let seconds = |period: &At<Period>| period.value.0 / 1000;
    Scenario {
        sales_day: section
            .sales_day
            .as_ref()
            .map(|day| SalesDay { length_seconds: seconds(&day.length), peak: day.peak.0 as u32 }),
        outage: section
            .outage
            .as_ref()
            .map(|outage| Outage { every_seconds: seconds(&outage.every), lasts_seconds: seconds(&outage.lasts) }),
        bots: section.bots.as_ref().map(|bots| Bots { count: bots.count.0 as u32, share: bots.share.0 }),
        late: section.late.as_ref().map(|late| Late {
            share: late.share.0,
            least_seconds: seconds(&late.least),
            most_seconds: seconds(&late.most),
        }),
        repeats: section
            .repeats
            .as_ref()
            .map(|repeats| Repeats { share: repeats.share.0, after_seconds: seconds(&repeats.after) }),
    }
}
