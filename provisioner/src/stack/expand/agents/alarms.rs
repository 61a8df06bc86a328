//! The alarms of agents: signs of life and errors for all; how long records wait, what stands still and how many records
//! are refused for those that measure it.

use std::collections::BTreeMap;

use lakewright_config::agents::{Agent, Role};
use lakewright_config::reports::{self, Reported};

use super::expansion_of;
use crate::kinds::alarm::{Calculation, Comparison, Metric, MissingData};
use crate::resource::Address;
use crate::stack::expand::watched::{Watched, metric};
use crate::stack::expand::{Expansion, RESULTS};
use crate::stack::watch::Alarms;

/// An agent's reports, as alarms see them.
pub(in crate::stack::expand) struct Reports<'a> {
    agent: Agent,
    stack: &'a str,
    /// The dashboard's row of the agent.
    pub(super) row: String,
    /// Where its log is, for a sentence.
    pub(super) logs: String,
    /// What does its work, and how somebody looks at that, for a sentence.
    place: Place,
}

/// What does an agent's work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The agent, on hosts.
    Hosts,
    /// A job on Spark.
    Spark,
}

impl Reports<'_> {
    /// A metric of the reports.
    pub(super) fn metric(&self, reported: &Reported, statistic: &str, period: u32) -> Metric {
        let dimensions = [(reports::AGENT, self.agent.word()), (reports::STACK, self.stack)];
        metric(reports::NAMESPACE, reported.name, &dimensions, statistic, period)
    }

    fn watched(&self, name: &str, title: &str, advice: String, metric: Metric) -> Watched {
        Watched::on(format!("{}-{name}", self.agent.word()), &self.row, title, advice, metric)
    }

    fn silence(&self, section: &Alarms) -> Watched {
        let Self { agent, logs, place, .. } = self;
        let silence = section.silence.value;
        let advice = match place {
            Place::Hosts => format!(
                "No host has reported of the agent {agent} for {silence}: it doesn't run, or can't reach CloudWatch. Look at \
                 the hosts by `lakewright status`, then on one by Session Manager: systemctl status lakewright-{agent}; {logs}."
            ),
            Place::Spark => format!(
                "The job on Spark that does the work of the agent {agent} hasn't reported for {silence}: it was cancelled, \
                 waits for capacity, was given up by EMR, or can't reach CloudWatch. `lakewright plan` shows a run that is missing or \
                 has failed, with the reason, and `lakewright apply` starts it where the tables are. One that waits needs a greater \
                 `max_vcpu` or a higher quota of EMR Serverless; {logs}."
            ),
        };
        self.watched("silent", "signs of life", advice, self.metric(&reports::HEARTBEAT, "Sum", 60))
            .when(Comparison::Below, 1.0, (section.silence.0 / 60_000) as u32)
            .missing(MissingData::Breaching)
    }

    fn errors(&self, section: &Alarms) -> Watched {
        let Self { agent, logs, .. } = self;
        let errors = section.errors.0;
        let advice = format!(
            "The agent {agent} has reported more than {errors} errors in five minutes. What it says stands in \
             `last_error` of its status; {logs}."
        );
        self.watched("errors", "errors in five minutes", advice, self.metric(&reports::ERRORS, "Sum", 300)).when(
            Comparison::Above,
            errors as f64,
            1,
        )
    }

    fn lag(&self, section: &Alarms) -> Watched {
        let Self { agent, logs, .. } = self;
        let lag = section.lag.value;
        let advice = format!(
            "Records wait for the agent {agent}, and it has finished none for {lag}. If it reports errors, fix \
             those first; if not, it is too slow: take {}; {logs}.",
            match self.place {
                Place::Hosts => "a bigger instance type",
                Place::Spark => "more `executors`",
            }
        );
        self.watched("lag", "seconds that records wait", advice, self.metric(&reports::LAG_SECONDS, "Maximum", 60))
            .when(Comparison::Above, (lag.0 / 1000) as f64, 3)
            // Without reports it isn't known; that nothing is reported is another alarm.
            .missing(MissingData::Missing)
    }

    fn quarantined(&self) -> Watched {
        let Self { agent, logs, .. } = self;
        let (part, told) = match self.place {
            Place::Hosts => {
                ("table, topic or partition", "`last_error` of its status and in the line `quarantined` of its log")
            }
            Place::Spark => ("topic", "the line `quarantined` of its log"),
        };
        let advice = format!(
            "A {part} of the agent {agent} stands still while the rest goes on. Which one and why stands in {told}; {logs}. \
             What is read from Kafka for it waits there, for as long as the topic keeps it."
        );
        // Less than five minutes is what waits for a service that is away for a moment.
        let name = reports::QUARANTINED.name.to_lowercase();
        self.watched(&name, "parts that stand still", advice, self.metric(&reports::QUARANTINED, "Minimum", 60))
            .when(Comparison::AtLeast, 1.0, 5)
            // Without reports it isn't known; that nothing is reported is another alarm.
            .missing(MissingData::Missing)
    }

    fn dead_letters(&self, section: &Alarms) -> Watched {
        let agent = self.agent;
        let of = |reported: &Reported| self.metric(reported, "Sum", 900);
        let percent = section.dead_letters.0 * 100.0;
        let advice = format!(
            "More than {percent} % of the records of a quarter of an hour were refused by the agent {agent}. The \
             reasons stand in {}; most often a producer has changed what it sends, and the table's columns must \
             follow.",
            expansion_of(agent).reasons()
        );
        let calculation = Calculation {
            expression: "IF(records + dead > 0, 100 * dead / (records + dead), 0)".to_owned(),
            label: "percent refused".to_owned(),
            metrics: BTreeMap::from([
                ("dead".to_owned(), of(&reports::DEAD_LETTERS)),
                ("records".to_owned(), of(&reports::RECORDS)),
            ]),
        };
        let one = self.watched("dead-letters", "percent of records refused", advice, of(&reports::RECORDS));
        Watched { metric: None, calculation: Some(calculation), ..one.when(Comparison::Above, percent, 1) }
    }
}

