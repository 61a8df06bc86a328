//! The kind `role`: an IAM role with its trust, inline policies and attached policies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A role. What stands here is all that it may do: any other policy found on it is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account.
    pub name: String,
    /// What the role is for.
    #[serde(default)]
    pub description: String,
    /// The trust policy: who may assume the role.
    pub trust: Value,
    /// The inline policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// The ARNs of the attached policies.
    #[serde(default)]
    pub attached: Vec<String>,
}
