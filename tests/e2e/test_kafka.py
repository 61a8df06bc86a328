"""Kafka in its other forms: a cluster that isn't the stack's, one that logs in otherwise from now on, a serverless one's agents."""

import json
import signal
import subprocess

import pytest

from account import Account
from conftest import ENVIRONMENT, ROOT, TARGET, Up
from recorder import Recorder
from test_stacks import judge_requests

EXISTING = """
[stack]
name = "guest"
region = "eu-north-1"

[kafka.existing]
arn = "ARN"
bootstrap = "b-1.shared.a1b2c3.c2.kafka.eu-north-1.amazonaws.com:9098"

[buckets.raw]

[topics.iceberg_events]

[topics.es_events]

[tables.sales]
topic = "iceberg_events"
key = ["sale_id"]
columns = { sale_id = "string" }

[hosts.app]
agents = ["producer", "stream"]
"""


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    recorder = Recorder(account.url)
    account.environment = account.environment | {"AWS_ENDPOINT_URL": recorder.url}
    account.requests = recorder.requests
    yield account
    recorder.shutdown()
    account.stop()


def shared_cluster(account):
    ec2, kafka = account.client("ec2"), account.client("kafka")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"eu-north-1{zone}")["Subnet"]["SubnetId"]
        for n, zone in enumerate("abc")
    ]
    nodes = {"ClientSubnets": subnets, "InstanceType": "kafka.m7g.large"}
    wish = {
        "BrokerNodeGroupInfo": nodes, "KafkaVersion": "3.9.x", "NumberOfBrokerNodes": 3,
        "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
    }
    return kafka.create_cluster_v2(ClusterName="shared", Provisioned=wish)["ClusterArn"]


def test_a_cluster_of_others_gets_topics_and_stays_as_it_is(account, tmp_path):
    kafka = account.client("kafka")
    arn = shared_cluster(account)
    kafka.create_topic(ClusterArn=arn, TopicName="theirs", PartitionCount=1, ReplicationFactor=2)
    before = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    stack = tmp_path / "guest.toml"
    stack.write_text(EXISTING.replace("ARN", arn))
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    names = {topic["TopicName"] for topic in kafka.list_topics(ClusterArn=arn)["Topics"]}
    assert names == {"theirs", "iceberg_events", "es_events"}

    policy = account.client("iam").get_role_policy(RoleName="guest-app", PolicyName="stream")["PolicyDocument"]
    allowed = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}
    topics = arn.replace(":cluster/", ":topic/")
    assert allowed["Kafka"] == [arn] and allowed["KafkaTopics"] == [f"{topics}/iceberg_events"], allowed
    assert allowed["KafkaGroup"] == [f"{arn.replace(':cluster/', ':group/')}/guest-stream"], allowed
    published = account.client("s3").get_object(Bucket="guest-artifacts-123456789012", Key="hosts/app/stream.json")
    connection = json.load(published["Body"])["kafka"]
    assert connection["security"] == {"protocol": "iam", "region": "eu-north-1"}
    assert connection["bootstrap"].endswith(":9098")

    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert {topic["TopicName"] for topic in kafka.list_topics(ClusterArn=arn)["Topics"]} == {"theirs"}
    assert kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"] == before
    judge_requests(account, stack, [])


def test_another_way_to_log_in_reaches_the_agents_with_the_same_apply(account, tmp_path):
    stack = tmp_path / "turn.toml"
    text = (ROOT / "stacks" / "minimal.toml").read_text()
    stack.write_text(text)
    account.run("apply", stack, "--yes", code=0)
    published = lambda: json.load(
        account.client("s3").get_object(Bucket="minimal-artifacts-123456789012", Key="hosts/app/stream.json")["Body"]
    )["kafka"]
    assert "secret" in published()["security"]
    stack.write_text(text.replace('secret = "kafka"', 'authentication = "iam"'))
    account.run("apply", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert published()["security"]["region"] == "eu-north-1" and "secret" not in published()["security"]
    account.run("plan", stack, "--detailed-exitcode", code=0)
    (cluster,) = account.client("kafka").list_clusters_v2()["ClusterInfoList"]
    ways = cluster["Provisioned"]["ClientAuthentication"]["Sasl"]
    assert (ways["Iam"]["Enabled"], ways["Scram"]["Enabled"]) == (True, False)


def test_agents_of_a_serverless_cluster_make_their_topics(tmp_path):
    up = Up(tmp_path, ROOT / "tests" / "e2e" / "stacks" / "kafka-serverless.toml")
    up.start()
    try:
        up.wait("rows", lambda: up.scalar("SELECT count(*) FROM kafka_serverless_raw.sales") > 0)
        bootstrap = up.record()["kafka"]
        rows = json.loads(subprocess.run(
            [TARGET / "debug" / "lakewright-agent", "ledger", "--bootstrap", bootstrap, "--topic", "iceberg_events",
             "--topic", "es_events"],
            capture_output=True, check=True, env=ENVIRONMENT,
        ).stdout)
        partitions = [row["topic"] for row in rows]
        assert (partitions.count("iceberg_events"), partitions.count("es_events")) == (4, 6)
        assert up.stop() in (0, -signal.SIGINT)
    finally:
        if up.process.poll() is None:
            up.kill()
