"""Volumes that outlive their hosts, groups that replace hosts, providers of identities, applications that are started."""

import json

import pytest

ZONE = "eu-north-1a"


@pytest.fixture(scope="module")
def ec2(account):
    return account.client("ec2")


@pytest.fixture(scope="module")
def scaling(account):
    return account.client("autoscaling")


@pytest.fixture(scope="module")
def place(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.0.0/24", AvailabilityZone=ZONE)["Subnet"]["SubnetId"]
    other = ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.1.0/24", AvailabilityZone="eu-north-1b")["Subnet"]["SubnetId"]
    return vpc, subnet, other


def tagged(**tags):
    return [{"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def instance(ec2, subnet):
    wish = dict(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=subnet, InstanceType="t3.small")
    return ec2.run_instances(**wish)["Instances"][0]["InstanceId"]


def one(ec2, volume):
    return ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


def test_a_volume_is_made_once_and_checked(ec2, refused):
    wish = dict(AvailabilityZone=ZONE, Size=20, VolumeType="gp3", Encrypted=True)
    wish |= dict(ClientToken="volume", TagSpecifications=tagged(stack="shop"))
    made = ec2.create_volume(**wish)
    assert made["State"] == "creating" and made["Iops"] == 3000 and made["Throughput"] == 125
    assert ec2.create_volume(**wish)["VolumeId"] == made["VolumeId"]
    with refused("IdempotentParameterMismatch"):
        ec2.create_volume(**{**wish, "Size": 21})
    found = ec2.describe_volumes(Filters=[{"Name": "tag:stack", "Values": ["shop"]}, {"Name": "status", "Values": ["available"]}])
    assert [volume["VolumeId"] for volume in found["Volumes"]] == [made["VolumeId"]]
    assert found["Volumes"][0]["KmsKeyId"].startswith("arn:aws:kms:")
    for code, wrong in [
        ("InvalidZone.NotFound", dict(AvailabilityZone="eu-north-1z", Size=20)),
        ("MissingParameter", dict(AvailabilityZone=ZONE)),
        ("InvalidParameterValue", dict(AvailabilityZone=ZONE, Size=20, VolumeType="st1")),
        ("InvalidParameterValue", dict(AvailabilityZone=ZONE, Size=99_999, VolumeType="gp3")),
        ("MissingParameter", dict(AvailabilityZone=ZONE, Size=20, VolumeType="io2")),
        ("InvalidParameterCombination", dict(AvailabilityZone=ZONE, Size=20, VolumeType="gp2", Iops=3000)),
        ("InvalidParameterCombination", dict(AvailabilityZone=ZONE, Size=20, VolumeType="gp2", Throughput=200)),
        ("InvalidParameterValue", dict(AvailabilityZone=ZONE, Size=20, VolumeType="gp3", Throughput=1000)),
        ("InvalidParameterValue", dict(AvailabilityZone=ZONE, Size=10, VolumeType="gp3", Iops=6000)),
        ("InvalidParameterDependency", dict(AvailabilityZone=ZONE, Size=20, KmsKeyId="alias/main")),
        ("UnknownParameter", dict(AvailabilityZone=ZONE, Size=20, VolumeInitializationRate=100)),
    ]:
        with refused(code):
            ec2.create_volume(**wrong)
    ec2.delete_volume(VolumeId=made["VolumeId"])
    with refused("InvalidVolume.NotFound"):
        ec2.describe_volumes(VolumeIds=[made["VolumeId"]])
    with refused("InvalidParameterValue"):
        ec2.delete_volume(VolumeId="vol")


def test_a_volume_is_attached_once_and_outlives_its_host(ec2, place, refused):
    _, subnet, other = place
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=20, VolumeType="gp3")["VolumeId"]
    first, second, far = instance(ec2, subnet), instance(ec2, subnet), instance(ec2, other)
    with refused("InvalidVolume.ZoneMismatch"):
        ec2.attach_volume(VolumeId=volume, InstanceId=far, Device="/dev/sdf")
    with refused("InvalidParameterValue"):
        ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="sdf")
    with refused("InvalidParameterValue"):
        ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/xvda")
    assert ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")["State"] == "attaching"
    attachment = one(ec2, volume)["Attachments"][0]
    assert (attachment["InstanceId"], attachment["State"], attachment["DeleteOnTermination"]) == (first, "attached", False)
    with refused("VolumeInUse"):
        ec2.attach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")
    with refused("VolumeInUse"):
        ec2.delete_volume(VolumeId=volume)
    of_first = [{"Name": "attachment.device", "Values": ["/dev/xvda"]}, {"Name": "attachment.instance-id", "Values": [first]}]
    root = ec2.describe_volumes(Filters=of_first)["Volumes"][0]["VolumeId"]
    with refused("OperationNotPermitted"):
        ec2.detach_volume(VolumeId=root)
    ec2.terminate_instances(InstanceIds=[first])
    assert one(ec2, volume)["State"] == "available" and not one(ec2, volume)["Attachments"]
    with refused("InvalidVolume.NotFound"):
        ec2.describe_volumes(VolumeIds=[root])
    with refused("IncorrectState"):
        ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
    ec2.attach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")
    with refused("InvalidAttachment.NotFound"):
        ec2.detach_volume(VolumeId=volume, InstanceId=far)
    ec2.detach_volume(VolumeId=volume)
    with refused("IncorrectState"):
        ec2.detach_volume(VolumeId=volume)
    ec2.delete_volume(VolumeId=volume)
    ec2.terminate_instances(InstanceIds=[second, far])
    assert not ec2.describe_volumes()["Volumes"]


def test_a_volume_grows_and_never_shrinks(ec2, refused):
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=20, VolumeType="gp3")["VolumeId"]
    with refused("InvalidVolumeModification.NotFound"):
        ec2.describe_volumes_modifications(VolumeIds=[volume])
    change = ec2.modify_volume(VolumeId=volume, Size=40, Iops=4000)["VolumeModification"]
    assert (change["OriginalSize"], change["TargetSize"], change["TargetIops"]) == (20, 40, 4000)
    state = ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"]
    assert state == "completed"
    shown = one(ec2, volume)
    assert (shown["Size"], shown["Iops"], shown["Throughput"]) == (40, 4000, 125)
    with refused("InvalidParameterValue"):
        ec2.modify_volume(VolumeId=volume, Size=30)
    with refused("InvalidParameterValue"):
        ec2.modify_volume(VolumeId=volume, Throughput=1500)
    ec2.modify_volume(VolumeId=volume, VolumeType="gp2")
    assert "Throughput" not in one(ec2, volume) and one(ec2, volume)["Iops"] == 120
    ec2.delete_volume(VolumeId=volume)


