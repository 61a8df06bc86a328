//! Which logs of its hosts the shipper ships, and which groups let it read them.

use std::collections::BTreeMap;

use lakewright_config::agents::Agent;
use lakewright_config::agents::shipper::max_record;
use lakewright_config::agents::shipper::sources::{FilesConfig, Framing, LocalSource, Origin, quiet_ms, time_field};

use super::Expansion;
use crate::names::{self, HOST_LOGS as LOGS};
use crate::stack::decode::Entry;
use crate::stack::hosts::Host;

/// The group that may read what agents say: that of CloudWatch's agent.
pub(super) const LOG_READER: &str = "cwagent";
/// A line that begins an entry of a program's log: an object of JSON, or a date and a time.
const BEGINS: &str = r"^(\{|\d{4}-\d\d-\d\d[T ]\d\d:)";

impl Expansion<'_> {
    /// The sources of the shipper's hosts, by name.
    pub(super) fn sources(&self) -> BTreeMap<String, LocalSource> {
        let section = &self.file.agents.shipper;
        let keep_days = section.keep_days();
        let mut sources = BTreeMap::new();
        if section.own_logs.value {
            let file = format!("{LOGS}/{}/{}*", Agent::Producer, escaped(&self.file.agents.producer.log_file));
            if self.file.hosts.iter().any(|host| runs(host, Agent::Producer)) {
                sources.insert(names::APPLICATION_LOG.to_owned(), own(vec![file], Vec::new(), keep_days));
            }
            // What it says of documents that were refused mustn't become documents that are refused.
            let shipper = format!("{LOGS}/{}.log*", Agent::Shipper);
            sources
                .insert(names::AGENTS_LOGS.to_owned(), own(vec![format!("{LOGS}/*.log*")], vec![shipper], keep_days));
        }
        sources.extend(section.sources.iter().map(|entry| (entry.name.clone(), entry.value.configured(keep_days))));
        sources
    }

    /// The groups whose files the shipper reads on a host, besides its own.
    pub(super) fn read_groups(&self, host: &Entry<Host>) -> Vec<String> {
        if !runs(host, Agent::Shipper) {
            return Vec::new();
        }
        let sources = self.sources();
        let paths = || {
            let files = sources.values().filter_map(|source| match &source.from {
                Origin::Files(files) => Some(&files.paths),
                Origin::Journal(_) => None,
            });
            files.flatten().map(String::as_str)
        };
        let mut groups = Vec::new();
        if paths().any(|path| path.strip_prefix(LOGS).is_some_and(|rest| rest.matches('/').count() == 1)) {
            groups.push(LOG_READER.to_owned());
        }
        let agents = host.value.agents.iter().map(|agent| agent.value);
        for agent in agents.filter(|agent| *agent != Agent::Shipper) {
            if paths().any(|path| path.starts_with(&format!("{LOGS}/{agent}/"))) {
                groups.push(format!("lakewright-{agent}"));
            }
        }
        if sources.values().any(|source| matches!(source.from, Origin::Journal(_))) {
            groups.push("systemd-journal".to_owned());
        }
        if paths().any(|path| !path.starts_with(LOGS)) {
            groups.push("adm".to_owned());
        }
        groups
    }
}

fn runs(host: &Entry<Host>, agent: Agent) -> bool {
    host.value.agents.iter().any(|at| at.value == agent)
}

/// A source of logs of this project's programs.
fn own(paths: Vec<String>, exclude: Vec<String>, keep_days: Option<u32>) -> LocalSource {
    let framing = Framing::Begins(BEGINS.to_owned());
    let from = Origin::Files(FilesConfig { paths, exclude, framing, quiet_ms: quiet_ms() });
    LocalSource { from, time_field: time_field(), max_record: max_record(), fields: BTreeMap::new(), keep_days }
}

/// A file's name as a pattern that fits no other.
fn escaped(name: &str) -> String {
    name.chars().map(|c| if "?*[]".contains(c) { format!("[{c}]") } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_no_pattern() {
        assert_eq!(escaped("shop.log"), "shop.log");
        assert_eq!(escaped("a[1]*?"), "a[[]1[]][*][?]");
    }
}
