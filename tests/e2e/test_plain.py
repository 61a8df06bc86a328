"""Tables of plain files: each record once, though the agent is killed, for whoever reads what the manifests name."""

import gzip
import io
import json
import os
import re
import signal
import subprocess

import pyarrow.parquet
import pytest

from account import client
from conftest import ENVIRONMENT, PATIENCE, ROOT, TARGET, Up

REFUNDS = """
[tables.refunds]
topic = "iceberg_events"
sink = "json"
key = ["refund_id"]
columns = { refund_id = "string", amount = "decimal(12,2)", refunded_at = "timestamptz", note = "string" }
"""


@pytest.fixture
def up(tmp_path):
    text = (ROOT / "stacks" / "minimal.toml").read_text()
    assert text.count("[tables.sales]\n") == 1
    (tmp_path / "stack.toml").write_text(text.replace("[tables.sales]\n", '[tables.sales]\nsink = "parquet"\n') + REFUNDS)
    return Up(tmp_path, tmp_path / "stack.toml")


def agent(up):
    """The process of the stream agent, once it runs."""
    children = (up.record() or {"children": []})["children"]
    return next((child["pid"] for child in children if child["name"].startswith("stream")), None)


def commits(up, table):
    found = subprocess.run(["grep", "-rlh", f"raw/{table}/commits/", up.data / "account"], capture_output=True, text=True)
    return len(found.stdout.split())


def test_each_record_is_once_in_what_the_manifests_name(up):
    up.start("--for", "20s")
    killed = set()
    for _ in range(3):
        up.wait("an agent that wasn't killed yet", lambda: agent(up) not in killed | {None})
        pid = agent(up)
        up.wait("commits", lambda: commits(up, "sales") and commits(up, "refunds"))
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    assert up.process.wait(timeout=PATIENCE) == 0, up.log()
    assert re.search(r"raw zone: iceberg_events partition 0 .* exact$", up.log(), re.MULTILINE), up.log()
    local = subprocess.Popen(
        [TARGET / "debug" / "lakewright-local", "serve", "--data", up.data, "--until-stdin-closes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT,
    )
    try:
        s3 = client(json.loads(local.stdout.readline())["account"], "s3")
        bucket = next(bucket["Name"] for bucket in s3.list_buckets()["Buckets"] if "raw" in bucket["Name"])
        glue = client(s3.meta.endpoint_url, "glue")
        names = [table["Name"] for table in glue.get_tables(DatabaseName="minimal_raw")["TableList"]]
        assert names == ["dead_letters"]
        for table, read in (("sales", parquet), ("refunds", lines)):
            rows = [row for file in named(s3, bucket, table) for row in read(s3.get_object(**place(file))["Body"].read(), file)]
            places = {(row["kafka_topic_id"], row["kafka_partition"], row["kafka_offset"]) for row in rows}
            assert len(rows) == len(places) > 0, table
    finally:
        local.stdin.close()
        assert local.wait(timeout=PATIENCE) == 0


def place(file):
    bucket, _, key = file["path"].removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def named(s3, bucket, table):
    """The files that the table's manifests name; the commits are numbered without a gap."""
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"raw/{table}/commits/")["Contents"]
    manifests = [json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()) for entry in listed]
    assert [manifest["commit"] for manifest in manifests] == list(range(1, len(manifests) + 1))
    return [file for manifest in manifests for file in manifest["files"]]


def parquet(body, file):
    rows = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
    assert (len(rows), len(body)) == (file["rows"], file["bytes"])
    assert "/sold_at_day=" in file["path"]
    return rows


def lines(body, file):
    rows = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    assert len(rows) == file["rows"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", row["refunded_at"]) for row in rows)
    return rows
