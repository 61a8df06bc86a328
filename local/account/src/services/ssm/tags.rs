//! The tags of documents and parameters.

use serde_json::{Value, json};

use super::documents::{self, DOCUMENTS};
use super::parameters::{self, PARAMETERS};
use super::{invalid, missing};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};

/// The tags in the input.
pub(super) fn given(request: &Request) -> Result<Tags, AwsError> {
    let tags = tags_of(request.input.list("Tags"), "Key", "Value");
    match refused_tag(&tags) {
        Some(key) => Err(invalid(format!("the tag {key} is not valid"))),
        None => Ok(tags),
    }
}

/// The ARN of the thing whose tags the input is about.
fn tagged(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let kind = request.input.need("ResourceType", missing)?;
    let (collection, arn): (_, fn(&Request, &str) -> String) = match kind {
        "Document" => (DOCUMENTS, documents::arn),
        "Parameter" => (PARAMETERS, parameters::arn),
        _ => {
            let message = format!("the local account has no tags of the type {kind}");
            return Err(AwsError::new("InvalidResourceType", message));
        }
    };
    let name = request.input.need("ResourceId", missing)?;
    if state.get(collection, name).is_none() {
        return Err(AwsError::new("InvalidResourceId", "The resource ID isn't valid."));
    }
    Ok(arn(request, name))
}

pub(super) fn add(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.add_tags(&arn, &given(request)?);
    if state.tags(&arn).len() > 50 {
        return Err(AwsError::new("TooManyTagsError", "a resource has at most 50 tags"));
    }
    Ok(json!({}))
}

pub(super) fn remove(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.remove_tags(&arn, &request.input.texts("TagKeys"));
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    Ok(json!({ "TagList": tag_list(&state.tags(&tagged(state, request)?), "Key", "Value") }))
}
