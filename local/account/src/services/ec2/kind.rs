//! The table of EC2's kinds: where they are kept, how they are named, and which filters find them.

/// One kind of resource. Its documents have the names of EC2's answers; members beginning with `_` are ours.
#[derive(Debug)]
pub(super) struct Kind {
    /// The collection of its documents.
    pub collection: &'static str,
    /// Its name in ARNs and tag specifications.
    pub resource: &'static str,
    /// The prefix of its ids.
    pub prefix: &'static str,
    /// The member that holds the id.
    pub id: &'static str,
    /// The list member of the describe operation's answer.
    pub set: &'static str,
    /// The describe operation's parameter that lists ids.
    pub ids: &'static str,
    /// The error codes for an id that doesn't exist, and for one that can't exist.
    pub not_found: &'static str,
    /// See `not_found`.
    pub malformed: &'static str,
    /// What error messages call it.
    pub noun: &'static str,
    /// Filters by name, and the path in the document that each compares.
    pub filters: &'static [(&'static str, &'static str)],
}

pub(super) static VPC: Kind = Kind {
    collection: "ec2/vpc",
    resource: "vpc",
    prefix: "vpc-",
    id: "vpcId",
    set: "vpcSet",
    ids: "VpcId",
    not_found: "InvalidVpcID.NotFound",
    malformed: "InvalidVpcID.Malformed",
    noun: "vpc ID",
    filters: &[
        ("vpc-id", "vpcId"),
        ("cidr", "cidrBlock"),
        ("cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"),
        ("state", "state"),
        ("is-default", "isDefault"),
        ("isDefault", "isDefault"),
        ("owner-id", "ownerId"),
        ("dhcp-options-id", "dhcpOptionsId"),
    ],
};

pub(super) static SUBNET: Kind = Kind {
    collection: "ec2/subnet",
    resource: "subnet",
    prefix: "subnet-",
    id: "subnetId",
    set: "subnetSet",
    ids: "SubnetId",
    not_found: "InvalidSubnetID.NotFound",
    malformed: "InvalidSubnetID.Malformed",
    noun: "subnet ID",
    filters: &[
        ("subnet-id", "subnetId"),
        ("vpc-id", "vpcId"),
        ("cidr-block", "cidrBlock"),
        ("cidr", "cidrBlock"),
        ("cidrBlock", "cidrBlock"),
        ("availability-zone", "availabilityZone"),
        ("availabilityZone", "availabilityZone"),
        ("availability-zone-id", "availabilityZoneId"),
        ("default-for-az", "defaultForAz"),
        ("map-public-ip-on-launch", "mapPublicIpOnLaunch"),
        ("state", "state"),
        ("subnet-arn", "subnetArn"),
        ("owner-id", "ownerId"),
    ],
};

pub(super) static INTERNET_GATEWAY: Kind = Kind {
    collection: "ec2/internet-gateway",
    resource: "internet-gateway",
    prefix: "igw-",
    id: "internetGatewayId",
    set: "internetGatewaySet",
    ids: "InternetGatewayId",
    not_found: "InvalidInternetGatewayID.NotFound",
    malformed: "InvalidInternetGatewayId.Malformed",
    noun: "internetGateway ID",
    filters: &[
        ("internet-gateway-id", "internetGatewayId"),
        ("attachment.vpc-id", "attachmentSet.vpcId"),
        ("attachment.state", "attachmentSet.state"),
        ("owner-id", "ownerId"),
    ],
};

pub(super) static ROUTE_TABLE: Kind = Kind {
    collection: "ec2/route-table",
    resource: "route-table",
    prefix: "rtb-",
    id: "routeTableId",
    set: "routeTableSet",
    ids: "RouteTableId",
    not_found: "InvalidRouteTableID.NotFound",
    malformed: "InvalidRouteTableId.Malformed",
    noun: "routeTable ID",
    filters: &[
        ("route-table-id", "routeTableId"),
        ("vpc-id", "vpcId"),
        ("association.main", "associationSet.main"),
        ("association.subnet-id", "associationSet.subnetId"),
        ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
        ("association.route-table-id", "associationSet.routeTableId"),
        ("route.destination-cidr-block", "routeSet.destinationCidrBlock"),
        ("route.destination-prefix-list-id", "routeSet.destinationPrefixListId"),
        ("route.gateway-id", "routeSet.gatewayId"),
        ("route.nat-gateway-id", "routeSet.natGatewayId"),
        ("route.state", "routeSet.state"),
        ("route.origin", "routeSet.origin"),
        ("owner-id", "ownerId"),
    ],
};

