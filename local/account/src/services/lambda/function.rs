//! Functions: what is kept of them, and their states.

use chrono::DateTime;
use lakewright_iam::Arn;
use serde_json::{Map, Value, json};

use super::code::Code;
use super::{conflict, failed, invalid, missing, name_in, not_found, only, tags_in};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::ids;
use crate::pages::page;
use crate::request::Request;
use crate::services::iam;
use crate::state::{GLOBAL, State};

/// Where functions stand, by name. Members beginning with `_` are ours and are never answered.
pub(super) const FUNCTIONS: &str = "lambda/function";

/// Seconds that a new function is pending, and that a change takes.
const PENDING_SECONDS: i64 = 5;
const UPDATE_SECONDS: i64 = 3;

/// The runtimes that new functions may have.
const RUNTIMES: [&str; 21] = [
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "dotnet8",
    "dotnet10",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
    "provided.al2",
    "provided.al2023",
];

const RESERVED: [&str; 14] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// Members of the configuration that create and update have in common.
const CONFIGURATION: [&str; 9] = [
    "FunctionName",
    "Role",
    "Handler",
    "Description",
    "Timeout",
    "MemorySize",
    "Environment",
    "Runtime",
    "LoggingConfig",
];

/// The function that a request names.
pub(super) fn named(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let name = name_in(request, request.input.need("FunctionName", missing)?)?;
    if let Some(version) = request.input.text("Qualifier").filter(|version| *version != "$LATEST") {
        let arn = request.arn("lambda", &format!("function:{name}:{version}"));
        return Err(not_found(format!("Function not found: {arn}")));
    }
    let function = state.get(FUNCTIONS, name).cloned();
    let gone = || not_found(format!("Function not found: {}", request.arn("lambda", &format!("function:{name}"))));
    Ok((name.to_owned(), function.ok_or_else(gone)?))
}

/// The configuration as answers show it: states by the clock; lists leave them out.
fn shown(state: &State<'_>, function: &Value, whole: bool) -> Value {
    let mut shown: Map<String, Value> = function.as_object().cloned().unwrap_or_default();
    shown.retain(|name, _| !name.starts_with('_'));
    if whole {
        let (status, settled) = (status(state, function), is_settled(state, function));
        shown.insert("State".into(), json!(status));
        if status == "Pending" {
            shown.insert("StateReason".into(), json!("The function is being created."));
            shown.insert("StateReasonCode".into(), json!("Creating"));
        } else {
            shown.insert("LastUpdateStatus".into(), json!(if settled { "Successful" } else { "InProgress" }));
        }
    }
    Value::Object(shown)
}

