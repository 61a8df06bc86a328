"""Kafka in its other forms: a cluster that isn't the stack's, one that logs in otherwise from now on, a serverless one's agents."""

import json
import signal
import subprocess

import pytest

from account import ask, put_faults
from conftest import ENVIRONMENT, PROGRAM, ROOT, TARGET, Up
from recorder import account
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
    asked = len(account.requests)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    sweep = account.requests[asked:]
    names = {topic["TopicName"] for topic in kafka.list_topics(ClusterArn=arn)["Topics"]}
    assert names == {"theirs", "iceberg_events", "es_events"}

    policy = account.client("iam").get_role_policy(RoleName="guest-app", PolicyName="stream")["PolicyDocument"]
    allowed = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}
    topics = arn.replace(":cluster/", ":topic/")
    assert allowed["Kafka"] == [arn] and allowed["KafkaTopics"] == [f"{topics}/iceberg_events"], allowed
    groups = arn.replace(":cluster/", ":group/")
    assert allowed["KafkaGroup"] == [f"{groups}/guest-stream-cooperative", f"{groups}/guest-stream"], allowed
    published = account.client("s3").get_object(Bucket="guest-artifacts-123456789012", Key="hosts/app/stream.json")
    connection = json.load(published["Body"])["kafka"]
    assert connection["security"] == {"protocol": "iam", "region": "eu-north-1"}
    assert connection["bootstrap"].endswith(":9098")

    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert {topic["TopicName"] for topic in kafka.list_topics(ClusterArn=arn)["Topics"]} == {"theirs"}
    assert kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"] == before
    judge_requests(account, stack, [], sweep)


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


