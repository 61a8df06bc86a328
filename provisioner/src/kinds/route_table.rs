//! `route_table`: where a subnet's packets go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, replaces};
use crate::kind::{Comparing, Field};

/// Where the packets of some subnets go. Its routes and subnets are exactly those named here; the VPC's own local route
/// and the routes of gateway endpoints are AWS's and never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: String,
    /// The routes. Default: none.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The ids of the subnets that use this table, `${subnet.a.id}`. Default: none.
    #[serde(default)]
    pub subnets: Vec<String>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The range of addresses, `0.0.0.0/0` or `::/0`.
    pub destination: String,
    /// The id of what the packets go to: an internet gateway, NAT gateway, network interface, peering connection,
    /// transit gateway or virtual private gateway.
    pub target: String,
}

const FIELDS: &[Field] =
    &[replaces("vpc"), compared(in_place("routes"), Comparing::AsSet), compared(in_place("subnets"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["id", "arn"];

/// The kind.
#[derive(Debug)]
pub struct RouteTable;