fn status(state: &State<'_>, function: &Value) -> &'static str {
    if function.number("_active").is_some_and(|at| at > state.now()) { "Pending" } else { "Active" }
}

fn is_settled(state: &State<'_>, function: &Value) -> bool {
    function.number("_updated").is_none_or(|at| at <= state.now())
}

/// Refuses a change while another is under way.
fn unhindered(state: &State<'_>, function: &Value) -> Result<(), AwsError> {
    let arn = function.text("FunctionArn").unwrap_or_default();
    let doing = match (status(state, function), is_settled(state, function)) {
        ("Pending", _) => "The function is currently in the following state: Pending",
        (_, false) => "An update is in progress for resource",
        _ => return Ok(()),
    };
    Err(conflict(format!("The operation cannot be performed at this time. {doing}: {arn}")))
}

/// Whether Lambda can act as the role.
fn check_role(state: &mut State<'_>, request: &Request, arn: &str) -> Result<(), AwsError> {
    let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
    let expected = format!("arn:aws:iam::{}:role/", request.account);
    if !Arn::parse(arn).is_some_and(|arn| arn.is("iam", "role")) {
        let rule =
            "satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
        return Err(failed("role", arn, rule));
    }
    if !arn.starts_with(&expected) {
        return Err(AwsError::new("AccessDeniedException", "Cross-account pass role is not allowed.").status(403));
    }
    let role = state.region(GLOBAL).get("iam/role", &name).cloned();
    let trusts = role.as_ref().is_some_and(|role| {
        let trust = role.text("AssumeRolePolicyDocument").unwrap_or_default();
        trust.contains("lambda.amazonaws.com")
    });
    if !trusts || !iam::knows_role(state, &name) {
        return Err(invalid("The role defined for the function cannot be assumed by Lambda."));
    }
    Ok(())
}

/// Checks what create and update have in common, and takes it over.
fn configure(state: &mut State<'_>, request: &Request, function: &mut Value) -> Result<(), AwsError> {
    let input = &request.input;
    if let Some(runtime) = input.text("Runtime") {
        if !RUNTIMES.contains(&runtime) {
            return Err(failed("runtime", runtime, &format!("satisfy enum value set: {RUNTIMES:?}")));
        }
        function["Runtime"] = json!(runtime);
    }
    if let Some(handler) = input.text("Handler") {
        if handler.is_empty() || handler.len() > 128 || handler.contains(char::is_whitespace) {
            return Err(failed("handler", handler, "satisfy regular expression pattern: [^\\s]+"));
        }
        function["Handler"] = json!(handler);
    }
    for (member, least, most) in [("Timeout", 1, 900), ("MemorySize", 128, 10_240)] {
        if let Some(given) = input.member(member) {
            let number = given.as_i64().filter(|number| (least..=most).contains(number));
            let rule = format!("have value between {least} and {most}");
            function[member] = json!(number.ok_or_else(|| failed(member, &given.to_string(), &rule))?);
        }
    }
    if let Some(description) = input.text("Description") {
        if description.chars().count() > 256 {
            return Err(failed("description", description, "have length less than or equal to 256"));
        }
        function["Description"] = json!(description);
    }
    if let Some(environment) = input.member("Environment") {
        let variables = check_environment(environment)?;
        if variables.is_empty() {
            function.as_object_mut().expect("a function is an object").shift_remove("Environment");
        } else {
            function["Environment"] = json!({ "Variables": variables });
        }
    }
    if let Some(logging) = input.member("LoggingConfig") {
        let format = logging.text("LogFormat").unwrap_or("Text");
        if !["Text", "JSON"].contains(&format) {
            return Err(failed("loggingConfig.logFormat", format, "satisfy enum value set: [Text, JSON]"));
        }
        function["LoggingConfig"]["LogFormat"] = json!(format);
        if let Some(group) = logging.text("LogGroup") {
            let legal = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
            if group.is_empty() || group.len() > 512 || !group.chars().all(legal) {
                let rule = "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+";
                return Err(failed("loggingConfig.logGroup", group, rule));
            }
            function["LoggingConfig"]["LogGroup"] = json!(group);
        }
    }
    if let Some(role) = input.text("Role") {
        check_role(state, request, role)?;
        function["Role"] = json!(role);
    }
    Ok(())
}

fn check_environment(environment: &Value) -> Result<Map<String, Value>, AwsError> {
    let variables = environment["Variables"].as_object().cloned().unwrap_or_default();
    for (name, value) in &variables {
        let mut letters = name.chars();
        let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
        if RESERVED.contains(&name.as_str()) {
            return Err(invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {name}"
            )));
        }
        if !begins || name.len() < 2 || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(failed(
                "environment.variables",
                name,
                "satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+",
            ));
        }
        if !value.is_string() {
            return Err(AwsError::new("SerializationException", format!("the value of {name} is no text")));
        }
    }
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.as_str().unwrap_or_default().len()).sum();
    if size > 4096 {
        return Err(invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.",
        ));
    }
    Ok(variables)
}

fn architectures(input: &Value) -> Result<Option<Vec<String>>, AwsError> {
    if input.member("Architectures").is_none() {
        return Ok(None);
    }
    let given = input.texts("Architectures");
    match given.as_slice() {
        [one] if ["x86_64", "arm64"].contains(&one.as_str()) => Ok(Some(given)),
        _ => Err(failed("architectures", &given.join(","), "satisfy enum value set: [x86_64, arm64], one of them")),
    }
}

/// The time as Lambda writes it, `2026-11-23T02:04:46.000+0000`.
fn written(now: i64) -> Value {
    let time = DateTime::from_timestamp_millis(now).unwrap_or_default();
    json!(time.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string())
}

/// Notes a change, which takes a moment.
fn changed(state: &State<'_>, function: &mut Value) {
    function["LastModified"] = written(state.now());
    function["RevisionId"] = json!(ids::uuid());
    function["_updated"] = json!(state.done_in(UPDATE_SECONDS));
}

