//! Tags of hosted zones. They stand in the tag index of us-east-1, the one region whose tagging API lists them.

use super::{breaks, fits, invalid, missing, zone_of};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};
use serde_json::{Value, json};

/// The region of services that have none.
const HOME: &str = "us-east-1";
/// The most tags or resources of one request.
const MOST: usize = 10;

fn arn(id: &str) -> String {
    format!("arn:aws:route53:::hostedzone/{id}")
}

/// Makes a new zone known to the tagging API.
pub(super) fn born(state: &mut State<'_>, id: &str) {
    state.region(HOME).set_tags(&arn(id), &Tags::new());
}

pub(super) fn forget(state: &mut State<'_>, id: &str) {
    state.region(HOME).forget_tags(&arn(id));
}

/// Refuses a type that isn't there, and an id that no zone has.
fn check(state: &State<'_>, kind: &str, id: &str) -> Result<(), AwsError> {
    fits("resourceId", id, super::LONGEST_ID)?;
    let none = |code: &str| Err(AwsError::new(code, format!("No {kind} found with ID: {id}")).status(404));
    match kind {
        "hostedzone" => zone_of(state, id).map(|_| ()),
        "healthcheck" => none("NoSuchHealthCheck"),
        "healthchecksource" => none("NoSuchHealthCheckSource"),
        other => {
            Err(breaks("resourceType", other, "satisfy enum value set: [healthcheck, hostedzone, healthchecksource]"))
        }
    }
}

fn shown(state: &mut State<'_>, kind: &str, id: &str) -> Value {
    let tags = tag_list(&state.region(HOME).tags(&arn(id)), "Key", "Value");
    json!({ "ResourceType": kind, "ResourceId": id, "Tags": { "Tag": tags } })
}

/// Refuses a list that is there and empty, or has more than the model allows.
fn counted(member: &str, given: Option<&Value>, length: usize) -> Result<(), AwsError> {
    match length {
        0 if given.is_some() => Err(breaks(member, "[]", "have length greater than or equal to 1")),
        0..=MOST => Ok(()),
        _ => Err(breaks(member, &format!("{length} items"), &format!("have length less than or equal to {MOST}"))),
    }
}

pub(super) fn change(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let kind = request.input.need("ResourceType", missing)?;
    let id = request.input.need("ResourceId", missing)?;
    let added = request.input.list("AddTags");
    let removed = request.input.texts("RemoveTagKeys");
    counted("addTags", request.input.member("AddTags"), added.len())?;
    counted("removeTagKeys", request.input.member("RemoveTagKeys"), removed.len())?;
    if added.is_empty() && removed.is_empty() {
        return Err(invalid("Invalid request: specify AddTags or RemoveTagKeys"));
    }
    let tags = tags_of(added, "Key", "Value");
    if tags.len() != added.len() {
        return Err(invalid("a key occurs twice in AddTags"));
    }
    if let Some(key) = refused_tag(&tags) {
        return Err(invalid(format!("the tag '{key}' is not valid")));
    }
    if let Some(key) = removed.iter().find(|key| tags.contains_key(*key)) {
        return Err(invalid(format!("the key '{key}' is in AddTags and in RemoveTagKeys")));
    }
    check(state, kind, id)?;
    let mut home = state.region(HOME);
    home.remove_tags(&arn(id), &removed);
    home.add_tags(&arn(id), &tags);
    if home.tags(&arn(id)).len() > 50 {
        return Err(invalid("a hosted zone has at most 50 tags"));
    }
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let kind = request.input.need("ResourceType", missing)?;
    let id = request.input.need("ResourceId", missing)?;
    check(state, kind, id)?;
    Ok(json!({ "ResourceTagSet": shown(state, kind, id) }))
}

pub(super) fn list_many(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let kind = request.input.need("ResourceType", missing)?;
    let ids = request.input.texts("ResourceIds");
    counted("resourceIds", request.input.member("ResourceIds"), ids.len())?;
    let mut sets = Vec::with_capacity(ids.len());
    for id in &ids {
        check(state, kind, id)?;
        sets.push(shown(state, kind, id));
    }
    Ok(json!({ "ResourceTagSets": { "ResourceTagSet": sets } }))
}
