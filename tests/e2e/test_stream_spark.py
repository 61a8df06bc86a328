"""The job of agents/stream-spark on a real Spark: the same rows as the stream agent, switches in mid-stream, zombies of either side."""

import base64
import contextlib
import io
import itertools
import json
import os
import random
import re
import signal
import subprocess
import uuid
from decimal import Decimal

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from pyiceberg.types import StringType

from conftest import ENVIRONMENT
from account import client
from proxy import Proxy
from test_real_kafka import COLUMNS
from spark_lake import BUCKET, CACHE, CASES, SEED, SPARK, SPECS, Lake, Stream, declared, facts

pytestmark = pytest.mark.skipif(os.environ.get("LAKEWRIGHT_LONG") != "1", reason="each start of Spark takes half a minute")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    print(f"LAKEWRIGHT_SEED={SEED}")
    subprocess.run([SPARK, "fetch"], check=True, env=ENVIRONMENT | {"SPARK_JARS": "none"})
    subprocess.run([SPARK, "stream", CACHE / "stream-job"], check=True)
    with contextlib.closing(Lake(tmp_path_factory.mktemp("lake"))) as made:
        yield made


AVRO = {
    "name": "payment", "type": "record", "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "paid_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}, {"name": "due", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "share", "type": "double"}, {"name": "note", "type": ["null", "string"]}, {"name": "items", "type": {"type": "array", "items": "int"}},
    ],
}


def payments(lake):
    """Messages in Avro and the table that they become, some of them broken."""
    schema = fastavro.parse_schema(AVRO)
    id = SchemaRegistryClient({"url": lake.registry}).register_schema("payments-value", Schema(json.dumps(AVRO), "AVRO"))
    chance, sent = random.Random(SEED), []
    for number in range(200):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, {
            "id": str(uuid.UUID(int=chance.getrandbits(128))), "amount": Decimal(chance.randrange(-10**9, 10**9)).scaleb(-2),
            "paid_at": chance.randrange(-10**15, 10**15), "due": None if number % 3 else chance.randrange(20000), "share": chance.random() / 3,
            "note": chance.choice([None, "ä\n", ""]), "items": [1] * chance.randrange(3),
        })
        whole = bytes([0]) + (id if number % 20 else 999).to_bytes(4, "big") + body.getvalue()
        sent.append(whole[: chance.randrange(len(whole))] if chance.random() < 0.1 else whole)
    columns = {
        "id": "uuid", "amount": "decimal(12,2)", "paid_at": "timestamptz", "due": "date", "share": "double", "note": "string", "later": "int",
    }
    reading = {"format": "avro", "registry": {"kind": "confluent", "url": lake.registry}}
    columns = [{"name": name, "type": kind} for name, kind in columns.items()]
    return sent, declared("payments", "", "payments", columns, reading=reading)


def test_the_same_topic_becomes_the_same_rows(lake):
    sent, payment = payments(lake)
    declarations = CASES["tables"] + [payment]
    names = sorted({table["topic"] for table in declarations})
    for name in names:
        lake.topic(name)
    producer = Producer({"bootstrap.servers": lake.kafka})
    for number, case in enumerate(CASES["cases"]):
        value = base64.b64decode(case["base64"]) if "base64" in case else case["message"] and case["message"].encode()
        # An empty message is none for this client, and a value for Kafka.
        producer.produce(case["topic"], value, key=str(number))
    for value in sent:
        producer.produce("payments", value)
    producer.flush()
    configs = {}
    for engine in ("by_agent", "by_spark"):
        tables = [table | {"database": engine, "location": f"s3://{BUCKET}/{engine}/{table['name']}"} for table in declarations]
        configs[engine] = lake.make(engine, tables, SPECS)
    lake.agent("same-agent", configs["by_agent"])
    lake.wait("the agent has read all", lambda: all(lake.is_settled(configs["by_agent"], name) for name in names))
    lake.stop("same-agent")
    lake.read_all("same-spark", configs["by_spark"])
    rows = 0
    for table in [table["name"] for table in declarations] + ["dead_letters"]:
        one, other = (lake.rows(configs[engine], table) for engine in ("by_agent", "by_spark"))
        for row in one + other:
            assert row.pop("ingested_at") is not None
        assert list(map(repr, one)) == list(map(repr, other)), table
        rows += len(one)
    # The dead letters came last.
    assert rows == len(CASES["cases"]) + len(sent), rows
    assert len(one) > 200 and len(lake.rows(configs["by_spark"], "payments")) > 100
    assert lake.ledger(configs["by_agent"]) == lake.ledger(configs["by_spark"])


