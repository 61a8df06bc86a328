//! `msk_configuration`: the brokers' settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{in_place, replaces};
use crate::kind::Field;

/// The brokers' settings. A change makes a new revision; a cluster moves to it when its `configuration` says so.
/// MSK configurations carry no tags: this one's description says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region: letters, digits and `-`.
    pub name: String,
    /// The settings as in a broker's `server.properties`, `"auto.create.topics.enable" = "false"`. Default: none.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

const FIELDS: &[Field] = &[replaces("name"), in_place("properties")];
const OUTPUTS: &[&str] = &["arn", "revision"];

/// The kind.
#[derive(Debug)]
pub struct MskConfiguration;
