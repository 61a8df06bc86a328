//! `subnet`: a range of a VPC in one availability zone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{in_place, replaces};
use crate::kind::Field;

/// A range of a VPC in one availability zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: String,
    /// The IPv4 range, within the VPC's and apart from its other subnets.
    pub cidr: String,
    /// The availability zone, `eu-north-1a`.
    pub zone: String,
    /// Whether hosts started here get a public address. Default: false.
    #[serde(default)]
    pub public_addresses: bool,
}

const FIELDS: &[Field] = &[replaces("vpc"), replaces("cidr"), replaces("zone"), in_place("public_addresses")];
const OUTPUTS: &[&str] = &["id", "arn", "cidr", "zone"];

/// The kind.
#[derive(Debug)]
pub struct Subnet;
