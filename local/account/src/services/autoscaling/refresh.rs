//! Instance refreshes: the instances of a group are replaced by new ones of the launch template that is desired.

use serde_json::{Value, json};

use super::{fleet, group, invalid, paged, suspended};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::ec2;
use crate::state::State;

/// Where refreshes stand, by group and time.
const REFRESHES: &str = "autoscaling/refresh";
/// Seconds that a refresh takes.
const REFRESH_SECONDS: i64 = 30;

/// The launch template that a group starts instances from: the one that a running refresh is for, or its own.
pub(super) fn template(group: &Value) -> &Value {
    group.member("_refresh").map_or(&group["LaunchTemplate"], |refresh| &refresh["LaunchTemplate"])
}

/// Whether a group can't replace its instances, because what that takes is suspended.
fn stands(group: &Value) -> bool {
    ["Launch", "Terminate"].iter().any(|process| suspended::is(group, process))
}

/// Lets time pass: a refresh ends the instances that it replaces, and one that is over gives its group the configuration that
/// it was for.
pub(super) fn settle(state: &mut State<'_>) {
    let now = state.now();
    let is_over = |refresh: &Value| refresh.number("until").is_some_and(|until| until <= now);
    let goes_on = |refresh: &Value| is_over(refresh) || !refresh.list("replaces").is_empty();
    let groups: Vec<(String, Value)> = state
        .list(group::COLLECTION)
        .filter(|(_, group)| group.member("_refresh").is_some_and(goes_on) && !stands(group))
        .map(|(name, group)| (name.to_owned(), group.clone()))
        .collect();
    for (name, mut group) in groups {
        for id in group["_refresh"].texts("replaces") {
            ec2::terminate(state, &id);
        }
        group["_refresh"]["replaces"] = json!([]);
        if is_over(&group["_refresh"]) {
            group["LaunchTemplate"] = template(&group).clone();
            group.as_object_mut().expect("a group is an object").shift_remove("_refresh");
        }
        state.put(group::COLLECTION, &name, group);
    }
}

/// Replaces the instances of a group that aren't of the desired launch template yet.
pub(super) fn start(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let known = ["AutoScalingGroupName", "Strategy", "DesiredConfiguration", "Preferences"];
    if let Some(name) =
        input.as_object().into_iter().flatten().map(|(name, _)| name).find(|name| !known.contains(&name.as_str()))
    {
        return Err(invalid(format!("The parameter {name} is not recognized")));
    }
    let mut group = group::named(state, request)?;
    let name = group.text("AutoScalingGroupName").unwrap_or_default().to_owned();
    if let Some(strategy) = input.text("Strategy").filter(|strategy| *strategy != "Rolling") {
        return Err(invalid(format!("The local account refreshes groups by Rolling, not by {strategy}.")));
    }
    let preferences = &input["Preferences"];
    check_preferences(preferences)?;
    let given = input["DesiredConfiguration"].member("LaunchTemplate");
    if preferences.flag("AutoRollback") == Some(true) && given.is_none() {
        return Err(invalid("AutoRollback can only be enabled when a desired configuration is specified."));
    }
    let (until, now) = (state.done_in(REFRESH_SECONDS), state.now());
    let prefix = format!("{name}/");
    let running = state.list(REFRESHES).any(|(id, it)| id.starts_with(&prefix) && it.number("_until") > Some(now));
    if running || group.member("_refresh").is_some() {
        let message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.";
        return Err(AwsError::new("InstanceRefreshInProgress", message));
    }
    let wanted = match group::launch_template(state, &input["DesiredConfiguration"])? {
        Some(wanted) => wanted,
        None => group["LaunchTemplate"].clone(),
    };
    let named = json!({ "LaunchTemplateId": wanted["LaunchTemplateId"], "Version": wanted["Version"] });
    let version = ec2::resolve_template(state, &named)?["versionNumber"].to_string();
    let matches = |member: &Value| {
        let of = &member["_template"];
        of["LaunchTemplateId"] == wanted["LaunchTemplateId"] && of["Version"] == version.as_str()
    };
    let skips = preferences.flag("SkipMatching") == Some(true);
    let live: Vec<Value> = fleet::members(state, &name).into_iter().filter(fleet::is_live).collect();
    let replaced = live.iter().filter(|member| !(skips && matches(member)));
    let replaced: Vec<&str> = replaced.filter_map(|member| member.text("instanceId")).collect();

    let id = ids::uuid();
    let mut refresh = json!({
        "InstanceRefreshId": id, "AutoScalingGroupName": name, "StartTime": clock::iso(now), "_until": until,
    });
    for member in ["DesiredConfiguration", "Preferences"] {
        if let Some(value) = input.member(member) {
            refresh[member] = value.clone();
        }
    }
    state.put(REFRESHES, &format!("{name}/{:020}", i64::MAX - now), refresh);
    group["_refresh"] = json!({ "id": id, "LaunchTemplate": wanted, "until": until, "replaces": replaced });
    state.put(group::COLLECTION, &name, group);
    fleet::settle(state);
    Ok(json!({ "InstanceRefreshId": id }))
}

fn check_preferences(preferences: &Value) -> Result<(), AwsError> {
    let within = |name: &str, least: i64, most: i64| match preferences.number(name) {
        Some(number) if !(least..=most).contains(&number) => {
            Err(invalid(format!("{name} must be between {least} and {most}, not {number}")))
        }
        number => Ok(number),
    };
    let least = within("MinHealthyPercentage", 0, 100)?;
    let most = within("MaxHealthyPercentage", 100, 200)?;
    within("InstanceWarmup", 0, 86_400)?;
    match (least, most) {
        (None, Some(_)) => Err(invalid("MinHealthyPercentage is required when MaxHealthyPercentage is specified.")),
        (Some(least), Some(most)) if most - least > 100 => {
            Err(invalid("The difference between MaxHealthyPercentage and MinHealthyPercentage can't be above 100."))
        }
        _ => Ok(()),
    }
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let group = group::named(state, request)?;
    let prefix = format!("{}/", group.text("AutoScalingGroupName").unwrap_or_default());
    let ids = request.input.texts("InstanceRefreshIds");
    let mut all = Vec::new();
    for (_, refresh) in state.list(REFRESHES).filter(|(id, _)| id.starts_with(&prefix)) {
        if !ids.is_empty() && !refresh.text("InstanceRefreshId").is_some_and(|id| ids.iter().any(|it| it == id)) {
            continue;
        }
        let until = refresh.number("_until").unwrap_or_default();
        let done = until <= state.now() && group["_refresh"]["id"] != refresh["InstanceRefreshId"];
        let mut shown = json!({
            "InstanceRefreshId": refresh["InstanceRefreshId"],
            "AutoScalingGroupName": refresh["AutoScalingGroupName"],
            "StartTime": refresh["StartTime"],
            "Status": if done { "Successful" } else { "InProgress" },
            "PercentageComplete": if done { 100 } else { 0 },
            "InstancesToUpdate": 0,
        });
        for member in ["DesiredConfiguration", "Preferences"] {
            if let Some(value) = refresh.member(member) {
                shown[member] = value.clone();
            }
        }
        if done {
            shown["EndTime"] = json!(clock::iso(until));
        }
        all.push(shown);
    }
    paged(request, "InstanceRefreshes", all)
}
