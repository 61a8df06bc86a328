//! EBS volumes: made, grown, attached, detached, deleted.

mod modification;

pub(super) use modification::{describe_modifications, modify};

use serde_json::{Value, json};

use super::error::{invalid, missing, need, only};
use super::kind::{INSTANCE, VOLUME};
use super::{done, subnet, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::{State, Tags, tags_of};

/// Seconds until a new volume is available.
const MADE_SECONDS: i64 = 5;

/// What a type of volume takes.
struct Type {
    name: &'static str,
    /// Smallest and greatest size in GiB.
    gib: (i64, i64),
    /// Smallest and greatest number of IOPS that may be asked for, and the most for each GiB.
    iops: Option<(i64, i64, i64)>,
}

const TYPES: [Type; 7] = [
    Type { name: "gp3", gib: (1, 65_536), iops: Some((3000, 80_000, 500)) },
    Type { name: "gp2", gib: (1, 16_384), iops: None },
    Type { name: "io1", gib: (4, 16_384), iops: Some((100, 64_000, 50)) },
    Type { name: "io2", gib: (4, 65_536), iops: Some((100, 256_000, 1000)) },
    Type { name: "st1", gib: (125, 16_384), iops: None },
    Type { name: "sc1", gib: (125, 16_384), iops: None },
    Type { name: "standard", gib: (1, 1024), iops: None },
];
/// The throughput in MiB/s that a gp3 volume may have.
const THROUGHPUT: std::ops::RangeInclusive<i64> = 125..=2000;

/// What a volume is made of, checked; what it doesn't say is as AWS has it.
struct Shape {
    gib: i64,
    kind: &'static Type,
    iops: Option<i64>,
    throughput: Option<i64>,
}

impl Shape {
    fn new(kind: &str, gib: i64, iops: Option<i64>, throughput: Option<i64>) -> Result<Self, AwsError> {
        let unknown = || invalid(format!("Value ({kind}) for parameter volumeType is invalid."));
        let kind = TYPES.iter().find(|known| known.name == kind).ok_or_else(unknown)?;
        let (least, most) = kind.gib;
        if !(least..=most).contains(&gib) {
            let (what, bound, limit) =
                if gib < least { ("small", "minimum", least) } else { ("large", "maximum", most) };
            let message =
                format!("Volume of {gib}GiB is too {what} for volume type {}; {bound} is {limit}GiB.", kind.name);
            return Err(invalid(message));
        }
        let combination = |message: String| AwsError::new("InvalidParameterCombination", message);
        let iops = match (kind.iops, iops) {
            (None, Some(_)) => {
                return Err(combination(format!("The parameter iops is not supported for {} volumes.", kind.name)));
            }
            (None, None) => (kind.name == "gp2").then(|| (gib * 3).clamp(100, 16_000)),
            (Some((least, ..)), None) if kind.name == "gp3" => Some(least),
            (Some(_), None) => return Err(missing("iops")),
            (Some((least, most, each)), Some(iops)) => {
                if !(least..=most).contains(&iops) {
                    let message = format!("Volume iops of {iops} is not within {least} and {most} for {}.", kind.name);
                    return Err(invalid(message));
                }
                if iops > gib * each && iops > least {
                    return Err(invalid(format!(
                        "Iops to volume size ratio of {iops}:{gib} is too high; maximum is {each}"
                    )));
                }
                Some(iops)
            }
        };
        if throughput.is_some() && kind.name != "gp3" {
            return Err(combination(format!("The parameter throughput is not supported for {} volumes.", kind.name)));
        }
        let throughput = (kind.name == "gp3").then(|| throughput.unwrap_or(*THROUGHPUT.start()));
        if let (Some(throughput), Some(iops)) = (throughput, iops) {
            if !THROUGHPUT.contains(&throughput) {
                return Err(invalid(format!("Volume throughput of {throughput} is not valid for gp3.")));
            }
            if throughput * 4 > iops {
                return Err(invalid("Throughput (MiBps) to iops ratio is too high; maximum is 0.25 MiBps per iops."));
            }
        }
        Ok(Self { gib, kind, iops, throughput })
    }

    fn write(&self, volume: &mut Value) {
        volume["size"] = json!(self.gib);
        volume["volumeType"] = json!(self.kind.name);
        volume["iops"] = json!(self.iops);
        volume["throughput"] = json!(self.throughput);
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    only(
        request,
        &[
            "AvailabilityZone",
            "Encrypted",
            "Iops",
            "KmsKeyId",
            "Size",
            "VolumeType",
            "TagSpecification",
            "Throughput",
            "ClientToken",
        ],
    )?;
    let zone = need(input, "AvailabilityZone")?;
    if !subnet::zones(&request.region).iter().any(|(name, _)| name == zone) {
        return Err(AwsError::new("InvalidZone.NotFound", format!("The zone '{zone}' does not exist.")));
    }
    let gib = input.number("Size").ok_or_else(|| missing("size/snapshot"))?;
    let kind = input.text("VolumeType").unwrap_or("gp2");
    let shape = Shape::new(kind, gib, input.number("Iops"), input.number("Throughput"))?;
    let encrypted = input.flag("Encrypted").unwrap_or(false);
    if input.text("KmsKeyId").is_some() && !encrypted {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(AwsError::new("InvalidParameterDependency", message));
    }
    let given = tags::specified(request, "volume")?;
    let key = encrypted.then(|| input.text("KmsKeyId").map_or_else(|| own_key(state), str::to_owned));
    let document = document(state, zone, &shape, encrypted, key.as_deref());
    let mut shown = VOLUME.create(state, document, &given);
    shown["status"] = json!("creating");
    Ok(shown)
}

/// The key of AWS's own that encrypts volumes which name none.
fn own_key(state: &State<'_>) -> String {
    let scope = state.scope();
    format!("arn:aws:kms:{}:{}:key/00000000-0000-4000-8000-000000eb5eb5", scope.region, scope.account)
}

fn document(state: &State<'_>, zone: &str, shape: &Shape, encrypted: bool, key: Option<&str>) -> Value {
    let mut document = json!({
        "availabilityZone": zone,
        "snapshotId": "",
        "createTime": clock::iso(state.now()),
        "attachmentSet": [],
        "encrypted": encrypted,
        "multiAttachEnabled": false,
        "_made": state.done_in(MADE_SECONDS),
    });
    if let Some(key) = key {
        document["kmsKeyId"] = json!(key);
    }
    shape.write(&mut document);
    document
}

/// The volumes that an instance starts with, as its launch says; returns its block devices.
pub(super) fn of_launch(state: &mut State<'_>, instance: &str, zone: &str, data: &Value) -> Result<Value, AwsError> {
    let mut given = Tags::new();
    for specification in data.list("tagSpecificationSet").iter().filter(|it| it["resourceType"] == "volume") {
        given.extend(tags_of(specification.list("tagSet"), "key", "value"));
    }
    let mut devices = data.list("blockDeviceMappingSet").to_vec();
    if devices.is_empty() {
        devices.push(json!({ "deviceName": "/dev/xvda" }));
    }
    let mut shown = Vec::new();
    for device in devices {
        let (name, ebs) = (device.text("deviceName").ok_or_else(|| missing("DeviceName"))?, &device["ebs"]);
        let kind = ebs.text("volumeType").unwrap_or("gp3");
        let shape =
            Shape::new(kind, ebs.number("volumeSize").unwrap_or(8), ebs.number("iops"), ebs.number("throughput"))?;
        let encrypted = ebs.flag("encrypted").unwrap_or(false);
        let key = encrypted.then(|| ebs.text("kmsKeyId").map_or_else(|| own_key(state), str::to_owned));
        let mut volume = document(state, zone, &shape, encrypted, key.as_deref());
        volume["_made"] = json!(state.now());
        let id = ids::resource("vol");
        volume["volumeId"] = json!(id);
        let ends = ebs.flag("deleteOnTermination").unwrap_or(true);
        volume["attachmentSet"] = json!([attachment(state, &id, instance, name, ends)]);
        VOLUME.create(state, volume, &given);
        shown.push(block_device(state, &id, name, ends));
    }
    Ok(json!(shown))
}

fn attachment(state: &State<'_>, volume: &str, instance: &str, device: &str, ends: bool) -> Value {
    json!({
        "volumeId": volume, "instanceId": instance, "device": device, "status": "attached",
        "attachTime": clock::iso(state.now()), "deleteOnTermination": ends,
    })
}

fn block_device(state: &State<'_>, volume: &str, device: &str, ends: bool) -> Value {
    json!({
        "deviceName": device,
        "ebs": {
            "attachTime": clock::iso(state.now()), "deleteOnTermination": ends, "status": "attached", "volumeId": volume,
        },
    })
}

/// Lets go of the volumes of an instance that has ended: those that end with it go, others can be attached again.
pub(super) fn release(state: &mut State<'_>, instance: &str) {
    let held = |volume: &Value| volume["attachmentSet"][0]["instanceId"] == instance;
    let volumes: Vec<(String, Value)> = state
        .list(VOLUME.collection)
        .filter(|(_, volume)| held(volume))
        .map(|(id, volume)| (id.to_owned(), volume.clone()))
        .collect();
    for (id, mut volume) in volumes {
        if volume["attachmentSet"][0].flag("deleteOnTermination") == Some(true) {
            VOLUME.delete(state, &id);
        } else {
            volume["attachmentSet"] = json!([]);
            state.put(VOLUME.collection, &id, volume);
        }
    }
}

/// Adds the state that follows from time and attachments.
pub(super) fn derive(state: &State<'_>, shown: &mut Value) {
    let id = shown.text("volumeId").unwrap_or_default();
    let made = state.get(VOLUME.collection, id).and_then(|volume| volume.number("_made")).unwrap_or_default();
    let attached = !shown.list("attachmentSet").is_empty();
    let status = match () {
        () if made > state.now() => "creating",
        () if attached => "in-use",
        () => "available",
    };
    shown["status"] = json!(status);
}

fn status(state: &State<'_>, volume: &Value) -> String {
    let mut shown = volume.clone();
    derive(state, &mut shown);
    shown.text("status").unwrap_or_default().to_owned()
}

fn incorrect(id: &str, status: &str) -> AwsError {
    AwsError::new("IncorrectState", format!("Volume '{id}' is in the '{status}' state."))
}

fn in_use(id: &str, volume: &Value) -> AwsError {
    let instance = volume["attachmentSet"][0].text("instanceId").unwrap_or_default();
    AwsError::new("VolumeInUse", format!("Volume {id} is currently attached to {instance}"))
}

pub(super) fn attach(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    only(request, &["Device", "InstanceId", "VolumeId"])?;
    let device = need(input, "Device")?;
    let mut volume = VOLUME.named(state, request, "VolumeId")?;
    let mut instance = INSTANCE.named(state, request, "InstanceId")?;
    let (id, instance_id) = (need(input, "VolumeId")?.to_owned(), need(input, "InstanceId")?.to_owned());
    let tail = device.strip_prefix("/dev/sd").or_else(|| device.strip_prefix("/dev/xvd"));
    if tail.is_none_or(|tail| tail.is_empty() || tail.len() > 2 || !tail.starts_with(|c: char| c.is_ascii_lowercase()))
    {
        let message =
            format!("Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name.");
        return Err(invalid(message));
    }
    match status(state, &volume).as_str() {
        "available" => {}
        "in-use" => return Err(in_use(&id, &volume)),
        other => return Err(incorrect(&id, other)),
    }
    let running = instance["instanceState"].text("name").unwrap_or_default().to_owned();
    if !["running", "stopped"].contains(&running.as_str()) {
        return Err(AwsError::new("IncorrectState", format!("Instance '{instance_id}' is not 'running'.")));
    }
    if instance["placement"]["availabilityZone"] != volume["availabilityZone"] {
        let message = format!("The volume '{id}' is not in the same availability zone as instance '{instance_id}'");
        return Err(AwsError::new("InvalidVolume.ZoneMismatch", message));
    }
    if instance.list("blockDeviceMapping").iter().any(|used| used["deviceName"] == device) {
        let message = format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use");
        return Err(invalid(message));
    }
    let made = attachment(state, &id, &instance_id, device, false);
    volume["attachmentSet"] = json!([made]);
    let entry = block_device(state, &id, device, false);
    instance["blockDeviceMapping"].as_array_mut().expect("an instance lists its devices").push(entry);
    state.put(VOLUME.collection, &id, volume);
    state.put(INSTANCE.collection, &instance_id, instance);
    let mut answer = made;
    answer["status"] = json!("attaching");
    Ok(answer)
}

pub(super) fn detach(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    only(request, &["Device", "Force", "InstanceId", "VolumeId"])?;
    let mut volume = VOLUME.named(state, request, "VolumeId")?;
    let id = need(input, "VolumeId")?.to_owned();
    let Some(attachment) = volume.list("attachmentSet").first().cloned() else {
        return Err(incorrect(&id, &status(state, &volume)));
    };
    let own = |member: &str, given: &str| input.text(given).is_none_or(|given| attachment[member] == given);
    if !own("instanceId", "InstanceId") || !own("device", "Device") {
        let message = format!("Volume '{id}' is not attached so.");
        return Err(AwsError::new("InvalidAttachment.NotFound", message));
    }
    let instance_id = attachment.text("instanceId").unwrap_or_default().to_owned();
    let instance = state.get(INSTANCE.collection, &instance_id);
    if instance
        .is_some_and(|it| it["rootDeviceName"] == attachment["device"] && it["instanceState"]["name"] == "running")
    {
        let message = format!("Unable to detach root volume '{id}' from instance '{instance_id}'");
        return Err(AwsError::new("OperationNotPermitted", message));
    }
    volume["attachmentSet"] = json!([]);
    state.put(VOLUME.collection, &id, volume);
    state.update(INSTANCE.collection, &instance_id, |instance| {
        if let Some(devices) = instance["blockDeviceMapping"].as_array_mut() {
            devices.retain(|device| device["ebs"]["volumeId"] != id.as_str());
        }
    });
    let mut answer = attachment;
    answer["status"] = json!("detaching");
    Ok(answer)
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["VolumeId"])?;
    let volume = VOLUME.named(state, request, "VolumeId")?;
    let id = need(&request.input, "VolumeId")?;
    match status(state, &volume).as_str() {
        "in-use" => Err(in_use(id, &volume)),
        "available" => {
            VOLUME.delete(state, id);
            Ok(done())
        }
        other => Err(incorrect(id, other)),
    }
}
