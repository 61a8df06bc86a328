"""A stack's life in an account: what others change is shown and repaired, plans are values, and nothing is lost by mistake."""

import json
import os
import pty
import subprocess

import pytest
from pyiceberg.types import StringType

from account import ACCOUNT, Account, with_password
from conftest import PROGRAM
from drifts import ANY, BUCKET, DRIFTS, WORLD, cluster, group, key, lake, own, rule


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """The shop, applied once for all tests that leave it as the file says."""
    account = Account(tmp_path_factory.mktemp("shop"))
    with_password(account.stack)
    account.run("apply", account.stack, "--yes", code=0)
    yield account
    account.stop()


@pytest.fixture
def shop(applied):
    yield applied
    # One test's failure is not the next one's.
    if applied.run("plan", applied.stack, "--detailed-exitcode").returncode != 0:
        applied.run("apply", applied.stack, "--yes", "--allow-data-loss", "all")


@pytest.fixture
def empty(tmp_path):
    """An account with nothing in it."""
    account = Account(tmp_path)
    with_password(account.stack)
    yield account
    account.stop()


def actions(plan):
    return {step["address"]: step["action"] for step in plan["steps"]}


def edited(shop, *edits, name="edited.toml"):
    """The stack file with some texts replaced, beside the original."""
    text = shop.stack.read_text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    path = shop.stack.with_name(name)
    path.write_text(text)
    return path


def unchanged(shop):
    shop.run("plan", shop.stack, "--detailed-exitcode", code=0)


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift[0].__name__)
def test_what_others_change_is_told_and_healed(shop, drift):
    change, address, path, before, after = drift
    change(shop.client)
    plan = shop.plan("--drift", "--detailed-exitcode", code=2)
    assert plan == shop.plan(), "all that differs has been changed by others"
    (step,) = plan["steps"]
    assert (step["address"], step["cause"]) == (address, "drift")
    if path is None:
        assert step["action"] == "create"
    else:
        assert step["action"] == "update"
        found = [one for one in step["changes"] if one["path"] == path]
        assert found, [one["path"] for one in step["changes"]]
        assert found[0]["cause"] == "drift" and not found[0]["forces_replacement"]
        for wanted, value in ((before, found[0]["before"]), (after, found[0]["after"])):
            assert value is not None if wanted is ANY else value == wanted
    if without_record(shop.client, address):
        # The audit isn't switched off with it.
        (again,) = shop.plan("--drift", "--detailed-exitcode", code=2)["steps"]
        assert (again["address"], again["cause"]) == (address, "drift")
        assert [one for one in again["changes"] if one["path"] == path]
    healed = shop.run("apply", shop.stack, "--drift-only", "--yes", code=0)
    assert "Done: 1 step " in healed.stderr
    unchanged(shop)


def without_record(aws, address):
    """Takes away the record of what lives at an address, and says whether there was one."""
    record = "lakewright:applied"
    if address.startswith("role."):
        for role in aws("iam").list_roles()["Roles"]:
            tags = {tag["Key"]: tag["Value"] for tag in aws("iam").list_role_tags(RoleName=role["RoleName"])["Tags"]}
            if tags.get("lakewright:address") == address and record in tags:
                aws("iam").untag_role(RoleName=role["RoleName"], TagKeys=[record])
                return True
    tagging = aws("resourcegroupstaggingapi")
    filters = [{"Key": "lakewright:address", "Values": [address]}, {"Key": record}]
    found = [one["ResourceARN"] for one in tagging.get_resources(TagFilters=filters)["ResourceTagMappingList"]]
    if found:
        tagging.untag_resources(ResourceARNList=found, TagKeys=[record])
    return bool(found)


