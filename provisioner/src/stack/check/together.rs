//! Checks of sections that are sound alone and can't stand together.

use super::Checker;
use crate::checks::{NEVER_IN_PRODUCTION, RULES};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::sections::Environment;

/// What S3 and Lakewright keep for themselves at the beginning of a bucket's name.
const TAKEN: [&str; 4] = ["xn--", "sthree-", "amzn-s3-demo-", "lakewright-"];

impl Checker<'_> {
    pub(super) fn together(&mut self) {
        self.topics_of_one_name();
        self.copies_of_topics();
        self.buckets_of_one_name();
        self.search_host();
        self.closed_in_production();
        self.shipped();
    }

    /// Kafka makes metrics of names and takes `.` and `_` for the same there: it refuses a second topic that differs by them.
    fn topics_of_one_name(&mut self) {
        let file = self.file;
        let mut seen: Vec<(String, &str)> = Vec::new();
        for topic in &file.topics {
            let (name, span) = match &topic.value.name {
                Some(name) if !name.sound => continue,
                Some(name) => (name.value.as_str(), &name.span),
                None => (topic.name.as_str(), &topic.span),
            };
            let plain = name.replace('.', "_");
            match seen.iter().find(|(other, _)| *other == plain) {
                Some((_, section)) => {
                    let title = format!("the topics `{section}` and `{}` have one name in Kafka", topic.name);
                    self.push(
                        Diagnostic::new(span.clone(), title, format!("`{name}` is taken"))
                            .help("give one of them another name; Kafka doesn't distinguish `.` from `_`"),
                    );
                }
                None => seen.push((plain, &topic.name)),
            }
        }
    }

    /// Whoever waits for all copies that must be in sync waits for ever if there are fewer.
    fn copies_of_topics(&mut self) {
        let file = self.file;
        let Some(kafka) = &file.kafka else { return };
        for topic in &file.topics {
            let Some(setting) = topic.value.configuration.get("min.insync.replicas") else { continue };
            let Ok(in_sync) = setting.value.0.parse::<u64>() else { continue };
            let most = kafka.brokers.0.min(3);
            let copies = topic.value.replication.as_ref().map_or(most, |copies| copies.0);
            if setting.value.sound && in_sync > copies {
                let title = format!("topic `{}` has {copies} copies, and {in_sync} must be in sync", topic.name);
                self.push(
                    Diagnostic::new(setting.value.span.clone(), title, format!("at most {copies}"))
                        .help("no write of a client that waits for all of them would ever be answered"),
                );
            }
        }
    }

    fn buckets_of_one_name(&mut self) {
        let file = self.file;
        let stack = &file.stack.name;
        if let Some(taken) = TAKEN.iter().find(|taken| stack.sound && format!("{}-", stack.value).starts_with(*taken)) {
            let title = format!("a stack can't be named `{}`", stack.value);
            self.push(
                Diagnostic::new(stack.span.clone(), title, format!("no bucket may begin with `{taken}`"))
                    .help("choose another name: it begins the name of every bucket"),
            );
        }
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for bucket in &file.buckets {
            let Some(name) = bucket.value.name.as_ref().filter(|name| name.sound) else { continue };
            if let Some(taken) = TAKEN.iter().find(|taken| name.starts_with(*taken)) {
                let title = format!("a bucket can't be named `{}`", name.value);
                self.push(Diagnostic::new(name.span.clone(), title, format!("none of yours begins with `{taken}`")));
            }
            if let Some((_, section)) = seen.iter().find(|(other, _)| *other == name.value) {
                let title = format!("the buckets `{section}` and `{}` have one name", bucket.name);
                self.push(
                    Diagnostic::new(name.span.clone(), title, "names of buckets are unique on all of AWS")
                        .help("give one of them another name, or leave `name` out"),
                );
            }
            seen.push((&name.value, &bucket.name));
        }
    }

    fn search_host(&mut self) {
        let file = self.file;
        let Some(search) = &file.search else { return };
        let Some(host) = file.hosts.get(&search.host).map(|host| &host.value) else { return };
        if host.count.sound && host.count.0 != 1 {
            let title = format!("search runs on `{}`, which has {} hosts", *search.host, host.count.0);
            self.push(
                Diagnostic::new(host.count.span.clone(), title, "must be one")
                    .help("each host would be a cluster of its own, and know a part of the actions only"),
            );
        }
        let agent = host.agents.iter().find(|agent| agent.sound);
        if let Some(agent) = agent.filter(|_| search.login.sound && *search.login) {
            let title = format!("search asks for logins on `{}`, which runs the agent {}", *search.host, agent.word());
            self.push(
                Diagnostic::new(agent.span.clone(), title, "on the host of passwords and certificates")
                    .help("give search a host of its own, without agents, or write `login = false` in [search]"),
            );
        }
    }

    /// Of what is for people's data nothing is open to everybody in its network, whoever says that it is meant.
    fn closed_in_production(&mut self) {
        let file = self.file;
        if *file.stack.environment != Environment::Production {
            return;
        }
        if let Some(search) = file.search.as_ref().filter(|search| search.login.sound && !*search.login) {
            self.push(
                Diagnostic::new(
                    search.login.span_or(&search.span),
                    "search asks nobody who they are in a production stack",
                    "whoever is in its network reads, changes and deletes every index",
                )
                .help("take `login = false` away: users, passwords and certificates are made by themselves"),
            );
        }
        for rule in file.allow.iter().filter(|rule| NEVER_IN_PRODUCTION.contains(&rule.name.as_str())) {
            if rule.value.0.is_empty() {
                continue;
            }
            let title = format!("`{}` can't be allowed in a production stack", rule.name);
            let fix = RULES.iter().find(|known| known.name == rule.name).map_or("", |known| known.fix);
            self.push(Diagnostic::new(rule.span.clone(), title, "whatever the reason").help(fix).help(
                "or, where the stack is none, write `environment = \"development\"` in [stack]; a file that extends \
                     another takes a rule out by `remove`",
            ));
        }
    }
}
