//! SCRAM secrets of a cluster, judged one by one as MSK does.

use serde_json::{Value, json};

use super::{bad_request, cluster, paged};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::services::secrets;
use crate::state::State;

/// What a secret that belongs to a cluster is called.
const PREFIX: &str = "AmazonMSK_";

fn arns(request: &Request) -> Result<Vec<String>, AwsError> {
    let arns = request.input.texts("secretArnList");
    if arns.is_empty() || arns.len() > 10 {
        return Err(bad_request("secretArnList", "The list must have between 1 and 10 secrets."));
    }
    Ok(arns)
}

fn unprocessed(arn: &str, code: &str, message: &str) -> Value {
    json!({ "secretArn": arn, "errorCode": code, "errorMessage": message })
}

/// Returns the name and the key of a secret, if there is one of that ARN.
fn secret(state: &State<'_>, arn: &str) -> Option<(String, Option<String>)> {
    let (_, secret) = state.list("secrets/secret").find(|(_, secret)| secret["ARN"] == arn)?;
    if secret.member("Deleted").is_some() {
        return None;
    }
    Some((secret.text("Name")?.to_owned(), secret.text("KmsKeyId").map(str::to_owned)))
}

/// Returns what MSK has against a secret, if anything.
fn objection(state: &State<'_>, arn: &str, associated: &[String]) -> Option<Value> {
    if associated.iter().any(|other| other == arn) {
        return Some(unprocessed(
            arn,
            "ResourceAlreadyAssociated",
            "The secret is already associated with the cluster.",
        ));
    }
    let Some((name, key)) = secret(state, arn) else {
        return Some(unprocessed(arn, "ResourceNotFound", "The secret does not exist."));
    };
    if !name.starts_with(PREFIX) {
        let message = "The name of the secret must begin with the prefix AmazonMSK_.";
        return Some(unprocessed(arn, "InvalidSecretName", message));
    }
    let customer = key.is_some_and(|key| !key.contains("alias/") && !key.is_empty());
    if !customer {
        let message = "The secret is encrypted with the default key. Use a customer managed key, by its id or ARN.";
        return Some(unprocessed(arn, "InvalidSecretKmsKey", message));
    }
    None
}

/// The password by which a user may log in to one of the clusters: what a secret holds now that is associated with it.
pub(crate) fn password(state: &mut State<'_>, user: &str) -> Option<String> {
    cluster::settle(state);
    let takes_passwords = |cluster: &Value| {
        let ways = &cluster["provisioned"]["clientAuthentication"]["sasl"];
        ways["scram"].flag("enabled") == Some(true) && cluster["state"] != "CREATING" && cluster["state"] != "DELETING"
    };
    let clusters = state.list(cluster::COLLECTION).map(|(_, cluster)| cluster);
    let arns: Vec<String> = clusters.filter(|one| takes_passwords(one)).flat_map(|one| one.texts("_secrets")).collect();
    arns.iter().find_map(|arn| {
        let (name, _) = secret(state, arn)?;
        let held: Value = serde_json::from_str(&secrets::current(state, &name)?).ok()?;
        let password = held.text("password").filter(|password| !password.is_empty())?;
        (held.text("username") == Some(user)).then(|| password.to_owned())
    })
}

pub(super) fn associate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut cluster = cluster::active(state, request)?;
    let scram = cluster["provisioned"]["clientAuthentication"]["sasl"]["scram"]["enabled"] == true;
    if !scram {
        return Err(bad_request("clusterArn", "SASL/SCRAM authentication is not enabled on the cluster."));
    }
    let mut associated = cluster.texts("_secrets");
    let mut refused = Vec::new();
    for arn in arns(request)? {
        match objection(state, &arn, &associated) {
            Some(objection) => refused.push(objection),
            None => associated.push(arn),
        }
    }
    finish(state, &mut cluster, &associated, &refused)
}

pub(super) fn disassociate(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut cluster = cluster::active(state, request)?;
    let mut associated = cluster.texts("_secrets");
    let mut refused = Vec::new();
    for arn in arns(request)? {
        let before = associated.len();
        associated.retain(|other| *other != arn);
        if associated.len() == before {
            refused.push(unprocessed(&arn, "ResourceNotFound", "The secret is not associated with the cluster."));
        }
    }
    finish(state, &mut cluster, &associated, &refused)
}

fn finish(
    state: &mut State<'_>,
    cluster: &mut Value,
    associated: &[String],
    refused: &[Value],
) -> Result<Value, AwsError> {
    let arn = cluster.text("clusterArn").unwrap_or_default().to_owned();
    cluster["_secrets"] = json!(associated);
    state.put(cluster::COLLECTION, &arn, cluster);
    Ok(json!({ "clusterArn": arn, "unprocessedScramSecrets": refused }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let cluster = cluster::existing(state, request)?;
    let all = cluster.texts("_secrets").into_iter().map(Value::String).collect();
    paged(request, "secretArnList", all)
}
