"""The same pipeline with a real OpenSearch: exact through kill -9, a cluster that is away, and one that refuses with 429."""

import json
import os
import random
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import ports
from proxy import Proxy

SCRIPT = Path(__file__).parents[1] / "search" / "real-opensearch.sh"
DAY = re.compile(r"user-actions-\d{4}\.\d\d\.\d\d")


class Cluster:
    """A real OpenSearch on this machine."""

    def __init__(self, port):
        self.port, self.url = port, f"http://127.0.0.1:{port}"

    def script(self, word, settings=""):
        subprocess.run(
            [SCRIPT, word, str(self.port)],
            check=True, timeout=300, stdout=subprocess.DEVNULL, env=os.environ | {"OPENSEARCH_SETTINGS": settings},
        )

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/{path}", json.dumps(body).encode() if body is not None else None,
            {"content-type": "application/json"}, method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def indices(self):
        return {row["index"]: int(row["docs.count"]) for row in self.ask("GET", "_cat/indices/user-actions-2*,user-actions-rejec*?format=json")}

    def days(self):
        return [index for index in self.indices() if DAY.fullmatch(index)]

    def count(self):
        try:
            return self.ask("GET", "user-actions-2*,user-actions-rejec*/_count")["count"]
        except OSError:
            return 0

    def documents(self):
        """Every document's index and source, page by page: no search shows more than 10,000."""
        self.ask("POST", "user-actions-2*,user-actions-rejec*/_refresh")
        order = [{"kafka_topic_id.keyword": "asc"}, {"kafka_partition": "asc"}, {"kafka_offset": "asc"}, {"_index": "asc"}]
        query, found = {"size": 5000, "sort": order}, []
        while hits := self.ask("POST", "user-actions-2*,user-actions-rejec*/_search", query)["hits"]["hits"]:
            found += [(hit["_index"], hit["_source"]) for hit in hits]
            query["search_after"] = hits[-1]["sort"]
        return found


@pytest.fixture(scope="module")
def server():
    port = ports.row(2)
    cluster = Cluster(port)
    try:
        cluster.script("start")
        yield cluster
    finally:
        cluster.script("stop")


@pytest.fixture
def cluster(server):
    """The cluster without documents."""
    for index in server.indices():
        server.ask("DELETE", index)
    return server


def exact(cluster):
    """Every offset of every partition stands once, in an index of its day, or as rejected for what is wrong with it."""
    documents = cluster.documents()
    partitions = {}
    for _, source in documents:
        partitions.setdefault((source["kafka_topic_id"], source["kafka_partition"]), []).append(source["kafka_offset"])
    assert len({topic for topic, _ in partitions}) == 1, partitions.keys()
    for partition, offsets in partitions.items():
        assert sorted(offsets) == list(range(len(offsets))), partition
    rejected = [source["reason"] for index, source in documents if index == "user-actions-rejected"]
    # What the shipper itself finds no action in; the cluster's mapping has refused none.
    assert all(reason.startswith(("the record ", "`event_time` ")) for reason in rejected), set(rejected)
    days = [(index, source) for index, source in documents if DAY.fullmatch(index)]
    assert len(days) + len(rejected) == len(documents)
    assert all(source["event_time"][:10].replace("-", ".") == index[-10:] for index, source in days)
    return len(documents), len(rejected)


def shipper(up):
    """The shipper's process and what it says of itself."""
    pids = [child["pid"] for child in (up.record() or {"children": []})["children"] if "shipper" in child["name"]]
    try:
        address = next(up.data.glob("hosts/*/shipper/admin.address")).read_text()
        with urllib.request.urlopen(f"http://{address}/status", timeout=5) as answer:
            return pids[-1], json.load(answer)["metrics"]
    except (OSError, ValueError, StopIteration, IndexError):
        return pids[-1] if pids else None, {}


def kill_shipper(up):
    pid, _ = shipper(up)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    up.wait("the shipper's next start", lambda: shipper(up)[0] not in (None, pid) and shipper(up)[1])


