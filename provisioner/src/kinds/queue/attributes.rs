//! A queue's attributes, which SQS takes and gives as texts.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use lakewright_aws::Needed as _;
use serde_json::{Value, json};

use super::{DeadLetters, QueueArn, Spec, data_key_reuse_seconds};
use crate::kind::Departure;
use crate::kinds::policy;
use crate::kinds::values::KeyId;

/// Attributes by name.
pub(super) type Attributes = HashMap<Attribute, String>;

/// The fields that attributes stand for: all but those that a queue is made with.
pub(super) const WRITTEN: &[&str] = &[
    "content_based_deduplication",
    "retention_seconds",
    "visibility_timeout_seconds",
    "delay_seconds",
    "receive_wait_seconds",
    "max_message_bytes",
    "key",
    "data_key_reuse_seconds",
    "policy",
    "dead_letters",
    "dead_letter_sources",
];

/// The attributes that stand for those fields, as SQS takes them; an empty text takes one away.
pub(super) fn written(spec: &Spec, fields: &[&str]) -> Attributes {
    let mut attributes = Attributes::new();
    for field in fields {
        match *field {
            "content_based_deduplication" if spec.fifo => {
                attributes.insert(Attribute::ContentBasedDeduplication, spec.content_based_deduplication.to_string());
            }
            "retention_seconds" => {
                attributes.insert(Attribute::MessageRetentionPeriod, spec.retention_seconds.to_string());
            }
            "visibility_timeout_seconds" => {
                attributes.insert(Attribute::VisibilityTimeout, spec.visibility_timeout_seconds.to_string());
            }
            "delay_seconds" => {
                attributes.insert(Attribute::DelaySeconds, spec.delay_seconds.to_string());
            }
            "receive_wait_seconds" => {
                attributes.insert(Attribute::ReceiveMessageWaitTimeSeconds, spec.receive_wait_seconds.to_string());
            }
            "max_message_bytes" => {
                attributes.insert(Attribute::MaximumMessageSize, spec.max_message_bytes.to_string());
            }
            "key" | "data_key_reuse_seconds" => encryption(spec, &mut attributes),
            "policy" => {
                let document = spec.policy.as_ref().map(Value::to_string).unwrap_or_default();
                attributes.insert(Attribute::Policy, document);
            }
            "dead_letters" => {
                let redrive = spec.dead_letters.as_ref().map(|dead| {
                    json!({"deadLetterTargetArn": dead.queue, "maxReceiveCount": dead.max_receives}).to_string()
                });
                attributes.insert(Attribute::RedrivePolicy, redrive.unwrap_or_default());
            }
            "dead_letter_sources" => {
                attributes.insert(Attribute::RedriveAllowPolicy, allowed(spec.dead_letter_sources.as_deref()));
            }
            _ => {}
        }
    }
    attributes
}

/// One kind of encryption excludes the other: a call names both.
fn encryption(spec: &Spec, attributes: &mut Attributes) {
    attributes.insert(Attribute::SqsManagedSseEnabled, spec.key.is_none().to_string());
    attributes.insert(Attribute::KmsMasterKeyId, spec.key.clone().unwrap_or_default().into());
    if spec.key.is_some() {
        attributes.insert(Attribute::KmsDataKeyReusePeriodSeconds, spec.data_key_reuse_seconds.to_string());
    }
}

/// Whose dead letters a queue takes.
fn allowed(sources: Option<&[QueueArn]>) -> String {
    let allowed = match sources {
        None => json!({"redrivePermission": "allowAll"}),
        Some([]) => json!({"redrivePermission": "denyAll"}),
        Some(sources) => {
            let mut sources = sources.to_vec();
            sources.sort_unstable();
            sources.dedup();
            json!({"redrivePermission": "byQueue", "sourceQueueArns": sources})
        }
    };
    allowed.to_string()
}

/// What the attributes of a queue say, and what no spec does.
pub(super) fn read(name: &str, attributes: &Attributes) -> Result<(Spec, Vec<Departure>)> {
    // What is off may be absent, and so may what was never set.
    let is_on = |name: &Attribute| attributes.get(name).is_some_and(|value| value == "true");
    let text = |name: &Attribute| attributes.get(name).filter(|value| !value.is_empty());
    let key = text(&Attribute::KmsMasterKeyId).cloned().map(KeyId::from);
    let reuse = text(&Attribute::KmsDataKeyReusePeriodSeconds).filter(|_| key.is_some());
    let encrypts = is_on(&Attribute::SqsManagedSseEnabled) || key.is_some();
    let departures = Departure::of("key.managed_by_sqs", encrypts, true).into_iter().collect();
    let spec = Spec {
        name: name.into(),
        fifo: is_on(&Attribute::FifoQueue),
        content_based_deduplication: is_on(&Attribute::ContentBasedDeduplication),
        retention_seconds: number(attributes, &Attribute::MessageRetentionPeriod)?,
        visibility_timeout_seconds: number(attributes, &Attribute::VisibilityTimeout)?,
        delay_seconds: number(attributes, &Attribute::DelaySeconds)?,
        receive_wait_seconds: number(attributes, &Attribute::ReceiveMessageWaitTimeSeconds)?,
        max_message_bytes: number(attributes, &Attribute::MaximumMessageSize)?,
        data_key_reuse_seconds: match reuse {
            Some(_) => number(attributes, &Attribute::KmsDataKeyReusePeriodSeconds)?,
            None => data_key_reuse_seconds(),
        },
        key,
        policy: text(&Attribute::Policy).map(|document| policy::parse(document)).transpose()?,
        dead_letters: text(&Attribute::RedrivePolicy).map(|redrive| dead_letters(redrive)).transpose()?,
        dead_letter_sources: text(&Attribute::RedriveAllowPolicy).map(|allow| sources(allow)).transpose()?.flatten(),
    };
    Ok((spec, departures))
}

