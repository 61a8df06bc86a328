"""The schema registry of this machine, by Confluent's own client; and a stack whose tables name one."""

import json
import os
import shutil
import subprocess

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from conftest import ENVIRONMENT, PATIENCE, ROOT, TARGET, Up
from test_up_stacks import raw_rows

LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"


def record(*fields):
    return Schema(json.dumps({"type": "record", "name": "payment", "fields": list(fields)}), "AVRO")


ID = {"name": "id", "type": "string"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}


@pytest.fixture
def registry(tmp_path):
    """A way to start the registry on its data again."""
    processes = []

    def start():
        local = subprocess.Popen(
            [TARGET / "debug" / "lakewright-local", "serve", "--data", tmp_path / "data", "--registry"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ENVIRONMENT,
        )
        processes.append(local)
        return SchemaRegistryClient({"url": json.loads(local.stdout.readline())["registry"]}), local

    yield start
    for process in processes:
        process.kill()
        process.wait(timeout=PATIENCE)


def refused(status, code, call):
    with pytest.raises(SchemaRegistryError) as error:
        call()
    assert (error.value.http_status_code, error.value.error_code) == (status, code), error.value


def test_confluents_client_finds_what_it_expects(registry):
    client, local = registry()
    first = client.register_schema("payments-value", record(ID))
    second = client.register_schema("payments-value", record(ID, NOTE))
    assert (first, second, client.get_subjects()) == (1, 2, ["payments-value"])
    assert client.get_versions("payments-value") == [1, 2]
    latest = client.get_latest_version("payments-value")
    assert (latest.schema_id, latest.version, json.loads(latest.schema.schema_str)["fields"]) == (2, 2, [ID, NOTE])
    assert client.lookup_schema("payments-value", record(ID)).version == 1
    assert client.get_version("payments-value", 1).schema_id == 1
    refused(409, 409, lambda: client.register_schema("payments-value", record({"name": "amount", "type": "long"})))
    refused(422, 42201, lambda: client.register_schema("payments-value", Schema('{"type": "recrod"}', "AVRO")))
    refused(404, 40401, lambda: client.get_latest_version("none"))
    refused(404, 40402, lambda: client.get_version("payments-value", 7))
    refused(404, 40403, lambda: client.get_schema(99))

    # Its serializer registers by itself, also after a kill.
    local.kill()
    client, _ = registry()
    context = SerializationContext("refunds", MessageField.VALUE)
    message = AvroSerializer(client, record(ID, NOTE).schema_str)({"id": "a", "note": "ü"}, context)
    assert message[:5] == b"\0\0\0\0\2", "the same schema has the same id"
    assert AvroDeserializer(client)(message, context) == {"id": "a", "note": "ü"}


@pytest.mark.skipif(not LONG, reason="much like stacks/topics.toml; LAKEWRIGHT_LONG=1 runs it")
def test_a_stack_with_a_registry_of_confluents_kind_comes_out_exact(tmp_path):
    folder = tmp_path / "topics"
    shutil.copytree(ROOT / "stacks", folder / "stacks")
    up = Up(folder, folder / "stacks" / "topics.toml")
    text = up.stack.read_text()
    for old, new in [
        ('registry = "glue"', 'registry = "https://registry.example.com"'),
        ('format = "debezium"', 'format = "debezium"\nregistry = "https://registry.example.com"'),
    ]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    up.stack.write_text(text)
    done = up.run("up", "--plain", "--for", "15s", "--samples", "20")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    assert raw_rows(done.stdout) > 300, done.stdout
