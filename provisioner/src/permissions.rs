//! What those who apply a stack must be allowed to do, as narrow as one policy can say it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::resource::Desired;

/// The actions for the kinds of resources: all that a plan, an apply and a destroy ask for. The ones that begin with
/// no kind's operation are what AWS asks for in the caller's name.
const ACTIONS: &[(&str, &[&str])] = &[
    (
        "vpc",
        &[
            "ec2:CreateVpc",
            "ec2:DeleteVpc",
            "ec2:DescribeVpcs",
            "ec2:DescribeVpcAttribute",
            "ec2:ModifyVpcAttribute",
            TAG_EC2,
        ],
    ),
    ("subnet", &["ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:DescribeSubnets", "ec2:ModifySubnetAttribute", TAG_EC2]),
    (
        "internet_gateway",
        &[
            "ec2:CreateInternetGateway",
            "ec2:DeleteInternetGateway",
            "ec2:DescribeInternetGateways",
            "ec2:AttachInternetGateway",
            "ec2:DetachInternetGateway",
            TAG_EC2,
        ],
    ),
    (
        "route_table",
        &[
            "ec2:CreateRouteTable",
            "ec2:DeleteRouteTable",
            "ec2:DescribeRouteTables",
            "ec2:AssociateRouteTable",
            "ec2:DisassociateRouteTable",
            "ec2:ReplaceRouteTableAssociation",
            "ec2:CreateRoute",
            "ec2:ReplaceRoute",
            "ec2:DeleteRoute",
            TAG_EC2,
        ],
    ),
    (
        "security_group",
        &[
            "ec2:CreateSecurityGroup",
            "ec2:DeleteSecurityGroup",
            "ec2:DescribeSecurityGroups",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
            TAG_EC2,
        ],
    ),
    (
        "vpc_endpoint",
        &[
            "ec2:CreateVpcEndpoint",
            "ec2:DeleteVpcEndpoints",
            "ec2:DescribeVpcEndpoints",
            "ec2:ModifyVpcEndpoint",
            TAG_EC2,
        ],
    ),
    (
        "key",
        &[
            "kms:CreateKey",
            "kms:DescribeKey",
            "kms:ScheduleKeyDeletion",
            "kms:CreateAlias",
            "kms:UpdateAlias",
            "kms:DeleteAlias",
            "kms:ListAliases",
            "kms:EnableKeyRotation",
            "kms:DisableKeyRotation",
            "kms:GetKeyRotationStatus",
            "kms:GetKeyPolicy",
            "kms:PutKeyPolicy",
            "kms:UpdateKeyDescription",
            "kms:ListResourceTags",
            "kms:TagResource",
            "kms:UntagResource",
            // Secrets, brokers and volumes are encrypted in the caller's name.
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:GenerateDataKey",
            FIND,
        ],
    ),
    (
        "secret",
        &[
            "secretsmanager:CreateSecret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:ListSecrets",
            "secretsmanager:PutSecretValue",
            "secretsmanager:RestoreSecret",
            "secretsmanager:TagResource",
            "secretsmanager:UpdateSecret",
        ],
    ),
    (
        "bucket",
        &[
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:DeleteBucketPolicy",
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketTagging",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            "s3:ListBucketVersions",
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutLifecycleConfiguration",
            FIND,
        ],
    ),
    ("object", &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]),
    ("release", &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]),
    (
        "role",
        &[
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:GetRole",
            "iam:GetAccountAuthorizationDetails",
            "iam:UpdateAssumeRolePolicy",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:ListRolePolicies",
            "iam:AttachRolePolicy",
            "iam:DetachRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:TagRole",
            "iam:PassRole",
        ],
    ),
    (
        "instance_profile",
        &[
            "iam:CreateInstanceProfile",
            "iam:DeleteInstanceProfile",
            "iam:GetInstanceProfile",
            "iam:ListInstanceProfiles",
            "iam:AddRoleToInstanceProfile",
            "iam:RemoveRoleFromInstanceProfile",
            "iam:TagInstanceProfile",
            "iam:PassRole",
        ],
    ),
    (
        "msk_configuration",
        &[
            "kafka:CreateConfiguration",
            "kafka:UpdateConfiguration",
            "kafka:DeleteConfiguration",
            "kafka:ListConfigurations",
            "kafka:DescribeConfigurationRevision",
        ],
    ),
    (
        "cluster",
        &[
            "kafka:CreateClusterV2",
            "kafka:DeleteCluster",
            "kafka:DescribeClusterV2",
            "kafka:ListClustersV2",
            "kafka:GetBootstrapBrokers",
            "kafka:UpdateBrokerCount",
            "kafka:UpdateBrokerStorage",
            "kafka:UpdateBrokerType",
            "kafka:UpdateClusterConfiguration",
            "kafka:UpdateClusterKafkaVersion",
            "kafka:UpdateMonitoring",
            "kafka:UpdateSecurity",
            "kafka:TagResource",
            // MSK makes interfaces, log deliveries and its own role in the caller's name.
            "ec2:DescribeSubnets",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeVpcs",
            "ec2:DescribeRouteTables",
            "iam:CreateServiceLinkedRole",
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:PutResourcePolicy",
        ],
    ),
    (
        "scram_association",
        &["kafka:BatchAssociateScramSecret", "kafka:BatchDisassociateScramSecret", "kafka:ListScramSecrets"],
    ),
    (
        "topic",
        &[
            "kafka:CreateTopic",
            "kafka:UpdateTopic",
            "kafka:DeleteTopic",
            "kafka:DescribeTopic",
            "kafka:ListTopics",
            // The topic API acts on the brokers in the caller's name.
            "kafka-cluster:Connect",
            "kafka-cluster:CreateTopic",
            "kafka-cluster:AlterTopic",
            "kafka-cluster:DeleteTopic",
            "kafka-cluster:DescribeTopic",
            "kafka-cluster:DescribeTopicDynamicConfiguration",
            "kafka-cluster:AlterTopicDynamicConfiguration",
        ],
    ),
    (
        "database",
        &[
            "glue:CreateDatabase",
            "glue:UpdateDatabase",
            "glue:DeleteDatabase",
            "glue:GetDatabases",
            "glue:GetTables",
            "glue:GetTags",
            "glue:TagResource",
        ],
    ),
    (
        "table",
        // Glue writes the table's first metadata file in the caller's name.
        &[
            "glue:CreateTable",
            "glue:UpdateTable",
            "glue:DeleteTable",
            "glue:GetTable",
            "glue:GetTables",
            "s3:GetObject",
            "s3:PutObject",
        ],
    ),
    (
        "emr_application",
        &[
            "emr-serverless:CreateApplication",
            "emr-serverless:UpdateApplication",
            "emr-serverless:DeleteApplication",
            "emr-serverless:GetApplication",
            "emr-serverless:ListApplications",
            "emr-serverless:StopApplication",
            "emr-serverless:TagResource",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "workgroup",
        &[
            "athena:CreateWorkGroup",
            "athena:UpdateWorkGroup",
            "athena:DeleteWorkGroup",
            "athena:GetWorkGroup",
            "athena:ListWorkGroups",
            "athena:ListTagsForResource",
            "athena:TagResource",
        ],
    ),
    (
        "log_group",
        &[
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:DescribeLogGroups",
            "logs:PutRetentionPolicy",
            "logs:ListTagsForResource",
            "logs:TagResource",
            FIND,
        ],
    ),
    (
        "launch_template",
        &[
            "ec2:CreateLaunchTemplate",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:ModifyLaunchTemplate",
            "ec2:DeleteLaunchTemplate",
            "ec2:DescribeLaunchTemplates",
            "ec2:DescribeLaunchTemplateVersions",
            "ssm:GetParameters",
            TAG_EC2,
        ],
    ),
    (
        "auto_scaling_group",
        &[
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:DeleteAutoScalingGroup",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:CreateOrUpdateTags",
            "iam:CreateServiceLinkedRole",
            // Hosts are started in the caller's name.
            "ec2:RunInstances",
            "ec2:DescribeImages",
            TAG_EC2,
        ],
    ),
];

