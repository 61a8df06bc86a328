//! The agents: one table of what the provisioner and the agents' programs must both know of each.
//!
//! Each agent has a file here with its configuration, its metrics and its row of the table. A metric's name stands in
//! that file and nowhere else: the agent makes its counters and gauges from the declared constants, and whoever reads
//! them names the constant, or asks for a metric by its [`Role`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Declares an agent's metrics: a constant of each with its name, kind and role, and the list of all.
macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $constant:ident = $kind:ident $name:literal, $role:ident; )*) => {
        $(
            $(#[doc = $help])+
            pub static $constant: Metric = Metric {
                name: $name,
                help: concat!($($help),+).trim_ascii(),
                kind: Kind::$kind,
                role: Role::$role,
            };
        )*

        /// All that it measures.
        pub static METRICS: &[&Metric] = &[$( &$constant ),*];
    };
}

/// Declares the agents, in the order of the data's way, each with the file of its row.
macro_rules! agents {
    ($( $(#[doc = $does:literal])+ $agent:ident in $module:ident; )*) => {
        /// An agent that a host can run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Agent { $( $(#[doc = $does])+ $agent, )* }

        /// All agents, in the order of the data's way.
        pub static AGENTS: &[&About] = &[$( &$module::ABOUT ),*];

        impl Agent {
            /// Its row of the table.
            pub fn about(self) -> &'static About {
                match self { $( Self::$agent => &$module::ABOUT, )* }
            }

            /// What it does, in a sentence.
            pub fn does(self) -> &'static str {
                match self { $( Self::$agent => concat!($($does),+).trim_ascii(), )* }
            }
        }
    };
}

pub mod acls;
pub mod batch;
pub mod producer;
pub mod shipper;
pub mod stream;

agents! {
    /// Simulates the shop: sends events to Kafka.
    Producer in producer;
    /// Kafka to Iceberg tables of the raw zone, exactly once.
    Stream in stream;
    /// Kafka to the search cluster and to the S3 backup.
    Shipper in shipper;
    /// Runs the models on their schedule.
    Batch in batch;
    /// Keeps the access control lists of the agents' Kafka users.
    Acls in acls;
}

/// What is known of an agent.
#[derive(Debug)]
pub struct About {
    /// Which one.
    pub agent: Agent,
    /// The word that stands for it: in stack files, in the names of what belongs to it, on the programs' command line.
    pub word: &'static str,
    /// The section of a stack file that sets it up.
    pub section: &'static str,
    /// What of a stack it can't do without.
    pub needs: &'static [Need],
    /// What it measures.
    pub metrics: &'static [&'static Metric],
    /// What views show of it, in their order.
    pub shows: &'static [Figure],
    /// What views show of each part of its work; none where it isn't measured by parts.
    pub parts: Option<Parts>,
    /// When `up` stops it.
    pub stops: Stops,
}

/// A number that views show.
#[derive(Debug)]
pub struct Figure {
    /// Where it comes from.
    pub metric: &'static Metric,
    /// What stands beside it: `events`, `lag`.
    pub word: &'static str,
    /// How it is written.
    pub written: Written,
    /// Whether it stands in a view of one line too.
    pub in_short: bool,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A count, and its growth per second.
    Flow,
    /// The same of bytes.
    Bytes,
    /// A count.
    Count,
    /// A count of what had better be none: in one line it stands only when it isn't.
    Trouble,
    /// What waits, of all agents together.
    Waiting,
    /// An age in milliseconds, the greatest of all agents.
    Age,
    /// A time in milliseconds since 1970, as how long ago it was; 0 is never.
    Ago,
    /// A duration in seconds.
    Duration,
}

impl Figure {
    /// One for every view.
    pub const fn of(metric: &'static Metric, word: &'static str, written: Written) -> Self {
        Self { metric, word, written, in_short: true }
    }

    /// One that a view of one line has no place for.
    pub const fn beside(metric: &'static Metric, word: &'static str, written: Written) -> Self {
        Self { metric, word, written, in_short: false }
    }
}

/// What is measured by the values of a label too.
#[derive(Debug)]
pub struct Parts {
    /// What the parts are together, `raw zone`.
    pub of: &'static str,
    /// What one is, `table`.
    pub one: &'static str,
    /// The counters that have the label.
    pub shows: &'static [Figure],
}

/// What of a stack an agent can't do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The Kafka cluster, which it writes to or reads.
    Kafka,
    /// Tables of the raw zone, which it commits to.
    Tables,
    /// The search cluster, which it sends documents to.
    Search,
    /// The models, which it runs.
    Models,
    /// Kafka users of the agents' own, whose access control lists it keeps.
    Users,
}

/// When `up` stops an agent; the variants stand in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stops {
    /// Before all others: it writes to the log.
    First,
    /// When the log is read to its end.
    WhenLogIsRead,
    /// When nothing changes any more what it works on.
    Last,
}

/// Something that an agent measures.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name without labels.
    pub name: &'static str,
    /// What it measures.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// What it is for those who know no agent in particular.
    pub role: Role,
}

/// A kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It is set.
    Gauge,
    /// It counts durations by their length, in seconds; only Prometheus reads it.
    Histogram,
}

