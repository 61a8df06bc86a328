"""Starts a local account for each test module and hands out clients, a strict one per account and region."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-north-1"
# What every access key signs with.
SECRET = "test"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[2] / "target"))


def command():
    """The program under test: `lakewright-local account`, or what LAKEWRIGHT_ACCOUNT names."""
    given = os.environ.get("LAKEWRIGHT_ACCOUNT")
    return given.split() if given else [str(TARGET / "debug" / "lakewright-local"), "account"]


class Account:
    """One running account; `kill` is a real kill -9, `start` goes on from the same folder."""

    def __init__(self, data):
        self.data = data
        # `lakewright-local` keeps each of its parts in a folder of its own.
        self.folder = data if os.environ.get("LAKEWRIGHT_ACCOUNT") else data / "account"
        self.process = None
        self.url = None
        self.start()

    def start(self, *more):
        if os.environ.get("LAKEWRIGHT_ACCOUNT"):
            arguments = ["0", str(self.data)]
        else:
            arguments = ["--port", "0", "--data", str(self.data)]
        environment = os.environ | {"LAKEWRIGHT_ACCOUNT_SECRET": SECRET}
        self.process = subprocess.Popen([*command(), *arguments, *more], stdout=subprocess.PIPE, env=environment)
        line = self.process.stdout.readline()
        assert line, f"the account ended with {self.process.wait()}"
        self.url = json.loads(line)["account"]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=20)
        self.process.stdout.close()

    def kill(self):
        self.stop(signal.SIGKILL)

    def control(self, path, method="GET", body=None):
        """The account's side that is no AWS service."""
        request = urllib.request.Request(
            f"{self.url}/_lakewright/{path}", data=body, method=method, headers={"Authorization": f"Bearer {SECRET}"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def client(self, service, region=REGION, key="test", secret=SECRET, token=None, **config):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    running = Account(tmp_path_factory.mktemp("account"))
    yield running
    running.stop()


class Refused:
    """Expects an AWS error of that code, and of that status when given."""

    def __init__(self, code, status=None):
        self.code, self.status = code, status

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert isinstance(error, ClientError), f"expected {self.code}, got {error!r}"
        assert error.response["Error"]["Code"] == self.code, error
        metadata = error.response["ResponseMetadata"]
        if self.status:
            assert metadata["HTTPStatusCode"] == self.status, error
        self.error = error
        return True


@pytest.fixture(scope="session")
def refused():
    return Refused
