//! Checks of the agents that hosts run: what they can't do without, and their settings.

use lakewright_config::agents::Need;
use lakewright_config::agents::stream::Maintenance;

use super::Checker;
use crate::stack::decode::At;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::hosts::Agent;
use crate::stack::units::Period;

/// Whether Kafka takes that for a topic's name.
fn is_topic_name(name: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name.chars().all(is_legal) && name != "." && name != ".."
}

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
        self.access_control();
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

    /// The agent that keeps access control lists has users to keep them of, and shuts nobody out who still logs in.
    fn access_control(&mut self) {
        let (file, section) = (self.file, &self.file.agents.acls);
        let every = &section.verify_every;
        if every.sound && !(Period::seconds(1)..=Period::seconds(3600)).contains(every) {
            let title = "`verify_every` is out of range";
            self.push(Diagnostic::new(every.span.clone(), title, "must be between a second and an hour"));
        }
        for user in &section.users {
            let rights = &user.value;
            let topics = rights.writes.iter().chain(&rights.reads).map(|name| (name, is_topic_name(name)));
            let groups = rights.groups.iter().map(|name| (name, !name.is_empty() && name.value != "*"));
            for (name, _) in topics.chain(groups).filter(|(name, is_one)| name.sound && !is_one) {
                let title = format!("`{}` is no name of a topic or group", name.value);
                self.push(Diagnostic::new(name.span.clone(), title, "name each one"));
            }
            if let Some(own) = user.name.strip_prefix("User:") {
                let title = format!("`{}` is more than the name that a user logs in with", user.name);
                let diagnostic = Diagnostic::new(user.span.clone(), title, "`User:` is put before it anyway");
                self.push(diagnostic.help(format!("write `{own}`")));
            }
            if Agent::needing(Need::Kafka).any(|agent| user.name == format!("{}-{agent}", file.stack.name.value)) {
                let title = format!("`{}` is the user of an agent", user.name);
                let diagnostic = Diagnostic::new(user.span.clone(), title, "what it may do follows from what it does");
                self.push(diagnostic.help("remove the section"));
            }
        }
        let Some((place, kafka)) = self.needing(Need::Users).zip(file.kafka.as_ref()) else { return };
        let runs = |at: &At<Agent>| at.sound && at.value == Agent::Acls;
        let hosts: Vec<_> = file.hosts.iter().filter(|host| host.value.agents.iter().any(runs)).collect();
        if let [_, second, ..] = hosts[..] {
            let title = "two groups of hosts keep the same lists";
            self.push(Diagnostic::new(second.span.clone(), title, "`acls` stands in another one already"));
        } else if section.prune.value && hosts.iter().any(|host| host.value.count.0 > 1) {
            let title = "`prune` needs a group of one host for the agent `acls`";
            self.push(
                Diagnostic::new(
                    section.prune.span.clone(),
                    title,
                    "hosts with an older file would remove what newer ones make",
                )
                .help("put `acls` on a group with `count = 1`, or remove the line"),
            );
        }
        if !kafka.has_own_users() {
            self.push(
                Diagnostic::new(place, "there are no users whose access control lists it could keep", "keeps lists of users")
                    .help("write `authentication = \"scram\"` in [kafka] and remove `secret` there, so that each agent has its own user")
                    .help("where agents log in by IAM, their roles' policies say which topics they use: no lists are needed"),
            );
        } else if let Some(former) = &kafka.former_secret {
            let title = "agents that still log in by the former secret would be shut out";
            self.push(
                Diagnostic::new(former.span.clone(), title, "its user is on no list")
                    .help("add the agent `acls` when the hosts follow and this line is gone"),
            );
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
