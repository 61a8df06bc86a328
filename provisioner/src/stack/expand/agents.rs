//! The agents' configurations, as their hosts read them.

use std::collections::BTreeSet;

use lakewright_config::{
    BatchConfig, KafkaConnection, KafkaTopic, LogConfig, ProducerConfig, SearchConnection, Security, ShipperConfig,
    StreamConfig, WatchConfig,
};
use serde_json::Value;

use super::kafka::topic_settings;
use super::{ARTIFACTS, Expansion};
use crate::kinds::msk::is_loopback;
use crate::resource::Address;
use crate::stack::decode::At;
use crate::stack::hosts::Agent;
use crate::stack::kafka::Authentication;

impl Expansion<'_> {
    /// An agent's configuration as JSON text with references.
    pub(super) fn agent_config(&self, agent: Agent) -> String {
        let config = match agent {
            Agent::Producer => self.with_protocol(serde_json::to_value(self.producer())),
            Agent::Stream => self.with_protocol(serde_json::to_value(self.stream())),
            Agent::Shipper => self.with_protocol(serde_json::to_value(self.shipper())),
            Agent::Batch => serde_json::to_value(self.batch_agent()).expect("a configuration is plain JSON"),
        };
        serde_json::to_string_pretty(&config).expect("a JSON value is text") + "\n"
    }

    /// How an agent reaches the cluster, and the topics that it makes sure of where nobody else can make them.
    fn connection(&self, agent: Agent) -> KafkaConnection {
        let kafka = self.file.kafka.as_ref().expect("a stack with an agent of Kafka's has a cluster");
        let way = kafka.ways()[0];
        let secret = kafka.secret.as_ref().filter(|_| way == Authentication::Scram);
        let mut security = match (way, secret) {
            (Authentication::Iam, _) => Security::Iam { region: self.target.region.clone() },
            (_, Some(secret)) => Security::Scram { secret: self.secret(secret) },
            _ => Security::Tls,
        };
        let bootstrap = match (&kafka.existing, Self::cluster(kafka)) {
            (Some(existing), _) => existing.bootstrap.value.clone(),
            (None, Some(cluster)) => cluster.output(&format!("bootstrap_{}", output_of(way))),
            (None, None) => String::new(),
        };
        if is_loopback(&bootstrap) {
            security = Security::Plaintext;
        }
        let used = self.used_topics(agent);
        let topics = self
            .file
            .topics
            .iter()
            .filter(|topic| kafka.is_serverless() && !*topic.value.existing && used.contains(&topic.name));
        let topics = topics.map(|topic| KafkaTopic {
            name: self.topic(&topic.name),
            partitions: topic.value.partitions.0 as u32,
            configuration: topic_settings(&topic.value),
        });
        KafkaConnection { bootstrap, security, topics: topics.collect() }
    }

    /// The topics that an agent reads or writes, as the file names them.
    pub(super) fn used_topics(&self, agent: Agent) -> BTreeSet<String> {
        let agents = &self.file.agents;
        let named = |names: &[&At<String>]| names.iter().map(|name| name.value.clone()).collect();
        match agent {
            Agent::Producer => named(&[&agents.producer.facts_topic, &agents.producer.actions_topic]),
            Agent::Stream => self.file.tables.iter().map(|table| table.value.topic.value.clone()).collect(),
            Agent::Shipper => agents.shipper.topics.iter().map(|topic| topic.value.clone()).collect(),
            Agent::Batch => BTreeSet::new(),
        }
    }

    /// The consumer group of an agent that has one.
    pub(super) fn group(&self, agent: Agent) -> Option<String> {
        let own = match agent {
            Agent::Stream => &self.file.agents.stream.group,
            Agent::Shipper => &self.file.agents.shipper.group,
            _ => return None,
        };
        Some(own.as_ref().map_or_else(|| self.named(agent.word()), |group| group.value.clone()))
    }

    /// Where an agent reports: a metric costs money, so that only what has alarms reports.
    fn watch(&self, agent: Agent) -> Option<WatchConfig> {
        self.file.alarms.as_ref().map(|_| WatchConfig {
            log_group: self.log_group_name(agent.word()),
            stack: self.stack.name().to_owned(),
            every_seconds: REPORT_SECONDS,
        })
    }

    fn producer(&self) -> ProducerConfig {
        let section = &self.file.agents.producer;
        ProducerConfig {
            kafka: self.connection(Agent::Producer),
            facts_topic: self.topic(&section.facts_topic),
            actions_topic: self.topic(&section.actions_topic),
            rate: section.rate.value,
            seed: section.seed.as_ref().map(|seed| seed.0),
            start_time: section.start_time.as_ref().map(|time| time.value.clone()),
            duplicates: section.duplicates.0,
            broken: section.broken.0,
            tables: self.declared_tables(),
            log: LogConfig {
                file: section.log_file.value.clone(),
                rotate_bytes: section.log_rotate.0,
                keep: section.log_keep.0 as u32,
            },
            watch: self.watch(Agent::Producer),
        }
    }

    fn stream(&self) -> StreamConfig {
        let section = &self.file.agents.stream;
        StreamConfig {
            kafka: self.connection(Agent::Stream),
            group: self.group(Agent::Stream).unwrap_or_default(),
            tables: self.declared_tables(),
            dead_letters: self.dead_letters().expect("a stack with a stream agent has a table"),
            commit_interval_ms: section.commit_interval.0,
            commit_bytes: section.commit_size.0,
            watch: self.watch(Agent::Stream),
        }
    }

    fn shipper(&self) -> ShipperConfig {
        let section = &self.file.agents.shipper;
        let search = self.file.search.as_ref().expect("a stack with a shipper has a search cluster");
        ShipperConfig {
            kafka: self.connection(Agent::Shipper),
            group: self.group(Agent::Shipper).unwrap_or_default(),
            topics: section.topics.iter().map(|topic| self.topic(topic)).collect(),
            search: SearchConnection { url: format!("http://{}:{}", self.search_name(), search.port.0) },
            index: search.index.value.clone(),
            time_field: section.time_field.value.clone(),
            backup_bucket: self.bucket(&section.backup_bucket),
            backup_prefix: section.backup_prefix.value.trim_matches('/').to_owned(),
            backup_records: section.backup_records.0,
            bulk_bytes: section.bulk_size.0,
            bulk_interval_ms: section.bulk_interval.0,
            watch: self.watch(Agent::Shipper),
        }
    }

    /// The configuration with the protocol that the stack's own cluster really speaks: one on loopback speaks in clear.
    fn with_protocol(&self, config: serde_json::Result<Value>) -> Value {
        let mut config = config.expect("a configuration is plain JSON");
        let kafka = self.file.kafka.as_ref();
        if let Some((kafka, cluster)) = kafka.and_then(|kafka| Some((kafka, Self::cluster(kafka)?))) {
            let output = format!("protocol_{}", output_of(kafka.ways()[0]));
            config["kafka"]["security"]["protocol"] = cluster.output(&output).into();
        }
        config
    }

    fn batch_agent(&self) -> BatchConfig {
        let batch = self.file.batch.as_ref().expect("a stack with a batch agent has models");
        let artifacts = self.bucket(ARTIFACTS);
        BatchConfig {
            application_id: Address::new("emr_application", "main").output("id"),
            execution_role: Address::new("role", "batch-jobs").output("arn"),
            entry_point: format!("s3://{artifacts}/jobs/run_models.py"),
            manifest: format!("s3://{artifacts}/models/manifest.json"),
            log_location: format!("s3://{artifacts}/{}/", self.file.agents.batch.log_prefix.value.trim_matches('/')),
            every_seconds: batch.every.0 / 1000,
            timeout_minutes: batch.timeout.0.div_ceil(60_000),
            watch: self.watch(Agent::Batch),
        }
    }
}

/// How often agents report. Alarms look at minutes.
const REPORT_SECONDS: u64 = 60;

/// A way of logging in, as a cluster's outputs name it.
fn output_of(way: Authentication) -> &'static str {
    match way {
        Authentication::Iam => "iam",
        Authentication::Scram => "scram",
        Authentication::None => "tls",
    }
}
