//! Dashboards, which have no region.

use super::DASHBOARDS;
use super::tags::{dashboard as arn, given};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::request::Request;
use crate::state::{GLOBAL, State};
use serde_json::{Value, json};

/// The widths of a dashboard's grid and the highest widget.
const WIDEST: i64 = 24;
const HIGHEST: i64 = 1000;
const WIDGETS: usize = 500;

fn wrong_value(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

fn not_found(name: &str) -> AwsError {
    AwsError::new("ResourceNotFound", format!("Dashboard {name} does not exist")).status(404)
}

fn missing(name: &str) -> AwsError {
    wrong_value(format!("The parameter {name} is required"))
}

/// What is wrong with a dashboard's body, each with its path.
fn mistakes(body: &str) -> Vec<(String, String)> {
    let Ok(Value::Object(body)) = serde_json::from_str::<Value>(body) else {
        return vec![("/".to_owned(), "The field DashboardBody must be a valid JSON object".to_owned())];
    };
    let Some(widgets) = body.get("widgets").and_then(Value::as_array) else {
        return vec![("/widgets".to_owned(), "Should have required property 'widgets'".to_owned())];
    };
    let mut found = Vec::new();
    if widgets.len() > WIDGETS {
        found.push(("/widgets".to_owned(), format!("Should NOT have more than {WIDGETS} items")));
    }
    for (index, widget) in widgets.iter().enumerate() {
        let mut say = |path: &str, message: &str| found.push((format!("/widgets/{index}{path}"), message.to_owned()));
        let kind = widget.text("type").unwrap_or_default();
        if !["metric", "text", "alarm", "log", "explorer", "custom"].contains(&kind) {
            say("/type", "Should be equal to one of the allowed values");
        }
        let Some(properties) = widget.member("properties").filter(|value| value.is_object()) else {
            say("", "Should have required property 'properties'");
            continue;
        };
        if widget.number("width").is_some_and(|width| !(1..=WIDEST).contains(&width)) {
            say("/width", "Should be <= 24");
        }
        if widget.number("height").is_some_and(|height| !(1..=HIGHEST).contains(&height)) {
            say("/height", "Should be <= 1000");
        }
        let needs: &[&str] = match kind {
            "text" => &["markdown"],
            "alarm" => &["alarms"],
            "log" => &["region", "query"],
            "metric" => &["region"],
            _ => &[],
        };
        for needed in needs.iter().filter(|name| properties.member(name).is_none()) {
            say("/properties", &format!("Should have required property '{needed}'"));
        }
        if kind == "metric" && properties.list("metrics").is_empty() && properties.member("annotations").is_none() {
            say("/properties", "Should have required property 'metrics'");
        }
    }
    found
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("DashboardName", missing)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.len() > 255 || !name.chars().all(fits) {
        return Err(AwsError::new(
            "InvalidParameterInput",
            format!("The value {name} for field DashboardName contains invalid characters."),
        ));
    }
    let body = request.input.need("DashboardBody", missing)?;
    let mistakes = mistakes(body);
    if !mistakes.is_empty() {
        let messages: Value = mistakes.iter().map(|(path, text)| json!({"DataPath": path, "Message": text})).collect();
        let text = mistakes.into_iter().map(|(path, text)| format!("{path}: {text}")).collect::<Vec<_>>().join("; ");
        let message = format!("The dashboard body is invalid, there are validation errors: {text}");
        return Err(AwsError::new("InvalidParameterInput", message).field("dashboardValidationMessages", messages));
    }
    let tags = given(request)?;
    let now = clock::iso(state.now());
    let mut global = state.region(GLOBAL);
    if global.get(DASHBOARDS, name).is_none() {
        global.set_tags(&arn(request, name), &tags);
    }
    global.put(DASHBOARDS, name, json!({ "body": body, "modified": now }));
    Ok(json!({ "DashboardValidationMessages": [] }))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("DashboardName", missing)?;
    let global = state.region(GLOBAL);
    let dashboard = global.get(DASHBOARDS, name).ok_or_else(|| not_found(name))?;
    Ok(json!({ "DashboardArn": arn(request, name), "DashboardBody": dashboard["body"], "DashboardName": name }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let prefix = request.input.text("DashboardNamePrefix").unwrap_or_default();
    let global = state.region(GLOBAL);
    let found = global.list(DASHBOARDS).filter(|(name, _)| name.starts_with(prefix));
    let found = found.map(|(name, dashboard)| {
        json!({
            "DashboardName": name, "DashboardArn": arn(request, name), "LastModified": dashboard["modified"],
            "Size": dashboard.text("body").map_or(0, str::len),
        })
    });
    let token = || wrong_value("the token is invalid");
    let (page, next) = pages::page(found.collect(), request.input.text("NextToken"), 1000, token)?;
    Ok(json!({ "DashboardEntries": page, "NextToken": next }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("DashboardNames");
    if names.is_empty() || names.len() > 100 {
        return Err(wrong_value("DashboardNames must name 1 to 100 dashboards"));
    }
    let mut global = state.region(GLOBAL);
    // All or none: one that isn't there keeps the others.
    if let Some(lacking) = names.iter().find(|name| global.get(DASHBOARDS, name).is_none()) {
        return Err(not_found(lacking));
    }
    for name in &names {
        global.remove(DASHBOARDS, name);
        global.forget_tags(&arn(request, name));
    }
    Ok(json!({}))
}
