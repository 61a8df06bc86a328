"""MSK: configurations, clusters and their changes, SCRAM secrets, topics on a Kafka that stands behind."""

import base64
import json
import os
import subprocess

import pytest
from conftest import Account, command

REGION = "eu-north-1"


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory):
    """The Kafka behind the clusters: what LAKEWRIGHT_KAFKA names, or the local log."""
    if os.environ.get("LAKEWRIGHT_KAFKA"):
        yield os.environ["LAKEWRIGHT_KAFKA"]
        return
    arguments = [command()[0], "kafka", "--port", "0", "--data", str(tmp_path_factory.mktemp("kafka"))]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    yield json.loads(process.stdout.readline())["kafka"]
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="module")
def account(tmp_path_factory, bootstrap):
    running = Account(tmp_path_factory.mktemp("account"))
    running.stop()
    running.start("--kafka", bootstrap)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def kafka(account):
    return account.client("kafka")


@pytest.fixture(scope="module")
def network(account):
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="kafka", Description="kafka", VpcId=vpc)["GroupId"]
    return {"subnets": subnets, "group": group}


def provisioned(network, **more):
    return {
        "BrokerNodeGroupInfo": {
            "ClientSubnets": network["subnets"],
            "SecurityGroups": [network["group"]],
            "InstanceType": "kafka.m7g.large",
            "StorageInfo": {"EbsStorageInfo": {"VolumeSize": 100}},
        },
        "KafkaVersion": "3.8.x",
        "NumberOfBrokerNodes": 2,
        "ClientAuthentication": {"Sasl": {"Scram": {"Enabled": True}, "Iam": {"Enabled": True}}},
        "EnhancedMonitoring": "PER_BROKER",
        **more,
    }


@pytest.fixture(scope="module")
def cluster(kafka, network):
    made = kafka.create_cluster_v2(ClusterName="shop", Tags={"stack": "shop"}, Provisioned=provisioned(network))
    assert made["State"] == "CREATING"
    return made["ClusterArn"]


def configs(**values):
    lines = "\n".join(f"{name.replace('_', '.')}={value}" for name, value in values.items())
    return base64.b64encode(lines.encode()).decode()


def test_configurations_have_revisions(kafka, refused):
    made = kafka.create_configuration(Name="shop", ServerProperties=b"auto.create.topics.enable=false\n")
    assert made["LatestRevision"]["Revision"] == 1
    with refused("ConflictException", 409):
        kafka.create_configuration(Name="shop", ServerProperties=b"a=b")
    with refused("BadRequestException", 400):
        kafka.create_configuration(Name="other", ServerProperties=b"not properties")
    kafka.update_configuration(Arn=made["Arn"], ServerProperties=b"num.partitions=6\n", Description="six")
    second = kafka.describe_configuration_revision(Arn=made["Arn"], Revision=2)
    assert second["ServerProperties"] == b"num.partitions=6\n" and second["Description"] == "six"
    assert kafka.describe_configuration(Arn=made["Arn"])["LatestRevision"]["Revision"] == 2
    kafka.delete_configuration(Arn=made["Arn"])
    with refused("NotFoundException", 404):
        kafka.describe_configuration(Arn=made["Arn"])


def test_a_cluster_keeps_what_it_was_made_with(account, kafka, network, cluster, refused):
    info = kafka.describe_cluster_v2(ClusterArn=cluster)["ClusterInfo"]
    assert info["State"] == "ACTIVE" and info["Tags"] == {"stack": "shop"}
    made = info["Provisioned"]
    assert made["ClientAuthentication"]["Sasl"]["Scram"]["Enabled"] and made["EnhancedMonitoring"] == "PER_BROKER"
    assert made["EncryptionInfo"]["EncryptionInTransit"] == {"ClientBroker": "TLS", "InCluster": True}
    assert made["CurrentBrokerSoftwareInfo"]["KafkaVersion"] == "3.8.x"
    with refused("ConflictException", 409):
        kafka.create_cluster_v2(ClusterName="shop", Provisioned=provisioned(network))
    for wrong in ({"NumberOfBrokerNodes": 3}, {"KafkaVersion": "0.1"}):
        with refused("BadRequestException", 400):
            kafka.create_cluster_v2(ClusterName="wrong", Provisioned=provisioned(network, **wrong))
    assert [found["ClusterName"] for found in kafka.list_clusters_v2()["ClusterInfoList"]] == ["shop"]
    ec2 = account.client("ec2")
    assert len(kafka.list_nodes(ClusterArn=cluster)["NodeInfoList"]) == 2
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=network["subnets"][0])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=network["group"])


