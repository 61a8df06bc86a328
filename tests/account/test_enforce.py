"""IAM as the account enforces it: what a role may do, what it is refused, and in which words."""

import hmac
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import REGION, SECRET, Account, Refused, command

HOME = "123456789012"
OTHER = "444455556666"
# What services answer who refuse for want of a right.
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}


class Enforcing(Account):
    """The same with policies enforced and its log in a file."""

    def start(self, *more):
        environment = os.environ | {"LAKEWRIGHT_ACCOUNT_SECRET": SECRET}
        arguments = [*command(), "--port", "0", "--data", str(self.data), *more]
        with open(self.data / "log", "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, env=environment)
        line = self.process.stdout.readline()
        assert line, f"the account ended with {self.process.wait()}"
        self.url = json.loads(line)["account"]

    def log(self):
        return (self.data / "log").read_text()

    def admin(self, service, account=HOME, region=REGION):
        return self.client(service, key=account, region=region)

    def assume(self, role, account=HOME, by=None, **more):
        """The credentials of a session of a role."""
        sts = by("sts") if by else self.admin("sts")
        arn = f"arn:aws:iam::{account}:role/{role}"
        return sts.assume_role(RoleArn=arn, RoleSessionName="test", **more)["Credentials"]

    def as_role(self, role, account=HOME, by=None, **more):
        """Makes clients that are a session of a role."""
        return self.as_keys(self.assume(role, account, by, **more))

    def as_keys(self, keys):
        def client(service, region=REGION):
            return boto3.client(
                service, endpoint_url=self.url, region_name=region, aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys.get("SessionToken") or keys["Token"],
                config=Config(retries={"total_max_attempts": 1}),
            )
        return client

    def role(self, name, *statements, trust=None, account=HOME, **more):
        """Makes a role with one inline policy, and gives clients of a session of it."""
        iam = self.admin("iam", account)
        trust = trust or {"AWS": f"arn:aws:iam::{account}:root"}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(
            {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}), **more)
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
        path = more.get("Path", "/").lstrip("/")
        return self.as_role(f"{path}{name}", account) if "AWS" in trust else None


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    running = Enforcing(tmp_path_factory.mktemp("account"))
    yield running
    running.stop()


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions, resources="*", **condition):
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def arn(service, resource, region=REGION, account=HOME):
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def code(call, *arguments, **named):
    """The error code of a call; nothing when it succeeds."""
    try:
        call(*arguments, **named)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


# For each service: a client's call that the statement allows, one that it doesn't, and the refusal's code.
ALARM = dict(MetricName="m", Namespace="n", EvaluationPeriods=1, Threshold=1.0, Statistic="Sum", Period=60,
             ComparisonOperator="GreaterThanThreshold")
