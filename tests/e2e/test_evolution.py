"""A table of the raw zone as its columns change: what the plan says, what PyIceberg and Athena read before and after."""

import json
import re

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from account import Account
from test_existing_table import run_until
from test_up import catalog

HEAD = """
[stack]
name = "lake"
region = "eu-north-1"
[network]
zones = ["a", "b"]
[kafka]
brokers = 2
instance_type = "kafka.t3.small"
authentication = "none"
[keys.main]
[topics.facts]
[buckets.raw]
[buckets.warehouse]
[batch]
[tables.users]
topic = "facts"
key = ["user_id"]
"""
MODEL = "-- materialization: replace\nSELECT user_id, {column} FROM raw.users\n"
FIRST = 'partition = ["bucket(4, user_id)"]\n[tables.users.columns]\n' + "\n".join(
    ['user_id = "string"', 'loyalty_points = "int"', 'city = "string"', 'amount = "decimal(10,2)"', 'share = "float"']
)
SECOND = 'partition = ["bucket(4, user_id)", "city"]\n[tables.users.columns]\n' + "\n".join(
    [
        'user_id = "string"',
        'city = { type = "string", doc = "where the user lives" }',
        'loyalty = { type = "long", was = "loyalty_points" }',
        'amount = "decimal(12,2)"',
        'share = "double"',
        'nickname = "string"',
    ]
)


@pytest.fixture
def lake(tmp_path):
    account = Account(tmp_path)
    (tmp_path / "models").mkdir()
    account.stack = tmp_path / "lake.toml"

    def write(columns, model="loyalty_points"):
        (tmp_path / "models" / "users.sql").write_text(MODEL.format(column=model))
        account.stack.write_text(HEAD + columns + "\n")

    account.write = write
    yield account
    account.stop()


def append(lake, **columns):
    """Rows as the stream agent would write them."""
    table = catalog(lake.url).load_table("lake_raw.users")
    schema = table.schema().as_arrow()
    count = len(columns["user_id"])
    own = {"kafka_topic_id": ["t"] * count, "kafka_partition": [0] * count, "kafka_offset": list(range(count))}
    columns |= own | {"ingested_at": [1_700_000_000_000_000] * count}
    table.append(pa.table({name: pa.array(columns.get(name, [None] * count), schema.field(name).type) for name in schema.names},
                          schema=schema))


def read(lake):
    rows = catalog(lake.url).load_table("lake_raw.users").scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: row["user_id"])


def ask(lake, sql):
    return json.loads(lake.run("query", "--stack", lake.stack, "--format", "json", sql, code=0).stdout)


def changes(plan):
    (step,) = [step for step in plan["steps"] if step["address"] == "table.users"]
    return {line["path"]: (line["before"], line["after"]) for line in step["changes"]}, step


