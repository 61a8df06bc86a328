//! A topic as MSK takes it and gives it back.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_kafka::operation::describe_topic::DescribeTopicOutput;
use aws_sdk_kafka::types::TopicState;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_aws::{Error, Needed as _, ask};

use crate::kind::Context;
use crate::kinds::msk::{decode_properties, encode_properties};
use crate::kinds::wait;
use crate::services::Services as _;

/// A topic of a cluster; none where there is none of that name.
pub(super) async fn describe(context: &Context, cluster: &str, name: &str) -> Result<Option<DescribeTopicOutput>> {
    let call = context.aws.kafka().describe_topic().cluster_arn(cluster).topic_name(name);
    Ok(wait::found(ask(call.send()).await)?)
}

/// Settings as the topic API takes them: a properties file in Base64.
pub(super) fn encode(settings: &BTreeMap<String, String>) -> String {
    STANDARD.encode(encode_properties(settings))
}

/// The settings that MSK shows of a topic; none if it shows none.
pub(super) fn settings(topic: &DescribeTopicOutput) -> Result<BTreeMap<String, String>, Error> {
    let file = STANDARD.decode(topic.configs().unwrap_or_default().trim());
    let file = file.map_err(|error| Error::bad_answer("kafka", "DescribeTopic", 200, error))?;
    Ok(decode_properties(&file))
}

/// How many partitions and replicas a topic has.
pub(super) fn counts(topic: &DescribeTopicOutput) -> Result<[u32; 2]> {
    let partitions = topic.partition_count().needed("kafka", "DescribeTopic.PartitionCount")?;
    let replication = topic.replication_factor().needed("kafka", "DescribeTopic.ReplicationFactor")?;
    Ok([u32::try_from(partitions)?, u32::try_from(replication)?])
}

/// The state of a topic on its way, if it is: MSK need not name the state of one that stands.
pub(super) fn pending(topic: &DescribeTopicOutput) -> Option<&TopicState> {
    topic.status().filter(|state| **state != TopicState::Active)
}

/// Its ARN.
pub(super) fn arn(topic: &DescribeTopicOutput) -> Result<&str, Error> {
    topic.topic_arn().needed("kafka", "DescribeTopic.TopicArn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_go_to_the_topic_api_in_base64() {
        let given = BTreeMap::from([("retention.ms".to_owned(), "604800000".to_owned())]);
        assert_eq!(encode(&given), "cmV0ZW50aW9uLm1zPTYwNDgwMDAwMA==");
        let topic = |configs: &str| DescribeTopicOutput::builder().configs(configs).build();
        assert_eq!(settings(&topic(&encode(&given))).expect("settings"), given);
        assert_eq!(settings(&DescribeTopicOutput::builder().build()).expect("none"), BTreeMap::new());
        assert!(settings(&topic("retention.ms=1")).is_err(), "no Base64");
    }
}
