"""Secrets Manager, CloudWatch Logs, SSM's public parameters, the tagging API, and what a restart keeps."""

import json
import time
import uuid

import pytest


@pytest.fixture(scope="module")
def secrets(account):
    return account.client("secretsmanager")


@pytest.fixture(scope="module")
def logs(account):
    return account.client("logs")


def test_a_secret_and_its_versions(secrets, refused):
    token = str(uuid.uuid4())
    call = dict(Name="AmazonMSK_shop", SecretString="one", ClientRequestToken=token, KmsKeyId="key-1",
                Tags=[{"Key": "a", "Value": "1"}])
    made = secrets.create_secret(**call)
    assert made["VersionId"] == token and ":secret:AmazonMSK_shop-" in made["ARN"]
    assert secrets.create_secret(**call)["ARN"] == made["ARN"]
    with refused("ResourceExistsException", 400):
        secrets.create_secret(**{**call, "SecretString": "two"})
    second = secrets.put_secret_value(SecretId="AmazonMSK_shop", SecretString="two")["VersionId"]
    assert secrets.get_secret_value(SecretId=made["ARN"])["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId=made["ARN"][:-7], VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    described = secrets.describe_secret(SecretId="AmazonMSK_shop")
    assert described["VersionIdsToStages"] == {token: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    assert (described["KmsKeyId"], described["Tags"]) == ("key-1", [{"Key": "a", "Value": "1"}])
    with refused("ResourceExistsException", 400):
        secrets.put_secret_value(SecretId="AmazonMSK_shop", SecretString="three", ClientRequestToken=token)
    with refused("InvalidParameterException", 400):
        secrets.put_secret_value(SecretId="AmazonMSK_shop", SecretString="x", SecretBinary=b"x")
    secrets.put_secret_value(SecretId="AmazonMSK_shop", SecretBinary=b"\x00\xff")
    assert secrets.get_secret_value(SecretId="AmazonMSK_shop")["SecretBinary"] == b"\x00\xff"
    with refused("ResourceNotFoundException", 400):
        secrets.get_secret_value(SecretId="none")


def test_a_deleted_secret_waits_for_its_end(secrets, refused):
    secrets.create_secret(Name="waiting", SecretString="x", Tags=[{"Key": "k", "Value": "v"}])
    secrets.delete_secret(SecretId="waiting", RecoveryWindowInDays=7)
    with refused("InvalidRequestException", 400):
        secrets.get_secret_value(SecretId="waiting")
    with refused("InvalidRequestException", 400):
        secrets.create_secret(Name="waiting", SecretString="x")
    assert "DeletedDate" in secrets.describe_secret(SecretId="waiting")
    assert "waiting" not in [secret["Name"] for secret in secrets.list_secrets()["SecretList"]]
    listed = secrets.list_secrets(IncludePlannedDeletion=True, Filters=[{"Key": "tag-key", "Values": ["k"]}])
    assert [secret["Name"] for secret in listed["SecretList"]] == ["waiting"]
    secrets.restore_secret(SecretId="waiting")
    assert secrets.get_secret_value(SecretId="waiting")["SecretString"] == "x"
    with refused("InvalidParameterException", 400):
        secrets.delete_secret(SecretId="waiting", RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)
    secrets.delete_secret(SecretId="waiting", ForceDeleteWithoutRecovery=True)
    with refused("ResourceNotFoundException", 400):
        secrets.describe_secret(SecretId="waiting")


def test_secrets_page_and_filter(secrets):
    for number in range(5):
        secrets.create_secret(Name=f"many/{number}", SecretString="x", Tags=[{"Key": "n", "Value": str(number)}])
    pages = secrets.get_paginator("list_secrets").paginate(
        Filters=[{"Key": "name", "Values": ["many/"]}], PaginationConfig={"PageSize": 2}
    )
    assert sorted(secret["Name"] for page in pages for secret in page["SecretList"]) == [f"many/{n}" for n in range(5)]


def test_resource_policies(secrets, refused):
    secrets.create_secret(Name="shared", SecretString="x")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "kafka.amazonaws.com"}, "Action": "secretsmanager:getSecretValue", "Resource": "*"}
    ]})
    secrets.put_resource_policy(SecretId="shared", ResourcePolicy=policy)
    assert secrets.get_resource_policy(SecretId="shared")["ResourcePolicy"] == policy
    with refused("MalformedPolicyDocumentException", 400):
        secrets.put_resource_policy(SecretId="shared", ResourcePolicy="{}")


