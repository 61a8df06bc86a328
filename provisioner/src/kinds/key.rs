//! The kind `key`: a KMS key with its alias, rotation and policy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A symmetric encryption key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The alias without `alias/`, unique in account and region.
    pub alias: String,
    /// What the key is for.
    #[serde(default)]
    pub description: String,
    /// Whether AWS makes new key material every year.
    #[serde(default = "yes")]
    pub rotation: bool,
    /// The key policy. Without it, IAM policies of the account decide who may use the key.
    #[serde(default)]
    pub policy: Option<Value>,
    /// How many days a deleted key can be restored, 7 to 30.
    #[serde(default = "deletion_days")]
    pub deletion_days: u32,
}

fn yes() -> bool {
    true
}

fn deletion_days() -> u32 {
    30
}
