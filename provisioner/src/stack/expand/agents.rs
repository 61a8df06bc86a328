//! The agents' configurations, as their hosts read them.

use lakewright_config::{
    BatchConfig, KafkaConnection, LogConfig, ProducerConfig, SearchConnection, Security, ShipperConfig, StreamConfig,
    WatchConfig,
};
use serde_json::Value;

use super::{ARTIFACTS, Expansion};
use crate::resource::Address;
use crate::stack::hosts::Agent;
use crate::stack::sections::Authentication;

impl Expansion<'_> {
    /// An agent's configuration as JSON text with references.
    pub(super) fn agent_config(&self, agent: Agent) -> String {
        let config = match agent {
            Agent::Producer => with_protocol(serde_json::to_value(self.producer())),
            Agent::Stream => with_protocol(serde_json::to_value(self.stream())),
            Agent::Shipper => with_protocol(serde_json::to_value(self.shipper())),
            Agent::Batch => serde_json::to_value(self.batch_agent()).expect("a configuration is plain JSON"),
        };
        serde_json::to_string_pretty(&config).expect("a JSON value is text") + "\n"
    }

    fn connection(&self) -> KafkaConnection {
        let kafka = self.file.kafka.as_ref();
        let secret = kafka.filter(|kafka| *kafka.authentication == Authentication::Scram);
        let secret = secret.and_then(|kafka| kafka.secret.as_ref());
        KafkaConnection {
            bootstrap: Address::new("cluster", "main").output("bootstrap"),
            security: secret.map_or(Security::Tls, |secret| Security::Scram { secret: self.secret(secret) }),
        }
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
            kafka: self.connection(),
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
            kafka: self.connection(),
            group: section.group.as_ref().map_or_else(|| self.named("stream"), |group| group.value.clone()),
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
            kafka: self.connection(),
            group: section.group.as_ref().map_or_else(|| self.named("shipper"), |group| group.value.clone()),
            topics: section.topics.iter().map(|topic| self.topic(topic)).collect(),
            search: SearchConnection {
                url: None,
                host: Some(Address::new("auto_scaling_group", search.host.value.as_str()).to_string()),
                port: search.port.0 as u16,
            },
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

/// The configuration with the protocol that the cluster really speaks: one on loopback speaks in clear.
fn with_protocol(config: serde_json::Result<Value>) -> Value {
    let mut config = config.expect("a configuration is plain JSON");
    config["kafka"]["security"]["protocol"] = Address::new("cluster", "main").output("protocol").into();
    config
}
