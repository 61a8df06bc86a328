//! Where buckets send to: access logs to other buckets, notifications to topics, queues and functions.

use super::buckets;
use super::call::Call;
use super::errors::{because, error};
use super::xml::Element;
use crate::access::Acting;
use crate::error::AwsError;
use crate::state::State;
use lakewright_iam::Arn;
use serde_json::Value;

/// The service that writes access logs.
const LOGS: &str = "logging.s3.amazonaws.com";
/// The service that notifies.
const S3: &str = "s3.amazonaws.com";

/// Checks a bucket's logging: the target stands in the same region and account, and its policy lets the logs in.
pub(super) fn logging(call: &Call, state: &State<'_>, document: &Element) -> Result<(), AwsError> {
    if document.children.iter().any(|child| child.name != "LoggingEnabled") {
        return Err(error("MalformedXML"));
    }
    let Some(enabled) = document.child("LoggingEnabled") else { return Ok(()) };
    let known = ["TargetBucket", "TargetGrants", "TargetPrefix", "TargetObjectKeyFormat"];
    if enabled.child("TargetPrefix").is_none()
        || enabled.children.iter().any(|child| !known.contains(&child.name.as_str()))
    {
        return Err(error("MalformedXML"));
    }
    let name = enabled.need("TargetBucket")?;
    let refused = |message: &str| Err(because("InvalidTargetBucketForLogging", message).field("TargetBucket", name));
    let own = call.bucket(state)?;
    let Some(target) = state.get("s3/bucket", name) else {
        return refused("The target bucket for logging does not exist");
    };
    if target["owner"] != own["owner"] {
        return refused("The owner for the bucket to be logged and the target bucket must be the same.");
    }
    if target["region"] != own["region"] {
        let message = "Cross S3 location logging not allowed. Bucket in one geographic location cannot log information \
                       to a bucket in another location";
        return Err(because("CrossLocationLoggingProhibited", message).status(403));
    }
    // With enforced ownership a grant to the log delivery group is no way in.
    if enabled.child("TargetGrants").is_some() {
        return refused("Target grants not supported for buckets with Bucket owner enforced setting");
    }
    let prefix = enabled.text_of("TargetPrefix").unwrap_or_default();
    let resource = format!("{}/{prefix}", buckets::arn(name));
    let text = target["settings"]["policy"].as_str().unwrap_or_default();
    let arn = buckets::arn(&call.bucket);
    let logs = Acting { service: LOGS, source: Some((own["owner"].as_str().unwrap_or_default(), &arn)) };
    if !logs.is_let_in(text, "s3:PutObject", &resource) {
        return refused("You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket");
    }
    Ok(())
}

/// The events that buckets notify of; `*` stands for all of a kind.
const EVENTS: [&str; 30] = [
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:ObjectSynced:*",
    "s3:ObjectSynced:Create",
    "s3:ObjectAnnotation:*",
];

/// A destination of events: the element, its member with the ARN, the service and the action that its policy must allow.
const DESTINATIONS: [(&str, &str, &str, &str); 3] = [
    ("TopicConfiguration", "Topic", "sns", "SNS:Publish"),
    ("QueueConfiguration", "Queue", "sqs", "SQS:SendMessage"),
    ("CloudFunctionConfiguration", "CloudFunction", "lambda", "lambda:InvokeFunction"),
];

/// Which objects a notification is about, and of what.
struct Watch<'a> {
    events: Vec<&'a str>,
    prefix: &'a str,
    suffix: &'a str,
}

impl Watch<'_> {
    /// Whether one event could be sent twice.
    fn overlaps(&self, other: &Self) -> bool {
        let meets = |one: &str, other: &str| {
            let kind = |event: &str| event.strip_suffix('*').map(str::to_owned);
            one == other
                || kind(one).is_some_and(|kind| other.starts_with(&kind))
                || kind(other).is_some_and(|kind| one.starts_with(&kind))
        };
        let starts = self.prefix.starts_with(other.prefix) || other.prefix.starts_with(self.prefix);
        let ends = self.suffix.ends_with(other.suffix) || other.suffix.ends_with(self.suffix);
        starts && ends && self.events.iter().any(|one| other.events.iter().any(|other| meets(one, other)))
    }
}

