"""What a plan and an apply cost: in a small account, a slow one, a crowded one, and for a large stack."""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

ACCOUNT, REGION = "123456789012", "eu-north-1"
LATE = '[[fault]]\nlatency = "20ms"\n'


class Measured:
    """`lakewright-local serve` and what `lakewright` costs against it."""

    def __init__(self, target, root, folder, environment, *flags):
        self.target, self.root, self.folder = target, root, folder
        self.process = subprocess.Popen(
            [target / "lakewright-local", "serve", "--data", folder / "local", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )
        self.url = json.loads(self.process.stdout.readline())["account"]
        self.environment = environment | {
            "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "local", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "LAKEWRIGHT_LOG": "debug",
        }
        self.clients = {}

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def faults(self, text):
        request = urllib.request.Request(f"{self.url}/_lakewright/faults", data=text.encode(), method="PUT")
        urllib.request.urlopen(request).read()

    def asked(self):
        """How often each operation was asked for, among the last 10,000 requests."""
        events = json.loads(urllib.request.urlopen(f"{self.url}/_lakewright/events?after=0").read())
        return Counter(event["operation"] for event in events if event["phase"] == "end")

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=ACCOUNT, aws_secret_access_key="local",
                config=Config(max_pool_connections=16, s3={"addressing_style": "path"}),
            )
        return self.clients[service]

    def run(self, *words):
        """The exit code, CPU seconds, MB, wall seconds and the output of `lakewright`."""
        log = self.folder / "run.log"
        begun = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [self.target / "lakewright", *map(str, words)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, wall, log.read_text()

    def apply(self, stack, what="apply"):
        code, cpu, memory, wall, log = self.run("apply", stack, "--yes")
        if code != 0:
            raise SystemExit(log[-3000:])
        took, critical, tasks = re.search(r"took=([\d.]+\w+) critical=([\d.]+\w+) tasks=(\d+)", log).groups()
        print(f"{what}: {tasks} tasks in {took}, the longest chain of them took {critical}; {wall:.2f} s in all, {cpu:.2f} CPU s, {memory:.0f} MB", flush=True)

    def plan(self, stack, what, times=5):
        """Plans that find nothing to do."""
        for _ in range(times):
            code, cpu, memory, wall, log = self.run("plan", stack, "--detailed-exitcode")
            if code != 0:
                raise SystemExit(log[-3000:])
            requests, resources = re.search(r"requests=(\d+) resources=(\d+)", log).groups()
            print(f"{what}: {resources} resources, {requests} requests, {wall:.2f} s, {cpu:.2f} CPU s, {memory:.0f} MB", flush=True)


def slow(account, shop):
    """A stack's no-op plan, then with 20 ms more for every request."""
    # Production's roles are bounded by a policy that somebody else makes.
    anything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    account.client("iam").create_policy(PolicyName="shop-production-boundary", PolicyDocument=json.dumps(anything))
    account.apply(shop)
    account.plan(shop, "no-op plan")
    account.faults(LATE)
    account.plan(shop, "no-op plan, 20 ms each request")


def crowded(account, shop, count):
    """The shop's no-op plan among others' resources."""
    account.apply(shop)
    account.plan(shop, "no-op plan, alone")
    populate(account, count)
    before = account.asked()
    account.plan(shop, f"no-op plan among {count} foreign things of each kind", 1)
    most = sorted(((number, name) for name, number in (account.asked() - before).items()), reverse=True)[:8]
    print("  most asked: " + ", ".join(f"{name} {number}" for number, name in most), flush=True)
    account.plan(shop, f"no-op plan among {count} foreign things of each kind", 4)
    account.faults(LATE)
    account.plan(shop, "the same, 20 ms each request")


def populate(account, count):
    client = account.client
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    vpcs = []

    def vpc(n):
        vpcs.append(client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])

    (cluster,) = client("kafka").list_clusters_v2()["ClusterInfoList"]
    makes = {
        "VPCs": vpc,
        "subnets": lambda n: client("ec2").create_subnet(VpcId=vpcs[n % len(vpcs)], CidrBlock="10.0.0.0/24"),
        "security groups": lambda n: client("ec2").create_security_group(
            GroupName=f"others-{n}", Description="x", VpcId=vpcs[n % len(vpcs)]),
        "launch templates": lambda n: client("ec2").create_launch_template(
            LaunchTemplateName=f"others-{n}", LaunchTemplateData={"InstanceType": "t3.micro"}),
        "buckets": lambda n: client("s3").create_bucket(
            Bucket=f"others-{n}", CreateBucketConfiguration={"LocationConstraint": REGION}),
        "roles": lambda n: client("iam").create_role(RoleName=f"others-{n}", AssumeRolePolicyDocument=trust),
        "instance profiles": lambda n: client("iam").create_instance_profile(InstanceProfileName=f"others-{n}"),
        "keys": lambda n: client("kms").create_key(Tags=[{"TagKey": "team", "TagValue": "others"}]),
        "secrets": lambda n: client("secretsmanager").create_secret(Name=f"others-{n}", SecretString="x"),
        "log groups": lambda n: client("logs").create_log_group(logGroupName=f"/others/{n}"),
        "databases": lambda n: client("glue").create_database(DatabaseInput={"Name": f"others_{n}"}),
        "tables": lambda n: client("glue").create_table(DatabaseName="others_0", TableInput={"Name": f"t{n}"}),
        "workgroups": lambda n: client("athena").create_work_group(Name=f"others-{n}"),
        "applications": lambda n: client("emr-serverless").create_application(
            name=f"others-{n}", releaseLabel="emr-7.10.0", type="SPARK", clientToken=f"others-{n}"),
        "topics": lambda n: client("kafka").create_topic(
            ClusterArn=cluster["ClusterArn"], TopicName=f"others-{n}", PartitionCount=1, ReplicationFactor=3),
    }
    for service in ("ec2", "s3", "iam", "kms", "secretsmanager", "logs", "glue", "athena", "emr-serverless", "kafka"):
        client(service)
    for what, make in makes.items():
        begun = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            try:
                list(pool.map(make, range(count)))
            except Exception as error:  # a limit of the account's
                print(f"  {what}: {error}"[:200], flush=True)
        print(f"  made {what} in {time.monotonic() - begun:.1f} s", flush=True)


