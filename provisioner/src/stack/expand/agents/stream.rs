//! The stream agent.

use lakewright_config::agents::stream::Maintenance;
use lakewright_config::agents::{Agent, AgentConfig as _};
use lakewright_config::{Sink, StreamConfig, Table};
use serde_json::Value;

use super::AgentExpansion;
use crate::stack::agents::{MaintainedBy, Stream as Section};
use crate::stack::decode::At;
use crate::stack::expand::Expansion;
use crate::stack::expand::policy::{Access, Statements};
use crate::stack::sections::File;

/// What of the expansion is the stream agent's own.
pub(super) struct Stream;

const AGENT: Agent = StreamConfig::AGENT;

fn maintenance(section: &Section) -> Option<Maintenance> {
    let settings = Maintenance {
        every_ms: section.maintenance_interval.0,
        readers_grace_ms: section.readers_grace.0,
        orphans_age_ms: section.orphans_after.0,
        ..Maintenance::default()
    };
    (section.maintenance.value == MaintainedBy::Agent).then_some(settings)
}

impl AgentExpansion for Stream {
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value> {
        let section = &expansion.file.agents.stream;
        let config = StreamConfig {
            kafka: expansion.connection(AGENT),
            group: self.group(expansion).unwrap_or_default(),
            tables: expansion.declared_tables(),
            dead_letters: expansion.dead_letters().expect("a stack with a stream agent has a table"),
            account: Some(expansion.target.account.clone()),
            commit_interval_ms: section.commit_interval.0,
            commit_bytes: section.commit_size.0,
            on_reject: section.on_reject.value.into(),
            on_gap: section.on_gap.value.into(),
            maintenance: maintenance(section),
            watch: expansion.watch(AGENT),
        };
        serde_json::to_value(config)
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        expansion.log_in(statements, AGENT, Access::Read);
        for (index, (bucket, prefixes)) in expansion.raw_prefixes().into_iter().enumerate() {
            expansion.objects(statements, &format!("Raw{index}"), Access::Write, &bucket, &prefixes);
        }
        let raw = expansion.raw_database();
        let is_own = |table: &Table| table.sink == Sink::Iceberg && table.existing.is_none();
        let tables = expansion.declared_tables().into_iter().filter(is_own).chain(expansion.dead_letters());
        let mut things = vec![format!("database/{raw}")];
        if expansion.names_tables() {
            things.extend(tables.map(|table| format!("table/{raw}/{}", table.name)));
        } else {
            things.push(format!("table/{raw}/*"));
        }
        let actions = ["glue:GetDatabase", "glue:GetTable", "glue:UpdateTable"];
        statements.allow("Catalog", &actions, &expansion.catalog(&things));
        expansion.existing_tables(statements);
        expansion.ask_registries(statements);
    }

    fn topics<'a>(&self, file: &'a File) -> Vec<&'a At<String>> {
        file.tables.iter().map(|table| &table.value.topic).collect()
    }

    fn group(&self, expansion: &Expansion<'_>) -> Option<String> {
        Some(expansion.group_of(AGENT, expansion.file.agents.stream.group.as_ref()))
    }

    fn includes_tables(&self) -> bool {
        true
    }

    fn reasons(&self) -> &'static str {
        "the table dead_letters"
    }
}