/// Checks a bucket's notifications, the destinations' policies too: they are asked when the notification is set.
pub(super) fn notification(call: &Call, state: &mut State<'_>, document: &Element) -> Result<(), AwsError> {
    let own = call.bucket(state)?;
    let mut watches: Vec<Watch<'_>> = Vec::new();
    let mut ids = Vec::new();
    for one in &document.children {
        if one.name == "EventBridgeConfiguration" {
            continue;
        }
        let destination = DESTINATIONS.iter().find(|(element, ..)| *element == one.name);
        let (_, member, service, action) = destination.ok_or_else(|| error("MalformedXML"))?;
        let watch = watch(one)?;
        if watches.iter().any(|other| other.overlaps(&watch)) {
            let message = "Configurations overlap. Configurations on the same bucket cannot share a common event type.";
            return Err(because("InvalidArgument", message));
        }
        watches.push(watch);
        if let Some(id) = one.text_of("Id").filter(|id| !id.is_empty()) {
            if ids.contains(&id) {
                return Err(because("InvalidArgument", "Same ID used for multiple configurations. IDs must be unique"));
            }
            ids.push(id);
        }
        let arn = one.need(member)?;
        let parsed = Arn::parse(arn).ok_or_else(|| because("InvalidArgument", "The ARN could not be parsed"))?;
        if parsed.service != *service {
            return Err(because("InvalidArgument", format!("The ARN is no {service} ARN: {arn}")));
        }
        if own["region"] != parsed.region {
            let message = "The notification destination service region is not valid for the bucket location constraint";
            return Err(because("InvalidArgument", message));
        }
        if !takes(call, state, &own, (service, action), arn) {
            return Err(because("InvalidArgument", "Unable to validate the following destination configurations")
                .field("ArgumentName1", arn)
                .field("ArgumentValue1", "Not authorized to invoke the destination, or it does not exist"));
        }
    }
    Ok(())
}

/// What a configuration watches.
fn watch(one: &Element) -> Result<Watch<'_>, AwsError> {
    let events: Vec<&str> = one.all("Event").map(|event| event.text.trim()).collect();
    if events.is_empty() {
        return Err(error("MalformedXML"));
    }
    if let Some(strange) = events.iter().find(|event| !EVENTS.contains(event)) {
        return Err(because("InvalidArgument", format!("The event '{strange}' is not supported for notifications")));
    }
    let mut watch = Watch { events, prefix: "", suffix: "" };
    let rules = one.child("Filter").and_then(|filter| filter.child("S3Key"));
    for rule in rules.iter().flat_map(|rules| rules.all("FilterRule")) {
        let value = rule.text_of("Value").unwrap_or_default();
        match rule.need("Name")?.to_ascii_lowercase().as_str() {
            "prefix" if watch.prefix.is_empty() => watch.prefix = value,
            "suffix" if watch.suffix.is_empty() => watch.suffix = value,
            _ => {
                let message = "filter rule name must be either prefix or suffix, each at most once";
                return Err(because("InvalidArgument", message));
            }
        }
    }
    Ok(watch)
}

/// Whether a destination exists and its policy lets S3 in.
fn takes(call: &Call, state: &mut State<'_>, bucket: &Value, (service, action): (&str, &str), arn: &str) -> bool {
    let state = state.at(buckets::tag_scope(bucket));
    let resource = Arn::parse(arn).map_or("", |arn| arn.resource);
    let text = match service {
        "sns" => state.get("sns/topic", arn).and_then(|topic| topic["Policy"].as_str().map(str::to_owned)),
        "lambda" => {
            let name = resource.strip_prefix("function:").and_then(|name| name.split(':').next()).unwrap_or_default();
            let statements = state.get("lambda/function", name).map(|function| function["_policy"].clone());
            statements.map(|statements| serde_json::json!({ "Statement": statements }).to_string())
        }
        _ => {
            let queue = state.get("sqs/queue", resource).filter(|queue| queue["arn"] == arn);
            queue.and_then(|queue| queue["attributes"]["Policy"].as_str().map(str::to_owned))
        }
    };
    tracing::debug!(bucket = call.bucket, arn, found = text.is_some(), "a notification's destination was looked at");
    let own = buckets::arn(&call.bucket);
    let s3 = Acting { service: S3, source: Some((bucket["owner"].as_str().unwrap_or_default(), &own)) };
    text.is_some_and(|text| s3.is_let_in(&text, action, arn))
}
