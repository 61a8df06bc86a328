//! Where a bucket sends to: its access logs, and notifications of what happens in it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::types::{
    Event, EventBridgeConfiguration, FilterRule, FilterRuleName, LambdaFunctionConfiguration,
    NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use lakewright_aws::{Error, Needed as _};
use lakewright_iam::Arn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::values::BucketName;

/// Where access logs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLogs {
    /// The name of the bucket that they are written to: of the same account and region, without a KMS key, and with a
    /// policy that lets `logging.s3.amazonaws.com` in.
    #[schemars(with = "BucketName")]
    pub bucket: String,
    /// What their keys begin with.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub prefix: String,
}

/// Who is notified of what happens in a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// Whether EventBridge is notified of everything.
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
            let is_event = |event: &String| event.starts_with("s3:") || event.contains("${");
            if destination.events.is_empty() || !destination.events.iter().all(is_event) {
                bail!("the events of the notification {} are named as in s3:ObjectCreated:*", destination.id);
            }
            if !destination.arn.contains("${") {
                service(&destination.arn)?;
            }
        }
        Ok(())
    }
}

/// One that is notified of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The notification's name, unique in the bucket.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// The ARN of an SNS topic, an SQS queue or a Lambda function.
    pub arn: String,
    /// The events, `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// What the keys of the objects begin with.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub prefix: String,
    /// What the keys of the objects end with.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub suffix: String,
}

/// What S3 notifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// An SNS topic.
    Topic,
    /// An SQS queue.
    Queue,
    /// A Lambda function.
    Function,
}

/// What a destination's ARN names, or the refusal of one that S3 doesn't notify.
fn service(arn: &str) -> Result<Service> {
    match Arn::parse(arn).map(|arn| arn.service) {
        Some("sns") => Ok(Service::Topic),
        Some("sqs") => Ok(Service::Queue),
        Some("lambda") => Ok(Service::Function),
        _ => bail!("{arn} is the ARN of no SNS topic, SQS queue or Lambda function"),
    }
}

/// Who is notified, as S3 gives it back.
pub(super) fn told(set: &GetBucketNotificationConfigurationOutput) -> Result<Notifications, Error> {
    let topics = set.topic_configurations().iter();
    let topics = topics.map(|one| destination(one.id(), one.topic_arn(), one.events(), one.filter()));
    let queues = set.queue_configurations().iter();
    let queues = queues.map(|one| destination(one.id(), one.queue_arn(), one.events(), one.filter()));
    let functions = set.lambda_function_configurations().iter();
    let functions = functions.map(|one| destination(one.id(), one.lambda_function_arn(), one.events(), one.filter()));
    Ok(Notifications {
        event_bridge: set.event_bridge_configuration().is_some(),
        destinations: topics.chain(queues).chain(functions).collect::<Result<_, _>>()?,
    })
}

fn destination(
    id: Option<&str>,
    arn: &str,
    events: &[Event],
    filter: Option<&NotificationConfigurationFilter>,
) -> Result<Destination, Error> {
    let rules = filter.and_then(NotificationConfigurationFilter::key).map(S3KeyFilter::filter_rules);
    let rule = |name: &FilterRuleName| {
        // S3 gives the names back with a capital.
        let is_named =
            |rule: &&FilterRule| rule.name().is_some_and(|known| known.as_str().eq_ignore_ascii_case(name.as_str()));
        let rule = rules.unwrap_or_default().iter().find(is_named);
        rule.and_then(FilterRule::value).unwrap_or_default().to_owned()
    };
    Ok(Destination {
        id: id.needed("s3", "NotificationConfiguration.Id")?.to_owned(),
        arn: arn.needed("s3", "NotificationConfiguration.Arn")?.to_owned(),
        events: events.iter().map(|event| event.as_str().to_owned()).collect(),
        prefix: rule(&FilterRuleName::Prefix),
        suffix: rule(&FilterRuleName::Suffix),
    })
}

/// The same as S3 takes it.
pub(super) fn telling(notifications: &Notifications) -> Result<NotificationConfiguration> {
    let mut set = NotificationConfiguration::builder();
    for one in &notifications.destinations {
        let events = Some(one.events.iter().map(|event| Event::from(event.as_str())).collect());
        let filter = filter(one);
        set = match service(&one.arn)? {
            Service::Topic => {
                let topic = TopicConfiguration::builder().id(&one.id).topic_arn(&one.arn);
                set.topic_configurations(topic.set_events(events).set_filter(filter).build().expect(GIVEN))
            }
            Service::Queue => {
                let queue = QueueConfiguration::builder().id(&one.id).queue_arn(&one.arn);
                set.queue_configurations(queue.set_events(events).set_filter(filter).build().expect(GIVEN))
            }
            Service::Function => {
                let function = LambdaFunctionConfiguration::builder().id(&one.id).lambda_function_arn(&one.arn);
                let function = function.set_events(events).set_filter(filter);
                set.lambda_function_configurations(function.build().expect(GIVEN))
            }
        };
    }
    let event_bridge = notifications.event_bridge.then(|| EventBridgeConfiguration::builder().build());
    Ok(set.set_event_bridge_configuration(event_bridge).build())
}

const GIVEN: &str = "ARN and events are given";

/// Which keys a destination is notified of; none for all.
fn filter(one: &Destination) -> Option<NotificationConfigurationFilter> {
    let rules = [(FilterRuleName::Prefix, &one.prefix), (FilterRuleName::Suffix, &one.suffix)].into_iter();
    let rules = rules.filter(|(_, value)| !value.is_empty());
    let rules: Vec<FilterRule> =
        rules.map(|(name, value)| FilterRule::builder().name(name).value(value).build()).collect();
    let key = (!rules.is_empty()).then(|| S3KeyFilter::builder().set_filter_rules(Some(rules)).build())?;
    Some(NotificationConfigurationFilter::builder().key(key).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What S3 gives back of what it was given.
    fn kept(set: NotificationConfiguration) -> GetBucketNotificationConfigurationOutput {
        GetBucketNotificationConfigurationOutput::builder()
            .set_topic_configurations(set.topic_configurations)
            .set_queue_configurations(set.queue_configurations)
            .set_lambda_function_configurations(set.lambda_function_configurations)
            .set_event_bridge_configuration(set.event_bridge_configuration)
            .build()
    }

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
        let back = |spec: &Notifications| told(&kept(telling(spec).expect("known services"))).expect("readable");
        assert_eq!(back(&spec), spec);
        assert_eq!(back(&Notifications::default()), Notifications::default());
    }

    #[test]
    fn names_of_filters_come_back_with_a_capital() {
        let rule = FilterRule::builder().name(FilterRuleName::from("Suffix")).value(".csv").build();
        let key = S3KeyFilter::builder().filter_rules(rule).build();
        let filter = NotificationConfigurationFilter::builder().key(key).build();
        let read = destination(Some("one"), "arn:aws:sqs:eu-north-1:1:q", &[], Some(&filter)).expect("readable");
        assert_eq!((read.prefix.as_str(), read.suffix.as_str()), ("", ".csv"));
    }
}