pub(super) static SECURITY_GROUP: Kind = Kind {
    collection: "ec2/security-group",
    resource: "security-group",
    prefix: "sg-",
    id: "groupId",
    set: "securityGroupInfo",
    ids: "GroupId",
    not_found: "InvalidGroup.NotFound",
    malformed: "InvalidGroupId.Malformed",
    noun: "security group",
    filters: &[
        ("group-id", "groupId"),
        ("group-name", "groupName"),
        ("vpc-id", "vpcId"),
        ("description", "groupDescription"),
        ("owner-id", "ownerId"),
        ("ip-permission.cidr", "ipPermissions.ipRanges.cidrIp"),
        ("ip-permission.from-port", "ipPermissions.fromPort"),
        ("ip-permission.to-port", "ipPermissions.toPort"),
        ("ip-permission.protocol", "ipPermissions.ipProtocol"),
        ("ip-permission.group-id", "ipPermissions.groups.groupId"),
        ("egress.ip-permission.cidr", "ipPermissionsEgress.ipRanges.cidrIp"),
        ("egress.ip-permission.protocol", "ipPermissionsEgress.ipProtocol"),
        ("egress.ip-permission.group-id", "ipPermissionsEgress.groups.groupId"),
    ],
};

pub(super) static SECURITY_GROUP_RULE: Kind = Kind {
    collection: "ec2/security-group-rule",
    resource: "security-group-rule",
    prefix: "sgr-",
    id: "securityGroupRuleId",
    set: "securityGroupRuleSet",
    ids: "SecurityGroupRuleId",
    not_found: "InvalidSecurityGroupRuleId.NotFound",
    malformed: "InvalidSecurityGroupRuleId.Malformed",
    noun: "security group rule ID",
    filters: &[("group-id", "groupId"), ("security-group-rule-id", "securityGroupRuleId")],
};

pub(super) static VPC_ENDPOINT: Kind = Kind {
    collection: "ec2/vpc-endpoint",
    resource: "vpc-endpoint",
    prefix: "vpce-",
    id: "vpcEndpointId",
    set: "vpcEndpointSet",
    ids: "VpcEndpointId",
    not_found: "InvalidVpcEndpointId.NotFound",
    malformed: "InvalidVpcEndpointId.Malformed",
    noun: "Vpc Endpoint Id",
    filters: &[
        ("vpc-endpoint-id", "vpcEndpointId"),
        ("vpc-id", "vpcId"),
        ("service-name", "serviceName"),
        ("vpc-endpoint-type", "vpcEndpointType"),
        ("vpc-endpoint-state", "state"),
    ],
};

pub(super) static LAUNCH_TEMPLATE: Kind = Kind {
    collection: "ec2/launch-template",
    resource: "launch-template",
    prefix: "lt-",
    id: "launchTemplateId",
    set: "launchTemplates",
    ids: "LaunchTemplateId",
    not_found: "InvalidLaunchTemplateId.NotFound",
    malformed: "InvalidLaunchTemplateId.Malformed",
    noun: "launch template ID",
    filters: &[("launch-template-name", "launchTemplateName"), ("create-time", "createTime")],
};

pub(super) static INSTANCE: Kind = Kind {
    collection: "ec2/instance",
    resource: "instance",
    prefix: "i-",
    id: "instanceId",
    set: "instancesSet",
    ids: "InstanceId",
    not_found: "InvalidInstanceID.NotFound",
    malformed: "InvalidInstanceID.Malformed",
    noun: "instance ID",
    filters: &[
        ("instance-id", "instanceId"),
        ("instance-state-name", "instanceState.name"),
        ("instance-state-code", "instanceState.code"),
        ("instance-type", "instanceType"),
        ("image-id", "imageId"),
        ("vpc-id", "vpcId"),
        ("subnet-id", "subnetId"),
        ("availability-zone", "placement.availabilityZone"),
        ("private-ip-address", "privateIpAddress"),
        ("private-dns-name", "privateDnsName"),
        ("instance.group-id", "groupSet.groupId"),
        ("instance.group-name", "groupSet.groupName"),
        ("network-interface.network-interface-id", "networkInterfaceSet.networkInterfaceId"),
        ("iam-instance-profile.arn", "iamInstanceProfile.arn"),
        ("client-token", "clientToken"),
        ("owner-id", "_ownerId"),
        ("reservation-id", "_reservationId"),
    ],
};

pub(super) static INTERFACE: Kind = Kind {
    collection: "ec2/network-interface",
    resource: "network-interface",
    prefix: "eni-",
    id: "networkInterfaceId",
    set: "networkInterfaceSet",
    ids: "NetworkInterfaceId",
    not_found: "InvalidNetworkInterfaceID.NotFound",
    malformed: "InvalidNetworkInterfaceId.Malformed",
    noun: "networkInterface ID",
    filters: &[
        ("network-interface-id", "networkInterfaceId"),
        ("vpc-id", "vpcId"),
        ("subnet-id", "subnetId"),
        ("group-id", "groupSet.groupId"),
        ("group-name", "groupSet.groupName"),
        ("private-ip-address", "privateIpAddress"),
        ("addresses.private-ip-address", "privateIpAddressesSet.privateIpAddress"),
        ("attachment.instance-id", "attachment.instanceId"),
        ("attachment.status", "attachment.status"),
        ("availability-zone", "availabilityZone"),
        ("description", "description"),
        ("status", "status"),
        ("requester-managed", "requesterManaged"),
        ("owner-id", "ownerId"),
    ],
};

