//! The kind `bucket`: an S3 bucket with all its settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A bucket. Its objects always belong to the account: access control lists are switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique on all of AWS.
    pub name: String,
    /// Whether overwritten and deleted objects are kept as older versions.
    #[serde(default)]
    pub versioning: bool,
    /// The ARN of the KMS key that encrypts new objects. Without it, S3's own keys do.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether everything that would make objects public is refused.
    #[serde(default = "yes")]
    pub block_public_access: bool,
    /// What expires, and when.
    #[serde(default)]
    pub lifecycle: Vec<LifecycleRule>,
    /// The bucket policy.
    #[serde(default)]
    pub policy: Option<Value>,
}

/// What happens to the objects under a prefix as they age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// The rule's name, unique in the bucket.
    pub id: String,
    /// The prefix of the keys that it holds for; all keys without it.
    #[serde(default)]
    pub prefix: String,
    /// After how many days objects are deleted.
    #[serde(default)]
    pub expire_days: Option<u32>,
    /// After how many days older versions are deleted.
    #[serde(default)]
    pub expire_versions_days: Option<u32>,
    /// After how many days unfinished uploads are given up.
    #[serde(default)]
    pub abort_uploads_days: Option<u32>,
}

fn yes() -> bool {
    true
}
