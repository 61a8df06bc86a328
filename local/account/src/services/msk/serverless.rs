//! Serverless clusters: what is asked of one, and where it stands.

use serde_json::{Value, json};

use super::{bad_request, checks};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::state::State;

/// Seconds until a new one is active.
pub(super) const CREATE_SECONDS: i64 = 3 * 60;

/// Checks a wish and completes it.
pub(super) fn made(state: &State<'_>, wish: &Value) -> Result<Value, AwsError> {
    let configs = wish.list("vpcConfigs");
    if configs.is_empty() || configs.len() > 5 {
        return Err(bad_request("vpcConfigs", "Specify between one and five VPC configurations."));
    }
    for config in configs {
        let (subnets, groups) = (config.texts("subnetIds"), config.texts("securityGroupIds"));
        if groups.len() > 5 {
            return Err(bad_request("securityGroupIds", "Specify at most five security groups."));
        }
        checks::check_network(state, &subnets, &groups)?;
    }
    let way = &wish["clientAuthentication"]["sasl"]["iam"];
    if way.flag("enabled") != Some(true) {
        return Err(bad_request("clientAuthentication", "A serverless cluster needs IAM authentication."));
    }
    Ok(json!({
        "vpcConfigs": configs,
        "clientAuthentication": { "sasl": { "iam": { "enabled": true } } },
        "connectivityInfo": { "networkType": "IPV4" },
    }))
}

/// The subnets and security groups of a serverless cluster's first network.
pub(super) fn network(cluster: &Value) -> Option<(Vec<String>, Vec<String>)> {
    let config = cluster["serverless"].list("vpcConfigs").first()?;
    Some((config.texts("subnetIds"), config.texts("securityGroupIds")))
}
