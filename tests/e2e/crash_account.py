"""An account on this machine for tests of crashes: a fresh one for each case, and what exists in it."""

import json
import re
import subprocess
import time

import botocore.session
from botocore.credentials import Credentials

from account import SERVER, ask, put_faults
from conftest import CONDUCT, ENVIRONMENT, PATIENCE, PERMISSIVE, PROGRAM, SECRET, TARGET
from deployer import Role, policies

REGION = "eu-north-1"
OWNER, ADDRESS = "lakewright:stack", "lakewright:address"

STACK = """
[stack]
name = "crash"
region = "eu-north-1"

[network]
zones = ["a", "b"]

[kafka]
brokers = 2
instance_type = "kafka.t3.small"
secret = "kafka"

[keys.main]

[secrets.kafka]
username = "crash"

[buckets.raw]
key = "main"

[buckets.warehouse]

[topics.facts]
name = "facts-ACCOUNT"
partitions = 2

[tables.sales]
topic = "facts"
key = ["sale_id"]
partition = ["day(sold_at)"]
columns = { sale_id = "string", amount = "decimal(12,2)", sold_at = "timestamptz" }

[batch]

[hosts.app]
agents = ["stream", "batch"]
"""
MODEL = "-- materialization: replace\n\nSELECT sale_id, amount FROM raw.sales\n"