pub(super) fn create(state: &mut State<'_>, request: &Request, code: &Code) -> Result<Value, AwsError> {
    let known = [&CONFIGURATION[..], &["Code", "Publish", "PackageType", "Architectures", "Tags"]].concat();
    only(request, &known)?;
    let input = &request.input;
    let name = name_in(request, input.need("FunctionName", missing)?)?;
    if state.get(FUNCTIONS, name).is_some() {
        return Err(conflict(format!("Function already exist: {name}")));
    }
    for member in ["Runtime", "Handler"] {
        if input.text("PackageType").unwrap_or("Zip") == "Zip" && input.text(member).is_none() {
            return Err(invalid(format!("{member} is mandatory for functions created with deployment packages.")));
        }
    }
    input.need("Role", missing)?;
    let tags = tags_in(input)?;
    let arn = request.arn("lambda", &format!("function:{name}"));
    let mut function = json!({
        "FunctionName": name,
        "FunctionArn": arn,
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "CodeSha256": code.sha256,
        "CodeSize": code.size,
        "Version": "$LATEST",
        "TracingConfig": { "Mode": "PassThrough" },
        "PackageType": "Zip",
        "Architectures": architectures(input)?.unwrap_or_else(|| vec!["x86_64".to_owned()]),
        "EphemeralStorage": { "Size": 512 },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": format!("/aws/lambda/{name}") },
        "_policy": [],
    });
    configure(state, request, &mut function)?;
    changed(state, &mut function);
    function["_active"] = json!(state.done_in(PENDING_SECONDS));
    function["_updated"] = json!(state.now());
    state.set_tags(&arn, &tags);
    state.put(FUNCTIONS, name, &function);
    Ok(shown(state, &function, true))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["FunctionName", "Qualifier"])?;
    let (_, function) = named(state, request)?;
    let tags = state.tags(function.text("FunctionArn").unwrap_or_default());
    let mut answer = json!({ "Configuration": shown(state, &function, true), "Code": { "RepositoryType": "S3" } });
    if !tags.is_empty() {
        answer["Tags"] = json!(tags);
    }
    Ok(answer)
}

pub(super) fn configuration(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, function) = named(state, request)?;
    Ok(shown(state, &function, true))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["MasterRegion", "FunctionVersion", "Marker", "MaxItems"])?;
    let most = request.input.number("MaxItems").unwrap_or(50);
    if !(1..=10_000).contains(&most) {
        return Err(failed("maxItems", &most.to_string(), "have value between 1 and 10000"));
    }
    let all: Vec<Value> = state.list(FUNCTIONS).map(|(_, function)| shown(state, function, false)).collect();
    let wrong = || invalid("Invalid pagination token");
    // Lambda gives 50 at a time, whatever is asked for.
    let (items, next) = page(all, request.input.text("Marker"), most.min(50) as usize, wrong)?;
    let mut answer = json!({ "Functions": items });
    if let Some(next) = next {
        answer["NextMarker"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn update_code(state: &mut State<'_>, request: &Request, code: &Code) -> Result<Value, AwsError> {
    only(request, &["FunctionName", "ZipFile", "Architectures", "Publish", "DryRun", "RevisionId"])?;
    let (name, mut function) = named(state, request)?;
    unhindered(state, &function)?;
    if let Some(architectures) = architectures(&request.input)? {
        function["Architectures"] = json!(architectures);
    }
    function["CodeSha256"] = json!(code.sha256);
    function["CodeSize"] = json!(code.size);
    changed(state, &mut function);
    state.put(FUNCTIONS, &name, &function);
    Ok(shown(state, &function, true))
}

pub(super) fn update_configuration(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &[&CONFIGURATION[..], &["RevisionId"]].concat())?;
    let (name, mut function) = named(state, request)?;
    unhindered(state, &function)?;
    configure(state, request, &mut function)?;
    changed(state, &mut function);
    state.put(FUNCTIONS, &name, &function);
    Ok(shown(state, &function, true))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, function) = named(state, request)?;
    state.forget_tags(function.text("FunctionArn").unwrap_or_default());
    state.remove(FUNCTIONS, &name);
    Ok(json!({}))
}

pub(super) fn invoke(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = named(state, request)?;
    let message = format!("the local account keeps the function {name} and runs no functions");
    Err(AwsError::new("NotImplemented", message).status(501))
}
