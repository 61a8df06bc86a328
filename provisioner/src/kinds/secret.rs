//! The kind `secret`: a value in Secrets Manager that is made at random and never shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret of the form `{"username": …, "password": …}`; the password is made when the secret is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region; secrets for MSK begin with `AmazonMSK_`.
    pub name: String,
    /// What the secret is for.
    #[serde(default)]
    pub description: String,
    /// The user name that stands beside the password.
    pub username: String,
    /// The ARN of the KMS key that encrypts it. Without it, AWS's own key does; MSK takes no such secret.
    #[serde(default)]
    pub key: Option<String>,
    /// How many days a deleted secret can be restored, 7 to 30.
    #[serde(default = "recovery_days")]
    pub recovery_days: u32,
}

fn recovery_days() -> u32 {
    7
}
