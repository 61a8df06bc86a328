//! Everything at once: the one call that reads all roles with their policies, profiles and tags.

use super::{encoded, paged, policies, profiles, roles};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::State;
use serde_json::{Value, json};

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let filter = request.input.texts("Filter");
    let wanted = |kind: &str| filter.is_empty() || filter.iter().any(|given| given == kind);
    let mut items: Vec<Value> = Vec::new();
    if wanted("Role") {
        items.extend(state.list("iam/role").map(|(_, role)| role_detail(state, role)));
    }
    if wanted("LocalManagedPolicy") {
        items.extend(state.list("iam/policy").map(|(_, policy)| policy_detail(state, policy)));
    }
    let page = paged(request, "Items", items)?;
    let (roles, policies): (Vec<Value>, Vec<Value>) =
        page.list("Items").iter().cloned().partition(|item| item.member("RoleName").is_some());
    Ok(json!({
        "UserDetailList": [], "GroupDetailList": [], "RoleDetailList": roles, "Policies": policies,
        "IsTruncated": page["IsTruncated"], "Marker": page["Marker"],
    }))
}

fn role_detail(state: &State<'_>, role: &Value) -> Value {
    let mut out = roles::shown(role, true);
    let name = role.text("RoleName").unwrap_or_default();
    let inline = role["Policies"].as_object().into_iter().flatten();
    let inline: Vec<Value> =
        inline.map(|(name, text)| json!({ "PolicyName": name, "PolicyDocument": encoded(text) })).collect();
    out["InstanceProfileList"] = json!(profiles::of_role(state, name));
    out["RolePolicyList"] = json!(inline);
    out["AttachedManagedPolicies"] = json!(roles::attached(role));
    out["Tags"] = role["Tags"].clone();
    out
}

fn policy_detail(state: &State<'_>, policy: &Value) -> Value {
    let mut out = policies::shown(state, policy);
    out["PolicyVersionList"] = json!(policies::versions(policy));
    out["Tags"] = Value::Null;
    out
}
