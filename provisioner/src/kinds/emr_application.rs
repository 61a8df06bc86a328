//! The kind `emr_application`: a Spark application of EMR Serverless.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Spark application; it starts with the first job and stops by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name.
    pub name: String,
    /// The EMR release.
    #[serde(default = "release_label")]
    pub release_label: String,
    /// `X86_64` or `ARM64`.
    #[serde(default = "architecture")]
    pub architecture: String,
    /// The most that all workers together may use.
    #[serde(default)]
    pub limits: Limits,
    /// After how many idle minutes it stops.
    #[serde(default = "idle_minutes")]
    pub idle_minutes: u32,
    /// The subnets of its workers. Without them, workers reach S3 and Glue only.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// The security groups of its workers.
    #[serde(default)]
    pub security_groups: Vec<String>,
}

/// The most that an application may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Virtual processors.
    #[serde(default = "limit_vcpu")]
    pub vcpu: u32,
    /// Memory in GB.
    #[serde(default = "limit_memory_gb")]
    pub memory_gb: u32,
    /// Disk in GB.
    #[serde(default = "limit_disk_gb")]
    pub disk_gb: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { vcpu: limit_vcpu(), memory_gb: limit_memory_gb(), disk_gb: limit_disk_gb() }
    }
}

fn release_label() -> String {
    "emr-7.9.0".into()
}

fn architecture() -> String {
    "X86_64".into()
}

fn idle_minutes() -> u32 {
    15
}

fn limit_vcpu() -> u32 {
    16
}

fn limit_memory_gb() -> u32 {
    64
}

fn limit_disk_gb() -> u32 {
    200
}
