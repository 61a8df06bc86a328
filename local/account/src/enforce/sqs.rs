//! SQS: queues and their messages.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let url = asks.text("QueueUrl").unwrap_or_default();
    let name = url.rsplit('/').next().filter(|name| !name.is_empty()).or(asks.text("QueueName")).unwrap_or("*");
    let queue = asks.arn("sqs", name);
    match asks.operation() {
        "ListQueues" => asks.own("sqs", "*"),
        "CreateQueue" => {
            let tags = tags_of_object(input, "tags");
            asks.with_tags("sqs", &queue, &tags);
            asks.tag_made("sqs:TagQueue", queue, &tags)
        }
        "TagQueue" => asks.with_tags("sqs", queue, &tags_of_object(input, "Tags")),
        "UntagQueue" => asks.add(Ask::on("sqs:UntagQueue", queue).tag_keys(input.texts("TagKeys"))),
        "SendMessage" | "SendMessageBatch" => {
            asks.on("sqs:SendMessage", queue);
            use_key(asks, name, &["kms:Decrypt", "kms:GenerateDataKey"])
        }
        "ReceiveMessage" => {
            asks.own("sqs", queue);
            use_key(asks, name, &["kms:Decrypt"])
        }
        "DeleteMessage" | "DeleteMessageBatch" => asks.on("sqs:DeleteMessage", queue),
        "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => asks.on("sqs:ChangeMessageVisibility", queue),
        "DeleteQueue"
        | "GetQueueUrl"
        | "ListDeadLetterSourceQueues"
        | "GetQueueAttributes"
        | "SetQueueAttributes"
        | "ListQueueTags"
        | "PurgeQueue" => asks.own("sqs", queue),
        _ => None,
    }
}

/// What the service does with the queue's key in the caller's name.
fn use_key(asks: &mut Asks<'_, '_>, queue: &str, actions: &[&str]) -> Option<()> {
    let key = asks.state.get("sqs/queue", queue).and_then(|queue| queue["attributes"].text("KmsMasterKeyId"));
    match key.map(str::to_owned) {
        Some(key) => asks.use_key(actions, &key, "sqs"),
        None => Some(()),
    }
}
