//! The kind `table`: an Iceberg table of the Glue catalog.

use std::collections::BTreeMap;

use lakewright_config::{Column, PartitionField};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An Iceberg table of format version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The Glue database's name.
    pub database: String,
    /// The table's name: lower case letters, digits and underscores.
    pub name: String,
    /// Where its files are, `s3://bucket/prefix`, without a slash at the end.
    pub location: String,
    /// All columns in order, those that the stream agent adds included.
    pub columns: Vec<Column>,
    /// How its files are divided.
    #[serde(default)]
    pub partition: Vec<PartitionField>,
    /// Iceberg table properties that the stack sets; others are left alone.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}
