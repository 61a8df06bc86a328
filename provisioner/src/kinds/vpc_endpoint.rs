//! `vpc_endpoint`: a private way from a VPC to an AWS service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, in_place, replaces};
use crate::kind::{Comparing, Field};

/// A private way from a VPC to an AWS service: by routes (gateway: S3 and DynamoDB, free of charge) or by network interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: String,
    /// The service's short name, `s3`, `glue`, `kms`.
    pub service: String,
    /// By routes or by network interfaces. Default: `gateway`.
    #[serde(default)]
    pub way: Way,
    /// The ids of the route tables that lead to a gateway, `${route_table.public.id}`. Default: none.
    #[serde(default)]
    pub route_tables: Vec<String>,
    /// The ids of the subnets that an interface stands in. Default: none.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// The ids of the interfaces' security groups. Default: none.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Whether the service's usual name leads to the interfaces. Default: false.
    #[serde(default)]
    pub private_names: bool,
    /// The policy; absent: everything that the caller's own rights allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

/// How an endpoint is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By routes.
    #[default]
    Gateway,
    /// By network interfaces.
    Interface,
}

const FIELDS: &[Field] = &[
    replaces("vpc"),
    replaces("service"),
    replaces("way"),
    compared(in_place("route_tables"), Comparing::AsSet),
    compared(in_place("subnets"), Comparing::AsSet),
    compared(in_place("security_groups"), Comparing::AsSet),
    in_place("private_names"),
    in_place("policy"),
];
const OUTPUTS: &[&str] = &["id", "arn"];

/// The kind.
#[derive(Debug)]
pub struct VpcEndpoint;
