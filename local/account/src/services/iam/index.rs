//! What the tagging API lists of IAM, in one region alone: policies and instance profiles, and no roles, as others saw on AWS.

use crate::fields::Fields as _;
use crate::state::{GLOBAL, State, tag_list, tags_of};
use lakewright_iam::Arn;
use serde_json::Value;

/// The region whose tagging API lists them.
const HOME: &str = "us-east-1";
/// The collections that it lists.
const LISTED: [&str; 2] = ["iam/policy", "iam/profile"];

/// Shows the tagging API a thing with the tags that it has now.
pub(super) fn show(state: &mut State<'_>, collection: &str, thing: &Value) {
    if let Some(arn) = thing.text("Arn").filter(|_| LISTED.contains(&collection)) {
        state.region(HOME).set_tags(arn, &tags_of(thing.list("Tags"), "Key", "Value"));
    }
}

/// Takes a thing that is gone out of the tagging API's list.
pub(super) fn forget(state: &mut State<'_>, thing: &Value) {
    if let Some(arn) = thing.text("Arn") {
        state.region(HOME).forget_tags(arn);
    }
}

/// Gives a thing the tags that the tagging API wrote.
pub(crate) fn take_over(state: &mut State<'_>, arn: &str) {
    let Some(parsed) = Arn::parse(arn) else { return };
    let (collection, key) = match (parsed.service, parsed.kind()) {
        ("iam", "policy") => ("iam/policy", arn),
        ("iam", "instance-profile") => ("iam/profile", arn.rsplit('/').next().unwrap_or_default()),
        _ => return,
    };
    let tags = tag_list(&state.region(HOME).tags(arn), "Key", "Value");
    let mut state = state.region(GLOBAL);
    let Some(mut thing) = state.get(collection, key).cloned() else { return };
    thing["Tags"] = tags;
    state.put(collection, key, thing);
}