def test_changes_name_the_version_that_they_change(kafka, cluster, refused):
    version = kafka.describe_cluster_v2(ClusterArn=cluster)["ClusterInfo"]["CurrentVersion"]
    grown = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 200}]
    with refused("BadRequestException", 400):
        kafka.update_broker_storage(ClusterArn=cluster, CurrentVersion="K1", TargetBrokerEBSVolumeInfo=grown)
    done = kafka.update_broker_storage(ClusterArn=cluster, CurrentVersion=version, TargetBrokerEBSVolumeInfo=grown)
    info = kafka.describe_cluster_v2(ClusterArn=cluster)["ClusterInfo"]
    assert info["CurrentVersion"] != version
    assert info["Provisioned"]["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]["VolumeSize"] == 200
    operation = kafka.describe_cluster_operation_v2(ClusterOperationArn=done["ClusterOperationArn"])
    assert operation["ClusterOperationInfo"]["OperationState"] == "UPDATE_COMPLETE"
    smaller = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 150}]
    with refused("BadRequestException", 400):
        kafka.update_broker_storage(
            ClusterArn=cluster, CurrentVersion=info["CurrentVersion"], TargetBrokerEBSVolumeInfo=smaller
        )


def test_secrets_are_judged_one_by_one(account, kafka, cluster):
    secrets, kms = account.client("secretsmanager"), account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    text = json.dumps({"username": "u", "password": "p"})
    good = secrets.create_secret(Name="AmazonMSK_shop", SecretString=text, KmsKeyId=key)["ARN"]
    name = secrets.create_secret(Name="shop", SecretString=text, KmsKeyId=key)["ARN"]
    keyless = secrets.create_secret(Name="AmazonMSK_keyless", SecretString=text)["ARN"]
    answer = kafka.batch_associate_scram_secret(ClusterArn=cluster, SecretArnList=[good, name, keyless])
    assert {secret["SecretArn"] for secret in answer["UnprocessedScramSecrets"]} == {name, keyless}
    assert kafka.list_scram_secrets(ClusterArn=cluster)["SecretArnList"] == [good]
    kafka.batch_disassociate_scram_secret(ClusterArn=cluster, SecretArnList=[good])
    assert kafka.list_scram_secrets(ClusterArn=cluster)["SecretArnList"] == []


def test_topics_are_those_of_the_kafka_behind(kafka, cluster, bootstrap, refused):
    assert kafka.get_bootstrap_brokers(ClusterArn=cluster)["BootstrapBrokerString"] == bootstrap
    wish = {"ClusterArn": cluster, "TopicName": "events-of-tests"}
    made = kafka.create_topic(**wish, PartitionCount=3, ReplicationFactor=2, Configs=configs(retention_ms=3600000))
    assert made["Status"] == "CREATING"
    with refused("TopicExistsException", 409):
        kafka.create_topic(**wish, PartitionCount=3, ReplicationFactor=2)
    topic = kafka.describe_topic(**wish)
    assert (topic["PartitionCount"], topic["ReplicationFactor"], topic["Status"]) == (3, 2, "ACTIVE")
    assert topic["Configs"] == configs(retention_ms=3600000)
    assert len(kafka.describe_topic_partitions(**wish)["Partitions"]) == 3
    with refused("BadRequestException", 400):
        kafka.update_topic(**wish, PartitionCount=4, Configs=configs(retention_ms=1))
    kafka.update_topic(**wish, PartitionCount=4)
    with refused("KafkaRequestException", 400):
        kafka.update_topic(**wish, PartitionCount=4)
    kafka.update_topic(**wish, Configs=configs(retention_ms=7200000))
    topic = kafka.describe_topic(**wish)
    assert (topic["PartitionCount"], topic["Configs"]) == (4, configs(retention_ms=7200000))
    listed = kafka.list_topics(ClusterArn=cluster, TopicNameFilter="events-of")["Topics"]
    assert [(topic["TopicName"], topic["PartitionCount"]) for topic in listed] == [("events-of-tests", 4)]
    kafka.delete_topic(**wish)
    with refused("NotFoundException", 404):
        kafka.describe_topic(**wish)


