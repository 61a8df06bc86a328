//! Secrets without their values.

use super::{SECRETS, find, shown_tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::request::Request;
use crate::state::State;
use serde_json::{Map, Value, json};

/// The secret as DescribeSecret shows it; lists call the map of versions otherwise.
fn shown(state: &State<'_>, secret: &Value, versions: &str) -> Value {
    let mut out = json!({
        "ARN": secret["ARN"], "Name": secret["Name"], "Tags": shown_tags(state, secret),
        "CreatedDate": clock::epoch(secret.number("Created").unwrap_or_default()),
        "LastChangedDate": clock::epoch(secret.number("Changed").unwrap_or_default()),
    });
    for member in ["Description", "KmsKeyId"] {
        if let Some(text) = secret.text(member) {
            out[member] = json!(text);
        }
    }
    if let Some(at) = secret.number("Deleted") {
        out["DeletedDate"] = clock::epoch(at);
    }
    let stages: Map<String, Value> = secret["Versions"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, version)| !version.list("Stages").is_empty())
        .map(|(id, version)| (id.clone(), version["Stages"].clone()))
        .collect();
    if !stages.is_empty() {
        out[versions] = Value::Object(stages);
    }
    out
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = find(state, request)?;
    Ok(shown(state, &secret, "VersionIdsToStages"))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let most = request.input.number("MaxResults").unwrap_or(100);
    if !(1..=100).contains(&most) {
        return Err(AwsError::new("InvalidParameterException", "MaxResults must be between 1 and 100"));
    }
    let deleted = request.input.flag("IncludePlannedDeletion").unwrap_or(false);
    let mut found = Vec::new();
    for (_, secret) in state.list(SECRETS) {
        if (deleted || secret.member("Deleted").is_none()) && fits(state, secret, request.input.list("Filters"))? {
            found.push(shown(state, secret, "SecretVersionsToStages"));
        }
    }
    found.sort_by_key(|secret| secret["CreatedDate"].as_f64().map(|date| (date * 1000.0) as i64));
    if request.input.text("SortOrder") != Some("asc") {
        found.reverse();
    }
    let invalid = || AwsError::new("InvalidNextTokenException", "The NextToken value is invalid.");
    let (page, next) = pages::page(found, request.input.text("NextToken"), most as usize, invalid)?;
    let mut out = json!({ "SecretList": page });
    if let Some(next) = next {
        out["NextToken"] = json!(next);
    }
    Ok(out)
}

/// Whether a secret fits every filter: a value counts as a prefix, and `!` before it turns it round.
fn fits(state: &State<'_>, secret: &Value, filters: &[Value]) -> Result<bool, AwsError> {
    let tags = state.tags(secret.text("ARN").unwrap_or_default());
    for filter in filters {
        let key = filter.text("Key").unwrap_or_default();
        let texts: Vec<&str> = match key {
            "name" => secret.text("Name").into_iter().collect(),
            "description" => secret.text("Description").into_iter().collect(),
            "tag-key" => tags.keys().map(String::as_str).collect(),
            "tag-value" => tags.values().map(String::as_str).collect(),
            "primary-region" | "owning-service" => Vec::new(),
            "all" => {
                let own = [secret.text("Name"), secret.text("Description")].into_iter().flatten();
                own.chain(tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()])).collect()
            }
            other => {
                let message = format!("the filter key '{other}' is not valid");
                return Err(AwsError::new("ValidationException", message));
            }
        };
        let begins = |value: &String| match value.strip_prefix('!') {
            Some(value) => !texts.iter().any(|text| text.starts_with(value)),
            None => texts.iter().any(|text| text.starts_with(value.as_str())),
        };
        if !filter.texts("Values").iter().any(begins) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn versions(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let secret = find(state, request)?;
    let all = request.input.flag("IncludeDeprecated").unwrap_or(false);
    let versions: Vec<Value> = secret["Versions"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, version)| all || !version.list("Stages").is_empty())
        .map(|(id, version)| {
            json!({
                "VersionId": id, "VersionStages": version["Stages"],
                "CreatedDate": clock::epoch(version.number("Created").unwrap_or_default()),
            })
        })
        .collect();
    Ok(json!({ "ARN": secret["ARN"], "Name": secret["Name"], "Versions": versions }))
}
