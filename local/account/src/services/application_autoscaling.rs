//! Application Auto Scaling, as far as MSK's storage goes: scalable targets and the policies that track them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::msk;
use super::{Service, unknown_operation};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::pages::page;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tags_of_object};

/// Where targets stand, by resource; a policy is a member of its target, which goes with it.
const TARGETS: &str = "application-autoscaling/target";
const NAMESPACE: &str = "kafka";
const DIMENSION: &str = "kafka:broker-storage:VolumeSize";
const METRIC: &str = "KafkaBrokerStorageUtilization";
/// The most GiB that a broker's storage has.
const LARGEST: i64 = 16_384;

/// The service.
#[derive(Debug)]
pub struct ApplicationAutoScaling;

#[async_trait]
impl Service for ApplicationAutoScaling {
    fn name(&self) -> &'static str {
        "application-autoscaling"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AnyScaleFrontendService")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "RegisterScalableTarget" => register(state, request),
            "DescribeScalableTargets" => targets(state, request),
            "DeregisterScalableTarget" => deregister(state, request),
            "PutScalingPolicy" => put_policy(state, request),
            "DescribeScalingPolicies" => policies(state, request),
            "DeleteScalingPolicy" => delete_policy(state, request),
            "TagResource" => {
                let arn = taggable(state, request)?;
                state.add_tags(&arn, &tags_in(&request.input)?);
                Ok(json!({}))
            }
            "UntagResource" => {
                let arn = taggable(state, request)?;
                state.remove_tags(&arn, &request.input.texts("TagKeys"));
                Ok(json!({}))
            }
            "ListTagsForResource" => {
                let arn = taggable(state, request)?;
                Ok(json!({ "Tags": state.tags(&arn) }))
            }
            _ => Err(unknown_operation(request)),
        })
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn missing(name: &str) -> AwsError {
    AwsError::null_member("ValidationException", name)
}

fn gone(what: &str, resource: &str) -> AwsError {
    let message = format!(
        "No {what} found for service namespace: {NAMESPACE}, resource ID: {resource}, scalable dimension: {DIMENSION}"
    );
    AwsError::new("ObjectNotFoundException", message)
}

/// Refuses members that the operation doesn't have.
fn known(request: &Request, members: &[&str]) -> Result<(), AwsError> {
    let input = request.input.as_object().into_iter().flatten();
    match input.map(|(name, _)| name).find(|name| !members.contains(&name.as_str())) {
        Some(unknown) => Err(invalid(format!("{} has no member {unknown}", request.operation))),
        None => Ok(()),
    }
}

fn namespace(request: &Request) -> Result<(), AwsError> {
    match request.input.need("ServiceNamespace", missing)? {
        NAMESPACE => Ok(()),
        other => Err(invalid(format!("the local account scales {NAMESPACE} and nothing of {other}"))),
    }
}

/// The resource that an operation on one target names.
fn resource(request: &Request) -> Result<&str, AwsError> {
    namespace(request)?;
    let resource = request.input.need("ResourceId", missing)?;
    match request.input.need("ScalableDimension", missing)? {
        DIMENSION => Ok(resource),
        other => Err(invalid(format!("Unsupported service namespace, resource type or scalable dimension: {other}"))),
    }
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of_object(input, "Tags");
    match refused_tag(&tags) {
        Some(key) => Err(invalid(format!("The tag {key} is not valid."))),
        None => Ok(tags),
    }
}

fn taggable(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = request.input.need("ResourceARN", missing)?;
    if state.list(TARGETS).any(|(_, target)| target["ScalableTargetARN"] == arn) {
        return Ok(arn.to_owned());
    }
    Err(AwsError::new("ResourceNotFoundException", format!("No scalable target found for {arn}")))
}