def test_a_switch_in_mid_stream_each_way(lake):
    lake.topic("switched")
    config = facts(lake, "switched", "switched")
    stream = Stream(lake, "switched")
    try:
        lake.agent("agent-before", config)
        lake.wait("the agent commits", lambda: len(lake.writers(config, "sales")) >= 3)
        lake.stop("agent-before", kill=True)
        lake.spark("spark-between", config)
        before = lake.ledger(config)
        lake.wait("Spark commits", lambda: lake.writers(config, "sales").count("spark") >= 3)
        lake.stop("spark-between", kill=True)
        assert lake.ledger(config) != before
        reached = len(lake.writers(config, "sales"))
        lake.agent("agent-after", config)
        lake.wait("the agent goes on", lambda: len(lake.writers(config, "sales")) >= reached + 3)
        stream.end()
        lake.wait("the log is read", lambda: lake.is_settled(config, "switched"))
        lake.stop("agent-after")
    finally:
        stream.end()
    lake.judge(config, "switched")
    engines = [engine for engine, _ in itertools.groupby(lake.writers(config, "sales"))]
    assert engines == ["agent", "spark", "agent"], engines


def test_a_stale_job_of_spark_is_refused(lake):
    lake.topic("stale_spark")
    config = facts(lake, "stale_spark", "stale_spark")
    stream = Stream(lake, "stale_spark")
    stream.end()
    stream.send(500)
    proxy = Proxy(lake.url)
    try:
        hold = proxy.hold_next(executed=False)
        lake.spark("zombie-spark", config, glue=proxy.url)
        lake.wait("Spark's first commit is on its way", hold.held.is_set)
        lake.freeze("zombie-spark")
        lake.agent("agent-on", config)
        lake.wait("the agent takes all over", lambda: lake.is_settled(config, "stale_spark"))
        lake.stop("agent-on")
        lake.thaw("zombie-spark", hold)
        lake.wait("the job refuses it on the table as it is", lambda: "another writer changed" in lake.log("zombie-spark"))
        assert set(lake.writers(config, "sales")) == {"agent"}
        # It begins again where the tables are, and goes on.
        stream.send(500)
        lake.wait("the job goes on", lambda: lake.is_settled(config, "stale_spark"))
        # As an apply brings a column: the table first, then the configuration.
        with lake.tables.load_table("stale_spark.users").update_schema() as update:
            update.add_column("colour", StringType())
        next(table for table in config["tables"] if table["name"] == "users")["columns"].append({"name": "colour", "type": "string"})
        lake.configure("zombie-spark", config)
        for number in range(50):
            stream.producer.produce("stale_spark", json.dumps({"table": "users", "data": {"user_id": f"c{number}", "colour": "red"}}))
        stream.producer.flush()
        lake.wait("the job follows", lambda: lake.is_settled(config, "stale_spark"))
        assert sum(row["colour"] == "red" for row in lake.rows(config, "users")) == 50
        lake.stop("zombie-spark")
    finally:
        proxy.close()
    lake.judge(config, "stale_spark")
    assert "spark" in lake.writers(config, "sales")


def test_a_table_that_cannot_be_written_stops_its_topic_and_no_other(lake):
    """A table that lost a column, one that was dropped, and one that an apply declared otherwise."""
    broken = ["broken_1", "broken_2", "broken_3"]
    configs = {}
    for name in [*broken, "sound"]:
        lake.topic(name)
        configs[name] = facts(lake, name, name)
    config = configs["sound"]
    # One job reads all, with the dead letters of `sound`; a name of a table in a message is that of its topic.
    config["tables"] = [table for one in configs.values() for table in one["tables"]]
    streams = [Stream(lake, name) for name in configs]
    is_settled = lambda name: lake.is_settled(config, name)
    try:
        lake.spark("quarantines", config)
        lake.wait("all are read", lambda: all(lake.writers(configs[name], "sales") for name in configs))
        glue = client(lake.url, "glue")
        second = glue.get_table(DatabaseName="broken_2", Name="users")["Table"]
        with lake.tables.load_table("broken_1.sales").update_schema(allow_incompatible_changes=True) as change:
            change.delete_column("amount")
        glue.delete_table(DatabaseName="broken_2", Name="users")
        with lake.tables.load_table("broken_3.sales").transaction() as change:
            change.set_properties({"lakewright.declaration": "another"})
        said = lambda: {name for name in broken if f"quarantined: the topic {name} isn't read" in lake.log("quarantines")}
        lake.wait("they stand still", lambda: said() == set(broken))
        reached = len(lake.writers(configs["sound"], "sales"))
        lake.wait("the other one is read", lambda: len(lake.writers(configs["sound"], "sales")) >= reached + 5)
        still = lake.ledger(config)
        lake.wait("the other one is read on", lambda: lake.ledger(config) != still)
        now, ids = lake.ledger(config), {name: lake.held(name)[0][0] for name in configs}
        moved = {name for name, id in ids.items() for key in now if key.endswith(id) and now[key] != still[key]}
        assert moved == {"sound"}, moved
        # What is mended is read again, from where it was.
        kept = {key: second[key] for key in ("Name", "StorageDescriptor", "TableType", "Parameters") if key in second}
        glue.create_table(DatabaseName="broken_2", TableInput=kept)
        with lake.tables.load_table("broken_3.sales").transaction() as change:
            change.remove_properties("lakewright.declaration")
        for stream in streams:
            stream.end()
        lake.wait("the mended ones are read", lambda: all(is_settled(name) for name in ["broken_2", "broken_3", "sound"]))
        assert not is_settled("broken_1"), "it lacks a declared column"
        lake.stop("quarantines")
    finally:
        for stream in streams:
            stream.end()
    for name in ["broken_2", "broken_3", "sound"]:
        held = {(id, partition, offset) for id, partition, start, end in lake.held(name) for offset in range(start, end)}
        tables = [(configs[name], table) for table in ("sales", "users")] + [(config, "dead_letters")]
        places = [tuple(row[column] for column in COLUMNS) for one, table in tables for row in lake.rows(one, table)]
        places = [place for place in places if place[0] == ids[name]]
        assert (set(places), len(places)) == (held, len(held)), name


