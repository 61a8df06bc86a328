"""Stacks that the version before the signed records made: planned, applied and known by this one without the loss of anything."""

import json
import sys
from urllib.parse import urlsplit

import pytest

from account import ACCOUNT, REGION, Account
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "upgrade"))
from kept import STACKS, agent, documents, records, unpack  # noqa: E402

# What holds data. Of buckets and keys it is who may use them that changes, of the others nothing.
DATA = {"bucket", "cluster", "database", "key", "queue", "secret", "table", "topic", "volume"}
DATA_VOLUMES = [{"Name": "tag:lakewright:address", "Values": ["volume.*"]}]
MAY_CHANGE = {"bucket": {"policy", "lifecycle"}, "key": {"policy"}, "table": {"properties"}}


def things(aws):
    """What must be the same thing before and after, by its identifier."""
    ec2, s3 = aws("ec2"), aws("s3")
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"] if not one["Name"].startswith("lakewright-")]
    found = {
        "buckets": {one: s3.list_object_versions(Bucket=one)["ResponseMetadata"]["HTTPStatusCode"] for one in buckets},
        "keys": {one["TargetKeyId"] for one in aws("kms").list_aliases()["Aliases"] if "TargetKeyId" in one},
        "clusters": {one["ClusterArn"] for one in aws("kafka").list_clusters_v2()["ClusterInfoList"]},
        "secrets": {one["ARN"]: sorted(one.get("SecretVersionsToStages", {})) for one in aws("secretsmanager").list_secrets()["SecretList"]},
        "vpcs": {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]},
        "subnets": {one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]},
        # Those of data: a host that is refreshed gets a root volume anew.
        "volumes": {one["VolumeId"] for one in ec2.describe_volumes(Filters=DATA_VOLUMES)["Volumes"]},
        "roles": {one["Arn"] for one in aws("iam").list_roles()["Roles"]},
        "queues": set(aws("sqs").list_queues().get("QueueUrls", [])),
        "topics": set(),
        "tables": {},
    }
    for arn in found["clusters"]:
        found["topics"] |= {one["TopicArn"] for one in aws("kafka").list_topics(ClusterArn=arn)["Topics"]}
    for database in aws("glue").get_databases()["DatabaseList"]:
        for table in aws("glue").get_tables(DatabaseName=database["Name"])["TableList"]:
            name = f"{database['Name']}.{table['Name']}"
            # The same table with the same rows; properties may change.
            place = urlsplit(table["Parameters"]["metadata_location"])
            metadata = json.load(s3.get_object(Bucket=place.netloc, Key=place.path[1:])["Body"])
            found["tables"][name] = (metadata["table-uuid"], metadata.get("current-snapshot-id"))
    return found


@pytest.fixture
def account(tmp_path, request):
    unpack(STACKS.parent / f"{request.param}.jsonl", tmp_path / "local")
    account = Account(tmp_path)
    account.environment |= {"LAKEWRIGHT_AGENT": str(agent(tmp_path))}
    account.stack = STACKS / f"{request.param}.toml"
    yield account
    account.stop()


@pytest.mark.parametrize("account", sorted(path.stem for path in STACKS.glob("*.toml")), indirect=True)
def test_a_stack_of_the_version_before_goes_on(account):
    before = things(account.client)
    # Somebody has changed something since, which the old records tell still.
    group = f"/lakewright/{account.stack.stem}/stream"
    account.client("logs").put_retention_policy(logGroupName=group, retentionInDays=365)

    said = account.run("plan", account.stack, "--format", "json", "--detailed-exitcode", code=2)
    plan = json.loads(said.stdout)
    assert "have records of the former format" in said.stderr
    assert (plan["blocked"], plan["claimed"], plan["doubt"]) == ([], [], None)
    steps = {step["address"]: step for step in plan["steps"]}
    assert {step["action"] for step in plan["steps"]} <= {"create", "update"}, {a: s["action"] for a, s in steps.items()}
    # Older versions of tables' files are kept for less long than they were. Nothing else is lost.
    losing = {address: step["loses_data"] for address, step in steps.items() if step["loses_data"]}
    assert set(losing) <= {"bucket.raw", "bucket.warehouse"}, losing
    assert all(lost.startswith("versions of objects in") for of in losing.values() for lost in of), losing
    drifted = {address for address, step in steps.items() if step["cause"] == "drift"}
    assert drifted == {"log_group.stream"}
    for address, step in steps.items():
        if step["kind"] in DATA and step["action"] == "update":
            paths = {change["path"].split(".")[0].split("[")[0] for change in step["changes"]}
            assert paths <= MAY_CHANGE.get(step["kind"], set()), (address, paths)

    allowed = [word for address in sorted(losing) for word in ("--allow-data-loss", address)]
    account.run("apply", account.stack, "--yes", *allowed, code=0)
    account.run("plan", account.stack, "--drift", "--detailed-exitcode", code=0)
    after = things(account.client)
    for what, known in before.items():
        kept = {name: after[what].get(name) for name in known} if isinstance(known, dict) else known & after[what]
        assert kept == known, what

    # All of it has a record that is signed, and the rest stands in a signed document.
    s3, key = account.client("s3"), f"stacks/{account.stack.stem}.json"
    state = f"lakewright-{ACCOUNT}-{REGION}"
    document = json.load(s3.get_object(Bucket=state, Key=key)["Body"])
    assert document["version"] == 2 and document["signature"] and "former" not in document["memory"]
    # The way back: what the version before wrote last is kept.
    assert s3.get_bucket_versioning(Bucket=state)["Status"] == "Enabled"
    assert json.load(s3.get_object(Bucket=state, Key=key, VersionId="null")["Body"])["version"] == 1
    account.stop()
    signed = records(documents(account.folder / "local" / "account" / "state"))
    assert len(signed) > 20 and {record.split(":")[0] for record in signed} == {"2"}
