//! STS: becoming a role, which the role's trust policy decides.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    match asks.operation() {
        // Nobody needs a permission to ask who they are.
        "GetCallerIdentity" => Some(()),
        "AssumeRole" => {
            let tags = tags_of(asks.input().list("Tags"), "Key", "Value");
            let role = asks.text("RoleArn").unwrap_or_default();
            let ask = Ask::on("sts:AssumeRole", role).tags(&tags);
            let ask = ask.key("sts:ExternalId", asks.text("ExternalId"));
            asks.add(ask.key("sts:RoleSessionName", asks.text("RoleSessionName")));
            asks.tag_made("sts:TagSession", role, &tags)
        }
        _ => None,
    }
}