/// Whether a queue holds no message, as far as SQS counts them.
pub(super) fn is_empty(attributes: &Attributes) -> Result<bool> {
    let counts = [
        Attribute::ApproximateNumberOfMessages,
        Attribute::ApproximateNumberOfMessagesNotVisible,
        Attribute::ApproximateNumberOfMessagesDelayed,
    ];
    let counts = counts.iter().map(|name| number(attributes, name)).collect::<Result<Vec<_>>>()?;
    Ok(counts.iter().all(|count| *count == 0))
}

fn number(attributes: &Attributes, name: &Attribute) -> Result<u32> {
    let member = format!("GetQueueAttributes.Attributes.{}", name.as_str());
    let text = attributes.get(name).needed("sqs", &member)?;
    text.parse().with_context(|| format!("read {member}: `{text}`"))
}

fn dead_letters(redrive: &str) -> Result<DeadLetters> {
    let redrive: Value = serde_json::from_str(redrive).context("read a redrive policy")?;
    let queue = redrive["deadLetterTargetArn"].as_str().needed("sqs", "RedrivePolicy.deadLetterTargetArn")?;
    // A number that was given as a text comes back as one.
    let count = &redrive["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    let count = count.needed("sqs", "RedrivePolicy.maxReceiveCount")?;
    Ok(DeadLetters { queue: queue.into(), max_receives: u32::try_from(count)? })
}

fn sources(allow: &str) -> Result<Option<Vec<QueueArn>>> {
    let allow: Value = serde_json::from_str(allow).context("read a redrive allow policy")?;
    let listed = allow["sourceQueueArns"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(match allow["redrivePermission"].as_str() {
        Some("denyAll") => Some(Vec::new()),
        Some("byQueue") => Some(listed.map(QueueArn::from).collect()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(partial: Value) -> Spec {
        serde_json::from_value(partial).expect("a queue")
    }

    /// What SQS gives back of what a queue was given.
    fn kept(spec: &Spec) -> Attributes {
        let mut attributes = written(spec, WRITTEN);
        attributes.retain(|_, value| !value.is_empty());
        if spec.fifo {
            attributes.insert(Attribute::FifoQueue, "true".to_owned());
        }
        attributes
    }

    #[test]
    fn specs_come_back_as_they_were_written() {
        let queue = "arn:aws:sqs:eu-north-1:123456789012:failed.fifo";
        for partial in [
            json!({"name": "plain"}),
            json!({"name": "closed", "dead_letter_sources": []}),
            json!({
                "name": "all.fifo", "fifo": true, "content_based_deduplication": true, "retention_seconds": 60,
                "visibility_timeout_seconds": 0, "delay_seconds": 5, "receive_wait_seconds": 20,
                "max_message_bytes": 1024, "key": "alias/shop", "data_key_reuse_seconds": 60,
                "policy": {"Version": "2012-10-17", "Statement": []},
                "dead_letters": {"queue": queue, "max_receives": 5}, "dead_letter_sources": [queue],
            }),
        ] {
            let spec = spec(partial);
            assert_eq!(read(&spec.name, &kept(&spec)).expect("readable"), (spec, Vec::new()));
        }
    }

    #[test]
    fn a_queue_in_clear_departs_from_every_spec() {
        let spec = spec(json!({"name": "plain"}));
        let mut attributes = kept(&spec);
        attributes.insert(Attribute::SqsManagedSseEnabled, "false".to_owned());
        let (found, departures) = read("plain", &attributes).expect("readable");
        assert_eq!((found, departures[0].field()), (spec, "key"));
    }

    #[test]
    fn an_answer_without_a_number_is_refused() {
        let mut attributes = kept(&spec(json!({"name": "plain"})));
        attributes.remove(&Attribute::DelaySeconds);
        let error = read("plain", &attributes).expect_err("it lacks one").to_string();
        assert!(error.contains("GetQueueAttributes.Attributes.DelaySeconds"), "{error}");
        assert!(is_empty(&attributes).is_err(), "it isn't known to be empty");
    }

    #[test]
    fn counts_that_are_texts_are_read() {
        let redrive = r#"{"deadLetterTargetArn": "arn:aws:sqs:eu-north-1:123456789012:b", "maxReceiveCount": "7"}"#;
        assert_eq!(dead_letters(redrive).expect("readable").max_receives, 7);
    }
}
