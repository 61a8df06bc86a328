//! Changes of volumes that live, each of which takes its time.

use serde_json::{Value, json};

use super::{Shape, status};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::services::ec2::error::{invalid, need, only};
use crate::services::ec2::kind::VOLUME;
use crate::services::ec2::paging::paged;
use crate::state::State;

/// Seconds until a change of a volume can be used, and until it is completed.
const MODIFYING_SECONDS: i64 = 10;
const OPTIMIZING_SECONDS: i64 = 300;
/// A day in seconds: a volume takes so many changes in that time.
const DAY_SECONDS: i64 = 86_400;
const CHANGES_A_DAY: usize = 4;

pub(in crate::services::ec2) fn modify(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    only(request, &["VolumeId", "Size", "VolumeType", "Iops", "Throughput"])?;
    let mut volume = VOLUME.named(state, request, "VolumeId")?;
    let id = need(input, "VolumeId")?.to_owned();
    let before = volume.clone();
    let status = status(state, &volume);
    if status == "creating" {
        return Err(AwsError::new("IncorrectState", format!("Volume '{id}' is in the 'creating' state.")));
    }
    let now = state.now();
    if modification(state, &volume).is_some_and(|change| change["modificationState"] != "completed") {
        let message = format!("Volume {id} is already being modified");
        return Err(AwsError::new("IncorrectModificationState", message));
    }
    // Each entry is the time until which the change counts.
    let mut counting: Vec<i64> = volume.list("_changes").iter().filter_map(Value::as_i64).collect();
    counting.retain(|until| *until > now);
    if counting.len() >= CHANGES_A_DAY {
        let message = "You've reached the maximum modification rate per volume limit. Wait at least 24 hours.";
        return Err(AwsError::new("VolumeModificationRateExceeded", message));
    }
    let old = |member: &str| before.number(member);
    let kind = input.text("VolumeType").or_else(|| before.text("volumeType")).unwrap_or_default();
    let same = before.text("volumeType") == Some(kind);
    // What isn't named stays as it was as long as the type does, but for what AWS derives from the size.
    let kept =
        |given: &str, member: &str| input.number(given).or_else(|| old(member).filter(|_| same && kind != "gp2"));
    let gib = input.number("Size").or_else(|| old("size")).unwrap_or_default();
    if old("size").is_some_and(|size| gib < size) {
        return Err(invalid("New size cannot be smaller than existing size"));
    }
    let shape = Shape::new(kind, gib, kept("Iops", "iops"), kept("Throughput", "throughput"))?;
    shape.write(&mut volume);
    let (usable, completed) = (state.done_in(MODIFYING_SECONDS), state.done_in(OPTIMIZING_SECONDS));
    counting.push(state.done_in(DAY_SECONDS));
    volume["_changes"] = json!(counting);
    volume["_change"] = json!({
        "volumeId": id,
        "targetSize": volume["size"], "targetVolumeType": volume["volumeType"],
        "targetIops": volume["iops"], "targetThroughput": volume["throughput"],
        "originalSize": before["size"], "originalVolumeType": before["volumeType"],
        "originalIops": before["iops"], "originalThroughput": before["throughput"],
        "startTime": clock::iso(now), "_usable": usable, "_completed": completed,
    });
    let shown = modification(state, &volume);
    state.put(VOLUME.collection, &id, volume);
    Ok(json!({ "volumeModification": shown }))
}

/// The last change of a volume as it stands now.
fn modification(state: &State<'_>, volume: &Value) -> Option<Value> {
    let change = volume.member("_change")?;
    let over = |member: &str| change.number(member).is_some_and(|at| at <= state.now());
    let mut shown = change.clone();
    let members = shown.as_object_mut().expect("a change is an object");
    members.retain(|name, _| !name.starts_with('_'));
    let (word, progress) = match () {
        () if over("_completed") => ("completed", 100),
        () if over("_usable") => ("optimizing", 50),
        () => ("modifying", 0),
    };
    members.insert("modificationState".into(), json!(word));
    members.insert("progress".into(), json!(progress));
    Some(shown)
}

pub(in crate::services::ec2) fn describe_modifications(
    state: &State<'_>,
    request: &Request,
) -> Result<Value, AwsError> {
    only(request, &["VolumeId", "MaxResults", "NextToken"])?;
    let ids = request.input.texts("VolumeId");
    let mut all = Vec::new();
    for id in &ids {
        let volume = VOLUME.get(state, id)?;
        let never = || {
            let message = format!("Modification for volume '{id}' does not exist.");
            AwsError::new("InvalidVolumeModification.NotFound", message)
        };
        all.push(modification(state, &volume).ok_or_else(never)?);
    }
    if ids.is_empty() {
        all.extend(state.list(VOLUME.collection).filter_map(|(_, volume)| modification(state, volume)));
    }
    let (page, next) = paged(request, all)?;
    let mut answer = json!({ "volumeModificationSet": page });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}