def test_a_table_changes_in_place_and_keeps_its_rows(lake):
    from decimal import Decimal

    lake.write(FIRST)
    lake.run("apply", lake.stack, "--yes", code=0)
    append(lake, user_id=["a", "b"], loyalty_points=[3, None], city=["Umeå", "Kiruna"], amount=[Decimal("1.50"), None], share=[0.5, 1.0])
    ids = {field.name: field.field_id for field in catalog(lake.url).load_table("lake_raw.users").schema().fields}

    lake.write(SECOND, model="loyalty AS loyalty_points")
    found, step = changes(lake.plan())
    assert step["action"] == "update" and step["loses_data"] == []
    assert found["columns[loyalty].name"] == ("loyalty_points", "loyalty")
    assert found["columns[loyalty].type"] == ("int", "long")
    assert found["columns[amount].type"] == ("decimal(10,2)", "decimal(12,2)")
    assert found["columns[share].type"] == ("float", "double")
    assert found["columns[city].doc"] == (None, "where the user lives")
    assert found["columns[nickname]"][0] is None and found["columns[nickname]"][1]["type"] == "string"
    assert "columns (order)" in found and "partition[1]" in found, found
    assert "columns[loyalty]" not in found and "columns[loyalty_points]" not in found, found
    said = " ".join(step["consequences"])
    assert "queries that name the column loyalty_points fail: it is loyalty from then on" in said
    assert "files that are there stay divided as they are" in said
    text = lake.run("plan", lake.stack).stdout
    assert 'columns[loyalty].name: "loyalty_points" -> "loyalty"' in text
    markdown = lake.run("plan", lake.stack, "--format", "markdown").stdout
    assert '- columns[loyalty].name: "loyalty_points"\n+ columns[loyalty].name: "loyalty"' in markdown

    lake.run("apply", lake.stack, "--yes", code=0)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    # Athena and PyIceberg know the columns before anybody commits to the table again.
    assert ask(lake, "SELECT user_id, loyalty, nickname, amount FROM lake_raw.users ORDER BY 1") == [
        {"user_id": "a", "loyalty": 3, "nickname": None, "amount": 1.5},
        {"user_id": "b", "loyalty": None, "nickname": None, "amount": None},
    ]
    for condition in ["loyalty > 2", "city = 'Umeå'", "amount > 1", "share < 0.7", "user_id = 'a'"]:
        assert ask(lake, f"SELECT count(*) AS n FROM lake_raw.users WHERE {condition}") == [{"n": 1}], condition
    now = catalog(lake.url).load_table("lake_raw.users")
    fields = {field.name: field for field in now.schema().fields}
    assert fields["loyalty"].field_id == ids["loyalty_points"] and fields["nickname"].field_id > max(ids.values())
    assert [row["loyalty"] for row in read(lake)] == [3, None]
    assert [field.name for field in now.spec().fields] == ["user_id_bucket", "city"]
    append(lake, user_id=["c"], loyalty=[2**40], city=["Umeå"], nickname=["cc"], amount=[Decimal("12345678.99")])
    assert [(row["loyalty"], row["nickname"]) for row in read(lake)] == [(3, None), (None, None), (2**40, "cc")]
    assert ask(lake, "SELECT sum(loyalty) AS n FROM lake_raw.users") == [{"n": 2**40 + 3}]

    # The rename has happened: the line may stay or go. Renamed back by others, it is drift.
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    with now.update_schema() as schema:
        schema.rename_column("loyalty", "loyalty_points")
    found, step = changes(lake.plan("--drift"))
    assert step["cause"] == "drift" and found == {"columns[loyalty].name": ("loyalty_points", "loyalty")}
    lake.run("apply", lake.stack, "--drift-only", "--yes", code=0)
    lake.write(SECOND.replace(', was = "loyalty_points"', ""), model="loyalty AS loyalty_points")
    # Messages under the former name are no longer taken: agents are told, and nothing else changes.
    found, _ = changes(lake.plan())
    assert list(found) == ["properties.lakewright.declaration"]
    lake.run("apply", lake.stack, "--yes", code=0)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)


def test_a_column_goes_only_when_its_loss_is_allowed(lake):
    lake.write(FIRST)
    lake.run("apply", lake.stack, "--yes", code=0)
    append(lake, user_id=["a"], city=["Umeå"])
    lake.write(re.sub("city = .*\n", "", FIRST), model="city")
    found, step = changes(lake.plan())
    assert found["columns[city]"][1] is None
    assert step["loses_data"] == ["the values of the column city of users are lost"]
    assert "the model users names the column city: change it too" in step["consequences"]
    refused = lake.run("apply", lake.stack, "--yes", code=1)
    assert "table.users: the values of the column city" in refused.stderr and "--allow-data-loss" in refused.stderr
    lake.run("apply", lake.stack, "--yes", "--allow-data-loss", "table.users", code=0)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    assert list(ask(lake, "SELECT * FROM lake_raw.users")[0])[:4] == ["user_id", "loyalty_points", "amount", "share"]
    assert "city" not in read(lake)[0]
    # A new column of the old name is another column.
    lake.write(FIRST)
    lake.run("apply", lake.stack, "--yes", code=0)
    assert read(lake)[0]["city"] is None


