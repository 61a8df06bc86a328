"""The account of this machine and `lakewright` against it, for tests of plans and applies."""

import hmac
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

from conftest import CONDUCT, ENVIRONMENT, PERMISSIVE, PROGRAM, ROOT, SECRET, TARGET
from deployer import APPLYING, Role, policies

ACCOUNT, REGION = "123456789012", "eu-north-1"
# An account whose access keys sign with the tests' secret.
SERVER = ENVIRONMENT | {"LAKEWRIGHT_ACCOUNT_SECRET": SECRET}


def with_password(stack):
    """The shop, with a user beside its agents who has no role and logs in to Kafka by name and password."""
    text = stack.read_text()
    for old, new in [
        (re.search(r'(?m)^authentication = "iam".*$', text)[0], 'authentication = ["iam", "scram"]\nsecret = "kafka"'),
        ("[buckets.raw]", '[secrets.kafka]\nusername = "shop"\n\n[buckets.raw]'),
    ]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    stack.write_text(text + '\n[allow.cluster-without-acls]\n"cluster.main" = "a test"\n')


class Account:
    """`lakewright-local serve` in a folder of its own, and a copy of the stacks beside it."""

    def __init__(self, folder, *flags):
        self.folder = folder
        shutil.copytree(ROOT / "stacks", folder / "stacks")
        self.stack = folder / "stacks" / "shop.toml"
        self.log = open(folder / "local.log", "wb")
        self.process = subprocess.Popen(
            [TARGET / "debug" / "lakewright-local", "serve", "--data", folder / "local", *CONDUCT, *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=SERVER,
        )
        served = json.loads(self.process.stdout.readline())
        self.url, self.kafka, self.search = served["account"], served["kafka"], served["search"]
        self.environment = environment(self.url)
        self.role = None

    @property
    def deployer(self):
        """Who applies the account's stacks."""
        self.role = self.role or Role(self.url, ACCOUNT, REGION)
        return self.role

    def keys(self, *words):
        """The credentials of whoever types these words: of those who apply the stack, else of the administrator."""
        if PERMISSIVE or not APPLYING.intersection(map(str, words)):
            return {}
        if found := policies(words, ACCOUNT, self.folder):
            self.deployer.applies(found)
        return self.deployer.environment

    def planner(self, *words):
        """The credentials of somebody who may see what these words would do, and nothing else."""
        if PERMISSIVE:
            return {}
        role = Role(self.url, ACCOUNT, REGION, "planner")
        role.holds(policies(words, ACCOUNT, self.folder, ["plan"]))
        return role.environment

    def client(self, service, account=ACCOUNT, region=REGION):
        return client(self.url, service, account, region)

    def run(self, *words, code=None, account=ACCOUNT, text=None, keys=None):
        """Runs `lakewright`; what it wrote to both outputs. Other accounts have nobody but an administrator."""
        if keys is None:
            keys = self.keys(*words) if account == ACCOUNT else {"AWS_ACCESS_KEY_ID": account}
        done = subprocess.run(
            [PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment | keys,
            capture_output=True, text=True, timeout=300, input=text or "",
        )
        if code is not None:
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def plan(self, *words, code=0):
        """The plan as the JSON document that it is."""
        return json.loads(self.run("plan", self.stack, "--format", "json", *words, code=code).stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def ask(url, method, path, body=b""):
    """The account's side that is no AWS service."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    request = urllib.request.Request(f"{url}/_lakewright/{path}", data=body or None, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.read().decode()}") from None


def put_faults(url, *rules):
    """Puts these rules in force, each a dictionary; none takes all away."""
    text = "".join("[[fault]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in rule.items()) for rule in rules)
    ask(url, "PUT", "faults", text.encode())


def host_keys(url, profile):
    """How an agent gets the credentials of its host's role: as `up` lets it, and as containers do."""
    query = f"account={ACCOUNT}&profile={profile}&instance=by-hand"
    token = hmac.digest(SECRET.encode(), f"credentials?{query}".encode(), "sha256").hex()
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/_lakewright/credentials?{query}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"Bearer {token}",
    }


def environment(url):
    return ENVIRONMENT | {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET,
    }


def client(url, service, account=ACCOUNT, region=REGION):
    return boto3.client(
        service, endpoint_url=url, region_name=region, aws_access_key_id=account, aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )
