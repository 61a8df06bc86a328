//! Lambda: functions, who may invoke them, and their tags. It keeps functions and runs none.

mod code;
mod function;
mod policy;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Service, unknown_operation};
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::protocol::Protocol;
use crate::protocol::rest::Route;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tags_of_object};

/// The service.
#[derive(Debug)]
pub struct Lambda;

const fn route(operation: &'static str, method: &'static str, path: &'static str) -> Route {
    Route { method, path, operation }
}

const ROUTES: &[Route] = &[
    route("AddPermission", "POST", "/2015-03-31/functions/{FunctionName}/policy"),
    route("CreateFunction", "POST", "/2015-03-31/functions"),
    route("DeleteFunction", "DELETE", "/2015-03-31/functions/{FunctionName}"),
    route("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}"),
    route("GetFunctionConfiguration", "GET", "/2015-03-31/functions/{FunctionName}/configuration"),
    route("GetPolicy", "GET", "/2015-03-31/functions/{FunctionName}/policy"),
    route("Invoke", "POST", "/2015-03-31/functions/{FunctionName}/invocations"),
    route("ListFunctions", "GET", "/2015-03-31/functions"),
    route("ListTags", "GET", "/2017-03-31/tags/{Resource}"),
    route("RemovePermission", "DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}"),
    route("TagResource", "POST", "/2017-03-31/tags/{Resource}"),
    route("UntagResource", "DELETE", "/2017-03-31/tags/{Resource}"),
    route("UpdateFunctionCode", "PUT", "/2015-03-31/functions/{FunctionName}/code"),
    route("UpdateFunctionConfiguration", "PUT", "/2015-03-31/functions/{FunctionName}/configuration"),
];

#[async_trait]
impl Service for Lambda {
    fn name(&self) -> &'static str {
        "lambda"
    }

    fn protocol(&self) -> Protocol {
        Protocol::RestJson(ROUTES)
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        // Unpacked outside of the transaction, which stands in everybody's way.
        let code = match request.operation.as_str() {
            "CreateFunction" => Some(code::read(request.input.member("Code").unwrap_or(&Value::Null))?),
            "UpdateFunctionCode" => Some(code::read(&request.input)?),
            _ => None,
        };
        account.transact(request, |state| match (request.operation.as_str(), &code) {
            ("CreateFunction", Some(code)) => function::create(state, request, code),
            ("UpdateFunctionCode", Some(code)) => function::update_code(state, request, code),
            ("GetFunction", _) => function::get(state, request),
            ("GetFunctionConfiguration", _) => function::configuration(state, request),
            ("ListFunctions", _) => function::list(state, request),
            ("UpdateFunctionConfiguration", _) => function::update_configuration(state, request),
            ("DeleteFunction", _) => function::delete(state, request),
            ("Invoke", _) => function::invoke(state, request),
            ("GetPolicy", _) => policy::get(state, request),
            ("AddPermission", _) => policy::add(state, request),
            ("RemovePermission", _) => policy::remove(state, request),
            ("ListTags", _) => {
                let arn = taggable(state, request)?;
                Ok(json!({ "Tags": state.tags(&arn) }))
            }
            ("TagResource", _) => {
                let arn = taggable(state, request)?;
                let tags = tags_in(&request.input)?;
                state.add_tags(&arn, &tags);
                Ok(json!({}))
            }
            ("UntagResource", _) => {
                let arn = taggable(state, request)?;
                state.remove_tags(&arn, &request.input.texts("tagKeys"));
                Ok(json!({}))
            }
            _ => Err(unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValueException", message)
}

fn failed(member: &str, value: &str, rule: &str) -> AwsError {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {rule}"
    );
    AwsError::new("ValidationException", message)
}

fn missing(member: &str) -> AwsError {
    AwsError::null("ValidationException", member)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceNotFoundException", message).status(404).field("Type", "User")
}

fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceConflictException", message).status(409).field("Type", "User")
}

/// Refuses members that an operation doesn't have: real clients can't send them, and ours mustn't.
fn only(request: &Request, known: &[&str]) -> Result<(), AwsError> {
    let unknown = request.input.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    match unknown {
        Some((name, _)) => {
            Err(AwsError::new("SerializationException", format!("{} has no member {name}", request.operation)))
        }
        None => Ok(()),
    }
}

/// The name in a name, a partial ARN (`123456789012:function:name`) or an ARN of a function.
fn name_in<'a>(request: &Request, given: &'a str) -> Result<&'a str, AwsError> {
    let own = request.arn("lambda", "function:");
    let name = match given.rsplit_once("function:") {
        Some((before, name)) if given.starts_with(&own) || !before.starts_with("arn:") => name,
        Some(_) => return Err(not_found(format!("Function not found: {given}"))),
        None => given,
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(failed("functionName", given, "satisfy regular expression pattern: [a-zA-Z0-9-_]+"));
    }
    Ok(name)
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of_object(input, "Tags");
    match refused_tag(&tags) {
        _ if tags.len() > 50 => Err(invalid("Tag limit exceeded: a function has at most 50 tags")),
        Some(key) => Err(invalid(format!("Invalid tag: {key}"))),
        None => Ok(tags),
    }
}

fn taggable(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = request.input.need("Resource", missing)?;
    let known = name_in(request, arn).is_ok_and(|name| state.get(function::FUNCTIONS, name).is_some());
    if known && arn.starts_with("arn:") {
        return Ok(arn.to_owned());
    }
    Err(not_found(format!("Function not found: {arn}")))
}
