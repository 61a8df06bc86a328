//! The producer.

use lakewright_config::agents::{Agent, AgentConfig as _};
use lakewright_config::{Format, LogConfig, ProducerConfig, Table};
use serde_json::Value;

use super::AgentExpansion;
use crate::stack::decode::At;
use crate::stack::expand::Expansion;
use crate::stack::expand::policy::{Access, Statements};
use crate::stack::sections::File;

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
            tables: facts(expansion.declared_tables(), &expansion.topic(&section.facts_topic)),
            log: LogConfig {
                file: section.log_file.value.clone(),
                rotate_bytes: section.log_rotate.0,
                keep: section.log_keep.0 as u32,
            },
            watch: expansion.watch(AGENT),
        };
        serde_json::to_value(config)
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        expansion.log_in(statements, AGENT, Access::Write);
    }

    fn topics<'a>(&self, file: &'a File) -> Vec<&'a At<String>> {
        let section = &file.agents.producer;
        vec![&section.facts_topic, &section.actions_topic]
    }

    fn includes_tables(&self) -> bool {
        true
    }
}
