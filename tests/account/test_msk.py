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