pub(super) static NETWORK_ACL: Kind = Kind {
    collection: "ec2/network-acl",
    resource: "network-acl",
    prefix: "acl-",
    id: "networkAclId",
    set: "networkAclSet",
    ids: "NetworkAclId",
    not_found: "InvalidNetworkAclID.NotFound",
    malformed: "InvalidNetworkAclId.Malformed",
    noun: "networkAcl ID",
    filters: &[
        ("network-acl-id", "networkAclId"),
        ("vpc-id", "vpcId"),
        ("default", "default"),
        ("association.subnet-id", "associationSet.subnetId"),
    ],
};

pub(super) static ADDRESS: Kind = Kind {
    collection: "ec2/address",
    resource: "elastic-ip",
    prefix: "eipalloc-",
    id: "allocationId",
    set: "addressesSet",
    ids: "AllocationId",
    not_found: "InvalidAllocationID.NotFound",
    malformed: "InvalidAllocationID.Malformed",
    noun: "allocation ID",
    filters: &[
        ("allocation-id", "allocationId"),
        ("association-id", "associationId"),
        ("domain", "domain"),
        ("network-interface-id", "networkInterfaceId"),
        ("private-ip-address", "privateIpAddress"),
        ("public-ip", "publicIp"),
        ("network-border-group", "networkBorderGroup"),
    ],
};

pub(super) static NAT_GATEWAY: Kind = Kind {
    collection: "ec2/nat-gateway",
    resource: "natgateway",
    prefix: "nat-",
    id: "natGatewayId",
    set: "natGatewaySet",
    ids: "NatGatewayId",
    not_found: "NatGatewayNotFound",
    malformed: "NatGatewayMalformed",
    noun: "NAT gateway",
    filters: &[("nat-gateway-id", "natGatewayId"), ("state", "state"), ("subnet-id", "subnetId"), ("vpc-id", "vpcId")],
};

pub(super) static FLOW_LOG: Kind = Kind {
    collection: "ec2/flow-log",
    resource: "vpc-flow-log",
    prefix: "fl-",
    id: "flowLogId",
    set: "flowLogSet",
    ids: "FlowLogId",
    not_found: "InvalidFlowLogId.NotFound",
    malformed: "InvalidFlowLogId.Malformed",
    noun: "flow log ID",
    filters: &[
        ("deliver-log-status", "deliverLogsStatus"),
        ("log-destination-type", "logDestinationType"),
        ("flow-log-id", "flowLogId"),
        ("log-group-name", "logGroupName"),
        ("resource-id", "resourceId"),
        ("traffic-type", "trafficType"),
    ],
};

pub(super) static VOLUME: Kind = Kind {
    collection: "ec2/volume",
    resource: "volume",
    prefix: "vol-",
    id: "volumeId",
    set: "volumeSet",
    ids: "VolumeId",
    not_found: "InvalidVolume.NotFound",
    malformed: "InvalidParameterValue",
    noun: "volume",
    filters: &[
        ("volume-id", "volumeId"),
        ("availability-zone", "availabilityZone"),
        ("status", "status"),
        ("size", "size"),
        ("volume-type", "volumeType"),
        ("encrypted", "encrypted"),
        ("snapshot-id", "snapshotId"),
        ("create-time", "createTime"),
        ("attachment.instance-id", "attachmentSet.instanceId"),
        ("attachment.device", "attachmentSet.device"),
        ("attachment.status", "attachmentSet.status"),
        ("attachment.delete-on-termination", "attachmentSet.deleteOnTermination"),
    ],
};

/// Every kind, for tags and for whatever works on all of them.
pub(super) static ALL: [&Kind; 15] = [
    &VPC,
    &SUBNET,
    &INTERNET_GATEWAY,
    &ADDRESS,
    &NAT_GATEWAY,
    &FLOW_LOG,
    &ROUTE_TABLE,
    &SECURITY_GROUP,
    &SECURITY_GROUP_RULE,
    &VPC_ENDPOINT,
    &LAUNCH_TEMPLATE,
    &INSTANCE,
    &INTERFACE,
    &NETWORK_ACL,
    &VOLUME,
];

/// Returns the kind that an id belongs to.
pub(super) fn of_id(id: &str) -> Option<&'static Kind> {
    ALL.into_iter().find(|kind| id.starts_with(kind.prefix))
}