def test_a_group_replaces_its_hosts_for_a_new_template(ec2, scaling, place, refused):
    _, subnet, _ = place
    data = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.small"}
    template = ec2.create_launch_template(LaunchTemplateName="rolling", LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]
    group = {"AutoScalingGroupName": "rolling"}
    scaling.create_auto_scaling_group(
        **group, LaunchTemplate={"LaunchTemplateId": template, "Version": "1"}, MinSize=2, MaxSize=2, VPCZoneIdentifier=subnet
    )
    described = lambda: scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["rolling"])["AutoScalingGroups"][0]
    before = {one["InstanceId"] for one in described()["Instances"]}
    ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.large"})
    wanted = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": "2"}}
    for wrong in [
        {"MinHealthyPercentage": 101},
        {"MaxHealthyPercentage": 110},
        {"MinHealthyPercentage": 0, "MaxHealthyPercentage": 200},
        {"AutoRollback": True},
    ]:
        with refused("ValidationError"):
            scaling.start_instance_refresh(**group, Preferences=wrong)
    with refused("ValidationError"):
        scaling.start_instance_refresh(**group, DesiredConfiguration={"LaunchTemplate": {"LaunchTemplateId": template, "Version": "3"}})
    preferences = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "SkipMatching": True}
    refresh = scaling.start_instance_refresh(**group, DesiredConfiguration=wanted, Preferences=preferences)["InstanceRefreshId"]
    told = scaling.describe_instance_refreshes(**group, InstanceRefreshIds=[refresh])["InstanceRefreshes"][0]
    assert told["Status"] == "Successful" and told["Preferences"]["SkipMatching"]
    after = described()
    assert after["LaunchTemplate"]["Version"] == "2" and {one["LaunchTemplate"]["Version"] for one in after["Instances"]} == {"2"}
    ids = {one["InstanceId"] for one in after["Instances"]}
    assert len(ids) == 2 and not ids & before
    # Hosts that are as they should be stay.
    scaling.start_instance_refresh(**group, DesiredConfiguration=wanted, Preferences=preferences)
    assert {one["InstanceId"] for one in described()["Instances"]} == ids
    scaling.start_instance_refresh(**group)
    assert not {one["InstanceId"] for one in described()["Instances"]} & ids
    scaling.delete_auto_scaling_group(**group, ForceDelete=True)
    ec2.delete_launch_template(LaunchTemplateId=template)


