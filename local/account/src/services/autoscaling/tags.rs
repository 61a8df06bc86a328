//! Tags of groups, each saying whether new instances inherit it.

use serde_json::{Map, Value, json};

use super::{group, invalid, paged};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::{State, Tags};

/// Reads a list of tags: the tags, and which of them instances inherit. `name` is the group, if the call is for one.
pub(super) fn read(list: &[Value], name: Option<&str>) -> Result<(Tags, Value), AwsError> {
    let mut tags = Tags::new();
    let mut propagate = Map::new();
    for tag in list {
        let key = tag.text("Key").filter(|key| (1..=128).contains(&key.chars().count()));
        let key = key.ok_or_else(|| invalid("Tag keys have 1 to 128 characters"))?;
        let value = tag.text("Value").unwrap_or_default();
        if key.to_lowercase().starts_with("aws:") || value.chars().count() > 256 {
            return Err(invalid(format!("Tag {key} is not valid")));
        }
        if name.is_some() && tag.text("ResourceId").is_some_and(|id| Some(id) != name) {
            return Err(invalid("The tag belongs to another group"));
        }
        tags.insert(key.to_owned(), value.to_owned());
        propagate.insert(key.to_owned(), json!(tag.flag("PropagateAtLaunch").unwrap_or(false)));
    }
    Ok((tags, Value::Object(propagate)))
}

/// Returns the tags of a group as answers list them.
pub(super) fn shown(state: &State<'_>, group: &Value) -> Value {
    let arn = group.text("AutoScalingGroupARN").unwrap_or_default();
    state
        .tags(arn)
        .into_iter()
        .map(|(key, value)| {
            json!({
                "ResourceId": group["AutoScalingGroupName"],
                "ResourceType": "auto-scaling-group",
                "PropagateAtLaunch": group["_propagate"].flag(&key).unwrap_or(false),
                "Key": key,
                "Value": value,
            })
        })
        .collect()
}

/// Checks that each filter is a tag filter or one of `known`.
pub(super) fn check_filters(filters: &[Value], known: &[&str]) -> Result<(), AwsError> {
    for filter in filters {
        let name = filter.text("Name").unwrap_or_default();
        if !name.starts_with("tag:") && !known.contains(&name) {
            return Err(invalid(format!(
                "Filter type {name} is not correct. Allowed Filter types are: {}",
                known.join(" ")
            )));
        }
    }
    Ok(())
}

/// Says whether a list of shown tags has one that a filter asks for.
pub(super) fn selects(filter: &Value, tags: &[Value]) -> bool {
    let name = filter.text("Name").unwrap_or_default();
    let wanted = filter.texts("Values");
    let hit = |text: Option<&str>| text.is_some_and(|text| wanted.iter().any(|value| value == text));
    tags.iter().any(|tag| match name {
        "tag-key" | "key" => hit(tag.text("Key")),
        "tag-value" | "value" => hit(tag.text("Value")),
        "auto-scaling-group" => hit(tag.text("ResourceId")),
        "propagate-at-launch" => hit(Some(if tag["PropagateAtLaunch"] == true { "true" } else { "false" })),
        _ => tag.text("Key") == name.strip_prefix("tag:") && hit(tag.text("Value")),
    })
}

fn groups(state: &State<'_>, list: &[Value]) -> Result<Vec<(Value, Value)>, AwsError> {
    let mut found = Vec::new();
    for tag in list {
        let name = tag.text("ResourceId").unwrap_or_default();
        let group = state.get(group::COLLECTION, name).cloned();
        let group = group
            .ok_or_else(|| invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")))?;
        found.push((group, tag.clone()));
    }
    Ok(found)
}

pub(super) fn create_or_update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    for (group, tag) in groups(state, request.input.list("Tags"))? {
        let (given, propagate) = read(&[tag], None)?;
        let name = group.text("AutoScalingGroupName").unwrap_or_default().to_owned();
        let arn = group.text("AutoScalingGroupARN").unwrap_or_default().to_owned();
        state.add_tags(&arn, &given);
        if state.tags(&arn).len() > 50 {
            return Err(AwsError::new("LimitExceeded", "A group carries at most 50 tags"));
        }
        state.update(group::COLLECTION, &name, |group| {
            for (key, value) in propagate.as_object().into_iter().flatten() {
                group["_propagate"][key] = value.clone();
            }
        });
    }
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    for (group, tag) in groups(state, request.input.list("Tags"))? {
        let arn = group.text("AutoScalingGroupARN").unwrap_or_default();
        let key = tag.text("Key").unwrap_or_default().to_owned();
        state.remove_tags(arn, &[key]);
    }
    Ok(json!({}))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let filters = request.input.list("Filters");
    check_filters(filters, &["auto-scaling-group", "key", "value", "propagate-at-launch"])?;
    let mut all = Vec::new();
    for (_, group) in state.list(group::COLLECTION) {
        for tag in shown(state, group).as_array().into_iter().flatten() {
            if filters.iter().all(|filter| selects(filter, std::slice::from_ref(tag))) {
                all.push(tag.clone());
            }
        }
    }
    paged(request, "Tags", all)
}
