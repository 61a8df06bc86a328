//! EventBridge: rules of the default bus and their targets.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("events:{}", asks.operation());
    let input = asks.input();
    let rule = |name: Option<&str>| asks.arn("events", &format!("rule/{}", name.unwrap_or("*")));
    let (named, of_targets) = (rule(asks.text("Name")), rule(asks.text("Rule")));
    let tags = tags_of(input.list("Tags"), "Key", "Value");
    match asks.operation() {
        "ListRules" => asks.plain(&action),
        "PutRule" => {
            asks.add(Ask::on(&action, &named).tags(&tags));
            asks.tag_made("events:TagResource", named, &tags);
            match asks.text("RoleArn") {
                Some(role) => asks.pass(role, "events.amazonaws.com"),
                None => Some(()),
            }
        }
        "DescribeRule" | "EnableRule" | "DisableRule" | "DeleteRule" => asks.on(&action, named),
        "PutTargets" => {
            let mut ask = Ask::on(&action, of_targets);
            let targets = input.list("Targets").iter().filter_map(|target| target.text("Arn")).map(str::to_owned);
            ask.keys.set_all("events:TargetArn", targets);
            asks.add(ask);
            for target in input.list("Targets") {
                if let Some(role) = target.text("RoleArn") {
                    asks.pass(role, "events.amazonaws.com");
                }
            }
            Some(())
        }
        "RemoveTargets" | "ListTargetsByRule" => asks.on(&action, of_targets),
        "ListTagsForResource" => asks.on(&action, asks.text("ResourceARN").unwrap_or("*")),
        "TagResource" => asks.add(Ask::on(&action, asks.text("ResourceARN").unwrap_or("*")).tags(&tags)),
        "UntagResource" => {
            let ask = Ask::on(&action, asks.text("ResourceARN").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("TagKeys")))
        }
        _ => None,
    }
}
