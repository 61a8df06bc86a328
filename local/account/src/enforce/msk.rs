//! Amazon MSK: clusters, configurations and topics. What happens within Kafka is Kafka's.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let operation = asks.operation();
    let input = asks.input();
    let tags = tags_of_object(input, "tags");
    let cluster = asks.text("clusterArn").unwrap_or("*").to_owned();
    match operation {
        "ListClustersV2" | "ListConfigurations" | "GetBootstrapBrokers" | "DescribeClusterOperationV2" => {
            asks.own("kafka", "*")
        }
        "CreateClusterV2" => {
            let name = input.text("clusterName").unwrap_or_default();
            let made = asks.arn("kafka", &format!("cluster/{name}/*"));
            asks.with_tags("kafka", &made, &tags);
            asks.tag_made("kafka:TagResource", made, &tags);
            // MSK looks at the network in the caller's name.
            for action in ["ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeSecurityGroups"] {
                asks.plain(action);
            }
            let key = input["provisioned"]["encryptionInfo"]["encryptionAtRest"].text("dataVolumeKMSKeyId");
            match key {
                Some(key) => asks.use_key(&["kms:CreateGrant", "kms:DescribeKey"], key, "kafka"),
                None => Some(()),
            }
        }
        "CreateConfiguration" => {
            asks.own("kafka", asks.arn("kafka", &format!("configuration/{}/*", asks.text("name").unwrap_or_default())))
        }
        "DescribeConfiguration"
        | "DescribeConfigurationRevision"
        | "ListConfigurationRevisions"
        | "UpdateConfiguration"
        | "DeleteConfiguration" => asks.own("kafka", asks.text("arn").unwrap_or("*")),
        "CreateTopic" | "DescribeTopic" | "DescribeTopicPartitions" | "UpdateTopic" | "DeleteTopic" => {
            let topic = asks.text("topicName").unwrap_or("*");
            asks.own("kafka", format!("{}/{topic}", cluster.replacen(":cluster/", ":topic/", 1)))
        }
        "UpdateClusterConfiguration" => {
            asks.own("kafka", cluster);
            match input["configurationInfo"].text("arn") {
                Some(configuration) => asks.own("kafka", configuration),
                None => Some(()),
            }
        }
        "DescribeClusterV2"
        | "DeleteCluster"
        | "ListNodes"
        | "ListClusterOperationsV2"
        | "ListTopics"
        | "ListScramSecrets"
        | "BatchAssociateScramSecret"
        | "BatchDisassociateScramSecret"
        | "UpdateBrokerCount"
        | "UpdateBrokerStorage"
        | "UpdateBrokerType"
        | "UpdateClusterKafkaVersion"
        | "UpdateConnectivity"
        | "UpdateMonitoring"
        | "UpdateSecurity"
        | "UpdateStorage" => asks.own("kafka", cluster),
        "ListTagsForResource" => asks.own("kafka", asks.text("resourceArn").unwrap_or("*")),
        "TagResource" => asks.with_tags("kafka", asks.text("resourceArn").unwrap_or("*"), &tags),
        "UntagResource" => {
            let ask = Ask::on("kafka:UntagResource", asks.text("resourceArn").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("tagKeys")))
        }
        _ => None,
    }
}
