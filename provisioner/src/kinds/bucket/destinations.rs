//! Where a bucket sends to: its access logs, and notifications of what happens in it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use lakewright_aws::{list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kinds::spec::reference;

/// Where access logs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLogs {
    /// The name of the bucket that they are written to: of the same account and region, without a KMS key, and with a policy
    /// that lets `logging.s3.amazonaws.com` in.
    pub bucket: String,
    /// What their keys begin with.
    #[serde(default)]
    pub prefix: String,
}

/// Who is told of what happens in a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// Whether EventBridge is told of everything.
    #[serde(default)]
    pub event_bridge: bool,
    /// Topics, queues and functions, whose policies let `s3.amazonaws.com` in already: S3 asks them.
    #[serde(default)]
    pub destinations: Vec<Destination>,
}

impl Notifications {
    /// Refuses what S3 would.
    pub(super) fn check(&self) -> Result<()> {
        let mut ids = BTreeSet::new();
        for destination in &self.destinations {
            if !ids.insert(&destination.id) {
                bail!("two notifications are named {}", destination.id);
            }
            if destination.events.is_empty() || !destination.events.iter().all(|event| event.starts_with("s3:")) {
                bail!("the events of the notification {} are named as in s3:ObjectCreated:*", destination.id);
            }
            let literal = reference(&destination.arn).is_none();
            if literal && service(&destination.arn).is_none() {
                bail!("{} is the ARN of no SNS topic, SQS queue or Lambda function", destination.arn);
            }
        }
        Ok(())
    }
}

/// One that is told of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The notification's name, unique in the bucket.
    pub id: String,
    /// The ARN of an SNS topic, an SQS queue or a Lambda function.
    pub arn: String,
    /// The events, `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// What the keys of the objects begin with.
    #[serde(default)]
    pub prefix: String,
    /// What the keys of the objects end with.
    #[serde(default)]
    pub suffix: String,
}

/// The elements of a notification configuration and their members with the ARN, by service.
const DESTINATIONS: [(&str, &str, &str); 3] = [
    ("sns", "TopicConfiguration", "Topic"),
    ("sqs", "QueueConfiguration", "Queue"),
    ("lambda", "CloudFunctionConfiguration", "CloudFunction"),
];

/// The service of a destination's ARN, if it is one that S3 notifies.
pub(super) fn service(arn: &str) -> Option<&str> {
    let service = arn.strip_prefix("arn:")?.split(':').nth(1)?;
    DESTINATIONS.iter().any(|(known, ..)| *known == service).then_some(service)
}

/// Who is told, as S3 writes it.
pub(super) fn told(set: &Value) -> Notifications {
    let destinations = DESTINATIONS.iter().flat_map(|(_, element, member)| {
        list(set, element).iter().map(move |one| {
            let rules = list(&one["Filter"]["S3Key"], "FilterRule");
            let rule = |name: &str| {
                let rule = rules.iter().find(|rule| text(rule, "Name").eq_ignore_ascii_case(name));
                rule.map(|rule| text(rule, "Value").to_owned()).unwrap_or_default()
            };
            let events = match &one["Event"] {
                Value::Array(events) => events.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                one => one.as_str().map(str::to_owned).into_iter().collect(),
            };
            Destination {
                id: text(one, "Id").to_owned(),
                arn: text(one, member).to_owned(),
                events,
                prefix: rule("prefix"),
                suffix: rule("suffix"),
            }
        })
    });
    Notifications { event_bridge: set.get("EventBridgeConfiguration").is_some(), destinations: destinations.collect() }
}

/// The same as S3 takes it.
pub(super) fn telling(notifications: &Notifications) -> Value {
    let mut body = json!({});
    for (service_name, element, member) in DESTINATIONS {
        let own = notifications.destinations.iter().filter(|one| service(&one.arn) == Some(service_name));
        let written = own.map(|one| {
            let rules = [("prefix", &one.prefix), ("suffix", &one.suffix)].into_iter().filter(|(_, v)| !v.is_empty());
            let rules: Vec<Value> = rules.map(|(name, value)| json!({"Name": name, "Value": value})).collect();
            let mut element = json!({"Id": one.id, member: one.arn, "Event": one.events});
            if !rules.is_empty() {
                element["Filter"] = json!({"S3Key": {"FilterRule": rules}});
            }
            element
        });
        body[element] = written.collect();
    }
    if notifications.event_bridge {
        body["EventBridgeConfiguration"] = json!({});
    }
    body
}

#[cfg(test)]
mod tests {
    use lakewright_aws::xml;

    use super::*;
    use crate::kinds::bucket::NAMESPACE;

    #[test]
    fn notifications_round_trip() {
        let destination = |id: &str, arn: &str, events: &[&str], prefix: &str| Destination {
            id: id.into(),
            arn: arn.into(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            prefix: prefix.into(),
            suffix: String::new(),
        };
        let spec = Notifications {
            event_bridge: true,
            destinations: vec![
                destination("one", "arn:aws:sns:eu-north-1:1:t", &["s3:ObjectCreated:*"], "in/"),
                destination("two", "arn:aws:sns:eu-north-1:1:u", &["s3:ObjectRemoved:*", "s3:ObjectTagging:*"], ""),
                destination("three", "arn:aws:lambda:eu-north-1:1:function:f", &["s3:ObjectCreated:*"], "out/"),
            ],
        };
        let document = xml::document("NotificationConfiguration", NAMESPACE, &telling(&spec));
        assert_eq!(told(&xml::parse(document.as_bytes()).expect("well formed").1), spec);
        let none = xml::document("NotificationConfiguration", NAMESPACE, &telling(&Notifications::default()));
        assert_eq!(told(&xml::parse(none.as_bytes()).expect("well formed").1), Notifications::default());
    }
}
