//! MSK with its topics, and the growth of its storage.

use crate::kind::{On, Right, When};

const CLUSTERS: On = On::Arns(&["kafka:{region}:{account}:cluster/*/*"]);
/// The settings of every stack's brokers have its name, also when they have left the file.
const SETTINGS: On = On::Arns(&["kafka:{region}:{account}:configuration/{stack}/*"]);
const CONFIGURATION: &[&str] = &[
    "kafka:CreateConfiguration",
    "kafka:DeleteConfiguration",
    "kafka:DescribeConfigurationRevision",
    "kafka:UpdateClusterConfiguration",
    "kafka:UpdateConfiguration",
];
const LOGINS: &[&str] = &["kafka:BatchAssociateScramSecret", "kafka:BatchDisassociateScramSecret"];

/// MSK. All topics of the stack's own clusters are the stack's, and of others' those that it declares.
pub(in crate::kinds) const CLUSTERS_OF_THE_STACK: &[Right] = &[
    Right::new(
        On::Everything,
        &[When::Here],
        &[
            "kafka:DescribeClusterOperation",
            "kafka:GetBootstrapBrokers",
            "kafka:ListClustersV2",
            "kafka:ListConfigurations",
        ],
    ),
    // No more than the list shows; which secrets log in to a cluster are ARNs.
    Right::new(CLUSTERS, &[], &["kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:ListScramSecrets"]),
    Right::new(On::Named(&["cluster"]), &[When::Made], &["kafka:CreateClusterV2", "kafka:TagResource"]),
    Right::new(
        CLUSTERS,
        &[When::Owned],
        &[
            "kafka:DeleteCluster",
            "kafka:UntagResource",
            "kafka:UpdateBrokerCount",
            "kafka:UpdateBrokerStorage",
            "kafka:UpdateBrokerType",
            "kafka:UpdateClusterConfiguration",
            "kafka:UpdateClusterKafkaVersion",
            "kafka:UpdateMonitoring",
            "kafka:UpdateSecurity",
        ],
    ),
    Right::new(CLUSTERS, &[When::Owned], LOGINS),
    Right::new(On::Named(&["logged in to"]), &[], LOGINS),
    Right::new(CLUSTERS, &[When::Owned, When::Kept], &["kafka:TagResource"]),
    Right::new(SETTINGS, &[], CONFIGURATION),
    Right::new(On::Named(&["configuration"]), &[], CONFIGURATION),
    Right::new(
        On::Named(&["topics", "written"]),
        &[],
        &[
            "kafka-cluster:AlterTopic",
            "kafka-cluster:AlterTopicDynamicConfiguration",
            "kafka-cluster:CreateTopic",
            "kafka-cluster:DeleteTopic",
            "kafka-cluster:DescribeTopic",
            "kafka-cluster:DescribeTopicDynamicConfiguration",
            "kafka:CreateTopic",
            "kafka:DeleteTopic",
            "kafka:DescribeTopic",
            "kafka:UpdateTopic",
        ],
    ),
    Right::new(On::Named(&["asked cluster", "cluster"]), &[], &["kafka-cluster:Connect", "kafka:ListTopics"]),
];

const TARGETS: On = On::Arns(&["application-autoscaling:{region}:{account}:scalable-target/*"]);

/// Application Auto Scaling, whose targets are known by identifiers only.
pub(in crate::kinds) const GROWTH: &[Right] = &[
    Right::new(
        On::Everything,
        &[When::Here],
        &["application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies"],
    ),
    Right::new(
        TARGETS,
        &[When::Made, When::Unclaimed, When::OfKafka],
        &["application-autoscaling:RegisterScalableTarget"],
    ),
    Right::new(TARGETS, &[When::Made, When::Unclaimed], &["application-autoscaling:TagResource"]),
    Right::new(
        TARGETS,
        &[When::Owned, When::OfKafka],
        &[
            "application-autoscaling:DeleteScalingPolicy",
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:RegisterScalableTarget",
        ],
    ),
    Right::new(TARGETS, &[When::Owned], &["application-autoscaling:UntagResource"]),
    Right::new(TARGETS, &[When::Owned, When::Kept], &["application-autoscaling:TagResource"]),
];
