//! What a decoded stack file can still have wrong: references to nothing, and values that AWS or Kafka refuse.

use std::ops::Range;

use lakewright_config::agents::Need;

use super::decode::{At, Named};
use super::diagnostics::{Diagnostic, suggest};
use super::hosts::Agent;
use super::sections::File;
use crate::checks::{BREAKING_CHANGE, RULES};
use crate::kinds;
use crate::resource::Address;

mod agents;
mod fields;
mod functions;
mod hosts;
mod infrastructure;
mod kafka;
mod models;
mod names;
mod network;
mod outside;
mod own;
mod pipeline;
mod prefixes;
mod role;
mod scenario;
mod sources;
mod spark;
mod specs;
mod tables;
mod tags;
mod together;
mod topics;
mod transforms;
mod watch;

pub(super) use models::check_models;
pub use names::{host_name_mistake, is_region, stack_name_mistake};
pub use outside::foreign_boundary;
pub(super) use specs::check_specs;
pub use watch::LONGEST_BUDGET_ADDRESS;

/// Checks everything but the models; mistakes are added to the list.
pub(super) fn check(file: &File, list: &mut Vec<Diagnostic>) {
    let mut checker = Checker { file, list };
    checker.names();
    checker.outside();
    checker.role();
    checker.network();
    checker.kafka();
    checker.topics();
    checker.storage();
    checker.tables();
    checker.batch();
    checker.hosts();
    checker.functions();
    checker.pipeline();
    checker.ci();
    checker.search();
    checker.agents();
    checker.transforms();
    checker.sources();
    checker.fields();
    checker.spark();
    checker.scenario();
    checker.log_topic();
    checker.prefixes();
    checker.deployers();
    checker.together();
    checker.watch();
    checker.own_resources();
    checker.tags();
    checker.moved();
    checker.allow();
}

struct Checker<'a> {
    file: &'a File,
    list: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Says so when a reference names nothing. `what` is the word for one, `section` the section that holds them, and
    /// `place` where to point when the reference is a default.
    fn refer<T>(&mut self, what: &str, section: &str, all: &Named<T>, reference: &At<String>, place: &Range<usize>) {
        if !reference.sound || all.get(reference).is_some() {
            return;
        }
        let name = &reference.value;
        let label = if reference.written() { format!("not in `[{section}]`") } else { format!("uses {what} `{name}`") };
        self.push(
            Diagnostic::new(reference.span_or(place), format!("there is no {what} `{name}`"), label)
                .help(suggest(name, all.names(), section))
                .help(format!("a section `[{section}.{name}]` declares it")),
        );
    }

    /// What is allowed names rules that there are, and addresses, with a reason.
    fn allow(&mut self) {
        for rule in &self.file.allow {
            let names = RULES.iter().map(|rule| rule.name).chain([BREAKING_CHANGE]);
            if !names.clone().any(|known| known == rule.name) {
                self.push(
                    Diagnostic::new(rule.span.clone(), format!("there is no rule `{}`", rule.name), "no rule")
                        .help(suggest(&rule.name, names, "rules")),
                );
            }
            for one in &rule.value {
                if let Err(reason) = one.name.parse::<Address>() {
                    self.push(Diagnostic::new(one.span.clone(), reason, "write the address in quotes"));
                } else if one.value.sound && one.value.trim().is_empty() {
                    let title = format!("`{}` is allowed to break `{}` without a reason", one.name, rule.name);
                    self.push(Diagnostic::new(one.value.span.clone(), title, "say why it is meant"));
                }
            }
        }
    }

    fn no_kind(&mut self, name: &str, span: &Range<usize>) {
        let known = kinds::all().iter().map(|kind| kind.name());
        self.push(
            Diagnostic::new(span.clone(), format!("there is no kind `{name}`"), "no kind of resource")
                .help(suggest(name, known, "kinds")),
        );
    }

    /// Renames name kinds that there are, and addresses.
    fn moved(&mut self) {
        for kind in &self.file.moved {
            if kinds::named(&kind.name).is_none() {
                self.no_kind(&kind.name, &kind.span);
            }
            for to in kind.value.iter().map(|name| &name.value).filter(|to| to.sound) {
                if let Err(reason) = to.parse::<Address>() {
                    self.push(Diagnostic::new(to.span.clone(), reason, "the address that the file gives it now"));
                }
            }
        }
    }

    fn key(&mut self, key: Option<&At<String>>, place: &Range<usize>) {
        // The keys of classes are made without a section.
        if let Some(key) = key.filter(|key| !self.file.makes_key(key)) {
            self.refer("key", "keys", &self.file.keys, key, place);
        }
    }

    /// The same of a key that is `main` where none is written: a stack whose keys are said once has another then.
    fn own_key(&mut self, key: &At<String>, place: &Range<usize>) {
        if key.written() || self.file.stack.keys.is_none() {
            self.key(Some(key), place);
        }
    }

    /// Where the first agent with a need stands, if the stack has one at work.
    fn needing(&self, need: Need) -> Option<Range<usize>> {
        Agent::needing(need).find_map(|agent| self.runs(agent))
    }

    /// Where an agent stands that a host runs, or, of the stream agent, where it says that Spark does its work.
    fn runs(&self, agent: Agent) -> Option<Range<usize>> {
        let mut on_hosts = self.file.hosts.iter().flat_map(|host| &host.value.agents);
        let at = on_hosts.find(|at| at.sound && at.value == agent).map(|at| at.span.clone());
        let engine = &self.file.agents.stream.engine;
        at.or_else(|| (agent == Agent::Stream && self.file.streams_on_spark()).then(|| engine.span.clone()))
    }
}
