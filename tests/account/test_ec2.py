"""EC2 and Auto Scaling: networks, groups of rules, endpoints, templates, instances; the order of deletion."""

import base64

import pytest


@pytest.fixture(scope="module")
def ec2(account):
    return account.client("ec2")


@pytest.fixture(scope="module")
def scaling(account):
    return account.client("autoscaling")


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


@pytest.fixture
def vpc(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", stack="shop"))["Vpc"]
    assert vpc["State"] == "pending"
    return vpc["VpcId"]


def test_a_vpc_is_born_with_its_defaults_and_goes_only_when_empty(ec2, vpc, refused):
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    found = ec2.describe_vpcs(Filters=[{"Name": "tag:stack", "Values": ["sh*"]}, *here])["Vpcs"][0]
    assert found["State"] == "available" and found["Tags"] == [{"Key": "stack", "Value": "shop"}]
    assert [group["GroupName"] for group in ec2.describe_security_groups(Filters=here)["SecurityGroups"]] == ["default"]
    table = ec2.describe_route_tables(Filters=here)["RouteTables"][0]
    assert table["Associations"][0]["Main"] and table["Routes"][0]["GatewayId"] == "local"
    assert ec2.describe_network_acls(Filters=here)["NetworkAcls"][0]["IsDefault"]
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="eu-north-1b")["Subnet"]
    assert subnet["AvailableIpAddressCount"] == 251 and subnet["AvailabilityZoneId"] == "eun1-az2"
    with refused("DependencyViolation", 400):
        ec2.delete_vpc(VpcId=vpc)
    with refused("InvalidSubnet.Conflict"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.128/25")
    with refused("InvalidSubnet.Range"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")
    with refused("InvalidParameterValue"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="eu-west-1a")
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc)
    with refused("InvalidVpcID.NotFound"):
        ec2.describe_vpcs(VpcIds=[vpc])
    assert not ec2.describe_security_groups(Filters=here)["SecurityGroups"]
    with refused("InvalidVpc.Range"):
        ec2.create_vpc(CidrBlock="10.0.0.0/8")
    with refused("InvalidParameterValue"):
        ec2.describe_vpcs(Filters=[{"Name": "no-such-filter", "Values": ["x"]}])


def test_routes_and_gateways(ec2, vpc, refused):
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    table = ec2.create_route_table(VpcId=vpc, ClientToken="one")["RouteTable"]["RouteTableId"]
    assert ec2.create_route_table(VpcId=vpc, ClientToken="one")["RouteTable"]["RouteTableId"] == table
    with refused("IdempotentParameterMismatch"):
        ec2.create_route_table(VpcId=vpc, ClientToken="one", TagSpecifications=tagged("route-table", a="b"))
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    with refused("InvalidParameterValue"):
        ec2.create_route(**everywhere, GatewayId=gateway)
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with refused("Resource.AlreadyAssociated"):
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(**everywhere, GatewayId=gateway)
    with refused("RouteAlreadyExists"):
        ec2.create_route(**everywhere, GatewayId=gateway)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    with refused("DependencyViolation"):
        ec2.delete_route_table(RouteTableId=table)
    with refused("DependencyViolation"):
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
    service = "com.amazonaws.eu-north-1.s3"
    endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, RouteTableIds=[table])["VpcEndpoint"]
    with refused("RouteAlreadyExists"):
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, RouteTableIds=[table])
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    lists = [route["DestinationPrefixListId"] for route in routes if "DestinationPrefixListId" in route]
    assert len(lists) == 1 and lists[0].startswith("pl-")
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert [route["State"] for route in routes if route.get("GatewayId") == gateway] == ["blackhole"]
    assert not ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])["Unsuccessful"]
    ec2.delete_route(**everywhere)
    with refused("InvalidRoute.NotFound"):
        ec2.delete_route(**everywhere)
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_rules_of_security_groups(ec2, vpc, refused):
    def group(name):
        return ec2.create_security_group(GroupName=name, Description="a group", VpcId=vpc)["GroupId"]

    web, kafka = group("web"), group("kafka")
    with refused("InvalidGroup.Duplicate"):
        group("web")
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "ssh"}]}
    peers = {"IpProtocol": "tcp", "FromPort": 9092, "ToPort": 9096, "UserIdGroupPairs": [{"GroupId": web, "Description": "web"}]}
    made = ec2.authorize_security_group_ingress(GroupId=kafka, IpPermissions=[ssh, peers])["SecurityGroupRules"]
    assert {rule["Description"] for rule in made} == {"ssh", "web"}
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=kafka, IpPermissions=[ssh])
    shown = ec2.describe_security_groups(GroupIds=[kafka])["SecurityGroups"][0]
    pairs = [pair for permission in shown["IpPermissions"] for pair in permission["UserIdGroupPairs"]]
    assert pairs[0]["GroupId"] == web and pairs[0]["Description"] == "web"
    assert shown["IpPermissionsEgress"][0]["IpProtocol"] == "-1"
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [kafka]}])["SecurityGroupRules"]
    assert len(rules) == 3 and sum(rule["IsEgress"] for rule in rules) == 1
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=web)
    ids = [rule["SecurityGroupRuleId"] for rule in made if rule["Description"] == "web"]
    ec2.revoke_security_group_ingress(GroupId=kafka, SecurityGroupRuleIds=ids)
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=kafka, IpPermissions=[peers])
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=kafka, IpPermissions=[everything])
    assert not ec2.describe_security_groups(GroupIds=[kafka])["SecurityGroups"][0]["IpPermissionsEgress"]
    with refused("InvalidParameterValue"):
        ec2.authorize_security_group_ingress(GroupId=kafka, IpPermissions=[{**ssh, "FromPort": 30}])
    ec2.delete_security_group(GroupId=web)
    default = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}])
    with refused("CannotDelete"):
        ec2.delete_security_group(GroupId=default["SecurityGroups"][0]["GroupId"])


