"""A stack in a VPC that is there already: it stands in it, changes nothing of it, and says what it doesn't find."""

import pytest

from account import Account

STACK = """
[stack]
name = "guest"
region = "eu-north-1"

[network]
endpoints = ["glue"]
flow_logs = true

[network.existing]
vpc = "{vpc}"
subnets = {{ a = "{a}", b = "{b}" }}

[kafka]
brokers = 2
instance_type = "kafka.t3.small"
authentication = "none"

[keys.main]

[topics.events]

[hosts.app]
"""


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    yield account
    account.stop()


@pytest.fixture
def network(account):
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = lambda at, zone: ec2.create_subnet(
        VpcId=vpc, CidrBlock=f"10.9.{at}.0/24", AvailabilityZone=f"eu-north-1{zone}"
    )["Subnet"]["SubnetId"]
    return {"vpc": vpc, "a": subnet(0, "a"), "b": subnet(1, "b")}


def as_it_is(account):
    """What others have, as AWS returns it, without what goes up and down with whatever stands in it."""
    ec2 = account.client("ec2")
    subnets = ec2.describe_subnets()["Subnets"]
    for subnet in subnets:
        del subnet["AvailableIpAddressCount"]
    return ec2.describe_vpcs()["Vpcs"], subnets, ec2.describe_route_tables()["RouteTables"]


def test_a_stack_stands_in_an_existing_vpc(account, network, tmp_path):
    stack = tmp_path / "guest.toml"
    stack.write_text(STACK.format(**network))
    before = as_it_is(account)
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    assert as_it_is(account) == before
    group = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert set(group["VPCZoneIdentifier"].split(",")) == {network["a"], network["b"]}
    groups = account.client("ec2").describe_security_groups()["SecurityGroups"]
    assert {group["VpcId"] for group in groups if group["GroupName"].startswith("guest-")} == {network["vpc"]}
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    assert as_it_is(account) == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"b": "subnet-0123456789abcdef0"}, ["the subnet `subnet-0123456789abcdef0` doesn't exist"]),
        (
            {"vpc": "vpc-0123456789abcdef0", "a": "subnet-0123456789abcdef1", "b": "subnet-0123456789abcdef2"},
            ["the VPC `vpc-0123456789abcdef0` doesn't exist", "`subnet-0123456789abcdef1` doesn't exist"],
        ),
        ({"vpc": "vpc-0123456789abcdef0"}, ["doesn't stand in the VPC `vpc-0123456789abcdef0`"]),
    ],
)
def test_what_does_not_exist_is_named_with_its_place(account, network, tmp_path, wrong, said):
    stack = tmp_path / "guest.toml"
    stack.write_text(STACK.format(**network | wrong))
    end = account.run("plan", stack, code=1)
    assert "guest.toml:" in end.stderr
    for text in said:
        assert text in end.stderr, end.stderr


def test_a_subnet_of_another_zone_is_told(account, network, tmp_path):
    stack = tmp_path / "guest.toml"
    stack.write_text(STACK.format(**network | {"a": network["b"], "b": network["a"]}))
    end = account.run("plan", stack, code=1)
    assert f"write `b = \"{network['b']}\"`" in end.stderr, end.stderr


def test_filters_of_others_in_their_log_group_stay(account, tmp_path):
    logs, group = account.client("logs"), "/their/function"
    logs.create_log_group(logGroupName=group)
    metric = {"metricName": "errors", "metricNamespace": "theirs", "metricValue": "1"}
    logs.put_metric_filter(logGroupName=group, filterName="theirs", filterPattern="ERROR", metricTransformations=[metric])
    stack = tmp_path / "filters.toml"
    stack.write_text(
        '[stack]\nname = "filters"\nregion = "eu-north-1"\n[network]\nzones = ["a", "b"]\n'
        '[resource.log_group.own]\nname = "/elsewhere/own"\n'
        f'[resource.metric_filter.a]\nname = "ours"\nlog_group = "{group}"\npattern = "WARN"\nnamespace = "ours"\nmetric = "warnings"\n'
        '[resource.metric_filter.b]\nname = "ours"\nlog_group = "${log_group.own.name}"\npattern = "WARN"\nnamespace = "ours"\nmetric = "warnings"\n'
    )
    account.run("apply", stack, "--yes", code=0)
    account.run("plan", stack, "--detailed-exitcode", code=0)
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    left = logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert [one["filterName"] for one in left] == ["theirs"]


def test_a_profile_that_is_asked_for_comes_before_the_keys_of_the_environment(account, tmp_path):
    stack = tmp_path / "small.toml"
    stack.write_text('[stack]\nname = "small"\nregion = "eu-north-1"\n[keys.main]\n')
    end = account.run("plan", stack, "--profile", "nobodys", code=1)
    assert "nobodys" in end.stderr, end.stderr
    keys = tmp_path / "credentials"
    keys.write_text("[other]\naws_access_key_id = 210987654321\naws_secret_access_key = local\n")
    account.environment = account.environment | {"AWS_SHARED_CREDENTIALS_FILE": str(keys)}
    assert "account 123456789012" in account.run("plan", stack, code=0).stderr
    assert "account 210987654321" in account.run("plan", stack, "--profile", "other", code=0).stderr


def test_what_others_keep_on_a_cluster_is_lost_with_it_and_that_is_said(account, tmp_path):
    stack = tmp_path / "own.toml"
    stack.write_text(
        '[stack]\nname = "own"\nregion = "eu-north-1"\n[network]\nzones = ["a", "b"]\n[kafka]\nbrokers = 2\n'
        'instance_type = "kafka.t3.small"\n[keys.main]\n[topics.a]\n'
    )
    account.run("apply", stack, "--yes", code=0)
    kafka = account.client("kafka")
    arn = kafka.list_clusters_v2()["ClusterInfoList"][0]["ClusterArn"]
    kafka.create_topic(ClusterArn=arn, TopicName="theirs", PartitionCount=1, ReplicationFactor=2)
    said = account.run("plan", stack, code=0).stdout
    assert "/theirs is not ours and holds data; it stays" in said, said
    said = account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    said = said.stdout + said.stderr
    assert "/theirs is not ours, holds data, and is lost with it" in said and "it stays" not in said, said