def test_a_deleted_cluster_lets_its_network_go(account, kafka, network, cluster, refused):
    kafka.tag_resource(ResourceArn=cluster, Tags={"more": "1"})
    assert kafka.list_tags_for_resource(ResourceArn=cluster)["Tags"] == {"stack": "shop", "more": "1"}
    kafka.delete_cluster(ClusterArn=cluster)
    with refused("NotFoundException", 404):
        kafka.describe_cluster_v2(ClusterArn=cluster)
    account.client("ec2").delete_subnet(SubnetId=network["subnets"][0])


def test_what_a_cluster_tells_and_where_its_clients_begin(account, kafka, network, bootstrap, refused):
    logs = account.client("logs")
    ways = {"Sasl": {"Iam": {"Enabled": True}, "Scram": {"Enabled": False}}, "Unauthenticated": {"Enabled": True}}
    subnets = [
        account.client("ec2").create_subnet(VpcId=vpc_of(account, network), CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for n, zone in ((10, "a"), (11, "b"))
    ]
    place = {"subnets": subnets, "group": network["group"]}
    to_group = {"BrokerLogs": {"CloudWatchLogs": {"Enabled": True, "LogGroup": "/msk/told"}}}
    with refused("BadRequestException", 400):
        kafka.create_cluster_v2(ClusterName="told", Provisioned=provisioned(place, LoggingInfo=to_group))
    logs.create_log_group(logGroupName="/msk/told")
    arn = kafka.create_cluster_v2(
        ClusterName="told", Provisioned=provisioned(place, LoggingInfo=to_group, ClientAuthentication=ways)
    )["ClusterArn"]
    strings = kafka.get_bootstrap_brokers(ClusterArn=arn)
    assert strings["BootstrapBrokerString"] == bootstrap
    iam = strings["BootstrapBrokerStringSaslIam"].split(",")
    assert len(iam) == 2 and all(broker.endswith(f".kafka.{REGION}.amazonaws.com:9098") for broker in iam)
    assert strings["BootstrapBrokerStringTls"].endswith(":9094") and "BootstrapBrokerStringSaslScram" not in strings

    version = lambda: kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    update = lambda **change: kafka.update_monitoring(ClusterArn=arn, CurrentVersion=version(), **change)
    for wrong in (
        {"EnhancedMonitoring": "PER_MESSAGE"},
        {"LoggingInfo": {"BrokerLogs": {"S3": {"Enabled": True}}}},
        {"LoggingInfo": {"BrokerLogs": {"CloudWatchLogs": {"Enabled": True, "LogGroup": "/msk/none"}}}},
    ):
        with refused("BadRequestException", 400):
            update(**wrong)
    update(EnhancedMonitoring="PER_TOPIC_PER_PARTITION")
    told = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["Provisioned"]
    assert told["EnhancedMonitoring"] == "PER_TOPIC_PER_PARTITION"
    with refused("BadRequestException", 400):
        kafka.update_security(
            ClusterArn=arn, CurrentVersion=version(), EncryptionInfo={"EncryptionInTransit": {"ClientBroker": "PLAINTEXT"}}
        )
    kafka.delete_cluster(ClusterArn=arn)


def vpc_of(account, network):
    found = account.client("ec2").describe_security_groups(GroupIds=[network["group"]])
    return found["SecurityGroups"][0]["VpcId"]


def test_a_serverless_cluster_takes_no_topics_from_outside_and_no_changes(account, kafka, network, bootstrap, refused):
    ec2 = account.client("ec2")
    vpc = vpc_of(account, network)
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for n, zone in ((20, "a"), (21, "b"))
    ]
    place = {"SubnetIds": subnets, "SecurityGroupIds": [network["group"]]}
    by_iam = {"Sasl": {"Iam": {"Enabled": True}}}
    for wrong in (
        {"VpcConfigs": [place | {"SubnetIds": subnets[:1]}], "ClientAuthentication": by_iam},
        {"VpcConfigs": [place]},
        {"VpcConfigs": [], "ClientAuthentication": by_iam},
    ):
        with refused("BadRequestException", 400):
            kafka.create_cluster_v2(ClusterName="light", Serverless=wrong)
    wish = {"VpcConfigs": [place], "ClientAuthentication": by_iam}
    made = kafka.create_cluster_v2(ClusterName="light", Serverless=wish, Tags={"of": "tests"})
    arn = made["ClusterArn"]
    assert made["ClusterType"] == "SERVERLESS" and arn.endswith("-s1")
    info = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    assert info["State"] == "ACTIVE" and info["Serverless"]["VpcConfigs"] == [place] and "Provisioned" not in info
    listed = lambda **filters: [one["ClusterName"] for one in kafka.list_clusters_v2(**filters)["ClusterInfoList"]]
    assert listed(ClusterTypeFilter="SERVERLESS") == ["light"] and "light" in listed()
    assert "light" not in listed(ClusterTypeFilter="PROVISIONED")
    strings = kafka.get_bootstrap_brokers(ClusterArn=arn)
    assert strings["BootstrapBrokerStringSaslIam"].endswith(f".kafka-serverless.{REGION}.amazonaws.com:9098")
    with refused("BadRequestException", 400):
        kafka.create_topic(ClusterArn=arn, TopicName="mine", PartitionCount=1, ReplicationFactor=3)
    with refused("BadRequestException", 400):
        kafka.list_topics(ClusterArn=arn)
    with refused("BadRequestException", 400):
        kafka.update_monitoring(ClusterArn=arn, CurrentVersion=info["CurrentVersion"], EnhancedMonitoring="PER_BROKER")
    with refused("BadRequestException", 400):
        kafka.list_nodes(ClusterArn=arn)
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnets[0])
    kafka.delete_cluster(ClusterArn=arn)
    ec2.delete_subnet(SubnetId=subnets[0])


