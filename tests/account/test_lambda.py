"""Functions as boto3 makes, changes and deletes them."""

import base64
import hashlib
import io
import json
import time
import zipfile

import pytest

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

CALLED = "arn:aws:lambda:eu-north-1:123456789012:function:called"


def code(text="def handler(event, context):\n    return 1\n"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", text)
    return out.getvalue()


@pytest.fixture
def role(account, request):
    name = request.node.name[:60]
    iam = account.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    yield made
    iam.delete_role(RoleName=name)


def make(client, role, name, **more):
    given = {"Runtime": "python3.13", "Handler": "index.handler", "Code": {"ZipFile": code()}} | more
    return client.create_function(FunctionName=name, Role=role, **given)


def test_a_functions_life(account, refused, role):
    client = account.client("lambda")
    made = make(
        client, role, "life", MemorySize=256, Timeout=9, Environment={"Variables": {"BUCKET": "raw"}},
        Tags={"team": "data"}, Architectures=["arm64"], Description="counts",
    )
    digest = base64.b64encode(hashlib.sha256(code()).digest()).decode()
    assert made["CodeSha256"] == digest and made["CodeSize"] == len(code())
    client.get_waiter("function_active_v2").wait(FunctionName="life")
    found = client.get_function(FunctionName=made["FunctionArn"])
    assert found["Tags"] == {"team": "data"}
    configuration = found["Configuration"]
    assert configuration["State"] == "Active" and configuration["LastUpdateStatus"] == "Successful"
    assert configuration["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/life"}
    with refused("ResourceConflictException", 409):
        make(client, role, "life")

    changed = client.update_function_configuration(FunctionName="life", Timeout=30, Environment={"Variables": {}})
    assert changed["Timeout"] == 30 and changed["MemorySize"] == 256 and "Environment" not in changed
    changed = client.update_function_code(FunctionName="life", ZipFile=code("x = 1"), Architectures=["x86_64"])
    assert changed["CodeSha256"] != digest and changed["Architectures"] == ["x86_64"]
    listed = client.list_functions()["Functions"]
    assert [one["FunctionName"] for one in listed] == ["life"] and "State" not in listed[0]

    client.tag_resource(Resource=made["FunctionArn"], Tags={"cost": "1"})
    client.untag_resource(Resource=made["FunctionArn"], TagKeys=["team"])
    assert client.list_tags(Resource=made["FunctionArn"])["Tags"] == {"cost": "1"}
    tagging = account.client("resourcegroupstaggingapi")
    (one,) = tagging.get_resources(ResourceTypeFilters=["lambda:function"])["ResourceTagMappingList"]
    assert one["ResourceARN"] == made["FunctionArn"]

    client.delete_function(FunctionName="life")
    with refused("ResourceNotFoundException", 404):
        client.get_function(FunctionName="life")
    with refused("ResourceNotFoundException", 404):
        client.delete_function(FunctionName="life")
    assert tagging.get_resources(ResourceTypeFilters=["lambda:function"])["ResourceTagMappingList"] == []


def test_permissions_are_statements_of_a_policy(account, refused, role):
    client = account.client("lambda")
    made = make(client, role, "doors")
    with refused("ResourceNotFoundException", 404):
        client.get_policy(FunctionName="doors")
    upload = {"FunctionName": "doors", "StatementId": "upload", "Action": "lambda:InvokeFunction"}
    client.add_permission(
        **upload, Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::raw", SourceAccount="123456789012"
    )
    client.add_permission(FunctionName="doors", StatementId="b", Action="lambda:GetFunction", Principal="999999999999")
    policy = json.loads(client.get_policy(FunctionName="doors")["Policy"])
    first, second = policy["Statement"]
    assert first["Principal"] == {"Service": "s3.amazonaws.com"} and first["Resource"] == made["FunctionArn"]
    assert first["Condition"] == {
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::raw"}, "StringEquals": {"AWS:SourceAccount": "123456789012"},
    }
    assert second["Principal"] == {"AWS": "arn:aws:iam::999999999999:root"}
    with refused("ResourceConflictException", 409):
        client.add_permission(**upload, Principal="s3.amazonaws.com")
    with refused("InvalidParameterValueException"):
        client.add_permission(**upload | {"StatementId": "c"}, Principal="nobody")
    client.remove_permission(FunctionName="doors", StatementId="upload")
    with refused("ResourceNotFoundException", 404):
        client.remove_permission(FunctionName="doors", StatementId="upload")
    client.delete_function(FunctionName="doors")


def test_what_lambda_refuses_is_refused(account, refused, role):
    client = account.client("lambda")
    for code_, change in [
        ("InvalidParameterValueException", {"Code": {"ZipFile": b"def handler(): pass"}}),
        ("InvalidParameterValueException", {"Code": {}}),
        ("ValidationException", {"Runtime": "python2.7"}),
        ("InvalidParameterValueException", {"Environment": {"Variables": {"AWS_REGION": "x"}}}),
        ("InvalidParameterValueException", {"Environment": {"Variables": {"LONG": "x" * 4096}}}),
        ("ValidationException", {"Environment": {"Variables": {"A-B": "x"}}}),
        ("ValidationException", {"Timeout": 901}),
        ("ValidationException", {"MemorySize": 20_000}),
        ("ValidationException", {"Architectures": ["x86_64", "arm64"]}),
        ("InvalidParameterValueException", {"Tags": {"aws:mine": "x"}}),
        ("SerializationException", {"TracingConfig": {"Mode": "Active"}}),
    ]:
        with refused(code_):
            make(client, role, "refused", **change)
    with refused("InvalidParameterValueException"):
        make(client, role.rsplit("/", 1)[0] + "/nobody", "refused")
    with refused("AccessDeniedException", 403):
        make(client, "arn:aws:iam::999999999999:role/theirs", "refused")
    iam = account.client("iam")
    trust = json.dumps(TRUST).replace("lambda", "ec2")
    other = iam.create_role(RoleName="hosts", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    with refused("InvalidParameterValueException"):
        make(client, other, "refused")
    assert client.list_functions()["Functions"] == []


def test_it_says_that_it_runs_no_functions(account, refused, role):
    client = account.client("lambda")
    make(client, role, "idle")
    with refused("NotImplemented", 501):
        client.invoke(FunctionName="idle", Payload=b"{}")
    client.delete_function(FunctionName="idle")


def test_states_take_their_time(account, refused, tmp_path):
    slow = type(account)(tmp_path)
    slow.stop()
    slow.start("--delays", "0.2")
    try:
        client, iam = slow.client("lambda"), slow.client("iam")
        role = iam.create_role(RoleName="new", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        with refused("InvalidParameterValueException") as expected:
            make(client, role, "slow")
        assert "cannot be assumed by Lambda" in str(expected.error)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                made = make(client, role, "slow")
                break
            except client.exceptions.InvalidParameterValueException:
                time.sleep(0.1)
        assert made["State"] == "Pending"
        with refused("ResourceConflictException", 409):
            client.update_function_configuration(FunctionName="slow", Timeout=4)
        client.get_waiter("function_active_v2").config.delay = 0.1
        while client.get_function_configuration(FunctionName="slow")["State"] == "Pending":
            assert time.monotonic() < end
            time.sleep(0.05)
        assert client.update_function_configuration(FunctionName="slow", Timeout=4)["LastUpdateStatus"] == "InProgress"
        with refused("ResourceConflictException", 409):
            client.update_function_code(FunctionName="slow", ZipFile=code("x = 1"))
        client.delete_function(FunctionName="slow")
    finally:
        slow.stop()


def test_uploads_call_a_function_that_lets_the_bucket_in(account, refused, role):
    s3, functions = account.client("s3"), account.client("lambda")
    s3.create_bucket(Bucket="calling", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    function = {"Id": "one", "LambdaFunctionArn": CALLED, "Events": ["s3:ObjectCreated:*"]}

    def notify(*functions):
        s3.put_bucket_notification_configuration(
            Bucket="calling", NotificationConfiguration={"LambdaFunctionConfigurations": list(functions)}
        )

    def let_in(sid, bucket, owner):
        functions.add_permission(
            FunctionName="called", StatementId=sid, Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=owner,
        )

    with refused("InvalidArgument", 400):
        notify(function)
    make(functions, role, "called")
    for sid, bucket, owner in (("none", "another", "123456789012"), ("others", "calling", "999999999999")):
        let_in(sid, bucket, owner)
        with refused("InvalidArgument", 400):
            notify(function)
    let_in("own", "calling", "123456789012")
    notify(function)
    (told,) = s3.get_bucket_notification_configuration(Bucket="calling")["LambdaFunctionConfigurations"]
    assert told == function
    second = function | {"Id": "two", "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}}
    with refused("InvalidArgument", 400):
        notify(function, second)
