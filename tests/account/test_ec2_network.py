"""EC2's ways out of a network: addresses, NAT gateways, interface endpoints, and what flow logs write."""

import pytest


@pytest.fixture(scope="module")
def ec2(account):
    return account.client("ec2")


@pytest.fixture
def network(ec2):
    """A VPC with private names, a subnet in two zones and an internet gateway; returns their ids."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{at}.0/24", AvailabilityZone=f"eu-north-1{zone}")["Subnet"]["SubnetId"]
        for at, zone in enumerate("ab")
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return vpc, subnets, gateway


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def test_five_addresses_and_no_more(ec2, refused):
    made = [ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", at=str(at))) for at in range(5)]
    assert len({one["PublicIp"] for one in made}) == 5
    with refused("AddressLimitExceeded", 400):
        ec2.allocate_address(Domain="vpc")
    found = ec2.describe_addresses(Filters=[{"Name": "tag:at", "Values": ["3"]}])["Addresses"]
    assert [one["AllocationId"] for one in found] == [made[3]["AllocationId"]] and "AssociationId" not in found[0]
    found = ec2.describe_addresses(PublicIps=[made[0]["PublicIp"]])["Addresses"]
    assert found[0]["AllocationId"] == made[0]["AllocationId"] and found[0]["NetworkBorderGroup"] == "eu-north-1"
    with refused("InvalidAddress.NotFound"):
        ec2.describe_addresses(PublicIps=["192.0.2.1"])
    with refused("InvalidParameterValue"):
        ec2.release_address(PublicIp=made[0]["PublicIp"])
    with refused("InvalidParameterValue"):
        ec2.allocate_address(TagSpecifications=tagged("natgateway", a="b"))
    for one in made:
        ec2.release_address(AllocationId=one["AllocationId"])
    with refused("InvalidAllocationID.NotFound"):
        ec2.release_address(AllocationId=made[0]["AllocationId"])
    assert not ec2.describe_addresses()["Addresses"]


def test_a_nat_gateway_holds_on_to_subnet_address_and_internet_gateway(ec2, network, account, refused):
    vpc, (subnet, other), gateway = network
    address = ec2.allocate_address()["AllocationId"]
    wish = {"SubnetId": subnet, "AllocationId": address, "ClientToken": "one"}
    made = ec2.create_nat_gateway(**wish, TagSpecifications=tagged("natgateway", stack="shop"))["NatGateway"]
    assert made["State"] == "pending" and made["VpcId"] == vpc
    nat = made["NatGatewayId"]
    again = ec2.create_nat_gateway(**wish, TagSpecifications=tagged("natgateway", stack="shop"))["NatGateway"]
    assert again["NatGatewayId"] == nat
    with refused("IdempotentParameterMismatch"):
        ec2.create_nat_gateway(**wish | {"SubnetId": other})
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig={"Delay": 1})
    (shown,) = ec2.describe_nat_gateways(Filters=[{"Name": "tag:stack", "Values": ["shop"]}])["NatGateways"]
    (mapped,) = shown["NatGatewayAddresses"]
    assert mapped["AllocationId"] == address and shown["ConnectivityType"] == "public"
    (used,) = ec2.describe_addresses(AllocationIds=[address])["Addresses"]
    assert used["NetworkInterfaceId"] == mapped["NetworkInterfaceId"] and used["PublicIp"] == mapped["PublicIp"]

    # AWS finds out later that the address is taken.
    second = ec2.create_nat_gateway(SubnetId=other, AllocationId=address)["NatGateway"]["NatGatewayId"]
    (failed,) = ec2.describe_nat_gateways(NatGatewayIds=[second])["NatGateways"]
    assert (failed["State"], failed["FailureCode"]) == ("failed", "Resource.AlreadyAssociated")

    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    with refused("InvalidNatGatewayID.NotFound"):
        ec2.create_route(**everywhere, NatGatewayId="nat-0123456789abcdef0")
    with refused("InvalidParameterCombination"):
        ec2.create_route(**everywhere, NatGatewayId=nat, GatewayId=gateway)
    ec2.create_route(**everywhere, NatGatewayId=nat)
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=address)
    with refused("DependencyViolation"):
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)

    assert ec2.delete_nat_gateway(NatGatewayId=nat)["NatGatewayId"] == nat
    (gone,) = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"]
    assert gone["State"] == "deleted" and gone["Tags"] == [{"Key": "stack", "Value": "shop"}]
    with refused("NatGatewayNotFound"):
        ec2.delete_nat_gateway(NatGatewayId=nat)
    arns = account.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["ec2:natgateway"])
    assert [one["ResourceARN"].rsplit("/")[-1] for one in arns["ResourceTagMappingList"]] == [nat]
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert [route["State"] for route in routes if route.get("NatGatewayId") == nat] == ["blackhole"]
    ec2.release_address(AllocationId=address)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_subnet(SubnetId=subnet)


def test_what_a_nat_gateway_needs(ec2, network, refused):
    vpc, (subnet, _), gateway = network
    with refused("MissingParameter"):
        ec2.create_nat_gateway(SubnetId=subnet)
    with refused("InvalidAllocationID.NotFound"):
        ec2.create_nat_gateway(SubnetId=subnet, AllocationId="eipalloc-0123456789abcdef0")
    address = ec2.allocate_address()["AllocationId"]
    with refused("InvalidSubnetID.NotFound"):
        ec2.create_nat_gateway(SubnetId="subnet-0123456789abcdef0", AllocationId=address)
    with refused("InvalidParameterCombination"):
        ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, ConnectivityType="private")
    with refused("UnknownParameter"):
        ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, VpcId=vpc)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    made = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    (failed,) = ec2.describe_nat_gateways(NatGatewayIds=[made])["NatGateways"]
    assert (failed["State"], failed["FailureCode"]) == ("failed", "Gateway.NotAttached")
    private = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    (shown,) = ec2.describe_nat_gateways(NatGatewayIds=[private])["NatGateways"]
    assert shown["State"] == "available" and "PublicIp" not in shown["NatGatewayAddresses"][0]
    with refused("NatGatewayNotFound"):
        ec2.describe_nat_gateways(NatGatewayIds=["nat-0123456789abcdef0"])
    ec2.delete_nat_gateway(NatGatewayId=private)
    ec2.release_address(AllocationId=address)


def test_interface_endpoints_stand_in_subnets_under_the_services_name(ec2, network, refused):
    vpc, (subnet, other), _ = network
    group = ec2.create_security_group(GroupName="endpoints", Description="x", VpcId=vpc)["GroupId"]
    wish = {"VpcId": vpc, "ServiceName": "com.amazonaws.eu-north-1.glue", "VpcEndpointType": "Interface"}
    with refused("InvalidServiceName"):
        ec2.create_vpc_endpoint(**wish | {"ServiceName": "com.amazonaws.eu-north-1.gleu"})
    made = ec2.create_vpc_endpoint(**wish, SubnetIds=[subnet], SecurityGroupIds=[group], PrivateDnsEnabled=True)
    endpoint = made["VpcEndpoint"]["VpcEndpointId"]
    (shown,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    assert shown["State"] == "available" and shown["Groups"][0]["GroupId"] == group
    assert {"glue.eu-north-1.amazonaws.com"} <= {entry["DnsName"] for entry in shown["DnsEntries"]}
    with refused("InvalidParameter"):
        ec2.create_vpc_endpoint(**wish, SubnetIds=[other], PrivateDnsEnabled=True)
    beside = ec2.create_vpc_endpoint(**wish, SubnetIds=[other], PrivateDnsEnabled=False)["VpcEndpoint"]["VpcEndpointId"]
    with refused("InvalidParameter"):
        ec2.modify_vpc_endpoint(VpcEndpointId=beside, PrivateDnsEnabled=True)

    here = [{"Name": "subnet-id", "Values": [subnet, other]}]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSubnetIds=[other])
    assert len(ec2.describe_network_interfaces(Filters=here)["NetworkInterfaces"]) == 3
    third = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.9.0/24", AvailabilityZone="eu-north-1b")["Subnet"]["SubnetId"]
    with refused("DuplicateSubnetsInSameZone"):
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSubnetIds=[third])
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[other], PrivateDnsEnabled=False)
    wider = ec2.create_security_group(GroupName="wider", Description="x", VpcId=vpc)["GroupId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSecurityGroupIds=[wider], RemoveSecurityGroupIds=[group])
    held = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [wider]}])["NetworkInterfaces"]
    assert [one["SubnetId"] for one in held] == [subnet]
    with refused("InvalidParameterValue"):
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=["rtb-0123456789abcdef0"])
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    assert not ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint, beside])["Unsuccessful"]
    ec2.delete_subnet(SubnetId=subnet)


def test_flow_logs_go_to_a_log_group_by_a_role_or_to_a_bucket(ec2, network, account, refused):
    vpc, *_ = network
    role = "arn:aws:iam::123456789012:role/flows"
    wish = {"ResourceIds": [vpc], "ResourceType": "VPC", "TrafficType": "ALL"}
    group = {"LogGroupName": "flows", "DeliverLogsPermissionArn": role}
    made = ec2.create_flow_logs(**wish, **group, TagSpecifications=tagged("vpc-flow-log", stack="shop"))
    assert not made["Unsuccessful"]
    (shown,) = ec2.describe_flow_logs(Filters=[{"Name": "tag:stack", "Values": ["shop"]}])["FlowLogs"]
    assert (shown["FlowLogId"], shown["ResourceId"]) == (made["FlowLogIds"][0], vpc)
    assert shown["FlowLogStatus"] == "ACTIVE" and shown["MaxAggregationInterval"] == 600
    assert shown["LogDestinationType"] == "cloud-watch-logs" and shown["LogFormat"].startswith("${version}")
    second = ec2.create_flow_logs(**wish, **group)
    assert second["Unsuccessful"][0]["Error"]["Code"] == "FlowLogAlreadyExists" and not second["FlowLogIds"]
    with refused("InvalidParameter"):
        ec2.create_flow_logs(**wish, LogGroupName="flows")
    with refused("InvalidParameter"):
        ec2.create_flow_logs(**wish, **group, MaxAggregationInterval=300)
    with refused("MissingParameter"):
        ec2.create_flow_logs(ResourceIds=[vpc], ResourceType="VPC", **group)

    bucket = {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::flows-of-a-test/prefix"}
    failed = ec2.create_flow_logs(**wish, **bucket)["Unsuccessful"]
    assert "does not exist" in failed[0]["Error"]["Message"] and failed[0]["ResourceId"] == vpc
    place = {"LocationConstraint": "eu-north-1"}
    account.client("s3").create_bucket(Bucket="flows-of-a-test", CreateBucketConfiguration=place)
    to_bucket = ec2.create_flow_logs(**wish, **bucket, DestinationOptions={"FileFormat": "parquet"})["FlowLogIds"]
    none = ec2.create_flow_logs(**wish | {"ResourceIds": ["vpc-0123456789abcdef0"]}, **group)["Unsuccessful"]
    assert none[0]["Error"]["Code"] == "InvalidVpcID.NotFound"
    assert not ec2.delete_flow_logs(FlowLogIds=made["FlowLogIds"] + to_bucket)["Unsuccessful"]
    again = ec2.delete_flow_logs(FlowLogIds=made["FlowLogIds"])["Unsuccessful"]
    assert again[0]["Error"]["Code"] == "InvalidFlowLogId.NotFound"
