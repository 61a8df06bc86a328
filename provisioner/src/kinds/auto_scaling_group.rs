//! `auto_scaling_group`: keeps a number of hosts alive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, replaces};
use crate::kind::{Comparing, Field};

/// Keeps a number of hosts alive: one that dies is replaced by a new one from the launch template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: String,
    /// The launch template's id, `${launch_template.app.id}`.
    pub launch_template: String,
    /// The version of the launch template that new hosts get: a number, `$Default` or `$Latest`. Default: `$Default`.
    #[serde(default = "default_version")]
    pub launch_template_version: String,
    /// The ids of the subnets that hosts are started in, `${subnet.a.id}`.
    pub subnets: Vec<String>,
    /// How many hosts at least.
    pub min: u32,
    /// How many hosts at most.
    pub max: u32,
    /// How many hosts are wanted.
    pub desired: u32,
    /// How many seconds after its start a host's health first counts. Default: 300.
    #[serde(default = "five_minutes")]
    pub grace_seconds: u32,
}

fn default_version() -> String {
    "$Default".to_owned()
}

fn five_minutes() -> u32 {
    300
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("launch_template"),
    in_place("launch_template_version"),
    compared(in_place("subnets"), Comparing::AsSet),
    in_place("min"),
    in_place("max"),
    in_place("desired"),
    in_place("grace_seconds"),
];
const OUTPUTS: &[&str] = &["name", "arn"];

/// The kind.
#[derive(Debug)]
pub struct AutoScalingGroup;
