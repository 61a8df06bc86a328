//! Topics, their attributes and tags.

use super::subscriptions::{counts, drop_all};
use super::{TOPICS, entries, invalid, map, missing, topic};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};
use serde_json::{Value, json};

const SETTABLE: [&str; 5] = ["DisplayName", "Policy", "KmsMasterKeyId", "SignatureVersion", "TracingConfig"];

/// The policy of a topic that was given none: whoever is allowed by IAM in its account.
fn default_policy(arn: &str, account: &str) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
        }],
    })
}

fn attribute(name: &str, value: &str) -> Result<(), AwsError> {
    if !SETTABLE.contains(&name) {
        return Err(invalid("AttributeName", &format!("the local account takes no attribute {name}")));
    }
    if name == "DisplayName" && value.chars().count() > 100 {
        return Err(invalid("Attributes", "DisplayName must be at most 100 characters long"));
    }
    if name == "Policy" && !value.is_empty() {
        let policy: Option<Value> = serde_json::from_str(value).ok();
        let statements = policy.as_ref().and_then(|policy| policy["Statement"].as_array());
        let sound = |statement: &Value| {
            ["Effect", "Principal", "Action", "Resource"].iter().all(|member| statement.member(member).is_some())
        };
        if !statements.is_some_and(|statements| !statements.is_empty() && statements.iter().all(sound)) {
            return Err(invalid("Policy", "Policy Error: null"));
        }
    }
    Ok(())
}

fn given_tags(request: &Request) -> Result<Tags, AwsError> {
    let tags = tags_of(request.input.list("Tags"), "Key", "Value");
    if tags.len() > 50 {
        return Err(AwsError::new(
            "TagLimitExceeded",
            "Could not complete request: tag quota of per resource exceeded",
        ));
    }
    match refused_tag(&tags) {
        Some(key) => Err(invalid("Tags", &format!("the tag {key} is not valid"))),
        None => Ok(tags),
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("Name", missing)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.len() > 256 || !name.chars().all(fits) {
        return Err(invalid(
            "Topic Name",
            "Topic names must be made up of up to 256 letters, digits, hyphens and underscores",
        ));
    }
    let attributes = entries(&request.input, "Attributes");
    for (name, value) in &attributes {
        attribute(name, value)?;
    }
    let tags = given_tags(request)?;
    let arn = request.arn("sns", name);
    if let Some(topic) = state.get(TOPICS, &arn) {
        if attributes.iter().any(|(name, value)| topic.text(name).unwrap_or_default() != value) {
            return Err(invalid("Attributes", "Topic already exists with different attributes"));
        }
        // Tags that a topic has and the input lacks differ too.
        let before = state.tags(&arn);
        if !tags.is_empty() && before != tags {
            return Err(invalid("Tags", "Topic already exists with different tags"));
        }
        return Ok(json!({ "TopicArn": arn }));
    }
    let mut document = json!({});
    for (name, value) in attributes {
        document[name.as_str()] = json!(value);
    }
    state.set_tags(&arn, &tags);
    state.put(TOPICS, &arn, document);
    Ok(json!({ "TopicArn": arn }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    // Deleting what isn't there is no error.
    let Ok((arn, _)) = topic(state, request) else {
        request.input.need("TopicArn", missing)?;
        return Ok(json!({}));
    };
    drop_all(state, &arn);
    state.remove(TOPICS, &arn);
    state.forget_tags(&arn);
    Ok(json!({}))
}

pub(super) fn attributes(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, document) = topic(state, request)?;
    let policy = document.text("Policy").filter(|policy| !policy.is_empty());
    let policy = policy.map_or_else(|| default_policy(&arn, &request.account).to_string(), str::to_owned);
    let (pending, confirmed) = counts(state, &arn);
    let mut all = vec![
        ("TopicArn", arn),
        ("Owner", request.account.clone()),
        ("Policy", policy),
        ("DisplayName", document.text("DisplayName").unwrap_or_default().to_owned()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsDeleted", "0".to_owned()),
    ];
    for name in ["KmsMasterKeyId", "SignatureVersion", "TracingConfig"] {
        if let Some(value) = document.text(name).filter(|value| !value.is_empty()) {
            all.push((name, value.to_owned()));
        }
    }
    Ok(json!({ "Attributes": map(all) }))
}

pub(super) fn set_attribute(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (arn, mut document) = topic(state, request)?;
    let name = request.input.need("AttributeName", missing)?;
    let value = request.input.text("AttributeValue").unwrap_or_default();
    attribute(name, value)?;
    document[name] = json!(value);
    state.put(TOPICS, &arn, document);
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let all: Vec<Value> = state.list(TOPICS).map(|(arn, _)| json!({ "TopicArn": arn })).collect();
    let token = || invalid("NextToken", "Bad pagination token");
    let (page, next) = pages::page(all, request.input.text("NextToken"), 100, token)?;
    Ok(json!({ "Topics": page, "NextToken": next }))
}

fn tagged(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = request.input.need("ResourceArn", missing)?;
    match state.get(TOPICS, arn) {
        Some(_) => Ok(arn.to_owned()),
        None => Err(AwsError::new("ResourceNotFound", "Resource does not exist").status(404)),
    }
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.add_tags(&arn, &given_tags(request)?);
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.remove_tags(&arn, &request.input.texts("TagKeys"));
    Ok(json!({}))
}

pub(super) fn list_tags(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    Ok(json!({ "Tags": tag_list(&state.tags(&arn), "Key", "Value") }))
}
