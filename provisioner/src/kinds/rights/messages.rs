//! SNS, SQS and EventBridge.

use crate::kind::{On, Right, When};

const TOPICS: On = On::Arns(&["sns:{region}:{account}:*"]);
const TOPIC_READS: &[&str] = &["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"];

/// SNS. What a subscription is taken away from, IAM isn't asked.
pub(in crate::kinds) const NOTICES: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["sns:Unsubscribe"]),
    Right::new(TOPICS, &[], &["sns:ListTagsForResource"]),
    Right::new(On::Named(&["sns topic"]), &[], TOPIC_READS),
    Right::new(TOPICS, &[When::Owned], TOPIC_READS),
    Right::new(On::Named(&["sns topic"]), &[When::Made], &["sns:CreateTopic", "sns:TagResource"]),
    Right::new(
        TOPICS,
        &[When::Owned],
        &["sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:UntagResource"],
    ),
    Right::new(TOPICS, &[When::Owned, When::Kept], &["sns:TagResource"]),
];

const QUEUES: On = On::Arns(&["sqs:{region}:{account}:*"]);

/// SQS.
pub(in crate::kinds) const QUEUES_OF_THE_STACK: &[Right] = &[
    Right::new(QUEUES, &[], &["sqs:GetQueueUrl", "sqs:ListQueueTags"]),
    Right::new(On::Named(&["queue"]), &[], &["sqs:GetQueueAttributes"]),
    Right::new(On::Named(&["queue"]), &[When::Made], &["sqs:CreateQueue", "sqs:TagQueue"]),
    Right::new(
        QUEUES,
        &[When::Owned],
        &["sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes", "sqs:UntagQueue"],
    ),
    Right::new(QUEUES, &[When::Owned, When::Kept], &["sqs:TagQueue"]),
];

const RULES: On = On::Arns(&["events:{region}:{account}:rule/*"]);

/// EventBridge.
pub(in crate::kinds) const SCHEDULES: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["events:ListRules"]),
    Right::new(RULES, &[], &["events:ListTagsForResource"]),
    Right::new(On::Named(&["rule"]), &[], &["events:DescribeRule", "events:ListTargetsByRule"]),
    // A rule that is there is changed by the same call, which then writes no tags.
    Right::new(On::Named(&["rule"]), &[When::Made], &["events:PutRule", "events:TagResource"]),
    Right::new(
        RULES,
        &[When::Owned],
        &[
            "events:DeleteRule",
            "events:DescribeRule",
            "events:ListTargetsByRule",
            "events:PutRule",
            "events:PutTargets",
            "events:RemoveTargets",
            "events:UntagResource",
        ],
    ),
    Right::new(RULES, &[When::Owned, When::Kept], &["events:TagResource"]),
];
