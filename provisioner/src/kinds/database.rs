//! The kind `database`: a database of the Glue catalog.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Glue database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name: lower case letters, digits and underscores.
    pub name: String,
    /// What it holds.
    #[serde(default)]
    pub description: String,
    /// Where tables that name no location go, `s3://bucket/prefix`, without a slash at the end.
    #[serde(default)]
    pub location: Option<String>,
}
