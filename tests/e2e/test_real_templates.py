"""Index templates and policies on a real OpenSearch and a real Elasticsearch: no record spoils a day, and what others made stays."""

import datetime
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import ports
from conftest import ENVIRONMENT, TARGET
from elasticsearch_node import IS_WANTED, Node
from test_real_search import Cluster

AGENT = TARGET / "debug" / "lakewright-agent"
NAME, INDEX = "lakewright-logs-app", "logs-app"


class OpenSearch(Cluster):
    """OpenSearch without its security."""

    flat = "flat_object"

    def __init__(self):
        super().__init__(ports.row(2))
        self.script("start")

    def stop(self):
        self.script("stop")


class Elasticsearch(Node):
    """Elasticsearch without its security, as a stack with `login = false` has it."""

    flat = "flattened"

    def __init__(self):
        super().__init__("templates")
        self.port = ports.row(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.configure({
            "network.host": "_local_", "http.port": self.port, "transport.port": f"{ports.row(1)}", "discovery.type": "single-node",
            "xpack.security.enabled": "false", "path.data": f"{self.folder}/data", "path.logs": f"{self.folder}/logs",
            # Between two tests all indices are deleted by a pattern.
            "action.destructive_requires_name": "false",
        })
        self.start()
        Shipper.until("it is ready", lambda: self.status("GET", "_cluster/health")[0] == 200)

    ask = Cluster.ask


def status(self, method, path, body=None):
    """Status and answer."""
    try:
        return 200, self.ask(method, path, body)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)
    except OSError as error:
        return 0, str(error)


OpenSearch.status = Elasticsearch.status = status


LONG = pytest.mark.skipif(not IS_WANTED, reason="a real Elasticsearch; LAKEWRIGHT_LONG=1")


@pytest.fixture(
    scope="module", params=[pytest.param(OpenSearch, id="opensearch"), pytest.param(Elasticsearch, id="elasticsearch", marks=LONG)],
)
def server(request):
    server = request.param()
    yield server
    server.stop()


@pytest.fixture
def cluster(server):
    """The cluster without indices and templates."""
    for path in [f"_index_template/{NAME}*", f"_index_template/user-made*", "logs-app-*"]:
        server.status("DELETE", path)
    return server


class Shipper:
    """A shipper of one log file, whose Kafka and bucket are away: neither keeps its index waiting."""

    def __init__(self, folder, cluster, source=None, **more):
        self.folder, self.log = folder, folder / "app.log"
        self.log.touch()
        config = {
            "kafka": {"bootstrap": "127.0.0.1:9", "security": {"protocol": "plaintext"}}, "group": "g", "topics": ["none"],
            "search": {"url": cluster.url}, "index": "logs", "time_field": "at", "backup_bucket": "b", "backup_prefix": "p",
            "bulk_bytes": 1_000_000, "bulk_interval_ms": 100,
            "sources": {"app": {"from": {"files": {"paths": [f"{folder}/*.log"]}}, "time_field": "at", **(source or {})}},
        } | more
        (folder / "shipper.json").write_text(json.dumps(config))
        environment = ENVIRONMENT | {
            "STATE_DIRECTORY": str(folder / "state"), "LOGS_DIRECTORY": str(folder / "state"), "AWS_REGION": "eu-north-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "local",
        }
        (folder / "state").mkdir(exist_ok=True)
        self.output = open(folder / "shipper.out", "ab")
        self.process = subprocess.Popen(
            [AGENT, "shipper", "--config", folder / "shipper.json"], env=environment, stdout=self.output, stderr=self.output,
        )

    def write(self, *records):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        with self.log.open("a") as log:
            for record in records:
                log.write(json.dumps({"at": now} | record) + "\n")

    def said(self):
        return (self.folder / "shipper.out").read_text()

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @staticmethod
    def until(what, is_so):
        end = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < end, what
            time.sleep(0.2)


@pytest.fixture
def ship(tmp_path, cluster):
    """Starts shippers, which end with the test."""
    started = []

    def start(**settings):
        started.append(Shipper(tmp_path, cluster, **settings))
        return started[-1]

    yield start
    for shipper in started:
        shipper.stop()


def day():
    return f"{INDEX}-{datetime.datetime.now(datetime.timezone.utc):%Y.%m.%d}"


