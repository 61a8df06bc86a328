"""What somebody sees who may not do what they type, and what is left of it."""

import json

import pytest

from account import Account
from conftest import PERMISSIVE

pytestmark = pytest.mark.skipif(PERMISSIVE, reason="the account lets everything pass")

STACK = """
[stack]
name = "small"
region = "eu-north-1"

[keys.main]

[buckets.raw]
key = "main"
"""


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    account.stack = tmp_path / "small.toml"
    account.stack.write_text(STACK)
    yield account
    account.stop()


def test_a_plan_takes_no_more_than_the_rights_to_plan_and_an_apply_says_what_it_lacks(account):
    planner = account.planner(account.stack)
    account.run("plan", account.stack, "--detailed-exitcode", code=2, keys=planner)
    refused = account.run("apply", account.stack, "--yes", code=1, keys=planner).stderr
    assert "these credentials may not make it" in refused and "lakewright permissions --for setup" in refused, refused
    assert account.client("s3").list_buckets()["Buckets"] == []
    account.run("apply", account.stack, "--yes", code=0)
    account.run("plan", account.stack, "--detailed-exitcode", code=0, keys=planner)
    # Now the lease is what it may not write first.
    account.stack.write_text(STACK + "versioning = false\n")
    refused = account.run("apply", account.stack, "--yes", code=1, keys=planner).stderr
    lease = "arn:aws:s3:::lakewright-123456789012-eu-north-1/stacks/small.json"
    assert "s3:PutObject on resource" in refused and lease in refused, refused
    assert "`lakewright permissions --for apply` prints all that it takes" in refused, refused


def test_what_one_kind_lacks_stops_that_alone_and_is_named(account):
    account.run("plan", account.stack, "--detailed-exitcode", code=2)
    held = dict(account.deployer.held)
    never = {"Sid": "Never", "Effect": "Deny", "Action": "s3:PutEncryptionConfiguration", "Resource": "*"}
    account.deployer.holds(held | {"never": json.dumps({"Version": "2012-10-17", "Statement": [never]})})
    refused = account.run("apply", account.stack, "--yes", code=1, keys=account.deployer.environment).stderr
    assert "bucket.raw" in refused and "s3:PutEncryptionConfiguration" in refused, refused
    assert "explicit deny in an identity-based policy" in refused, refused
    assert account.client("kms").describe_key(KeyId="alias/small-main")
    account.run("apply", account.stack, "--yes", code=0)
    account.run("plan", account.stack, "--detailed-exitcode", code=0)
    account.run("destroy", account.stack, "--yes", "--allow-data-loss", "all", code=0)
