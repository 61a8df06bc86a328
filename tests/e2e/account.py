"""The account of this machine and `lakewright` against it, for tests of plans and applies."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

from conftest import ENVIRONMENT, PROGRAM, ROOT, SECRET, TARGET

ACCOUNT, REGION = "123456789012", "eu-north-1"
# An account whose access keys sign with the tests' secret.
SERVER = ENVIRONMENT | {"LAKEWRIGHT_ACCOUNT_SECRET": SECRET}


class Account:
    """`lakewright-local serve` in a folder of its own, and a copy of the stacks beside it."""

    def __init__(self, folder, *flags):
        self.folder = folder
        shutil.copytree(ROOT / "stacks", folder / "stacks")
        self.stack = folder / "stacks" / "shop.toml"
        self.log = open(folder / "local.log", "wb")
        self.process = subprocess.Popen(
            [TARGET / "debug" / "lakewright-local", "serve", "--data", folder / "local", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=SERVER,
        )
        self.url = json.loads(self.process.stdout.readline())["account"]
        self.environment = environment(self.url)

    def client(self, service, account=ACCOUNT, region=REGION):
        return client(self.url, service, account, region)

    def run(self, *words, code=None, account=ACCOUNT, text=None):
        """Runs `lakewright`; what it wrote to both outputs."""
        done = subprocess.run(
            [PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment | {"AWS_ACCESS_KEY_ID": account},
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


def environment(url):
    return ENVIRONMENT | {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET,
    }


def client(url, service, account=ACCOUNT, region=REGION):
    return boto3.client(
        service, endpoint_url=url, region_name=region, aws_access_key_id=account, aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )
