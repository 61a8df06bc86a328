"""A table that PyIceberg made and owns, filled by the stream agent: its settings are kept to, and nothing of it changes."""

import io
import json
import subprocess
import time
from urllib.parse import urlsplit

import pyarrow.parquet as parquet
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform
from pyiceberg.types import BinaryType, DecimalType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from account import ACCOUNT, Account
from conftest import ENVIRONMENT, PATIENCE, TARGET
from test_up import catalog

AGENT = TARGET / "debug" / "lakewright-agent"
PLACE = "s3://company-lake/warehouse/orders"
PROPERTIES = {
    "format-version": "2",
    "write.object-storage.enabled": "true",
    "write.parquet.compression-codec": "gzip",
    "write.metadata.metrics.default": "counts",
    "write.metadata.metrics.column.order_id": "full",
    "write.metadata.metrics.column.amount": "none",
    "write.parquet.bloom-filter-enabled.column.order_id": "true",
    "history.expire.max-snapshot-age-ms": "1",
}
PLACES = [("kafka_topic_id", StringType()), ("kafka_partition", IntegerType()), ("kafka_offset", LongType())]
DEAD = [("topic", StringType()), ("reason", StringType()), ("payload", BinaryType()), *PLACES, ("ingested_at", TimestamptzType())]


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    yield account
    account.stop()


def fields(columns):
    return [NestedField(number, name, kind, required=False) for number, (name, kind) in enumerate(columns, 1)]


def run_until(folder, kind, config, account, done):
    """Runs an agent until something holds, and ends it in its own way."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    environment = ENVIRONMENT | {
        "AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL": account, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "local",
        "STATE_DIRECTORY": str(folder), "LOGS_DIRECTORY": str(folder),
    }
    with open(folder / "log", "wb") as log:
        agent = subprocess.Popen(
            [AGENT, kind, "--config", folder / "config.json", "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
        )
    said = lambda: (folder / "log").read_text(errors="replace")[-4000:]
    end = time.monotonic() + PATIENCE
    try:
        while not done(said()):
            assert agent.poll() is None and time.monotonic() < end, said()
            time.sleep(0.2)
    finally:
        agent.stdin.close()
        agent.wait(timeout=PATIENCE)


def offsets(kafka):
    """The offsets of all records of the topic, sorted; none while it isn't there yet."""
    ledger = subprocess.run([AGENT, "ledger", "--bootstrap", kafka, "--topic", "orders"], capture_output=True, timeout=60)
    if ledger.returncode != 0:
        return []
    return sorted(offset for part in json.loads(ledger.stdout) for offset in range(part["start"], part["end"]))


def test_a_table_of_others_is_filled_as_it_asks_and_otherwise_left_alone(account):
    s3 = account.client("s3")
    for bucket in ("company-lake", "raw-files"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    tables = catalog(account.url)
    for namespace in ("company", "shop_raw"):
        tables.create_namespace(namespace)
    # It has a column that nobody declares, and says of a row's place no more than the offset.
    own = [("order_id", StringType()), ("amount", DecimalType(12, 2)), ("note", StringType()), ("kafka_offset", LongType())]
    spec = PartitionSpec(PartitionField(1, 1000, BucketTransform(2), "order_bucket"))
    made = tables.create_table("company.orders_v2", Schema(*fields(own)), location=PLACE, partition_spec=spec, properties=PROPERTIES)
    tables.create_table("shop_raw.dead_letters", Schema(*fields(DEAD)), location="s3://raw-files/dead_letters")

    kafka = {"bootstrap": account.kafka, "security": {"protocol": "plaintext"}}
    orders = {
        "name": "orders", "database": "company", "existing": "orders_v2", "topic": "orders", "location": PLACE,
        "columns": [{"name": "order_id", "type": "string", "required": True}, {"name": "amount", "type": "decimal(12,2)"}],
        "key": ["order_id"], "partition": [],
    }
    topics = [{"name": name, "partitions": 2} for name in ("orders", "actions")]
    producer = {
        "kafka": kafka | {"topics": topics}, "facts_topic": "orders", "actions_topic": "actions", "rate": "500/s",
        "tables": [orders], "log": {"file": "producer.log", "rotate_bytes": 1_000_000, "keep": 1},
    }
    run_until(account.folder / "producer", "producer", producer, account.url, lambda _: len(offsets(account.kafka)) >= 400)
    sent = offsets(account.kafka)

    stream = {
        "kafka": kafka, "group": "orders", "tables": [orders], "commit_interval_ms": 300, "commit_bytes": 20_000,
        "dead_letters": orders | {"name": "dead_letters", "database": "shop_raw", "existing": None, "columns": [], "topic": "",
                                  "location": "s3://raw-files/dead_letters"},
    }
    # A place that isn't the table's: nothing is written.
    elsewhere = stream | {"group": "elsewhere", "tables": [orders | {"location": "s3://company-lake/other"}]}
    run_until(account.folder / "elsewhere", "stream", elsewhere, account.url, lambda said: "correct it and apply" in said)
    assert made.refresh().current_snapshot() is None

    rows = lambda _: made.refresh().scan().to_arrow().num_rows >= len(sent)
    run_until(account.folder / "stream", "stream", stream, account.url, rows)
    table = made.refresh()
    found = table.scan().to_arrow()
    assert sorted(found["kafka_offset"].to_pylist()) == sent and found["order_id"].null_count == 0

    # Nothing of the table changed but its rows and the offsets, and its snapshots are all there.
    assert {name: table.properties[name] for name in PROPERTIES if name != "format-version"} == {
        name: value for name, value in PROPERTIES.items() if name != "format-version"
    }
    assert "lakewright.offsets" in table.properties and table.schema() == made.schema() and table.spec() == made.spec()
    assert len(table.snapshots()) == table.metadata.last_sequence_number > 1

    name = {field.name: field.field_id for field in table.schema().fields}
    for file in (task.file for task in table.scan().plan_files()):
        folders = file.file_path.removeprefix(f"{PLACE}/data/").split("/")
        assert [len(part) for part in folders[:4]] == [4, 4, 4, 8] and folders[4].startswith("order_bucket="), file.file_path
        assert set(file.value_counts) == {name["order_id"], name["note"], name["kafka_offset"]}
        assert set(file.lower_bounds) == set(file.upper_bounds) == {name["order_id"]}
        place = urlsplit(file.file_path)
        body = s3.get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read()
        footer = parquet.ParquetFile(io.BytesIO(body)).metadata
        columns = {footer.row_group(0).column(index).path_in_schema: footer.row_group(0).column(index) for index in range(4)}
        assert {column.compression for column in columns.values()} == {"GZIP"}
        ids = parquet.ParquetFile(io.BytesIO(body)).read()["order_id"].to_pylist()
        assert file.lower_bounds[name["order_id"]].decode() == min(ids)
        assert file.upper_bounds[name["order_id"]].decode() == max(ids)