const TAG_EC2: &str = "ec2:CreateTags";
const FIND: &str = "tag:GetResources";
/// What the lease and the first question need, whatever the stack holds.
const ALWAYS: &[&str] = &[
    "sts:GetCallerIdentity",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:ListBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
];
/// What is allowed on everything or nothing, in no region.
const ON_EVERYTHING: &[&str] = &[
    "iam:GetAccountAuthorizationDetails",
    "iam:ListInstanceProfiles",
    "iam:CreateServiceLinkedRole",
    "sts:GetCallerIdentity",
];

/// The policy that planning, applying and destroying the stack takes in an account and region.
pub fn policy(desired: &Desired, account: &str, region: &str, partition: &str) -> Value {
    let kinds: BTreeSet<&str> = desired.resources.iter().map(|resource| resource.address.kind.as_str()).collect();
    let of_kinds = ACTIONS.iter().filter(|(kind, _)| kinds.contains(kind)).flat_map(|(_, actions)| *actions);
    let mut statements: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for action in of_kinds.chain(ALWAYS) {
        let sid = match action.split(':').next() {
            Some("s3") => "Buckets",
            _ if ON_EVERYTHING.contains(action) => "Account",
            Some("iam") => "Identities",
            _ => "Region",
        };
        statements.entry(sid).or_default().insert(in_short(action));
    }
    let stack = &desired.stack;
    let statements = statements.into_iter().map(|(sid, actions)| {
        let resource = match sid {
            "Buckets" => buckets(desired, account, region, partition),
            "Identities" => json!([
                format!("arn:{partition}:iam::{account}:role/{stack}-*"),
                format!("arn:{partition}:iam::{account}:instance-profile/{stack}-*"),
            ]),
            _ => json!("*"),
        };
        let mut statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource});
        if sid == "Region" {
            statement["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": region}});
        }
        statement
    });
    json!({"Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>()})
}

/// The action, or the pattern that covers it where reading more of the same service gives nothing away: a policy holds
/// 6,144 characters.
fn in_short(action: &str) -> String {
    let reads = ["Describe", "List", "Get"].into_iter().find_map(|verb| {
        let (service, name) = action.split_once(':')?;
        let tells_secrets = matches!(service, "secretsmanager" | "s3" | "sts" | "iam");
        (name.starts_with(verb) && !tells_secrets).then(|| format!("{service}:{verb}*"))
    });
    reads.unwrap_or_else(|| action.to_owned())
}

/// The stack's buckets and the one that holds its lease, with what is in them.
fn buckets(desired: &Desired, account: &str, region: &str, partition: &str) -> Value {
    let own = desired.resources.iter().filter(|resource| resource.address.kind == "bucket");
    let names = own.filter_map(|bucket| bucket.spec["name"].as_str()).map(str::to_owned);
    let names = names.chain([format!("lakewright-{account}-{region}")]);
    names.flat_map(|name| [format!("arn:{partition}:s3:::{name}"), format!("arn:{partition}:s3:::{name}/*")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_actions() {
        let known: BTreeSet<&str> = ACTIONS.iter().map(|(kind, _)| *kind).collect();
        let all: BTreeSet<&str> = crate::kinds::all().iter().map(|kind| kind.name()).collect();
        assert_eq!(known, all);
    }
}
