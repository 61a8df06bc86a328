//! Instances: objects with addresses, tags and states; nothing runs in them.

use serde_json::{Value, json};

use super::attachment::{self, Attachment};
use super::error::{invalid, missing, need};
use super::kind::{INSTANCE, SUBNET};
use super::paging::paged;
use super::{profile, tags, template, volume};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::ssm;
use crate::state::{State, Tags, tags_of};

/// Seconds from pending to running, and from shutting down to terminated.
const BOOT_SECONDS: i64 = 15;
const STOP_SECONDS: i64 = 15;
/// Seconds that a terminated instance still shows.
const LINGER_SECONDS: i64 = 3600;

const PENDING: (i64, &str) = (0, "pending");
const RUNNING: (i64, &str) = (16, "running");
const SHUTTING_DOWN: (i64, &str) = (32, "shutting-down");
const TERMINATED: (i64, &str) = (48, "terminated");

/// What an instance is started from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    /// The members of launch template data, in the shape of answers.
    pub data: Value,
    /// The subnet; without one, that of the data's first network interface.
    pub subnet: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// The client token shown with it.
    pub token: Option<String>,
}

fn set_state(instance: &mut Value, state: (i64, &str)) {
    instance["instanceState"] = json!({ "code": state.0, "name": state.1 });
}

fn state_of(instance: &Value) -> &str {
    instance["instanceState"]["name"].as_str().unwrap_or_default()
}

/// Lets time pass: boots, stops and forgets what is due.
pub(crate) fn settle(state: &mut State<'_>) {
    let now = state.now();
    let due: Vec<(String, Value)> = state
        .list(INSTANCE.collection)
        .filter(|(_, instance)| instance.number("_due").is_some_and(|due| due <= now))
        .map(|(id, instance)| (id.to_owned(), instance.clone()))
        .collect();
    for (id, mut instance) in due {
        let next = match state_of(&instance) {
            "pending" => {
                set_state(&mut instance, RUNNING);
                None
            }
            "shutting-down" => {
                set_state(&mut instance, TERMINATED);
                attachment::detach_all(state, &id);
                volume::release(state, &id);
                for member in [
                    "networkInterfaceSet",
                    "groupSet",
                    "privateIpAddress",
                    "vpcId",
                    "subnetId",
                    "ipAddress",
                    "blockDeviceMapping",
                ] {
                    instance.as_object_mut().expect("an instance is an object").shift_remove(member);
                }
                Some(now + LINGER_SECONDS * 1000)
            }
            _ => {
                INSTANCE.delete(state, &id);
                continue;
            }
        };
        instance["_due"] = json!(next);
        state.put(INSTANCE.collection, &id, instance);
    }
}

/// Returns the documents of the instances that `wanted` picks.
pub(crate) fn instances(state: &State<'_>, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    state.list(INSTANCE.collection).filter(|(_, it)| wanted(it)).map(|(_, instance)| instance.clone()).collect()
}

/// Adds members of another service, which begin with `_`, to an instance.
pub(crate) fn mark(state: &mut State<'_>, id: &str, members: Value) {
    state.update(INSTANCE.collection, id, |instance| {
        for (name, value) in members.as_object().into_iter().flatten() {
            instance[name] = value.clone();
        }
    });
}

