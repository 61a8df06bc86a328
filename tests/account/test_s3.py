"""S3: buckets and their settings, objects, versions, parts, conditions, lists."""

import base64
import hashlib
import json
import subprocess
import sys
import os
import threading
import urllib.request
from pathlib import Path

import boto3
import pytest

REGION = "eu-north-1"
HERE = {"LocationConstraint": REGION}


@pytest.fixture(scope="module")
def s3(account):
    return account.client("s3")


@pytest.fixture
def bucket(s3, request):
    name = "b-" + hashlib.sha1(request.node.name.encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=HERE)
    return name


def test_create_bucket_follows_the_rules_of_regions_and_names(account, s3, refused):
    with refused("IllegalLocationConstraintException", 400):
        s3.create_bucket(Bucket="no-constraint-1")
    with refused("IllegalLocationConstraintException", 400):
        s3.create_bucket(Bucket="no-constraint-1", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for name in ("Upper-Case", "a..b", "192.168.1.1", "-dash", "sthree-x"):
        with refused("InvalidBucketName", 400):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration=HERE)
    s3.create_bucket(
        Bucket="tagged-1", CreateBucketConfiguration={**HERE, "Tags": [{"Key": "lakewright:stack", "Value": "shop"}]}
    )
    assert s3.get_bucket_tagging(Bucket="tagged-1")["TagSet"] == [{"Key": "lakewright:stack", "Value": "shop"}]
    with refused("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket="tagged-1", CreateBucketConfiguration=HERE)
    with refused("BucketAlreadyExists", 409):
        account.client("s3", key="111122223333").create_bucket(Bucket="tagged-1", CreateBucketConfiguration=HERE)
    oldest = account.client("s3", region="us-east-1")
    oldest.create_bucket(Bucket="oldest-1")
    oldest.create_bucket(Bucket="oldest-1")
    assert oldest.get_bucket_location(Bucket="oldest-1")["LocationConstraint"] is None
    assert s3.get_bucket_location(Bucket="tagged-1")["LocationConstraint"] == REGION
    assert s3.head_bucket(Bucket="tagged-1")["BucketRegion"] == REGION


def test_another_account_and_another_region_are_refused(account, s3, bucket, refused):
    other = account.client("s3", key="111122223333")
    with refused("403"):
        other.head_bucket(Bucket=bucket)
    with refused("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="a", Body=b"")
    assert other.list_buckets()["Buckets"] == []
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=bucket, Key="a", Body=b"", ExpectedBucketOwner="111122223333")
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket="nobody-has-this")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{account.url}/{bucket}/a")
    assert error.value.code == 403


def test_settings_are_kept_checked_and_reset(s3, bucket, refused):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:eu-north-1:123456789012:key/x"}
    wanted = {"Rules": [{"ApplyServerSideEncryptionByDefault": kms, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=wanted)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == wanted
    written = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert (written["ServerSideEncryption"], written["BucketKeyEnabled"]) == ("aws:kms", True)
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    s3.delete_public_access_block(Bucket=bucket)
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        s3.get_public_access_block(Bucket=bucket)
    with refused("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    rule = {
        "ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 7}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [rule]
    with refused("InvalidArgument", 400):
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [{**rule, "Expiration": {"Days": 0}}]}
        )
    kept = {**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 100}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [kept]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [kept]
    for code, versions in [
        ("InvalidArgument", {"NoncurrentDays": 7, "NewerNoncurrentVersions": 101}),
        ("InvalidArgument", {"NoncurrentDays": 7, "NewerNoncurrentVersions": 0}),
        ("MalformedXML", {"NewerNoncurrentVersions": 5}),
    ]:
        with refused(code, 400):
            s3.put_bucket_lifecycle_configuration(
                Bucket=bucket, LifecycleConfiguration={"Rules": [{**rule, "NoncurrentVersionExpiration": versions}]}
            )
    for right, *moves in [
        (True, (30, "STANDARD_IA"), (60, "GLACIER_IR")), (False, (29, "STANDARD_IA")), (False, (100, "GLACIER_IR")),
        (False, (30, "STANDARD_IA"), (59, "GLACIER_IR")), (False, (1, "GLACIER"), (2, "GLACIER_IR")),
    ]:  # fmt: skip
        moves = [{"Days": days, "StorageClass": storage_class} for days, storage_class in moves]
        moving = {"Rules": [{**rule, "Expiration": {"Days": 100}, "Transitions": moves}]}
        if right:
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=moving)
            assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == moving["Rules"]
            continue
        with refused("InvalidArgument", 400):
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=moving)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    s3.delete_bucket_tagging(Bucket=bucket)
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    with refused("NotImplemented", 501):
        s3.list_bucket_inventory_configurations(Bucket=bucket)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_policies_are_checked(s3, bucket, refused):
    def policy(**more):
        statement = {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}, **more,
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)
    for wrong in ("{", "[]", policy(Effect="Maybe"), policy(Action="everything"), policy(Resource="arn:aws:s3:::other/*"), policy(Oops=1)):
        with refused("MalformedPolicy", 400):
            s3.put_bucket_policy(Bucket=bucket, Policy=wrong)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy())
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy()
    public = json.loads(policy(Effect="Allow"))
    del public["Statement"][0]["Condition"]
    with refused("AccessDenied", 403):
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(public))
    s3.delete_bucket_policy(Bucket=bucket)


