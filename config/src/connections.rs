//! What agents reach, as their configurations say it: the Kafka cluster, the search cluster, the log group of reports.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach the Kafka cluster. In the agent's environment, `LAKEWRIGHT_KAFKA_PLAINTEXT`, the `host:port` of a Kafka in
/// clear, wins over it; and so do, for connections that aren't in clear, the brokers in `LAKEWRIGHT_KAFKA_TLS`, which are reached
/// by the same `security` and trusted by the authorities in the file `LAKEWRIGHT_KAFKA_CA`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConnection {
    /// `host:port` pairs, separated by commas.
    pub bootstrap: String,
    /// How connections are protected.
    pub security: Security,
    /// The topics that the agent makes sure of before it begins, where nobody else can make them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<KafkaTopic>,
}

impl KafkaConnection {
    /// A connection in clear, as to a cluster on loopback.
    pub fn plaintext(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), security: Security::Plaintext, topics: Vec::new() }
    }
}

/// A topic as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has at least.
    pub partitions: u32,
    /// Its settings, `"retention.ms" = "86400000"`; those not named here are left as they are.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

/// How connections to Kafka are protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "protocol")]
pub enum Security {
    /// In clear: loopback only.
    Plaintext,
    /// TLS, the client not authenticated.
    Tls,
    /// TLS with SASL/OAUTHBEARER and a token that the AWS credentials sign, as MSK takes it.
    Iam {
        /// The cluster's region.
        region: String,
    },
    /// TLS with SASL/SCRAM-SHA-512; user name and password stand in a Secrets Manager secret as
    /// `{"username": …, "password": …}`.
    Scram {
        /// The secret's ARN or name.
        secret: String,
    },
}

/// Where an agent reports how it is doing: numbers in its log group, of which CloudWatch makes metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchConfig {
    /// The log group.
    pub log_group: String,
    /// The stack's name, a dimension of the metrics.
    pub stack: String,
    /// Seconds from one report to the next.
    pub every_seconds: u64,
}

/// How to reach the search cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConnection {
    /// `http[s]://host:port`, the host by a name that is looked up at each connection; `LAKEWRIGHT_SEARCH_URL` in the agent's
    /// environment, with user and password or without, wins over it and over `login`.
    pub url: String,
    /// How the agent logs in to it. Without it, not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<SearchLogin>,
}

impl SearchConnection {
    /// A connection to a cluster that asks nobody who they are.
    pub fn open(url: impl Into<String>) -> Self {
        Self { url: url.into(), login: None }
    }
}

/// How an agent logs in to the search cluster: by name and password over TLS. `LAKEWRIGHT_SEARCH_LOGIN_PLAINTEXT` in its
/// environment names an index on loopback to which it logs in by the same secret without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchLogin {
    /// The ARN or the name of the Secrets Manager secret with user name and password, `{"username": …, "password": …}`.
    pub secret: String,
    /// The object with the certificates of the authorities that the cluster's own is signed by, in PEM: `s3://bucket/key`.
    /// No others are trusted.
    pub authority: String,
}