@pytest.mark.parametrize(
    "old, new, why",
    [
        ('amount = "decimal(10,2)"', 'amount = "decimal(8,2)"', "can't change from decimal(10,2) to decimal(8,2)"),
        ('share = "float"', 'share = "int"', "can't change from float to int"),
        ('city = "string"', 'city = "string"\nzip = { type = "string", required = true }', "zip can't be required"),
        ('city = "string"', 'city = { type = "string", required = true }', "city can't become required"),
        ('loyalty_points = "int"', 'loyalty = { type = "string", was = "loyalty_points" }', "loyalty can't change from int"),
        ('city = "string"', 'city = { type = "string", was = "loyalty_points" }', "the table has both"),
    ],
)
def test_what_iceberg_forbids_is_refused_by_the_plan(lake, old, new, why):
    lake.write(FIRST, model="user_id AS x")
    lake.run("apply", lake.stack, "--yes", code=0)
    assert old in FIRST
    text = FIRST.replace(old, new)
    if "has both" in why:
        text = text.replace('loyalty_points = "int"\n', "")
    lake.write(text, model="user_id AS x")
    refused = lake.run("plan", lake.stack, "--detailed-exitcode", code=2)
    assert "! table.users" in refused.stdout and why in refused.stdout, refused.stdout
    before = read(lake)
    lake.run("apply", lake.stack, "--yes", code=3)
    assert read(lake) == before


@pytest.mark.parametrize(
    "columns, why",
    [
        ('a = { type = "int", was = "b" }\nb = { type = "int", was = "a" }', "can't have been `b`: a column is named so now"),
        ('a = { type = "int", was = "b" }\nb = { type = "int", was = "c" }', "can't have been `b`: a column is named so now"),
        ('a = { type = "int", was = "a" }', "can't be renamed to itself"),
        ('a = { type = "int", was = "user_id" }', "can't have been `user_id`"),
        ('a = { type = "int", was = "x" }\nb = { type = "int", was = "x" }', "can't both have been `x`"),
        ('a = { type = "int", was = "kafka_offset" }', "no column can have been named `kafka_offset`"),
        ('loyalty = { type = "int", was = "points" }', "the column `points` of `raw.users` is `loyalty` now"),
    ],
)
def test_renames_that_mean_nothing_are_shown_with_their_place(lake, columns, why):
    lake.write(f'[tables.users.columns]\nuser_id = "string"\n{columns}', model="points" if "points" in columns else "user_id AS x")
    refused = lake.run("check", lake.stack, code=1)
    assert why in refused.stderr and re.search(r"(lake.toml|users.sql):\d+:\d+", refused.stderr), refused.stderr


EVOLVING = 'unknown = "evolve"\n[tables.users.columns]\nuser_id = "string"\ncity = "string"\n'


def send(lake, *rows):
    """Messages of the table, after those that were sent before."""
    if "facts" not in (admin := AdminClient({"bootstrap.servers": lake.kafka})).list_topics(timeout=30).topics:
        admin.create_topics([NewTopic("facts", 1)])["facts"].result(30)
    producer = Producer({"bootstrap.servers": lake.kafka})
    for row in rows:
        producer.produce("facts", json.dumps({"table": "users", "data": row}).encode())
    assert producer.flush(30) == 0


def take_in(lake, name, rows, **more):
    """Runs a stream agent, with the settings that its host would get, until the table has so many rows."""
    table = {
        "name": "users", "database": "lake_raw", "topic": "facts", "key": ["user_id"], "partition": [], "reading": {"unknown": "evolve"},
        "location": catalog(lake.url).load_table("lake_raw.users").location(),
        "columns": [{"name": "user_id", "type": "string", "required": True}, {"name": "city", "type": "string"}],
    } | more
    letters = {"name": "dead_letters", "topic": "", "columns": [], "key": [], "reading": {}}
    letters["location"] = catalog(lake.url).load_table("lake_raw.dead_letters").location()
    kafka = {"bootstrap": lake.kafka, "security": {"protocol": "plaintext"}}
    config = {
        "kafka": kafka, "group": "lake", "tables": [table], "dead_letters": table | letters, "commit_interval_ms": 200,
        "commit_bytes": 1_000_000,
    }
    run_until(lake.folder / name, "stream", config, lake.url, lambda _: len(read(lake)) >= rows)