def test_a_stale_agent_is_refused(lake):
    lake.topic("stale_agent")
    config = facts(lake, "stale_agent", "stale_agent")
    stream = Stream(lake, "stale_agent")
    stream.end()
    stream.send(500)
    proxy = Proxy(lake.url)
    try:
        hold = proxy.hold_next(executed=False)
        lake.agent("zombie-agent", config, proxy.url)
        lake.wait("the agent's first commit is on its way", hold.held.is_set)
        lake.freeze("zombie-agent")
        lake.read_all("spark-on", config)
        assert lake.is_settled(config, "stale_agent")
        lake.thaw("zombie-agent", hold)
        lake.wait("the agent begins again", lambda: "another writer moved it" in lake.log("zombie-agent"))
        stream.send(500)
        lake.wait("the agent goes on", lambda: lake.is_settled(config, "stale_agent"))
        lake.stop("zombie-agent")
    finally:
        proxy.close()
    lake.judge(config, "stale_agent")
    # The agent's commits of the two tables are side by side: one was held back, and is Spark's.
    assert {"agent", "spark"} == {engine for table in ("sales", "users") for engine in lake.writers(config, table)}


def test_commits_of_spark_that_time_out_or_whose_answers_are_lost(lake):
    lake.topic("timed_out")
    config = facts(lake, "timed_out", "timed_out")
    stream = Stream(lake, "timed_out")
    # So many that the first batches are smaller than they shall be.
    stream.end()
    stream.send(15_000)
    stream = Stream(lake, "timed_out", stream.sent)
    chance = random.Random(SEED)
    proxy = Proxy(lake.url, lambda: chance.choices(["pass", "timeout", "lose", "drop"], [6, 2, 2, 1])[0])
    try:
        lake.spark("unheard", config, glue=proxy.url)
        lake.wait("answers are lost", lambda: len(proxy.lost) >= 12 and proxy.dropped >= 2)
        stream.end()
        lake.wait("the log is read", lambda: lake.is_settled(config, "timed_out"))
        lake.stop("unheard")
    finally:
        stream.end()
        proxy.close()
    lake.judge(config, "timed_out")
    sizes = set(re.findall("with up to ([0-9]+) records in a batch", lake.log("unheard")))
    assert "10000" in sizes and len(sizes) > 1, sizes


def test_a_commit_of_spark_that_others_have_committed_over_unheard(lake):
    lake.topic("over")
    config = facts(lake, "over", "over")
    for table in ("sales", "users"):
        # The table's history doesn't name Spark's commit any more when Spark looks for it.
        with lake.tables.load_table(f"over.{table}").transaction() as change:
            change.set_properties({"write.metadata.previous-versions-max": "1"})
    stream = Stream(lake, "over")
    proxy = Proxy(lake.url)
    try:
        hold = proxy.hold_next(executed=True)
        hold.lose = True
        lake.spark("unheard-spark", config, glue=proxy.url)
        lake.wait("Spark's first commit took effect", hold.held.is_set)
        lake.freeze("unheard-spark")
        lake.agent("agent-over", config)
        commits = lambda table: lake.writers(config, table).count("agent")
        lake.wait("the agent goes on", lambda: all(commits(table) >= 3 for table in ("sales", "users")))
        lake.stop("agent-over")
        hold.release.set()
        lake.running["unheard-spark"].send_signal(signal.SIGCONT)
        lake.wait("the job begins again", lambda: "reading begins again" in lake.log("unheard-spark"))
        stream.end()
        lake.wait("the job goes on", lambda: lake.is_settled(config, "over"))
        lake.stop("unheard-spark")
    finally:
        stream.end()
        proxy.close()
    lake.judge(config, "over")
