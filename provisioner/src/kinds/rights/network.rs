//! EC2, its auto-scaling groups, and Route 53.

use crate::kind::{On, Right, When};

/// All of EC2 in the account and region; only what is the stack's, or becomes it, is allowed so.
const EC2: On = On::Arns(&["ec2:{region}:{account}:*/*"]);
/// What a call makes that stands in nothing, in a VPC, and in or between parts of one. In none of these groups does one stand
/// in another, so that a tag of what is made never opens what it is made in.
const ALONE: On = On::Arns(&[
    "ec2:{region}:{account}:elastic-ip/*",
    "ec2:{region}:{account}:internet-gateway/*",
    "ec2:{region}:{account}:launch-template/*",
    "ec2:{region}:{account}:volume/*",
    "ec2:{region}:{account}:vpc/*",
]);
const IN_A_VPC: On = On::Arns(&[
    "ec2:{region}:{account}:route-table/*",
    "ec2:{region}:{account}:security-group/*",
    "ec2:{region}:{account}:subnet/*",
]);
const BETWEEN: On = On::Arns(&[
    "ec2:{region}:{account}:natgateway/*",
    "ec2:{region}:{account}:vpc-endpoint/*",
    "ec2:{region}:{account}:vpc-flow-log/*",
]);
const ENDPOINTS: On = On::Arns(&["ec2:{region}:{account}:vpc-endpoint/*"]);

/// EC2.
pub(in crate::kinds) const EC2_PARTS: &[Right] = &[
    Right::new(
        On::Everything,
        &[When::Here],
        &[
            "ec2:DescribeAddresses",
            "ec2:DescribeFlowLogs",
            "ec2:DescribeIamInstanceProfileAssociations",
            "ec2:DescribeImages",
            "ec2:DescribeInstances",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeLaunchTemplates",
            "ec2:DescribeNatGateways",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVolumes",
            "ec2:DescribeVolumesModifications",
            "ec2:DescribeVpcEndpoints",
            "ec2:DescribeVpcs",
        ],
    ),
    Right::new(On::Arns(&["ec2:{region}:{account}:vpc/*"]), &[], &["ec2:DescribeVpcAttribute"]),
    Right::new(
        ALONE,
        &[When::Made],
        &[
            "ec2:AllocateAddress",
            "ec2:CreateInternetGateway",
            "ec2:CreateLaunchTemplate",
            "ec2:CreateVolume",
            "ec2:CreateVpc",
        ],
    ),
    Right::new(IN_A_VPC, &[When::Made], &["ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"]),
    Right::new(BETWEEN, &[When::Made], &["ec2:CreateFlowLogs", "ec2:CreateNatGateway", "ec2:CreateVpcEndpoint"]),
    Right::new(
        EC2,
        &[When::Owned],
        &[
            "ec2:AssociateRouteTable",
            "ec2:AttachInternetGateway",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateFlowLogs",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:CreateNatGateway",
            "ec2:CreateRoute",
            "ec2:CreateRouteTable",
            "ec2:CreateSecurityGroup",
            "ec2:CreateSubnet",
            "ec2:CreateVpcEndpoint",
            "ec2:DeleteFlowLogs",
            "ec2:DeleteInternetGateway",
            "ec2:DeleteLaunchTemplate",
            "ec2:DeleteNatGateway",
            "ec2:DeleteRoute",
            "ec2:DeleteRouteTable",
            "ec2:DeleteSecurityGroup",
            "ec2:DeleteSubnet",
            "ec2:DeleteTags",
            "ec2:DeleteVolume",
            "ec2:DeleteVpc",
            "ec2:DeleteVpcEndpoints",
            "ec2:DetachInternetGateway",
            "ec2:DisassociateRouteTable",
            "ec2:ModifyLaunchTemplate",
            "ec2:ModifySubnetAttribute",
            "ec2:ModifyVolume",
            "ec2:ModifyVpcAttribute",
            "ec2:ModifyVpcEndpoint",
            "ec2:ReleaseAddress",
            "ec2:ReplaceIamInstanceProfileAssociation",
            "ec2:ReplaceRoute",
            "ec2:ReplaceRouteTableAssociation",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:RunInstances",
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        ],
    ),
    Right::new(
        On::Borrowed,
        &[],
        &[
            "ec2:CreateFlowLogs",
            "ec2:CreateNatGateway",
            "ec2:CreateRouteTable",
            "ec2:CreateSecurityGroup",
            "ec2:CreateSubnet",
            "ec2:CreateVpcEndpoint",
            "ec2:ModifyVpcEndpoint",
            "ec2:RunInstances",
        ],
    ),
    // A rule is nothing without its group, which is asked about too.
    Right::new(
        On::Arns(&["ec2:{region}:{account}:security-group-rule/*"]),
        &[],
        &["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"],
    ),
    // The group's template, subnets and security groups are asked about as what is the stack's.
    Right::new(
        On::Arns(&[
            "ec2:{region}:{account}:instance/*",
            "ec2:{region}:{account}:network-interface/*",
            "ec2:{region}:{account}:volume/*",
            "ec2:{region}::image/*",
        ]),
        &[When::FromTemplate],
        &["ec2:RunInstances"],
    ),
    Right::new(EC2, &[When::InACreate, When::Made], &["ec2:CreateTags"]),
    Right::new(EC2, &[When::Owned, When::Kept], &["ec2:CreateTags"]),
    // MSK makes the endpoints of a serverless cluster in the caller's name.
    Right::new(ENDPOINTS, &[When::MadeByMsk], &["ec2:CreateVpcEndpoint"]),
    Right::new(ENDPOINTS, &[When::InACreate, When::MadeByMsk], &["ec2:CreateTags"]),
    Right::new(ENDPOINTS, &[When::OwnedByMsk], &["ec2:DeleteVpcEndpoints"]),
];

