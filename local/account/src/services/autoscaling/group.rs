//! Groups: creation, change, deletion, description.

use serde_json::{Value, json};

use super::{fleet, invalid, need, paged, suspended, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::ec2;
use crate::state::State;

/// Where groups stand, by name. Members beginning with `_` are ours and are never answered.
pub(super) const COLLECTION: &str = "autoscaling/group";

/// Returns the group that a request names.
pub(super) fn named(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = need(&request.input, "AutoScalingGroupName")?;
    let group = state.get(COLLECTION, name).cloned();
    group.ok_or_else(|| invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")))
}

fn sizes(input: &Value, before: Option<&Value>) -> Result<(i64, i64, i64), AwsError> {
    let old = |member: &str| before.and_then(|group| group.number(member));
    let size = |member: &str| input.number(member).or_else(|| old(member));
    let least = size("MinSize").ok_or_else(|| invalid("MinSize is required"))?;
    let most = size("MaxSize").ok_or_else(|| invalid("MaxSize is required"))?;
    // A group that is resized without a desired capacity keeps its own, moved into the new bounds.
    let desired = match input.number("DesiredCapacity") {
        Some(desired) => desired,
        None => old("DesiredCapacity").unwrap_or(least).clamp(least.min(most), most),
    };
    if least < 0 || least > most {
        return Err(invalid("Max bound, less than or equal to min bound, and min bound, 0 or more, are required"));
    }
    if !(least..=most).contains(&desired) {
        let message =
            format!("Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}");
        return Err(invalid(message));
    }
    Ok((least, most, desired))
}

/// Returns the specification of a launch template with both its id and its name.
pub(super) fn launch_template(state: &State<'_>, input: &Value) -> Result<Option<Value>, AwsError> {
    for unsupported in ["LaunchConfigurationName", "MixedInstancesPolicy", "InstanceId"] {
        if input.member(unsupported).is_some() {
            return Err(invalid(format!(
                "The local account makes groups from launch templates, not from {unsupported}."
            )));
        }
    }
    let Some(given) = input.member("LaunchTemplate") else { return Ok(None) };
    let version = ec2::resolve_template(state, given)
        .map_err(|error| invalid(format!("You must use a valid fully-formed launch template. {}", error.message)))?;
    Ok(Some(json!({
        "LaunchTemplateId": version["launchTemplateId"],
        "LaunchTemplateName": version["launchTemplateName"],
        "Version": given.text("Version").unwrap_or("$Default"),
    })))
}

/// Returns the zones of a list of subnets, one after the other.
fn zones(state: &State<'_>, subnets: &str) -> Result<Vec<String>, AwsError> {
    let mut zones = Vec::new();
    for subnet in subnets.split(',').map(str::trim) {
        let zone = ec2::zone_name_of(state, subnet);
        let zone = zone.ok_or_else(|| invalid(format!("The subnet ID '{subnet}' does not exist")))?;
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    Ok(zones)
}

/// Members that a request sets as they are: their name, and whether they are numbers or truth values on the wire.
const PLAIN: [&str; 11] = [
    "DefaultCooldown",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "NewInstancesProtectedFromScaleIn",
    "CapacityRebalance",
    "MaxInstanceLifetime",
    "DefaultInstanceWarmup",
    "Context",
    "DesiredCapacityType",
    "InstanceMaintenancePolicy",
    "DeletionProtection",
];

fn apply(state: &State<'_>, input: &Value, group: &mut Value) -> Result<(), AwsError> {
    for member in PLAIN {
        if let Some(value) = input.member(member) {
            group[member] = value.clone();
        }
    }
    if let Some(kind) = input.text("HealthCheckType")
        && kind.split(',').any(|kind| !["EC2", "ELB", "EBS", "VPC_LATTICE"].contains(&kind.trim()))
    {
        return Err(invalid(format!("HealthCheckType {kind} is not valid")));
    }
    let policies = input.texts("TerminationPolicies");
    if !policies.is_empty() {
        group["TerminationPolicies"] = json!(policies);
    }
    if let Some(subnets) = input.text("VPCZoneIdentifier") {
        group["AvailabilityZones"] = json!(zones(state, subnets)?);
        group["VPCZoneIdentifier"] = json!(subnets);
    }
    if let Some(template) = launch_template(state, input)? {
        group["LaunchTemplate"] = template;
    }
    Ok(())
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let name = need(input, "AutoScalingGroupName")?;
    if name.len() > 255 || name.contains(':') {
        return Err(invalid(format!("Group name {name} is not valid")));
    }
    let (least, most, desired) = sizes(input, None)?;
    if state.get(COLLECTION, name).is_some() {
        let message =
            format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists");
        return Err(AwsError::new("AlreadyExists", message));
    }
    if input.text("VPCZoneIdentifier").is_none() {
        return Err(invalid("At least one Availability Zone or VPC Subnet is required."));
    }
    let (given, propagate) = tags::read(input.list("Tags"), Some(name))?;
    let arn = request.arn("autoscaling", &format!("autoScalingGroup:{}:autoScalingGroupName/{name}", ids::uuid()));
    let mut group = json!({
        "AutoScalingGroupName": name,
        "AutoScalingGroupARN": arn,
        "MinSize": least,
        "MaxSize": most,
        "DesiredCapacity": desired,
        "DefaultCooldown": 300,
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 0,
        "CreatedTime": clock::iso(state.now()),
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": false,
        "ServiceLinkedRoleARN": format!(
            "arn:aws:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
            request.account
        ),
        "_propagate": propagate,
    });
    apply(state, input, &mut group)?;
    if group.member("LaunchTemplate").is_none() {
        let message = "Valid requests must contain either launchTemplate, launchConfigurationName, instanceId or mixedInstancesPolicy parameter.";
        return Err(invalid(message));
    }
    state.put(COLLECTION, name, &group);
    state.set_tags(&arn, &given);
    fleet::balance(state, name)
        .map_err(|error| invalid(format!("You must use a valid fully-formed launch template. {}", error.message)))?;
    Ok(json!({}))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut group = named(state, request)?;
    refuse_when_dying(&group)?;
    let (least, most, desired) = sizes(&request.input, Some(&group))?;
    apply(state, &request.input, &mut group)?;
    group["MinSize"] = json!(least);
    group["MaxSize"] = json!(most);
    group["DesiredCapacity"] = json!(desired);
    let name = group.text("AutoScalingGroupName").unwrap_or_default().to_owned();
    state.put(COLLECTION, &name, &group);
    fleet::settle(state);
    Ok(json!({}))
}

pub(super) fn refuse_when_dying(group: &Value) -> Result<(), AwsError> {
    match group.member("Status") {
        Some(_) => {
            let message = "You cannot update an AutoScalingGroup that is being deleted.";
            Err(AwsError::new("ScalingActivityInProgress", message))
        }
        None => Ok(()),
    }
}

pub(super) fn set_desired(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut group = named(state, request)?;
    refuse_when_dying(&group)?;
    let wanted = json!({ "DesiredCapacity": need(&request.input, "DesiredCapacity")? });
    group["DesiredCapacity"] = json!(sizes(&wanted, Some(&group))?.2);
    let name = group.text("AutoScalingGroupName").unwrap_or_default().to_owned();
    state.put(COLLECTION, &name, &group);
    fleet::settle(state);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut group = named(state, request)?;
    let force = request.input.flag("ForceDelete") == Some(true);
    let protection = group.text("DeletionProtection").unwrap_or("none");
    if protection == "prevent-all-deletion" || (force && protection == "prevent-force-deletion") {
        return Err(AwsError::new("ResourceInUse", "The group is protected against deletion."));
    }
    let name = group.text("AutoScalingGroupName").unwrap_or_default().to_owned();
    if !force && !fleet::members(state, &name).is_empty() {
        let message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance \
                       request(s) still in the group.";
        return Err(AwsError::new("ResourceInUse", message));
    }
    group["Status"] = json!("Delete in progress");
    group["DesiredCapacity"] = json!(0);
    group["MinSize"] = json!(0);
    state.put(COLLECTION, &name, &group);
    fleet::settle(state);
    Ok(json!({}))
}

fn shown(state: &State<'_>, group: &Value) -> Value {
    let mut shown = group.clone();
    let members = shown.as_object_mut().expect("a group is an object");
    members.retain(|name, _| !name.starts_with('_'));
    let name = group.text("AutoScalingGroupName").unwrap_or_default();
    members.insert("Instances".into(), json!(fleet::shown(state, name)));
    members.insert("Tags".into(), tags::shown(state, group));
    members.insert("SuspendedProcesses".into(), suspended::shown(group));
    for empty in ["LoadBalancerNames", "TargetGroupARNs", "EnabledMetrics", "TrafficSources"] {
        members.insert(empty.into(), json!([]));
    }
    shown
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("AutoScalingGroupNames");
    let filters = request.input.list("Filters");
    tags::check_filters(filters, &["tag-key", "tag-value"])?;
    let all = state
        .list(COLLECTION)
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
        .map(|(_, group)| shown(state, group))
        .filter(|group| filters.iter().all(|filter| tags::selects(filter, group.list("Tags"))))
        .collect();
    paged(request, "AutoScalingGroups", all)
}
