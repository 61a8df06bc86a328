//! The kind `object`: a small text in a bucket, such as an agent's configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An object whose content stands in the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The bucket's name.
    pub bucket: String,
    /// The key, without a slash at the start.
    pub key: String,
    /// The content, at most 1 MiB of UTF-8.
    pub content: String,
    /// The media type.
    #[serde(default = "content_type")]
    pub content_type: String,
}

fn content_type() -> String {
    "text/plain; charset=utf-8".into()
}
