//! `topic`: a Kafka topic on an MSK cluster, by MSK's own topic API.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{in_place, replaces};
use crate::kind::Field;

/// A Kafka topic on an MSK cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`.
    pub cluster: String,
    /// The topic's name.
    pub name: String,
    /// How many partitions; Kafka can only add some, and keys then move between them.
    pub partitions: u32,
    /// How many brokers hold each partition.
    pub replication: u32,
    /// The topic's own settings, `"retention.ms" = "86400000"`; the cluster's defaults hold for all others. Default: none.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

const FIELDS: &[Field] =
    &[replaces("cluster"), replaces("name"), in_place("partitions"), replaces("replication"), in_place("configuration")];
const OUTPUTS: &[&str] = &["arn", "name"];

/// The kind.
#[derive(Debug)]
pub struct Topic;
