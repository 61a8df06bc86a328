//! Checks of the agents that hosts run: what they can't do without, and their settings.

use lakewright_config::agents::Need;
use lakewright_config::agents::stream::Maintenance;

use super::Checker;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::hosts::Agent;
use crate::stack::units::Period;

impl Checker<'_> {
    pub(super) fn agents(&mut self) {
        let file = self.file;
        if let (Some(place), None) = (self.needing(Need::Kafka), &file.kafka) {
            let diagnostic = Diagnostic::new(place, "there is no Kafka cluster for this agent", "needs Kafka");
            self.push(diagnostic.help("add a section `[kafka]`"));
        }
        let producer = &file.agents.producer;
        if let Some(place) = self.runs(Agent::Producer) {
            self.refer("topic", "topics", &file.topics, &producer.facts_topic, &place);
            self.refer("topic", "topics", &file.topics, &producer.actions_topic, &place);
        }
        if let (Some(place), true) = (self.needing(Need::Tables), file.tables.0.is_empty()) {
            self.push(
                Diagnostic::new(place, "there is no table for the stream agent", "writes tables")
                    .help("declare one in a section `[tables.NAME]`"),
            );
        }
        if let Some(time) = producer.start_time.as_ref().filter(|time| time.sound)
            && chrono::DateTime::parse_from_rfc3339(time).is_err()
        {
            self.push(
                Diagnostic::new(time.span.clone(), "`start_time` is no time", "can't be read")
                    .help("write it as in \"2026-01-01T00:00:00Z\""),
            );
        }
        let shipper = &file.agents.shipper;
        if let Some(place) = self.runs(Agent::Shipper) {
            for topic in &shipper.topics {
                self.refer("topic", "topics", &file.topics, topic, &place);
            }
            self.refer("bucket", "buckets", &file.buckets, &shipper.backup_bucket, &place);
        }
        if let (Some(place), None) = (self.needing(Need::Search), &file.search) {
            self.push(
                Diagnostic::new(place, "there is no search cluster for the shipper", "ships to search")
                    .help("add a section `[search]`"),
            );
        }
        if let (Some(place), None) = (self.needing(Need::Models), &file.batch) {
            let diagnostic = Diagnostic::new(place, "there are no models for the batch agent", "runs models");
            self.push(diagnostic.help("add a section `[batch]`"));
        }
        let interval = &file.agents.stream.commit_interval;
        if interval.sound && !(Period(100)..=Period::seconds(3600)).contains(interval) {
            let title = "`commit_interval` is out of range";
            self.push(Diagnostic::new(interval.span.clone(), title, "must be between 100ms and an hour"));
        }
        let (rest, orphans) = (&file.agents.stream.maintenance_interval, &file.agents.stream.orphans_after);
        if rest.sound && rest.value < Period::seconds(1) {
            let title = "`maintenance_interval` is too short";
            self.push(Diagnostic::new(rest.span.clone(), title, "must be a second at least"));
        }
        if let Some(age) =
            file.agents.stream.snapshots_age.as_ref().filter(|age| age.sound && age.value < Period::seconds(60))
        {
            let title = "`snapshots_age` is too short: queries would lose what they read";
            self.push(Diagnostic::new(age.span.clone(), title, "must be a minute at least"));
        }
        let least = Period(Maintenance::least_orphans_age_ms(interval.value.0));
        if orphans.sound && interval.sound && orphans.value < least {
            let title = "`orphans_after` is too short: files of a commit under way might be deleted";
            self.push(Diagnostic::new(
                orphans.span.clone(),
                title,
                "must be four commit intervals and 15 minutes at least",
            ));
        }
    }

    /// What the shipper ships, and that nobody writes what it can't ship.
    pub(super) fn shipped(&mut self) {
        let file = self.file;
        let (producer, shipper) = (&file.agents.producer, &file.agents.shipper);
        let repeated =
            |index: usize| shipper.topics[..index].iter().any(|other| other.value == shipper.topics[index].value);
        for (index, topic) in shipper.topics.iter().enumerate().filter(|(_, topic)| topic.sound) {
            if repeated(index) {
                self.push(Diagnostic::new(
                    topic.span.clone(),
                    format!("`{}` is shipped twice", topic.value),
                    "repeated",
                ));
            }
        }
        let place = self.runs(Agent::Shipper);
        if let (Some(place), true) = (place, shipper.topics.is_empty()) {
            let span = if shipper.span.is_empty() { place } else { shipper.span.clone() };
            self.push(
                Diagnostic::new(span, "the shipper has no topic to ship", "`topics` is empty")
                    .help("name one, as in `topics = [\"es_events\"]`, or take the agent off its host"),
            );
        }
        let (facts, actions) = (&producer.facts_topic, &producer.actions_topic);
        if facts.sound && actions.sound && facts.value == actions.value {
            let place = if actions.written() { actions } else { facts };
            self.push(
                Diagnostic::new(place.span.clone(), "facts and actions go to one topic", "both of them")
                    .help("the stream agent would refuse every action, and the shipper every fact: name two topics"),
            );
        }
    }
}
