//! CloudWatch with its logs, and AWS Budgets.

use crate::kind::{On, Right, When};

const ALARMS: On = On::Arns(&["cloudwatch:{region}:{account}:alarm:*"]);
/// A dashboard and a budget have the stack's own name, also when they have left the file.
const DASHBOARD: On = On::Arns(&["cloudwatch::{account}:dashboard/{stack}"]);
const DASHBOARDS: &[&str] = &[
    "cloudwatch:DeleteDashboards",
    "cloudwatch:GetDashboard",
    "cloudwatch:PutDashboard",
    "cloudwatch:TagResource",
    "cloudwatch:UntagResource",
];
const BUDGET: On = On::Arns(&["budgets::{account}:budget/{stack}"]);
const BUDGETS: &[&str] = &[
    "budgets:ListTagsForResource",
    "budgets:ModifyBudget",
    "budgets:TagResource",
    "budgets:UntagResource",
    "budgets:ViewBudget",
];

/// Alarms and dashboards.
pub(in crate::kinds) const METRICS: &[Right] = &[
    Right::new(ALARMS, &[], &["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"]),
    // An alarm that is there is changed by the same call, which then writes no tags.
    Right::new(On::Named(&["alarm"]), &[When::Made], &["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]),
    Right::new(
        ALARMS,
        &[When::Owned],
        &["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:UntagResource"],
    ),
    Right::new(ALARMS, &[When::Owned, When::Kept], &["cloudwatch:TagResource"]),
    // Application Auto Scaling makes those of a cluster's storage in the caller's name.
    Right::new(On::Named(&["scaling alarm"]), &[], &["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"]),
    Right::new(DASHBOARD, &[], DASHBOARDS),
    Right::new(On::Named(&["dashboard"]), &[], DASHBOARDS),
    Right::new(On::Arns(&["cloudwatch::{account}:dashboard/*"]), &[], &["cloudwatch:ListTagsForResource"]),
];

/// Budgets.
pub(in crate::kinds) const MONEY: &[Right] =
    &[Right::new(BUDGET, &[], BUDGETS), Right::new(On::Named(&["budget"]), &[], BUDGETS)];

/// The groups under the stack's own prefix; those elsewhere are named one by one.
const OWN_GROUPS: On = On::Arns(&["logs:{region}:{account}:log-group:/lakewright/{stack}/*"]);
const NAMED_GROUPS: On = On::Named(&["log group"]);
const GROUPS: On = On::Arns(&["logs:{region}:{account}:log-group:*"]);
const FILTERS: &[&str] = &["logs:DeleteMetricFilter", "logs:DescribeMetricFilters", "logs:PutMetricFilter"];

/// Log groups, their metric filters, and the delivery of others' logs, which services set up in the caller's name.
pub(in crate::kinds) const LOGS: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["logs:DescribeLogGroups"]),
    Right::new(GROUPS, &[], &["logs:ListTagsForResource"]),
    Right::new(
        OWN_GROUPS,
        &[],
        &[
            "logs:AssociateKmsKey",
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:DisassociateKmsKey",
            "logs:PutRetentionPolicy",
            "logs:TagResource",
            "logs:UntagResource",
        ],
    ),
    Right::new(OWN_GROUPS, &[], FILTERS),
    Right::new(NAMED_GROUPS, &[When::Made], &["logs:CreateLogGroup", "logs:TagResource"]),
    Right::new(
        GROUPS,
        &[When::Owned],
        &[
            "logs:AssociateKmsKey",
            "logs:DeleteLogGroup",
            "logs:DisassociateKmsKey",
            "logs:PutRetentionPolicy",
            "logs:UntagResource",
        ],
    ),
    Right::new(GROUPS, &[When::Owned, When::Kept], &["logs:TagResource"]),
    Right::new(On::Named(&["filtered", "log group"]), &[], FILTERS),
    Right::new(
        On::Everything,
        &[When::Here, When::OnBehalf],
        &[
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ],
    ),
];