/// What a metric is for reports, alarms, the view and the ending, whichever agent it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Records that were taken in or sent on: the measure of its work.
    Records,
    /// Records that fit nowhere.
    DeadLetters,
    /// Runs that failed.
    FailedRuns,
    /// Parts of its work that stand still while the rest goes on.
    Quarantined,
    /// Records of the log that wait for it, what it has in hand included.
    Lag,
    /// For how many seconds the oldest of them has waited.
    LagAge,
    /// Records of the log that it has not even taken in.
    Unread,
    /// How old the newest of what it has finished is.
    Freshness,
    /// When it finished something last.
    LastCommit,
    /// When a run of it succeeded last.
    LastSuccess,
    /// None of these: for those who look at this agent.
    Detail,
}

/// The configuration of an agent.
pub trait AgentConfig {
    /// Whose it is.
    const AGENT: Agent;
}

impl About {
    /// Its metric in a role, the first if there are more.
    pub fn metric(&self, role: Role) -> Option<&'static Metric> {
        self.metrics.iter().copied().find(|metric| metric.role == role)
    }

    /// Its metric of that name.
    pub fn named(&self, name: &str) -> Option<&'static Metric> {
        self.metrics.iter().copied().find(|metric| metric.name == name)
    }
}

impl Agent {
    /// All of them, in the order of the data's way.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + Clone {
        AGENTS.iter().map(|about| about.agent)
    }

    /// Those that need something, in the order of the data's way.
    pub fn needing(need: Need) -> impl DoubleEndedIterator<Item = Self> + Clone {
        Self::all().filter(move |agent| agent.needs(need))
    }

    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        self.about().word
    }

    /// Whether it needs something of the stack.
    pub fn needs(self, need: Need) -> bool {
        self.about().needs.contains(&need)
    }

    /// Whether it has a metric in a role.
    pub fn measures(self, role: Role) -> bool {
        self.about().metric(role).is_some()
    }

    /// The words of all agents for a sentence: `producer, stream, shipper, batch and acls`.
    pub fn words() -> String {
        let words: Vec<&str> = Self::all().map(Self::word).collect();
        match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a text is no agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentError(pub String);

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no agent `{}`; the agents are {}", self.0, Agent::words())
    }
}

impl std::error::Error for AgentError {}

impl FromStr for Agent {
    type Err = AgentError;

    fn from_str(word: &str) -> Result<Self, AgentError> {
        Self::all().find(|agent| agent.word() == word).ok_or_else(|| AgentError(word.to_owned()))
    }
}

impl JsonSchema for Agent {
    fn schema_name() -> Cow<'static, str> {
        "Agent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let choice = |agent: Self| json!({ "const": agent.word(), "description": agent.does() });
        let choices: Vec<Value> = Self::all().map(choice).collect();
        json_schema!({ "description": "An agent that a host can run.", "oneOf": choices })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::reports::GROWING;

    #[test]
    fn an_agent_is_found_by_its_word() {
        for about in AGENTS {
            assert_eq!(about.word.parse(), Ok(about.agent));
            assert!(std::ptr::eq(about.agent.about(), *about), "{} stands in another one's row", about.word);
            assert_eq!(about.section, format!("agents.{}", about.word));
        }
        let words: BTreeSet<&str> = Agent::all().map(Agent::word).collect();
        assert_eq!(words.len(), AGENTS.len());
        assert_eq!("streams".parse::<Agent>(), Err(AgentError("streams".to_owned())));
        assert_eq!(Agent::words(), "producer, stream, shipper, batch and acls");
    }

    #[test]
    fn a_metrics_name_has_one_kind_and_one_metric_of_an_agent() {
        let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
        for about in AGENTS {
            let names: BTreeSet<&str> = about.metrics.iter().map(|metric| metric.name).collect();
            assert_eq!(names.len(), about.metrics.len(), "the agent {} declares a name twice", about.word);
            for metric in about.metrics {
                assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
                assert_eq!(*kinds.entry(metric.name).or_insert(metric.kind), metric.kind, "{}", metric.name);
                assert!(metric.help.ends_with('.') && !metric.help.starts_with(' '), "{}", metric.help);
            }
        }
    }

    #[test]
    fn views_show_what_an_agent_measures() {
        for about in AGENTS {
            assert!(about.shows.iter().any(|figure| figure.in_short), "a line says nothing of {}", about.word);
            let of_parts = about.parts.iter().flat_map(|parts| parts.shows);
            for Figure { metric, word, written, .. } in about.shows.iter().chain(of_parts) {
                assert_eq!(about.named(metric.name), Some(*metric), "{} shows what it doesn't measure", about.word);
                let counted = [Written::Flow, Written::Bytes, Written::Count, Written::Trouble].contains(written);
                assert_eq!(counted, metric.kind == Kind::Counter, "{}: {}", about.word, metric.name);
                assert_eq!(word.is_empty(), *written == Written::Bytes, "{}: {}", about.word, metric.name);
            }
        }
    }

    #[test]
    fn reports_sum_up_counters_and_every_agent_has_one() {
        for about in AGENTS {
            let summed = about.metrics.iter().filter(|metric| GROWING.iter().any(|(_, role)| *role == metric.role));
            assert!(summed.clone().all(|metric| metric.kind == Kind::Counter), "{}", about.word);
            assert_ne!(summed.count(), 0, "reports say nothing of what {} does", about.word);
            // Reports say how long records wait by both.
            assert_eq!(about.agent.measures(Role::Lag), about.agent.measures(Role::LastCommit), "{}", about.word);
        }
    }
}
