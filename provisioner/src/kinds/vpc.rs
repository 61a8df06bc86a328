//! `vpc`: a virtual private cloud.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{in_place, replaces, yes};
use crate::kind::Field;

/// A virtual private cloud: the network that everything else stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The IPv4 range, `10.0.0.0/16`.
    pub cidr: String,
    /// Whether the network's own resolver answers; hosts need it to find AWS. Default: true.
    #[serde(default = "yes")]
    pub dns_support: bool,
    /// Whether hosts with public addresses get names. Default: true.
    #[serde(default = "yes")]
    pub dns_hostnames: bool,
}

const FIELDS: &[Field] = &[replaces("cidr"), in_place("dns_support"), in_place("dns_hostnames")];
const OUTPUTS: &[&str] = &["id", "arn", "cidr"];

/// The kind.
#[derive(Debug)]
pub struct Vpc;