def test_each_agent_gets_a_user_before_the_one_that_all_shared_goes(account, tmp_path):
    stack = tmp_path / "users.toml"
    text = (ROOT / "stacks" / "minimal.toml").read_text()
    names = lambda: {
        arn.split(":secret:")[1].rpartition("-")[0]
        for cluster in account.client("kafka").list_clusters_v2()["ClusterInfoList"]
        for arn in account.client("kafka").list_scram_secrets(ClusterArn=cluster["ClusterArn"])["SecretArnList"]
    }
    stack.write_text(text)
    account.run("apply", stack, "--yes", code=0)
    shared, own = {"AmazonMSK_minimal_kafka"}, {"AmazonMSK_minimal_producer", "AmazonMSK_minimal_stream"}
    assert names() == shared

    begun = len(account.requests)
    own_users = text.replace('secret = "kafka"', 'authentication = "scram"\nformer_secret = "kafka"')
    stack.write_text(own_users)
    account.run("apply", stack, "--yes", code=0)
    assert names() == shared | own
    asked = [(method, path) for _, method, path, _, _ in account.requests[begun:]]
    let_in = next(at for at, (method, path) in enumerate(asked) if method == "POST" and path.endswith("/scram-secrets"))
    published = next(at for at, (method, path) in enumerate(asked) if method == "PUT" and "hosts/app/stream.json" in path)
    assert let_in < published, "an agent logs in as somebody who may not yet"
    assert not [path for method, path in asked if method == "PATCH" and path.endswith("/scram-secrets")]

    stack.write_text(own_users.replace('former_secret = "kafka"\n', "").replace('[secrets.kafka]\nusername = "minimal"\n', ""))
    account.run("apply", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert names() == own
    account.run("plan", stack, "--detailed-exitcode", code=0)
    policy = account.client("iam").get_role_policy(RoleName="minimal-app", PolicyName="stream")["PolicyDocument"]
    (user,) = [one["Resource"] for one in policy["Statement"] if one["Sid"] == "KafkaUser"]
    assert [arn.split(":secret:")[1].rpartition("-")[0] for arn in user] == ["AmazonMSK_minimal_stream"]


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
        assert "logged in to Kafka by IAM" in (up.data / "logs" / "local.log").read_text()
        partitions = [row["topic"] for row in rows]
        assert (partitions.count("iceberg_events"), partitions.count("es_events")) == (4, 6)
        assert up.stop() in (0, -signal.SIGINT)
    finally:
        if up.process.poll() is None:
            up.kill()


def topics(account, arn):
    listed = account.client("kafka").list_topics(ClusterArn=arn)["Topics"]
    return {topic["TopicName"]: topic["PartitionCount"] for topic in listed}


def test_a_topic_that_others_made_is_theirs_until_it_is_adopted(account, tmp_path):
    kafka, arn = account.client("kafka"), shared_cluster(account)
    stack = tmp_path / "guest.toml"
    text = EXISTING.replace("ARN", arn)
    stack.write_text(text)
    theirs = kafka.create_topic(ClusterArn=arn, TopicName="es_events", PartitionCount=1, ReplicationFactor=2)["TopicArn"]
    for command in ("plan", "apply"):
        end = account.run(command, stack, *["--yes"][: command == "apply"], code=1)
        assert "the topic `es_events` is there already" in end.stderr and "guest.toml:" in end.stderr, end.stderr
        assert "lakewright adopt topic.es_events" in end.stderr and "`existing = true`" in end.stderr
    # It stays when the stack goes, too.
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert topics(account, arn) == {"es_events": 1}

    stack.write_text(text.replace("[topics.es_events]", "[topics.es_events]\nexisting = true"))
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    assert topics(account, arn) == {"es_events": 1, "iceberg_events": 6}

    stack.write_text(text.replace("[topics.es_events]", "[topics.es_events]\nreplication = 2"))
    wrong = account.run("--stack", stack, "adopt", "topic.es_events", "es_events", "--yes", code=1)
    assert "no ARN of a topic" in wrong.stderr, wrong.stderr
    account.run("--stack", stack, "adopt", "topic.es_events", theirs, "--yes", code=0)
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    assert topics(account, arn) == {"es_events": 6, "iceberg_events": 6}
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert topics(account, arn) == {}


def test_what_the_stack_made_on_a_cluster_of_others_is_known_by_its_name(account, tmp_path):
    kafka, arn = account.client("kafka"), shared_cluster(account)
    stack = tmp_path / "guest.toml"
    text = EXISTING.replace("ARN", arn) + "\n[topics.extra]\n"
    stack.write_text(text)
    theirs = kafka.create_topic(ClusterArn=arn, TopicName="theirs", PartitionCount=1, ReplicationFactor=2)["TopicArn"]
    account.run("apply", stack, "--yes", code=0)

    # Under another address, as said.
    moved = text.replace("[topics.extra]", '[moved]\ntopic.extra = "topic.found"\n\n[topics.found]\nname = "extra"')
    stack.write_text(moved)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    account.run("apply", stack, "--yes", code=0)
    stack.write_text(text.replace("[topics.extra]", '[topics.found]\nname = "extra"'))
    account.run("plan", stack, "--detailed-exitcode", code=0)

    # Of another name, it is another topic, and that one is theirs.
    stack.write_text(text.replace("[topics.extra]", '[topics.found]\nname = "theirs"'))
    end = account.run("plan", stack, code=1)
    assert "the topic `theirs` is there already" in end.stderr, end.stderr
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert "theirs" in topics(account, arn) and "iceberg_events" not in topics(account, arn)

    stack.write_text(text.replace("[topics.extra]", '[topics.extra]\nname = "other"'))
    wrong = account.run("--stack", stack, "adopt", "topic.extra", theirs, "--yes", code=1)
    assert "its name is theirs, the stack says other" in wrong.stderr, wrong.stderr


def test_a_user_that_others_let_in_stays_let_in(account, tmp_path):
    kafka, arn = account.client("kafka"), shared_cluster(account)
    state = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    ways = {"Sasl": {"Iam": {"Enabled": True}, "Scram": {"Enabled": True}}}
    kafka.update_security(ClusterArn=arn, CurrentVersion=state["CurrentVersion"], ClientAuthentication=ways)
    stack = tmp_path / "users.toml"
    stack.write_text('[stack]\nname = "users"\nregion = "eu-north-1"\n[network]\nzones = ["a", "b"]\n[keys.main]\n[secrets.app]\nusername = "app"\n')
    account.run("apply", stack, "--yes", code=0)
    secrets = account.client("secretsmanager").list_secrets()["SecretList"]
    if not secrets[0]["Name"].startswith("AmazonMSK_"):
        pytest.fail(f"a secret that MSK takes has another name: {secrets[0]['Name']}")
    kafka.batch_associate_scram_secret(ClusterArn=arn, SecretArnList=[secrets[0]["ARN"]])
    account.run("plan", stack, "--detailed-exitcode", code=0)


def test_a_topic_made_by_an_apply_that_was_killed_is_the_stacks_own(account, tmp_path):
    arn = shared_cluster(account)
    stack = tmp_path / "guest.toml"
    stack.write_text(EXISTING.replace("ARN", arn))
    put_faults(account.url, {"operation": "CreateTopic", "hang": True, "times": 1})
    process = subprocess.Popen(
        [PROGRAM, "apply", stack, "--yes"], env=account.environment | account.keys("apply", stack), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    line = 0
    while not topics(account, arn):
        assert process.poll() is None
        line = max([line, *(event["line"] for event in ask(account.url, "GET", f"events?line={line}&wait=1s"))])
    process.kill()
    process.wait()
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert topics(account, arn) == {}


def test_a_cluster_that_is_not_there_or_lets_nobody_in_is_told_with_its_place(account, tmp_path):
    arn = shared_cluster(account)
    stack = tmp_path / "guest.toml"
    text = EXISTING.replace("ARN", arn)
    stack.write_text(text.replace(":cluster/shared/", ":cluster/shard/"))
    end = account.run("plan", stack, code=1)
    assert "shard" in end.stderr and "doesn't exist" in end.stderr and "guest.toml:" in end.stderr, end.stderr
    scram = 'authentication = "scram"\nsecret = "kafka"\n\n[kafka.existing]'
    text = text.replace("[kafka.existing]", "[kafka]\n" + scram).replace(":9098", ":9096")
    stack.write_text(text + '\n[keys.main]\n\n[secrets.kafka]\nusername = "app"\n')
    end = account.run("plan", stack, code=1)
    assert "the cluster `shared` doesn't take `scram`" in end.stderr and "guest.toml:" in end.stderr, end.stderr
    assert '`authentication = "iam"`' in end.stderr


def test_a_serverless_cluster_of_others_is_known_for_what_it_is(account, tmp_path):
    shared_cluster(account)
    subnets = [subnet["SubnetId"] for subnet in account.client("ec2").describe_subnets()["Subnets"]]
    wish = {"VpcConfigs": [{"SubnetIds": subnets}], "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}
    arn = account.client("kafka").create_cluster_v2(ClusterName="their-own", Serverless=wish)["ClusterArn"]
    stack = tmp_path / "guest.toml"
    text = EXISTING.replace("ARN", arn)
    stack.write_text(text)
    end = account.run("plan", stack, code=1)
    assert "`their-own` is serverless" in end.stderr and '`type = "serverless"`' in end.stderr, end.stderr
    stack.write_text(text.replace("[kafka.existing]", '[kafka]\ntype = "serverless"\n\n[kafka.existing]'))
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)


def test_a_second_stack_hears_at_once_that_its_topics_name_is_taken(account, tmp_path):
    """One Kafka stands behind all clusters of the account on this machine."""
    text = '[stack]\nname = "{}"\nregion = "eu-north-1"\n[network]\nzones = ["a", "b"]\n[kafka]\nbrokers = 2\n' \
           'instance_type = "kafka.t3.small"\n[keys.main]\n[topics.{}]\n'
    stack = lambda name, topic: (tmp_path / f"{name}.toml", text.format(name, topic))
    for name, topic, code in (("one", "orders", 0), ("two", "orders", 1), ("two", "returns", 0)):
        file, content = stack(name, topic)
        file.write_text(content)
        end = account.run("apply", file, "--yes", code=code)
        assert code == 0 or ("has a topic orders already" in end.stderr and "another name" in end.stderr), end.stderr
    # Neither sees the other's.
    for name in ("one", "two"):
        end = account.run("plan", tmp_path / f"{name}.toml", "--detailed-exitcode", code=0)
        assert "not ours" not in end.stdout + end.stderr
