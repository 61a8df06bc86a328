//! Sample messages for the topics that the stack reads and that no agent of it produces to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lakewright_config::agents::AgentConfig;
use lakewright_config::{ProducerConfig, StreamConfig};
use serde::de::DeserializeOwned;
use tokio::process::Command;

use super::Options;
use super::agents::{Placed, Surroundings};

/// Messages a second and topic where nobody says how many.
const RATE: f64 = 5.0;
/// The most that can be asked for.
const RATE_MOST: f64 = 10_000.0;

/// Topics that get sample messages, all read by one stream agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The topics.
    pub topics: Vec<String>,
    /// Messages a second and topic.
    pub rate: f64,
    /// The stream agent's configuration, which declares their tables.
    config: PathBuf,
    number: usize,
}

/// The rate that a text such as `5` or `0.5` means.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=RATE_MOST).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is no number of messages a second from 0 to {RATE_MOST}"))
}

impl Samples {
    /// Those of the agents that run here. A Kafka that isn't this machine's gets none unasked: its topics are somebody's.
    ///
    /// # Errors
    /// The configuration of an agent can't be read.
    pub fn of(placed: &[Placed], options: &Options) -> Result<Vec<Self>> {
        let is_own = options.kafka.is_none() && options.aws.is_none();
        let rate = options.samples.unwrap_or(if is_own { RATE } else { 0.0 });
        if rate <= 0.0 {
            return Ok(Vec::new());
        }
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for (_, config) in configs::<ProducerConfig>(placed)? {
            taken.extend([config.facts_topic, config.actions_topic]);
            taken.extend(config.log.topic);
        }
        let mut samples = Vec::new();
        for (placed, config) in configs::<StreamConfig>(placed)? {
            let read: BTreeSet<String> = config.tables.into_iter().map(|table| table.topic).collect();
            // Several agents may read a topic: one of them is enough to know what it holds.
            let topics: Vec<String> = read.into_iter().filter(|topic| taken.insert(topic.clone())).collect();
            if !topics.is_empty() {
                samples.push(Self { topics, rate, config: placed.file.clone(), number: samples.len() + 1 });
            }
        }
        Ok(samples)
    }

    /// What people call them.
    pub fn name(&self) -> String {
        if self.number == 1 { "samples".to_owned() } else { format!("samples {}", self.number) }
    }

    /// The command that sends them. They come from outside of the stack: they are the account's and no host's.
    pub fn command(&self, surroundings: &Surroundings) -> Command {
        let mut command = surroundings.as_account();
        command.arg("samples").arg("--config").arg(&self.config).args(["--rate", &self.rate.to_string()]);
        for topic in &self.topics {
            command.args(["--topic", topic]);
        }
        command
    }
}

/// The configurations of all agents of one kind.
pub fn configs<C: AgentConfig + DeserializeOwned>(agents: &[Placed]) -> Result<Vec<(&Placed, C)>> {
    let of_kind = agents.iter().filter(|placed| placed.agent == C::AGENT);
    of_kind
        .map(|placed| {
            let config = serde_json::from_value(placed.config.clone());
            Ok((placed, config.with_context(|| format!("read the configuration of {}", placed.name()))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use lakewright_config::agents::Agent;
    use serde_json::{Value, json};

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn placed(host: &str, agent: Agent, config: Value) -> Placed {
        let (file, state) = (format!("{host}.json").into(), host.into());
        Placed {
            host: host.to_owned(),
            agent,
            config,
            file,
            state,
            slow: false,
            keeps_less: false,
            left_out: Vec::new(),
        }
    }

    fn stream(host: &str, topics: &[&str]) -> Placed {
        let table = |topic: &str| {
            json!({
                "name": topic, "database": "raw", "topic": topic, "location": "s3://raw/t", "columns": [], "key": [],
                "partition": [],
            })
        };
        let config = json!({
            "kafka": { "bootstrap": "127.0.0.1:1", "security": { "protocol": "plaintext" } }, "group": "g",
            "tables": topics.iter().map(|topic| table(topic)).collect::<Vec<_>>(), "dead_letters": table("dead"),
            "commit_interval_ms": 1, "commit_bytes": 1,
        });
        placed(host, Agent::Stream, config)
    }

    #[test]
    fn topics_that_nobody_produces_to_get_samples_once() {
        let producer = json!({
            "kafka": { "bootstrap": "127.0.0.1:1", "security": { "protocol": "plaintext" } }, "facts_topic": "facts",
            "actions_topic": "actions", "rate": "5/s", "tables": [],
            "log": { "file": "producer.log", "rotate_bytes": 1, "keep": 1, "topic": "log" },
        });
        let placed = [
            placed("app", Agent::Producer, producer),
            stream("a", &["facts", "orders", "log"]),
            stream("b", &["orders", "payments"]),
            stream("c", &["actions"]),
        ];
        let of = |words: &[&str]| {
            let options = Line::parse_from([&["up"][..], words].concat()).options;
            let samples = Samples::of(&placed, &options).expect("configurations");
            samples.iter().map(|one| (one.name(), one.topics.join(","), one.rate)).collect::<Vec<_>>()
        };
        let expected = |rate| {
            vec![
                ("samples".to_owned(), "orders".to_owned(), rate),
                ("samples 2".to_owned(), "payments".to_owned(), rate),
            ]
        };
        assert_eq!(of(&[]), expected(5.0));
        assert_eq!(of(&["--samples", "0.5"]), expected(0.5));
        assert_eq!(of(&["--samples", "0"]), []);
        // Somebody else's topics are left alone, unless they are asked for.
        assert_eq!(of(&["--kafka", "127.0.0.1:9092"]), []);
        assert_eq!(of(&["--aws", "http://127.0.0.1:4566"]), []);
        assert_eq!(of(&["--kafka", "127.0.0.1:9092", "--samples", "1"]), expected(1.0));
    }

    #[test]
    fn rates_are_numbers() {
        assert_eq!((rate("5"), rate("0.5"), rate("0")), (Ok(5.0), Ok(0.5), Ok(0.0)));
        for wrong in ["", "-1", "5/s", "NaN", "inf", "10001"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