/// Starts one instance and returns it.
pub(crate) fn launch(state: &mut State<'_>, wish: &Launch) -> Result<Value, AwsError> {
    let data = &wish.data;
    let id = ids::resource("i");
    let first = data.list("networkInterfaceSet").first();
    let subnet = wish.subnet.as_deref().or_else(|| first.and_then(|interface| interface.text("subnetId")));
    let subnet = subnet.ok_or_else(|| {
        AwsError::new("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
    })?;
    let document = SUBNET.get(state, subnet)?;
    let mut groups = first.map(|interface| interface.texts("groupSet")).unwrap_or_default();
    groups.extend(data.texts("securityGroupIdSet"));
    if groups.is_empty() {
        groups = attachment::default_group_of_subnet(state, subnet);
    }
    let asked = first.and_then(|interface| interface.flag("associatePublicIpAddress"));
    let public = asked.unwrap_or(document["mapPublicIpOnLaunch"] == true);
    let interface = attachment::attach(
        state,
        &Attachment {
            owner: id.clone(),
            subnet: subnet.to_owned(),
            groups,
            description: first.and_then(|it| it.text("description")).unwrap_or_default().to_owned(),
            instance: Some((id.clone(), public)),
        },
    )?;
    let image = image(state, data.text("imageId").ok_or_else(|| missing("ImageId"))?)?;
    let kind = data.text("instanceType").unwrap_or("m1.small");
    let zone = document.text("availabilityZone").unwrap_or_default();
    let devices = volume::of_launch(state, &id, zone, data)?;
    let options = &data["metadataOptions"];
    let mut instance = json!({
        "instanceId": id,
        "imageId": image,
        "instanceType": kind,
        "amiLaunchIndex": 0,
        "launchTime": clock::iso(state.now()),
        "architecture": if is_graviton(kind) { "arm64" } else { "x86_64" },
        "placement": {
            "availabilityZone": document["availabilityZone"],
            "availabilityZoneId": document["availabilityZoneId"],
            "groupName": "",
            "tenancy": "default",
        },
        "monitoring": { "state": if data["monitoring"].flag("enabled") == Some(true) { "enabled" } else { "disabled" } },
        "subnetId": subnet,
        "vpcId": document["vpcId"],
        "privateIpAddress": interface["privateIpAddress"],
        "privateDnsName": interface["privateDnsName"],
        "dnsName": "",
        "groupSet": interface["groupSet"],
        "networkInterfaceSet": [interface],
        "ebsOptimized": data.flag("ebsOptimized").unwrap_or(false),
        "enaSupport": true,
        "hypervisor": "xen",
        "virtualizationType": "hvm",
        "rootDeviceName": "/dev/xvda",
        "rootDeviceType": "ebs",
        "sourceDestCheck": true,
        "blockDeviceMapping": devices,
        "metadataOptions": {
            "state": "applied",
            "httpTokens": options.text("httpTokens").unwrap_or("optional"),
            "httpPutResponseHopLimit": options.number("httpPutResponseHopLimit").unwrap_or(1),
            "httpEndpoint": options.text("httpEndpoint").unwrap_or("enabled"),
            "httpProtocolIpv6": options.text("httpProtocolIpv6").unwrap_or("disabled"),
            "instanceMetadataTags": options.text("instanceMetadataTags").unwrap_or("disabled"),
        },
        "clientToken": wish.token.clone().unwrap_or_default(),
        "_userData": data.member("userData"),
        "_reservationId": ids::resource("r"),
        "_ownerId": state.scope().account,
        "_due": state.done_in(BOOT_SECONDS),
    });
    if let Some(given) = data.member("iamInstanceProfile") {
        profile::give(state, &mut instance, given.text("name").or(given.text("arn")))?;
    }
    if let Some(key) = data.text("keyName") {
        instance["keyName"] = json!(key);
    }
    if let Some(address) = instance["networkInterfaceSet"][0]["association"].text("publicIp").map(str::to_owned) {
        instance["ipAddress"] = json!(address);
    }
    set_state(&mut instance, PENDING);
    INSTANCE.create(state, instance, &wish.tags);
    // Without delays the instance runs as soon as anybody looks; the answer of the launch itself says pending.
    INSTANCE.get(state, &id).map(|instance| INSTANCE.render(state, &instance))
}

/// Whether an instance type has Graviton processors: a `g` after the generation, as in `m7g`, `c6gn`, `g5g`.
fn is_graviton(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    let after = family.trim_start_matches(|c: char| c.is_ascii_lowercase());
    family == "a1" || after.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('g')
}

/// Returns the image that a launch uses: given by id, or by a parameter that is read at launch.
fn image(state: &State<'_>, named: &str) -> Result<String, AwsError> {
    if named.starts_with("ami-") {
        return Ok(named.to_owned());
    }
    let Some(parameter) = named.strip_prefix("resolve:ssm:") else {
        let message = format!("Invalid id: \"{named}\" (expecting \"ami-...\")");
        return Err(AwsError::new("InvalidAMIID.Malformed", message));
    };
    if let Some(image) = ssm::image(&state.scope().region, parameter) {
        return Ok(image);
    }
    let message = format!("The parameter {parameter} does not exist.");
    Err(AwsError::new("InvalidParameterValue", message))
}

pub(super) fn run(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let least = input.number("MinCount").ok_or_else(|| missing("MinCount"))?;
    let most = input.number("MaxCount").ok_or_else(|| missing("MaxCount"))?;
    if least < 1 || most < least || most > 1000 {
        return Err(invalid("MinCount and MaxCount must be between 1 and 1000, MinCount not above MaxCount."));
    }
    let mut data = match input.member("LaunchTemplate") {
        Some(specification) => template::resolve(state, specification)?["launchTemplateData"].clone(),
        None => json!({}),
    };
    let own = template::shape(input, "");
    if let (Some(data), Some(own)) = (data.as_object_mut(), own.as_object()) {
        data.extend(own.clone());
    }
    let mut given = Tags::new();
    for specification in data.list("tagSpecificationSet") {
        if specification["resourceType"] == "instance" {
            given.extend(tags_of(specification.list("tagSet"), "key", "value"));
        }
    }
    given.extend(tags::specified_for(request, "instance", &["volume", "network-interface", "spot-instances-request"])?);
    let wish = Launch {
        data,
        subnet: input.text("SubnetId").map(str::to_owned),
        tags: given,
        token: input.text("ClientToken").map(str::to_owned),
    };
    let mut started = Vec::new();
    for _ in 0..most {
        started.push(launch(state, &wish)?);
    }
    Ok(reservation(state, &ids::resource("r"), started))
}

fn reservation(state: &State<'_>, id: &str, instances: Vec<Value>) -> Value {
    json!({ "reservationId": id, "ownerId": state.scope().account, "groupSet": [], "instancesSet": instances })
}

/// Shuts an instance down and returns its states before and after; nothing for one that is gone.
pub(crate) fn terminate(state: &mut State<'_>, id: &str) -> Option<Value> {
    let mut instance = state.get(INSTANCE.collection, id)?.clone();
    let before = instance["instanceState"].clone();
    if !["shutting-down", "terminated"].contains(&state_of(&instance)) {
        set_state(&mut instance, SHUTTING_DOWN);
        instance["_due"] = json!(state.done_in(STOP_SECONDS));
        state.put(INSTANCE.collection, id, &instance);
    }
    let after = instance["instanceState"].clone();
    settle(state);
    Some(json!({ "instanceId": id, "previousState": before, "currentState": after }))
}

pub(super) fn terminate_requested(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let ids = request.input.texts("InstanceId");
    if ids.is_empty() {
        return Err(missing("InstanceId"));
    }
    for id in &ids {
        INSTANCE.get(state, id)?;
    }
    let changes: Vec<Value> = ids.iter().filter_map(|id| terminate(state, id)).collect();
    Ok(json!({ "instancesSet": changes }))
}

pub(super) fn describe(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let found = INSTANCE.find(state, request)?;
    let (page, next) = paged(request, found)?;
    let reservations: Vec<Value> = page
        .into_iter()
        .map(|instance| {
            let id = instance.text("instanceId").unwrap_or_default();
            let reservation_id = state.get(INSTANCE.collection, id).and_then(|it| it.text("_reservationId"));
            let reservation_id = reservation_id.unwrap_or_default().to_owned();
            reservation(state, &reservation_id, vec![instance])
        })
        .collect();
    let mut answer = json!({ "reservationSet": reservations });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn describe_attribute(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let instance = INSTANCE.named(state, request, "InstanceId")?;
    let attribute = need(&request.input, "Attribute")?;
    let value = match attribute {
        "userData" => json!({ "value": instance["_userData"] }),
        "instanceType" => json!({ "value": instance["instanceType"] }),
        _ => return Err(invalid(format!("Value ({attribute}) for parameter attribute is invalid."))),
    };
    Ok(json!({ "instanceId": instance["instanceId"], attribute: value }))
}

/// Turns described instances into the answer of DescribeInstanceStatus, which shows the running ones.
pub(super) fn statuses(described: &Value) -> Value {
    let statuses: Vec<Value> = described
        .list("instancesSet")
        .iter()
        .filter(|instance| state_of(instance) == "running")
        .map(|instance| {
            let ok = json!({ "status": "ok", "details": [{ "name": "reachability", "status": "passed" }] });
            json!({
                "instanceId": instance["instanceId"],
                "availabilityZone": instance["placement"]["availabilityZone"],
                "instanceState": instance["instanceState"],
                "systemStatus": ok,
                "instanceStatus": ok,
            })
        })
        .collect();
    json!({ "instanceStatusSet": statuses })
}
