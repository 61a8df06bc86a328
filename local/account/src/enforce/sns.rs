//! SNS: topics and their subscriptions.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let topic = asks.text("TopicArn").unwrap_or("*");
    let tags = tags_of(input.list("Tags"), "Key", "Value");
    match asks.operation() {
        "ListTopics" | "ListSubscriptions" | "GetSubscriptionAttributes" | "Unsubscribe" => asks.own("sns", "*"),
        "CreateTopic" => {
            let arn = asks.arn("sns", asks.text("Name").unwrap_or_default());
            asks.with_tags("sns", &arn, &tags);
            asks.tag_made("sns:TagResource", arn, &tags)
        }
        "DeleteTopic"
        | "GetTopicAttributes"
        | "SetTopicAttributes"
        | "ConfirmSubscription"
        | "ListSubscriptionsByTopic" => asks.own("sns", topic),
        "Subscribe" => {
            let ask = Ask::on("sns:Subscribe", topic).key("sns:Protocol", asks.text("Protocol"));
            asks.add(ask.key("sns:Endpoint", asks.text("Endpoint")))
        }
        "ListTagsForResource" => asks.own("sns", asks.text("ResourceArn").unwrap_or("*")),
        "TagResource" => asks.with_tags("sns", asks.text("ResourceArn").unwrap_or("*"), &tags),
        "UntagResource" => {
            let ask = Ask::on("sns:UntagResource", asks.text("ResourceArn").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("TagKeys")))
        }
        _ => None,
    }
}