const GROUPS: On = On::Arns(&["autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/*"]);

/// EC2 Auto Scaling.
pub(in crate::kinds) const GROUPS_OF_HOSTS: &[Right] = &[
    Right::new(
        On::Everything,
        &[When::Here],
        &["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes"],
    ),
    Right::new(
        On::Named(&["group"]),
        &[When::Made],
        &["autoscaling:CreateAutoScalingGroup", "autoscaling:CreateOrUpdateTags"],
    ),
    Right::new(
        GROUPS,
        &[When::Owned],
        &[
            "autoscaling:DeleteAutoScalingGroup",
            "autoscaling:DeleteTags",
            "autoscaling:ResumeProcesses",
            "autoscaling:StartInstanceRefresh",
            "autoscaling:UpdateAutoScalingGroup",
        ],
    ),
    Right::new(GROUPS, &[When::Owned, When::Kept], &["autoscaling:CreateOrUpdateTags"]),
];

const ZONES: On = On::Arns(&["route53:::hostedzone/*"]);

/// Route 53, which knows zones by their identifiers only and no tags in conditions. A zone that holds records isn't deleted, and
/// those of others' domains can't be taken out of one.
pub(in crate::kinds) const DOMAINS: &[Right] = &[
    Right::new(On::Everything, &[], &["route53:CreateHostedZone", "route53:ListHostedZonesByName"]),
    Right::new(
        ZONES,
        &[],
        &[
            "route53:ChangeTagsForResource",
            "route53:DeleteHostedZone",
            "route53:GetHostedZone",
            "route53:ListResourceRecordSets",
            "route53:ListTagsForResources",
            "route53:UpdateHostedZoneComment",
        ],
    ),
    Right::new(ZONES, &[When::OwnDomains], &["route53:ChangeResourceRecordSets"]),
    Right::new(On::Arns(&["route53:::change/*"]), &[], &["route53:GetChange"]),
];
