//! The instance profiles of instances, by way of their associations.

use serde_json::{Value, json};

use super::error::need;
use super::instance::instances;
use super::kind::INSTANCE;
use super::paging::paged;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::iam;
use crate::state::State;

/// Gives an instance a profile, named by its name or ARN.
pub(super) fn give(state: &mut State<'_>, instance: &mut Value, profile: Option<&str>) -> Result<(), AwsError> {
    let name = profile.and_then(|given| given.rsplit('/').next()).unwrap_or_default();
    if !iam::knows_profile(state, name) {
        let message = format!(
            "Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        );
        return Err(AwsError::new("InvalidParameterValue", message));
    }
    instance["iamInstanceProfile"] = json!({ "arn": iam::profile_arn(state, name) });
    instance["_association"] = json!({ "id": ids::resource("iip-assoc"), "since": state.now() });
    Ok(())
}

fn shown(instance: &Value, state: &str) -> Value {
    let association = &instance["_association"];
    json!({
        "associationId": association["id"],
        "instanceId": instance["instanceId"],
        "iamInstanceProfile": instance["iamInstanceProfile"],
        "state": state,
        "timestamp": clock::iso(association.number("since").unwrap_or_default()),
    })
}

fn is_associated(instance: &Value) -> bool {
    let ended = ["shutting-down", "terminated"].contains(&instance["instanceState"].text("name").unwrap_or_default());
    !ended && instance.member("_association").is_some()
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let ids = request.input.texts("AssociationId");
    let fits = |instance: &Value, filter: &Value| -> Result<bool, AwsError> {
        let values = filter.texts("Value");
        match filter.text("Name").unwrap_or_default() {
            "instance-id" => Ok(values.iter().any(|value| instance["instanceId"] == value.as_str())),
            "state" => Ok(values.iter().any(|value| value == "associated")),
            other => Err(super::error::invalid(format!("The filter '{other}' is invalid"))),
        }
    };
    let mut found = Vec::new();
    for instance in instances(state, is_associated) {
        let mut wanted = ids.is_empty() || ids.iter().any(|id| instance["_association"]["id"] == id.as_str());
        for filter in request.input.list("Filter") {
            wanted &= fits(&instance, filter)?;
        }
        if wanted {
            found.push(shown(&instance, "associated"));
        }
    }
    let (page, next) = paged(request, found)?;
    Ok(json!({ "iamInstanceProfileAssociationSet": page, "nextToken": next }))
}

pub(super) fn replace(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let id = need(&request.input, "AssociationId")?.to_owned();
    let of_id = |instance: &Value| is_associated(instance) && instance["_association"]["id"] == id.as_str();
    let Some(mut instance) = instances(state, of_id).into_iter().next() else {
        let message = format!("An invalid association-id of '{id}' was given");
        return Err(AwsError::new("InvalidAssociationID.NotFound", message));
    };
    let given = &request.input["IamInstanceProfile"];
    give(state, &mut instance, given.text("Name").or(given.text("Arn")))?;
    let host = instance.text("instanceId").unwrap_or_default().to_owned();
    state.put(INSTANCE.collection, &host, &instance);
    Ok(json!({ "iamInstanceProfileAssociation": shown(&instance, "associating") }))
}
