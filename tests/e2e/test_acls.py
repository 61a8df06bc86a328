"""`lakewright-agent acls` on a real Apache Kafka with an authorizer: what it makes is read back by librdkafka's Python client."""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType, ResourceType,
)

import ports
from conftest import ENVIRONMENT, TARGET

SCRIPT = Path(__file__).parents[1] / "kafka" / "real-kafka.sh"
AGENT = TARGET / "debug" / "lakewright-agent"
USERS = ["shop-admin", "shop-producer", "shop-stream"]
WANTED = {
    "User:shop-admin may Alter cluster kafka-cluster",
    "User:shop-producer may Write topic facts",
    "User:shop-stream may Read topic facts",
    "User:shop-stream may Read group shop-stream",
}


class Secrets(BaseHTTPRequestHandler):
    """A Secrets Manager that holds a user name and password for each user, under the user's name."""

    def do_POST(self):
        user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["SecretId"]
        value = json.dumps({"username": user, "password": f"{user}-password"})
        body = json.dumps({"ARN": user, "Name": user, "SecretString": value}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Cluster:
    def __init__(self, port, folder, secrets):
        self.folder = folder
        self.admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        self.environment = ENVIRONMENT | {
            "AWS_REGION": "eu-north-1",
            "AWS_ENDPOINT_URL": secrets,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LAKEWRIGHT_KAFKA_TLS": f"127.0.0.1:{port + 2}",
            "LAKEWRIGHT_KAFKA_CA": str(cache / "lakewright" / "kafka" / f"run-{port}" / "tls.pem"),
        }

    def run(self, *words, administrator="shop-admin", secret=None, users=None):
        config = {
            "kafka": {"bootstrap": "b-1:9096", "security": {"protocol": "scram", "secret": secret or administrator}},
            "administrator": administrator,
            "users": users or {
                "shop-producer": {"writes": ["facts"], "secret": "shop-producer"},
                "shop-stream": {"reads": ["facts"], "groups": ["shop-stream"], "secret": "shop-stream"},
            },
        }
        path = self.folder / "acls.json"
        path.write_text(json.dumps(config))
        return subprocess.run(
            [AGENT, "acls", "--config", path, *words],
            capture_output=True, text=True, env=self.environment, timeout=120,
        )

    def known(self):
        """All entries, as the agent writes them."""
        everything = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
        )
        kinds = {ResourceType.BROKER: "cluster", ResourceType.TOPIC: "topic", ResourceType.GROUP: "group"}
        entries = self.admin.describe_acls(everything).result(30)
        return {
            f"{acl.principal} may {acl.operation.name.capitalize()} {kinds[acl.restype]} {acl.name}"
            for acl in entries
        }

    def forget(self, user):
        own = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None, AclOperation.ANY, AclPermissionType.ANY
        )
        for deleted in self.admin.delete_acls([own]).values():
            deleted.result(30)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    port = ports.row(3)
    secrets = ThreadingHTTPServer(("127.0.0.1", 0), Secrets)
    threading.Thread(target=secrets.serve_forever, daemon=True).start()
    try:
        environment = os.environ | {"KAFKA_SCRAM": "1", "KAFKA_ACLS": "open"}
        subprocess.run([SCRIPT, "start", str(port)], check=True, timeout=300, env=environment)
        for user in USERS:
            subprocess.run([SCRIPT, "password", str(port), user, f"{user}-password"], check=True, timeout=120)
        cluster = Cluster(port, tmp_path_factory.mktemp("acls"), f"http://127.0.0.1:{secrets.server_address[1]}")
        for made in cluster.admin.create_topics([NewTopic("facts", 1, 1)]).values():
            made.result(60)
        yield cluster
    finally:
        secrets.shutdown()
        subprocess.run([SCRIPT, "stop", str(port)], check=True, timeout=60)


def test_entries_are_made_verified_and_repaired(cluster):
    planned = cluster.run("--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert {line[2:].split("  ")[0] for line in planned.stdout.splitlines() if line.startswith("+")} == WANTED
    assert cluster.known() == set()

    done = cluster.run("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.known() == WANTED
    tried = [line for line in done.stdout.splitlines() if line.startswith("tried")]
    assert [line.split(maxsplit=1)[1] for line in tried] == [
        "User:shop-admin may Alter cluster kafka-cluster",
        "User:shop-producer sees topic facts, which it writes",
        "User:shop-stream reads topic facts",
        "User:shop-stream sees group shop-stream",
    ]
    again = cluster.run("--once")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout == done.stdout.replace("+ ", "  ").replace("(made)", "(there)")

    cluster.forget("shop-stream")
    broken = cluster.run("--verify")
    assert broken.returncode == 1
    assert "! User:shop-stream may Read topic facts  (is not there)" in broken.stdout
    assert "2 of the lines above" in broken.stderr
    repaired = cluster.run("--once")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert cluster.known() == WANTED

    gone = {"shop-producer": {}, "shop-stream": {"reads": ["facts"], "groups": ["shop-stream"]}}
    left = cluster.run("--once", users=gone)
    assert left.returncode == 0 and cluster.known() == WANTED, left.stdout + left.stderr
    pruned = cluster.run("--once", "--prune", users=gone)
    assert pruned.returncode == 0, pruned.stdout + pruned.stderr
    assert cluster.known() == {entry for entry in WANTED if "producer" not in entry}


def test_who_may_not_and_what_is_wrong_is_said(cluster):
    assert cluster.run("--once").returncode == 0
    other = cluster.run("--once", administrator="shop-stream")
    assert other.returncode == 1 and other.stdout == ""
    assert "the user shop-stream may not change the access control lists" in other.stderr
    wrong = cluster.run("--once", secret="shop-stream")
    assert wrong.returncode == 1
    assert "the secret at `kafka.security` is of the user shop-stream, not of shop-admin" in wrong.stderr
    both = cluster.run("--dry-run", "--verify")
    assert both.returncode == 2 and "cannot be used with" in both.stderr
    assert cluster.known() == WANTED
