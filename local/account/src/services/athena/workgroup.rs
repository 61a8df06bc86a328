//! Workgroups; one named `primary` is always there.

use serde_json::{Map, Value, json};

use super::{invalid, named as saved, need, paged, query, tags_in};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;

/// Where workgroups stand, by name.
const COLLECTION: &str = "athena/workgroup";
/// The workgroup that every account has.
const PRIMARY: &str = "primary";

/// Returns a workgroup.
pub(super) fn find(state: &State<'_>, name: &str) -> Option<Value> {
    match state.get(COLLECTION, name) {
        Some(found) => Some(found.clone()),
        None if name == PRIMARY => {
            let configuration = complete(&json!({ "EnforceWorkGroupConfiguration": false }));
            Some(json!({ "Name": PRIMARY, "State": "ENABLED", "Configuration": configuration, "CreationTime": 0 }))
        }
        None => None,
    }
}

/// Returns the workgroup that a member names.
pub(super) fn named(state: &State<'_>, input: &Value, member: &str) -> Result<Value, AwsError> {
    let name = need(input, member)?;
    find(state, name).ok_or_else(|| invalid(format!("WorkGroup {name} is not found.")))
}

fn complete(given: &Value) -> Value {
    let mut configuration = json!({
        "ResultConfiguration": {},
        "EnforceWorkGroupConfiguration": true,
        "PublishCloudWatchMetricsEnabled": true,
        "RequesterPaysEnabled": false,
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3",
        },
        "EnableMinimumEncryptionConfiguration": false,
    });
    let members = configuration.as_object_mut().expect("it was made an object");
    for (name, value) in given.as_object().into_iter().flatten() {
        if name == "EngineVersion" {
            let selected = value.text("SelectedEngineVersion").unwrap_or("AUTO");
            members["EngineVersion"]["SelectedEngineVersion"] = json!(selected);
        } else if !value.is_null() {
            members.insert(name.clone(), value.clone());
        }
    }
    configuration
}

fn check(configuration: &Value) -> Result<(), AwsError> {
    if let Some(location) = configuration["ResultConfiguration"].text("OutputLocation")
        && !location.starts_with("s3://")
    {
        return Err(invalid(format!("outputLocation is not a valid S3 path: {location}")));
    }
    let cutoff = configuration.number("BytesScannedCutoffPerQuery");
    if cutoff.is_some_and(|bytes| bytes < 10_000_000) {
        return Err(invalid("BytesScannedCutoffPerQuery must be at least 10000000"));
    }
    let encryption = &configuration["ResultConfiguration"]["EncryptionConfiguration"];
    match encryption.text("EncryptionOption") {
        None | Some("SSE_S3") => Ok(()),
        Some("SSE_KMS" | "CSE_KMS") if encryption.text("KmsKey").is_some() => Ok(()),
        Some("SSE_KMS" | "CSE_KMS") => Err(invalid("KmsKey is required")),
        Some(other) => Err(invalid(format!("Invalid EncryptionOption: {other}"))),
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = need(&request.input, "Name")?;
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if name.len() > 128 || !name.chars().all(legal) {
        return Err(invalid(format!("Invalid WorkGroup name: {name}")));
    }
    if find(state, name).is_some() {
        return Err(invalid("WorkGroup is already created"));
    }
    let configuration = complete(request.input.member("Configuration").unwrap_or(&Value::Object(Map::new())));
    check(&configuration)?;
    let tags = tags_in(&request.input)?;
    let mut workgroup = json!({
        "Name": name,
        "State": "ENABLED",
        "Configuration": configuration,
        "CreationTime": clock::epoch(state.now()),
    });
    if let Some(description) = request.input.text("Description") {
        workgroup["Description"] = json!(description);
    }
    state.put(COLLECTION, name, workgroup);
    state.set_tags(&request.arn("athena", &format!("workgroup/{name}")), &tags);
    Ok(json!({}))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "WorkGroup": named(state, &request.input, "WorkGroup")? }))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut workgroup = named(state, &request.input, "WorkGroup")?;
    if let Some(description) = request.input.text("Description") {
        workgroup["Description"] = json!(description);
    }
    if let Some(wanted) = request.input.text("State") {
        if !["ENABLED", "DISABLED"].contains(&wanted) {
            return Err(invalid(format!("Invalid State: {wanted}")));
        }
        workgroup["State"] = json!(wanted);
    }
    let configuration = workgroup["Configuration"].as_object_mut().expect("a workgroup has a configuration");
    for (name, value) in request.input.member("ConfigurationUpdates").and_then(Value::as_object).into_iter().flatten() {
        match name.as_str() {
            "ResultConfigurationUpdates" => update_result(&mut configuration["ResultConfiguration"], value),
            "EngineVersion" => {
                let selected = value.text("SelectedEngineVersion").unwrap_or("AUTO");
                configuration["EngineVersion"]["SelectedEngineVersion"] = json!(selected);
            }
            "RemoveBytesScannedCutoffPerQuery" | "RemoveCustomerContentEncryptionConfiguration" => {
                if value == true {
                    configuration.shift_remove(name.trim_start_matches("Remove"));
                }
            }
            _ => drop(configuration.insert(name.clone(), value.clone())),
        }
    }
    check(&workgroup["Configuration"])?;
    let name = workgroup.text("Name").unwrap_or_default().to_owned();
    state.put(COLLECTION, &name, workgroup);
    Ok(json!({}))
}

fn update_result(result: &mut Value, updates: &Value) {
    let Some(result) = result.as_object_mut() else { return };
    for (name, value) in updates.as_object().into_iter().flatten() {
        match name.strip_prefix("Remove") {
            Some(removed) if value == true => drop(result.shift_remove(removed)),
            Some(_) => {}
            None => drop(result.insert(name.clone(), value.clone())),
        }
    }
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = need(&request.input, "WorkGroup")?;
    if name == PRIMARY {
        return Err(invalid("The primary workgroup cannot be deleted"));
    }
    named(state, &request.input, "WorkGroup")?;
    let (queries, kept) = (query::of_workgroup(state, name), saved::of_workgroup(state, name));
    if !(queries.is_empty() && kept.is_empty()) && request.input.flag("RecursiveDeleteOption") != Some(true) {
        return Err(invalid(format!("WorkGroup {name} is not empty")));
    }
    for id in &queries {
        query::forget(state, id);
    }
    for id in &kept {
        saved::forget(state, id);
    }
    state.remove(COLLECTION, name);
    state.forget_tags(&request.arn("athena", &format!("workgroup/{name}")));
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut all: Vec<Value> = state.list(COLLECTION).map(|(_, workgroup)| workgroup.clone()).collect();
    if state.get(COLLECTION, PRIMARY).is_none() {
        all.extend(find(state, PRIMARY));
    }
    let summary = |workgroup: &Value| {
        let mut summary = json!({
            "Name": workgroup["Name"],
            "State": workgroup["State"],
            "CreationTime": workgroup["CreationTime"],
            "EngineVersion": workgroup["Configuration"]["EngineVersion"],
        });
        if let Some(description) = workgroup.member("Description") {
            summary["Description"] = description.clone();
        }
        summary
    };
    paged(request, "WorkGroups", all.iter().map(summary).collect(), 50)
}