CALLS = [
    ("application-autoscaling", allow("application-autoscaling:DescribeScalableTargets"),
     ("describe_scalable_targets", dict(ServiceNamespace="kafka")),
     ("describe_scaling_policies", dict(ServiceNamespace="kafka")), "AccessDeniedException"),
    ("athena", allow("athena:GetWorkGroup", arn("athena", "workgroup/shop")),
     ("get_work_group", dict(WorkGroup="shop")), ("get_work_group", dict(WorkGroup="other")), "AccessDeniedException"),
    ("autoscaling", allow("autoscaling:SetDesiredCapacity",
                          arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/shop-*")),
     ("set_desired_capacity", dict(AutoScalingGroupName="shop-a", DesiredCapacity=1)),
     ("set_desired_capacity", dict(AutoScalingGroupName="other", DesiredCapacity=1)), "AccessDenied"),
    ("budgets", allow("budgets:ViewBudget", f"arn:aws:budgets::{HOME}:budget/shop"),
     ("describe_budget", dict(AccountId=HOME, BudgetName="shop")),
     ("describe_budget", dict(AccountId=HOME, BudgetName="other")), "AccessDeniedException"),
    ("cloudwatch", allow("cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:shop-*")),
     ("put_metric_alarm", dict(AlarmName="shop-a", **ALARM)), ("put_metric_alarm", dict(AlarmName="other", **ALARM)),
     "AccessDenied"),
    ("codebuild", allow("codebuild:BatchGetProjects", arn("codebuild", "project/shop")),
     ("batch_get_projects", dict(names=["shop"])), ("batch_get_projects", dict(names=["shop", "other"])),
     "AccessDeniedException"),
    ("codepipeline", allow("codepipeline:GetPipeline", arn("codepipeline", "shop")),
     ("get_pipeline", dict(name="shop")), ("get_pipeline", dict(name="other")), "AccessDeniedException"),
    ("ec2", allow("ec2:DescribeVpcs"), ("describe_vpcs", {}), ("describe_subnets", {}), "UnauthorizedOperation"),
    ("emr-serverless", allow("emr-serverless:GetApplication", arn("emr-serverless", "/applications/shop")),
     ("get_application", dict(applicationId="shop")), ("get_application", dict(applicationId="other")),
     "AccessDeniedException"),
    ("events", allow("events:PutRule", arn("events", "rule/shop-*")),
     ("put_rule", dict(Name="shop-a", ScheduleExpression="rate(1 day)")),
     ("put_rule", dict(Name="other", ScheduleExpression="rate(1 day)")), "AccessDeniedException"),
    ("glue", allow("glue:GetTable", [arn("glue", "catalog"), arn("glue", "database/shop"), arn("glue", "table/shop/*")]),
     ("get_table", dict(DatabaseName="shop", Name="t")), ("get_table", dict(DatabaseName="other", Name="t")),
     "AccessDeniedException"),
    ("iam", allow("iam:GetRole", f"arn:aws:iam::{HOME}:role/shop-*"),
     ("get_role", dict(RoleName="shop-none")), ("get_role", dict(RoleName="other")), "AccessDenied"),
    ("kafka", allow("kafka:DescribeClusterV2", arn("kafka", "cluster/shop/*")),
     ("describe_cluster_v2", dict(ClusterArn=arn("kafka", "cluster/shop/u"))),
     ("describe_cluster_v2", dict(ClusterArn=arn("kafka", "cluster/other/u"))), "AccessDeniedException"),
    ("kms", allow("kms:ListAliases"), ("list_aliases", {}), ("list_keys", {}), "AccessDeniedException"),
    ("lambda", allow("lambda:GetFunction", arn("lambda", "function:shop-*")),
     ("get_function", dict(FunctionName="shop-a")), ("get_function", dict(FunctionName="other")),
     "AccessDeniedException"),
    ("logs", allow("logs:CreateLogGroup", arn("logs", "log-group:/lakewright/shop/*")),
     ("create_log_group", dict(logGroupName="/lakewright/shop/a")), ("create_log_group", dict(logGroupName="/other")),
     "AccessDeniedException"),
    ("resourcegroupstaggingapi", allow("tag:GetResources"), ("get_resources", {}), ("get_tag_keys", {}),
     "AccessDeniedException"),
    ("route53", allow("route53:GetHostedZone", "arn:aws:route53:::hostedzone/Z1"),
     ("get_hosted_zone", dict(Id="Z1")), ("get_hosted_zone", dict(Id="Z2")), "AccessDenied"),
    ("secretsmanager", allow("secretsmanager:CreateSecret", arn("secretsmanager", "secret:shop/*")),
     ("create_secret", dict(Name="shop/a", SecretString="x")), ("create_secret", dict(Name="other", SecretString="x")),
     "AccessDeniedException"),
    ("service-quotas", allow("servicequotas:ListServiceQuotas"), ("list_service_quotas", dict(ServiceCode="vpc")),
     ("list_aws_default_service_quotas", dict(ServiceCode="vpc")), "AccessDeniedException"),
    ("sns", allow("sns:CreateTopic", arn("sns", "shop-*")), ("create_topic", dict(Name="shop-a")),
     ("create_topic", dict(Name="other")), "AuthorizationError"),
    ("sqs", allow("sqs:CreateQueue", arn("sqs", "shop-*")), ("create_queue", dict(QueueName="shop-a")),
     ("create_queue", dict(QueueName="other")), "AccessDenied"),
    ("ssm", allow("ssm:GetParameter", f"arn:aws:ssm:{REGION}::parameter/aws/service/*"),
     ("get_parameter", dict(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")),
     ("get_parameter", dict(Name="/password")), "AccessDeniedException"),
    ("sts", None, ("get_caller_identity", {}),
     ("assume_role", dict(RoleArn=f"arn:aws:iam::{HOME}:role/narrow", RoleSessionName="it")), "AccessDenied"),
    ("pricing", allow("pricing:GetProducts"), ("get_products", dict(ServiceCode="AmazonEC2")), None, None),
]


@pytest.fixture(scope="module")
def narrow(account):
    return account.role("narrow", *[row[1] for row in CALLS if row[1]])


@pytest.fixture(scope="module")
def nobody(account):
    return account.role("nobody")


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row[0])
def test_a_role_may_do_what_its_policy_says_and_no_more(narrow, nobody, row):
    service, statement, (method, arguments), refused, expected = row
    region = "us-east-1" if service == "pricing" else REGION
    # What is allowed may still fail for another reason.
    assert code(getattr(narrow(service, region), method), **arguments) not in DENIED
    if refused:
        assert code(getattr(narrow(service, region), refused[0]), **refused[1]) == expected
    if statement:
        assert code(getattr(nobody(service, region), method), **arguments) in DENIED


def test_a_refusal_is_said_in_aws_words_and_the_log_names_the_missing_statement(account, nobody):
    me = f"arn:aws:sts::{HOME}:assumed-role/nobody/test"
    with Refused("UnauthorizedOperation", 403) as refused:
        nobody("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    assert refused.error.response["Error"]["Message"] == (
        f"You are not authorized to perform this operation. User: {me} is not authorized to perform: ec2:CreateVpc on "
        f"resource: {arn('ec2', 'vpc/*')} because no identity-based policy allows the ec2:CreateVpc action"
    )
    with Refused("AccessDenied", 403) as refused:
        nobody("sqs").purge_queue(QueueUrl=f"{account.url}/{HOME}/q")
    assert f"User: {me} is not authorized to perform: sqs:PurgeQueue" in str(refused.error)
    assert '"Action":"sqs:PurgeQueue"' in account.log() and arn("sqs", "q") in account.log()


def test_an_operation_that_nobody_knows_is_refused_by_its_name(account, nobody):
    with Refused("UnauthorizedOperation", 403) as refused:
        nobody("ec2").describe_regions()
    assert "DescribeRegions" in str(refused.error)
    with Refused("InvalidAction"):
        account.admin("ec2").describe_regions()


def test_policies_count_as_they_are_now(account):
    role = account.role("changing", allow("sqs:ListQueues"))
    iam = account.admin("iam")
    role("sqs").list_queues()
    iam.put_role_policy(RoleName="changing", PolicyName="never", PolicyDocument=policy(
        {"Sid": "Never", "Effect": "Deny", "Action": "sqs:*", "Resource": "*"}))
    with Refused("AccessDenied") as refused:
        role("sqs").list_queues()
    assert "with an explicit deny in an identity-based policy" in str(refused.error)
    assert "statement Never of inline policy never of the role changing denies it" in account.log()
    for name in ["never", "own"]:
        iam.delete_role_policy(RoleName="changing", PolicyName=name)
    assert code(role("sqs").list_queues) == "AccessDenied"
    managed = iam.create_policy(PolicyName="lists", PolicyDocument=policy(allow("sqs:ListQueues")))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="changing", PolicyArn=managed)
    role("sqs").list_queues()
    iam.create_policy_version(PolicyArn=managed, SetAsDefault=True, PolicyDocument=policy(allow("sns:ListTopics")))
    assert code(role("sqs").list_queues) == "AccessDenied"
    iam.detach_role_policy(RoleName="changing", PolicyArn=managed)
    iam.attach_role_policy(RoleName="changing", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    role("sqs").list_queues()
    assert code(role("iam").get_role, RoleName="changing") == "AccessDenied"
    # A session of a role that was made anew is none of the new one.
    iam.detach_role_policy(RoleName="changing", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    iam.delete_role(RoleName="changing")
    again = account.role("changing", allow("sqs:ListQueues"))
    again("sqs").list_queues()
    assert code(role("sqs").list_queues) == "AccessDenied"


def test_a_sessions_policy_bounds_it(account):
    account.role("wide", allow("*"))
    both = account.as_role("wide", Policy=policy(allow("sns:*")))
    both("sns").list_topics()
    with Refused("AccessDenied") as refused:
        both("sqs").list_queues()
    assert "because no session policy allows the sqs:ListQueues action" in str(refused.error)


def test_a_boundary_bounds_and_can_be_demanded(account):
    iam = account.admin("iam")
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=policy(allow("sns:*")))["Policy"]["Arn"]
    bounded = account.role("bounded", allow("*"), PermissionsBoundary=boundary)
    bounded("sns").list_topics()
    with Refused("AccessDenied") as refused:
        bounded("sqs").list_queues()
    assert "because no permissions boundary allows the sqs:ListQueues action" in str(refused.error)

    demands = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    roles = f"arn:aws:iam::{HOME}:role/lakewright/shop/*"
    maker = account.role(
        "maker", allow(["iam:CreateRole", "iam:PutRolePolicy"], roles, **demands),
        allow("iam:AttachRolePolicy", roles, **demands, ArnEquals={"iam:PolicyARN": boundary}))("iam")
    trust = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    make = dict(RoleName="made", Path="/lakewright/shop/", AssumeRolePolicyDocument=trust)
    assert code(maker.create_role, **make) == "AccessDenied"
    assert code(maker.create_role, **make | {"Path": "/"}, PermissionsBoundary=boundary) == "AccessDenied"
    maker.create_role(**make, PermissionsBoundary=boundary)
    maker.put_role_policy(RoleName="made", PolicyName="p", PolicyDocument=policy(allow("sqs:*")))
    maker.attach_role_policy(RoleName="made", PolicyArn=boundary)
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert code(maker.attach_role_policy, RoleName="made", PolicyArn=administrator) == "AccessDenied"
    assert code(maker.put_role_policy, RoleName="maker", PolicyName="p", PolicyDocument=policy(allow("*"))) == "AccessDenied"


def test_a_role_is_passed_to_the_service_that_the_policy_names(account):
    passer = account.role(
        "passer", allow(["lambda:CreateFunction", "emr-serverless:StartJobRun"]),
        allow("iam:PassRole", f"arn:aws:iam::{HOME}:role/shop-*", StringEquals={"iam:PassedToService": "lambda.amazonaws.com"}))

    def function(role):
        return dict(FunctionName="f", Role=f"arn:aws:iam::{HOME}:role/{role}", Runtime="python3.12", Handler="a.b",
                    Code={"ZipFile": b"no zip"})
    assert code(passer("lambda").create_function, **function("shop-function")) not in DENIED
    with Refused("AccessDeniedException", 403) as refused:
        passer("lambda").create_function(**function("other"))
    assert f"iam:PassRole on resource: arn:aws:iam::{HOME}:role/other" in str(refused.error)
    run = dict(applicationId="a", clientToken="t", executionRoleArn=f"arn:aws:iam::{HOME}:role/shop-jobs")
    assert code(passer("emr-serverless").start_job_run, **run) == "AccessDeniedException"


def test_ec2_by_tags(account):
    mine = {"StringEquals": {"aws:RequestTag/stack": "shop"}}
    owned = {"StringEquals": {"aws:ResourceTag/stack": "shop"}}
    deployer = account.role(
        "deployer", allow("ec2:CreateVpc", arn("ec2", "vpc/*"), **mine),
        allow("ec2:CreateTags", arn("ec2", "vpc/*"), StringEquals={"ec2:CreateAction": "CreateVpc", "aws:RequestTag/stack": "shop"}),
        allow("ec2:CreateSubnet", arn("ec2", "subnet/*"), **mine), allow("ec2:CreateSubnet", arn("ec2", "vpc/*"), **owned),
        allow("ec2:CreateTags", arn("ec2", "subnet/*"), StringEquals={"ec2:CreateAction": "CreateSubnet"}),
        allow(["ec2:DeleteVpc", "ec2:DeleteSubnet"], **owned))("ec2")
    foreign = account.admin("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]

    def tags(kind, **tags):
        return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    refused = "UnauthorizedOperation"
    assert code(deployer.create_vpc, CidrBlock="10.0.0.0/16") == refused
    assert code(deployer.create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc", stack="other")) == refused
    own = deployer.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc", stack="shop", Name="a"))["Vpc"]["VpcId"]
    subnet = dict(CidrBlock="10.0.0.0/24", AvailabilityZone=f"{REGION}a", TagSpecifications=tags("subnet", stack="shop"))
    made = deployer.create_subnet(VpcId=own, **subnet)["Subnet"]["SubnetId"]
    assert code(deployer.create_subnet, VpcId=foreign, **subnet | {"CidrBlock": "10.1.0.0/24"}) == refused
    # Tags are given by the create call and by nothing else.
    for resource in [own, foreign]:
        assert code(deployer.create_tags, Resources=[resource], Tags=[{"Key": "stack", "Value": "shop"}]) == refused
        assert code(deployer.delete_tags, Resources=[resource], Tags=[{"Key": "stack"}]) == refused
    assert code(deployer.delete_vpc, VpcId=foreign) == refused
    deployer.delete_subnet(SubnetId=made)
    deployer.delete_vpc(VpcId=own)


def test_tagging_by_the_tagging_api_asks_the_service_too(account):
    topic = account.admin("sns").create_topic(Name="tagged")["TopicArn"]
    tagger = account.role("tagger", allow("tag:TagResources"))("resourcegroupstaggingapi")
    assert code(tagger.tag_resources, ResourceARNList=[topic], Tags={"a": "b"}) == "AccessDeniedException"
    account.admin("iam").put_role_policy(
        RoleName="tagger", PolicyName="sns", PolicyDocument=policy(allow("sns:TagResource", topic)))
    assert not tagger.tag_resources(ResourceARNList=[topic], Tags={"a": "b"})["FailedResourcesMap"]


@pytest.fixture(scope="module")
def bucket(account):
    s3 = account.admin("s3")
    s3.create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in ["own/a", "own/b", "others/a"]:
        s3.put_object(Bucket="things", Key=key, Body=key.encode())
    return s3


def test_s3_by_prefix(account, bucket):
    reader = account.role(
        "reader", allow(["s3:GetObject", "s3:DeleteObject"], "arn:aws:s3:::things/own/*"),
        allow("s3:ListBucket", "arn:aws:s3:::things", StringLike={"s3:prefix": ["own/*"]}))("s3")
    assert reader.get_object(Bucket="things", Key="own/a")["Body"].read() == b"own/a"
    with Refused("AccessDenied", 403) as refused:
        reader.get_object(Bucket="things", Key="others/a")
    assert 'on resource: "arn:aws:s3:::things/others/a" because no identity-based policy' in str(refused.error)
    assert code(reader.head_object, Bucket="things", Key="others/a") == "403"
    assert code(reader.put_object, Bucket="things", Key="own/c", Body=b"") == "AccessDenied"
    assert [one["Key"] for one in reader.list_objects_v2(Bucket="things", Prefix="own/")["Contents"]] == ["own/a", "own/b"]
    for prefix in [{}, {"Prefix": "o"}, {"Prefix": "others/"}]:
        assert code(reader.list_objects_v2, Bucket="things", **prefix) == "AccessDenied"
    copy = dict(Bucket="things", Key="own/c", CopySource="things/others/a")
    assert code(reader.copy_object, **copy) == "AccessDenied"
    # Each object of a request is judged by itself.
    answer = reader.delete_objects(Bucket="things", Delete={"Objects": [{"Key": "own/b"}, {"Key": "others/a"}]})
    assert [one["Key"] for one in answer["Deleted"]] == ["own/b"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("others/a", "AccessDenied")]
    assert bucket.get_object(Bucket="things", Key="others/a")["Body"].read() == b"others/a"
    assert code(reader.get_bucket_policy, Bucket="things") == "AccessDenied"
    assert code(reader.delete_bucket, Bucket="things") == "AccessDenied"


def test_who_may_not_list_a_bucket_isnt_told_what_is_missing(account, bucket):
    blind = account.role("blind", allow("s3:GetObject", "arn:aws:s3:::things/*"))("s3")
    seeing = account.role("seeing", allow(["s3:GetObject", "s3:ListBucket"]))("s3")
    assert code(blind.get_object, Bucket="things", Key="none") == "AccessDenied"
    assert code(seeing.get_object, Bucket="things", Key="none") == "NoSuchKey"


def test_the_policy_of_a_bucket_adds_and_denies(account, bucket):
    role = account.role("guest")("s3")
    assert code(role.get_object, Bucket="things", Key="own/a") == "AccessDenied"
    guest = {"AWS": f"arn:aws:iam::{HOME}:role/guest"}
    let = {"Effect": "Allow", "Principal": guest, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::things/own/*"}
    bucket.put_bucket_policy(Bucket="things", Policy=policy(let))
    role.get_object(Bucket="things", Key="own/a")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::things/own/*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:role/writer"}}}
    bucket.put_bucket_policy(Bucket="things", Policy=policy(let, deny))
    writer = account.role("writer", allow("s3:*"))("s3")
    other = account.role("other-writer", allow("s3:*"))("s3")
    writer.put_object(Bucket="things", Key="own/w", Body=b"")
    with Refused("AccessDenied", 403) as refused:
        other.put_object(Bucket="things", Key="own/w", Body=b"")
    assert "with an explicit deny in a resource-based policy" in str(refused.error)
    bucket.delete_bucket_policy(Bucket="things")


def test_a_key_is_its_policys(account, bucket):
    kms = account.admin("kms")
    ours = kms.create_key()["KeyMetadata"]["Arn"]
    user = account.role("user", allow(["kms:Encrypt", "kms:Decrypt"], ours))("kms")
    sealed = user.encrypt(KeyId=ours, Plaintext=b"x")["CiphertextBlob"]
    assert user.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    assert code(user.generate_data_key, KeyId=ours, KeySpec="AES_256") == "AccessDeniedException"
    keeper = account.role("keeper")("kms")
    only = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:role/keeper"}, "Action": "kms:*", "Resource": "*"}
    theirs = kms.create_key(Policy=policy(only))["KeyMetadata"]["Arn"]
    account.admin("iam").put_role_policy(RoleName="user", PolicyName="all", PolicyDocument=policy(allow("kms:*")))
    with Refused("AccessDeniedException", 400) as refused:
        user.encrypt(KeyId=theirs, Plaintext=b"x")
    assert "because no resource-based policy allows the kms:Encrypt action" in str(refused.error)
    # The policy names the role, which needs no other then.
    keeper.encrypt(KeyId=theirs, Plaintext=b"x")


def test_s3_uses_a_key_in_the_callers_name(account):
    s3 = account.admin("s3")
    key = account.admin("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="sealed", CreateBucketConfiguration={"LocationConstraint": REGION})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket="sealed", Key="a", Body=b"x")
    objects = allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::sealed/*")
    plain = account.role("plain", objects)("s3")
    with Refused("AccessDenied", 403) as refused:
        plain.put_object(Bucket="sealed", Key="b", Body=b"x")
    assert "kms:GenerateDataKey" in str(refused.error)
    assert code(plain.get_object, Bucket="sealed", Key="a") == "AccessDenied"
    via = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    through = account.role("through", objects, allow(["kms:Decrypt", "kms:GenerateDataKey"], key, **via))
    through("s3").put_object(Bucket="sealed", Key="b", Body=b"x")
    assert through("s3").get_object(Bucket="sealed", Key="a")["Body"].read() == b"x"
    assert code(through("kms").generate_data_key, KeyId=key, KeySpec="AES_256") == "AccessDeniedException"


def test_secrets_are_read_with_their_key(account):
    key = account.admin("kms").create_key()["KeyMetadata"]["Arn"]
    secret = account.admin("secretsmanager").create_secret(Name="AmazonMSK_a", SecretString="x", KmsKeyId=key)["ARN"]
    half = account.role("half", allow("secretsmanager:GetSecretValue", secret))("secretsmanager")
    assert code(half.get_secret_value, SecretId="AmazonMSK_a") == "AccessDeniedException"
    whole = account.role("whole", allow("secretsmanager:GetSecretValue", secret), allow("kms:Decrypt", key))
    assert whole("secretsmanager").get_secret_value(SecretId="AmazonMSK_a")["SecretString"] == "x"


def test_across_accounts_both_sides_must_allow(account):
    theirs = account.admin("s3", OTHER)
    theirs.create_bucket(Bucket="theirs", CreateBucketConfiguration={"LocationConstraint": REGION})
    theirs.put_object(Bucket="theirs", Key="a", Body=b"x")
    visitor = account.role("visitor", allow("s3:GetObject", "arn:aws:s3:::theirs/*"))("s3")
    idle = account.role("idle")("s3")
    assert code(visitor.get_object, Bucket="theirs", Key="a") == "AccessDenied"
    assert code(account.admin("s3").get_object, Bucket="theirs", Key="a") == "AccessDenied"
    let = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::theirs/*"}
    theirs.put_bucket_policy(Bucket="theirs", Policy=policy(let))
    assert visitor.get_object(Bucket="theirs", Key="a")["Body"].read() == b"x"
    assert code(idle.get_object, Bucket="theirs", Key="a") == "AccessDenied"
    owner = dict(ExpectedBucketOwner=HOME)
    assert code(visitor.get_object, Bucket="theirs", Key="a", **owner) == "AccessDenied"
    scoped = account.role("scoped", allow("s3:GetObject", StringEquals={"aws:ResourceAccount": HOME}))("s3")
    assert code(scoped.get_object, Bucket="theirs", Key="a") == "AccessDenied"

    # Becoming a role of another account: its trust policy and the caller's own.
    account.admin("iam", OTHER).create_role(RoleName="landing", AssumeRolePolicyDocument=policy({
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:role/flier"}, "Action": "sts:AssumeRole"}))
    account.admin("iam", OTHER).put_role_policy(
        RoleName="landing", PolicyName="own", PolicyDocument=policy(allow("sqs:ListQueues")))
    landing = f"arn:aws:iam::{OTHER}:role/landing"
    flier = account.role("flier", allow("sts:AssumeRole", landing))
    walker = account.role("walker", allow("sts:AssumeRole"))
    grounded = account.role("grounded")
    become = dict(RoleArn=landing, RoleSessionName="test")
    assert code(grounded("sts").assume_role, **become) == "AccessDenied"
    with Refused("AccessDenied", 403) as refused:
        walker("sts").assume_role(**become)
    assert "because no role trust policy allows the sts:AssumeRole action" in str(refused.error)
    landed = account.as_role("landing", OTHER, by=flier)
    assert landed("sts").get_caller_identity()["Account"] == OTHER
    landed("sqs").list_queues()
    assert code(landed("sns").list_topics) == "AuthorizationError"


def test_a_host_gets_the_credentials_of_its_profile(account):
    iam = account.admin("iam")
    for name, service in [("host", "ec2.amazonaws.com"), ("stranger", "lambda.amazonaws.com")]:
        account.role(name, allow("sqs:ListQueues"), trust={"Service": service})
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    assert code(account.admin("sts").assume_role, RoleArn=f"arn:aws:iam::{HOME}:role/host", RoleSessionName="me") == "AccessDenied"
    query = f"account={HOME}&profile=host&instance=i-0123"
    keys = account.control(f"credentials?{query}")
    host = account.as_keys(keys)
    assert host("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{HOME}:assumed-role/host/i-0123"
    host("sqs").list_queues()
    assert code(host("sns").list_topics) == "AuthorizationError"

    # A host's own token is good for its own credentials and for nothing else.
    token = hmac.digest(SECRET.encode(), f"credentials?{query}".encode(), "sha256").hex()

    def get(path):
        request = urllib.request.Request(f"{account.url}/_lakewright/{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    assert get(f"credentials?{query}")["RoleArn"] == f"arn:aws:iam::{HOME}:role/host"
    for path in [f"credentials?account={HOME}&profile=stranger&instance=i-0123", "events"]:
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(path)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        account.control(f"credentials?account={HOME}&profile=stranger&instance=i-0123")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        account.control(f"credentials?account={HOME}&profile=none&instance=i-0123")


def trusting(service, **source):
    """A trust policy that lets a service in for a source."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy(statement | {"Condition": source})


def test_services_say_for_whom_they_become_a_role(account):
    iam, ec2 = account.admin("iam"), account.admin("ec2")
    # EC2 says for nobody.
    iam.create_role(RoleName="for-nobody", AssumeRolePolicyDocument=trusting(
        "ec2.amazonaws.com", StringEquals={"aws:SourceAccount": HOME}))
    iam.create_instance_profile(InstanceProfileName="for-nobody")
    iam.add_role_to_instance_profile(InstanceProfileName="for-nobody", RoleName="for-nobody")
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        account.control(f"credentials?account={HOME}&profile=for-nobody&instance=i-0123")
    said = json.load(refused.value)["error"]
    assert "no role trust policy allows the sts:AssumeRole action" in said and '"Service":"ec2.amazonaws.com"' in said

    # A flow log for itself, and its role has to reach the group.
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    own, other = arn("ec2", "vpc-flow-log/*"), arn("ec2", "vpc-flow-log/fl-none")
    writes = allow(["logs:CreateLogStream", "logs:PutLogEvents"], arn("logs", "log-group:flows:*"))
    for number, (source, own_policy, status) in enumerate([
        (own, writes, "SUCCESS"), (other, writes, "FAILED"), (own, allow("logs:PutLogEvents"), "FAILED"),
    ]):
        name = f"flows-{number}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(
            "vpc-flow-logs.amazonaws.com", StringEquals={"aws:SourceAccount": HOME}, ArnLike={"aws:SourceArn": source}))
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(own_policy))
        traffic = ["ALL", "ACCEPT", "REJECT"][number]
        made = ec2.create_flow_logs(
            ResourceIds=[vpc], ResourceType="VPC", TrafficType=traffic, LogGroupName="flows",
            DeliverLogsPermissionArn=f"arn:aws:iam::{HOME}:role/{name}")["FlowLogIds"]
        (log,) = ec2.describe_flow_logs(FlowLogIds=made)["FlowLogs"]
        assert (log["DeliverLogsStatus"], log.get("DeliverLogsErrorMessage")) == (
            status, None if status == "SUCCESS" else "Access error"), number


def test_a_job_run_is_its_role_for_its_application(account):
    iam, emr = account.admin("iam"), account.admin("emr-serverless")
    application = emr.create_application(name="jobs", releaseLabel="emr-7.5.0", type="SPARK")["applicationId"]
    driver = {"sparkSubmit": {"entryPoint": "s3://none/run_models.py", "entryPointArguments": []}}
    for name, source in [("jobs", application), ("other-jobs", "another")]:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(
            "emr-serverless.amazonaws.com", StringEquals={"aws:SourceAccount": HOME},
            ArnLike={"aws:SourceArn": arn("emr-serverless", f"/applications/{source}")}))
        run = emr.start_job_run(
            applicationId=application, clientToken=name, executionRoleArn=f"arn:aws:iam::{HOME}:role/{name}", jobDriver=driver)
        end = time.monotonic() + 20
        while (found := emr.get_job_run(applicationId=application, jobRunId=run["jobRunId"])["jobRun"])["state"] != "FAILED":
            assert time.monotonic() < end, found
            time.sleep(0.05)
        # The program isn't there; only a role that lets the service in finds that out.
        refused = "not authorized to perform: sts:AssumeRole" in found["stateDetails"]
        assert refused == (name == "other-jobs"), found["stateDetails"]


def test_what_a_service_does_in_the_callers_name_says_so(account):
    by_service = {"Bool": {"aws:ViaAWSService": "true"}}
    cluster = dict(ClusterName="named", Serverless={"VpcConfigs": [{"SubnetIds": ["subnet-0123456789abcdef0"]}]})
    endpoints, tagged = arn("ec2", "vpc-endpoint/*"), {"StringEquals": {"aws:RequestTag/AWSMSKManaged": "true"}}
    own = [
        allow("kafka:CreateClusterV2", arn("kafka", "cluster/named/*")),
        allow(["ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeSecurityGroups"], **by_service),
        allow(["ec2:CreateVpcEndpoint", "ec2:CreateTags"], endpoints, **by_service, **tagged),
    ]
    linked = allow("iam:CreateServiceLinkedRole", f"arn:aws:iam::{HOME}:role/aws-service-role/kafka.amazonaws.com/*",
                   StringEquals={"iam:AWSServiceName": "kafka.amazonaws.com"})
    maker = account.role("maker-of-clusters", *own, linked)
    assert code(maker("kafka").create_cluster_v2, **cluster) not in DENIED
    # Not the caller itself, and not without the role of MSK's own.
    assert code(maker("ec2").describe_vpcs) == "UnauthorizedOperation"
    without = account.role("without-a-linked-role", *own)
    with Refused("AccessDeniedException", 403) as refused:
        without("kafka").create_cluster_v2(**cluster)
    assert "iam:CreateServiceLinkedRole" in str(refused.error)


def test_keys_of_others_and_ended_sessions_are_refused(account):
    stranger = account.as_keys({"AccessKeyId": "ASIA" + "A" * 16, "SecretAccessKey": "x", "Token": "x"})
    assert code(stranger("sqs").list_queues) in {"InvalidClientTokenId", "UnrecognizedClientException"}


def test_a_permissive_account_lets_every_role_do_all(tmp_path):
    permissive = Account(tmp_path)
    permissive.stop()
    permissive.start("--permissive")
    try:
        iam = permissive.client("iam", key=HOME)
        iam.create_role(RoleName="nobody", AssumeRolePolicyDocument=policy(
            {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "sts:AssumeRole"}))
        role = f"arn:aws:iam::{HOME}:role/nobody"
        keys = permissive.client("sts", key=HOME).assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
        sqs = boto3.client(
            "sqs", endpoint_url=permissive.url, region_name=REGION, aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
        sqs.create_queue(QueueName="q")
    finally:
        permissive.stop()
