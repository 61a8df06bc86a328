//! The kind `instance_profile`: what gives a role to EC2 instances.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account.
    pub name: String,
    /// The name of the role that the instances get.
    pub role: String,
}
