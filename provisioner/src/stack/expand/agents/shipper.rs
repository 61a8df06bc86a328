//! The shipper.

use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper::backup_group;
use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_config::agents::{Agent, AgentConfig as _};
use serde_json::Value;

use super::AgentExpansion;
use crate::stack::decode::At;
use crate::stack::expand::Expansion;
use crate::stack::expand::policy::{Access, Statements};
use crate::stack::fields;
use crate::stack::sections::File;

/// What of the expansion is the shipper's own.
pub(super) struct Shipper;

const AGENT: Agent = ShipperConfig::AGENT;

fn group(expansion: &Expansion<'_>) -> String {
    expansion.group_of(AGENT, expansion.file.agents.shipper.group.as_ref())
}

/// The transforms, with the topics as Kafka names them.
fn transforms(expansion: &Expansion<'_>) -> Vec<Transform> {
    let declared = expansion.file.agents.shipper.transforms.iter();
    let named = |mut transform: Transform| {
        transform.from = transform.from.iter().map(|source| expansion.topic(source)).collect();
        transform
    };
    declared.filter_map(|section| section.value.clone()).map(named).collect()
}

impl AgentExpansion for Shipper {
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value> {
        let section = &expansion.file.agents.shipper;
        let search = expansion.file.search.as_ref().expect("a stack with a shipper has a search cluster");
        let config = ShipperConfig {
            kafka: expansion.connection(AGENT),
            group: group(expansion),
            topics: section.topics.iter().map(|topic| expansion.topic(topic)).collect(),
            search: expansion.search_connection(),
            index: search.index.value.clone(),
            time_field: section.time_field.value.clone(),
            backup_bucket: expansion.bucket(&section.backup_bucket),
            account: Some(expansion.target.account.clone()),
            backup_prefix: section.backup_prefix.value.trim_matches('/').to_owned(),
            backup_bytes: section.backup_size.0,
            backup_interval_ms: section.backup_interval.0,
            backup_records: None,
            bulk_bytes: section.bulk_size.0,
            bulk_interval_ms: section.bulk_interval.0,
            gzip: section.gzip.value,
            days_back: section.days_back.0 as u32,
            days_ahead: section.days_ahead.0 as u32,
            max_record: section.max_record.0,
            fields: fields::configured(&section.fields),
            keep_days: section.keep_days(),
            transforms: transforms(expansion),
            sources: expansion.sources(),
            watch: expansion.watch(AGENT),
        };
        serde_json::to_value(config)
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        expansion.log_in(statements, AGENT, Access::Read);
        expansion.log_in_to_search(statements);
        let section = &expansion.file.agents.shipper;
        let prefix = std::slice::from_ref(&section.backup_prefix.value);
        expansion.objects(statements, "Backup", Access::Append, &section.backup_bucket, prefix);
    }

    fn topics<'a>(&self, file: &'a File) -> Vec<&'a At<String>> {
        file.agents.shipper.topics.iter().collect()
    }

    /// The index and the backup are read by a group each, so that one that stands still holds up no other.
    fn groups(&self, expansion: &Expansion<'_>) -> Vec<String> {
        let group = group(expansion);
        vec![backup_group(&group), group]
    }
}