def test_up_on_a_real_search_cluster(make_up, cluster):
    # More documents than a search of OpenSearch counts or shows.
    up = make_up(producer="seed = 5\n")
    text = up.stack.read_text()
    assert 'rate = "500/s"' in text
    up.stack.write_text(text.replace('rate = "500/s"', 'rate = "3000/s"'))
    # As Elasticsearch has it from its installation on, and OpenSearch with its security plugin.
    guard = Proxy(cluster.url, user="elastic:s3cret")
    url = guard.url.replace("//", "//elastic:s3cret@")
    done = up.run("up", "--plain", "--for", "8s", "--search", url, check=0)
    print(done.stdout)
    assert "s3cret" not in done.stdout + done.stderr
    documents, rejected = exact(cluster)
    print(f"{documents} documents, {rejected} rejected")
    assert documents > 10_000 and rejected > 0
    verified = [re.split(" {2,}", line) for line in done.stdout.splitlines() if line.startswith("search: es_events")]
    assert sum(int(re.sub(r"\s", "", found)) for _, _, found, verdict in verified if verdict == "exact") == documents

    found = up.run("search", "--url", url, "lipstick stockholm", check=0)
    assert "lipstick (product), Stockholm (place)" in found.stderr, found.stderr
    hits, facets = (part.splitlines() for part in found.stdout.split("\n\n"))
    assert any(line.startswith("place     Stockholm") for line in facets), facets
    scores = [float(hit.split()[0]) for hit in hits]
    assert 1 <= len(hits) <= 10 and scores == sorted(scores, reverse=True) and scores[-1] > 0, hits
    assert all("lipstick" in hit and "Stockholm, SE" in hit for hit in hits), hits
    stranger = up.run("search", "--url", guard.url, "lipstick", check=1)
    assert "401" in stranger.stderr, stranger.stderr
    guard.close()


def retried(up, times):
    """Waits until so many more bulk requests were refused or unanswered, of this shipper or its next start."""
    before = shipper(up)[1].get("bulk_retries_total", 0)
    up.wait("bulk requests are tried again", lambda: shipper(up)[1].get("bulk_retries_total", 0) >= before + times)


def more_documents(up, cluster):
    before = cluster.count()
    up.wait("more documents", lambda: cluster.count() > before + 300)


def test_refused_documents_and_kills(make_up, cluster):
    seed = int(os.environ.get("LAKEWRIGHT_SEED", random.randrange(10**6)))
    print(f"LAKEWRIGHT_SEED={seed}")
    chance = random.Random(seed)
    up = make_up(producer=f"seed = {seed}\n")
    up.start("--search", cluster.url)
    more_documents(up, cluster)
    # As when the cluster's disk is full: documents for an index of a day are refused with 429, rejected ones pass.
    block, days = "index.blocks.read_only_allow_delete", cluster.days()
    for index in days:
        cluster.ask("PUT", f"{index}/_settings", {block: True})
    retried(up, 2)
    kill_shipper(up)
    for index in days:
        cluster.ask("PUT", f"{index}/_settings", {block: None})
    more_documents(up, cluster)
    time.sleep(chance.uniform(0, 1.5))
    up.kill()
    done = up.run("up", "--plain", "--for", "3s", "--search", cluster.url)
    assert done.returncode == 0, f"seed {seed}:\n{done.stdout}\n{done.stderr[-4000:]}"
    print(done.stdout, "{} documents, {} rejected".format(*exact(cluster)))


def test_a_cluster_that_is_away(make_up, cluster):
    up = make_up(producer="seed = 6\n")
    up.start("--for", "12s", "--search", cluster.url)
    more_documents(up, cluster)
    producer = [child["pid"] for child in up.record()["children"] if "producer" in child["name"]]
    cluster.script("halt")
    retried(up, 2)
    # Now each request as a whole is refused with 429.
    cluster.script("start", "indexing_pressure.memory.limit: 1b")
    retried(up, 1)
    # The time ends while the cluster takes nothing, and it is away once more: the verification waits for it.
    up.wait("the end of the time", lambda: not Path(f"/proc/{producer[0]}").exists())
    cluster.script("halt")
    cluster.script("start")
    assert up.process.wait(timeout=300) == 0, up.log()
    print(up.log(), "{} documents, {} rejected".format(*exact(cluster)))