def test_storage_grows_by_a_target_and_its_policy(account, kafka, network, refused):
    ec2, scaling = account.client("ec2"), account.client("application-autoscaling")
    vpc = vpc_of(account, network)
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for n, zone in ((30, "a"), (31, "b"))
    ]
    place = {"subnets": subnets, "group": network["group"]}
    arn = kafka.create_cluster_v2(ClusterName="growing", Provisioned=provisioned(place))["ClusterArn"]
    target = {"ServiceNamespace": "kafka", "ResourceId": arn, "ScalableDimension": "kafka:broker-storage:VolumeSize"}
    tracking = {
        "TargetValue": 60, "DisableScaleIn": True,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "KafkaBrokerStorageUtilization"},
    }
    policy = target | {"PolicyName": "grow", "PolicyType": "TargetTrackingScaling"}
    put = lambda **change: scaling.put_scaling_policy(
        **policy, TargetTrackingScalingPolicyConfiguration=tracking | change
    )
    with refused("ObjectNotFoundException"):
        put()
    with refused("ValidationException"):
        scaling.register_scalable_target(**target | {"ResourceId": arn + "0"}, MinCapacity=1, MaxCapacity=500)
    with refused("ValidationException"):
        scaling.register_scalable_target(**target, MinCapacity=500, MaxCapacity=100)
    with refused("ValidationException"):
        scaling.register_scalable_target(**target, MaxCapacity=100)
    made = scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=500, Tags={"of": "tests"})["ScalableTargetARN"]
    tagged = account.client("resourcegroupstaggingapi").get_resources(
        ResourceTypeFilters=["application-autoscaling:scalable-target"]
    )
    assert [one["ResourceARN"] for one in tagged["ResourceTagMappingList"]] == [made]
    with refused("ValidationException"):
        scaling.register_scalable_target(**target, MaxCapacity=600, Tags={"of": "tests"})
    assert scaling.register_scalable_target(**target, MaxCapacity=600)["ScalableTargetARN"] == made
    (found,) = scaling.describe_scalable_targets(ServiceNamespace="kafka")["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 600)
    for wrong in ({"TargetValue": 90}, {"DisableScaleIn": False}, {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}):
        with refused("ValidationException"):
            put(**wrong)
    first = put()["PolicyARN"]
    assert put(TargetValue=70)["PolicyARN"] == first
    (found,) = scaling.describe_scaling_policies(ServiceNamespace="kafka", ResourceId=arn)["ScalingPolicies"]
    assert found["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 70
    with refused("ValidationException"):
        scaling.describe_scaling_policies(ServiceNamespace="kafka", ScalableDimension=target["ScalableDimension"])
    scaling.delete_scaling_policy(**target, PolicyName="grow")
    with refused("ObjectNotFoundException"):
        scaling.delete_scaling_policy(**target, PolicyName="grow")
    scaling.deregister_scalable_target(**target)
    with refused("ObjectNotFoundException"):
        scaling.deregister_scalable_target(**target)
    kafka.delete_cluster(ClusterArn=arn)
