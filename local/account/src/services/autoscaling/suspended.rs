//! Processes of a group that are suspended: what they do isn't done until they are resumed.

use serde_json::{Value, json};

use super::{fleet, group, invalid};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;

/// What there is to be suspended.
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html>
const PROCESSES: [&str; 9] = [
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

/// Whether a process of a group is suspended.
pub(super) fn is(group: &Value, process: &str) -> bool {
    group["_suspended"].member(process).is_some()
}

/// The suspended processes of a group as answers list them.
pub(super) fn shown(group: &Value) -> Value {
    let all = group["_suspended"].as_object().into_iter().flatten();
    all.map(|(name, reason)| json!({ "ProcessName": name, "SuspensionReason": reason })).collect()
}

/// The processes that a request names; all if it names none.
fn named(request: &Request) -> Result<Vec<&'static str>, AwsError> {
    let given = request.input.texts("ScalingProcesses");
    if given.is_empty() {
        return Ok(PROCESSES.to_vec());
    }
    let known = |name: &str| PROCESSES.into_iter().find(|process| *process == name);
    let unknown = |name: &str| {
        let all = PROCESSES.join(", ");
        invalid(format!("At least one of the scaling process names is invalid: {name}. Valid are {all}."))
    };
    given.iter().map(|name| known(name).ok_or_else(|| unknown(name))).collect()
}

pub(super) fn suspend(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let reason = format!("User suspended at {}", clock::iso(state.now()));
    change(state, request, |suspended, name| {
        if suspended.get(name).is_none() {
            suspended[name] = json!(reason);
        }
    })
}

pub(super) fn resume(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    change(state, request, |suspended, name| {
        suspended.as_object_mut().expect("they are an object").shift_remove(name);
    })
}

fn change(state: &mut State<'_>, request: &Request, change: impl Fn(&mut Value, &str)) -> Result<Value, AwsError> {
    let mut group = group::named(state, request)?;
    group::refuse_when_dying(&group)?;
    let mut suspended = group.member("_suspended").cloned().unwrap_or_else(|| json!({}));
    for name in named(request)? {
        change(&mut suspended, name);
    }
    group["_suspended"] = suspended;
    let name = group.text("AutoScalingGroupName").unwrap_or_default().to_owned();
    state.put(group::COLLECTION, &name, &group);
    fleet::settle(state);
    Ok(json!({}))
}
