//! The kind `workgroup`: an Athena workgroup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An Athena workgroup on engine version 3; its settings bind all who query in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Where results go, `s3://bucket/prefix/`.
    pub output: String,
    /// The ARN of the KMS key that encrypts results. Without it, S3's own keys do.
    #[serde(default)]
    pub key: Option<String>,
    /// The most bytes that one query may scan, at least 10 MB. Without it, there is no limit.
    #[serde(default)]
    pub scan_limit_bytes: Option<u64>,
}
