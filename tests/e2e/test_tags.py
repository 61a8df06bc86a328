"""Tags of the stack file: on everything that carries any, hosts that run and their volumes among it, and nobody else's touched."""

import pytest

from account import ACCOUNT, Account

STACK = """
[stack]
name = "tagged"
region = "eu-north-1"
tags = { team = "data", cost-center = "42" }

[network]
zones = ["a"]

[buckets.raw]
tags = { team = "lake" }

[hosts.app]
refresh = "rolling"

[resource.queue.jobs]
name = "tagged-jobs"
tags = { owner = "me" }

[allow.bucket-without-key]
"bucket.raw" = "a test"
"bucket.artifacts" = "a test"
"""
BUCKET = f"tagged-raw-{ACCOUNT}"
THEIRS = {"backup": "daily"}


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    account.stack.write_text(STACK)
    yield account
    account.stop()


class Carried:
    """What the account's things carry, without Lakewright's own tags and AWS's."""

    def __init__(self, account):
        self.clients = {name: account.client(name) for name in ("ec2", "s3", "sqs", "autoscaling")}

    def of(self, tags):
        pairs = tags.items() if isinstance(tags, dict) else ((tag["Key"], tag["Value"]) for tag in tags)
        return {key: value for key, value in pairs if not key.startswith(("lakewright:", "aws:"))}

    def bucket(self):
        return self.of(self.clients["s3"].get_bucket_tagging(Bucket=BUCKET)["TagSet"])

    def queue(self):
        url = self.clients["sqs"].get_queue_url(QueueName="tagged-jobs")["QueueUrl"]
        return self.of(self.clients["sqs"].list_queue_tags(QueueUrl=url)["Tags"])

    def host(self):
        (group,) = self.clients["autoscaling"].describe_auto_scaling_groups()["AutoScalingGroups"]
        (host,) = group["Instances"]
        return host["InstanceId"]

    def hosts(self):
        (instance,) = self.clients["ec2"].describe_instances(InstanceIds=[self.host()])["Reservations"][0]["Instances"]
        return self.of(instance["Tags"])

    def volumes(self):
        (volume,) = self.clients["ec2"].describe_volumes()["Volumes"]
        return self.of(volume["Tags"])


def paths(plan):
    return {step["address"]: sorted(change["path"] for change in step["changes"]) for step in plan["steps"]}


def test_tags_come_change_and_go_without_a_new_host(account):
    account.run("apply", account.stack, "--yes", code=0)
    carried = Carried(account)
    everything = {"team": "data", "cost-center": "42"}
    assert carried.bucket() == everything | {"Name": "tagged-raw", "team": "lake"}
    assert carried.queue() == everything | {"Name": "tagged-jobs", "owner": "me"}
    assert carried.hosts() == carried.volumes() == everything | {"Name": "tagged-app"}
    account.run("plan", account.stack, "--detailed-exitcode", code=0)

    # What others write stays theirs, and what they change of the stack's is drift.
    ec2, sqs, host = carried.clients["ec2"], carried.clients["sqs"], carried.host()
    url = sqs.get_queue_url(QueueName="tagged-jobs")["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags=THEIRS)
    (volume,) = ec2.describe_volumes()["Volumes"]
    ec2.create_tags(Resources=[host, volume["VolumeId"]], Tags=[{"Key": "backup", "Value": "daily"}])
    account.run("plan", account.stack, "--detailed-exitcode", code=0)
    sqs.tag_queue(QueueUrl=url, Tags={"owner": "you"})
    ec2.create_tags(Resources=[host], Tags=[{"Key": "Name", "Value": "mine"}])
    ec2.delete_tags(Resources=[volume["VolumeId"]], Tags=[{"Key": "team"}])
    plan = account.plan("--drift", "--detailed-exitcode", code=2)
    assert paths(plan) == {
        "queue.jobs": ["tags.owner"],
        "auto_scaling_group.app": sorted([f"{host}.tags.Name", f"{volume['VolumeId']}.tags.team"]),
    }
    assert {step["cause"] for step in plan["steps"]} == {"drift"}
    account.run("apply", account.stack, "--drift-only", "--yes", code=0)
    assert carried.queue() == everything | {"Name": "tagged-jobs", "owner": "me"} | THEIRS
    assert carried.hosts() == carried.volumes() == everything | {"Name": "tagged-app"} | THEIRS

    # A tag of the whole stack changes and another one goes: nothing is started, and no version is made.
    account.stack.write_text(STACK.replace('team = "data", cost-center = "42"', 'team = "core"'))
    plan = account.plan()
    assert {step["action"] for step in plan["steps"]} == {"update"}
    assert paths(plan)["bucket.raw"] == ["tags.cost-center"]
    assert paths(plan)["launch_template.app"] == ["tags.cost-center", "tags.team"]
    assert all(path.startswith("tags.") for changed in paths(plan).values() for path in changed)
    account.run("apply", account.stack, "--yes", code=0)
    assert carried.bucket() == {"Name": "tagged-raw", "team": "lake"}
    assert carried.hosts() == carried.volumes() == {"Name": "tagged-app", "team": "core"} | THEIRS
    assert carried.host() == host
    refreshes = carried.clients["autoscaling"].describe_instance_refreshes(AutoScalingGroupName="tagged-app")
    assert refreshes["InstanceRefreshes"] == []
    (template,) = ec2.describe_launch_templates()["LaunchTemplates"]
    assert template["LatestVersionNumber"] == 1
    account.run("plan", account.stack, "--detailed-exitcode", code=0)

    # A host that starts later has them too.
    carried.clients["autoscaling"].terminate_instance_in_auto_scaling_group(
        InstanceId=host, ShouldDecrementDesiredCapacity=False
    )
    assert carried.host() != host
    assert carried.hosts() == {"Name": "tagged-app", "team": "core"}
    # Its volume begins with those that the template was made with.
    assert carried.volumes() == {"Name": "tagged-app"} | everything
    account.run("plan", account.stack, "--drift", "--detailed-exitcode", code=2)
    account.run("apply", account.stack, "--drift-only", "--yes", code=0)
    assert carried.volumes() == {"Name": "tagged-app", "team": "core"}
    account.run("plan", account.stack, "--detailed-exitcode", code=0)