def test_log_groups(logs, refused):
    logs.create_log_group(logGroupName="/lakewright/shop/stream", tags={"a": "1"})
    with refused("ResourceAlreadyExistsException", 400):
        logs.create_log_group(logGroupName="/lakewright/shop/stream")
    with refused("InvalidParameterException", 400):
        logs.create_log_group(logGroupName="with space")
    with refused("InvalidParameterException", 400):
        logs.put_retention_policy(logGroupName="/lakewright/shop/stream", retentionInDays=8)
    logs.put_retention_policy(logGroupName="/lakewright/shop/stream", retentionInDays=14)
    group = logs.describe_log_groups(logGroupNamePrefix="/lakewright/")["logGroups"][0]
    assert group["retentionInDays"] == 14 and group["arn"].endswith(":log-group:/lakewright/shop/stream:*")
    logs.tag_resource(resourceArn=group["logGroupArn"], tags={"b": "2"})
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "1", "b": "2"}
    logs.delete_retention_policy(logGroupName="/lakewright/shop/stream")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]

    logs.create_log_stream(logGroupName="/lakewright/shop/stream", logStreamName="host")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": f"line {number}"} for number in range(10)]
    logs.put_log_events(logGroupName="/lakewright/shop/stream", logStreamName="host", logEvents=events)
    old = logs.put_log_events(
        logGroupName="/lakewright/shop/stream", logStreamName="host", logEvents=[{"timestamp": 1, "message": "old"}]
    )
    assert old["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] == 1
    got = logs.get_log_events(
        logGroupName="/lakewright/shop/stream", logStreamName="host", startFromHead=True, limit=6
    )
    assert [event["message"] for event in got["events"]] == [f"line {number}" for number in range(6)]
    rest = logs.get_log_events(
        logGroupName="/lakewright/shop/stream", logStreamName="host", nextToken=got["nextForwardToken"]
    )
    assert len(rest["events"]) == 4
    found = logs.filter_log_events(logGroupName="/lakewright/shop/stream", filterPattern='"line 7"')["events"]
    assert [event["message"] for event in found] == ["line 7"]
    logs.delete_log_group(logGroupName="/lakewright/shop/stream")
    with refused("ResourceNotFoundException", 400):
        logs.delete_log_group(logGroupName="/lakewright/shop/stream")


def test_log_groups_under_keys(account, logs, refused):
    kms = account.client("kms")
    group = f"arn:aws:logs:eu-north-1:{account_number(account)}:log-group:/keyed/*"
    let_in = {
        "Effect": "Allow", "Principal": {"Service": "logs.eu-north-1.amazonaws.com"}, "Resource": "*",
        "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": group}},
    }
    everybody = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account_number(account)}:root"},
        "Action": "kms:*", "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody, let_in]})
    key = kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]
    plain = kms.create_key()["KeyMetadata"]["Arn"]
    logs.create_log_group(logGroupName="/keyed/one", kmsKeyId=key)
    assert logs.describe_log_groups(logGroupNamePrefix="/keyed/")["logGroups"][0]["kmsKeyId"] == key
    with refused("AccessDeniedException", 400):
        logs.create_log_group(logGroupName="/keyed/two", kmsKeyId=plain)
    with refused("AccessDeniedException", 400):
        logs.create_log_group(logGroupName="/other/two", kmsKeyId=key)
    logs.disassociate_kms_key(logGroupName="/keyed/one")
    assert "kmsKeyId" not in logs.describe_log_groups(logGroupNamePrefix="/keyed/")["logGroups"][0]
    kms.disable_key(KeyId=key)
    with refused("InvalidParameterException", 400):
        logs.associate_kms_key(logGroupName="/keyed/one", kmsKeyId=key)
    logs.delete_log_group(logGroupName="/keyed/one")


def account_number(account):
    return account.client("sts").get_caller_identity()["Account"]


