//! The stream agent.

use lakewright_config::StreamConfig;
use lakewright_config::agents::stream::{Maintenance, consumer_group};
use lakewright_config::agents::{Agent, AgentConfig as _};
use serde_json::Value;

use super::AgentExpansion;
use crate::stack::agents::{MaintainedBy, Stream as Section};
use crate::stack::decode::At;
use crate::stack::expand::Expansion;
use crate::stack::expand::policy::{Access, Statements};
use crate::stack::maintenance::{DAY_MS, glue_days};
use crate::stack::sections::File;

/// What of the expansion is the stream agent's own.
pub(super) struct Stream;

const AGENT: Agent = StreamConfig::AGENT;

fn maintenance(section: &Section) -> Option<Maintenance> {
    (section.maintenance.value == MaintainedBy::Agent).then(|| section.settings())
}

/// The age at which Glue deletes orphans of its tables, if it does: whole days.
fn orphans_elsewhere(section: &Section) -> Option<u64> {
    let age = glue_days(section.orphans_after.0) * DAY_MS;
    (section.maintenance.value == MaintainedBy::Glue).then_some(age)
}

fn group(expansion: &Expansion<'_>) -> String {
    expansion.group_of(AGENT, expansion.file.agents.stream.group.as_ref())
}

impl AgentExpansion for Stream {
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value> {
        let section = &expansion.file.agents.stream;
        let config = StreamConfig {
            kafka: expansion.connection(AGENT),
            group: group(expansion),
            tables: expansion.declared_tables(),
            dead_letters: expansion.dead_letters().expect("a stack with a stream agent has a table"),
            account: Some(expansion.target.account.clone()),
            commit_interval_ms: section.commit_interval.0,
            commit_bytes: section.commit_size.0,
            on_reject: section.on_reject.value.into(),
            on_gap: section.on_gap.value.into(),
            maintenance: maintenance(section),
            orphans_elsewhere_ms: orphans_elsewhere(section),
            watch: expansion.watch(AGENT),
        };
        serde_json::to_value(config)
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        expansion.log_in(statements, AGENT, Access::Read);
        for (index, (bucket, prefixes)) in expansion.raw_prefixes().into_iter().enumerate() {
            expansion.objects(statements, &format!("Raw{index}"), Access::Write, &bucket, &prefixes);
        }
        let things = expansion.own_raw_tables();
        let mut actions = vec!["glue:GetDatabase", "glue:GetTable", "glue:UpdateTable"];
        if expansion.file.agents.stream.maintenance.value == MaintainedBy::Agent {
            // Whether somebody else maintains them.
            actions.push("glue:BatchGetTableOptimizer");
        }
        statements.allow("Catalog", &actions, &expansion.catalog(&things));
        expansion.existing_tables(statements);
        expansion.ask_registries(statements);
    }

    fn topics<'a>(&self, file: &'a File) -> Vec<&'a At<String>> {
        file.tables.iter().map(|table| &table.value.topic).collect()
    }

    /// The second one is that of agents of versions before, which go on until their hosts have the new one.
    fn groups(&self, expansion: &Expansion<'_>) -> Vec<String> {
        let group = group(expansion);
        vec![consumer_group(&group), group]
    }

    fn includes_tables(&self) -> bool {
        true
    }

    fn reasons(&self) -> &'static str {
        "the table dead_letters"
    }
}
