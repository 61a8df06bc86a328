//! The kind `log_group`: a CloudWatch Logs group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, as in `/lakewright/shop/stream`.
    pub name: String,
    /// How many days entries are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or another number that AWS takes.
    #[serde(default = "retention_days")]
    pub retention_days: u32,
}

fn retention_days() -> u32 {
    30
}
