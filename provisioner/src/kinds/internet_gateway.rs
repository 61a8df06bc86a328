//! `internet_gateway`: a VPC's door to the internet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::in_place;
use crate::kind::Field;

/// A VPC's door to the internet. A subnet uses it by a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The id of the VPC that it is attached to, `${vpc.main.id}`.
    pub vpc: String,
}

const FIELDS: &[Field] = &[in_place("vpc")];
const OUTPUTS: &[&str] = &["id", "arn"];

/// The kind.
#[derive(Debug)]
pub struct InternetGateway;