def count(cluster, index, query=None):
    cluster.status("POST", f"{index}/_refresh")
    body = {"query": query} if query else None
    return cluster.status("POST", f"{index}/_count?ignore_unavailable=true", body)[1].get("count", 0)


def any_of(*queries):
    return {"bool": {"should": [{"term": query} for query in queries]}}


SPOILERS = [
    {"x": 1, "o": {"a": {"b": "deep"}}, "big": 1},
    {"x": "many", "o": "flat", "big": 2**64},
    {"x": {"y": "inner"}, "o": 7, "big": 1e300},
    {"x": [1, {"y": "of an array"}], "status": {"code": 1}},
    {"x": True, "status": "none", "yes": True, "price": 1.5},
    {"yes": "perhaps", "when": "2026-01-02T03:04:05Z", "http.method": "GET", "price": "cheap"},
    {"yes": 5, "when": "soon", "http": {"method": "PUT"}, "status": 200, "price": 10},
    {f"m{number}": number for number in range(1000)},
    {"status": 404, "place": "59.33,18.06", "where": {"lat": 59.33, "lon": 18.06}},
    {"place": "nowhere", "where": "nowhere", "nested": [[{"a": 1}], 5, None]},
    {"where": {"lat": "north"}, "o": {"none": None, "empty": {}, "list": [], "objects": [{"a": 1}, {"a": {"b": 2}}]}},
    {"o": {"keyed." + "k" * 300: 1}, "long": "y" * 40_000},
    {"o": json.loads('{"a":' * 60 + "1" + "}" * 60)},
    {"o": {"many": {f"m{number}": str(number) for number in range(3000)}}},
    {"flattened": "mine"},
    {"ip": "10.0.0.1", "user": {"id": "ann", "age": 7, "more": {"a": 1}}},
    {"ip": "nobody", "user": "ann"},
]


def test_no_record_spoils_a_day(cluster, ship):
    fields = {"status": "long", "ip": "ip", "where": "geo_point", "user.id": "keyword"}
    transforms = [{"type": "geo_point", "field": "place", "into": "home"}]
    shipper = ship(source={"fields": fields}, transforms=transforms)
    # One after the other, as they would come: each finds the mapping that those before it left.
    for number, record in enumerate(SPOILERS, 1):
        shipper.write(record)
        Shipper.until(f"{record} is there: {shipper.said()[-3000:]}", lambda: count(cluster, f"{INDEX}-*") == number)
    rejected = cluster.status("POST", f"{INDEX}-rejected/_search?ignore_unavailable=true")[1]
    assert count(cluster, day()) == len(SPOILERS), rejected
    for query, found in [
        ({"term": {"status": 404}}, 1),
        ({"range": {"status": {"gte": 200}}}, 2),
        (any_of({"o.a.b": "deep"}, {"flattened.o.a.b": "deep"}), 1),
        # OpenSearch takes an object for a malformed value, so that nothing in it is found.
        (any_of({"x.y": "inner"}, {"flattened.x.y": "inner"}), int(cluster.flat == "flattened")),
        (any_of({"x.keyword": "many"}, {"flattened.x": "many"}), 1),
        ({"term": {"flattened.m999": "999"}}, 1),
        ({"term": {"yes.keyword": "true"}}, 1),
        ({"term": {"http.method": "GET"}}, 1),
        ({"term": {"when.keyword": "soon"}}, 1),
        ({"term": {"user.id": "ann"}}, 1),
        ({"term": {"ip": "10.0.0.0/8"}}, 1),
        ({"geo_distance": {"distance": "1km", "home": {"lat": 59.33, "lon": 18.06}}}, 1),
        ({"geo_distance": {"distance": "1km", "where": {"lat": 59.33, "lon": 18.06}}}, 1),
        ({"term": {"log_source.keyword": "app"}}, len(SPOILERS)),
        ({"range": {"log_offset": {"gte": 0}}}, len(SPOILERS)),
        ({"range": {"@timestamp": {"gte": "now-1d"}}}, len(SPOILERS)),
    ]:
        assert count(cluster, day(), query) == found, query
    properties = cluster.ask("GET", f"{day()}/_mapping")[day()]["mappings"]["properties"]
    assert properties["flattened"]["type"] == properties["user"]["properties"]["more"]["type"] == cluster.flat
    assert len(properties) < 60, properties.keys()
    sort = {"sort": [{"log_source.keyword": "asc"}, {"log_offset": "asc"}], "size": 1}
    assert cluster.ask("POST", f"{INDEX}-*/_search", sort)["hits"]["hits"]


