"""Every stack of `stacks/` runs on this machine for a while and comes out exact, however it is meant to run on AWS."""

import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from contextlib import contextmanager

import pytest

import drifts_lake_only
import topics
from account import client
from conftest import ENVIRONMENT, PATIENCE, ROOT, TARGET, Up

STACKS = sorted(ROOT.glob("stacks/*.toml"))
# So much like another one that they run only when there is time. A new stack isn't among them.
ALIKE = {"minimal": "cheapest", "shop": "production"}
LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"
ELSEWHERE = "210987654321"
AGENT = TARGET / "debug" / "lakewright-agent"


@pytest.fixture
def up(tmp_path, stack):
    """An `up` of the stack, in which what the stack expects to exist does."""
    folder = tmp_path / stack.stem
    shutil.copytree(ROOT / "stacks", folder / "stacks")
    up = Up(folder, folder / "stacks" / stack.name)
    if stack.stem == "cheapest":
        # As if it belonged to another account: here that is this machine's, and nobody assumes a role.
        text = up.stack.read_text()
        assert text.count("[stack]\n") == 1
        up.stack.write_text(text.replace("[stack]\n", f'[stack]\nrole = "arn:aws:iam::{ELSEWHERE}:role/deployer"\n'))
    up.more = PREPARED.get(stack.stem, lambda _: [])(up)
    return up


@contextmanager
def local(up):
    """The account and the Kafka of an `up` that doesn't run."""
    local = subprocess.Popen(
        [TARGET / "debug" / "lakewright-local", "serve", "--data", up.data, "--until-stdin-closes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT,
    )
    try:
        yield json.loads(local.stdout.readline())
    finally:
        local.stdin.close()
        assert local.wait(timeout=PATIENCE) == 0


def beside_what_others_have(up):
    """Makes the network, the cluster and the topic that `lake-only` is beside, with orders in it; the arguments that name them."""
    with local(up) as endpoints:
        aws = lambda service: client(endpoints["account"], service)
        words = drifts_lake_only.prepare(aws)
        given = dict(word.split("=", 1) for word in words if "=" in word)
        for topic in ("orders", "actions"):
            aws("kafka").create_topic(ClusterArn=given["cluster"], TopicName=topic, PartitionCount=3, ReplicationFactor=2)
        send_orders(up, endpoints["kafka"])
    return words


PREPARED = {"lake-only": beside_what_others_have}


def rows_are_the_messages(up):
    with local(up) as endpoints:
        topics.check(endpoints["account"], endpoints["kafka"])


def documents_are_transformed(up):
    """What the index learnt of its documents says what they have."""
    mappings = [file.read_text() for file in up.data.rglob("mappings.json")]
    assert any('"browser.name"' in text and '"location":"geo_point"' in text for text in mappings), mappings


# What is looked at besides.
JUDGED = {"topics": rows_are_the_messages, "production": documents_are_transformed}


def send_orders(up, kafka):
    """Some hundred orders, and what visitors do, which nobody reads."""
    declared = tomllib.loads(up.stack.read_text())["tables"]["orders"]["columns"]
    columns = [
        {"name": name} | (column if isinstance(column, dict) else {"type": column}) for name, column in declared.items()
    ]
    config = {
        "kafka": {"bootstrap": kafka, "security": {"protocol": "plaintext"}},
        "facts_topic": "orders", "actions_topic": "actions", "rate": "500/s", "broken": 0.02,
        "tables": [{
            "name": "orders", "database": "lake-only_raw", "topic": "orders", "location": "s3://raw/orders",
            "columns": columns, "key": ["order_id"], "partition": [],
        }],
        "log": {"file": "producer.log", "rotate_bytes": 1_000_000, "keep": 1},
    }
    folder = up.folder / "company"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    environment = ENVIRONMENT | {"STATE_DIRECTORY": str(folder), "LOGS_DIRECTORY": str(folder)}
    with open(folder / "log", "wb") as log:
        producer = subprocess.Popen(
            [AGENT, "producer", "--config", folder / "config.json", "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
        )
    end = time.monotonic() + PATIENCE
    try:
        while held(kafka, "orders") < 300:
            assert producer.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)
    finally:
        producer.stdin.close()
        producer.wait(timeout=PATIENCE)


def held(kafka, topic):
    """How many records the log holds of a topic."""
    ledger = subprocess.run(
        [AGENT, "ledger", "--bootstrap", kafka, "--topic", topic], check=True, capture_output=True, timeout=60
    )
    return sum(part["end"] - part["start"] for part in json.loads(ledger.stdout))


def cases():
    for path in STACKS:
        marks = []
        if path.stem in ALIKE and not LONG:
            marks = [pytest.mark.skip(reason=f"much like {ALIKE[path.stem]}; LAKEWRIGHT_LONG=1 runs it too")]
        yield pytest.param(path, id=path.stem, marks=marks)


def raw_rows(report):
    """How many rows of the raw zone were found to be exact."""
    checked = re.findall(r"^(.+?) {2,}([\d ]+?) {2,}([\d ]+?) {2,}exact$", report, re.MULTILINE)
    return sum(int(expected.replace(" ", "")) for what, expected, _ in checked if what.startswith("raw zone"))


def holds_the_application_log(up, report):
    """Where producer and shipper share a host, its log is in the index and in the backup, to the record."""
    for config in up.data.glob("hosts/*/shipper/config.json"):
        if "application" not in json.loads(config.read_text()).get("sources", {}):
            continue
        if (config.parent.parent / "producer" / "config.json").exists():
            for end in ("search", "backup"):
                assert re.search(rf"^{end}: log application \S+ {{2,}}[\d ]+ {{2,}}[\d ]+ {{2,}}exact$", report, re.MULTILINE), report


@pytest.mark.parametrize("stack", list(cases()))
def test_a_stack_runs_here_and_comes_out_exact(up, stack):
    done = up.run("up", "--plain", "--for", "20s", *up.more)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    print(done.stdout)
    assert raw_rows(done.stdout) > 0, f"nothing came in:\n{done.stdout}"
    holds_the_application_log(up, done.stdout)
    for config in up.data.glob("hosts/*/stream/config.json"):
        assert json.loads(config.read_text())["commit_interval_ms"] <= 2000, "rows would show late"
    objects = up.data.glob("account/state/*.jsonl")
    JUDGED.get(stack.stem, lambda _: None)(up)
    if stack.stem == "cheapest":
        assert any(f"cheapest-raw-{ELSEWHERE}" in file.read_text() for file in objects)