def test_a_group_with_suspended_processes_starts_and_ends_nothing(ec2, scaling, place, refused):
    _, subnet, _ = place
    data = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.small"}
    template = ec2.create_launch_template(LaunchTemplateName="held", LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]
    group = {"AutoScalingGroupName": "held"}
    scaling.create_auto_scaling_group(
        **group, LaunchTemplate={"LaunchTemplateId": template, "Version": "1"}, MinSize=0, MaxSize=3, DesiredCapacity=1,
        VPCZoneIdentifier=subnet,
    )
    described = lambda: scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["held"])["AutoScalingGroups"]
    held = lambda: {one["ProcessName"] for one in described()[0]["SuspendedProcesses"]}
    hosts = lambda: len([one for one in described()[0]["Instances"] if one["LifecycleState"] == "InService"])
    with refused("ValidationError"):
        scaling.suspend_processes(**group, ScalingProcesses=["Lunch"])
    scaling.suspend_processes(**group, ScalingProcesses=["Launch", "Terminate"])
    assert held() == {"Launch", "Terminate"}
    for desired in (3, 0):
        scaling.set_desired_capacity(**group, DesiredCapacity=desired)
        assert hosts() == 1
    refresh = scaling.start_instance_refresh(**group)["InstanceRefreshId"]
    status = lambda: scaling.describe_instance_refreshes(**group, InstanceRefreshIds=[refresh])["InstanceRefreshes"][0]["Status"]
    assert status() == "InProgress"
    with refused("InstanceRefreshInProgress"):
        scaling.start_instance_refresh(**group)
    scaling.resume_processes(**group, ScalingProcesses=["Launch"])
    assert held() == {"Terminate"} and hosts() == 1 and status() == "InProgress"
    scaling.resume_processes(**group)
    assert not held() and hosts() == 0 and status() == "Successful"
    scaling.set_desired_capacity(**group, DesiredCapacity=1)
    # One whose hosts don't end isn't gone before they may.
    scaling.suspend_processes(**group)
    assert len(held()) == 9
    scaling.resume_processes(**group, ScalingProcesses=["Terminate"])
    scaling.delete_auto_scaling_group(**group, ForceDelete=True)
    assert not described()
    ec2.delete_launch_template(LaunchTemplateId=template)


