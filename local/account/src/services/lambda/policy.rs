//! A function's resource policy, statement by statement.

use lakewright_iam::{Arn, is_account};
use serde_json::{Value, json};

use super::function::{FUNCTIONS, named};
use super::{conflict, failed, invalid, missing, not_found, only};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::request::Request;
use crate::state::State;

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, function) = named(state, request)?;
    let statements = function.list("_policy");
    if statements.is_empty() {
        return Err(not_found("The resource you requested does not exist."));
    }
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
    Ok(json!({ "Policy": policy.to_string(), "RevisionId": function["_policyRevision"] }))
}

fn principal(text: &str) -> Result<Value, AwsError> {
    if text == "*" {
        return Ok(json!("*"));
    }
    if is_account(text) {
        return Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }));
    }
    let is_arn = Arn::parse(text).is_some_and(|arn| arn.is_of_aws() && arn.service == "iam");
    let is_service = text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com");
    match (is_arn, is_service) {
        (true, _) => Ok(json!({ "AWS": text })),
        (_, true) => Ok(json!({ "Service": text })),
        _ => Err(invalid(format!(
            "The provided principal was invalid. Please check the principal and try again: {text}"
        ))),
    }
}

pub(super) fn add(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let known = ["FunctionName", "StatementId", "Action", "Principal", "SourceArn", "SourceAccount", "PrincipalOrgID"];
    only(request, &known)?;
    let input = &request.input;
    let (name, mut function) = named(state, request)?;
    let sid = input.need("StatementId", missing)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if sid.len() > 100 || !sid.chars().all(legal) {
        return Err(failed("statementId", sid, "satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"));
    }
    let action = input.need("Action", missing)?;
    let verb = action.strip_prefix("lambda:").filter(|verb| *verb == "*" || verb.chars().all(char::is_alphabetic));
    if verb.is_none() && action != "*" {
        return Err(failed("action", action, "satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])"));
    }
    let principal = principal(input.need("Principal", missing)?)?;
    let mut statement = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": function["FunctionArn"],
    });
    if let Some(account) = input.text("SourceAccount") {
        if !is_account(account) {
            return Err(failed("sourceAccount", account, "satisfy regular expression pattern: \\d{12}"));
        }
        statement["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!(account);
    }
    if let Some(organisation) = input.text("PrincipalOrgID") {
        statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"] = json!(organisation);
    }
    if let Some(arn) = input.text("SourceArn") {
        if !Arn::parse(arn).is_some_and(|arn| arn.is_of_aws()) {
            return Err(failed("sourceArn", arn, "satisfy regular expression pattern: arn:(aws[a-zA-Z0-9-]*):…"));
        }
        statement["Condition"]["ArnLike"]["AWS:SourceArn"] = json!(arn);
    }
    let mut statements = function.list("_policy").to_vec();
    if statements.iter().any(|other| other.text("Sid") == Some(sid)) {
        return Err(conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    statements.push(statement.clone());
    if json!(statements).to_string().len() > 20 * 1024 {
        return Err(AwsError::new(
            "PolicyLengthExceededException",
            "The final policy size is bigger than the limit (20480).",
        ));
    }
    function["_policy"] = json!(statements);
    function["_policyRevision"] = json!(ids::uuid());
    state.put(FUNCTIONS, &name, function);
    Ok(json!({ "Statement": statement.to_string() }))
}

pub(super) fn remove(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut function) = named(state, request)?;
    let sid = request.input.need("StatementId", missing)?;
    let mut statements = function.list("_policy").to_vec();
    let before = statements.len();
    statements.retain(|statement| statement.text("Sid") != Some(sid));
    if statements.len() == before {
        return Err(not_found(format!("Statement {sid} is not found in resource policy.")));
    }
    function["_policy"] = json!(statements);
    function["_policyRevision"] = json!(ids::uuid());
    state.put(FUNCTIONS, &name, function);
    Ok(json!({}))
}