class Server:
    """`lakewright-local serve`, and its side that is no AWS service."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [TARGET / "debug" / "lakewright-local", "serve", "--data", folder / "local", *CONDUCT],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(folder / "local.log", "wb"),
            env=SERVER,
        )
        self.url = json.loads(self.process.stdout.readline())["account"]
        (folder / "lakewright-agent").write_text("the agents")
        session = botocore.session.get_session()
        self.credentials = Credentials("000000000000", SECRET)
        session._credentials = self.credentials
        names = "autoscaling athena ec2 emr-serverless glue iam kafka kms logs s3 secretsmanager".split()
        self.clients = {name: session.create_client(name, region_name=REGION, endpoint_url=self.url) for name in names}
        self.accounts = 100_000_000_000
        self.printed = None

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)

    def ask(self, method, path, body=b""):
        return ask(self.url, method, path, body)

    def faults(self, *rules):
        put_faults(self.url, *rules)

    def line(self):
        """The number of the last line of events."""
        events = self.ask("GET", "events")
        return events[-1]["line"] if events else 0

    def events(self, line, wait="0s"):
        return self.ask("GET", f"events?line={line}&wait={wait}")

    def policies(self, account):
        """Those of whoever applies an account's stack. They were printed for the first one, and differ in the account's number."""
        if self.printed is None:
            self.printed = account.number, policies(["apply", account.stack], account.number, account.folder)
        number, found = self.printed
        return {name: text.replace(number, account.number) for name, text in found.items()}

    def account(self):
        self.accounts += 1
        return Account(self, str(self.accounts))


class Account:
    """An account that nothing was ever made in."""

    def __init__(self, server, number):
        self.server, self.number = server, number
        self.folder = server.folder / number
        (self.folder / "models").mkdir(parents=True)
        (self.folder / "models" / "amounts.sql").write_text(MODEL)
        self.stack = self.folder / "crash.toml"
        self.stack.write_text(STACK.replace("ACCOUNT", number))
        self.environment = ENVIRONMENT | {
            "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": number, "AWS_SECRET_ACCESS_KEY": SECRET,
            "XDG_CACHE_HOME": str(server.folder / "cache"), "USER": "tester",
        }
        if not PERMISSIVE:
            role = Role(server.url, number, REGION)
            role.holds(server.policies(self))
            self.environment |= role.environment

    def start(self, *words):
        agent = ["--agent", self.server.folder / "lakewright-agent"]
        # Into a file: a pipe that nobody reads stops whoever fills it.
        path = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"
        with open(path, "wb") as log:
            process = subprocess.Popen(
                [PROGRAM, *words[:1], self.stack, *words[1:], *agent], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        process.log = path
        return process

    def run(self, *words):
        """The exit code, and what was said on both outputs."""
        process = self.start(*words)
        return process.wait(timeout=120), process.log.read_text()

    def must(self, *words, code=0):
        found, said = self.run(*words)
        assert found == code, f"{' '.join(words)}: {found}\n{said}"
        return said

    def apply(self):
        return self.must("apply", "--yes")

    def destroy(self):
        return self.must("destroy", "--yes", "--allow-data-loss", "all")

    def kill_at(self, fault, *words):
        """Kills the command when a request of its hangs by that fault. Returns the hit request's operation; None when
        the command ended without meeting it."""
        line = self.server.line()
        self.server.faults(fault | {"times": 1})
        process = self.start(*words)
        try:
            while True:
                for event in self.server.events(line, "200ms"):
                    line = max(line, event["line"])
                    if event["fault"] in ("hang", "hang-request") and event["phase"] == "end":
                        process.kill()
                        return event["operation"]
                if process.poll() is not None:
                    assert process.returncode == 0, process.log.read_text()
                    return None
        finally:
            process.kill()
            process.wait()
            self.server.faults()

    def call(self, service, operation, member=None, **input):
        self.server.credentials.access_key = self.number
        client = self.server.clients[service]
        if member and client.can_paginate(operation):
            pages = client.get_paginator(operation).paginate(**input)
            return [one for page in pages for one in page.get(member, [])]
        answer = getattr(client, operation)(**input)
        return answer.get(member, []) if member else answer

    def lease(self):
        return {"Bucket": f"lakewright-{self.number}-{REGION}", "Key": "stacks/crash.json"}

    def living(self):
        """Everything that exists in the account: kinds of things, each with the names of those that there are. What
        has only an id is named by the address that its tags state."""
        call = self.call

        def named(things, name=None):
            tags = [{tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])} for thing in things]
            for thing, own in zip(things, tags):
                assert not (own and OWNER not in own), f"a thing of nobody: {thing}"
            names = [thing[name] if name else own.get(ADDRESS, "untagged") for thing, own in zip(things, tags)]
            return sorted(one.replace(self.number, "ACCOUNT") for one in names)

        def of_ec2(operation, member):
            return named(call("ec2", operation, member))

        reservations = call("ec2", "describe_instances", "Reservations")
        instances = [one for reservation in reservations for one in reservation["Instances"]]
        keys = [call("kms", "describe_key", "KeyMetadata", KeyId=key["KeyId"]) for key in call("kms", "list_keys", "Keys")]
        keys = [key["KeyId"] for key in keys if key["KeyManager"] == "CUSTOMER" and key["KeyState"] != "PendingDeletion"]
        tags = [call("kms", "list_resource_tags", "Tags", KeyId=key) for key in keys]
        aliases = [one for one in call("kms", "list_aliases", "Aliases") if not one["AliasName"].startswith("alias/aws/")]
        buckets = [one["Name"] for one in call("s3", "list_buckets", "Buckets")]
        # All but who applies the stack.
        roles = [role for role in call("iam", "list_roles", "Roles") if role["RoleName"] != "deployer"]
        clusters = call("kafka", "list_clusters_v2", "ClusterInfoList")
        databases = [one["Name"] for one in call("glue", "get_databases", "DatabaseList")]
        applications = call("emr-serverless", "list_applications", "applications")
        scram = [call("kafka", "list_scram_secrets", "SecretArnList", ClusterArn=one["ClusterArn"]) for one in clusters]
        topics = [one["TopicName"] for cluster in clusters[:1] for one in self.topics(cluster["ClusterArn"])]
        return {
            "vpcs": of_ec2("describe_vpcs", "Vpcs"),
            "gateways": of_ec2("describe_internet_gateways", "InternetGateways"),
            "subnets": of_ec2("describe_subnets", "Subnets"),
            "route tables": of_ec2("describe_route_tables", "RouteTables"),
            "security groups": of_ec2("describe_security_groups", "SecurityGroups"),
            "endpoints": of_ec2("describe_vpc_endpoints", "VpcEndpoints"),
            "launch templates": of_ec2("describe_launch_templates", "LaunchTemplates"),
            "volumes": of_ec2("describe_volumes", "Volumes"),
            "instances": len([one for one in instances if one["State"]["Name"] in ("pending", "running")]),
            "keys": named([{"Tags": [{"Key": t["TagKey"], "Value": t["TagValue"]} for t in own]} for own in tags]),
            "aliases": sorted(one["AliasName"] for one in aliases),
            "aliases' keys": sorted(one["TargetKeyId"] in keys for one in aliases),
            "secrets": named(call("secretsmanager", "list_secrets", "SecretList"), "Name"),
            "buckets": sorted(one.replace(self.number, "ACCOUNT") for one in buckets),
            "objects": sorted(
                re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", one["Key"])
                for bucket in buckets for one in call("s3", "list_objects_v2", "Contents", Bucket=bucket)
            ),
            "roles": sorted(role["RoleName"] for role in roles),
            "role policies": sorted(
                name for role in roles for name in call("iam", "list_role_policies", "PolicyNames", RoleName=role["RoleName"])
            ),
            "profiles": sorted(one["InstanceProfileName"] for one in call("iam", "list_instance_profiles", "InstanceProfiles")),
            "clusters": sorted(one["ClusterName"] for one in clusters),
            "cluster secrets": [len(one) for one in scram],
            "configurations": sorted(one["Name"] for one in call("kafka", "list_configurations", "Configurations")),
            "topics": sorted(one.replace(self.number, "ACCOUNT") for one in topics if self.number in one),
            "applications": sorted(one["name"] for one in applications if one["state"] != "TERMINATED"),
            "workgroups": sorted(one["Name"] for one in call("athena", "list_work_groups", "WorkGroups")),
            "databases": sorted(databases),
            "tables": sorted(
                one["Name"] for name in databases for one in call("glue", "get_tables", "TableList", DatabaseName=name)
            ),
            "log groups": sorted(one["logGroupName"] for one in call("logs", "describe_log_groups", "logGroups")),
            "host groups": named(call("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups")),
        }

    def topics(self, cluster):
        return self.call("kafka", "list_topics", "Topics", ClusterArn=cluster)

    def settled(self):
        """What exists, once nothing changes any more of itself."""
        end = time.monotonic() + PATIENCE
        before = self.living()
        while time.monotonic() < end:
            now = self.living()
            if now == before:
                return now
            before = now
        raise AssertionError("the account doesn't come to rest")