fn register(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let members = [
        "ServiceNamespace",
        "ResourceId",
        "ScalableDimension",
        "MinCapacity",
        "MaxCapacity",
        "RoleARN",
        "SuspendedState",
        "Tags",
    ];
    known(request, &members)?;
    let resource = resource(request)?;
    if !msk::is_provisioned(state, resource) {
        return Err(invalid(format!("The resource {resource} is no provisioned MSK cluster.")));
    }
    let before = state.get(TARGETS, resource).cloned();
    let tags = tags_in(&request.input)?;
    if before.is_some() && !tags.is_empty() {
        return Err(invalid("Tags can only be given when a scalable target is created; use TagResource."));
    }
    let capacity = |name: &str| {
        let given = request.input.number(name).or_else(|| before.as_ref()?.number(name));
        given.ok_or_else(|| invalid(format!("{name} must be given when a scalable target is created.")))
    };
    let (least, most) = (capacity("MinCapacity")?, capacity("MaxCapacity")?);
    if least < 1 || most > LARGEST || most < least {
        return Err(invalid(format!("Capacities from {least} to {most} are not within 1 to {LARGEST}.")));
    }
    let mut target = before.unwrap_or_else(|| {
        json!({
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "RoleARN": format!(
                "arn:aws:iam::{}:role/aws-service-role/kafka.application-autoscaling.amazonaws.com/\
                 AWSServiceRoleForApplicationAutoScaling_KafkaCluster",
                request.account
            ),
            "CreationTime": clock::epoch(state.now()),
            "SuspendedState": {
                "DynamicScalingInSuspended": false,
                "DynamicScalingOutSuspended": false,
                "ScheduledScalingSuspended": false,
            },
            "ScalableTargetARN":
                request.arn("application-autoscaling", &format!("scalable-target/{}", ids::uuid().replace('-', ""))),
        })
    });
    target["MinCapacity"] = json!(least);
    target["MaxCapacity"] = json!(most);
    for (name, suspended) in request.input["SuspendedState"].as_object().into_iter().flatten() {
        if target["SuspendedState"][name].is_null() || !suspended.is_boolean() {
            return Err(invalid(format!("SuspendedState has no member {name} of that sort")));
        }
        target["SuspendedState"][name] = suspended.clone();
    }
    let arn = target["ScalableTargetARN"].clone();
    if state.get(TARGETS, resource).is_none() {
        state.set_tags(arn.as_str().unwrap_or_default(), &tags);
    }
    state.put(TARGETS, resource, target);
    Ok(json!({ "ScalableTargetARN": arn }))
}

