"""What a real OpenSearch and a real Elasticsearch refuse, by the types that the shipper knows: what an operator fixes is waited for, what
never fits is a dead letter, and the index on this machine refuses alike."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import TARGET
from test_real_search import Cluster
from test_real_templates import INDEX, Shipper, cluster, count, day, server, ship, status  # noqa: F401

# The two servers, and their versions, call one error by these names.
UNFIT = {"mapper_parsing_exception", "document_parsing_exception"}
DEEP = '{"a":' * 21 + "1" + "}" * 21
# What is refused whatever the operator does: the document, its id, the status and the type. The index has a number `n` and an object `o`.
DOCUMENTS = {
    "another type": ('{"n":"many"}', "i", 400, UNFIT),
    "an object for a number": ('{"n":{"x":1}}', "i", 400, UNFIT),
    "a number for an object": ('{"o":1}', "i", 400, UNFIT),
    "too many fields": (json.dumps({f"m{number}": number for number in range(1200)}), "i", 400, {"illegal_argument_exception", *UNFIT}),
    "too deep": (DEEP, "i", 400, {"illegal_argument_exception", *UNFIT}),
    "too deep by dots": (json.dumps({".".join("a" * 25): 1}), "i", 400, {"illegal_argument_exception", *UNFIT}),
    "no JSON": ('{"n":', "i", 400, UNFIT),
    "no object": ("[1]", "i", 400, UNFIT),
    "a member twice": ('{"n":1,"n":2}', "i", 400, UNFIT),
    "a member of the index": ('{"_id":"x"}', "i", 400, UNFIT),
    "no name": ('{"":1}', "i", 400, {"illegal_argument_exception", *UNFIT}),
    "half a name": ('{"a..b":1}', "i", 400, {"illegal_argument_exception", *UNFIT}),
    "no id": ('{"n":1}', "", 400, {"illegal_argument_exception"}),
    "an id that is there": ('{"n":1}', "there", 409, {"version_conflict_engine_exception"}),
}
NAMES = ["Upper", "with space", "_hidden", "a*", "a,b", "x" * 300]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The index on this machine."""
    data = tmp_path_factory.mktemp("search")
    command = [TARGET / "debug" / "lakewright-local", "search", "--data", data, "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url = json.loads(process.stdout.readline())["search"]
        cluster = Cluster(int(url.rpartition(":")[2]))
        cluster.status = lambda *words: status(cluster, *words)
        yield cluster
        process.terminate()


def bulk(cluster, index, id, document):
    """Status and type of what becomes of one document; of the whole request where that is refused."""
    body = f'{json.dumps({"create": {"_index": index, "_id": id}})}\n{document}\n'.encode()
    request = urllib.request.Request(f"{cluster.url}/_bulk", body, {"content-type": "application/x-ndjson"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            item = json.load(answer)["items"][0]["create"]
    except urllib.error.HTTPError as refused:
        item = json.load(refused)
    return item["status"], item.get("error", {}).get("type")


def test_documents_that_never_fit_are_refused_alike_by_the_index_on_this_machine(cluster, local):
    for server in (cluster, local):
        server.status("DELETE", "logs-app-verdicts")
        assert bulk(server, "logs-app-verdicts", "there", '{"n":1,"o":{"a":1}}')[0] == 201
    others = []
    for what, (document, id, code, kinds) in DOCUMENTS.items():
        real, own = bulk(cluster, "logs-app-verdicts", id, document), bulk(local, "logs-app-verdicts", id, document)
        # Elasticsearch takes what is no object for a failure of its own.
        if what == "no object" and cluster.flat == "flattened":
            assert real == (500, "not_x_content_exception")
            real = own
        if not (real[0] == own[0] == code and {real[1], own[1]} <= kinds):
            others.append(f"{what}: {real}, here {own}")
    assert others == []
    for name in NAMES:
        real, own = bulk(cluster, name, "i", "{}"), bulk(local, name, "i", "{}")
        assert real == own == (400, "invalid_index_name_exception"), f"{name}: {real}, here {own}"
    long = [bulk(server, "logs-app-verdicts", "x" * 513, "{}") for server in (cluster, local)]
    assert long == [(400, "action_request_validation_exception")] * 2, long


def setting(cluster, name, value):
    cluster.ask("PUT", "_cluster/settings", {"persistent": {name: value}})


def block(name):
    """A block of the day's index."""
    return lambda cluster, on: cluster.ask("PUT", f"{day()}/_settings", {f"index.blocks.{name}": on or None})


# What an operator fixes, with the type that the shipper must know: of the index of the day, or before there is one.
DAYS = {
    "read_only_allow_delete": (block("read_only_allow_delete"), "429 cluster_block_exception"),
    "write": (block("write"), "403 cluster_block_exception"),
    "read_only": (block("read_only"), "403 cluster_block_exception"),
    "closed": (lambda cluster, on: cluster.ask("POST", f"{day()}/{'_close' if on else '_open'}"), "400 index_closed_exception"),
    "pipeline": (
        lambda cluster, on: cluster.ask("PUT", f"{day()}/_settings", {"index.default_pipeline": "missing" if on else "_none"}),
        # The node of OpenSearch that tests start is none that would look for it.
        {"flattened": "400 illegal_argument_exception: pipeline with id [missing] does not exist", "flat_object": "500 Internal Server Error"},
    ),
}
ROOM = {
    "shards": (lambda cluster, on: setting(cluster, "cluster.max_shards_per_node", 1 if on else None), "400 validation_exception"),
    "auto_create_index": (lambda cluster, on: setting(cluster, "action.auto_create_index", "false" if on else None), "404 index_not_found_exception"),
}


def test_what_an_operator_fixes_in_an_index_is_waited_for(cluster, ship):
    shipper = ship()
    shipper.write({"n": 0})
    Shipper.until("it is there", lambda: count(cluster, day()) == 1)
    for number, (what, (spoil, kind)) in enumerate(DAYS.items(), 1):
        kind = kind if isinstance(kind, str) else kind[cluster.flat]
        print(what, kind, flush=True)
        said = len(shipper.said())
        spoil(cluster, True)
        shipper.write({"n": number})
        Shipper.until(f"{kind}: {shipper.said()[said:][-3000:]}", lambda: f"trying again: {kind}" in shipper.said()[said:])
        assert cluster.status("GET", f"{INDEX}-rejected")[0] == 404, what
        spoil(cluster, False)
        Shipper.until("it is there", lambda: count(cluster, day()) == number + 1)
    assert cluster.status("GET", f"{INDEX}-rejected")[0] == 404


@pytest.mark.parametrize("what", ROOM)
def test_an_index_that_cannot_be_made_is_waited_for(cluster, ship, what):
    spoil, kind = ROOM[what]
    spoil(cluster, True)
    try:
        shipper = ship()
        shipper.write({"n": 1})
        Shipper.until(f"{kind}: {shipper.said()[-3000:]}", lambda: f"trying again: {kind}" in shipper.said())
        assert not [name for name in cluster.ask("GET", "_cat/indices?format=json") if name["index"].startswith(INDEX)]
    finally:
        spoil(cluster, False)
    Shipper.until("it is there", lambda: count(cluster, day()) == 1)
    assert cluster.status("GET", f"{INDEX}-rejected")[0] == 404


def test_what_is_too_large_is_sent_in_parts_or_filed(server, ship):
    if not isinstance(server, Cluster):
        pytest.skip("its settings are OpenSearch's")
    server.script("halt")
    server.script("start", "http.max_content_length: 1mb")
    shipper = ship(bulk_bytes=4_000_000)
    # A request of more than a megabyte is sent in parts, and one record that is longer is in no index.
    shipper.write(*({"n": number, "text": "word " * 40_000} for number in range(12)), {"n": 12, "text": "word " * 300_000}, {"n": 13})
    Shipper.until(f"they are there: {shipper.said()[-3000:]}", lambda: count(server, day()) == 13)
    Shipper.until("the long one is filed", lambda: (shipper.folder / "state" / "dead-letters.jsonl").exists())
    letters = [json.loads(line) for line in (shipper.folder / "state" / "dead-letters.jsonl").read_text().splitlines()]
    assert [(letter["error_type"], json.loads(letter["payload"])["n"]) for letter in letters] == [("too_large", 12)]
