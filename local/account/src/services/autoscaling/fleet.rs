//! The instances of groups: started, replaced and terminated until there are as many as desired.

use serde_json::{Value, json};

use super::{group, invalid, need, paged, refresh, suspended};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::ec2::{self, Launch};
use crate::services::kms;
use crate::state::{State, Tags, tags_of};

/// Where what happened to groups stands, by group and number.
const ACTIVITIES: &str = "autoscaling/activity";
/// The tag that marks a group's instances.
const MARK: &str = "aws:autoscaling:groupName";

/// Why an instance ends whose volumes' key lets its role do nothing.
const DIED: &str = "Client.InternalError";

pub(super) fn is_live(instance: &Value) -> bool {
    instance["instanceState"].text("name").is_some_and(|name| name == "pending" || name == "running")
}

/// Returns the instances of a group that are not yet terminated, oldest first.
pub(super) fn members(state: &State<'_>, name: &str) -> Vec<Value> {
    let mut members = ec2::instances(state, |instance| {
        instance["_group"] == name && instance["instanceState"]["name"] != "terminated"
    });
    members.sort_by_key(|instance| instance.number("_created"));
    members
}

/// Lets time pass: brings every group to its desired number, and forgets deleted groups when they are empty.
pub(crate) fn settle(state: &mut State<'_>) {
    ec2::settle(state);
    refresh::settle(state);
    let names: Vec<String> = state.list(group::COLLECTION).map(|(name, _)| name.to_owned()).collect();
    for name in names {
        if let Err(error) = balance(state, &name) {
            failed(state, &name, &error);
        }
        let group = state.get(group::COLLECTION, &name);
        let dying = group.is_some_and(|group| group.member("Status").is_some());
        if dying && members(state, &name).is_empty() {
            let group = state.remove(group::COLLECTION, &name).unwrap_or_default();
            state.forget_tags(group.text("AutoScalingGroupARN").unwrap_or_default());
        }
    }
}

