//! Amazon MSK: clusters, configurations and topics. What happens within Kafka is Kafka's.

use serde_json::Value;

use super::{Ask, Asks, ec2};
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
                asks.in_name(action, "*");
            }
            asks.link("kafka.amazonaws.com", "AWSServiceRoleForKafka");
            deliver(asks, &input["provisioned"]);
            connect(asks);
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
        "UpdateMonitoring" => {
            deliver(asks, input);
            asks.own("kafka", cluster)
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

/// What lets the brokers' logs out, where they go to a log group or a bucket.
/// <https://docs.aws.amazon.com/msk/latest/developerguide/msk-logging.html>
fn deliver(asks: &mut Asks<'_, '_>, input: &Value) {
    let logs = &input["loggingInfo"]["brokerLogs"];
    let goes_to = |place: &str| logs[place].flag("enabled") == Some(true);
    let mut actions = Vec::new();
    if goes_to("cloudWatchLogs") || goes_to("s3") || goes_to("firehose") {
        actions.extend(["logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:ListLogDeliveries"]);
    }
    if goes_to("cloudWatchLogs") {
        actions.extend(["logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:PutResourcePolicy"]);
    }
    for action in actions {
        asks.in_name(action, "*");
    }
}

/// The interface endpoints by which a serverless cluster is reached, which MSK makes and tags.
/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonMSKFullAccess.html>
fn connect(asks: &mut Asks<'_, '_>) {
    let input = asks.input();
    let name = input.text("clusterName").unwrap_or_default();
    let cluster = asks.arn("kafka", &format!("cluster/{name}/*"));
    let tags = [("AWSMSKManaged".to_owned(), "true".to_owned()), ("ClusterArn".to_owned(), cluster)].into();
    for network in input["serverless"].list("vpcConfigs") {
        let made = asks.arn("ec2", "vpc-endpoint/*");
        asks.add(Ask::on("ec2:CreateVpcEndpoint", &made).tags(&tags).by_service());
        let ask = Ask::on("ec2:CreateTags", made).tags(&tags).by_service();
        asks.add(ask.key("ec2:CreateAction", Some("CreateVpcEndpoint")));
        for id in network.texts("subnetIds").iter().chain(&network.texts("securityGroupIds")) {
            ec2::in_name(asks, "ec2:CreateVpcEndpoint", id);
        }
    }
}