def test_an_object_comes_back_as_it_was_put(s3, bucket, refused):
    body = os.urandom(100_000)
    put = s3.put_object(
        Bucket=bucket, Key="a b/ü+%.txt", Body=body, ContentType="text/x", Metadata={"k": "v"}, Tagging="x=1&y=2",
        CacheControl="no-cache",
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["TagCount"], got["CacheControl"]) == ("text/x", {"k": "v"}, 2, "no-cache")
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    ranged = s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", Range="bytes=10-19")
    assert (ranged["Body"].read(), ranged["ContentRange"]) == (body[10:20], "bytes 10-19/100000")
    assert s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", Range="bytes=-5")["Body"].read() == body[-5:]
    with refused("InvalidRange", 416):
        s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", Range="bytes=100000-")
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="nothing")
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="nothing")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""
    tags = s3.get_object_tagging(Bucket=bucket, Key="a b/ü+%.txt")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"x": "1", "y": "2"}
    with refused("304"):
        s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", IfNoneMatch=put["ETag"])
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="a b/ü+%.txt", IfMatch='"x"')


def base64_of(number, length):
    return base64.b64encode(number.to_bytes(length, "big")).decode()


# The published check values of the algorithms: what they give for the nine digits.
CHECKSUMS = {
    "CRC32": base64_of(0xCBF43926, 4),
    "CRC32C": base64_of(0xE3069283, 4),
    "CRC64NVME": base64_of(0xAE8B14860A799888, 8),
    "SHA256": base64.b64encode(hashlib.sha256(b"123456789").digest()).decode(),
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_checksums_are_checked(s3, bucket, refused, algorithm):
    right = {f"Checksum{algorithm}": CHECKSUMS[algorithm]}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", **right)
    assert put.items() >= right.items()
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="wrong", Body=b"12345678x", **right)
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="wrong")


def test_digests_are_checked(s3, bucket, refused):
    md5 = base64.b64encode(hashlib.md5(b"123456789").digest()).decode()
    with_md5 = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", ContentMD5=md5)
    assert with_md5["ETag"] == f'"{hashlib.md5(b"123456789").hexdigest()}"'
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"other", ContentMD5=md5)
    with refused("InvalidDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"other", ContentMD5="x")


def test_conditional_writes_let_one_writer_win(account, s3, bucket, refused):
    won = []

    def write(number):
        try:
            account.client("s3").put_object(Bucket=bucket, Key="lock", Body=str(number).encode(), IfNoneMatch="*")
            won.append(number)
        except Exception as error:
            assert "PreconditionFailed" in str(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    current = s3.get_object(Bucket=bucket, Key="lock")
    assert current["Body"].read() == str(won[0]).encode()
    s3.put_object(Bucket=bucket, Key="lock", Body=b"next", IfMatch=current["ETag"])
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="lock", Body=b"stale", IfMatch=current["ETag"])
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="none", Body=b"", IfMatch='"x"')


