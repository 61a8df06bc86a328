"""The same pipeline on a real Apache Kafka, with kill -9 of the agents; the verification must be exact."""

import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import TARGET
from test_up import RAW, catalog

SCRIPT = Path(__file__).parents[1] / "kafka" / "real-kafka.sh"


@pytest.fixture
def kafka():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    subprocess.run([SCRIPT, "start", str(port)], check=True, timeout=300)
    yield f"127.0.0.1:{port}"
    subprocess.run([SCRIPT, "stop", str(port)], check=True, timeout=60)


def test_exactly_once_on_a_real_kafka(make_up, kafka):
    seed = int(os.environ.get("LAKEWRIGHT_SEED", random.randrange(10**6)))
    print(f"LAKEWRIGHT_SEED={seed}")
    chance = random.Random(seed)
    up = make_up(producer="seed = 9\n")
    up.start("--kafka", kafka)
    up.wait("the first rows", lambda: up.scalar("SELECT count(*) AS n FROM shop_raw.sales") > 0)
    for _ in range(5):
        time.sleep(chance.uniform(0.5, 3))
        streams = [child for child in up.record()["children"] if "stream" in child["name"]]
        if streams:
            try:
                os.kill(streams[-1]["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
    up.kill()
    done = up.run("up", "--plain", "--for", "8s", "--kafka", kafka)
    assert done.returncode == 0, f"seed {seed}:\n{done.stdout}\n{done.stderr[-4000:]}"
    print(done.stdout)

    # Another reader comes to the same: PyIceberg, on the account alone.
    account = subprocess.Popen(
        [TARGET / "debug" / "lakewright-local", "account", "--data", up.data], stdout=subprocess.PIPE, text=True
    )
    try:
        tables = catalog(json.loads(account.stdout.readline())["account"])
        columns = ["kafka_topic_id", "kafka_partition", "kafka_offset"]
        places = []
        for name in [*RAW, "dead_letters"]:
            rows = tables.load_table(f"shop_raw.{name}").scan(selected_fields=tuple(columns)).to_arrow()
            places += zip(*(rows[column].to_pylist() for column in columns))
    finally:
        account.terminate()
        account.wait()
    assert len(places) == len(set(places)) > 0
    for partition in {place[:2] for place in places}:
        offsets = sorted(place[2] for place in places if place[:2] == partition)
        assert offsets == list(range(len(offsets))), f"gaps in {partition}"
