"""Writes messages.json: what confluent-kafka's AvroSerializer, Avro's Python library and fastavro make of the same orders.

    pip install 'confluent-kafka[avro,schemaregistry]==2.16.1' avro==1.12.2 fastavro==1.13.1
    python libs/formats/tests/written/make.py > libs/formats/tests/written/messages.json
"""

import io
import json
import sys
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal

import avro.io
import avro.schema
import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}},
        {"name": "made", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "until", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 3}},
        {"name": "weight", "type": ["null", "double"], "default": None},
        {"name": "ratio", "type": "float"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "stock", "type": {"type": "map", "values": "int"}},
        {"name": "raw", "type": "bytes"},
        {"name": "gift", "type": ["null", "boolean", "string"]},
        {"name": "parent", "type": ["null", "Order"], "default": None},
    ],
}


def order(number, parent=None):
    return {
        "id": [2**53 + 1, -(2**63)][number],
        "state": ["NEW", "PAID"][number],
        "total": Decimal(["12.5000", "-99999999999999.9999"][number]),
        "made": datetime(2026, 11, 22, 20, 45, 0, 123456, UTC),
        "seen": datetime([1969, 2026][number], 12, 31, 23, 59, 59, 999000, UTC),
        "day": date([1969, 2024][number], 2, 28),
        "at": time(23, 59, 59, 999999),
        "until": time(0, 0, 1, 5000),
        "key": uuid.UUID(int=0xA0A1A2A3A4A5A6A7A8A9AAABACADAEAF),
        "hash": b"\x00\x7f\xff",
        "weight": [None, 0.1][number],
        "ratio": 0.5,
        "tags": [[], ['a"b', "日本", "\n"]][number],
        "stock": [{}, {"a": 1, "b": -2}][number],
        "raw": bytes(range(5)),
        "gift": [True, "yes"][number],
        "parent": parent,
    }


def with_avro(value):
    # It takes UUIDs as text.
    value = value | {"key": str(value["key"])}
    if value["parent"]:
        value["parent"] = value["parent"] | {"key": str(value["parent"]["key"])}
    out = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(json.dumps(SCHEMA))).write(value, avro.io.BinaryEncoder(out))
    return out.getvalue()


def with_fastavro(value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(SCHEMA))), value)
    return out.getvalue()


def main():
    client = SchemaRegistryClient.new_client({"url": "mock://"})
    serializer = AvroSerializer(client, json.dumps(SCHEMA))
    context = SerializationContext("orders", MessageField.VALUE)
    orders = [order(0), order(1, order(0))]
    messages = []
    for value in orders:
        messages += [
            {"by": "confluent-kafka", "hex": serializer(value, context).hex()},
            {"by": "avro", "hex": with_avro(value).hex()},
            {"by": "fastavro", "hex": with_fastavro(value).hex()},
        ]
    json.dump({"schema": SCHEMA, "messages": messages}, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


main()