def test_tags_are_found_and_deleted(ec2, vpc, refused):
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "2"}, {"Key": "b"}])
    own = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [vpc]}])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in own} == {"stack": "shop", "a": "1"}
    with refused("InvalidParameterValue"):
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": "aws:x", "Value": "1"}])


def test_templates_and_groups_of_instances(account, ec2, scaling, vpc, refused):
    user_data = base64.b64encode("#cloud-config\n# ü".encode()).decode()
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.7.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="hosts", Description="hosts", VpcId=vpc)["GroupId"]
    data = {
        "ImageId": "resolve:ssm:/aws/service/debian/release/12/latest/amd64",
        "InstanceType": "t3.micro",
        "UserData": user_data,
        "SecurityGroupIds": [group],
        "IamInstanceProfile": {"Name": "shop-host"},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "Encrypted": True}}],
        "TagSpecifications": tagged("instance", Name="host"),
    }
    template = ec2.create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData=data)["LaunchTemplate"]
    with refused("InvalidLaunchTemplateName.AlreadyExistsException"):
        ec2.create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData=data)
    version = ec2.describe_launch_template_versions(LaunchTemplateName="hosts", Versions=["$Latest"])
    assert version["LaunchTemplateVersions"][0]["LaunchTemplateData"] == data
    ec2.create_launch_template_version(
        LaunchTemplateName="hosts", SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"}
    )
    ec2.modify_launch_template(LaunchTemplateName="hosts", DefaultVersion="2")
    shown = ec2.describe_launch_templates(LaunchTemplateNames=["hosts"])["LaunchTemplates"][0]
    assert (shown["DefaultVersionNumber"], shown["LatestVersionNumber"]) == (2, 2)
    # Without a template, all templates' default versions, and no numbers.
    ec2.create_launch_template(LaunchTemplateName="others", LaunchTemplateData={"InstanceType": "t3.nano"})
    versions = ec2.describe_launch_template_versions(Versions=["$Default"], MaxResults=50)["LaunchTemplateVersions"]
    assert {(one["LaunchTemplateName"], one["VersionNumber"]) for one in versions} == {("hosts", 2), ("others", 1)}
    page = ec2.describe_launch_template_versions(Versions=["$Default"], MaxResults=1)
    assert len(page["LaunchTemplateVersions"]) == 1 and page["NextToken"]
    with refused("MissingParameter"):
        ec2.describe_launch_template_versions(Versions=["1"])
    with refused("InvalidParameterValue"):
        ec2.describe_launch_template_versions(Versions=["$Default"], MaxResults=201)

    scaling.create_auto_scaling_group(
        AutoScalingGroupName="hosts",
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "$Latest"},
        MinSize=1, MaxSize=3, DesiredCapacity=2, VPCZoneIdentifier=subnet,
        Tags=[
            {"Key": "stack", "Value": "shop", "PropagateAtLaunch": True},
            {"Key": "quiet", "Value": "1", "PropagateAtLaunch": False},
        ],
    )
    with refused("AlreadyExists"):
        scaling.create_auto_scaling_group(
            AutoScalingGroupName="hosts", LaunchTemplate={"LaunchTemplateName": "hosts"}, MinSize=1, MaxSize=1,
            VPCZoneIdentifier=subnet,
        )
    found = scaling.describe_auto_scaling_groups(Filters=[{"Name": "tag:stack", "Values": ["shop"]}])["AutoScalingGroups"]
    assert len(found) == 1 and found[0]["AvailabilityZones"] == ["eu-north-1a"]
    assert {instance["LifecycleState"] for instance in found[0]["Instances"]} == {"InService"}
    ids = [instance["InstanceId"] for instance in found[0]["Instances"]]
    instances = [
        instance
        for reservation in ec2.describe_instances(InstanceIds=ids)["Reservations"]
        for instance in reservation["Instances"]
    ]
    assert len(instances) == 2
    for instance in instances:
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        assert tags["Name"] == "host" and tags["stack"] == "shop" and "quiet" not in tags
        assert tags["aws:autoscaling:groupName"] == "hosts"
        assert instance["State"]["Name"] == "running" and instance["PrivateIpAddress"].startswith("10.0.7.")
        assert instance["MetadataOptions"]["HttpTokens"] == "required" and instance["ImageId"].startswith("ami-")
        assert instance["InstanceType"] == "t3.small"
    attribute = ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="userData")
    assert attribute["UserData"]["Value"] == user_data
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.terminate_instances(InstanceIds=ids[:1])
    again = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["hosts"])["AutoScalingGroups"][0]
    assert len(again["Instances"]) == 2 and ids[0] not in [instance["InstanceId"] for instance in again["Instances"]]

    account.kill()
    account.start()
    ec2, scaling = account.client("ec2"), account.client("autoscaling")
    with refused("ResourceInUse"):
        scaling.delete_auto_scaling_group(AutoScalingGroupName="hosts")
    scaling.delete_auto_scaling_group(AutoScalingGroupName="hosts", ForceDelete=True)
    assert not scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["hosts"])["AutoScalingGroups"]
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_launch_template(LaunchTemplateName="hosts")
    ec2.delete_vpc(VpcId=vpc)


def test_one_token_makes_one_instance(account, refused):
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    wish = dict(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=subnet, ClientToken="t")
    first = ec2.run_instances(**wish)["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**wish)["Instances"][0]["InstanceId"] == first
    with refused("IdempotentParameterMismatch"):
        ec2.run_instances(**{**wish, "InstanceType": "t3.large"})
