//! Applications and their states.

use lakewright_iam::is_account;
use serde_json::{Value, json};

use super::{invalid, job_run, need, not_found, once, paged, streaming, tags_in};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::ec2;
use crate::state::State;

/// Where applications stand, by id. Members beginning with `_` are ours and are never answered.
pub(super) const COLLECTION: &str = "emr-serverless/application";
/// Seconds that an application is on its way between states.
const MOVE_SECONDS: i64 = 10;
/// Seconds that a terminated application still shows.
const LINGER_SECONDS: i64 = 3600;

/// Members of create and update that are kept as they are.
const PLAIN: [&str; 14] = [
    "initialCapacity",
    "maximumCapacity",
    "autoStartConfiguration",
    "autoStopConfiguration",
    "networkConfiguration",
    "architecture",
    "imageConfiguration",
    "workerTypeSpecifications",
    "runtimeConfiguration",
    "monitoringConfiguration",
    "diskEncryptionConfiguration",
    "interactiveConfiguration",
    "schedulerConfiguration",
    "jobLevelCostAllocationConfiguration",
];

/// Lets time pass: moves every application on its way to the state that it has reached, and every streaming run that ends.
pub(super) fn settle(state: &mut State<'_>) {
    streaming::settle(state);
    let now = state.now();
    let due: Vec<(String, Value)> = state
        .list(COLLECTION)
        .filter(|(_, application)| application.number("_until").is_some_and(|until| until <= now))
        .map(|(id, application)| (id.to_owned(), application.clone()))
        .collect();
    for (id, mut application) in due {
        let next = match application.text("state") {
            Some("CREATING") => "CREATED",
            Some("STARTING") => "STARTED",
            Some("STOPPING") => "STOPPED",
            _ => {
                let arn = application.text("arn").unwrap_or_default();
                state.forget_tags(arn);
                state.remove(COLLECTION, &id);
                job_run::forget(state, &id);
                continue;
            }
        };
        application["state"] = json!(next);
        application["updatedAt"] = clock::epoch(now);
        application.as_object_mut().expect("an application is an object").shift_remove("_until");
        state.put(COLLECTION, &id, application);
    }
}

/// Sets an application on its way through a state, and puts it.
pub(super) fn go(state: &mut State<'_>, application: &mut Value, through: &str) {
    application["state"] = json!(through);
    application["updatedAt"] = clock::epoch(state.now());
    application["_until"] = json!(state.done_in(MOVE_SECONDS));
    let id = application.text("applicationId").unwrap_or_default().to_owned();
    state.put(COLLECTION, &id, &application);
    settle(state);
}

/// Returns the application that a request names.
pub(super) fn named(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "applicationId")?;
    state.get(COLLECTION, id).cloned().ok_or_else(|| not_found(format!("Application {id} does not exist")))
}

fn check_network(state: &State<'_>, input: &Value) -> Result<(), AwsError> {
    let Some(network) = input.member("networkConfiguration") else { return Ok(()) };
    for subnet in network.texts("subnetIds") {
        if ec2::zone_of(state, &subnet).is_none() {
            return Err(invalid(format!("The subnet ID '{subnet}' does not exist")));
        }
    }
    match network.texts("securityGroupIds").iter().find(|group| !ec2::has_group(state, group)) {
        Some(group) => Err(invalid(format!("The security group '{group}' does not exist"))),
        None => Ok(()),
    }
}

fn check_release(release: &str) -> Result<(), AwsError> {
    let numbers = release.strip_prefix("emr-").map(|rest| rest.split('.').collect::<Vec<_>>());
    let known = numbers.is_some_and(|numbers| {
        numbers.len() == 3
            && numbers.iter().all(|number| number.parse::<u32>().is_ok())
            && numbers[0].parse::<u32>().is_ok_and(|major| major >= 6)
    });
    if known || release.starts_with("emr-spark-") {
        return Ok(());
    }
    Err(invalid(format!("Release label {release} is not supported")))
}