def test_what_is_no_difference_stays_silent(shop):
    aws = shop.client
    vpc = own(aws, "describe_vpcs", "VpcId", "vpc.main")
    table = own(aws, "describe_route_tables", "RouteTableId", "route_table.public")
    theirs = [{"Key": "team", "Value": "data"}, {"Key": "cost-centre", "Value": "7"}]
    ec2 = aws("ec2")
    ec2.create_tags(Resources=[vpc, table, group(aws, "app")], Tags=theirs)
    aws("s3").put_bucket_tagging(
        Bucket=BUCKET, Tagging={"TagSet": aws("s3").get_bucket_tagging(Bucket=BUCKET)["TagSet"] + theirs}
    )
    aws("iam").tag_role(RoleName="shop-app", Tags=theirs)
    aws("kms").tag_resource(KeyId=key(aws), Tags=[{"TagKey": "team", "TagValue": "data"}])
    aws("secretsmanager").tag_resource(SecretId="AmazonMSK_shop_kafka", Tags=theirs)
    # AWS itself has put the local route and the gateway endpoint's `pl-` route there.
    (routes,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    targets = {route.get("GatewayId", "") for route in routes["Routes"]}
    assert "local" in targets and any(target.startswith("vpce-") for target in targets), routes
    # MSK writes this when a secret is associated with a cluster.
    statement = {
        "Sid": "AWSKafkaResourcePolicy", "Effect": "Allow", "Principal": {"Service": "kafka.amazonaws.com"},
        "Action": "secretsmanager:getSecretValue", "Resource": aws("secretsmanager").describe_secret(SecretId="AmazonMSK_shop_kafka")["ARN"],
    }
    aws("secretsmanager").put_resource_policy(
        SecretId="AmazonMSK_shop_kafka", ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    # Storage that AWS has grown by itself is a floor.
    one = cluster(aws)
    brokers = [{"KafkaBrokerNodeId": "All", "VolumeSizeGB": 200}]
    aws("kafka").update_broker_storage(
        ClusterArn=one["ClusterArn"], CurrentVersion=one["CurrentVersion"], TargetBrokerEBSVolumeInfo=brokers
    )
    # Others' things that the stack's own could be taken for.
    ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)
    aws("s3").create_bucket(Bucket="shop-raw-of-others", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    unchanged(shop)
    ec2.delete_security_group(GroupName="theirs", GroupId=next(
        one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"] if one["GroupName"] == "theirs"
    ))


def test_extra_things_that_hold_data_are_told_and_kept(shop):
    aws = shop.client
    arn = cluster(aws)["ClusterArn"]
    aws("kafka").create_topic(ClusterArn=arn, TopicName="theirs", PartitionCount=1, ReplicationFactor=3)
    aws("glue").create_table(DatabaseName="shop_raw", TableInput={"Name": "theirs", "StorageDescriptor": {"Columns": []}})
    plan = shop.plan("--detailed-exitcode")
    assert plan["steps"] == []
    told = {one["thing"].split("/")[-1] for one in plan["foreign"]}
    assert told == {"theirs", "shop_raw.theirs"}
    text = shop.run("plan", shop.stack, code=0).stdout
    assert "is not ours and holds data; it stays" in text
    shop.run("apply", shop.stack, "--yes", code=0)
    names = [topic["TopicName"] for topic in aws("kafka").list_topics(ClusterArn=arn)["Topics"]]
    assert "theirs" in names
    assert aws("glue").get_table(DatabaseName="shop_raw", Name="theirs")
    aws("kafka").delete_topic(ClusterArn=arn, TopicName="theirs")
    aws("glue").delete_table(DatabaseName="shop_raw", Name="theirs")


def test_a_column_added_by_hand_is_told_and_not_dropped(shop):
    with lake(shop.client, "shop_raw.inventory").update_schema() as schema:
        schema.add_column("shelf", StringType())
    (step,) = shop.plan("--drift")["steps"]
    assert step["address"] == "table.inventory" and step["changes"][0]["path"] == "columns[shelf]"
    assert step["loses_data"] == ["the values of the column shelf of inventory are lost"]
    refused = shop.run("apply", shop.stack, "--drift-only", "--yes", code=1).stderr
    assert "loses data" in refused and "column shelf" in refused
    assert "shelf" in lake(shop.client, "shop_raw.inventory").schema().column_names
    shop.run("apply", shop.stack, "--drift-only", "--yes", "--allow-data-loss", "table.inventory", code=0)
    unchanged(shop)


def test_an_alias_moved_to_another_key_is_not_taken_back(shop):
    kms = shop.client("kms")
    ours, other = key(shop.client), kms.create_key()["KeyMetadata"]["Arn"]
    kms.update_alias(AliasName="alias/shop-main", TargetKeyId=other)
    (step,) = shop.plan("--drift")["steps"]
    assert (step["address"], step["changes"][0]["path"]) == ("key.main", "alias")
    refused = shop.run("apply", shop.stack, "--drift-only", "--yes", code=1).stderr
    assert f"the alias shop-main already names the key {other}" in refused
    kms.update_alias(AliasName="alias/shop-main", TargetKeyId=ours)
    unchanged(shop)


def test_drift_and_a_changed_file_are_told_apart(shop):
    aws = shop.client
    changed = edited(shop, ('scan_limit = "100 GB"', 'scan_limit = "50 GB"'), ('log_retention = "14d"', 'log_retention = "30d"'))
    aws("athena").update_work_group(WorkGroup="shop", ConfigurationUpdates={"BytesScannedCutoffPerQuery": 7 * 10**12}, Description="mine")
    aws("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    plan = json.loads(shop.run("plan", changed, "--format", "json", code=0).stdout)
    causes = {(step["address"], one["path"]): one["cause"] for step in plan["steps"] for one in step["changes"]}
    groups = ["batch", "flow-logs", "kafka", "producer", "sessions", "shipper", "stream"]
    assert causes == {
        ("workgroup.main", "description"): "drift",
        ("workgroup.main", "bytes_scanned_cutoff_per_query"): "file",
        ("bucket.raw", "versioning"): "drift",
    } | {(f"log_group.{name}", "retention_days"): "file" for name in groups}
    shop.run("apply", changed, "--drift-only", "--yes", code=0)
    left = json.loads(shop.run("plan", changed, "--format", "json", code=0).stdout)
    news = {step["address"]: {one["path"] for one in step["changes"]} for step in left["steps"]}
    assert news == {"workgroup.main": {"bytes_scanned_cutoff_per_query"}} | {f"log_group.{name}": {"retention_days"} for name in groups}
    # Nothing is left to be healed, and all the same something is otherwise than the file says.
    found = shop.run("plan", changed, "--drift", "--detailed-exitcode", code=2).stdout
    assert "apart from what is left out" in found
    shop.run("apply", shop.stack, "--yes", code=0)
    unchanged(shop)


def test_a_plan_is_a_value(shop):
    aws = shop.client
    changed = edited(shop, ('scan_limit = "100 GB"', 'scan_limit = "60 GB"'))
    saved = shop.folder / "shop.plan"
    shop.run("plan", changed, "--out", saved, code=0)
    assert saved.stat().st_mode & 0o077 == 0
    made = shop.run("plan", changed, "--format", "json", code=0).stdout
    assert shop.run("show", saved, "--format", "json", code=0).stdout == made
    assert "bytes_scanned_cutoff_per_query: 100000000000 -> 60000000000" in shop.run("show", saved, code=0).stdout
    assert "workgroup.main" in shop.run("show", saved, "--format", "markdown", code=0).stdout
    secret = json.loads(aws("secretsmanager").get_secret_value(SecretId="AmazonMSK_shop_kafka")["SecretString"])
    assert len(secret["password"]) >= 16 and secret["password"] not in saved.read_text()

    # What it was made from has to be so still, wherever in the stack.
    aws("ec2").authorize_security_group_ingress(GroupId=group(aws, "search"), IpPermissions=rule(22, IpRanges=[WORLD]))
    refused = shop.run("apply", saved, "--yes", code=1).stderr
    assert "AWS has changed since the plan was made" in refused and "security_group.search.ingress" in refused
    assert aws("athena").get_work_group(WorkGroup="shop")["WorkGroup"]["Configuration"]["BytesScannedCutoffPerQuery"] == 10**11
    shop.run("apply", shop.stack, "--drift-only", "--yes", code=0)

    # It belongs to its account and region, and is whole.
    elsewhere = shop.run("apply", saved, "--yes", code=1, account="999999999999").stderr
    assert f"a plan for the account {ACCOUNT}, and this is the account 999999999999" in elsewhere
    elsewhere = shop.run("apply", saved, "--yes", "--region", "eu-west-1", code=1).stderr
    assert "a plan for the region eu-north-1, and this is the region eu-west-1" in elsewhere
    for name, text, said in (
        ("broken.plan", saved.read_text()[:400], "it is no plan"),
        ("other.plan", saved.read_text().replace("lakewright plan 3", "lakewright plan 9"), "lakewright plan 9"),
        ("none.plan", '{"resource_changes": []}', "no member `format`"),
    ):
        path = shop.folder / name
        path.write_text(text)
        for words in (["apply", path, "--yes"], ["show", path]):
            refused = shop.run(*words, code=1).stderr
            assert name in refused and said in refused, refused

    shop.run("apply", saved, "--yes", code=0)
    shop.run("plan", changed, "--detailed-exitcode", code=0)
    again = shop.run("apply", saved, "--yes", code=1).stderr
    assert "workgroup.main.bytes_scanned_cutoff_per_query: was 100000000000, is 60000000000" in again
    shop.run("apply", shop.stack, "--yes", code=0)


def test_part_of_a_stack(shop):
    aws = shop.client
    aws("logs").put_retention_policy(logGroupName="/lakewright/shop/stream", retentionInDays=1)
    aws("ec2").delete_vpc_endpoints(VpcEndpointIds=[own(aws, "describe_vpc_endpoints", "VpcEndpointId", "vpc_endpoint.s3")])
    assert set(actions(shop.plan("--target", "log_group.*"))) == {"log_group.stream"}
    without = shop.plan("--exclude", "log_group.stream")
    assert set(actions(without)) == {"vpc_endpoint.s3"}
    assert without["left_out"] == [{"address": "log_group.stream", "action": "update"}]
    for flag in ("--target", "--exclude"):
        typo = shop.run("plan", shop.stack, flag, "log_group.steam", code=1).stderr
        assert "fits no address" in typo and "did you mean `log_group.stream`?" in typo
    shop.run("apply", shop.stack, "--target", "log_group.stream", "--yes", code=0)
    assert actions(shop.plan()) == {"vpc_endpoint.s3": "create"}
    shop.run("apply", shop.stack, "--yes", code=0)
    unchanged(shop)


def test_a_section_that_goes_is_protected(shop):
    gone = edited(shop, ("[buckets.backup]", "[buckets.raw2]"), ('backup_bucket = "backup"', 'backup_bucket = "raw"'))
    plan = json.loads(shop.run("plan", gone, "--format", "json", code=0).stdout)
    assert actions(plan)["bucket.backup"] == "delete"
    refused = shop.run("apply", gone, "--yes", code=1).stderr
    assert "loses data" in refused and "bucket.backup" in refused and "--allow-data-loss" in refused
    unchanged(shop)
    shop.run("apply", gone, "--yes", "--allow-data-loss", "bucket.backup", code=0)
    names = [bucket["Name"] for bucket in shop.client("s3").list_buckets()["Buckets"]]
    assert f"shop-backup-{ACCOUNT}" not in names
    shop.run("apply", shop.stack, "--yes", "--allow-data-loss", "bucket.raw2", code=0)
    unchanged(shop)


def test_a_second_thing_at_an_address_is_left_alone(shop):
    ec2 = shop.client("ec2")
    first = own(shop.client, "describe_vpcs", "VpcId", "vpc.main")
    tags = [tag for tag in ec2.describe_vpcs(VpcIds=[first])["Vpcs"][0]["Tags"] if tag["Key"].startswith("lakewright:")]
    second = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[second], Tags=tags)
    found = shop.plan()
    assert found["steps"] == [] and [one["id"] for one in found["claimed"]] == [second]
    exact = found["claimed"][0]["address"]
    assert exact.startswith("vpc.main@")
    # It stands in nobody's way, and somebody has to look at it.
    said = shop.run("apply", shop.stack, "--yes", code=3).stdout
    assert f"! {exact} {second}" in said and f"vpc.main {first}" not in said
    assert {vpc["VpcId"] for vpc in ec2.describe_vpcs(VpcIds=[first, second])["Vpcs"]} == {first, second}
    ec2.delete_vpc(VpcId=second)
    unchanged(shop)


MADE_BY_HAND = '''
[stack]
name = "hand"
region = "eu-north-1"

[keys.old]

[buckets.data]
key = "old"
'''


def test_a_rename_makes_nothing_anew(empty):
    stack = empty.folder / "hand.toml"
    stack.write_text(MADE_BY_HAND)
    empty.run("apply", stack, "--yes", code=0)
    aws = empty.client
    arn = aws("kms").describe_key(KeyId="alias/hand-old")["KeyMetadata"]["Arn"]
    stack.write_text(MADE_BY_HAND.replace("keys.old", "keys.new").replace('key = "old"', 'key = "new"'))
    plan = json.loads(empty.run("plan", stack, "--format", "json", code=0).stdout)
    assert actions(plan)["key.old"] == "delete" and actions(plan)["key.new"] == "create"
    stack.write_text(stack.read_text() + '\n[moved]\nkey.old = "key.new"\n')
    plan = json.loads(empty.run("plan", stack, "--format", "json", code=0).stdout)
    assert actions(plan) == {"key.new": "update"}, plan
    empty.run("apply", stack, "--yes", code=0)
    empty.run("plan", stack, "--detailed-exitcode", code=0)
    assert aws("kms").describe_key(KeyId="alias/hand-new")["KeyMetadata"]["Arn"] == arn
    empty.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
    # Nobody reads a lease of what doesn't live: the bucket that held it has gone too.
    assert aws("s3").list_buckets()["Buckets"] == []


def test_what_was_made_by_hand_is_adopted(empty):
    aws = empty.client
    stack = empty.stack
    bucket = f"shop-raw-{ACCOUNT}"
    aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    aws("s3").put_object(Bucket=bucket, Key="old", Body=b"kept")
    aws("logs").create_log_group(logGroupName="/lakewright/shop/stream")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    aws("iam").create_role(RoleName="shop-app", AssumeRolePolicyDocument=json.dumps(trust))
    role = aws("iam").get_role(RoleName="shop-app")["Role"]["RoleId"]

    refused = empty.run("apply", stack, "--yes", code=1).stderr
    assert "adopt" in refused and bucket in refused, refused
    wrong = empty.run("--stack", stack, "adopt", "bucket.rwa", bucket, "--yes", code=1).stderr
    assert "did you mean `bucket.raw`?" in wrong
    for address, name in (("bucket.raw", bucket), ("log_group.stream", "/lakewright/shop/stream"), ("role.app", "shop-app")):
        empty.run("--stack", stack, "adopt", address, name, "--yes", code=0)
    plan = actions(empty.plan())
    assert {plan[address] for address in ("bucket.raw", "log_group.stream", "role.app")} == {"update"}
    refused = empty.run("apply", stack, "--yes", code=1).stderr
    assert "update bucket.raw: versions of objects" in refused, "old versions that it may hold are somebody's data"
    empty.run("apply", stack, "--yes", "--allow-data-loss", "bucket.raw", code=0)
    unchanged(empty)
    assert aws("s3").get_object(Bucket=bucket, Key="old")["Body"].read() == b"kept"
    assert aws("iam").get_role(RoleName="shop-app")["Role"]["RoleId"] == role


def test_destroy_asks_for_the_name_and_leaves_nothing(empty):
    empty.run("apply", empty.stack, "--yes", code=0)
    refused = empty.run("destroy", empty.stack, "--yes", code=1).stderr
    assert "loses data" in refused and "cluster.main" in refused
    assert "no terminal" in empty.run("destroy", empty.stack, "--allow-data-loss", "all", code=1).stderr
    unchanged(empty)
    assert answered(empty, "yes") != 0, "the answer is the stack's name"
    unchanged(empty)
    assert answered(empty, "shop") == 0
    assert set(actions(empty.plan()).values()) == {"create"}
    aws = empty.client
    assert aws("s3").list_buckets()["Buckets"] == [], "the bucket of the lease has gone with the last stack"
    tagged = [
        one["ResourceARN"] for one in aws("resourcegroupstaggingapi").get_resources(
            TagFilters=[{"Key": "lakewright:stack"}])["ResourceTagMappingList"]
    ]
    # A key and a secret wait for their end, and what has ended is listed for a while.
    assert {arn.split(":")[2] for arn in tagged} <= {"kms", "secretsmanager", "ec2", "emr-serverless"}, tagged
    reservations = aws("ec2").describe_instances()["Reservations"]
    assert {one["State"]["Name"] for found in reservations for one in found["Instances"]} == {"terminated"}
    assert {one["state"] for one in aws("emr-serverless").list_applications()["applications"]} <= {"TERMINATED"}
    assert all(":instance/" in arn for arn in tagged if arn.split(":")[2] == "ec2"), tagged
    said = empty.run("destroy", empty.stack, "--yes", code=0).stderr
    assert "Nothing of the stack shop exists." in said
    empty.run("apply", empty.stack, "--yes", code=0)
    unchanged(empty)


def answered(account, answer):
    """Destroys on a terminal where somebody types that answer; the exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "destroy", str(account.stack), "--allow-data-loss", "all"],
        stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=account.folder,
        env=account.environment | account.keys("destroy", account.stack),
    )
    os.close(theirs)
    said = b""
    while b"Type the stack's name, shop:" not in said:
        more = os.read(process.stderr.fileno(), 4096)
        assert more, said
        said += more
    os.write(ours, answer.encode() + b"\n")
    process.communicate(timeout=120)
    os.close(ours)
    return process.returncode