def test_versions_and_delete_markers(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"0"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("MethodNotAllowed", 405):
        s3.get_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    listed = s3.list_object_versions(Bucket=bucket)
    assert [version["VersionId"] for version in listed["Versions"]] == [second, first, "null"]
    assert [marker["IsLatest"] for marker in listed["DeleteMarkers"]] == [True]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert sum(len(page.get("Versions", [])) + len(page.get("DeleteMarkers", [])) for page in pages) == 4
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    boto3.resource("s3", endpoint_url=s3.meta.endpoint_url, region_name=REGION, aws_access_key_id="test",
                   aws_secret_access_key="test").Bucket(bucket).object_versions.delete()
    s3.delete_bucket(Bucket=bucket)


def test_lists_page_and_fold(s3, bucket):
    keys = sorted([f"a/{number:03}" for number in range(30)] + ["a", "b/x y", "b/é", "c"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
        assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == keys
        folded = list(s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}))
        assert [entry["Key"] for page in folded for entry in page.get("Contents", [])] == ["a", "c"]
        assert [entry["Prefix"] for page in folded for entry in page.get("CommonPrefixes", [])] == ["a/", "b/"]
    assert s3.list_objects_v2(Bucket=bucket, Prefix="b/")["KeyCount"] == 2
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="b/é")["KeyCount"] == 1
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys] + [{"Key": "never"}]})
    assert len(gone["Deleted"]) == len(keys) + 1
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_uploads_in_parts(s3, bucket, refused, tmp_path):
    body = os.urandom(17 << 20)
    path = tmp_path / "big"
    path.write_bytes(body)
    s3.upload_file(str(path), bucket, "big")
    head = s3.head_object(Bucket=bucket, Key="big", PartNumber=1)
    assert head["PartsCount"] == 3 and head["ETag"].endswith('-3"')
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == body
    assert s3.get_object(Bucket=bucket, Key="big", Range="bytes=8388600-8388620")["Body"].read() == body[8388600:8388621]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    parts = [s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    chosen = [{"PartNumber": number + 1, "ETag": etag} for number, etag in enumerate(parts)]
    with refused("EntityTooSmall", 400):
        s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": chosen})
    with refused("InvalidPartOrder", 400):
        s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": chosen[::-1]})
    with refused("InvalidPart", 400):
        s3.complete_multipart_upload(
            Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}
        )
    assert len(s3.list_parts(Bucket=bucket, Key="parts", UploadId=upload)["Parts"]) == 2
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    copied = s3.upload_part_copy(
        Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, CopySource={"Bucket": bucket, "Key": "big"},
        CopySourceRange="bytes=0-5242879",
    )["CopyPartResult"]["ETag"]
    done = [{"PartNumber": 1, "ETag": copied}, chosen[1]]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": done}, IfNoneMatch="*"
    )
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == body[:5242880] + b"x"
    with refused("NoSuchUpload", 404):
        s3.abort_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload)


def test_copies(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="from", Body=b"bytes", Metadata={"a": "1"}, Tagging="t=1")
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from")
    s3.delete_object(Bucket=bucket, Key="from")
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["TagCount"]) == (b"bytes", {"a": "1"}, 1)
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/to")
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/to", MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"b": "2"}
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from")


def test_presigned_urls(s3, bucket):
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p"})
    urllib.request.urlopen(urllib.request.Request(put, data=b"by url", method="PUT", headers={"Content-Type": ""}))
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p", "ResponseContentType": "text/q"})
    with urllib.request.urlopen(get) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"by url", "text/q")


def test_killed_and_started_again_it_has_everything(account, s3, bucket):
    bodies = {f"k{number}": os.urandom(1000) for number in range(20)}
    for key, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    s3.delete_object(Bucket=bucket, Key="k0")
    account.kill()
    account.start()
    again = account.client("s3")
    for key, body in bodies.items():
        if key != "k0":
            assert again.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert again.list_objects_v2(Bucket=bucket)["KeyCount"] == 19
    files = [path for path in (account.folder / "s3").rglob("*") if path.is_file()]
    listed = 0
    for entry in again.list_buckets()["Buckets"]:
        for version in again.list_object_versions(Bucket=entry["Name"]).get("Versions", []):
            listed += max(1, int(version["ETag"].strip('"').partition("-")[2] or 1)) if version["Size"] else 0
    assert len(files) == listed


