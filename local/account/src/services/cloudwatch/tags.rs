//! Tags of alarms and of dashboards, which have no region.

use super::{ALARMS, DASHBOARDS, invalid};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::{GLOBAL, State, Tags, refused_tag, tag_list, tags_of};
use serde_json::{Value, json};

/// The ARN of an alarm.
pub(super) fn alarm(request: &Request, name: &str) -> String {
    request.arn("cloudwatch", &format!("alarm:{name}"))
}

/// The ARN of a dashboard.
pub(super) fn dashboard(request: &Request, name: &str) -> String {
    format!("arn:aws:cloudwatch::{}:dashboard/{name}", request.account)
}

/// The tags in an input.
pub(super) fn given(request: &Request) -> Result<Tags, AwsError> {
    let list = request.input.list("Tags");
    let tags = tags_of(list, "Key", "Value");
    if tags.len() > 50 || tags.len() != list.len() {
        return Err(invalid("a resource has at most 50 tags, each key once"));
    }
    match refused_tag(&tags) {
        Some(key) => Err(invalid(format!("The tag {key} is not valid."))),
        None => Ok(tags),
    }
}

/// Runs `change` where the tags of the resource of the input stand, if there is such a resource.
fn resource<T>(
    state: &mut State<'_>,
    request: &Request,
    change: impl FnOnce(&mut State<'_>, &str) -> T,
) -> Result<T, AwsError> {
    let missing = |_: &str| AwsError::new("InvalidParameterValue", "The ResourceARN is required.");
    let arn = request.input.need("ResourceARN", missing)?;
    let alarm_name = arn.strip_prefix(&alarm(request, "")).filter(|name| state.get(ALARMS, name).is_some());
    if alarm_name.is_some() {
        return Ok(change(state, arn));
    }
    let mut global = state.region(GLOBAL);
    let name = arn.strip_prefix(&dashboard(request, "")).filter(|name| global.get(DASHBOARDS, name).is_some());
    if name.is_some() {
        return Ok(change(&mut global, arn));
    }
    Err(AwsError::new("ResourceNotFoundException", format!("{arn} does not exist")).status(404))
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let tags = given(request)?;
    resource(state, request, |state, arn| {
        state.add_tags(arn, &tags);
        json!({})
    })
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let keys = request.input.texts("TagKeys");
    resource(state, request, |state, arn| {
        state.remove_tags(arn, &keys);
        json!({})
    })
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    resource(state, request, |state, arn| json!({ "Tags": tag_list(&state.tags(arn), "Key", "Value") }))
}