def large(account, count):
    """The no-op plan of a stack with so many resources, 20 ms each request."""
    stack = account.folder / "large.toml"
    stack.write_text(large_stack(count))
    account.apply(stack)
    account.plan(stack, "no-op plan of a large stack", 3)
    account.faults(LATE)
    account.plan(stack, "the same, 20 ms each request", 3)


def large_stack(count):
    """A stack of nearly so many resources: half of them tables and topics, the rest of all kinds."""
    of = lambda share: max(1, int(count * share))
    lines = ['[stack]', 'name = "large"', f'region = "{REGION}"', '[network]', 'zones = ["a", "b", "c"]',
             '[kafka]', 'brokers = 3', 'instance_type = "kafka.m7g.large"', 'secret = "s0"', 'key = "k0"']
    lines += [f"[keys.k{n}]" for n in range(of(0.05))]
    for n in range(of(0.05)):
        lines += [f"[secrets.s{n}]", f'username = "user{n}"', f'key = "k{n}"']
    for n in range(of(0.06)):
        lines += [f"[buckets.b{n}]", 'key = "k0"']
    lines += ["[buckets.raw]", "[agents.producer]", 'facts_topic = "t0"', 'actions_topic = "t1"']
    lines += [f"[topics.t{n}]" for n in range(of(0.3))]
    for n in range(of(0.25)):
        lines += [f"[tables.t{n}]", 'topic = "t0"', 'key = ["id"]', 'columns = { id = "string", at = "timestamptz" }']
    for n in range(of(0.025)):
        lines += [f"[hosts.h{n}]", *(['agents = ["producer", "stream"]'] if n == 0 else [])]
    return "\n".join(lines) + "\n"


def applies(target, root, folder, environment, shop):
    """An apply beside the longest chain of its own tasks: all at 20 ms a request, then with AWS's times divided by 60."""
    for name, flags, late in (("20ms", [], True), ("realistic", ["--delays", "realistic/60"], False)):
        (folder / name).mkdir()
        account = Measured(target, root, folder / name, environment, *flags)
        try:
            if late:
                account.faults(LATE)
            account.apply(shop, f"apply, {name}")
            if not late:
                account.plan(shop, "no-op plan", 1)
        finally:
            account.stop()