fn paged(request: &Request, member: &str, items: Vec<Value>) -> Result<Value, AwsError> {
    let limit = request.input.number("MaxResults").unwrap_or(50);
    if !(1..=50).contains(&limit) {
        return Err(invalid("MaxResults must be between 1 and 50"));
    }
    let token = || AwsError::new("InvalidNextTokenException", "The next token is not valid.");
    let (items, next) = page(items, request.input.text("NextToken"), limit as usize, token)?;
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn targets(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    known(request, &["ServiceNamespace", "ResourceIds", "ScalableDimension", "MaxResults", "NextToken"])?;
    namespace(request)?;
    let named = request.input.texts("ResourceIds");
    if request.input.text("ScalableDimension").is_some() && named.is_empty() {
        return Err(invalid("ScalableDimension must be given together with ResourceIds."));
    }
    let wanted = state.list(TARGETS).filter(|(id, _)| named.is_empty() || named.iter().any(|name| name == id));
    let all = wanted.map(|(_, target)| {
        let mut target = target.clone();
        target.as_object_mut().expect("a target is an object").shift_remove("_policies");
        target
    });
    let all = all.collect();
    paged(request, "ScalableTargets", all)
}

fn deregister(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    known(request, &["ServiceNamespace", "ResourceId", "ScalableDimension"])?;
    let resource = resource(request)?;
    let target = state.get(TARGETS, resource).cloned().ok_or_else(|| gone("scalable target", resource))?;
    state.remove(TARGETS, resource);
    state.forget_tags(target.text("ScalableTargetARN").unwrap_or_default());
    Ok(json!({}))
}

fn put_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let tracking = "TargetTrackingScalingPolicyConfiguration";
    known(request, &["PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension", "PolicyType", tracking])?;
    let name = request.input.need("PolicyName", missing)?;
    let resource = resource(request)?;
    let mut target = state.get(TARGETS, resource).cloned().ok_or_else(|| gone("scalable target", resource))?;
    if request.input.text("PolicyType") != Some("TargetTrackingScaling") {
        return Err(invalid("MSK's storage is scaled by target tracking only."));
    }
    let wish = request.input.member(tracking).ok_or_else(|| missing(tracking))?;
    let share = wish["TargetValue"].as_f64().ok_or_else(|| missing("TargetValue"))?;
    if !(10.0..=80.0).contains(&share) {
        return Err(invalid(format!("The target value {share} is not between 10 and 80.")));
    }
    if wish["PredefinedMetricSpecification"]["PredefinedMetricType"] != METRIC {
        return Err(invalid(format!("MSK's storage is tracked by {METRIC} only.")));
    }
    if wish.flag("DisableScaleIn") != Some(true) {
        return Err(invalid("Scale in is not supported for MSK's storage: DisableScaleIn must be true."));
    }
    let before = target["_policies"][name].clone();
    let others = target["_policies"].as_object().is_some_and(|policies| policies.keys().any(|other| other != name));
    if others {
        return Err(invalid("Only one target tracking policy per metric is allowed for a scalable target."));
    }
    let arn = before.text("PolicyARN").map_or_else(
        || {
            request.arn(
                "autoscaling",
                &format!("scalingPolicy:{}:resource/kafka/{resource}:policyName/{name}", ids::uuid()),
            )
        },
        str::to_owned,
    );
    let alarm = format!("TargetTracking-{resource}-AlarmHigh");
    let alarms = json!([{ "AlarmName": alarm, "AlarmARN": request.arn("cloudwatch", &format!("alarm:{alarm}")) }]);
    let policy = json!({
        "PolicyARN": arn,
        "PolicyName": name,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": resource,
        "ScalableDimension": DIMENSION,
        "PolicyType": "TargetTrackingScaling",
        tracking: wish,
        "Alarms": alarms,
        "CreationTime": clock::epoch(state.now()),
    });
    target["_policies"][name] = policy;
    state.put(TARGETS, resource, target);
    Ok(json!({ "PolicyARN": arn, "Alarms": alarms }))
}

fn policies(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    known(request, &["PolicyNames", "ServiceNamespace", "ResourceId", "ScalableDimension", "MaxResults", "NextToken"])?;
    namespace(request)?;
    let named = request.input.text("ResourceId");
    if request.input.text("ScalableDimension").is_some() && named.is_none() {
        return Err(invalid("ScalableDimension must be given together with ResourceId."));
    }
    let names = request.input.texts("PolicyNames");
    let wanted = state.list(TARGETS).filter(|(id, _)| named.is_none_or(|name| name == *id));
    let all = wanted.flat_map(|(_, target)| target["_policies"].as_object().into_iter().flatten());
    let all = all.filter(|(name, _)| names.is_empty() || names.contains(name)).map(|(_, policy)| policy.clone());
    let all = all.collect();
    paged(request, "ScalingPolicies", all)
}

fn delete_policy(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    known(request, &["PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension"])?;
    let name = request.input.need("PolicyName", missing)?;
    let resource = resource(request)?;
    let absent = || gone("scaling policy", resource);
    let mut target = state.get(TARGETS, resource).cloned().ok_or_else(absent)?;
    let policies = target["_policies"].as_object_mut().ok_or_else(absent)?;
    policies.shift_remove(name).ok_or_else(absent)?;
    state.put(TARGETS, resource, target);
    Ok(json!({}))
}