def test_session_documents(account, refused):
    ssm = account.client("ssm")

    def content(minutes):
        inputs = {"idleSessionTimeout": str(minutes), "runAsEnabled": False}
        return json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs})

    call = dict(Name="team-session", DocumentType="Session", DocumentFormat="JSON")
    made = ssm.create_document(**call, Content=content(20), Tags=[{"Key": "a", "Value": "1"}])["DocumentDescription"]
    assert (made["Status"], made["DefaultVersion"], made["SchemaVersion"]) == ("Active", "1", "1.0")
    with refused("DocumentAlreadyExists", 400):
        ssm.create_document(**call, Content=content(20))
    with refused("InvalidDocumentContent", 400):
        ssm.create_document(Name="too-long", DocumentType="Session", Content=content(61))
    with refused("ValidationException", 400):
        ssm.create_document(Name="AWS-mine", DocumentType="Session", Content=content(20))
    with refused("DuplicateDocumentContent", 400):
        ssm.update_document(Name="team-session", Content=content(20), DocumentVersion="$LATEST")
    new = ssm.update_document(Name="team-session", Content=content(5), DocumentVersion="$LATEST")["DocumentDescription"]
    assert (new["DocumentVersion"], new["DefaultVersion"]) == ("2", "1")
    assert ssm.get_document(Name="team-session")["Content"] == content(20)
    ssm.update_document_default_version(Name="team-session", DocumentVersion="2")
    assert ssm.get_document(Name="team-session")["Content"] == content(5)
    with refused("InvalidDocumentOperation", 400):
        ssm.delete_document(Name="team-session", DocumentVersion="2")
    ssm.delete_document(Name="team-session", DocumentVersion="1")
    with refused("InvalidDocumentVersion", 400):
        ssm.get_document(Name="team-session", DocumentVersion="1")
    about = dict(ResourceType="Document", ResourceId="team-session")
    ssm.add_tags_to_resource(**about, Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(**about, TagKeys=["a"])
    assert ssm.list_tags_for_resource(**about)["TagList"] == [{"Key": "b", "Value": "2"}]
    tagged = account.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["ssm:document"])
    assert [one["ResourceARN"].rsplit("/")[-1] for one in tagged["ResourceTagMappingList"]] == ["team-session"]
    assert [one["Name"] for one in ssm.list_documents()["DocumentIdentifiers"]] == ["team-session"]
    ssm.delete_document(Name="team-session")
    with refused("InvalidDocument", 400):
        ssm.describe_document(Name="team-session")
    with refused("InvalidResourceId", 400):
        ssm.list_tags_for_resource(**about)


def test_parameters(account, refused):
    ssm = account.client("ssm")
    made = ssm.put_parameter(
        Name="/shop/lake/bucket", Value="one", Type="String", Description="d", Tags=[{"Key": "a", "Value": "1"}]
    )
    assert (made["Version"], made["Tier"]) == (1, "Standard")
    with refused("ParameterAlreadyExists", 400):
        ssm.put_parameter(Name="/shop/lake/bucket", Value="two", Type="String")
    with refused("ValidationException", 400):
        ssm.put_parameter(Name="/shop/lake/bucket", Value="two", Overwrite=True, Tags=[{"Key": "a", "Value": "1"}])
    with refused("HierarchyTypeMismatchException", 400):
        ssm.put_parameter(Name="/shop/lake/bucket", Value="two", Type="StringList", Overwrite=True)
    with refused("UnsupportedParameterType", 400):
        ssm.put_parameter(Name="/shop/secret", Value="two", Type="SecureString")
    for name in ["/shop//a", "/shop/", "shop/a", "/ssm/a", "/shop a"]:
        with refused("ValidationException", 400):
            ssm.put_parameter(Name=name, Value="two", Type="String")
    with refused("AccessDeniedException", 400):
        ssm.put_parameter(Name="/aws/a", Value="two", Type="String")
    with refused("HierarchyLevelLimitExceededException", 400):
        ssm.put_parameter(Name="/a" * 16, Value="two", Type="String")
    for value in ["x" * 4097, "{{ssm:/shop/lake/bucket}}"]:
        with refused("ValidationException", 400):
            ssm.put_parameter(Name="/shop/other", Value=value, Type="String")

    # What an update doesn't name stays.
    assert ssm.put_parameter(Name="/shop/lake/bucket", Value="two", Overwrite=True)["Version"] == 2
    named = [{"Key": "Name", "Values": ["/shop/lake/bucket"]}]
    described = ssm.describe_parameters(ParameterFilters=named)["Parameters"]
    assert [(one["Description"], one["Tier"], one["Version"]) for one in described] == [("d", "Standard", 2)]
    parameter = ssm.get_parameter(Name="/shop/lake/bucket:2")["Parameter"]
    arn = "arn:aws:ssm:eu-north-1:123456789012:parameter/shop/lake/bucket"
    assert (parameter["ARN"], parameter["Value"], parameter["DataType"]) == (arn, "two", "text")

    # An advanced parameter holds more, and never becomes a standard one again.
    assert ssm.put_parameter(Name="/shop/long", Value="x" * 5000, Type="String", Tier="Advanced")["Tier"] == "Advanced"
    with refused("ValidationException", 400):
        ssm.put_parameter(Name="/shop/long", Value="x", Tier="Standard", Overwrite=True)
    below = ssm.get_parameters_by_path(Path="/shop")["Parameters"]
    assert [one["Name"] for one in below] == ["/shop/long"]
    below = ssm.get_paginator("get_parameters_by_path").paginate(
        Path="/shop", Recursive=True, PaginationConfig={"PageSize": 1}
    )
    assert [one["Name"] for page in below for one in page["Parameters"]] == ["/shop/lake/bucket", "/shop/long"]

    about = dict(ResourceType="Parameter", ResourceId="/shop/lake/bucket")
    ssm.add_tags_to_resource(**about, Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(**about, TagKeys=["a"])
    assert ssm.list_tags_for_resource(**about)["TagList"] == [{"Key": "b", "Value": "2"}]
    tagged = account.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["ssm:parameter"])
    assert arn in [one["ResourceARN"] for one in tagged["ResourceTagMappingList"]]
    ssm.delete_parameter(Name="/shop/lake/bucket")
    with refused("ParameterNotFound", 400):
        ssm.delete_parameter(Name="/shop/lake/bucket")
    with refused("InvalidResourceId", 400):
        ssm.list_tags_for_resource(**about)
    ssm.delete_parameter(Name="/shop/long")
    assert ssm.describe_parameters()["Parameters"] == []