def test_providers_of_identities_are_one_for_each_url(account, refused):
    iam = account.client("iam")
    url = "https://token.actions.githubusercontent.com"
    tags = [{"Key": "stack", "Value": "shop"}]
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["sts.amazonaws.com"], Tags=tags)["OpenIDConnectProviderArn"]
    assert arn == "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    with refused("EntityAlreadyExists", 409):
        iam.create_open_id_connect_provider(Url=url, ClientIDList=["other"])
    with refused("ValidationError"):
        iam.create_open_id_connect_provider(Url="http://example.com")
    with refused("ValidationError"):
        iam.create_open_id_connect_provider(Url="https://example.com", ThumbprintList=["z" * 40])
    this = {"OpenIDConnectProviderArn": arn}
    found = iam.get_open_id_connect_provider(**this)
    assert (found["Url"], found["ClientIDList"], found["Tags"]) == (url.removeprefix("https://"), ["sts.amazonaws.com"], tags)
    assert len(found["ThumbprintList"][0]) == 40
    iam.add_client_id_to_open_id_connect_provider(**this, ClientID="other")
    iam.add_client_id_to_open_id_connect_provider(**this, ClientID="other")
    iam.remove_client_id_from_open_id_connect_provider(**this, ClientID="sts.amazonaws.com")
    assert iam.get_open_id_connect_provider(**this)["ClientIDList"] == ["other"]
    iam.tag_open_id_connect_provider(**this, Tags=[{"Key": "a", "Value": "b"}])
    iam.untag_open_id_connect_provider(**this, TagKeys=["stack"])
    assert iam.list_open_id_connect_provider_tags(**this)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.delete_open_id_connect_provider(**this)
    with refused("NoSuchEntity", 404):
        iam.get_open_id_connect_provider(**this)


def test_a_started_application_takes_bounds_and_image_only(account, refused):
    emr = account.client("emr-serverless")
    image = {"imageUri": "123456789012.dkr.ecr.eu-north-1.amazonaws.com/models:1"}
    made = emr.create_application(name="hosts", releaseLabel="emr-7.9.0", type="SPARK", clientToken="made", imageConfiguration=image)
    this = {"applicationId": made["applicationId"]}
    emr.start_application(**this)
    emr.update_application(**this, clientToken="a", maximumCapacity={"cpu": "8 vCPU", "memory": "16 GB"}, imageConfiguration={})
    shown = emr.get_application(**this)["application"]
    assert shown["maximumCapacity"] == {"cpu": "8 vCPU", "memory": "16 GB"} and "imageConfiguration" not in shown
    with refused("ValidationException", 400):
        emr.update_application(**this, clientToken="b", architecture="ARM64")
    emr.stop_application(**this)
    emr.update_application(**this, clientToken="c", architecture="ARM64")
    with refused("ValidationException", 400):
        emr.update_application(**this, clientToken="d", autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 20_000})
    with refused("ValidationException", 400):
        emr.update_application(**this, clientToken="e", maximumCapacity={"cpu": "many", "memory": "16 GB"})
    with refused("ValidationException", 400):
        emr.update_application(**this, clientToken="f", imageConfiguration={"imageUri": "docker.io/library/spark:3"})
    emr.delete_application(**this)


def test_hosts_start_where_the_key_of_their_volumes_lets_auto_scaling_in(account, ec2, scaling, place):
    kms = account.client("kms")
    key = kms.create_key(Description="volumes")["KeyMetadata"]["Arn"]
    device = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "Encrypted": True, "KmsKeyId": key}}
    data = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.small", "BlockDeviceMappings": [device]}
    ec2.create_launch_template(LaunchTemplateName="sealed", LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="sealed", MinSize=1, MaxSize=1, DesiredCapacity=1, VPCZoneIdentifier=place[1],
        LaunchTemplate={"LaunchTemplateName": "sealed", "Version": "1"},
    )

    def hosts():
        return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["sealed"])["AutoScalingGroups"][0]["Instances"]

    assert hosts() == []
    (failed,) = scaling.describe_scaling_activities(AutoScalingGroupName="sealed")["Activities"]
    assert failed["StatusCode"] == "Failed" and "Client.InternalError" in failed["StatusMessage"]

    role = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"].append({
        "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
    })
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert len(hosts()) == 1
