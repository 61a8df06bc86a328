"""Objects that a plan doesn't read, for a list shows that nobody wrote them since an apply did: how they are known, and what takes that away."""

import json
import time
from urllib.parse import urlsplit

from account import put_faults
from drifts import MANIFEST
from recorder import account

BUCKET = MANIFEST["Bucket"]
# Longer than the time of writing of an object may go on: see `object/seal.rs`.
OVER = 4.1


def reads(account, *words, code=0, keys=None):
    """The keys of the stack's objects that a command reads."""
    before = len(account.requests)
    account.run(*words, code=code, keys=keys)
    paths = [urlsplit(path).path for _, method, path, _, _ in account.requests[before:] if method == "GET"]
    return sorted(path.removeprefix(f"/{BUCKET}/") for path in paths if path.startswith(f"/{BUCKET}/") and path != f"/{BUCKET}/")


def objects(account):
    listed = account.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    return sorted(one["Key"] for one in listed if not one["Key"].startswith("releases/"))


def test_objects_are_read_once_and_then_known_until_somebody_writes_them(account):
    s3, plan = account.client("s3"), ["plan", account.stack, "--detailed-exitcode"]
    # An apply that may not list what it put, after two looks for what is there, seals nothing: what it remembers is as every version
    # before remembered it.
    denied = {"service": "s3", "operation": "ListObjectsV2", "from": 3, "error": "AccessDenied", "status": 403}
    put_faults(account.url, denied)
    account.run("apply", account.stack, "--yes", code=0)
    put_faults(account.url)
    applied = remembered(s3)
    assert all(text.count(":") == 1 for text in applied.values()), applied
    assert reads(account, *plan) == objects(account)

    # The next apply, which has nothing to do, remembers what it read.
    time.sleep(OVER)
    said = account.run("apply", account.stack, "--yes", code=0)
    assert "Done" not in said.stderr, said.stderr
    assert reads(account, *plan) == []
    assert all(text.count(":") == 2 for text in remembered(s3).values())

    # The same again by somebody else is no difference, and isn't known: a list doesn't tell what stands beside the content.
    manifest = s3.get_object(**MANIFEST)
    again = {"Body": manifest["Body"].read(), "ContentType": manifest["ContentType"], "Metadata": manifest["Metadata"]}
    s3.put_object(**MANIFEST, **again)
    assert reads(account, *plan) == [MANIFEST["Key"]]
    # Who may not verify what was signed reads everything.
    put_faults(account.url, {"service": "kms", "operation": "GetPublicKey", "error": "AccessDeniedException", "status": 400})
    assert reads(account, *plan) == objects(account)
    put_faults(account.url)

    # An older version of what the stack remembers, signed as it is, speaks for older objects only.
    key = "stacks/shop.json"
    (state,) = (one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith("lakewright-"))
    before = s3.get_object(Bucket=state, Key=key)["Body"].read()
    stack = account.stack.with_name("edited.toml")
    text = account.stack.read_text()
    assert 'rate = "500/s"' in text
    stack.write_text(text.replace('rate = "500/s"', 'rate = "501/s"'))
    account.run("apply", stack, "--yes", code=0)
    written = "hosts/app/producer.json"
    changed = reads(account, "plan", stack, "--detailed-exitcode")
    # What was written over a moment ago may not be known before the next apply.
    assert set(changed) <= {MANIFEST["Key"]}, "what an apply writes is known at once"
    s3.put_object(Bucket=state, Key=key, Body=before)
    rolled_back = reads(account, "plan", stack)
    assert set(rolled_back) - {MANIFEST["Key"]} == {written}


def remembered(s3):
    """What the stack remembers of its objects, by address."""
    (state,) = (one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith("lakewright-"))
    memory = json.load(s3.get_object(Bucket=state, Key="stacks/shop.json")["Body"])["memory"]
    return {address: text for address, text in memory["applied"].items() if address.startswith("object.")}