def test_image_parameters(account, refused):
    ssm = account.client("ssm")
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    image = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert image.startswith("ami-0") and len(image) == 21
    assert ssm.get_parameters(Names=[name, "/none"])["InvalidParameters"] == ["/none"]
    with refused("ParameterNotFound", 400):
        ssm.get_parameter(Name="/none")


def test_one_tag_index_for_all(account, secrets, refused):
    tag = {"Key": "lakewright:stack", "Value": "tagged"}
    kms, s3, tagging = (account.client(name) for name in ("kms", "s3", "resourcegroupstaggingapi"))
    key = kms.create_key(Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]}])["KeyMetadata"]
    s3.create_bucket(Bucket="tagged-b", CreateBucketConfiguration={"LocationConstraint": "eu-north-1", "Tags": [tag]})
    secret = secrets.create_secret(Name="tagged", SecretString="x", Tags=[tag])["ARN"]
    account.client("logs").create_log_group(logGroupName="tagged", tags={tag["Key"]: tag["Value"]})
    vpc = account.client("ec2").create_vpc(
        CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [tag]}]
    )["Vpc"]["VpcId"]
    wanted = {
        key["Arn"], "arn:aws:s3:::tagged-b", secret, "arn:aws:logs:eu-north-1:123456789012:log-group:tagged",
        f"arn:aws:ec2:eu-north-1:123456789012:vpc/{vpc}",
    }
    filters = [{"Key": tag["Key"], "Values": ["tagged"]}]
    pages = tagging.get_paginator("get_resources").paginate(TagFilters=filters, PaginationConfig={"PageSize": 2})
    assert {entry["ResourceARN"] for page in pages for entry in page["ResourceTagMappingList"]} == wanted
    only = tagging.get_resources(TagFilters=filters, ResourceTypeFilters=["s3:bucket", "kms"])["ResourceTagMappingList"]
    assert {entry["ResourceARN"] for entry in only} == {key["Arn"], "arn:aws:s3:::tagged-b"}
    assert account.client("resourcegroupstaggingapi", region="us-west-2").get_resources()["ResourceTagMappingList"] == []
    secrets.delete_secret(SecretId="tagged", ForceDeleteWithoutRecovery=True)
    s3.delete_bucket(Bucket="tagged-b")
    left = tagging.get_resources(TagFilters=filters)["ResourceTagMappingList"]
    assert {entry["ResourceARN"] for entry in left} == wanted - {secret, "arn:aws:s3:::tagged-b"}


def test_unknown_operations_are_named(account, refused):
    with refused("UnknownOperationException", 400):
        account.client("kms").describe_custom_key_stores()
    with refused("InvalidAction", 400):
        account.client("iam").list_users()


def test_killed_and_started_again_it_has_everything(account):
    before = account.client("secretsmanager")
    for number in range(50):
        before.create_secret(Name=f"kept/{number}", SecretString=str(number))
    account.kill()
    account.start()
    after = account.client("secretsmanager")
    for number in range(50):
        assert after.get_secret_value(SecretId=f"kept/{number}")["SecretString"] == str(number)


def test_one_folder_serves_one_process_of_its_version(account, tmp_path):
    from conftest import Account

    with pytest.raises(AssertionError, match="the account ended with 1"):
        Account(account.data)
    fresh = Account(tmp_path)
    fresh.stop()
    (fresh.folder / "VERSION").write_text("999\n")
    with pytest.raises(AssertionError, match="the account ended with 1"):
        fresh.start()
