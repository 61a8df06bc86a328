"""Maintenance of Iceberg tables: rows that PyIceberg wrote stay as they are."""

import datetime
import json
import shutil
import signal
import subprocess
import time
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, ListType, LongType,
    MapType, NestedField, StringType, StructType, TimestampType, TimestamptzType, TimeType, UUIDType,
)

from account import ACCOUNT, REGION, Account, put_faults
from conftest import ROOT, TARGET
from test_up import catalog

AGENT = TARGET / "debug" / "lakewright-agent"
FLAT = [
    BooleanType(), IntegerType(), LongType(), FloatType(), DoubleType(), DecimalType(9, 2), DateType(), TimeType(),
    TimestampType(), TimestamptzType(), StringType(), UUIDType(), FixedType(4), BinaryType(),
]
DAY = datetime.date(1969, 12, 30)


def value(kind, number):
    """A value of a type for a row; some rows have none."""
    if number % 4 == 3:
        return None
    match kind:
        case BooleanType():
            return number % 2 == 0
        case IntegerType() | LongType():
            return number - 7
        case FloatType() | DoubleType():
            return number / 4
        case DecimalType():
            return Decimal(number * 7).scaleb(-2)
        case DateType():
            return DAY + datetime.timedelta(days=number)
        case TimeType():
            return datetime.time(number % 24, 59, 1, 1)
        case TimestampType() | TimestamptzType():
            zone = datetime.timezone.utc if isinstance(kind, TimestamptzType) else None
            return datetime.datetime(1969, 12, 31, 23, 59, number % 60, 999_999, tzinfo=zone)
        case StringType():
            return f"ä{number}"
        case UUIDType():
            return uuid.UUID(int=number << 64 | number).bytes
        case FixedType():
            return number.to_bytes(4, "big")
        case BinaryType():
            return bytes([0, 255, number % 256])
        case StructType():
            return {field.name: value(field.field_type, number + 1) for field in kind.fields}
        case ListType():
            return [value(kind.element_type, number + place) for place in range(number % 3)]
        case MapType():
            return [(f"k{place}", value(kind.value_type, number + place)) for place in range(number % 3)]
    raise AssertionError(kind)


def append(table, numbers):
    schema = table.schema()
    arrow = schema.as_arrow()
    columns = {
        field.name: list(numbers) if field.name == "id" else [value(field.field_type, number) for number in numbers]
        for field in schema.fields
    }
    storage = {name: arrow.field(name).type for name in arrow.names}
    arrays = [
        pa.array(values, getattr(storage[name], "storage_type", storage[name])).cast(storage[name])
        for name, values in columns.items()
    ]
    table.append(pa.table(arrays, schema=arrow))


def rows(table):
    return sorted(table.refresh().scan().to_arrow().to_pylist(), key=lambda row: row["id"])


def files(table):
    return [task.file.file_path for task in table.refresh().scan().plan_files()]


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    yield account
    account.stop()


def maintain(account, table, *words):
    """What `lakewright-agent maintain` says of a table."""
    database, name = table.name()
    columns = [{"name": "id", "type": "long"}]
    one = {"name": name, "database": database, "topic": "t", "location": table.location(), "columns": columns}
    one |= {"key": [], "partition": []}
    config = {
        "kafka": {"bootstrap": "127.0.0.1:1", "security": {"protocol": "plaintext"}}, "group": "g", "tables": [one],
        "dead_letters": one | {"name": "dead_letters"}, "commit_interval_ms": 1000, "commit_bytes": 1000,
    }
    path = account.folder / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [AGENT, "maintain", "--config", path, name, *words],
        env=account.environment | {"AWS_REGION": REGION}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rows_of_another_engine_and_of_older_schemas_stay_as_they_are(account):
    account.client("s3").create_bucket(Bucket="others", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    account.client("glue").create_database(DatabaseInput={"Name": "others"})
    inner = lambda id: StructType(NestedField(id, "a", IntegerType()), NestedField(id + 1, "b", StringType()))
    fields = [NestedField(1, "id", LongType(), required=True)]
    fields += [NestedField(id, f"c{id}", kind) for id, kind in enumerate(FLAT, 2)]
    fields += [
        NestedField(20, "s", inner(21)),
        NestedField(30, "l", ListType(31, IntegerType(), element_required=False)),
        NestedField(40, "m", MapType(41, StringType(), 42, inner(43), value_required=False)),
    ]
    table = catalog(account.url).create_table("others.events", Schema(*fields), location="s3://others/events")
    for part in range(3):
        append(table, range(part * 10, part * 10 + 10))
    with table.update_schema() as change:
        change.update_column("c3", LongType()).update_column("c5", DoubleType()).update_column("c7", DecimalType(18, 2))
        change.update_column(("s", "a"), LongType()).update_column(("l", "element"), LongType())
        change.rename_column("s.b", "was_b").rename_column("c12", "text").delete_column("c4")
        change.move_first("c10")
    with table.update_schema() as change:
        change.add_column(("s", "b"), StringType()).add_column(("m", "value", "c"), BinaryType())
        change.move_first("s.b")
        for number, kind in enumerate(FLAT):
            change.add_column(f"n{number}", kind)
        change.add_column("new_s", StructType(NestedField(1, "x", TimeType())))
        change.add_column("new_l", ListType(1, DecimalType(30, 9), element_required=False))
        change.add_column("new_m", MapType(1, StringType(), 2, FixedType(4), value_required=False))
    for part in range(3, 5):
        append(table, range(part * 10, part * 10 + 10))
    before = rows(table)
    assert len(before) == 50 and len(files(table)) == 5
    planned = maintain(account, table, "--dry-run")
    assert "data files 5 → 1" in planned and rows(table) == before, planned
    said = maintain(account, table)
    assert "data files 5 → 1" in said and "left alone" not in said, said
    assert len(files(table)) == 1 and rows(table) == before


def test_an_interrupted_round_says_what_was_done(account, tmp_path):
    agent = tmp_path / "agent"
    agent.write_text("#!/bin/sh\nread -r order\ncd \"$(dirname \"$0\")\"\n[ ! -e done ] || { touch second; exec sleep 600; }\ntouch done\necho '\"absent\"'\n")
    agent.chmod(0o755)
    stack = tmp_path / "stack.toml"
    stack.write_text((ROOT / "stacks" / "lake-only.toml").read_text())
    shutil.copytree(ROOT / "stacks" / "models", tmp_path / "models", dirs_exist_ok=True)
    command = [TARGET / "debug" / "lakewright", "--stack", stack, "--agent", agent, "maintain"]
    process = subprocess.Popen(
        command, env=account.environment | {"AWS_REGION": REGION}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    end = time.monotonic() + 120
    while not (tmp_path / "second").exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    assert "interrupted" in err and out.count("isn't there") >= 1, (out, err)


def test_a_round_ends_with_whoever_ordered_it(account):
    order = {"account": ACCOUNT, "database": "others", "table": "events", "settings": {"every_ms": 60_000}, "dry_run": False}
    # Every answer takes longer than this test may.
    put_faults(account.url, {"latency": "20m"})
    process = subprocess.Popen(
        [AGENT, "maintain-table"], env=account.environment | {"AWS_REGION": REGION}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )
    out, err = process.communicate(json.dumps(order) + "\n", timeout=60)
    assert process.returncode == 1 and out == "" and "whoever ordered the maintenance is gone" in err, (out, err)
