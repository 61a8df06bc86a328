"""What a search host writes, read by a real Elasticsearch: TLS, users and roles, and what the shipper may do there.

Fetches a hundred megabytes and starts a JVM: `LAKEWRIGHT_LONG=1` runs it.
"""

import base64
import json
import shutil
import ssl
import time
import urllib.error
import urllib.request

import pytest

import ports
from account import Account
from elasticsearch_node import IS_WANTED, Node
from test_host_search import PASSWORDS, World, openssl
from test_user_data import files

STACK = """
[stack]
name = "logins"
region = "eu-north-1"
[kafka]
[keys.main]
[buckets.raw]
[buckets.backup]
[topics.es_events]
[hosts.app]
agents = ["shipper"]
[hosts.search]
[search]
host = "search"
"""
DAY = "user-actions-2026.01.01"

pytestmark = pytest.mark.skipif(not IS_WANTED, reason="a real Elasticsearch; LAKEWRIGHT_LONG=1")


class Elasticsearch(Node):
    """The node, with the files that a search host has."""

    def prepare(self, world, own):
        self.world, self.port = world, ports.row(1)
        folder = self.folder
        shutil.copytree(world.etc / "elasticsearch", self.config)
        replaced = {"network.host": "_local_", "http.port": str(self.port), "path.data": f"{folder}/data", "path.logs": f"{folder}/logs"}
        lines = own["/etc/elasticsearch/elasticsearch.yml"].splitlines()
        assert set(replaced) <= {line.split(": ")[0] for line in lines}
        self.configure(dict(line.split(": ", 1) for line in lines) | replaced)
        (self.config / "roles.yml").write_text(own["/etc/elasticsearch/roles.yml"])

    def ask(self, user, method, path, body=None, trusts=None):
        """Status and answer, as a client has them that trusts what the host has published."""
        context = ssl.create_default_context(cadata=trusts or (self.world.folder / "published").read_text())
        request = urllib.request.Request(f"https://localhost:{self.port}/{path}", body and body.encode(), method=method)
        request.add_header("content-type", "application/x-ndjson" if path.endswith("_bulk") else "application/json")
        if user:
            request.add_header("authorization", "Basic " + base64.b64encode(":".join(user).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def bulk(self, user, action, index, identifier):
        source = {"event_time": "2026-01-01T00:00:00Z", f"field_{identifier}": 1}
        body = json.dumps({action: {"_index": index, "_id": identifier}}) + "\n" + json.dumps(source) + "\n"
        status, answer = self.ask(user, "POST", "_bulk", body)
        return status, answer["items"][0][action] if status == 200 else answer["error"]

    def wait(self, what, condition):
        end = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < end, f"{what}: {(self.folder / 'server.log').read_text()[-3000:]}"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Elasticsearch("logins")
    account = Account(tmp_path_factory.mktemp("account"))
    stack = node.folder / "logins.toml"
    stack.write_text(STACK)
    plan = json.loads(account.run("plan", stack, "--format", "json", code=0).stdout)
    account.stop()
    (step,) = [step for step in plan["steps"] if step["address"] == "launch_template.search"]
    own = files({line["path"]: line["after"] for line in step["changes"]}["user_data"])
    world = World(tmp_path_factory.mktemp("world"))
    done, _ = world.run()
    assert done.returncode == 0, done.stderr
    node.prepare(world, own)
    try:
        node.start()
        admin = ("admin", PASSWORDS["admin"])
        node.wait("it knows its users", lambda: node.ask(admin, "GET", "_cluster/health")[0] == 200)
        yield node
    finally:
        node.stop()


ADMIN, SHIPPER = [(user, PASSWORDS[user]) for user in ["admin", "shipper"]]


def test_nobody_gets_in_without_a_login(node):
    for user in [None, ("shipper", "wrong"), ("elastic", "changeme"), ("kibana_system", PASSWORDS["admin"])]:
        assert node.ask(user, "GET", "_search")[0] == 401, user
    other = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout", node.folder / "other.key").stdout
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        node.ask(ADMIN, "GET", "_search", trusts=other)
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://localhost:{node.port}/_search", timeout=60)


def test_the_shipper_adds_documents_and_nothing_else(node):
    assert node.bulk(SHIPPER, "create", DAY, "1")[1]["status"] == 201
    # Fields that are new are taken as well.
    assert node.bulk(SHIPPER, "create", DAY, "2")[1]["status"] == 201
    assert node.bulk(SHIPPER, "create", DAY, "1")[1]["status"] == 409
    for action, index in [("index", DAY), ("create", "other"), ("create", ".security")]:
        item = node.bulk(SHIPPER, action, index, "1")[1]
        assert (item["status"], item["error"]["type"]) == (403, "security_exception"), item
    for method, path in [("GET", f"{DAY}/_search"), ("GET", f"{DAY}/_doc/1"), ("DELETE", DAY), ("GET", f"{DAY}/_settings"),
                         ("GET", "_cluster/health"), ("GET", "_security/user")]:
        assert node.ask(SHIPPER, method, path)[0] == 403, path
    node.ask(ADMIN, "POST", f"{DAY}/_refresh")
    assert node.ask(ADMIN, "GET", f"{DAY}/_count")[1]["count"] == 2


def test_the_shipper_puts_templates_and_changes_nothing_else_of_the_cluster(node):
    path, body = "_index_template/lakewright-user-actions", {"index_patterns": ["user-actions-*"], "_meta": {"made_by": "lakewright"}}
    assert node.ask(SHIPPER, "GET", path)[0] == 404
    for _ in range(2):
        assert node.ask(SHIPPER, "PUT", path, json.dumps(body)) == (200, {"acknowledged": True})
    status, answer = node.ask(SHIPPER, "GET", path)
    assert (status, answer["index_templates"][0]["index_template"]["_meta"]) == (200, {"made_by": "lakewright"})
    pipeline = json.dumps({"processors": []})
    for method, other, content in [("DELETE", path, None), ("PUT", "_ingest/pipeline/x", pipeline), ("PUT", "_component_template/x", json.dumps({"template": {}})),
                                   ("PUT", "_cluster/settings", json.dumps({"persistent": {"cluster.max_shards_per_node": 5000}}))]:
        assert node.ask(SHIPPER, method, other, content)[0] == 403, other
    assert node.ask(ADMIN, "DELETE", path)[0] == 200


def test_kibana_is_a_user_of_the_hosts_own(node):
    lines = node.world.read("kibana/kibana.yml").splitlines()
    held = dict(line.split(": ", 1) for line in lines)
    user = (held["elasticsearch.username"], held["elasticsearch.password"].strip('"'))
    status, answer = node.ask(user, "GET", "_security/_authenticate")
    assert (status, answer["roles"], answer["authentication_realm"]["type"]) == (200, ["kibana_system"], "file")


def test_a_rotated_password_and_another_certificate_are_taken_up_by_a_running_node(node):
    published = (node.world.folder / "published").read_text()
    node.world.holds("shipper", "R" * 32)
    node.world.tls("host.crt").unlink()
    done, calls = node.world.run()
    assert done.returncode == 0 and not [call for call in calls if "restart" in call and "elasticsearch" in call]
    for path in (node.world.etc / "elasticsearch").rglob("*"):
        if path.is_file():
            (node.config / path.relative_to(node.world.etc / "elasticsearch")).write_bytes(path.read_bytes())

    def is_taken():
        try:
            return node.bulk(("shipper", "R" * 32), "create", DAY, "3")[0] == 200
        except urllib.error.URLError:
            # It has the certificate of before still.
            return False

    node.wait("it reads its files anew", is_taken)
    assert node.bulk(SHIPPER, "create", DAY, "4")[0] == 401
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        node.ask(ADMIN, "GET", "_search", trusts=published)
