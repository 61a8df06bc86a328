//! The policies of resources.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use lakewright_iam::{Arn, Document, Kind, Policy, PolicyError, ResourceRule};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::global;
use crate::fields::Fields as _;
use crate::state::{State, of_all_accounts};
use crate::store::Scope;

/// How many policies are kept as they were read.
const KEPT: usize = 1000;
/// Policies by their names, each with its text: every call asks those of its caller.
static READ: LazyLock<Mutex<HashMap<String, (String, Arc<Document>)>>> = LazyLock::new(Mutex::default);

/// Reads a stored policy; one that can't be read counts for nothing, and is named in the log.
pub(super) fn read(kind: Kind, name: &str, text: &str) -> Option<Policy> {
    match document(kind, name, text) {
        Ok(document) => Some(Policy::new(name, document)),
        Err(error) => {
            tracing::warn!(policy = name, %error, "a policy can't be read and allows nothing");
            None
        }
    }
}

fn document(kind: Kind, name: &str, text: &str) -> Result<Arc<Document>, PolicyError> {
    let mut read = READ.lock();
    if let Some((known, document)) = read.get(name)
        && document.kind == kind
        && known == text
    {
        return Ok(document.clone());
    }
    let document = Arc::new(Document::from_text(kind, text)?);
    if read.len() >= KEPT {
        read.clear();
    }
    read.insert(name.to_owned(), (text.to_owned(), document.clone()));
    Ok(document)
}

/// The policy of a resource, and what it is worth, for an action.
pub(super) fn of_resource(
    state: &mut State<'_>,
    action: &str,
    arn: &str,
    owner: &str,
) -> (Option<Policy>, ResourceRule) {
    let Some(Arn { service, region, resource, .. }) = Arn::parse(arn) else { return (None, ResourceRule::Adds) };
    let state = match service {
        "s3" => state.at(of_all_accounts()),
        "iam" => state.at(global(owner)),
        _ => state.at(Scope::new(owner, region)),
    };
    let name = format!("policy of {arn}");
    let resource_policy = |text: Option<&str>| {
        let text = text.filter(|text| !text.is_empty())?;
        read(Kind::Resource, &name, text)
    };
    match service {
        "s3" => {
            let bucket = resource.split('/').next().unwrap_or_default();
            let text = state.get("s3/bucket", bucket).and_then(|bucket| bucket["settings"]["policy"].as_str());
            (resource_policy(text), ResourceRule::Adds)
        }
        "kms" => match resource.strip_prefix("key/") {
            Some(id) => {
                let text = state.get("kms/key", id).and_then(|key| key.text("Policy"));
                // A key that isn't there yet has no policy that could decide.
                let rule = if text.is_some() { ResourceRule::Decides } else { ResourceRule::Adds };
                (resource_policy(text), rule)
            }
            None => (None, ResourceRule::Adds),
        },
        "iam" if action.starts_with("sts:AssumeRole") => {
            let role = resource.rsplit('/').next().unwrap_or_default();
            let role = state.get("iam/role", role).filter(|role| role.text("Arn") == Some(arn));
            let text = role.and_then(|role| role.text("AssumeRolePolicyDocument"));
            let name = format!("trust policy of {arn}");
            (text.and_then(|text| read(Kind::Trust, &name, text)), ResourceRule::Decides)
        }
        "sns" => {
            (resource_policy(state.get("sns/topic", arn).and_then(|topic| topic.text("Policy"))), ResourceRule::Adds)
        }
        "sqs" => {
            let queue = state.get("sqs/queue", resource);
            (resource_policy(queue.and_then(|queue| queue["attributes"].text("Policy"))), ResourceRule::Adds)
        }
        "secretsmanager" => {
            let found = state.list("secrets/secret").find(|(_, secret)| secret.text("ARN") == Some(arn));
            (resource_policy(found.and_then(|(_, secret)| secret.text("Policy"))), ResourceRule::Adds)
        }
        "lambda" => {
            let function = resource.split(':').nth(1).unwrap_or_default();
            let statements = state.get("lambda/function", function).map(|function| function.list("_policy").to_vec());
            let statements = statements.filter(|statements| !statements.is_empty());
            let document = statements
                .map(|statements: Vec<Value>| json!({ "Version": "2012-10-17", "Statement": statements }).to_string());
            (resource_policy(document.as_deref()), ResourceRule::Adds)
        }
        _ => (None, ResourceRule::Adds),
    }
}
