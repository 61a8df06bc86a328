"""The schema registry of this machine, by Confluent's own client; and a stack whose tables name one."""

import json
import os
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from account import Account
from conftest import ENVIRONMENT, PATIENCE, PROGRAM, ROOT, TARGET, Up
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


STACK = """
[stack]
name = "lake"
region = "eu-north-1"
[network]
zones = ["a", "b"]
[kafka]
brokers = 2
[keys.main]
[topics.payments]
[buckets.raw]
[hosts.app]
agents = ["stream"]
[tables.payments]
topic = "payments"
format = "avro"
registry = "https://registry.example.com"
key = ["id"]
[tables.payments.columns]
id = "string"
note = "string"
"""


def compared(folder, registry, *words):
    """What `check --compat` says of the stack against itself: its exit code, and both outputs."""
    (folder / "base.toml").write_text(STACK)
    environment = ENVIRONMENT | ({"LAKEWRIGHT_REGISTRY_PLAINTEXT": registry} if registry else {})
    done = subprocess.run(
        [PROGRAM, "check", "stack.toml", "--compat", "base.toml", *words], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


def test_declarations_are_held_against_the_newest_schema(registry, tmp_path):
    (tmp_path / "stack.toml").write_text(STACK)
    client, local = registry()
    url = client._rest_client.base_urls[0]
    code, out, _ = compared(tmp_path, url)
    assert code == 0 and "has nothing named `payments-value`" in out, out

    client.register_schema("payments-value", record(ID, NOTE))
    client.set_config("payments-value", ServerConfig(compatibility=ConfigCompatibilityLevel.FULL))
    code, out, _ = compared(tmp_path, url)
    assert code == 0 and "note" not in out and "Nothing breaks" in out, out
    # Whoever leaves out a field that a column needs is let in by the default.
    client.set_config("payments-value", ServerConfig(compatibility=ConfigCompatibilityLevel.BACKWARD))
    code, out, _ = compared(tmp_path, url)
    assert code == 0 and "compatibility is BACKWARD: the next schema may leave out `id`" in out, out
    client.set_config("payments-value", ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))
    code, out, _ = compared(tmp_path, url)
    assert code == 0 and "compatibility is NONE" in out and "set the compatibility of the subject to FULL" in out, out

    # What it can't fill.
    client.register_schema("payments-value", record({"name": "id", "type": "long"}))
    code, out, _ = compared(tmp_path, url)
    assert code == 1 and "the field `id` of version 2 of `payments-value` is long, and the column `id` is string" in out, out
    assert "has no field `note`: the column `note` stays null" in out and "1 would break" in out, out
    code, out, _ = compared(tmp_path, url, "--format", "json")
    found = json.loads(out)
    assert code == 1 and [one["breaks"] for one in found] == ["producers", None, None], found
    assert found[0]["address"] == {"kind": "table", "name": "payments"} or found[0]["address"] == "table.payments", found
    assert found[0]["place"].startswith("stack.toml:"), found
    # Another subject, which lets nothing through that the one of before doesn't; and what is agreed.
    (tmp_path / "stack.toml").write_text(STACK.replace("[tables.payments.columns]", 'registry_subject = "others"\n[tables.payments.columns]'))
    code, out, _ = compared(tmp_path, url)
    assert code == 1 and "has nothing named `others`" in out and "version 2 of `payments-value` is long" in out, out
    (tmp_path / "stack.toml").write_text(STACK + '[allow.breaking-change]\n"table.payments" = "agreed"\n')
    code, out, _ = compared(tmp_path, url)
    assert code == 0 and "allowed: agreed" in out, out

    # Away, it is an error that names the setting and how to go on; the declarations are compared all the same.
    (tmp_path / "stack.toml").write_text(STACK)
    local.kill()
    local.wait(timeout=PATIENCE)
    code, out, said = compared(tmp_path, url)
    assert code == 1 and "Nothing breaks" in out, out
    assert "table.payments: its schemas aren't known" in said and "`registry` names where it is" in said and "--no-registry" in said, said
    code, out, said = compared(tmp_path, url, "--no-registry")
    assert (code, said) == (0, "") and "Nothing breaks" in out, said


class Locked(BaseHTTPRequestHandler):
    """A registry that lets nobody in."""

    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_registry_that_lets_nobody_in_is_an_error(tmp_path):
    (tmp_path / "stack.toml").write_text(STACK)
    server = HTTPServer(("127.0.0.1", 0), Locked)
    Thread(target=server.serve_forever, daemon=True).start()
    code, _, said = compared(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    assert code == 1 and "answered 401" in said and "user and password" in said and "`registry_secret`" in said, said


GLUE = STACK.replace('registry = "https://registry.example.com"', 'registry = "glue"')


def test_glues_registry_is_asked_for_the_schema_of_the_topic(tmp_path):
    account = Account(tmp_path)
    try:
        glue = account.client("glue")
        compat = lambda: account.run("check", "stack.toml", "--compat", "stack.toml")
        (tmp_path / "stack.toml").write_text(GLUE)
        assert "has nothing named `default-registry/payments`" in compat().stdout
        define = lambda *fields: json.dumps({"type": "record", "name": "payment", "fields": list(fields)})
        schema = {"SchemaName": "payments", "DataFormat": "AVRO", "SchemaDefinition": define(ID, NOTE)}
        glue.create_schema(Compatibility="BACKWARD_ALL", **schema)
        done = compat()
        assert done.returncode == 0 and "compatibility is BACKWARD: the next schema may leave out `id`" in done.stdout, done.stderr
        glue.create_schema(Compatibility="DISABLED", **schema | {"SchemaName": "other", "SchemaDefinition": define(NOTE)})
        (tmp_path / "stack.toml").write_text(GLUE.replace('key = ["id"]', 'key = ["id"]\nregistry_subject = "default-registry/other"'))
        done = compat()
        assert done.returncode == 1 and "has no field `id` for the required column `id`" in done.stdout, done.stdout
    finally:
        account.stop()