def test_a_long_text_in_an_object(cluster, ship):
    shipper = ship()
    shipper.write({"o": {"long": "x" * 40_000}})
    Shipper.until("it is there", lambda: count(cluster, f"{INDEX}-*") == 1)
    # OpenSearch's type has no bound above which a text isn't indexed.
    where = day() if cluster.flat == "flattened" else f"{INDEX}-rejected"
    assert count(cluster, where) == 1


def test_whatever_is_a_dead_letter_fits(cluster, ship):
    shipper = ship()
    with shipper.log.open("a") as log:
        log.write('{"n":1}\n{"at":"soon"}\n' + json.dumps({"text": "z" * 50_000}) + "\n")
    Shipper.until("they are there", lambda: count(cluster, f"{INDEX}-rejected") == 3)
    assert count(cluster, f"{INDEX}-rejected", {"match": {"payload": "soon"}}) == 1


def test_a_template_that_somebody_else_made_is_left_alone(cluster, ship):
    foreign = {"index_patterns": [f"{INDEX}-*"], "priority": 3, "template": {"mappings": {"properties": {"n": {"type": "keyword"}}}}}
    cluster.ask("PUT", f"_index_template/{NAME}", foreign)
    before = cluster.ask("GET", f"_index_template/{NAME}")
    shipper = ship()
    shipper.write({"n": 1})
    Shipper.until("it is there", lambda: count(cluster, day()) == 1)
    Shipper.until("it is said", lambda: f"the index template {NAME} is somebody else's" in shipper.said())
    assert cluster.ask("GET", f"_index_template/{NAME}") == before


def test_what_the_cluster_refuses_is_said_and_documents_go_on(cluster, ship):
    # Of two templates with one priority for one index neither server takes the second.
    other = {"index_patterns": [f"{INDEX}-*"], "priority": 500 + 4 * len(INDEX)}
    cluster.ask("PUT", "_index_template/user-made", other)
    shipper = ship()
    shipper.write({"n": 1})
    Shipper.until("it is there", lambda: count(cluster, day()) == 1)
    Shipper.until("it is said", lambda: f"the index template {NAME} be put (400)" in shipper.said())


def test_a_second_start_puts_nothing_and_another_declaration_counts(cluster, ship):
    shipper = ship(source={"fields": {"n": "long"}})
    shipper.write({"n": 1})
    Shipper.until("it is there", lambda: count(cluster, day()) == 1)
    shipper.stop()
    shipper = ship(source={"fields": {"n": "long"}})
    shipper.write({"n": 2})
    Shipper.until("it is there", lambda: count(cluster, day()) == 2)
    assert shipper.said().count("put an index template") == 3
    shipper.stop()
    shipper = ship(source={"fields": {"n": "keyword"}})
    shipper.write({"n": 3})
    Shipper.until("it is there", lambda: count(cluster, day()) == 3)
    template = cluster.ask("GET", f"_index_template/{NAME}")["index_templates"][0]["index_template"]
    assert template["template"]["mappings"]["properties"]["n"]["type"] == "keyword"
    # The day that is there keeps its types.
    assert cluster.ask("GET", f"{day()}/_mapping")[day()]["mappings"]["properties"]["n"]["type"] == "long"


def test_a_policy_is_put_or_said_to_be_missing(cluster, ship):
    shipper = ship(source={"keep_days": 7})
    shipper.write({"n": 1})
    Shipper.until("it is there", lambda: count(cluster, day()) == 1)
    path = "_ilm/policy" if cluster.flat == "flattened" else "_plugins/_ism/policies"
    found, answer = cluster.status("GET", f"{path}/{NAME}")
    if found == 200:
        assert "7d" in json.dumps(answer)
    else:
        Shipper.until("it is said", lambda: "`keep_days` has no effect on logs-app" in shipper.said())
    # The templates are there all the same.
    assert cluster.status("GET", f"_index_template/{NAME}")[0] == 200