impl Expansion<'_> {
    /// What is watched of the agents that hosts run, and of the stream on Spark.
    pub(in crate::stack::expand) fn watched_agents(&self, section: &Alarms) -> Vec<Watched> {
        Agent::all().flat_map(|agent| self.watched_agent(agent, section)).collect()
    }

    fn watched_agent(&self, agent: Agent, section: &Alarms) -> Vec<Watched> {
        let mut groups = self.groups_with(agent);
        let mut place = Place::Hosts;
        if let Some(run) = self.stream_run().filter(|_| agent == Agent::Stream) {
            groups.push(run);
            place = Place::Spark;
        }
        if groups.is_empty() {
            return Vec::new();
        }
        let logs = match place {
            Place::Hosts => format!("its log is the log group {}", self.log_group_name(agent.word())),
            Place::Spark => format!("its log is its driver's, in the bucket {}", self.bucket(RESULTS)),
        };
        let reports = Reports { agent, stack: self.stack.name(), row: format!("Agent {agent}"), logs, place };
        let mut all = vec![reports.silence(section), reports.errors(section)];
        if agent.measures(Role::Lag) {
            all.push(reports.lag(section));
        }
        if agent.measures(Role::Quarantined) {
            all.push(reports.quarantined());
        }
        if agent.measures(Role::DeadLetters) {
            all.push(reports.dead_letters(section));
        }
        all.extend(expansion_of(agent).alarms(self, section, &reports));
        for one in &mut all {
            one.after.clone_from(&groups);
        }
        all
    }

    /// The groups of the hosts that run an agent, those of no hosts left out.
    fn groups_with(&self, agent: Agent) -> Vec<Address> {
        let hosts = self.file.hosts.iter().filter(|host| host.value.count.0 > 0);
        let with = hosts.filter(|host| host.value.agents.iter().any(|one| one.value == agent));
        let names = with.flat_map(|host| host.value.groups(&host.name));
        names.map(|name| Address::new("auto_scaling_group", name)).collect()
    }
}