fn check_settings(input: &Value) -> Result<(), AwsError> {
    check_architecture(input)?;
    if let Some(minutes) = input["autoStopConfiguration"].number("idleTimeoutMinutes")
        && !(1..=10_080).contains(&minutes)
    {
        return Err(invalid(format!("idleTimeoutMinutes must be between 1 and 10080, not {minutes}")));
    }
    if let Some(capacity) = input.member("maximumCapacity") {
        for (name, unit) in [("cpu", "vcpu"), ("memory", "gb"), ("disk", "gb")] {
            let Some(amount) = capacity.text(name) else {
                // The disk alone has no need of a limit.
                if name == "disk" {
                    continue;
                }
                return Err(invalid(format!("maximumCapacity.{name} must not be null")));
            };
            let fits = amount
                .to_ascii_lowercase()
                .strip_suffix(unit)
                .is_some_and(|number| number.trim_end().parse::<u32>().is_ok_and(|number| number > 0));
            if !fits {
                return Err(invalid(format!("maximumCapacity.{name} is not valid: {amount}")));
            }
        }
    }
    let image = input["imageConfiguration"].text("imageUri");
    match image.filter(|image| !is_image(image)) {
        Some(image) => Err(invalid(format!("The image URI is not one of a private ECR repository: {image}"))),
        None => Ok(()),
    }
}

/// Whether a text is the URI of an image in a private ECR repository, with a tag or a digest.
fn is_image(uri: &str) -> bool {
    let Some((host, rest)) = uri.split_once('/') else { return false };
    let account = host.split_once(".dkr.ecr.").map(|(account, _)| account);
    account.is_some_and(is_account)
        && (rest.split_once(':').is_some_and(|(name, tag)| !name.is_empty() && !tag.is_empty()))
}

