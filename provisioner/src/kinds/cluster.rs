//! `cluster`: a provisioned MSK cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, replaces, yes};
use crate::kind::{Changing, Comparing, Field};

/// A provisioned MSK cluster. MSK changes one thing at a time, and each change takes minutes to an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: String,
    /// Kafka's version as MSK names it, `3.9.x`; it can be raised, not lowered.
    pub kafka_version: String,
    /// How many brokers: a multiple of the number of subnets; it can be raised.
    pub brokers: u32,
    /// A broker's instance type, `kafka.t3.small`, `kafka.m7g.large`.
    pub instance_type: String,
    /// The ids of the subnets, one in each of two or three zones.
    pub subnets: Vec<String>,
    /// The ids of the brokers' security groups.
    pub security_groups: Vec<String>,
    /// Each broker's storage in GiB. A floor: MSK only grows it, and may have grown it by itself.
    pub storage_gib: u32,
    /// The settings; absent: MSK's default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// How clients prove who they are.
    pub authentication: Authentication,
    /// The ARN of the KMS key that the storage is encrypted with, `${key.main.arn}`.
    pub encryption_key: String,
    /// What is allowed between clients and brokers. Default: `TLS`.
    #[serde(default)]
    pub client_encryption: ClientEncryption,
    /// Whether brokers talk to each other over TLS. Default: true.
    #[serde(default = "yes")]
    pub broker_encryption: bool,
    /// How much CloudWatch is told. Default: `DEFAULT`.
    #[serde(default)]
    pub monitoring: Monitoring,
    /// Whether each broker answers Prometheus for Kafka's own metrics. Default: false.
    #[serde(default)]
    pub jmx_exporter: bool,
    /// Whether each broker answers Prometheus for its host's metrics. Default: false.
    #[serde(default)]
    pub node_exporter: bool,
    /// Where the brokers' logs go. Default: nowhere.
    #[serde(default)]
    pub logs: Logs,
}

/// A revision of an MSK configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The configuration's ARN, `${msk_configuration.main.arn}`.
    pub arn: String,
    /// The revision's number, `${msk_configuration.main.revision}`.
    pub revision: String,
}

/// How clients prove who they are; more than one way may be open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// By name and password, SASL/SCRAM-SHA-512. Default: false.
    #[serde(default)]
    pub scram: bool,
    /// By IAM. Default: false.
    #[serde(default)]
    pub iam: bool,
    /// By certificates of these private certificate authorities, by ARN. Default: none.
    #[serde(default)]
    pub certificate_authorities: Vec<String>,
    /// Not at all. Default: false.
    #[serde(default)]
    pub unauthenticated: bool,
}

/// What is allowed between clients and brokers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientEncryption {
    /// TLS only.
    #[default]
    Tls,
    /// Either.
    TlsPlaintext,
    /// Plain text only.
    Plaintext,
}

/// How much CloudWatch is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Monitoring {
    /// What costs nothing.
    #[default]
    Default,
    /// More per broker.
    PerBroker,
    /// Per topic and broker too.
    PerTopicPerBroker,
    /// Per partition too.
    PerTopicPerPartition,
}

/// Where the brokers' logs go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// A CloudWatch log group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
    /// A bucket's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The prefix of the keys in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("kafka_version"),
    in_place("brokers"),
    in_place("instance_type"),
    compared(replaces("subnets"), Comparing::AsSet),
    compared(replaces("security_groups"), Comparing::AsSet),
    Field { name: "storage_gib", change: Changing::InPlace, compare: Comparing::AsFloor },
    in_place("configuration"),
    in_place("authentication"),
    replaces("encryption_key"),
    in_place("client_encryption"),
    replaces("broker_encryption"),
    in_place("monitoring"),
    in_place("jmx_exporter"),
    in_place("node_exporter"),
    in_place("logs"),
];
/// `bootstrap` is the best of the cluster's bootstrap strings and `protocol` the one that it speaks: `scram`, `tls`,
/// `plaintext` or `iam`. `topic_arn` and `group_arn` are the prefixes of its topics' and groups' ARNs, without a slash at the end.
const OUTPUTS: &[&str] = &["arn", "name", "bootstrap", "protocol", "topic_arn", "group_arn"];

/// The kind.
#[derive(Debug)]
pub struct Cluster;
