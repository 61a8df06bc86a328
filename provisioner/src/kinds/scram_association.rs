//! `scram_association`: the secrets whose users may log in to a cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, replaces};
use crate::kind::{Comparing, Field};

/// The secrets whose users may log in to a cluster; a cluster has one association. Secrets that others have associated
/// are reported and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The cluster's ARN, `${cluster.main.arn}`.
    pub cluster: String,
    /// The secrets' ARNs, `${secret.app.arn}`; their names begin with `AmazonMSK_` and their key is a customer's own.
    pub secrets: Vec<String>,
}

const FIELDS: &[Field] = &[replaces("cluster"), compared(in_place("secrets"), Comparing::AsSet)];
const OUTPUTS: &[&str] = &["cluster"];

/// The kind.
#[derive(Debug)]
pub struct ScramAssociation;