def test_columns_come_from_messages_and_plans_leave_them_to_the_messages(lake):
    lake.write(EVOLVING, model="city")
    lake.run("apply", lake.stack, "--yes", code=0)
    send(
        lake,
        {"user_id": "a", "city": "Umeå"},
        {"user_id": "b", "colour": "red", "size": 1, "orderId": 7},
        {"user_id": "c", "size": 2.5, "place": {"floor": 2}, "tags": ["x"], "order-id": 1},
    )
    take_in(lake, "first", 3)
    send(lake, {"user_id": "d", "colour": 5, "City": "Kiruna", "isNew": True, "place": {"floor": 3, "door": "a"}})
    take_in(lake, "second", 4)

    table = catalog(lake.url).load_table("lake_raw.users")
    fields = {field.name: field for field in table.schema().fields}
    kinds = {name: str(fields[name].field_type) for name in list(fields)[-6:]}
    ids = {name: fields[name].field_id for name in kinds}
    # In the order of the messages, which partitions may change.
    assert set(kinds) == {"colour", "size", "orderid", "place", "tags", "isnew"}, fields
    assert [kinds[name] for name in ("colour", "size", "orderid", "tags", "isnew")] == ["string", "double", "long", "list<string>", "boolean"]
    a, b, c, d = read(lake)
    assert (a["city"], a["unknown"], a["size"]) == ("Umeå", None, None)
    assert (b["colour"], b["size"], b["orderid"], b["unknown"]) == ("red", 1.0, 7, None)
    assert (c["size"], c["place"], c["tags"], json.loads(c["unknown"])) == (2.5, {"floor": 2}, ["x"], {"order-id": 1})
    assert (d["isnew"], d["place"], d["colour"]) == (True, {"floor": 3}, None)
    assert json.loads(d["unknown"]) == {"colour": 5, "City": "Kiruna", "place.door": "a"}
    assert ask(lake, "SELECT user_id, size FROM lake_raw.users WHERE colour = 'red'") == [{"user_id": "b", "size": 1.0}]

    # They are no change, and shown.
    shown = lake.run("plan", lake.stack, "--detailed-exitcode", code=0).stdout
    assert "the column orderid (long, which came from the member `orderId` of messages)" in shown, shown

    # A declaration takes a column over, if the type is its own.
    lake.write(EVOLVING + 'colour = "int"\n', model="city")
    refused = lake.run("plan", lake.stack, "--detailed-exitcode", code=2).stdout
    assert "the column colour can't change from string to int" in refused, refused
    lake.write(EVOLVING + 'colour = "string"\norderid = { type = "long", member = "orderId" }\n', model="colour")
    _, step = changes(lake.plan())
    assert step["action"] == "update" and step["loses_data"] == []
    lake.run("apply", lake.stack, "--yes", code=0)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    now = catalog(lake.url).load_table("lake_raw.users")
    names = [field.name for field in now.schema().fields]
    assert names[:4] == ["user_id", "city", "colour", "orderid"] and set(names[-4:]) == {"size", "place", "tags", "isnew"}, names
    assert {field.name: field.field_id for field in now.schema().fields if field.name in ids} == ids
    assert json.loads(now.properties["lakewright.evolved"]) == {str(ids[name]): member for name, member in
                                                                [("size", "size"), ("place", "place"), ("tags", "tags"), ("isnew", "isNew")]}
    assert [row["orderid"] for row in read(lake)] == [None, 7, None, None]

    # Without the setting they are columns that nobody declares.
    lake.write(EVOLVING.replace("evolve", "keep"), model="city")
    _, step = changes(lake.plan())
    assert "the values of the column size of users are lost" in step["loses_data"], step