/// Starts or terminates instances of a group until it has as many as desired.
pub(super) fn balance(state: &mut State<'_>, name: &str) -> Result<(), AwsError> {
    let Some(group) = state.get(group::COLLECTION, name).cloned() else { return Ok(()) };
    let desired = group.number("DesiredCapacity").unwrap_or_default() as usize;
    let live = members(state, name).into_iter().filter(is_live);
    // Those in a subnet that the group has left are replaced.
    let subnets = group.text("VPCZoneIdentifier").unwrap_or_default();
    let stays =
        |instance: &Value| subnets.is_empty() || subnets.split(',').any(|subnet| instance["subnetId"] == subnet.trim());
    let (live, displaced): (Vec<Value>, Vec<Value>) = live.partition(stays);
    let ends = !suspended::is(&group, "Terminate");
    let (live, displaced) = if ends { (live, displaced) } else { ([live, displaced].concat(), Vec::new()) };
    for instance in &displaced {
        let id = instance.text("instanceId").unwrap_or_default();
        ec2::terminate(state, id);
        happened(state, name, "Successful", &format!("Terminating EC2 instance: {id}"), None);
    }
    for surplus in live.iter().take(live.len().saturating_sub(desired)).filter(|_| ends) {
        let id = surplus.text("instanceId").unwrap_or_default();
        ec2::terminate(state, id);
        happened(state, name, "Successful", &format!("Terminating EC2 instance: {id}"), None);
    }
    if suspended::is(&group, "Launch") {
        return Ok(());
    }
    for _ in live.len()..desired {
        let id = match start(state, &group, name) {
            Ok(id) => id,
            // The group is made all the same; its activities say so.
            Err(error) if error.code == DIED => {
                failed(state, name, &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        happened(state, name, "Successful", &format!("Launching a new EC2 instance: {id}"), None);
    }
    Ok(())
}

fn start(state: &mut State<'_>, group: &Value, name: &str) -> Result<String, AwsError> {
    let specification = refresh::template(group);
    let named = json!({ "LaunchTemplateId": specification["LaunchTemplateId"], "Version": specification["Version"] });
    let version = ec2::resolve_template(state, &named)?;
    let data = version["launchTemplateData"].clone();
    let devices = data.list("blockDeviceMappingSet").iter();
    let keys = devices.filter(|device| device["ebs"].flag("encrypted") == Some(true));
    if keys.filter_map(|device| device["ebs"].text("kmsKeyId")).any(|key| !kms::lets_launch(state, key)) {
        // The instance is gone as soon as its volumes were asked for.
        let message = "Instance became unhealthy while waiting for instance to be in InService state. Termination \
                       Reason: Client.InternalError: Client error on launch";
        return Err(AwsError::new(DIED, message));
    }
    let mut tags = Tags::new();
    for specification in data.list("tagSpecificationSet") {
        if specification["resourceType"] == "instance" {
            tags.extend(tags_of(specification.list("tagSet"), "key", "value"));
        }
    }
    let arn = group.text("AutoScalingGroupARN").unwrap_or_default();
    tags.extend(state.tags(arn).into_iter().filter(|(key, _)| group["_propagate"].flag(key) == Some(true)));
    tags.insert(MARK.to_owned(), name.to_owned());
    let number = version["versionNumber"].to_string();
    tags.insert("aws:ec2launchtemplate:id".to_owned(), version.text("launchTemplateId").unwrap_or_default().to_owned());
    tags.insert("aws:ec2launchtemplate:version".to_owned(), number.clone());

    // The subnet with the fewest instances of the group comes next.
    let present = members(state, name);
    let held = |subnet: &str| present.iter().filter(|instance| instance["subnetId"] == subnet).count();
    let subnets = group.text("VPCZoneIdentifier").unwrap_or_default();
    let subnet = subnets.split(',').map(str::trim).min_by_key(|subnet| held(subnet)).map(str::to_owned);
    let instance = ec2::launch(state, &Launch { data, subnet, tags, token: None })?;
    let id = instance.text("instanceId").unwrap_or_default().to_owned();
    ec2::mark(
        state,
        &id,
        json!({
            "_group": name,
            "_template": {
                "LaunchTemplateId": specification["LaunchTemplateId"],
                "LaunchTemplateName": specification["LaunchTemplateName"],
                "Version": number,
            },
        }),
    );
    ec2::settle(state);
    Ok(id)
}

fn happened(state: &mut State<'_>, name: &str, status: &str, description: &str, why: Option<&str>) {
    let now = clock::iso(state.now());
    let id = format!("{name}/{:020}", u64::MAX / 2 - state.list(ACTIVITIES).count() as u64);
    let mut activity = json!({
        "ActivityId": ids::uuid(),
        "AutoScalingGroupName": name,
        "Description": description,
        "Cause": format!("At {now} the group was brought to its desired capacity."),
        "StartTime": now,
        "EndTime": now,
        "StatusCode": status,
        "Progress": 100,
    });
    if let Some(why) = why {
        activity["StatusMessage"] = json!(why);
    }
    state.put(ACTIVITIES, &id, activity);
}

fn failed(state: &mut State<'_>, name: &str, error: &AwsError) {
    let prefix = format!("{name}/");
    let last = state.list(ACTIVITIES).find(|(id, _)| id.starts_with(&prefix));
    // Every call tries again; the same failure is noted once.
    if last.is_none_or(|(_, activity)| activity["StatusMessage"] != error.message.as_str()) {
        happened(state, name, "Failed", "Launching a new EC2 instance", Some(&error.message));
    }
}

fn shown_member(instance: &Value) -> Value {
    let lifecycle = match instance["instanceState"].text("name") {
        Some("running") => "InService",
        Some("pending") => "Pending",
        _ => "Terminating",
    };
    json!({
        "InstanceId": instance["instanceId"],
        "InstanceType": instance["instanceType"],
        "AvailabilityZone": instance["placement"]["availabilityZone"],
        "LifecycleState": lifecycle,
        "HealthStatus": "Healthy",
        "LaunchTemplate": instance["_template"],
        "ProtectedFromScaleIn": false,
    })
}

/// Returns a group's instances as answers list them.
pub(super) fn shown(state: &State<'_>, name: &str) -> Vec<Value> {
    members(state, name).iter().map(shown_member).collect()
}

pub(super) fn describe_instances(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let ids = request.input.texts("InstanceIds");
    let mut all = Vec::new();
    for (name, _) in state.list(group::COLLECTION) {
        for mut member in shown(state, name) {
            if ids.is_empty() || member.text("InstanceId").is_some_and(|id| ids.iter().any(|wanted| wanted == id)) {
                member["AutoScalingGroupName"] = json!(name);
                all.push(member);
            }
        }
    }
    paged(request, "AutoScalingInstances", all)
}

pub(super) fn terminate_one(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "InstanceId")?;
    let found = ec2::instances(state, |instance| instance["instanceId"] == id && instance.member("_group").is_some());
    let Some(name) = found.first().and_then(|instance| instance.text("_group").map(str::to_owned)) else {
        return Err(invalid(format!("Instance Id not found - No managed instance found for instance ID: {id}")));
    };
    if request.input.flag("ShouldDecrementDesiredCapacity") == Some(true) {
        let group = state.get(group::COLLECTION, &name).cloned().unwrap_or_default();
        let desired = group.number("DesiredCapacity").unwrap_or_default() - 1;
        if desired < group.number("MinSize").unwrap_or_default() {
            return Err(invalid(
                "Currently, desiredSize equals minSize. Terminating instance without replacement will violate group's min size constraint.",
            ));
        }
        state.update(group::COLLECTION, &name, |group| group["DesiredCapacity"] = json!(desired));
    }
    ec2::terminate(state, id);
    settle(state);
    let now = clock::iso(state.now());
    Ok(json!({ "Activity": {
        "ActivityId": ids::uuid(),
        "AutoScalingGroupName": name,
        "Description": format!("Terminating EC2 instance: {id}"),
        "Cause": format!("At {now} instance {id} was taken out of service in response to a user request."),
        "StartTime": now,
        "StatusCode": "InProgress",
        "Progress": 0,
    } }))
}

pub(super) fn describe_activities(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.text("AutoScalingGroupName");
    let all = state
        .list(ACTIVITIES)
        .filter(|(_, activity)| name.is_none_or(|name| activity["AutoScalingGroupName"] == name))
        .map(|(_, activity)| activity.clone())
        .collect();
    paged(request, "Activities", all)
}
