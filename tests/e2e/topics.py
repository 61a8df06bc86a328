"""What the tables of `stacks/topics.toml` hold, against the messages of its topics, decoded here by other libraries."""

import io
import json
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from account import client
from test_up import catalog

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def check(account, kafka):
    """Row by row: each message is one, with what stands in it, and there is no other."""
    tables = catalog(account)
    glue = client(account, "glue")
    schemas = {}

    def avro(value):
        """By the schema that Glue's registry has under the id in front of the data."""
        assert value[:2] == b"\x03\x00"
        id = str(uuid.UUID(bytes=value[2:18]))
        if id not in schemas:
            schemas[id] = fastavro.parse_schema(json.loads(glue.get_schema_version(SchemaVersionId=id)["SchemaDefinition"]))
        return fastavro.schemaless_reader(io.BytesIO(value[18:]), schemas[id])

    readers = {"orders": order, "payments": lambda message: payment(avro(message.value())), "customers": customer}
    for table, topic in {"orders": "orders", "payments": "payments", "customers": "crm.public.customers"}.items():
        messages = {(message.partition(), message.offset()): message for message in consumed(kafka, topic)}
        expected = {place: readers[table](message) for place, message in messages.items() if message.value() is not None}
        rows = tables.load_table(f"topics_raw.{table}").scan().to_arrow().to_pylist()
        found = {(row["kafka_partition"], row["kafka_offset"]): row for row in rows}
        assert len(rows) == len(found) > 20 and found.keys() == expected.keys(), f"{table}: {len(rows)} rows"
        for place, wanted in expected.items():
            row = found[place]
            differing = {name: (value, row[name]) for name, value in wanted.items() if not same(row[name], value)}
            assert differing == {}, (table, place, differing)
        keys = [message.key() for message in messages.values()]
        assert len(set(keys)) < len(keys), f"{table}: no key comes again"
    assert tables.load_table("topics_raw.dead_letters").scan().to_arrow().num_rows == 0
    # The table that came last is the customers'.
    states(tables, rows)


def same(found, wanted):
    """Whether a value is the one that is wanted. PyIceberg reads a list of structs that is null as an empty one."""
    return found == wanted or (found == [] and wanted is None)


def states(tables, changes):
    """The model has of each customer the newest change, unless it deleted the customer."""
    newest = {}
    for row in sorted(changes, key=lambda row: row["kafka_offset"]):
        newest[row["customer_id"]] = row
    now = tables.load_table("topics.customers").scan().to_arrow().to_pylist()
    assert {row["customer_id"] for row in now} == {id for id, row in newest.items() if not row["deleted"]}
    for row in now:
        assert row == {name: newest[row["customer_id"]][name] for name in row}


def consumed(kafka, topic):
    """Every message that the log holds of a topic."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "judge", "enable.auto.commit": False, "enable.partition.eof": True})
    partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    messages, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(30)
        assert message is not None, f"{topic} gives nothing"
        if message.error() is None:
            messages.append(message)
        else:
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
    consumer.close()
    return messages


def parsed(message):
    return json.loads(message.value(), parse_float=Decimal)


def time(number, unit):
    return None if number is None else EPOCH + timedelta(**{unit: int(number)})


def order(message):
    row = parsed(message)["payload"]["order"]
    known = {"orderId", "customerId", "status", "amount", "currency", "orderedAt", "address", "items", "labels"}
    nested = lambda value, names: None if value is None else {name: value.get(name) for name in names}
    number = lambda value, places: None if value is None else Decimal(value).quantize(Decimal(1).scaleb(-places))
    items = row.get("items")
    if items is not None:
        items = [nested(item, ("sku", "quantity", "unitPrice")) for item in items]
        items = [item | {"unitPrice": number(item["unitPrice"], 2)} for item in items]
    unknown = {name: value for name, value in row.items() if name not in known}
    labels = row.get("labels")
    return {
        "order_id": uuid.UUID(row["orderId"]), "customer_id": row["customerId"], "status": row.get("status"),
        "amount": number(row.get("amount"), 2), "currency": row.get("currency"),
        "ordered_at": time(row["orderedAt"], "milliseconds"),
        "address": nested(row.get("address"), ("street", "zipCode", "city", "country")),
        "items": items, "labels": None if labels is None else list(labels.items()),
        "unknown": json.dumps(unknown, separators=(",", ":"), ensure_ascii=False) if unknown else None,
        "kafka_key": message.key().decode(), "kafka_timestamp": time(message.timestamp()[1], "milliseconds"),
        "kafka_headers": [{"key": key, "value": value} for key, value in message.headers() or []] or None,
    }


def payment(row):
    return {
        "payment_id": row["paymentId"], "order_id": row["orderId"], "amount": row["amount"], "currency": row["currency"],
        "method": row["method"], "risk": row["risk"], "paid_at": row["paidAt"],
    }


def customer(message):
    event = parsed(message)
    deleted = event["op"] == "d"
    row = event["before" if deleted else "after"]
    assert json.loads(message.key()) == {"id": row["id"]}
    birthday = row["birthday"] and datetime.fromisoformat(row["birthday"]).date()
    return {
        "customer_id": row["id"], "email": row["email"], "full_name": row["full_name"], "city": row["city"],
        "country": row["country"], "birthday": birthday, "op": event["op"],
        "changed_at": time(event["ts_ms"], "milliseconds"), "position": str(event["source"]["lsn"]), "deleted": deleted,
    }