fn check_architecture(input: &Value) -> Result<(), AwsError> {
    match input.text("architecture") {
        None | Some("ARM64" | "X86_64") => Ok(()),
        Some(other) => Err(invalid(format!("Architecture {other} is not supported"))),
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    once(state, request, |state| make(state, request)).map(|(answer, _)| answer)
}

fn make(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let release = need(input, "releaseLabel")?;
    check_release(release)?;
    let kind = match need(input, "type")?.to_lowercase().as_str() {
        "spark" => "Spark",
        "hive" => "Hive",
        other => return Err(invalid(format!("Application type {other} is not supported"))),
    };
    if let Some(name) = input.text("name") {
        let legal = |character: char| character.is_ascii_alphanumeric() || "._/#-".contains(character);
        if name.len() > 64 || !name.chars().all(legal) {
            return Err(invalid(format!("Application name is not valid: {name}")));
        }
    }
    check_settings(input)?;
    check_network(state, input)?;
    let tags = tags_in(input)?;
    let id = format!("00{}", ids::letters(14, b"abcdefghijklmnopqrstuvwxyz0123456789"));
    let arn = request.arn("emr-serverless", &format!("/applications/{id}"));
    let now = clock::epoch(state.now());
    let mut application = json!({
        "applicationId": id,
        "arn": arn,
        "releaseLabel": release,
        "type": kind,
        "createdAt": now,
        "architecture": "X86_64",
        "autoStartConfiguration": { "enabled": true },
        "autoStopConfiguration": { "enabled": true, "idleTimeoutMinutes": 15 },
    });
    for member in ["name"].into_iter().chain(PLAIN) {
        if let Some(value) = input.member(member) {
            application[member] = value.clone();
        }
    }
    state.set_tags(&arn, &tags);
    go(state, &mut application, "CREATING");
    let mut answer = json!({ "applicationId": id, "arn": arn });
    if let Some(name) = input.member("name") {
        answer["name"] = name.clone();
    }
    Ok(answer)
}

fn shown(state: &State<'_>, application: &Value) -> Value {
    let mut shown = application.clone();
    let members = shown.as_object_mut().expect("an application is an object");
    members.retain(|name, _| !name.starts_with('_'));
    let tags = state.tags(application.text("arn").unwrap_or_default());
    members.insert("tags".into(), json!(tags));
    shown
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "application": shown(state, &named(state, request)?) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let states = request.input.texts("states");
    let summary = |application: &Value| {
        let mut summary = json!({ "id": application["applicationId"] });
        for member in ["name", "arn", "releaseLabel", "type", "state", "createdAt", "updatedAt", "architecture"] {
            if let Some(value) = application.member(member) {
                summary[member] = value.clone();
            }
        }
        summary
    };
    let all = state
        .list(COLLECTION)
        .filter(|(_, it)| states.is_empty() || it.text("state").is_some_and(|state| states.iter().any(|s| s == state)))
        .map(|(_, application)| summary(application))
        .collect();
    paged(request, "applications", all)
}

fn in_state(application: &Value, allowed: &[&str]) -> Result<(), AwsError> {
    let state = application.text("state").unwrap_or_default();
    if allowed.contains(&state) {
        return Ok(());
    }
    let id = application.text("applicationId").unwrap_or_default();
    Err(invalid(format!(
        "Application {id} is in {state} state. It must be in one of the following states: {}.",
        allowed.join(", ")
    )))
}

/// Whether an update names nothing but what a started application takes: its capacity's bounds, and its image unless
/// workers were made ready with the old one.
fn changes_while_started(application: &Value, input: &Value) -> bool {
    let ready = application["initialCapacity"].as_object().is_some_and(|workers| !workers.is_empty());
    let fits = |name: &str| match name {
        "applicationId" | "clientToken" | "maximumCapacity" => true,
        "imageConfiguration" => !ready,
        _ => false,
    };
    application["state"] == "STARTED" && input.as_object().into_iter().flatten().all(|(name, _)| fits(name))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let answer = once(state, request, |state| {
        let mut application = named(state, request)?;
        if !changes_while_started(&application, &request.input) {
            in_state(&application, &["CREATED", "STOPPED"])?;
        }
        check_settings(&request.input)?;
        check_network(state, &request.input)?;
        if let Some(release) = request.input.text("releaseLabel") {
            check_release(release)?;
        }
        for member in ["releaseLabel"].into_iter().chain(PLAIN) {
            if let Some(value) = request.input.member(member) {
                application[member] = value.clone();
            }
        }
        // An image configuration without an image takes the image away.
        if application["imageConfiguration"].text("imageUri").is_none() {
            application.as_object_mut().expect("an application is an object").shift_remove("imageConfiguration");
        }
        application["updatedAt"] = clock::epoch(state.now());
        let id = application.text("applicationId").unwrap_or_default().to_owned();
        state.put(COLLECTION, &id, &application);
        Ok(json!({ "application": shown(state, &application) }))
    })?;
    Ok(answer.0)
}

pub(super) fn start(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut application = named(state, request)?;
    in_state(&application, &["CREATED", "STOPPED", "STARTING", "STARTED"])?;
    if in_state(&application, &["CREATED", "STOPPED"]).is_ok() {
        go(state, &mut application, "STARTING");
    }
    Ok(json!({}))
}

pub(super) fn stop(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut application = named(state, request)?;
    in_state(&application, &["STARTED", "STARTING", "STOPPING", "STOPPED", "CREATED"])?;
    let id = application.text("applicationId").unwrap_or_default();
    if job_run::any_open(state, id) {
        return Err(invalid(format!("Application {id} has job runs that have not finished.")));
    }
    if application["state"] == "STARTED" || application["state"] == "STARTING" {
        go(state, &mut application, "STOPPING");
    }
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut application = named(state, request)?;
    in_state(&application, &["CREATED", "STOPPED"])?;
    application["state"] = json!("TERMINATED");
    application["updatedAt"] = clock::epoch(state.now());
    application["_until"] = json!(state.now() + LINGER_SECONDS * 1000);
    let id = application.text("applicationId").unwrap_or_default().to_owned();
    state.put(COLLECTION, &id, application);
    Ok(json!({}))
}