def test_the_aws_command_line(account, tmp_path):
    environment = {**os.environ, "AWS_ENDPOINT_URL": account.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
                   "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    # The one that is installed with the tests, beside their Python: the PATH may hold another, or none.
    program = Path(sys.executable).with_name("aws")

    def aws(*arguments):
        return subprocess.run([program, *arguments], env=environment, check=True, capture_output=True, text=True).stdout

    (tmp_path / "f").write_bytes(os.urandom(9 << 20))
    aws("s3", "mb", "s3://from-the-shell")
    aws("s3", "cp", "--quiet", str(tmp_path / "f"), "s3://from-the-shell/d/f")
    aws("s3", "sync", "--quiet", "s3://from-the-shell/d", str(tmp_path / "d"))
    assert (tmp_path / "d" / "f").read_bytes() == (tmp_path / "f").read_bytes()
    assert "d/f" in aws("s3", "ls", "--recursive", "s3://from-the-shell")
    aws("s3", "rb", "--force", "s3://from-the-shell")
    assert "from-the-shell" not in aws("s3", "ls")


def test_access_logs_go_where_a_policy_lets_them(account, refused):
    s3 = account.client("s3")
    here = {"LocationConstraint": "eu-north-1"}
    for name in ("logged", "logs-of-tests"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=here)
    account.client("s3", region="eu-west-1").create_bucket(
        Bucket="logs-far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    account.client("s3", key="210987654321").create_bucket(Bucket="logs-of-others", CreateBucketConfiguration=here)

    def log_to(target, **more):
        s3.put_bucket_logging(
            Bucket="logged", BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "a/"} | more}
        )

    for target in ("no-such-bucket", "logs-of-others", "logs-of-tests"):
        with refused("InvalidTargetBucketForLogging"):
            log_to(target)
    with refused("CrossLocationLoggingProhibited", 403):
        log_to("logs-far-away")
    statement = {
        "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs-of-tests/b/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket="logs-of-tests", Policy=json.dumps(policy))
    with refused("InvalidTargetBucketForLogging"):
        log_to("logs-of-tests")
    statement["Resource"] = "arn:aws:s3:::logs-of-tests/a/*"
    s3.put_bucket_policy(Bucket="logs-of-tests", Policy=json.dumps(policy))
    log_to("logs-of-tests")
    enabled = s3.get_bucket_logging(Bucket="logged")["LoggingEnabled"]
    assert enabled == {"TargetBucket": "logs-of-tests", "TargetPrefix": "a/"}
    grants = [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]
    with refused("InvalidTargetBucketForLogging"):
        log_to("logs-of-tests", TargetGrants=grants)
    s3.put_bucket_logging(Bucket="logged", BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="logged")


def test_notifications_are_checked_with_their_destinations(account, refused):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="notifying", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})

    def notify(**configuration):
        s3.put_bucket_notification_configuration(Bucket="notifying", NotificationConfiguration=configuration)

    notify(EventBridgeConfiguration={})
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket="notifying")
    topic = {"Id": "one", "TopicArn": "arn:aws:sns:eu-north-1:123456789012:none", "Events": ["s3:ObjectCreated:*"]}
    for strange in (
        {},  # There is no such topic.
        {"Events": ["s3:ObjectForgotten:*"]},
        {"TopicArn": "arn:aws:sqs:eu-north-1:123456789012:none"},
        {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:none"},
        {"Filter": {"Key": {"FilterRules": [{"Name": "middle", "Value": "x"}]}}},
    ):
        with refused("InvalidArgument", 400):
            notify(TopicConfigurations=[topic | strange])
    notify()
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket="notifying")


def test_ownership_is_set_and_taken_away(account, refused):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="owned", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    for ownership in ("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"):
        s3.put_bucket_ownership_controls(Bucket="owned", OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})
        rules = s3.get_bucket_ownership_controls(Bucket="owned")["OwnershipControls"]["Rules"]
        assert rules == [{"ObjectOwnership": ownership}]
    with refused("MalformedXML"):
        s3.put_bucket_ownership_controls(Bucket="owned", OwnershipControls={"Rules": [{"ObjectOwnership": "Mine"}]})
    s3.delete_bucket_ownership_controls(Bucket="owned")
    with refused("OwnershipControlsNotFoundError", 404):
        s3.get_bucket_ownership_controls(Bucket="owned")
