//! Secrets, the Kafka cluster and its topics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Expansion, bucket_address, key_arn};
use crate::kinds::{cluster, log_group, msk_configuration, secret, serverless_cluster, storage_scaling, topic};
use crate::names;
use crate::resource::Address;
use crate::stack::kafka::{Authentication, Kafka, Monitoring, Topic};

/// The prefix of the brokers' logs in their bucket.
const LOG_PREFIX: &str = "kafka";

impl Expansion<'_> {
    pub(super) fn secrets(&mut self) {
        let file = self.file;
        for entry in &file.secrets {
            self.within(&entry.value.tags);
            let spec = secret::Spec {
                name: self.secret(&entry.name).into(),
                description: format!("the Kafka user {}", *entry.value.username),
                username: entry.value.username.value.clone(),
                key: Some(key_arn(self.secret_key(&entry.value)).into()),
                recovery_days: entry.value.recovery_days.0 as u32,
                rotate_after_days: entry.value.rotate_after.as_ref().map(|age| age.in_days() as u32),
            };
            self.add(Address::new("secret", entry.name.as_str()), &spec, &entry.span, vec![]);
        }
    }

    pub(super) fn kafka(&mut self) {
        let Some(kafka) = &self.file.kafka else { return };
        self.within(&kafka.tags);
        match &kafka.existing {
            Some(_) => {}
            None if kafka.is_serverless() => self.serverless(kafka),
            None => self.provisioned(kafka),
        }
        self.agents_users(kafka);
        self.associate_users(kafka);
    }

    /// The cluster's address; one that isn't the stack's has none.
    pub(super) fn cluster(kafka: &Kafka) -> Option<Address> {
        let kind = if kafka.is_serverless() { "serverless_cluster" } else { "cluster" };
        kafka.existing.is_none().then(|| Address::new(kind, "main"))
    }

    /// The cluster's ARN.
    pub(super) fn cluster_arn(kafka: &Kafka) -> String {
        let existing = kafka.existing.as_ref().map(|existing| existing.arn.value.clone());
        existing.or_else(|| Self::cluster(kafka).map(|cluster| cluster.output("arn"))).unwrap_or_default()
    }

    /// The ARN of a topic (`topic/NAME`), a group (`group/NAME`) or of the cluster itself (nothing), as policies name them: the
    /// stack's own cluster has an identifier that nobody knows before it is made, and its name is the account's only one.
    pub(super) fn kafka_arn(&self, kafka: &Kafka, of: &str) -> String {
        let cluster = match &kafka.existing {
            Some(existing) => existing.arn.value.clone(),
            None => self.arn("kafka", &format!("cluster/{}/*", self.stack.name())),
        };
        match of.split_once('/') {
            Some((kind, name)) => format!("{}/{name}", cluster.replacen(":cluster/", &format!(":{kind}/"), 1)),
            None => cluster,
        }
    }

    fn serverless(&mut self, kafka: &Kafka) {
        let spec = serverless_cluster::Spec {
            name: self.stack.name().to_owned().into(),
            subnets: self.subnets().into_iter().take(3).map(Into::into).collect(),
            security_groups: vec![Address::new("security_group", "kafka").output("id").into()],
        };
        self.add(Address::new("serverless_cluster", "main"), &spec, &kafka.span, vec![]);
    }

    fn provisioned(&mut self, kafka: &Kafka) {
        let place = &kafka.span;
        let replicas = self.replicas();
        let mut properties: BTreeMap<String, String> = [
            ("auto.create.topics.enable", "false".to_owned()),
            ("default.replication.factor", replicas.to_string()),
            ("min.insync.replicas", (replicas - 1).max(1).to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        properties.extend(kafka.configuration.iter().map(|entry| (entry.name.clone(), entry.value.0.clone())));
        let configuration = Address::new("msk_configuration", "main");
        let spec = msk_configuration::Spec { name: self.stack.name().to_owned().into(), properties };
        self.add(configuration.clone(), &spec, place, vec![]);

        let log_group = Address::new("log_group", "kafka");
        self.add(log_group.clone(), &self.log_group("kafka"), place, vec![]);

        let cluster = Address::new("cluster", "main");
        let ways = kafka.ways();
        let log_bucket = kafka.log_bucket.as_ref().map(|bucket| self.bucket(bucket));
        let spec = cluster::Spec {
            name: self.stack.name().to_owned().into(),
            kafka_version: kafka.version.value.clone(),
            brokers: kafka.brokers.0 as u32,
            instance_type: kafka.instance_type.value.clone().into(),
            subnets: self.subnets().into_iter().take(3).map(Into::into).collect(),
            security_groups: vec![Address::new("security_group", "kafka").output("id").into()],
            storage_gib: kafka.storage_gib.0 as u32,
            configuration: Some(cluster::Configuration {
                arn: configuration.output("arn"),
                revision: configuration.output("revision"),
            }),
            authentication: cluster::Authentication {
                scram: ways.contains(&Authentication::Scram),
                iam: ways.contains(&Authentication::Iam),
                certificate_authorities: vec![],
                unauthenticated: ways.contains(&Authentication::None),
            },
            encryption_key: key_arn(self.kafka_key(kafka)).into(),
            client_encryption: cluster::ClientEncryption::Tls,
            broker_encryption: true,
            monitoring: match *kafka.monitoring {
                Monitoring::Default => cluster::Monitoring::Default,
                Monitoring::PerBroker => cluster::Monitoring::PerBroker,
                Monitoring::PerTopicPerBroker => cluster::Monitoring::PerTopicPerBroker,
                Monitoring::PerTopicPerPartition => cluster::Monitoring::PerTopicPerPartition,
            },
            jmx_exporter: kafka.jmx_exporter.value,
            node_exporter: kafka.node_exporter.value,
            logs: cluster::Logs {
                log_group: Some(self.log_group_name("kafka")),
                prefix: log_bucket.as_ref().map(|_| LOG_PREFIX.to_owned()),
                bucket: log_bucket,
            },
        };
        let mut before = vec![log_group];
        before.extend(kafka.log_bucket.as_ref().map(|bucket| bucket_address(bucket)));
        self.add(cluster.clone(), &spec, place, before);
        if let Some(most) = &kafka.storage_max_gib {
            let spec = storage_scaling::Spec {
                cluster: cluster.output("arn").into(),
                max_gib: most.0 as u32,
                target: kafka.storage_target.0 as u32,
            };
            self.add(Address::new("storage_scaling", "main"), &spec, &most.span, vec![]);
        }
    }

    /// What lets AWS deliver the brokers' logs to their bucket; nothing for other buckets. Without it AWS would write its own
    /// statements into the policy.
    pub(super) fn log_delivery(&self, name: &str) -> Vec<Value> {
        let kafka = self.file.kafka.as_ref().and_then(|kafka| kafka.log_bucket.as_ref());
        if kafka.is_none_or(|bucket| bucket.value != name) {
            return Vec::new();
        }
        let account = &self.target.account;
        let bucket = self.bucket_arn(name);
        let source = json!({ "aws:SourceAccount": account });
        let from = json!({ "aws:SourceArn": self.arn("logs", "*") });
        let principal = json!({ "Service": "delivery.logs.amazonaws.com" });
        let owned = json!({ "aws:SourceAccount": account, "s3:x-amz-acl": "bucket-owner-full-control" });
        vec![
            json!({
                "Sid": "AWSLogDeliveryWrite",
                "Effect": "Allow",
                "Principal": principal,
                "Action": "s3:PutObject",
                "Resource": format!("{bucket}/{LOG_PREFIX}/AWSLogs/{account}/*"),
                "Condition": { "StringEquals": owned, "ArnLike": from },
            }),
            json!({
                "Sid": "AWSLogDeliveryAclCheck",
                "Effect": "Allow",
                "Principal": principal,
                "Action": ["s3:GetBucketAcl", "s3:ListBucket"],
                "Resource": bucket,
                "Condition": { "StringEquals": source, "ArnLike": from },
            }),
        ]
    }

    /// How many brokers hold a partition unless its topic says otherwise.
    fn replicas(&self) -> u64 {
        let kafka = self.file.kafka.as_ref().filter(|kafka| kafka.existing.is_none());
        kafka.map_or(3, |kafka| kafka.brokers.0.min(3))
    }

    pub(super) fn topics(&mut self) {
        let file = self.file;
        // Those of a serverless cluster are made by the agents.
        let Some(kafka) = file.kafka.as_ref().filter(|kafka| !kafka.is_serverless()) else { return };
        for entry in file.topics.iter().filter(|topic| !*topic.value.existing) {
            let section = &entry.value;
            let replication = section.replication.as_ref().map_or_else(|| self.replicas(), |at| at.0);
            let spec = topic::Spec {
                cluster: Self::cluster_arn(kafka).into(),
                name: self.topic(&entry.name).into(),
                partitions: section.partitions.0 as u32,
                replication_factor: replication as u32,
                configuration: topic_settings(section),
            };
            self.add(Address::new("topic", entry.name.as_str()), &spec, &entry.span, vec![]);
        }
    }

    /// The name of the log group of an agent, of Kafka or of another part.
    pub(super) fn log_group_name(&self, of: &str) -> String {
        names::log_group(self.stack.name(), of)
    }

    pub(super) fn log_group(&self, of: &str) -> log_group::Spec {
        log_group::Spec {
            name: self.log_group_name(of).into(),
            retention_days: self.file.stack.log_retention.in_days() as u32,
            key: self.log_key().map(Into::into),
        }
    }
}

/// A topic's settings as Kafka knows them.
pub(super) fn topic_settings(section: &Topic) -> BTreeMap<String, String> {
    let settings = section.configuration.iter().map(|entry| (entry.name.clone(), entry.value.0.clone()));
    settings.chain([("retention.ms".to_owned(), section.retention.0.to_string())]).collect()
}
