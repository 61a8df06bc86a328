//! The kind `release`: the agents' binary in the artifacts bucket, at `releases/SHA256/lakewright-agent`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The binary that hosts install.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The artifacts bucket's name.
    pub bucket: String,
    /// The SHA-256 of the binary, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file on this machine that is uploaded.
    #[serde(default)]
    pub file: Option<String>,
}
